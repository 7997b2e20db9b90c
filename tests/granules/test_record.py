"""Reports of hours: what passes from node to node, and to whoever asks how a run went."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import HourRecord, HourReport, StoredGranule
from lightning_kedro.store.bundles import read_bundle, write_bundle

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
NAME = GranuleName(
    platform="G17",
    start=HOUR,
    end=HOUR + timedelta(seconds=20),
    created=HOUR + timedelta(seconds=22),
)


def make_report() -> HourReport:
    granules = tuple(
        StoredGranule(
            replace(
                NAME,
                start=HOUR + number * timedelta(seconds=20),
                end=HOUR + (number + 1) * timedelta(seconds=20),
                created=HOUR + timedelta(minutes=2),
            ),
            f"noaa-goes17/{number}",
            300_000 + number,
            is_local=number % 2 == 0,
        )
        for number in range(3)
    )
    return HourReport(
        (
            HourRecord(ArchiveHour("G17", HOUR - timedelta(hours=1), "last"), is_listed=False),
            HourRecord(ArchiveHour("G17", HOUR), found=3, wanted=granules, failures=("a", "b")),
            HourRecord(ArchiveHour("G17", HOUR + timedelta(hours=1), "first"), found=1),
        )
    )


def test_report_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    report = make_report()
    write_bundle(tmp_path, report)
    assert read_bundle(tmp_path) == report
    assert len(list(tmp_path.iterdir())) == 3, "two tables, however many granules there are"


def test_report_without_hours_comes_back(tmp_path: Path) -> None:
    write_bundle(tmp_path, HourReport(()))
    assert read_bundle(tmp_path) == HourReport(())
