"""What the tables hold after runs in any order, with damaged files and other runs in between."""

import shutil
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import duckdb
import pytest
from kedro.io import DatasetError
from tests.ingesting import (
    HOUR,
    RUN_TIME,
    TABLES,
    Ingestion,
    assert_same_tables,
    made_later,
    make_granules,
    put,
    report_of,
)
from tests.repetitions import repeat

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.exceptions import ArchiveError, ParameterError, TableError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules import series as series_module
from lightning_kedro.pipelines.ingestion.nodes import load_flashes
from lightning_kedro.store import loading
from lightning_kedro.store.loaded import FlashTable
from lightning_kedro.store.series_files import SelectedSeries, SeriesFolder

GRANULES = make_granules()
NAME, CONTENT = GRANULES[1]
BROKEN = b"not a granule"


@pytest.fixture
def ingestion(tmp_path: Path) -> Ingestion:
    """Three granules in an archive on disk, and nothing loaded."""
    for name, content in GRANULES:
        put(tmp_path / "archive", name, content)
    return Ingestion(tmp_path / "data", str(tmp_path / "archive"))


def beside(ingestion: Ingestion, folder: str) -> Ingestion:
    """A second place to ingest the same archive to."""
    return Ingestion(ingestion.data.parent / folder, ingestion.root)


def granule(ingestion: Ingestion) -> tuple[str, str, str | None, int]:
    """File name, status, reason and stored flashes of the second granule."""
    start = f"TIMESTAMP '{NAME.start:%Y-%m-%d %H:%M:%S}'"
    (row,) = ingestion.query(
        f"SELECT file_name, status, reason, (SELECT count(*) FROM flashes "
        f"WHERE granule_start = {start}) FROM granules WHERE granule_start = {start}"
    )
    return row  # type: ignore[return-value]


def test_file_completed_without_a_change_of_size_is_loaded(ingestion: Ingestion) -> None:
    put(Path(ingestion.root), NAME, bytes(len(CONTENT)))
    ingestion.run()
    assert granule(ingestion)[1] == "corrupt"
    put(Path(ingestion.root), NAME, CONTENT)
    ingestion.run()
    assert granule(ingestion)[1:3] == ("loaded", None)
    ingestion.run()
    whole = beside(ingestion, "whole")
    whole.run()
    assert_same_tables(ingestion, whole)


@pytest.mark.parametrize("streams", [False, True])
def test_corrupt_newer_creation_never_takes_flashes_away(
    ingestion: Ingestion, streams: bool
) -> None:
    ingestion.streams = streams
    ingestion.run()
    before = ingestion.dump()["flashes"]
    newer = put(Path(ingestion.root), made_later(NAME), BROKEN)
    ingestion.run()
    file_name, status, reason, flashes = granule(ingestion)
    assert (file_name, status) == (NAME.file_name, "loaded")
    assert flashes > 0
    assert reason is not None
    assert reason.startswith(f"{newer.name} is newer but corrupt: not a")
    assert before.equals(ingestion.dump()["flashes"])

    # At once or one after the other, a run more or less: the tables are the same.
    at_once = beside(ingestion, "at-once")
    at_once.run()
    assert_same_tables(ingestion, at_once)
    ingestion.run()
    assert_same_tables(ingestion, at_once)

    # The newer one is completed, and stands from then on.
    newer.write_bytes(CONTENT)
    ingestion.run()
    assert granule(ingestion)[:3] == (newer.name, "loaded", None)


@pytest.mark.parametrize("newest_first", [True, False])
def test_record_of_a_granule_that_cannot_be_read_is_that_of_its_newest_file(
    ingestion: Ingestion, newest_first: bool
) -> None:
    root, newer = Path(ingestion.root), made_later(NAME)
    if newest_first:
        put(root, NAME, CONTENT).unlink()
        put(root, newer, BROKEN)
        ingestion.run()
    put(root, NAME, BROKEN)
    ingestion.run()
    assert granule(ingestion)[:2] == ((newer if newest_first else NAME).file_name, "corrupt")
    put(root, newer, CONTENT[:90_000])
    ingestion.run()
    assert granule(ingestion)[:2] == (newer.file_name, "corrupt")
    at_once = beside(ingestion, "at-once")
    at_once.run()
    assert_same_tables(ingestion, at_once)


