"""An archive hour in a lake: a Parquet object in each table of rows, with its granules' record.

Flashes lie by time; groups and events, of which an hour has millions, as they were read. The record
travels in the objects themselves, so that whoever adds granules to the hour, or meets another
client's version of it, merges both by the same rule as files on disk are merged. What an object is
called follows from what it holds: the same hour, read again after a kill, is the same object.

The tables are committed one after the other. Where a client was killed in between, the object of
groups or events is of other granules than that of flashes: only what both tell of counts.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.record import HourSeries
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema
from lightning_kedro.store.lake.flash_counts import count_by_flash
from lightning_kedro.store.lake.log import (
    PARTITIONS,
    ROW_TABLES,
    LakeObject,
    LakeTable,
    describe_stats,
    folder_of,
    table_schema,
)
from lightning_kedro.store.lake.places import Place

_RECORD: Final = b"lightning_kedro.granules"
"""The key under which an object's metadata has the record of its granules, packed, as text that any
Parquet reader takes for metadata."""

_DIGEST_BYTES: Final = 8
_ROWS_AT_ONCE: Final = 1 << 16
_BY_TIME: Final = [
    (name, "ascending") for name in ("platform", "time", "granule_start", "flash_id")
]
_BY_KEY: Final = [(name, "ascending") for name in ("platform", "granule_start", "flash_id")]


def hour_of(table: str, path: str) -> int:
    """The hour of the day of an object of a table of rows.

    Raises:
        TableError: If it is not one that this project wrote.
    """
    name = path.rpartition("/")[2]
    hour, separator, rest = name.partition("-")
    length = 2 * _DIGEST_BYTES + len(".parquet")
    if len(hour) != len("00") or not hour.isdigit() or not separator or len(rest) != length:
        message = (
            f"The lake's table {table} holds {path}, which is not an hour's object of this "
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
    present: Mapping[str, str] | None = None,
) -> dict[str, LakeObject]:
    """Write an hour's objects.

    Args:
        lake: Where the lake is.
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        series: Its flashes, groups and events, and the record of its granules.
        simulated: Whether they are simulated.
        present: By table an object that is there and is not written again.

    Returns:
        By table the object that holds the hour; flashes always, others if they were read.
    """
    granules = series.granules.sort_by([("granule_start", "ascending"), ("file_name", "ascending")])
    flashes = count_by_flash(series.flashes.sort_by(_BY_TIME), granules, series.groups)
    written: dict[str, LakeObject] = {}
    for table in ROW_TABLES:
        rows = flashes if table == "flashes" else getattr(series, table)
        record = _only_read(granules, table)
        if rows is None or record.num_rows == 0:
            continue
        rows = complete_rows(table, rows, simulated=simulated)
        path = f"{folder_of(platform, hour.date())}/{hour:%H}-{digest_tables(rows, record)}.parquet"
        content = encode_parquet(rows, {_RECORD: base64.b64encode(pack_record(record))})
        if path != (present or {}).get(table):
            LakeTable(lake, table).place.write(path, content)
        stats = describe_stats(rows)
        written[table] = LakeObject(path, platform, hour.date(), rows.num_rows, len(content), stats)
    return written


def read_hour(lake: Place, paths: Mapping[str, str]) -> HourSeries:
    """Read an hour's objects.

    Args:
        lake: Where the lake is.
        paths: By table the object that holds the hour, of flashes at least.

    Returns:
        The hour. Of a granule groups or events were read if both objects tell of the same.

    Raises:
        TableError: If one is damaged.
        StorageError: If one cannot be read.
    """
    flashes, granules = _read_object(lake, "flashes", paths["flashes"])
    levels: dict[str, pa.Table | None] = dict.fromkeys(COUNTS)
    for table in COUNTS:
        rows, held = _read_object(lake, table, paths[table]) if table in paths else (None, None)
        granules = _forget_unheld(granules, table, held)
        read = _only_read(granules, table)
        if rows is not None and read.num_rows:
            starts = read["granule_start"].combine_chunks()
            levels[table] = rows.filter(pc.is_in(rows["granule_start"], value_set=starts))
    series = flashes.select(SERIES_SCHEMA.names).cast(SERIES_SCHEMA).sort_by(_BY_KEY)
    return HourSeries(series, granules, **levels)


def _only_read(granules: pa.Table, table: str) -> pa.Table:
    """Of a record, the granules of which the rows of a table were read."""
    return granules if table == "flashes" else granules.filter(granules[COUNTS[table]].is_valid())


def _forget_unheld(granules: pa.Table, table: str, held: pa.Table | None) -> pa.Table:
    """A record as if groups or events had been read of those granules only that an object holds.

    Args:
        granules: The record that flashes go with.
        table: ``groups`` or ``events``.
        held: The record that the object goes with; None if there is no such object.
    """
    name = COUNTS[table]
    present = set() if held is None else {*_list_rows(held, name)}
    counts = [row[-1] if row in present else None for row in _list_rows(granules, name)]
    at = granules.schema.get_field_index(name)
    field = granules.schema.field(at)
    return granules.set_column(at, field, pa.array(counts, field.type))


def _list_rows(granules: pa.Table, count: str) -> Iterator[tuple[str, int, int | None]]:
    """Name, size and one of the counts of each granule of a record."""
    columns = (granules[name].to_pylist() for name in ("file_name", "file_bytes", count))
    return zip(*columns, strict=True)


def _read_object(lake: Place, table: str, path: str) -> tuple[pa.Table, pa.Table]:
    """The rows of an object, with all columns of the registry, and the record of their granules.

    Raises:
        TableError: If it is damaged.
        StorageError: If it cannot be read.
    """
    import pyarrow.parquet as pq

    place = LakeTable(lake, table).place
    content = place.read(path)
    try:
        rows = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        granules = unpack_record(base64.b64decode(rows.schema.metadata[_RECORD]))
        keys = pa.repeat(pa.scalar(platform_of(path)), rows.num_rows)
        schema = arrow_schema(table)
        rows = rows.append_column("platform", keys).select(schema.names).cast(schema)
        _check_count(rows, granules, table)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        day = path.partition("/")[2].rpartition("/")[0].removeprefix("date=")
        message = (
            f"{place.join(path)} is damaged: {reason}. Take its day out of the lake with "
            f'`deltalake.DeltaTable("{place.url}").delete("platform = \'{platform_of(path)}\' AND '
            f"date = '{day}'\")`; the next run of that day makes it again."
        )
        raise TableError(message) from error
    return rows, granules


def _check_count(rows: pa.Table, granules: pa.Table, table: str) -> None:
    """See whether an object has as many rows as its record says.

    Raises:
        ValueError: If it has not.
    """
    count = COUNTS.get(table, "flash_count")
    if rows.num_rows != (pc.sum(granules[count]).as_py() or 0):
        noun = "flash" if table == "flashes" else table.removesuffix("s")
        message = f"it does not hold every {noun} of its granules"
        raise ValueError(message)


def platform_of(path: str) -> str:
    """The satellite of an object."""
    return path.partition("platform=")[2].partition("/")[0]


def complete_rows(table: str, rows: pa.Table, *, simulated: bool) -> pa.Table:
    """Rows with the columns that objects of their table have, in their order."""
    wanted = [field for field in table_schema(table) if field.name not in PARTITIONS]
    said = pa.repeat(pa.scalar(simulated), rows.num_rows)
    columns = {
        field.name: said if field.name == "simulated" else rows[field.name] for field in wanted
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


def pack_record(granules: pa.Table) -> bytes:
    """A record as few bytes: 8 kB for an hour."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, granules.schema, options=options) as writer:
        writer.write_table(granules.combine_chunks())
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack_record(packed: bytes) -> pa.Table:
    """The record again."""
    with pa.ipc.open_stream(pa.BufferReader(packed)) as reader:
        return reader.read_all().cast(arrow_schema("granules"))
