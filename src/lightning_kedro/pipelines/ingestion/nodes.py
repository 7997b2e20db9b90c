"""From an archive to tables: extract, transform, load. Pure functions of what they are handed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import pyarrow as pa

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GRANULE_LENGTH, GRANULES_PER_HOUR
from lightning_kedro.granules.creations import join_series, readable_starts
from lightning_kedro.granules.hours import ArchiveHour, archive_hours
from lightning_kedro.granules.series import HourSeries, StoredGranule, read_series
from lightning_kedro.selection import read_segments

ARCHIVE_DELAY: Final = timedelta(seconds=60)
"""After its end a granule is on S3 within this time: it is made about 2 s after its end, and
published some seconds later."""


Content: TypeAlias = Path | bytes | ArchiveError
"""A granule's file, its bytes, or why it could not be fetched."""


class Reader(Protocol):
    """The means to read granules."""

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Iterable[tuple[StoredGranule, Content]]:
        """Granules with their content, in order."""
        ...


class Known(Protocol):
    """What is known of granules."""

    def wants(self, granule: StoredGranule) -> bool:
        """Whether a granule has to be read."""
        ...


class Selection(Protocol):
    """Granules that were found."""

    granules: tuple[StoredGranule, ...]
    storage: Reader
    failures: tuple[str, ...]
    unlisted: frozenset[ArchiveHour]

    def without(self, known: Known) -> "Selection":
        """Those that have to be read, given what is known already."""
        ...


class Archive(Protocol):
    """A lazy handle on granules: an archive, a folder of copies, or a selection of them."""

    def select(self, hours: Sequence[ArchiveHour]) -> Selection:
        """All creations of each granule of some hours, the newest first."""
        ...


class SourceArchive(Protocol):
    """A lazy handle on the archive that granules come from."""

    def select(self, hours: Sequence[ArchiveHour], *, may_be_empty: bool) -> Selection:
        """As for ``Archive``; that nothing is there is an error, or noted if it may be."""
        ...


class Loaded(Protocol):
    """A lazy handle on what the database holds already."""

    def among(self, hours: Sequence[ArchiveHour]) -> Known:
        """What is known of the granules of some hours."""
        ...

    def has_platforms(self, hours: Sequence[ArchiveHour]) -> bool:
        """Whether there are granules of every satellite of some hours."""
        ...


class Tables(Protocol):
    """Hours of time series and geo series that are on disk."""

    @property
    def unlisted(self) -> frozenset[tuple[str, datetime]]:
        """The (platform, hour) of which it is not known what the archive has."""
        ...

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
    """The task of reading one archive hour: nothing happens before it is called.

    Attributes:
        granules: The hour's granules; of each the newest creation first.
        reader: The means to read them.
        failures: What went wrong before, to be reported with the hour.
        is_listed: Whether it is known what the archive has in this hour.
    """

    granules: tuple[StoredGranule, ...]
    reader: Reader
    failures: tuple[str, ...] = ()
    is_listed: bool = True

    def only(self, granules: Sequence[StoredGranule]) -> "ReadHour":
        """The task of reading some of the hour's granules."""
        return replace(self, granules=tuple(granules))

    def __call__(self) -> HourSeries:
        """Read the newest creation of each granule; where it cannot be read, the next older one."""
        waiting: dict[tuple[str, datetime], list[StoredGranule]] = {}
        for granule in self.granules:
            key = (granule.name.platform, granule.name.start.replace(tzinfo=None))
            waiting.setdefault(key, []).append(granule)
        parts = []
        while waiting:
            newest = [creations.pop(0) for creations in waiting.values()]
            parts.append(read_series(self.reader.read_all(newest)))
            read = readable_starts(parts[-1])
            waiting = {key: rest for key, rest in waiting.items() if rest and key not in read}
        return join_series(parts)


def extract_granules(
    glm_archive: SourceArchive, loaded_granules: Loaded, parameters: Mapping[str, Any]
) -> Selection:
    """Choose the window's granules: whole archive hours, and one granule past each end.

    Args:
        glm_archive: The archive.
        loaded_granules: What the database holds already.
        parameters: The run's parameters.

    Returns:
        The granules that have to be read; the catalog fetches them. Where the archive has nothing
        in hours of a satellite that it had before, nothing: an outage, to be counted as missing.
    """
    hours = archive_hours(read_segments(parameters["selection"]["segments"]))
    found = glm_archive.select(hours, may_be_empty=loaded_granules.has_platforms(hours))
    return found.without(loaded_granules.among(hours))


def transform_granules(
    raw_granules: Archive, loaded_granules: Loaded, parameters: Mapping[str, Any]
) -> dict[str, Callable[[], HourSeries]]:
    """Make a task for each archive hour: granules to time series and geo series.

    Args:
        raw_granules: The granules as fetched.
        loaded_granules: What the database holds already.
        parameters: The run's parameters.

    Returns:
        Tasks by hour (``G18/2023/026/15``) for the granules that have to be read, and for hours
        that could not be listed; the catalog calls those whose files are not there yet.
    """
    hours = archive_hours(read_segments(parameters["selection"]["segments"]))
    selection = raw_granules.select(hours).without(loaded_granules.among(hours))
    by_hour: dict[str, list[StoredGranule]] = {}
    for granule in selection.granules:
        by_hour.setdefault(_key(granule.name.platform, granule.name.hour), []).append(granule)
    unlisted = {_key(hour.platform, hour.hour) for hour in selection.unlisted}
    tasks = {
        key: ReadHour(tuple(by_hour.get(key, ())), selection.storage, is_listed=key not in unlisted)
        for key in sorted(unlisted.union(by_hour))
    }
    if selection.failures:
        first = min(tasks, default=_key(hours[0].platform, hours[0].hour))
        task = tasks.get(first, ReadHour((), selection.storage))
        tasks[first] = replace(task, failures=selection.failures)
    return {**tasks}


def _key(platform: str, hour: datetime) -> str:
    """What an archive hour is called among the tasks."""
    return f"{platform}/{hour:%Y/%j/%H}"


def load_flashes(
    flash_series: Series, parameters: Mapping[str, Any]
) -> tuple[pa.Table, Tables, pa.Table]:
    """Hand over the window's hours for the database.

    Args:
        flash_series: Time series and geo series by archive hour.
        parameters: The run's parameters.

    Returns:
        The record of the granules; the hours whose files hold their flashes; and the hours whose
        coverage is to be counted, with the number of granules that each should have by now. An hour
        that could not be listed is not among them: what it lacks is not known.
    """
    hours = archive_hours(read_segments(parameters["selection"]["segments"]))
    run_time = datetime.fromisoformat(parameters["run_time"]).replace(tzinfo=UTC)
    selected = flash_series.select(hours)
    listed = [hour for hour in hours if (hour.platform, hour.hour) not in selected.unlisted]
    return selected.read_granules(), selected, _expect_granules(listed, run_time)


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