def test_tables_do_not_depend_on_the_order_in_which_granules_come(tmp_path: Path) -> None:
    files = [
        *GRANULES,
        (made_later(NAME), BROKEN),
        (made_later(NAME, 30), GRANULES[2][1][:90_000]),
    ]
    at_once = Ingestion(tmp_path / "at-once", str(tmp_path / "archive-at-once"))
    for name, content in files:
        put(Path(at_once.root), name, content)
    at_once.run()
    assert at_once.query("SELECT status FROM granules") == [("loaded",)] * 3
    step = repeat(12, 6)  # the fewer still begin with each of the files
    for number, order in enumerate(permutations(range(len(files)), 3)):
        if number % step == 0:
            later = Ingestion(tmp_path / f"data-{number}", str(tmp_path / f"archive-{number}"))
            for at in (*order, *(set(range(len(files))) - set(order))):
                put(Path(later.root), *files[at])
                later.run()
            assert_same_tables(later, at_once)


def test_older_creation_that_turns_up_displaces_nothing(ingestion: Ingestion) -> None:
    ingestion.run()
    before = ingestion.dump()
    put(Path(ingestion.root), made_later(NAME, -1), CONTENT)
    ingestion.run()
    for table, rows in ingestion.dump().items():
        assert rows.equals(before[table])


