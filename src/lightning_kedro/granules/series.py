"""An archive hour to its time series and geo series: many granules, one after the other.

A granule that cannot be trusted never stops its hour: it is kept on record as corrupt, with the
reason, and the rest of the hour is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError, LightningKedroError
from lightning_kedro.glm.flashes import MISSING_QUALITY, GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5_errors import explain_failure
from lightning_kedro.schemas import TABLES

LOADED: Final = "loaded"
EMPTY: Final = "empty"
CORRUPT: Final = "corrupt"

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


@dataclass(frozen=True, slots=True)
class StoredGranule:
    """A granule somewhere in storage.

    Attributes:
        name: What it is called.
        url: Where it is, for the file system that found it.
        file_bytes: Its size in bytes.
    """

    name: GranuleName
    url: str
    file_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class HourSeries:
    """What came out of an hour's granules.

    Attributes:
        flashes: Every flash, with the columns of the table ``flashes``; granule by granule.
        granules: Every granule that was there, with the columns of the table ``granules``.
        failures: What could not be fetched or read, and why: neither loaded nor corrupt, but
            missing.
    """

    flashes: pa.Table
    granules: pa.Table
    failures: tuple[str, ...] = ()

    @property
    def time_series(self) -> pa.Table:
        """When, how bright and how large: one row a flash."""
        return self.flashes.select(TABLES["time_series"].columns)

    @property
    def geo_series(self) -> pa.Table:
        """Where: one row a flash, with the key that joins it to the time series."""
        return self.flashes.select(TABLES["geo_series"].columns)


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table of the registry."""
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in TABLES[table].types.items()])


def read_series(
    contents: Iterable[tuple[StoredGranule, Path | bytes | ArchiveError]],
) -> HourSeries:
    """Read the flashes of many granules of one satellite.

    Args:
        contents: Granules in the order in which their flashes shall stand, each with its file or
            its bytes, or with why it could not be fetched.

    Returns:
        All flashes of the granules that could be read, a record of every granule that is there,
        and why others could not be fetched or read at the moment.
    """
    parts: list[tuple[GranuleName, GranuleFlashes]] = []
    records: list[dict[str, Any]] = []
    failures: list[str] = []
    for granule, content in contents:
        if isinstance(content, ArchiveError):
            failures.append(str(content))
            continue
        try:
            flashes = _read_or_refuse(content, granule.name)
        except ArchiveError as error:
            failures.append(f"{granule.url} {error}")
        except CorruptGranuleError as error:
            records.append(_make_record(granule, None, str(error)))
        else:
            parts.append((granule.name, flashes))
            records.append(_make_record(granule, flashes, None))
    return HourSeries(
        flashes=_join_flashes(parts),
        granules=pa.Table.from_pylist(records, schema=arrow_schema("granules")),
        failures=tuple(failures),
    )


def _read_or_refuse(content: Path | bytes, name: GranuleName) -> GranuleFlashes:
    """Read a granule's flashes; whatever goes wrong is a matter of this granule alone.

    Raises:
        CorruptGranuleError: If it cannot be trusted.
        ArchiveError: If the machine could not read it.
    """
    try:
        return read_flashes(content, name)
    except LightningKedroError:
        raise
    except MemoryError as error:
        raise explain_failure("not read", error) from error
    except Exception as error:
        raise CorruptGranuleError(f"unexpected {type(error).__name__}: {error}") from error


def _make_record(
    granule: StoredGranule, flashes: GranuleFlashes | None, reason: str | None
) -> dict[str, Any]:
    """The row of the table ``granules`` for one granule; ``flashes`` is None if it is corrupt."""
    name = granule.name
    count = 0 if flashes is None else len(flashes)
    return {
        "platform": name.platform,
        "granule_start": name.start.replace(tzinfo=None),
        "granule_end": name.end.replace(tzinfo=None),
        "created": name.created.replace(tzinfo=None),
        "orbital_slot": None if flashes is None else flashes.orbital_slot,
        "file_name": name.file_name,
        "file_bytes": granule.file_bytes,
        "flash_count": count,
        "declared_flash_count": None if flashes is None else flashes.declared_flash_count,
        "status": CORRUPT if flashes is None else LOADED if count else EMPTY,
        "reason": reason,
    }


def _join_flashes(parts: list[tuple[GranuleName, GranuleFlashes]]) -> pa.Table:
    """All flashes in one table; missing energies, areas and flags become nulls."""
    schema = arrow_schema("flashes")
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
    return pa.table(columns).cast(schema)
