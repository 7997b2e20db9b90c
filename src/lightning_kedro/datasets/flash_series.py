"""Time series and geo series as CSV files, a folder for each archive hour of a satellite.

``G18/2023/026/15/`` holds ``time_series.csv``, ``geo_series.csv`` and ``granules.csv``; the last
one lists the granules that the other two were made from, and is written last: an hour without it
is unfinished and is made again.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from kedro.io import AbstractDataset

from lightning_kedro.datasets.hours import run_hours
from lightning_kedro.datasets.whole_files import lock_folder, sweep_partials, write_whole
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.selection import ArchiveHour
from lightning_kedro.glm.series import HourSeries, StoredGranule, arrow_schema

logger = logging.getLogger(__name__)

TIME_SERIES: Final = "time_series.csv"
GEO_SERIES: Final = "geo_series.csv"
GRANULES: Final = "granules.csv"

_SAME: Final = ("file_name", "file_bytes")


class HourTask(Protocol):
    """What a node hands over for an hour: its granules, and how to read them when asked to."""

    @property
    def granules(self) -> Sequence[StoredGranule]:
        """The granules that are wanted."""
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
    """The hours of time series and geo series on disk: what ``flash_series`` loads."""

    def __init__(self, folder: Path) -> None:
        """Hold on to a folder; nothing is read yet."""
        self.folder = folder

    def hour(self, platform: str, hour: datetime) -> SeriesFolder:
        """The folder of an archive hour."""
        return SeriesFolder(self.folder / platform / f"{hour:%Y/%j/%H}", platform, hour)

    def select(self, hours: Iterable[ArchiveHour]) -> "SelectedSeries":
        """The finished ones of some hours."""
        folders = dict.fromkeys(self.hour(hour.platform, hour.hour) for hour in hours)
        return SelectedSeries(tuple(folder for folder in folders if folder.wait_until_finished()))


@dataclass(frozen=True, slots=True)
class SelectedSeries:
    """Some finished hours of time series and geo series, on disk."""

    hours: tuple[SeriesFolder, ...]

    def read_granules(self) -> pa.Table:
        """The record of all their granules, with the columns of the table ``granules``."""
        empty = arrow_schema("granules").empty_table()
        return pa.concat_tables([empty, *(hour.read_granules() for hour in self.hours)])


class FlashSeriesDataset(AbstractDataset[Mapping[str, HourTask], FlashSeries]):
    """Saves time series and geo series by archive hour as CSV; loads a lazy handle on them.

    What is saved is a mapping of an hour's key to a task that reads the hour when it is called. An
    hour whose files already hold the granules that are wanted is not read again, and granules that
    it holds besides are kept.

    Example of the YAML API:
        .. code-block:: yaml

            flash_series:
              type: lightning_kedro.datasets.flash_series.FlashSeriesDataset
              path: data/02_intermediate/glm

    Example of the Python API:
        >>> series = FlashSeriesDataset(path="data/02_intermediate/glm").load()
        >>> series.folder.name
        'glm'
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the folder.

        Args:
            path: The folder; made when something is saved.
            metadata: For plugins such as Kedro-Viz.
        """
        self.folder = Path(path)
        self.failures: tuple[str, ...] = ()
        self.metadata = metadata

    def load(self) -> FlashSeries:
        """The handle."""
        return FlashSeries(self.folder)

    def save(self, data: Mapping[str, HourTask]) -> None:
        """Write the hours that are not there yet, on all cores if they are many.

        What a task could not fetch is noted in ``failures``.
        """
        handle = self.load()
        tasks = []
        for task in data.values():
            name = task.granules[0].name
            tasks.append(partial(_save_hour, handle.hour(name.platform, name.hour), task))
        results = run_hours(tasks, progress="Decoding")
        self.failures = tuple(failure for result in results for failure in result.failures)
        decoded = sum(result.decoded for result in results)
        logger.info("Decoded %d granules of %d hours", decoded, len(tasks))

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.folder)}


@dataclass(frozen=True, slots=True)
class _Saved:
    """How saving an hour went: granules decoded, and what could not be fetched."""

    decoded: int
    failures: tuple[str, ...] = ()


def _save_hour(hour: SeriesFolder, task: HourTask) -> _Saved:
    """Write an hour unless it already holds what is wanted."""
    with lock_folder(hour.folder):
        sweep_partials(hour.folder)
        old = None
        if hour.is_finished:
            stored = hour.read_granules()
            have = set(zip(*(stored[name].to_pylist() for name in _SAME), strict=True))
            wanted = {(item.name.file_name, item.file_bytes) for item in task.granules}
            if have >= wanted:
                return _Saved(0)
            old = hour.read()
        new = task()
        hour.write(new if old is None else _merge(old, new))
        return _Saved(new.granules.num_rows, new.failures)


def _merge(old: HourSeries, new: HourSeries) -> HourSeries:
    """An hour's granules with some of them read anew; the others stay as they are."""
    replaced = pc.unique(new.granules["granule_start"])

    def join(before: pa.Table, after: pa.Table) -> pa.Table:
        kept = before.filter(pc.invert(pc.is_in(before["granule_start"], value_set=replaced)))
        return pa.concat_tables([kept, after]).sort_by("granule_start")

    return HourSeries(join(old.flashes, new.flashes), join(old.granules, new.granules))


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
