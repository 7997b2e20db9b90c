"""Time series and geo series as CSV files, a folder for each archive hour of a satellite.

``G18/2023/026/15/`` holds ``time_series.csv``, ``geo_series.csv`` and ``granules.csv``; the last
one lists the granules that were read, and is written last: an hour without it is unfinished and is
made again. It has a row for every file: where a granule's newest creation is corrupt, one for that
and one for the older creation whose flashes stand in the other two files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.creations import KnownGranules, join_series, readable_starts
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.series import CORRUPT, HourSeries, StoredGranule, arrow_schema
from lightning_kedro.store.files import lock_folder, sweep_partials, write_whole

TIME_SERIES: Final = "time_series.csv"
GEO_SERIES: Final = "geo_series.csv"
GRANULES: Final = "granules.csv"


class HourTask(Protocol):
    """What a node hands over for an hour: its granules, and how to read them when asked to."""

    @property
    def granules(self) -> Sequence[StoredGranule]:
        """The granules that are wanted; of each the newest creation first."""
        ...

    @property
    def failures(self) -> Sequence[str]:
        """What went wrong before."""
        ...

    @property
    def is_listed(self) -> bool:
        """Whether it is known what the archive has in this hour."""
        ...

    def only(self, granules: Sequence[StoredGranule]) -> "HourTask":
        """The task of reading some of its granules."""
        ...

    def __call__(self) -> HourSeries:
        """Read them."""
        ...


@dataclass(frozen=True, slots=True)
class SeriesFolder:
    """The CSV files of one archive hour of one satellite.

    Attributes:
        folder: Where they are.
        platform: The satellite.
        hour: Start of the hour, UTC.
    """

    folder: Path
    platform: str
    hour: datetime

    @property
    def time_series(self) -> Path:
        """When, how bright and how large."""
        return self.folder / TIME_SERIES

    @property
    def geo_series(self) -> Path:
        """Where."""
        return self.folder / GEO_SERIES

    @property
    def is_finished(self) -> bool:
        """Whether the hour was written to its end."""
        return (self.folder / GRANULES).is_file()

    def wait_until_finished(self) -> bool:
        """Whether the hour was written to its end, after waiting for a run that writes it now."""
        if not self.folder.is_dir():
            return False
        with lock_folder(self.folder, shared=True):
            return self.is_finished

    def read_granules(self) -> pa.Table:
        """The record of the hour's granules, with the columns of the table ``granules``."""
        return _read_csv(self.folder / GRANULES, "granules")

    def read_if_whole(self) -> pa.Table | None:
        """The record of the hour's granules, if the other two files have a line for every flash.

        Lines are counted, which takes milliseconds: it shows a file that was cut, by a power cut
        or an editor. That each line can be read is seen when it is loaded.
        """
        if not self.is_finished:
            return None
        try:
            granules = self.read_granules()
        except TableError:
            return None
        lines = 1 + _count_flashes(granules)
        series = (self.time_series, self.geo_series)
        return granules if all(_count_lines(path) == lines for path in series) else None

    def is_damaged(self) -> bool:
        """Whether the files do not hold a readable row for every flash; read in full to see it."""
        granules = self.read_if_whole()
        if granules is None:
            return True
        try:
            return len(self.read().flashes) != _count_flashes(granules)
        except TableError:
            return True

    def discard(self) -> None:
        """Declare the hour unfinished: the next run that wants its granules makes it again."""
        with lock_folder(self.folder):
            (self.folder / GRANULES).unlink(missing_ok=True)

    def read(self) -> HourSeries:
        """Everything in the hour, from the files."""
        time = _read_csv(self.time_series, "time_series")
        geo = _read_csv(self.geo_series, "geo_series")
        key = ["platform", "granule_start", "flash_id"]
        flashes = time.join(geo, key, join_type="inner")
        order = [(name, "ascending") for name in key]
        return HourSeries(
            flashes=flashes.select(arrow_schema("flashes").names).sort_by(order),
            granules=self.read_granules(),
        )

    def write(self, series: HourSeries) -> None:
        """Replace the hour's files; ``granules.csv`` is gone meanwhile."""
        (self.folder / GRANULES).unlink(missing_ok=True)
        _write_csv(self.time_series, series.time_series)
        _write_csv(self.geo_series, series.geo_series)
        _write_csv(self.folder / GRANULES, series.granules, quoting="needed")


class FlashSeries:
    """The hours of time series and geo series on disk: what ``flash_series`` loads.

    Args:
        folder: Where they are.
        unlisted: The (platform, hour) that could not be listed in this run.
    """

    def __init__(self, folder: Path, unlisted: Iterable[tuple[str, datetime]] = ()) -> None:
        """Hold on to a folder; nothing is read yet."""
        self.folder = folder
        self.unlisted = frozenset(unlisted)

    def hour(self, platform: str, hour: datetime) -> SeriesFolder:
        """The folder of an archive hour."""
        return SeriesFolder(self.folder / platform / f"{hour:%Y/%j/%H}", platform, hour)

    def select(self, hours: Iterable[ArchiveHour]) -> "SelectedSeries":
        """The finished ones of some hours."""
        folders = dict.fromkeys(self.hour(hour.platform, hour.hour) for hour in hours)
        finished = tuple(folder for folder in folders if folder.wait_until_finished())
        return SelectedSeries(finished, self.unlisted)


