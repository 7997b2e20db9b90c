"""Time series and geo series as CSV files, a folder for each archive hour of a satellite.

``G18/2023/026/15/`` holds ``time_series.csv``, ``geo_series.csv`` and ``granules.csv``; the last
one lists the granules that were read, and is written last: an hour without it is unfinished and is
made again. It has a row for every file that was looked at: where a granule's newest creation is
corrupt or could not be had (``failed``), one for that and one for the older creation whose flashes
stand in the other two files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.creations import KnownGranules, merge_series
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import SeriesHours, SeriesStore
from lightning_kedro.granules.record import FAILED, STATUSES, HourSeries
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.files import lock_folder, remove_stale_partials, write_atomic

TIME_SERIES: Final = "time_series.csv"
GEO_SERIES: Final = "geo_series.csv"
GRANULES: Final = "granules.csv"

_REQUIRED: Final = set(TABLES["granules"].columns) - {
    *("orbital_slot", "declared_flash_count", "reason")
}
"""The columns of ``granules.csv`` that are never empty."""


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
        granules = _read_csv(self.folder / GRANULES, "granules")
        if not self._can_have(granules):
            raise _explain(self.folder / GRANULES, "it has rows that no granule of its hour has")
        return granules

    def _can_have(self, granules: pa.Table) -> bool:
        """Whether a record tells of granules of this hour, each of them in full."""
        if any(granules[name].null_count for name in _REQUIRED):
            return False
        hours = pc.floor_temporal(granules["granule_start"], unit="hour")
        hour = pa.scalar(self.hour.replace(tzinfo=None), pa.timestamp("us"))
        checks = (
            pc.equal(granules["platform"], self.platform),
            pc.equal(hours, hour),
            pc.is_in(granules["status"], value_set=pa.array(STATUSES)),
        )
        return all(pc.all(check, min_count=0).as_py() for check in checks)

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


@dataclass(frozen=True, slots=True)
class FlashSeries(SeriesStore):
    """The hours of time series and geo series on disk: what ``flash_series`` loads.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def hour(self, platform: str, hour: datetime) -> SeriesFolder:
        """The folder of an archive hour."""
        return SeriesFolder(self.folder / platform / f"{hour:%Y/%j/%H}", platform, hour)

    def select(self, hours: Sequence[ArchiveHour]) -> "SelectedSeries":
        """The finished ones of some hours."""
        folders = dict.fromkeys(self.hour(hour.platform, hour.hour) for hour in hours)
        return SelectedSeries(tuple(folder for folder in folders if folder.wait_until_finished()))


@dataclass(frozen=True, slots=True)
class SelectedSeries(SeriesHours):
    """Some finished hours of time series and geo series, on disk.

    Attributes:
        hours: The folders.
    """

    hours: tuple[SeriesFolder, ...]

    def read_granules(self) -> pa.Table:
        """The record of all their granules, with the columns of the table ``granules``."""
        empty = arrow_schema("granules").empty_table()
        return pa.concat_tables([empty, *(hour.read_granules() for hour in self.hours)])


def save_hour(hour: SeriesFolder, task: ReadHour) -> int:
    """Read what an hour does not hold yet of what is wanted, and write it.

    What could not be read before is read again: a file may have been completed since.

    Returns:
        How many granules were decoded.
    """
    with lock_folder(hour.folder):
        remove_stale_partials(hour.folder, locked=True)
        stored = hour.read_if_whole()
        if stored is None:
            return _write_anew(hour, task)
        known = KnownGranules.from_table(stored)
        pending = [granule for granule in task.granules if known.wants(granule)]
        if not pending:
            return 0
        new = task.only(pending)()
        before = stored.to_pylist()
        if all(row in before for row in new.granules.to_pylist()):
            return _count_decoded(new)
        try:
            hour.write(merge_series(hour.read(), new))
        except TableError:
            return _write_anew(hour, task)
        return _count_decoded(new)


def _write_anew(hour: SeriesFolder, task: ReadHour) -> int:
    """Write an hour from all the granules that are wanted; how many were decoded."""
    series = task()
    hour.write(series)
    return _count_decoded(series)


def _count_decoded(series: HourSeries) -> int:
    """How many granules were there to be decoded."""
    return int(pc.sum(pc.not_equal(series.granules["status"], FAILED)).as_py() or 0)


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
        raise _explain(path, str(error).splitlines()[0]) from error


def _explain(path: Path, reason: str) -> TableError:
    """What is wrong with a file, and what to do."""
    return TableError(
        f"{path} cannot be read: {reason}. Remove its folder; the next run makes it again."
    )


def _write_csv(path: Path, table: pa.Table, *, quoting: str = "none") -> None:
    """Write a CSV; it becomes visible only when it is whole and on the disk."""
    options = pa.csv.WriteOptions(quoting_style=quoting, quoting_header="none")
    with write_atomic(path, sync=True) as partial_file:
        pa.csv.write_csv(table, partial_file, options)
