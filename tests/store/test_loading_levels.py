"""Groups and events by hour and in the database: asked for, asked for later, damaged, dropped."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conftest import name_of
from tests.ingesting import HOUR, Ingestion, made_later, make_granules, put

from lightning_kedro.exceptions import ArchiveError, TableError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.glm.reader import read_granule
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.loaded import EventTable, FlashTable, GroupTable
from lightning_kedro.store.retention import prune_hours
from lightning_kedro.store.series_files import SeriesFolder

ALL = ("flash", "group", "event")
LATER_COLUMNS = ("group_count", "event_count")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    for name, made in make_granules():
        put(root, name, made)
    return root


@pytest.fixture
def ingestion(archive: Path, tmp_path: Path) -> Ingestion:
    shutil.copytree(archive, tmp_path / "archive")
    return Ingestion(tmp_path / "data", str(tmp_path / "archive"))


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Ingestion:
    """All levels at once."""
    made = Ingestion(tmp_path_factory.mktemp("whole"), str(archive), levels=ALL)
    made.run()
    return made


def folder_of(ingestion: Ingestion) -> SeriesFolder:
    return SeriesFolder(ingestion.hour_folder(), "G17", HOUR)


def rows(ingestion: Ingestion, table: str) -> list[tuple[Any, ...]]:
    return ingestion.query(f"SELECT * FROM {table} ORDER BY ALL")


def assert_same_rows(left: Ingestion, right: Ingestion) -> None:
    """Columns that were added to an older table come last in it."""
    ours, theirs = read_tables(left), read_tables(right)
    for table, expected in theirs.items():
        assert ours[table] == expected, table


def read_tables(ingestion: Ingestion) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with columns in the order of their names."""
    with duckdb.connect(str(ingestion.database), read_only=True) as connection:
        found = {}
        for table in ("granules", "flashes", "groups", "events", "coverage"):
            names = sorted(connection.table(table).columns)
            query = f"SELECT {', '.join(names)} FROM {table} ORDER BY ALL"
            found[table] = connection.execute(query).fetchall()
        return found


def damage(path: Path, variable: str) -> None:
    with h5py.File(path, "r+") as file:
        file.move(variable, f"old_{variable}")


def test_tables_hold_what_the_granules_hold(archive: Path, whole: Ingestion) -> None:
    for path in sorted(archive.rglob("*.nc")):
        name = name_of(path)
        read = read_granule(path, name, ALL)
        assert read.groups is not None
        assert read.events is not None
        condition = f"WHERE granule_start = '{name.start:%Y-%m-%d %H:%M:%S.%f}'"
        with duckdb.connect(str(whole.database), read_only=True) as connection:
            groups = connection.sql(f"FROM groups {condition} ORDER BY group_id").fetchnumpy()
            events = connection.sql(f"FROM events {condition} ORDER BY event_id").fetchnumpy()
        for found, expected, id_column in (
            (groups, read.groups, "group_id"),
            (events, read.events, "event_id"),
        ):
            order = np.argsort(getattr(expected, id_column))
            for column in {*found} - {"platform", "granule_start", "simulated", *LATER_COLUMNS}:
                if hasattr(expected, column):
                    values = np.ma.filled(found[column])
                    theirs = getattr(expected, column)[order].astype(values.dtype)
                    np.testing.assert_array_equal(values, theirs, err_msg=column)
            assert not np.ma.filled(found["simulated"]).any()


def test_parents_are_there_and_flashes_count_them(whole: Ingestion) -> None:
    key = "platform, granule_start"
    groups = (
        "SELECT count(*) FROM groups ANTI JOIN (SELECT *, flash_id AS parent_flash_id "
        f"FROM flashes) AS parents USING ({key}, parent_flash_id)"
    )
    events = (
        "SELECT count(*) FROM events ANTI JOIN (SELECT *, group_id AS parent_group_id "
        f"FROM groups) AS parents USING ({key}, parent_group_id, parent_flash_id)"
    )
    assert whole.query(groups) == whole.query(events) == [(0,)]
    by_flash = f"""
        SELECT {key}, parent_flash_id, count(*) FROM {{}} GROUP BY ALL ORDER BY ALL
    """
    for table, column in (("groups", "group_count"), ("events", "event_count")):
        counted = whole.query(f"SELECT {key}, flash_id, {column} FROM flashes ORDER BY ALL")
        assert counted == whole.query(by_flash.format(table))
        totals = whole.query(f"SELECT sum({column}) FROM granules")
        assert totals == whole.query(f"SELECT count(*) FROM {table}")
    assert whole.query("SELECT sum(event_count) FROM groups") == whole.query(
        "SELECT count(*) FROM events"
    )


