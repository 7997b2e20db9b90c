"""From an archive to tables: extract, transform, load. Pure functions of what they are handed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.glm.granule import GRANULE_LENGTH, GRANULES_PER_HOUR
from lightning_kedro.granules.archive import GranuleArchive, GranuleSelection
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.creations import list_partial
from lightning_kedro.granules.hours import ArchiveHour, archive_hours
from lightning_kedro.granules.ports import LoadedStore, RawGranules, SeriesStore
from lightning_kedro.granules.record import (
    EMPTY,
    LOADED,
    HourReport,
    find_failed,
)
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.selection import read_segments

ARCHIVE_DELAY: Final = timedelta(seconds=60)
"""After its end a granule is on S3 within this time: it is made about 2 s after its end, and
published some seconds later."""


def extract_granules(
    glm_archive: GranuleArchive,
    loaded_granules: LoadedStore,
    segments: Sequence[Mapping[str, str]],
    levels: Sequence[str] = ("flash",),
) -> tuple[GranuleSelection, HourReport]:
    """Choose the window's granules: whole archive hours, and one granule past each end.

    Args:
        glm_archive: The archive.
        loaded_granules: What the database holds already.
        segments: Which satellite in which part of the window.
        levels: The levels that are asked for.

    Returns:
        The granules that have to be read, which the catalog fetches, and the report of their hours.
        Where the archive has nothing in hours of a satellite that it had before, nothing: an
        outage, to be counted as missing.
    """
    hours = archive_hours(read_segments(segments))
    found = glm_archive.select(hours, may_be_empty=lambda: loaded_granules.has_platforms(hours))
    wanted = found.without(loaded_granules.among(hours, levels))
    return wanted, wanted.report


def transform_granules(
    raw_granules: RawGranules,
    hour_report: HourReport,
    loaded_granules: LoadedStore,
    levels: Sequence[str] = ("flash",),
) -> tuple[dict[str, ReadHour], HourReport]:
    """Make a task for each archive hour: granules to time series and geo series.

    Args:
        raw_granules: The granules as fetched.
        hour_report: The hours, with the granules that have to be read.
        loaded_granules: What the database holds already; another run may have loaded some.
        levels: The levels that are asked for.

    Returns:
        Tasks by hour (``G18/2023/026/15``), which the catalog calls, and the report of the hours
        with the granules that they are to read.
    """
    known = loaded_granules.among(hour_report.hours, levels)
    report = hour_report.keep_if(known.wants)
    reader = raw_granules.reader.choose_reader(levels)
    tasks = {
        f"{record.hour.platform}/{record.hour.hour:%Y/%j/%H}": ReadHour(
            record.hour, record.wanted, reader, tuple(levels)
        )
        for record in report
        if record.wanted
    }
    return tasks, report


def load_flashes(
    flash_series: SeriesStore,
    decode_report: HourReport,
    run_time: str,
    levels: Sequence[str] = ("flash",),
) -> tuple[LoadedHours, LoadedHours, LoadedHours, LoadedHours, LoadedHours, HourReport]:
    """Hand over the window's hours for the database.

    Args:
        flash_series: Time series and geo series by archive hour.
        decode_report: The hours, with the granules that were to be read.
        run_time: When the run began, ISO 8601, UTC.
        levels: The levels that are asked for.

    Returns:
        What is to be loaded, once for each of the tables ``granules``, ``flashes``, ``groups``,
        ``events`` and ``coverage``, which change together; and the report of the hours with what
        failed. The coverage of an hour that could not be listed is not counted: what it lacks is
        not known.
    """
    selected = flash_series.select(decode_report.hours)
    began = datetime.fromisoformat(run_time).replace(tzinfo=UTC)
    hours = _expect_granules(decode_report.listed_hours, began)
    loaded = LoadedHours(selected, hours, tuple(levels))
    failed: dict[str, str] = {}
    unread: set[str] = set()
    for granules in selected.list_records():
        failed |= find_failed(granules)
        unread |= _find_partial(granules, levels)
    reasons = failed | _explain_partial(unread, decode_report)
    return (loaded, loaded, loaded, loaded, loaded, decode_report.add_failed(reasons))


def _find_partial(granules: pa.Table, levels: Sequence[str]) -> frozenset[str]:
    """The granules that were read before and still lack a level that this run wanted of them.

    What could be read before stays on record where it cannot be read now, so that it has no record
    of its own that it failed. Where groups or events are damaged the record has a reason.
    """
    is_whole = pc.and_(
        pc.is_in(granules["status"], value_set=pa.array([LOADED, EMPTY])),
        pc.is_null(granules["reason"]),
    )
    return list_partial(granules.filter(is_whole), levels)


def _explain_partial(unread: Collection[str], report: HourReport) -> dict[str, str]:
    """Why granules that a run wanted, and that were read before, still lack a level."""
    if not unread:
        return {}
    names = (granule.name.file_name for record in report for granule in record.wanted)
    return {
        name: f"{name} could not be read again for its groups or events; its flashes are loaded"
        for name in names
        if name in unread
    }


def _expect_granules(hours: Sequence[ArchiveHour], run_time: datetime) -> pa.Table:
    """How many granules each whole hour should have; fewer in an hour that is not over yet."""
    rows = []
    for hour in hours:
        if hour.part == "whole":
            published = (run_time - ARCHIVE_DELAY - hour.hour) // GRANULE_LENGTH
            rows.append(
                {
                    "platform": hour.platform,
                    "hour": hour.hour.replace(tzinfo=None),
                    "expected": max(0, min(GRANULES_PER_HOUR, published)),
                }
            )
    kinds = {"platform": pa.string(), "hour": pa.timestamp("us"), "expected": pa.int32()}
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))
