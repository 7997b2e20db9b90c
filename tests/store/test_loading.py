"""What the tables hold after runs in any order, with damaged files and other runs in between."""

from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from kedro.io import DatasetError
from tests.ingesting import (
    HOUR,
    Ingestion,
    assert_same_tables,
    made_later,
    make_granules,
    put,
    report_of,
)

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.store import loading
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
    for number, order in enumerate(permutations(range(len(files)), 3)):
        if number % 6 == 0:
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