def test_flashes_alone_make_no_other_tables_or_files(ingestion: Ingestion) -> None:
    ingestion.run()
    tables = {name for (name,) in ingestion.query("SELECT table_name FROM duckdb_tables()")}
    assert tables == {"granules", "flashes", "coverage"}
    names = {path.name for path in ingestion.hour_folder().iterdir()}
    assert not [name for name in names if name.endswith(".parquet")]
    for table in ("granules", "flashes"):
        found = ingestion.query(f"SELECT DISTINCT group_count, event_count FROM {table}")
        assert found == [(None, None)]


def test_tables_of_ones_own_called_so_are_left_alone_by_flashes(ingestion: Ingestion) -> None:
    ingestion.database.parent.mkdir(parents=True)
    with duckdb.connect(str(ingestion.database)) as connection:
        connection.execute("CREATE TABLE events AS SELECT 'concert' AS kind")
    ingestion.run()
    ingestion.run()
    assert ingestion.query("SELECT * FROM events") == [("concert",)]
    ingestion.levels = ALL
    with pytest.raises(Exception, match="has a table called events without the key"):
        ingestion.run()


@pytest.mark.parametrize(
    ("asked", "streams"),
    [
        ([("flash",), ("flash", "group"), ALL], False),
        ([("flash",), ALL], True),
        ([("flash", "group"), ALL, ("flash",)], False),
    ],
    ids=["one by one", "at once and streaming", "and then fewer"],
)
def test_level_that_is_asked_for_later_comes_later(
    ingestion: Ingestion, whole: Ingestion, asked: list[tuple[str, ...]], streams: bool
) -> None:
    ingestion.streams = streams
    for levels in asked:
        ingestion.levels = levels
        ingestion.run()
    assert_same_rows(ingestion, whole)


