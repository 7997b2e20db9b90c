"""Hours of CSV files: what is read again, what is kept, and what damage makes of them."""

import logging
from pathlib import Path

import pytest
from tests.ingesting import HOUR, made_later, make_granules, put, window

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.raw_granules import RawGranulesDataset
from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.ports import LoadedStore
from lightning_kedro.pipelines.ingestion.nodes import extract_granules, transform_granules
from lightning_kedro.store.series_files import FlashSeries, SeriesFolder

GRANULES = make_granules()


class NothingKnown(LoadedStore):
    """A database that is empty."""

    def among(self, _: object, __: object) -> KnownGranules:
        return KnownGranules({})

    def has_platforms(self, _: object) -> bool:
        return False


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, content in GRANULES:
        put(tmp_path / "archive", name, content)
    return tmp_path / "archive"


@pytest.fixture
def hour(tmp_path: Path) -> SeriesFolder:
    return FlashSeries(tmp_path / "series").hour("G17", HOUR)


def save(archive: Path, caplog: pytest.LogCaptureFixture) -> int:
    """Save the hour, and say how many granules were decoded for it."""
    caplog.clear()
    caplog.set_level(logging.INFO)
    handle = GranuleArchiveDataset(root=str(archive)).load()
    segments = window()["selection"]["segments"]
    selection, report = extract_granules(handle, NothingKnown(), segments)
    tasks, _ = transform_granules(selection, report, NothingKnown())
    FlashSeriesDataset(path=str(archive.parent / "series")).save(tasks)
    return next(record.args[0] for record in caplog.records if "Decoded" in record.msg)  # type: ignore[return-value,index]


def statuses(hour: SeriesFolder) -> list[str]:
    return hour.read_granules()["status"].to_pylist()


def test_hour_that_holds_what_is_wanted_is_not_read_again(
    archive: Path, hour: SeriesFolder, caplog: pytest.LogCaptureFixture
) -> None:
    assert save(archive, caplog) == 3
    before = hour.time_series.stat().st_ino
    assert save(archive, caplog) == 0
    assert hour.time_series.stat().st_ino == before


def test_granule_that_was_corrupt_is_read_again_and_nothing_else(
    archive: Path, hour: SeriesFolder, caplog: pytest.LogCaptureFixture
) -> None:
    save(archive, caplog)
    expected = hour.read()
    name, content = GRANULES[1]
    for path in hour.folder.iterdir():
        path.unlink()
    put(archive, name, bytes(len(content)))
    save(archive, caplog)
    assert statuses(hour) == ["loaded", "corrupt", "loaded"]
    files = {path: path.stat().st_ino for path in hour.folder.iterdir()}

    assert save(archive, caplog) == 1
    assert {path: path.stat().st_ino for path in hour.folder.iterdir()} == files

    put(archive, name, content)
    assert save(archive, caplog) == 1
    assert hour.read().flashes.equals(expected.flashes)
    assert hour.read().granules.equals(expected.granules)


def test_corrupt_newer_creation_leaves_the_flashes_of_the_older_one(
    archive: Path, hour: SeriesFolder, caplog: pytest.LogCaptureFixture
) -> None:
    save(archive, caplog)
    before = hour.read()
    newer = made_later(GRANULES[1][0])
    put(archive, newer, b"not a granule")
    assert save(archive, caplog) == 1
    assert hour.read().flashes.equals(before.flashes)
    assert sorted(statuses(hour)) == ["corrupt", "loaded", "loaded", "loaded"]

    # A copy of the older one that is cut displaces it as little.
    put(archive, GRANULES[1][0], GRANULES[1][1][:100_000])
    save(archive, caplog)
    assert hour.read().flashes.equals(before.flashes)

    # The newer one is completed: it alone stands.
    put(archive, newer, GRANULES[1][1])
    save(archive, caplog)
    assert statuses(hour) == ["loaded"] * 3
    assert newer.file_name in hour.read_granules()["file_name"].to_pylist()
    assert hour.read().flashes.equals(before.flashes)


@pytest.mark.parametrize("file", ["time_series.csv", "geo_series.csv", "granules.csv"])
@pytest.mark.parametrize("kept", ["whole rows", "half a row", "nothing"])
def test_hour_whose_files_were_cut_is_made_again(
    archive: Path, hour: SeriesFolder, caplog: pytest.LogCaptureFixture, file: str, kept: str
) -> None:
    save(archive, caplog)
    expected = hour.read()
    path = hour.folder / file
    lines = path.read_bytes().splitlines(keepends=True)
    cut = {"whole rows": -1, "half a row": -1, "nothing": 0}[kept]
    rest = lines[-1][:20] if kept == "half a row" else b""
    path.write_bytes(b"".join(lines[:cut]) + rest)
    assert save(archive, caplog) == 3
    assert hour.read().flashes.equals(expected.flashes)
    assert hour.read().granules.equals(expected.granules)


def test_hour_with_a_row_that_cannot_be_read_is_made_again_when_it_grows(
    archive: Path, hour: SeriesFolder, caplog: pytest.LogCaptureFixture
) -> None:
    name, content = make_granules(numbers=[3])[0]
    save(archive, caplog)
    rows = hour.geo_series.read_text().splitlines()
    rows[5] = rows[5].rsplit(",", 1)[0] + ",far away"
    hour.geo_series.write_text("\n".join(rows) + "\n")
    put(archive, name, content)
    save(archive, caplog)
    assert statuses(hour) == ["loaded"] * 4
    assert not hour.is_damaged()


def test_record_that_is_gone_is_named(hour: SeriesFolder) -> None:
    with pytest.raises(TableError, match=r"granules\.csv is gone: .* Run again"):
        hour.read_granules()


def test_handles_on_folders_can_be_saved_back_without_harm(tmp_path: Path) -> None:
    for dataset in (
        FlashSeriesDataset(path=str(tmp_path / "series")),
        RawGranulesDataset(path=str(tmp_path / "raw")),
    ):
        dataset.save(dataset.load())
    assert not list(tmp_path.iterdir())
