"""An archive hour to its time series and geo series: many granules, one after the other.

A granule that cannot be trusted never stops its hour: it is kept on record as corrupt, with the
reason, and the rest of the hour is read.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError, LightningKedroError
from lightning_kedro.glm.flashes import MISSING_QUALITY, GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5_errors import explain_failure
from lightning_kedro.glm.reader import GranuleLevels, read_granule
from lightning_kedro.glm.sparse_image import Source
from lightning_kedro.granules.level_rows import COUNTS, make_rows
from lightning_kedro.granules.record import (
    CORRUPT,
    EMPTY,
    FAILED,
    LOADED,
    Content,
    HourSeries,
    StoredGranule,
)
from lightning_kedro.schemas import TABLES

_ARROW_TYPES: Final = {
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
}


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table of the registry."""
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in TABLES[table].types.items()])


SERIES_SCHEMA: Final = pa.schema(
    [
        field
        for field in arrow_schema("flashes")
        if field.name in {*TABLES["time_series"].columns, *TABLES["geo_series"].columns}
    ]
)
"""The columns of both series: what is read of flashes without looking at groups and events."""


def read_series(
    contents: Iterable[tuple[StoredGranule, Content]], levels: Collection[str] = ()
) -> HourSeries:
    """Read the flashes of many granules of one satellite, and other levels of them.

    Args:
        contents: Granules in the order in which their flashes shall stand, each with its file or
            its bytes, or with why it could not be fetched.
        levels: What is read besides flashes: ``group``, ``event``.

    Returns:
        All flashes of the granules that could be read, and a record of every granule: those that
        could not be fetched or read at the moment have the status ``failed``. A granule whose
        groups or events cannot be trusted keeps its flashes, if those can.
    """
    parts: list[tuple[GranuleName, GranuleFlashes]] = []
    records: list[dict[str, Any]] = []
    schemas = {table: arrow_schema(table) for table in COUNTS}
    rows = {table: [schema.empty_table()] for table, schema in schemas.items()}
    for granule, content in contents:
        record, read = _look_at(granule, content, levels)
        records.append(record)
        if read is not None:
            parts.append((granule.name, read.flashes))
            for table, made in make_rows(granule.name, read, schemas).items():
                rows[table].append(made)
    return HourSeries(
        flashes=_join_flashes(parts),
        granules=pa.Table.from_pylist(records, schema=arrow_schema("granules")),
        groups=pa.concat_tables(rows["groups"]) if "group" in levels else None,
        events=pa.concat_tables(rows["events"]) if "event" in levels else None,
    )


def _look_at(
    granule: StoredGranule, content: Content, levels: Collection[str]
) -> tuple[dict[str, Any], GranuleLevels | None]:
    """Read a granule as far as it can be trusted; its record says how far that was."""
    if isinstance(content, ArchiveError):
        return _make_record(granule, FAILED, str(content)), None
    reason = None
    others = tuple(level for level in levels if level != "flash")
    for wanted in dict.fromkeys((others, ())):
        try:
            read = _read_or_refuse(content, granule.name, wanted)
        except ArchiveError as error:
            message = str(ArchiveError(f"{granule.url} {error}"))
            return _make_record(granule, FAILED, message), None
        except CorruptGranuleError as error:
            reason = str(error)
        else:
            told = None if reason is None else f"only its flashes can be read: {reason}"
            status = LOADED if len(read.flashes) else EMPTY
            return _make_record(granule, status, told, read), read
    return _make_record(granule, CORRUPT, reason), None


def _read_or_refuse(content: Source, name: GranuleName, levels: Collection[str]) -> GranuleLevels:
    """Read a granule; whatever goes wrong is a matter of this granule alone.

    Raises:
        CorruptGranuleError: If it cannot be trusted.
        ArchiveError: If the machine could not read it.
    """
    try:
        if not levels:
            return GranuleLevels(read_flashes(content, name))
        return read_granule(content, name, levels)
    except LightningKedroError:
        raise
    except MemoryError as error:
        raise explain_failure("not read", error) from error
    except Exception as error:
        raise CorruptGranuleError(f"unexpected {type(error).__name__}: {error}") from error


def _make_record(
    granule: StoredGranule,
    status: str,
    reason: str | None,
    read: GranuleLevels | None = None,
) -> dict[str, Any]:
    """The row of the table ``granules`` for one granule; without counts if it was not read."""
    name = granule.name
    flashes = None if read is None else read.flashes
    return {
        "platform": name.platform,
        "granule_start": name.start.replace(tzinfo=None),
        "granule_end": name.end.replace(tzinfo=None),
        "created": name.created.replace(tzinfo=None),
        "orbital_slot": None if flashes is None else flashes.orbital_slot,
        "file_name": name.file_name,
        "file_bytes": granule.file_bytes,
        "flash_count": 0 if flashes is None else len(flashes),
        "declared_flash_count": None if flashes is None else flashes.declared_flash_count,
        "group_count": None if read is None or read.groups is None else len(read.groups),
        "event_count": None if read is None or read.events is None else len(read.events),
        "status": status,
        "reason": reason,
    }


def _join_flashes(parts: list[tuple[GranuleName, GranuleFlashes]]) -> pa.Table:
    """All flashes in one table; missing energies, areas and flags become nulls."""
    schema = SERIES_SCHEMA
    if not parts:
        return schema.empty_table()
    counts = np.array([len(flashes) for _, flashes in parts])
    starts = np.array([name.start.replace(tzinfo=None) for name, _ in parts], "datetime64[us]")
    platforms = pa.array([name.platform for name, _ in parts])

    def join(field: str) -> NDArray[Any]:
        return np.concatenate([getattr(flashes, field) for _, flashes in parts])

    energy_j, area_km2, quality = join("energy_j"), join("area_km2"), join("quality_flag")
    columns = {
        "platform": platforms.take(pa.array(np.repeat(np.arange(len(parts)), counts))),
        "granule_start": np.repeat(starts, counts),
        "flash_id": join("flash_id"),
        "time": join("time"),
        "time_end": join("time_end"),
        "lat": join("lat"),
        "lon": join("lon"),
        "energy_j": pa.array(energy_j, mask=np.isnan(energy_j)),
        "area_km2": pa.array(area_km2, mask=np.isnan(area_km2)),
        "quality_flag": pa.array(quality, mask=quality == MISSING_QUALITY),
    }
    return pa.table(columns).select(schema.names).cast(schema)
