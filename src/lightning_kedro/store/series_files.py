"""Files of an archive hour of a satellite in a folder of its own: series as CSV, levels as Parquet.

``G18/2023/026/15/`` holds ``time_series.csv``, ``geo_series.csv`` and ``granules.csv``; the last
one lists the granules that were read, and is written last: an hour without it is unfinished and is
made again. It has a row for every file that was looked at: where a granule's newest creation is
corrupt or could not be had (``failed``), one for that and one for the older creation whose flashes
stand in the other files. Where groups or events were asked for (``ingestion.levels``) theirs are in
``groups.parquet`` and ``events.parquet``: an hour has tens of thousands of flashes, but millions of
events. An hour that was written without one has its granules read again when it is asked for.
``flashes.arrow`` spares whoever loads the hour the parsing of the CSV files: see ``flash_columns``.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.ports import SeriesHours, SeriesStore
from lightning_kedro.granules.record import FAILED, STATUSES, HourSeries
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.files import lock_folder, remove_stale_partials, write_atomic
from lightning_kedro.store.flash_columns import FLASH_COLUMNS, Fingerprint, write_columns

TIME_SERIES: Final = "time_series.csv"
GEO_SERIES: Final = "geo_series.csv"
GRANULES: Final = "granules.csv"

LEVEL_FILES: Final = {table: f"{table}.parquet" for table in COUNTS}
"""The files of groups and events, by table."""

_LATER: Final = (*COUNTS.values(),)
"""The columns of ``granules.csv`` that files of earlier versions lack: nothing of that was read."""

ROWS_AT_ONCE: Final = 1 << 17
"""Rows of a row group of a Parquet file."""

_REQUIRED: Final = set(TABLES["granules"].columns) - {
    *("orbital_slot", "declared_flash_count", "reason", *_LATER)
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
    def flash_columns(self) -> Path:
        """What both CSV files hold, as Arrow."""
        return self.folder / FLASH_COLUMNS

    def level_file(self, table: str) -> Path:
        """Where the rows of the table ``groups`` or ``events`` are, if they were read."""
        return self.folder / LEVEL_FILES[table]

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
        """The record of the hour's granules, if the other files have as many rows.

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
        if not all(_count_lines(path) == lines for path in series):
            return None
        return granules if self._has_levels(granules) else None

    def _has_levels(self, granules: pa.Table) -> bool:
        """Whether the Parquet files have the rows that a record tells of."""
        return all(
            _count_rows(self.level_file(table)) == pc.sum(granules[COUNTS[table]]).as_py()
            for table in list_tables(granules)
        )

    def is_damaged(self) -> bool:
        """Whether the files do not hold a readable row for every flash; read in full to see it."""
        granules = self.read_if_whole()
        if granules is None:
            return True
        try:  # rows of Parquet files were counted, and that they can be read is seen here
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
        granules = self.read_granules()
        rows = {table: self._read_level(table) for table in list_tables(granules)}
        return HourSeries(
            flashes=flashes.select(SERIES_SCHEMA.names).sort_by(order), granules=granules, **rows
        )

    def _read_level(self, table: str) -> pa.Table:
        """The rows of the table ``groups`` or ``events``."""
        import pyarrow.parquet as pq

        path = self.level_file(table)
        try:
            return pq.read_table(path, page_checksum_verification=True).cast(arrow_schema(table))
        except FileNotFoundError as error:
            raise _explain_gone(path) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _explain(path, str(error).splitlines()[0]) from error

    def write(self, series: HourSeries) -> None:
        """Replace the hour's files; ``granules.csv`` is gone meanwhile."""
        (self.folder / GRANULES).unlink(missing_ok=True)
        self._write_flashes(series)
        told_of = list_tables(series.granules)
        for table in LEVEL_FILES:
            rows: pa.Table | None = getattr(series, table)
            if rows is not None and table in told_of:
                _write_parquet(self.level_file(table), rows)
            else:
                self.level_file(table).unlink(missing_ok=True)
        _write_file(self.folder / GRANULES, _format_csv(series.granules, quoting="needed"))

    def _write_flashes(self, series: HourSeries) -> None:
        """Write both CSV files and the columns; while one waits for the disk the next is made."""
        with ThreadPoolExecutor(2) as pool:
            files, writing = {}, []
            for path, table in (
                (self.time_series, series.time_series),
                (self.geo_series, series.geo_series),
            ):
                content = _format_csv(_spell_starts(table))
                writing.append(pool.submit(_write_file, path, content))
                files[path.name] = Fingerprint.of(content)
            write_columns(self.flash_columns, series.flashes, files)
        for written in writing:
            written.result()


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

    def list_records(self) -> Iterator[pa.Table]:
        """The record of the granules of each, with the columns of the table ``granules``."""
        return (hour.read_granules() for hour in self.hours)


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
        known = KnownGranules.from_table(stored, task.levels)
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


