"""One Parquet object for an archive hour: its flashes by time, and the record of its granules.

The record travels in the object itself, so that whoever adds granules to the hour, or meets another
client's version of it, merges both by the same rule as files on disk are merged. What an object is
called follows from what it holds: the same hour, read again after a kill, is the same object.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.creations import KnownGranules, merge_series
from lightning_kedro.granules.record import FAILED, HourSeries
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.store.lake.log import (
    PARTITIONS,
    LakeObject,
    LakeTable,
    describe_stats,
    folder_of,
    table_schema,
)
from lightning_kedro.store.lake.places import Place

_RECORD: Final = b"lightning_kedro.granules"
"""The key under which an object's metadata has the record of its granules."""

_DIGEST_BYTES: Final = 8
_ROWS_AT_ONCE: Final = 1 << 16
_BY_TIME: Final = [
    (name, "ascending") for name in ("platform", "time", "granule_start", "flash_id")
]
_BY_KEY: Final = [(name, "ascending") for name in ("platform", "granule_start", "flash_id")]


@dataclass(frozen=True, slots=True, eq=False)
class WrittenHour:
    """What a worker gives back of an hour: no flash, but where they are.

    Attributes:
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        object: The object that holds the hour now; None if nothing of it could be read.
        former: The path of the object that it takes the place of; None if there was none.
        granules: The record of the hour's granules, with the columns of the table ``granules``,
            and those that could not be had this time.
        decoded: How many granules were decoded.
    """

    platform: str
    hour: datetime
    object: LakeObject | None
    former: str | None
    granules: pa.Table
    decoded: int = 0


@dataclass(frozen=True, slots=True)
class WriteHour:
    """The task of a worker: read an hour's granules and write the hour's object.

    Attributes:
        lake: Where the lake is.
        read: How the granules are read.
        former: The path of the object that counts for the hour until now, if there is one.
        simulated: Whether the granules are simulated; every row says so.
    """

    lake: Place
    read: ReadHour
    former: str | None
    simulated: bool

    def __call__(self) -> WrittenHour:
        """Read what the former object does not hold of what is wanted, and write both as one."""
        hour = self.read.hour.hour.replace(tzinfo=None)
        platform = self.read.hour.platform
        if self.former is None:
            series = self.read()
            return self._write(platform, hour, series, series)
        stored = read_hour(self.lake, self.former)
        known = KnownGranules.from_table(stored.granules, self.read.levels)
        pending = [granule for granule in self.read.granules if known.wants(granule)]
        new = self.read.only(pending)()
        before = stored.granules.to_pylist()
        fresh = _without_failed(new)
        if all(row in before for row in fresh.granules.to_pylist()):
            return self._write(platform, hour, stored, new)
        return self._write(platform, hour, merge_series(stored, fresh), new)

    def _write(
        self, platform: str, hour: datetime, series: HourSeries, new: HourSeries
    ) -> WrittenHour:
        """Write an hour, and say what of it was new."""
        held = _without_failed(series)
        is_failed = pc.equal(new.granules["status"], FAILED)
        record = pa.concat_tables([held.granules, new.granules.filter(is_failed)])
        decoded = new.granules.num_rows - int(pc.sum(is_failed).as_py() or 0)
        written = None
        if held.granules.num_rows:
            written = write_hour(
                self.lake, platform, hour, held, simulated=self.simulated, present=self.former
            )
        return WrittenHour(platform, hour, written, self.former, record, decoded)


@dataclass(frozen=True, slots=True)
class MergeHour:
    """The task of a worker: bring two versions of an hour together, ours and another client's.

    Attributes:
        lake: Where the lake is.
        ours: The object that this run has written.
        theirs: The object that counts now.
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        simulated: Whether the granules are simulated.
    """

    lake: Place
    ours: str
    theirs: str
    platform: str
    hour: datetime
    simulated: bool

    def __call__(self) -> WrittenHour:
        """Write the hour with the granules of both; of each the creation that stands."""
        merged = merge_series(read_hour(self.lake, self.theirs), read_hour(self.lake, self.ours))
        written = write_hour(
            self.lake,
            self.platform,
            self.hour,
            merged,
            simulated=self.simulated,
            present=self.theirs,
        )
        return WrittenHour(self.platform, self.hour, written, self.theirs, merged.granules)


def hour_of(path: str) -> int:
    """The hour of the day of an object of flashes.

    Raises:
        TableError: If it is not one that this project wrote.
    """
    name = path.rpartition("/")[2]
    hour, separator, rest = name.partition("-")
    length = 2 * _DIGEST_BYTES + len(".parquet")
    if len(hour) != len("00") or not hour.isdigit() or not separator or len(rest) != length:
        message = (
            f"The lake's table flashes holds {path}, which is not an hour's object of this "
            f"project: it was changed or compacted by another program. Take back that change with "
            f"`deltalake.DeltaTable(...).restore(...)`, then run again."
        )
        raise TableError(message)
    return int(hour)


