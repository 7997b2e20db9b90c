"""From an archive to tables: extract, transform, load. Pure functions of what they are handed."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import pyarrow as pa

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GRANULE_LENGTH, GRANULES_PER_HOUR
from lightning_kedro.glm.selection import ArchiveHour, archive_hours, window_segments
from lightning_kedro.glm.series import HourSeries, StoredGranule, read_series

ARCHIVE_DELAY: Final = timedelta(seconds=60)
"""After its end a granule is on S3 within this time: it is made about 2 s after its end, and
published some seconds later."""


Known: TypeAlias = Container[tuple[str, int]]
"""Granules by file name and size in bytes."""

Content: TypeAlias = Path | bytes | ArchiveError
"""A granule's file, its bytes, or why it could not be fetched."""


class Reader(Protocol):
    """The means to read granules."""

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Iterable[tuple[StoredGranule, Content]]:
        """Granules with their content, in order."""
        ...


class Selection(Protocol):
    """Granules that were found."""

    granules: tuple[StoredGranule, ...]
    storage: Reader

    def without(self, known: Known) -> "Selection":
        """Those that are not among some known ones."""
        ...


class Archive(Protocol):
    """A lazy handle on granules: an archive, a folder of copies, or a selection of them."""

    def select(self, hours: Sequence[ArchiveHour]) -> Selection:
        """The newest creation of each granule of some hours."""
        ...


class Loaded(Protocol):
    """A lazy handle on what the database holds already."""

    def among(self, hours: Sequence[ArchiveHour]) -> Known:
        """The granules of some hours that need not be fetched or read again."""
        ...


class Tables(Protocol):
    """Hours of time series and geo series that are on disk."""

    def read_granules(self) -> pa.Table:
        """The record of their granules."""
        ...


class Series(Protocol):
    """A lazy handle on time series and geo series by archive hour."""

    def select(self, hours: Sequence[ArchiveHour]) -> Tables:
        """Those of some hours."""
        ...


@dataclass(frozen=True, slots=True)
class ReadHour:
    """The task of reading one archive hour: nothing happens before it is called."""

    granules: tuple[StoredGranule, ...]
    reader: Reader

    def __call__(self) -> HourSeries:
        """Read the hour's granules."""
        return read_series(self.reader.read_all(self.granules))


def extract_granules(
    glm_archive: Archive, loaded_granules: Loaded, parameters: Mapping[str, Any]
) -> Selection:
    """Choose the window's granules: whole archive hours, and one granule past each end.

    Args:
        glm_archive: The archive.
        loaded_granules: What the database holds already.
        parameters: The run's parameters.

    Returns:
        The newest creation of each granule that is not loaded yet; the catalog fetches it.
    """
    hours = archive_hours(window_segments(parameters))
    return glm_archive.select(hours).without(loaded_granules.among(hours))


def transform_granules(
    raw_granules: Archive, loaded_granules: Loaded, parameters: Mapping[str, Any]
) -> dict[str, Callable[[], HourSeries]]:
    """Make a task for each archive hour: granules to time series and geo series.

    Args:
        raw_granules: The granules as fetched.
        loaded_granules: What the database holds already.
        parameters: The run's parameters.

    Returns:
        Tasks by hour (``G18/2023/026/15``) for the granules that are not loaded yet; the catalog
        calls those whose files are not there yet.
    """
    hours = archive_hours(window_segments(parameters))
    selection = raw_granules.select(hours).without(loaded_granules.among(hours))
    by_hour: dict[str, list[StoredGranule]] = {}
    for granule in selection.granules:
        hour = f"{granule.name.platform}/{granule.name.hour:%Y/%j/%H}"
        by_hour.setdefault(hour, []).append(granule)
    return {
        hour: ReadHour(tuple(granules), selection.storage) for hour, granules in by_hour.items()
    }


def load_flashes(
    flash_series: Series, parameters: Mapping[str, Any]
) -> tuple[pa.Table, Tables, pa.Table]:
    """Hand over the window's hours for the database.

    Args:
        flash_series: Time series and geo series by archive hour.
        parameters: The run's parameters.

    Returns:
        The record of the granules; the hours whose files hold their flashes; and the hours whose
        coverage is to be counted, with the number of granules that each should have by now.
    """
    hours = archive_hours(window_segments(parameters))
    run_time = datetime.fromisoformat(parameters["run_time"]).replace(tzinfo=UTC)
    selected = flash_series.select(hours)
    return selected.read_granules(), selected, _expect_granules(hours, run_time)


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