@pytest.mark.parametrize("file", ["time_series.csv", "geo_series.csv"])
@pytest.mark.parametrize("damage", ["cut at a row", "cut in a row", "changed", "gone"])
def test_damaged_csv_loads_nothing_and_is_made_again(
    ingestion: Ingestion, file: str, damage: str
) -> None:
    whole = beside(ingestion, "whole")
    whole.run()
    series = FlashSeriesDataset(path=str(ingestion.data / "series"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    harm(ingestion.hour_folder() / file, damage)
    with pytest.raises(DatasetError, match=r"The CSV files in .*09 are damaged: .* run again"):
        ingestion.load(series, report_of())
    assert ingestion.query("SELECT table_name FROM duckdb_tables()") == []
    assert not (ingestion.hour_folder() / "granules.csv").exists()
    ingestion.run()
    assert_same_tables(ingestion, whole)


def harm(path: Path, damage: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    if damage == "gone":
        path.unlink()
    elif damage == "changed":
        values = lines[3].split(",")
        path.write_text(
            "".join([*lines[:3], ",".join([values[0], "when?", *values[2:]]), *lines[4:]])
        )
    else:
        rest = lines[-1][:30] if damage == "cut in a row" else ""
        path.write_text("".join(lines[:-1]) + rest)


def test_flash_lost_from_one_granule_is_not_made_up_for_by_another(ingestion: Ingestion) -> None:
    """Row for row the file is as long as it was, and the total of joined rows is right."""
    series = FlashSeriesDataset(path=str(ingestion.data / "series"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    for file in ("time_series.csv", "geo_series.csv"):
        path = ingestion.hour_folder() / file
        lines = path.read_text().splitlines(keepends=True)
        moved = lines[1].split(",")
        moved[1:3] = [lines[-1].split(",")[1], "65000"]
        path.write_text("".join([lines[0], *lines[2:], ",".join(moved)]))
    with pytest.raises(DatasetError, match="are damaged"):
        ingestion.load(series, report_of())


def test_hour_written_by_another_run_meanwhile_is_looked_at_anew(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the choice of the granules and their load, another run takes in a newer creation."""
    other = Ingestion(ingestion.data, ingestion.root)
    insert = loading._insert_hours
    interfered = []

    def interfere(*arguments: object, **options: bool) -> None:
        if not interfered:
            interfered.append(True)
            put(Path(ingestion.root), made_later(NAME), CONTENT)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(other, "load", lambda *_: None)
                # The database is this run's, which holds it open: what it knows is nothing yet.
                patch.setattr("lightning_kedro.store.loaded.database_exists", lambda _: False)
                other.run()
        insert(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "_insert_hours", interfere)
    ingestion.run()
    assert interfered
    assert granule(ingestion)[0] == made_later(NAME).file_name
    clean = beside(ingestion, "clean")
    clean.run()
    assert_same_tables(ingestion, clean)


def test_hour_dropped_by_another_run_meanwhile_is_named(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = loading._insert_hours

    def drop(connection: object, hours: list[SeriesFolder], **options: bool) -> None:
        for hour in hours:
            hour.discard()
        insert(connection, hours, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "_insert_hours", drop)
    with pytest.raises(DatasetError, match=r"granules\.csv is gone: .*Run again"):
        ingestion.run()


def test_hours_that_never_stop_changing_are_said_so(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*_: object) -> None:
        raise loading._ChangedHoursError

    monkeypatch.setattr(loading, "_check_unchanged", change)
    with pytest.raises(DatasetError, match="Other runs keep writing the hours of this window"):
        ingestion.run()


def test_folder_that_looks_like_a_pattern_is_read_as_it_is(tmp_path: Path) -> None:
    for name, content in GRANULES:
        put(tmp_path / "archive", name, content)
    plain = Ingestion(tmp_path / "x", str(tmp_path / "archive"))
    plain.run()
    # Read as a pattern, this folder would be the one before, with other flashes in it.
    (plain.hour_folder() / "time_series.csv").write_text("other flashes\n")
    odd = Ingestion(tmp_path / "[x]", plain.root)
    odd.run()
    starred = Ingestion(tmp_path / "*[", plain.root)
    starred.run()
    assert_same_tables(odd, plain)
    assert_same_tables(starred, plain)


def test_hour_is_counted_again_when_a_late_granule_comes_with_the_next_hour(
    tmp_path: Path,
) -> None:
    root, later = tmp_path / "archive", HOUR + timedelta(hours=1)
    numbers = (0, 178, 179)
    early = make_granules(numbers=numbers)
    for name, content in (*early[:2], *make_granules(later, [0])):
        put(root, name, content)
    ingestion = Ingestion(tmp_path / "data", str(root))
    ingestion.run()
    # 10:00 too, of which 09:00 needs the first granule; an hour not asked for is not counted.
    assert ingestion.query("SELECT hour(hour), found, missing FROM coverage") == [(9, 2, 178)]
    put(root, *early[2])
    ingestion.run(later)
    rows = "SELECT hour(hour), expected, found, corrupt, missing FROM coverage ORDER BY hour"
    assert ingestion.query(rows) == [(9, 180, 3, 0, 177), (10, 180, 1, 0, 179)]


def test_record_with_two_rows_for_a_granule_counts_it_once(ingestion: Ingestion) -> None:
    put(Path(ingestion.root), made_later(NAME), BROKEN)
    ingestion.run()
    assert SelectedSeries((folder(ingestion),)).read_granules().num_rows == 4
    assert ingestion.query("SELECT found, corrupt, missing FROM coverage") == [(3, 0, 177)]


def folder(ingestion: Ingestion) -> SeriesFolder:
    return SeriesFolder(ingestion.hour_folder(), "G17", HOUR)


def test_test_data_never_displace_what_the_operational_system_made(ingestion: Ingestion) -> None:
    late = replace(made_later(NAME, 3600), environment="OT")
    put(Path(ingestion.root), late, GRANULES[2][1])
    ingestion.run()
    assert granule(ingestion)[:2] == (NAME.file_name, "loaded")
    at_once = beside(ingestion, "at-once")
    at_once.run()
    assert_same_tables(ingestion, at_once)


def test_deleted_flashes_are_loaded_again(ingestion: Ingestion) -> None:
    ingestion.run()
    before = ingestion.dump()
    for harm_flashes in (
        "DELETE FROM flashes WHERE granule_start = (SELECT max(granule_start) FROM flashes)",
        "DELETE FROM flashes WHERE flash_id % 2 = 0",
        "INSERT INTO flashes SELECT * FROM flashes LIMIT 5",
        "DELETE FROM flashes",
        "DROP TABLE flashes",
    ):
        with duckdb.connect(str(ingestion.database)) as connection:
            connection.execute(harm_flashes)
        ingestion.run()
        after = ingestion.dump()
        assert all(rows.equals(after[table]) for table, rows in before.items()), harm_flashes


def test_deleted_flashes_whose_files_are_gone_are_made_again(ingestion: Ingestion) -> None:
    ingestion.run()
    before = ingestion.dump()
    with duckdb.connect(str(ingestion.database)) as connection:
        connection.execute("DELETE FROM flashes")
    shutil.rmtree(ingestion.data / "series")
    ingestion.run()
    after = ingestion.dump()
    assert all(rows.equals(after[table]) for table, rows in before.items())


@pytest.mark.parametrize(
    ("file", "column", "value"),
    [
        ("geo_series.csv", "lat", "95.0"),
        ("geo_series.csv", "lat", "nan"),
        ("geo_series.csv", "lat", ""),
        ("geo_series.csv", "lon", "-180.5"),
        ("time_series.csv", "time", "2024-07-14 09:09:00.000000"),
        ("time_series.csv", "time", "2023-07-14 09:00:21.000000"),
        ("time_series.csv", "time_end", "2024-07-14 09:00:59.000000"),
        ("time_series.csv", "energy_j", "-1e-15"),
        ("time_series.csv", "energy_j", "1.0"),
        ("time_series.csv", "area_km2", "-4.0"),
        ("time_series.csv", "area_km2", "1e9"),
        ("time_series.csv", "quality_flag", "9"),
        ("time_series.csv", "quality_flag", "-1"),
    ],
)
def test_csv_with_a_value_that_no_flash_can_have_is_made_again(
    ingestion: Ingestion, file: str, column: str, value: str
) -> None:
    series = FlashSeriesDataset(path=str(ingestion.data / "series"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    path = ingestion.hour_folder() / file
    header, first, *rest = path.read_text().splitlines()
    cells = dict(zip(header.split(","), first.split(","), strict=True)) | {column: value}
    path.write_text("\n".join([header, ",".join(cells.values()), *rest, ""]))
    with pytest.raises(DatasetError, match=r"are damaged: .*or values that no flash can have\..*"):
        ingestion.load(series, report_of())
    assert ingestion.query("SELECT table_name FROM duckdb_tables()") == []
    ingestion.run()
    whole = beside(ingestion, "whole")
    whole.run()
    assert_same_tables(ingestion, whole)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"loaded"', '"lovely"'),
        ("2024-07-14 09:00:20", "2024-07-14 11:00:20"),
        ('"G17"', '"G16"'),
        (f'"{NAME.file_name}"', ""),
        (f",{len(CONTENT)},", ",,"),
    ],
)
def test_record_with_impossible_rows_is_named_and_made_again(
    ingestion: Ingestion, old: str, new: str
) -> None:
    series = FlashSeriesDataset(path=str(ingestion.data / "series"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    path = ingestion.hour_folder() / "granules.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TableError, match=r"granules\.csv cannot be read: it has rows that no gran"):
        ingestion.load(series, report_of())
    ingestion.run()
    whole = beside(ingestion, "whole")
    whole.run()
    assert_same_tables(ingestion, whole)


def test_real_bounds_let_every_simulated_flash_pass(ingestion: Ingestion) -> None:
    """The bounds are those of the reader: what it lets pass is loaded."""
    ingestion.run()
    (counts,) = ingestion.query(
        "SELECT (SELECT count(*) FROM flashes), (SELECT sum(flash_count) FROM granules)"
    )
    assert counts[0] == counts[1] > 0


def test_what_failed_is_on_the_hours_record_and_never_in_the_database(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = series_module.read_flashes

    def fail(source: Path | bytes, name: GranuleName) -> object:
        if name == NAME:
            message = "could not be read (Input/output error);\nrun again"
            raise ArchiveError(message)
        return read(source, name)

    monkeypatch.setattr(series_module, "read_flashes", fail)
    for _ in range(2):
        ingestion.run()
        (failure,) = ingestion.failures
        assert f"{NAME.file_name} could not be read (Input/output error)" in failure
        assert failure.isprintable()
        assert ingestion.query("SELECT status FROM granules") == [("loaded",)] * 2
        record = SelectedSeries((folder(ingestion),)).read_granules()
        assert record["status"].to_pylist() == ["loaded", "failed", "loaded"]
    monkeypatch.undo()
    ingestion.run()
    assert ingestion.failures == ()
    whole = beside(ingestion, "whole")
    whole.run()
    assert_same_tables(ingestion, whole)
    assert folder(ingestion).read_granules()["status"].to_pylist() == ["loaded"] * 3


def test_nothing_changes_before_the_last_of_the_three_tables_is_saved(
    ingestion: Ingestion,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    series = FlashSeriesDataset(path=str(ingestion.data / "series")).load()
    *parts, _ = load_flashes(series, report_of(), RUN_TIME)
    entries = tables(ingestion)
    assert parts[0] is parts[1] is parts[2]
    assert deepcopy(parts[0]) is parts[0]
    for table in ("granules", "flashes"):
        entries[table].save(parts[0])
        assert not ingestion.database.exists()
    entries["coverage"].save(parts[0])
    whole = beside(ingestion, "whole")
    whole.run()
    assert_same_tables(ingestion, whole)


def tables(ingestion: Ingestion) -> dict[str, GranuleTableDataset]:
    path = str(ingestion.database)
    return {table: GranuleTableDataset(path=path, table=table) for table in TABLES}


def test_saving_what_was_loaded_changes_nothing(ingestion: Ingestion) -> None:
    ingestion.run()
    before = ingestion.dump()
    for entry in tables(ingestion).values():
        entry.save(entry.load())
        entry.save(entry.load().df())
    after = ingestion.dump()
    assert all(rows.equals(after[table]) for table, rows in before.items())


def test_frame_replaces_rows_of_its_key_and_a_handle_copies_a_table(ingestion: Ingestion) -> None:
    ingestion.run()
    entries = tables(ingestion)
    frame = entries["granules"].load().df()
    changed = frame.iloc[[1]].assign(reason="looked at by hand")
    entries["granules"].save(changed)
    assert ingestion.query("SELECT reason FROM granules ORDER BY granule_start") == [
        (None,),
        ("looked at by hand",),
        (None,),
    ]
    other = beside(ingestion, "other")
    for table, entry in tables(other).items():
        entry.save(entries[table].load())
    assert_same_tables(other, ingestion)


def test_handles_give_the_rows_of_a_window(tmp_path: Path) -> None:
    later = HOUR + timedelta(hours=1)
    for name, content in (*make_granules(numbers=(0, 90)), *make_granules(later, (0, 90))):
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    ingestion.run(hours=2)
    flashes, granules, coverage = (
        tables(ingestion)[table].load() for table in ("flashes", "granules", "coverage")
    )
    assert (len(granules), len(coverage)) == (4, 2)
    assert len(flashes) == len(flashes.df()) > 0
    half = ("G17", "2024-07-14T09:30", "2024-07-14T10:00:10")
    starts = granules.window(*half, columns=["granule_start"])["granule_start"]
    assert [f"{start:%H:%M:%S}" for start in starts] == ["09:30:00", "10:00:00"]
    hours = coverage.window(*half)["hour"]
    assert [f"{hour:%H:%M}" for hour in hours] == ["09:00", "10:00"]
    assert len(coverage.window("G17", "2024-07-14T10:00", "2024-07-14T11:00")) == 1
    times = flashes.window(*half)["time"]
    assert times.between("2024-07-14T09:30", "2024-07-14T10:00:10", "left").all()
    assert len(times) > 0
    assert granules.window("G16", *half[1:]).empty
    with pytest.raises(KeyError, match=r"table coverage has no columns \['lightning'\]"):
        coverage.window(*half, columns=["lightning"])


def test_other_table_is_no_table_of_ingestion() -> None:
    with pytest.raises(TableError, match="Table elbow_curve is not filled by ingestion; that are"):
        GranuleTableDataset(path="x.duckdb", table="elbow_curve")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (("GOES-21", "2024-07-14T10:00", "2024-07-14T11:00"), "no satellite 'GOES-21': give G16"),
        (("himawari", "2024-07-14T10:00", "2024-07-14T11:00"), "no satellite 'himawari': give G16"),
        (("G18", "2024-07-14T11:00", "2024-07-14T10:00"), "2024-07-14T11:00:00 must end after"),
        (("G18", "2024-07-14T11:00", "2024-07-14T11:00"), "2024-07-14T11:00:00 must end after"),
    ],
)
def test_window_that_cannot_be_is_refused_and_not_empty(
    tmp_path: Path, window: tuple[str, str, str], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        FlashTable(tmp_path / "none.duckdb").window(*window)