def write_hour(
    lake: Place,
    platform: str,
    hour: datetime,
    series: HourSeries,
    *,
    simulated: bool,
    present: str | None = None,
) -> LakeObject:
    """Write an hour's object.

    Args:
        lake: Where the lake is.
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        series: Its flashes, and the record of its granules.
        simulated: Whether they are simulated.
        present: An object that is there and is not written again.
    """
    granules = series.granules.sort_by([("granule_start", "ascending"), ("file_name", "ascending")])
    flashes = complete_flashes(series.flashes.sort_by(_BY_TIME), simulated=simulated)
    name = f"{hour:%H}-{digest_tables(flashes, granules)}.parquet"
    path = f"{folder_of(platform, hour.date())}/{name}"
    content = encode_parquet(flashes, {_RECORD: _pack(granules)})
    if path != present:
        LakeTable(lake, "flashes").place.write(path, content)
    stats = describe_stats(flashes)
    return LakeObject(path, platform, hour.date(), flashes.num_rows, len(content), stats)


def read_hour(lake: Place, path: str) -> HourSeries:
    """Read an hour's object.

    Raises:
        TableError: If it is damaged.
        StorageError: If it cannot be read.
    """
    import pyarrow.parquet as pq

    place = LakeTable(lake, "flashes").place
    content = place.read(path)
    try:
        rows = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        granules = _unpack(rows.schema.metadata[_RECORD])
        keys = pa.repeat(pa.scalar(platform_of(path)), rows.num_rows)
        rows = rows.append_column("platform", keys).select(SERIES_SCHEMA.names).cast(SERIES_SCHEMA)
        _check_count(rows, granules)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        day = path.partition("/")[2].rpartition("/")[0].removeprefix("date=")
        message = (
            f"{place.join(path)} is damaged: {reason}. Take its day out of the lake with "
            f'`deltalake.DeltaTable("{place.url}").delete("platform = \'{platform_of(path)}\' AND '
            f"date = '{day}'\")`; the next run of that day makes it again."
        )
        raise TableError(message) from error
    return HourSeries(rows.sort_by(_BY_KEY), granules)


def _check_count(rows: pa.Table, granules: pa.Table) -> None:
    """See whether an hour has as many flashes as its record says.

    Raises:
        ValueError: If it has not.
    """
    if rows.num_rows != (pc.sum(granules["flash_count"]).as_py() or 0):
        message = "it does not hold every flash of its granules"
        raise ValueError(message)


def platform_of(path: str) -> str:
    """The satellite of an object."""
    return path.partition("platform=")[2].partition("/")[0]


def complete_flashes(rows: pa.Table, *, simulated: bool) -> pa.Table:
    """Flashes with the columns that objects of the table ``flashes`` have, in their order."""
    schema = table_schema("flashes")
    wanted = [field for field in schema if field.name not in PARTITIONS]
    columns = {
        field.name: rows[field.name]
        if field.name in rows.column_names
        else pa.repeat(pa.scalar(simulated), rows.num_rows)
        if field.name == "simulated"
        else pa.nulls(rows.num_rows, field.type)
        for field in wanted
    }
    return pa.table(columns, schema=pa.schema(wanted))


def encode_parquet(rows: pa.Table, metadata: dict[bytes, bytes] | None = None) -> bytes:
    """A table as Parquet."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(
        rows.replace_schema_metadata(metadata),
        sink,
        compression="zstd",
        use_dictionary=["granule_start", "quality_flag", "simulated", "orbital_slot", "status"],
        row_group_size=_ROWS_AT_ONCE,
        write_page_checksum=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def digest_tables(*tables: pa.Table) -> str:
    """A digest of what tables hold: the same for the same values, however they lie in memory."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for rows in tables:
        for name in rows.column_names:
            column = rows[name].combine_chunks()
            digest.update(f"{name} {column.type} {len(column)}\0".encode())
            digest.update(np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes())
            _update(digest, column)
    return digest.hexdigest()


def _update(digest: Any, column: pa.Array) -> None:  # noqa: ANN401  (hashlib has no type for it)
    """Take in the values of a column; what is null counts as nothing."""
    if pa.types.is_string(column.type):
        digest.update("\0".join(column.fill_null("").to_pylist()).encode())
        return
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    digest.update(np.ascontiguousarray(column.fill_null(0).to_numpy()).tobytes())


def join_records(hours: Sequence[WrittenHour]) -> pa.Table:
    """The record of the granules of some hours."""
    empty = arrow_schema("granules").empty_table()
    return pa.concat_tables([empty, *(hour.granules for hour in hours)])


def _without_failed(series: HourSeries) -> HourSeries:
    """An hour without the record of what could not be had: the next run looks for it again."""
    is_had = pc.not_equal(series.granules["status"], FAILED)
    return HourSeries(series.flashes, series.granules.filter(is_had))


def _pack(granules: pa.Table) -> bytes:
    """A record as text that any Parquet reader takes for metadata."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, granules.schema, options=options) as writer:
        writer.write_table(granules.combine_chunks())
    return base64.b64encode(sink.getvalue())


def _unpack(packed: bytes) -> pa.Table:
    """The record again."""
    with pa.ipc.open_stream(pa.BufferReader(base64.b64decode(packed))) as reader:
        return reader.read_all().cast(arrow_schema("granules"))