@dataclass(frozen=True, slots=True)
class SelectedSeries:
    """Some finished hours of time series and geo series, on disk.

    Attributes:
        hours: The folders.
        unlisted: The (platform, hour) that could not be listed in this run.
    """

    hours: tuple[SeriesFolder, ...]
    unlisted: frozenset[tuple[str, datetime]] = frozenset()

    def read_granules(self) -> pa.Table:
        """The record of all their granules, with the columns of the table ``granules``."""
        empty = arrow_schema("granules").empty_table()
        return pa.concat_tables([empty, *(hour.read_granules() for hour in self.hours)])


@dataclass(frozen=True, slots=True)
class SavedHour:
    """How saving an hour went: granules decoded, and what could not be fetched."""

    decoded: int
    failures: tuple[str, ...] = ()


def parse_hour_key(key: str) -> tuple[str, datetime]:
    """The platform and the hour of a task's key, such as ``G18/2023/026/15``."""
    platform, _, hour = key.partition("/")
    return platform, datetime.strptime(hour, "%Y/%j/%H").replace(tzinfo=UTC)


def save_hour(hour: SeriesFolder, task: HourTask) -> SavedHour:
    """Read what an hour does not hold yet of what is wanted, and write it.

    What could not be read before is read again: a file may have been completed since.
    """
    with lock_folder(hour.folder):
        sweep_partials(hour.folder)
        stored = hour.read_if_whole()
        if stored is None:
            return _write_anew(hour, task)
        known = KnownGranules.from_table(stored)
        pending = [granule for granule in task.granules if known.wants(granule)]
        if not pending:
            return SavedHour(0)
        new = task.only(pending)()
        before = stored.to_pylist()
        if all(row in before for row in new.granules.to_pylist()):
            return SavedHour(new.granules.num_rows, new.failures)
        try:
            hour.write(_merge(hour.read(), new))
        except TableError:
            return _write_anew(hour, task)
        return SavedHour(new.granules.num_rows, new.failures)


def _write_anew(hour: SeriesFolder, task: HourTask) -> SavedHour:
    """Write an hour from all the granules that are wanted."""
    series = task()
    hour.write(series)
    return SavedHour(series.granules.num_rows, series.failures)


def _merge(old: HourSeries, new: HourSeries) -> HourSeries:
    """An hour's granules with some of them read anew; the others stay as they are.

    What could be read stays until something newer can be read: a corrupt file never displaces it.
    """
    replaced = pa.array([start for _, start in readable_starts(new)], pa.timestamp("us"))
    again = new.granules["file_name"].combine_chunks()

    def drop(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
        return rows.filter(pc.invert(pc.is_in(rows[column], value_set=values)))

    kept = drop(old.granules, "granule_start", replaced)
    stays = pc.not_equal(kept["status"], CORRUPT)
    kept = kept.filter(pc.or_(stays, pc.invert(pc.is_in(kept["file_name"], value_set=again))))
    added = drop(new.granules, "file_name", kept["file_name"].combine_chunks())
    flashes = drop(old.flashes, "granule_start", replaced)
    return join_series([HourSeries(flashes, kept), HourSeries(new.flashes, added)])


def _count_flashes(granules: pa.Table) -> int:
    """How many flashes a record of granules tells of."""
    return int(pc.sum(granules["flash_count"]).as_py() or 0)


def _count_lines(path: Path) -> int:
    """How many lines a file has; -1 if it is not there or its last line is cut."""
    if not path.is_file():
        return -1
    content = path.read_bytes()
    return content.count(b"\n") if content.endswith(b"\n") else -1


def _read_csv(path: Path, table: str) -> pa.Table:
    """Read a CSV with the types of the registry."""
    schema = arrow_schema(table)
    options = pa.csv.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        return pa.csv.read_csv(path, convert_options=options)
    except FileNotFoundError as error:
        message = f"{path} is gone: another run or `kedro prune` has dropped it. Run again."
        raise TableError(message) from error
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        message = (
            f"{path} cannot be read: {str(error).splitlines()[0]}. Remove its folder; the next "
            f"run makes it again."
        )
        raise TableError(message) from error


def _write_csv(path: Path, table: pa.Table, *, quoting: str = "none") -> None:
    """Write a CSV; it becomes visible only when it is whole and on the disk."""
    options = pa.csv.WriteOptions(quoting_style=quoting, quoting_header="none")
    with write_whole(path, sync=True) as partial_file:
        pa.csv.write_csv(table, partial_file, options)