def list_tables(granules: pa.Table) -> list[str]:
    """Of ``groups`` and ``events``, those that were read of any granule of a record."""
    return [table for table in COUNTS if granules[COUNTS[table]].null_count < granules.num_rows]


def _count_rows(path: Path) -> int:
    """How many rows a Parquet file has; -1 if it is not there or is cut."""
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return -1


def _count_lines(path: Path) -> int:
    """How many lines a file has; -1 if it is not there or its last line is cut."""
    if not path.is_file():
        return -1
    content = path.read_bytes()
    return content.count(b"\n") if content.endswith(b"\n") else -1


def _read_csv(path: Path, table: str) -> pa.Table:
    """Read a CSV with the types of the registry."""
    schema = arrow_schema(table)
    try:
        later = _list_lacking(path) if table == "granules" else ()
        options = pa.csv.ConvertOptions(
            column_types=schema,
            include_columns=[name for name in schema.names if name not in later],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        rows = pa.csv.read_csv(path, convert_options=options)
        for name in later:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, schema.field(name).type))
        return rows.select(schema.names)
    except FileNotFoundError as error:
        raise _explain_gone(path) from error
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise _explain(path, str(error).splitlines()[0]) from error


def _list_lacking(path: Path) -> list[str]:
    """The later columns that a file of an earlier version lacks."""
    with path.open("rb") as file:
        present = file.readline().decode(errors="replace").strip().split(",")
    return [name for name in _LATER if name not in present]


def _explain_gone(path: Path) -> TableError:
    """What to do about a file that was there a moment ago."""
    return TableError(f"{path} is gone: another run or `kedro prune` has dropped it. Run again.")


def _explain(path: Path, reason: str) -> TableError:
    """What is wrong with a file, and what to do."""
    return TableError(
        f"{path} cannot be read: {reason}. Remove its folder; the next run makes it again."
    )


def _write_parquet(path: Path, table: pa.Table) -> None:
    """Write a Parquet file; it becomes visible only when it is whole and on the disk."""
    import pyarrow.parquet as pq

    with write_atomic(path, sync=True) as partial_file:
        pq.write_table(
            table,
            partial_file,
            compression="zstd",
            use_dictionary=["platform", "granule_start"],  # of the others it makes files larger
            row_group_size=ROWS_AT_ONCE,
            write_page_checksum=True,
        )


def _spell_starts(table: pa.Table) -> pa.Table:
    """A table with ``granule_start`` as text, as it comes in a CSV: each of few is spelled once."""
    column = table["granule_start"].combine_chunks().dictionary_encode()
    spelled = column.dictionary.cast(pa.string()).take(column.indices)
    return table.set_column(table.schema.get_field_index("granule_start"), "granule_start", spelled)


def _format_csv(table: pa.Table, *, quoting: str = "none") -> pa.Buffer:
    """The content of a CSV file."""
    options = pa.csv.WriteOptions(quoting_style=quoting, quoting_header="none")
    content = pa.BufferOutputStream()
    pa.csv.write_csv(table, content, options)
    return content.getvalue()


def _write_file(path: Path, content: pa.Buffer) -> None:
    """Write a file; it becomes visible only when it is whole and on the disk."""
    with write_atomic(path, sync=True) as partial_file:
        partial_file.write_bytes(content)