def test_what_is_loaded_is_not_read_again(
    ingestion: Ingestion, whole: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion.levels = ALL
    ingestion.run()
    before = {path: path.stat().st_mtime_ns for path in ingestion.hour_folder().iterdir()}
    monkeypatch.setattr("lightning_kedro.granules.series.read_granule", None)
    for levels in (ALL, ("flash", "group"), ("flash",)):
        ingestion.levels = levels
        ingestion.run()
    assert before == {path: path.stat().st_mtime_ns for path in ingestion.hour_folder().iterdir()}
    assert_same_rows(ingestion, whole)


def test_database_gets_only_the_levels_that_are_asked_for(
    ingestion: Ingestion, whole: Ingestion
) -> None:
    """Files of an hour that hold more do not fill a database that is made anew."""
    ingestion.levels = ALL
    ingestion.run()
    ingestion.database.unlink()
    ingestion.levels = ("flash", "group")
    ingestion.run()
    tables = {name for (name,) in ingestion.query("SELECT table_name FROM duckdb_tables()")}
    assert "events" not in tables
    assert ingestion.query("SELECT DISTINCT event_count FROM granules") == [(None,)]
    ingestion.levels = ALL
    ingestion.run()
    assert_same_rows(ingestion, whole)


def test_newer_creation_replaces_its_groups_and_events(ingestion: Ingestion) -> None:
    ingestion.levels = ALL
    ingestion.run()
    (name, made), *_ = make_granules()
    start = f"'{name.start:%Y-%m-%d %H:%M:%S}'"
    before = ingestion.query(f"SELECT count(*) FROM groups WHERE granule_start = {start}")
    path = put(Path(ingestion.root), made_later(name), made)
    with h5py.File(path, "r+") as file:
        for variable in [one for one in file if one.startswith("event_") and file[one].ndim]:
            file[variable].resize((5,))
    ingestion.run()
    assert ingestion.query(f"SELECT count(*) FROM events WHERE granule_start = {start}") == [(5,)]
    assert ingestion.query(f"SELECT count(*) FROM groups WHERE granule_start = {start}") == before
    recorded = f"SELECT event_count FROM granules WHERE granule_start = {start}"
    assert ingestion.query(recorded) == [(5,)]


@pytest.mark.parametrize("variable", ["group_energy", "event_lon"])
def test_damaged_groups_or_events_do_not_cost_the_flashes(
    ingestion: Ingestion, variable: str
) -> None:
    path = min(Path(ingestion.root).rglob("*.nc"))
    damage(path, variable)
    ingestion.levels = ALL
    for _ in range(2):
        ingestion.run()
        found = ingestion.query(
            "SELECT status, group_count IS NULL, event_count IS NULL, reason, flash_count > 0 "
            "FROM granules ORDER BY granule_start"
        )
        told = f"only its flashes can be read: variable {variable} is missing or damaged"
        assert found[0][:3] == ("loaded", True, True)
        assert found[0][3].startswith(told)
        assert found[1:] == [("loaded", False, False, None, True)] * 2
    put(Path(ingestion.root), name_of(path), make_granules()[0][1])
    ingestion.run()
    assert ingestion.query("SELECT DISTINCT reason FROM granules") == [(None,)]
    assert ingestion.query("SELECT count(*) FROM granules WHERE event_count IS NULL") == [(0,)]


def test_level_that_cannot_be_had_now_makes_the_run_incomplete(
    ingestion: Ingestion, whole: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before stays, but nobody is told that all is there."""

    def refuse(*_: object) -> None:
        raise ArchiveError("503 Slow Down")

    ingestion.run()
    ingestion.levels = ALL
    with monkeypatch.context() as patch:
        patch.setattr("lightning_kedro.granules.series.read_granule", refuse)
        ingestion.run()
    assert len(ingestion.failures) == 3
    assert all("read again for its groups or events" in one for one in ingestion.failures)
    assert ingestion.query("SELECT count(*) > 0, count(group_count) FROM flashes") == [(True, 0)]
    ingestion.run()
    assert ingestion.failures == ()
    assert_same_rows(ingestion, whole)


@pytest.mark.parametrize(
    ("table", "how"),
    [
        ("groups", "gone"),
        ("events", "cut"),
        ("groups", "fewer"),
        ("events", "flipped"),
        ("groups", "another's"),
    ],
)
def test_damaged_parquet_loads_nothing_and_is_made_again(
    ingestion: Ingestion, whole: Ingestion, table: str, how: str
) -> None:
    ingestion.levels = ALL
    ingestion.run()
    ingestion.database.unlink()
    path = folder_of(ingestion).level_file(table)
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "fewer":
        pq.write_table(pq.read_table(path).slice(1), path)
    elif how == "flipped":  # the footer is sound and counts the rows: the pages do not hold them
        path.write_bytes(content[:4] + bytes(2000) + content[2004:])
    else:
        names = pq.read_table(path).column_names
        pq.write_table(pq.read_table(path).rename_columns([f"x_{name}" for name in names]), path)
    if how in {"flipped", "another's"}:
        with pytest.raises(Exception, match=r"The files in .*09 are damaged: .* run again"):
            ingestion.run()
    ingestion.run()
    assert_same_rows(ingestion, whole)


def test_impossible_values_in_parquet_are_not_loaded(
    ingestion: Ingestion, whole: Ingestion
) -> None:
    ingestion.levels = ALL
    ingestion.run()
    ingestion.database.unlink()
    path = folder_of(ingestion).level_file("events")
    events = pq.read_table(path)
    lat = events["lat"].to_numpy().copy()
    lat[3] = 95.0
    at = events.schema.get_field_index("lat")
    pq.write_table(events.set_column(at, events.schema.field(at), [lat]), path)
    with pytest.raises(Exception, match="values that no flash can have"):
        ingestion.run()
    assert not ingestion.query("SELECT table_name FROM duckdb_tables()")
    ingestion.run()
    assert_same_rows(ingestion, whole)


def test_rows_that_somebody_deleted_are_loaded_again(
    ingestion: Ingestion, whole: Ingestion
) -> None:
    ingestion.levels = ALL
    ingestion.run()
    with duckdb.connect(str(ingestion.database)) as connection:
        connection.execute("DELETE FROM events WHERE event_id % 7 = 0")
        connection.execute("DROP TABLE groups")
    ingestion.levels = ("flash",)
    ingestion.run()
    ingestion.levels = ALL
    ingestion.run()
    assert_same_rows(ingestion, whole)


def make_older(ingestion: Ingestion) -> None:
    """What a version without levels left behind."""
    path = ingestion.hour_folder() / "granules.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    kept = [at for at, name in enumerate(lines[0]) if name not in LATER_COLUMNS]
    path.write_text("".join(",".join(line[at] for at in kept) + "\n" for line in lines))
    with duckdb.connect(str(ingestion.database)) as connection:
        for table in ("granules", "flashes"):
            for column in LATER_COLUMNS:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


@pytest.mark.parametrize(("levels", "keeps_database"), [(("flash",), False), (ALL, True)])
def test_hours_and_databases_of_earlier_versions_are_taken_over(
    ingestion: Ingestion,
    whole: Ingestion,
    levels: tuple[str, ...],
    keeps_database: bool,
) -> None:
    ingestion.run()
    expected = rows(ingestion, "flashes")
    make_older(ingestion)
    assert FlashTable(ingestion.database).read(everything()).num_rows == len(expected)
    if not keeps_database:
        ingestion.database.unlink()
    ingestion.levels = levels
    ingestion.run()
    if levels == ALL:
        assert_same_rows(ingestion, whole)
    else:
        columns = "platform, granule_start, flash_id, time, lat, energy_j, group_count"
        assert ingestion.query(f"SELECT {columns} FROM flashes ORDER BY ALL") == [
            (*row[:4], row[5], row[7], None) for row in expected
        ]


def everything(region: Region | None = None, min_quality: str = "all") -> Selection:
    segment = Segment("G17", HOUR - timedelta(hours=1), HOUR + timedelta(hours=2))
    return Selection((segment,), region, min_quality)


def test_handles_read_a_window_a_region_and_groups_of_good_flashes(whole: Ingestion) -> None:
    groups, events = GroupTable(whole.database), EventTable(whole.database)
    assert groups.read(everything()).num_rows == len(groups)
    assert events.read(everything(), ["time", "lat"]).column_names == ["time", "lat"]
    region = Region(-150.0, -40.0, -100.0, 40.0)
    inside = events.read(everything(region))
    assert 0 < inside.num_rows < len(events)
    assert min(inside["lat"].to_pylist()) >= -40
    for handle in (groups, events):
        good = handle.read(everything(min_quality="good"))
        expected = whole.query(
            f"SELECT count(*) FROM {handle.name} AS one JOIN flashes ON (one.platform, "
            f"one.granule_start, parent_flash_id) = (flashes.platform, flashes.granule_start, "
            f"flash_id) WHERE flashes.quality_flag = 0"
        )
        assert [(good.num_rows,)] == expected
        times = good["time"].to_pylist()
        assert times == sorted(times)
    first = groups.read(everything(), ["time"])["time"][0].as_py()
    window = groups.window("G17", first, first + timedelta(seconds=1))
    assert 0 < len(window) < len(groups)


def test_level_that_is_not_there_says_how_to_get_it(ingestion: Ingestion) -> None:
    ingestion.run()
    for handle, level in ((GroupTable, "group"), (EventTable, "event")):
        with pytest.raises(TableError, match=f"--params ingestion.levels={level}`"):
            handle(ingestion.database).read(everything())


def test_prune_drops_parquet_too(ingestion: Ingestion) -> None:
    ingestion.levels = ALL
    ingestion.run()
    pruned = prune_hours(
        [ingestion.data / "series"], older_than_days=1, now=datetime(2024, 8, 1, tzinfo=UTC)
    )
    assert pruned.files == 6
    assert not ingestion.hour_folder().exists()


def test_kill_between_files_leaves_an_unfinished_hour(
    ingestion: Ingestion, whole: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granules.csv is written last, so that an hour without its events is made again."""
    ingestion.run()
    ingestion.levels = ALL
    with monkeypatch.context() as patch:
        patch.setattr("lightning_kedro.store.series_files._write_parquet", fail())
        with pytest.raises(Exception, match="power cut"):
            ingestion.run()
    assert not folder_of(ingestion).is_finished
    ingestion.run()
    assert_same_rows(ingestion, whole)
    for table in ("groups", "events"):
        ours, theirs = (folder_of(one).level_file(table) for one in (ingestion, whole))
        assert ours.read_bytes() == theirs.read_bytes()


def fail() -> Callable[..., None]:
    def stop(*_: object) -> None:
        raise OSError("power cut")

    return stop
