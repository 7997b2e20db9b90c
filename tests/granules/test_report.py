"""What the nodes of ingestion give each other: values that keep what went wrong."""

import pickle
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

from tests.ingesting import HOUR, make_granules

from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import HourRecord, HourReport, StoredGranule
from lightning_kedro.store.bundles import read_bundle, write_bundle

GRANULES = tuple(
    StoredGranule(name, name.file_name, len(content)) for name, content in make_granules()
)
NAMES = [granule.name.file_name for granule in GRANULES]
REPORT = HourReport(
    (
        HourRecord(ArchiveHour("G17", HOUR), found=3, wanted=GRANULES),
        HourRecord(
            ArchiveHour("G17", HOUR + timedelta(hours=1), "first"),
            is_listed=False,
            failures=("503 for 10:00",),
        ),
    )
)


def test_report_is_a_table_for_people_and_schedulers() -> None:
    rows = REPORT.to_table().to_pylist()
    assert [row["hour"].hour for row in rows] == [9, 10]
    assert [row["part"] for row in rows] == ["whole", "first"]
    assert [row["listed"] for row in rows] == [True, False]
    assert [row["found"] for row in rows] == [3, 0]
    assert [row["wanted"] for row in rows] == [NAMES, []]
    assert [row["failures"] for row in rows] == [[], ["503 for 10:00"]]
    assert HourReport(()).to_table().num_rows == 0


def test_report_tells_which_hours_are_known_and_what_is_wanted() -> None:
    assert len(REPORT) == 2
    assert REPORT.hours == tuple(record.hour for record in REPORT)
    assert REPORT.listed_hours == REPORT.hours[:1]
    assert REPORT.wanted == GRANULES
    fewer = REPORT.keep(GRANULES[:1])
    assert fewer.wanted == GRANULES[:1]
    assert [record.found for record in fewer] == [3, 0]
    assert fewer.failures == REPORT.failures


def test_only_what_this_run_wanted_counts_as_failed() -> None:
    report = REPORT.keep(GRANULES[:2]).add_failed({NAMES[1]: "reset", NAMES[2]: "of another run"})
    assert report.failures == ("reset", "503 for 10:00")
    assert REPORT.failures == ("503 for 10:00",)


def test_report_is_not_copied_within_a_process_and_the_same_in_another() -> None:
    assert deepcopy(REPORT) is REPORT
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT  # noqa: S301


def test_report_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    write_bundle(tmp_path, REPORT)
    assert read_bundle(tmp_path) == REPORT
    assert len(list(tmp_path.iterdir())) == 2, "one table, however many granules there are"


def test_report_without_hours_comes_back(tmp_path: Path) -> None:
    write_bundle(tmp_path, HourReport(()))
    assert read_bundle(tmp_path) == HourReport(())
