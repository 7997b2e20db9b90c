"""The flashes of a selection as clustering wants them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.exceptions import NoFlashesError, PartialRunError, TableError
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa

FLASH_COLUMNS: Final = (
    "platform",
    "granule_start",
    "flash_id",
    "time",
    "lat",
    "lon",
    "quality_flag",
)
"""What is read of each flash."""

_Value = TypeVar("_Value")

_MICROSECONDS_PER_HOUR: Final = 3.6e9
_HIGHEST_LAT: Final = 90.0
_HIGHEST_LON: Final = 180.0
_DIGEST_BYTES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFlashes:
    """The flashes of a selection, and the points to be clustered.

    They are read once: what is fitted and what is labelled in the end are the same flashes.

    Attributes:
        selection: What they are of.
        table: The flashes in order of time, with the columns ``FLASH_COLUMNS``.
        features: The points.
        fingerprint: Digest of the flashes, 16 hexadecimal digits.
    """

    selection: Selection
    table: "pa.Table"
    features: ClusterFeatures
    fingerprint: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The flashes themselves: they never change."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Derived(Generic[_Value]):
    """What was made of prepared flashes, and of which.

    Options are told apart by where it is kept; the flashes themselves may change between two runs
    of single nodes, because a late granule has come.

    Attributes:
        fingerprint: Digest of the flashes, as in ``PreparedFlashes``.
        value: What was made of them.
    """

    fingerprint: str
    value: _Value

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same: it never changes."""
        return self

    def of(self, prepared: PreparedFlashes) -> _Value:
        """What was made, if it was made of these flashes.

        Only runs of some of the nodes can bring others together.

        Raises:
            PartialRunError: If it was made of other flashes.
        """
        if self.fingerprint != prepared.fingerprint:
            message = (
                f"What is kept of an earlier node was made of other flashes ({self.fingerprint}) "
                f"than the features ({prepared.fingerprint}) of {prepared.selection}: run "
                f"`kedro run --pipelines clustering` from its first node."
            )
            raise PartialRunError(message)
        return self.value


def read_flashes(flashes: Any, selection: Selection) -> "pa.Table":  # noqa: ANN401
    """Read the flashes of a selection.

    Args:
        flashes: The handle on the table ``flashes``.
        selection: Which ones.

    Returns:
        The flashes with the columns ``FLASH_COLUMNS``, ordered by time, platform, granule and id,
        all with a place on the Earth. A quiet window has none.

    Raises:
        NoFlashesError: If there is no flash and no granule of the window either.
        TableError: If a flash has no place.
    """
    table = flashes.read(selection, FLASH_COLUMNS)
    if table.num_rows == 0 and not flashes.has_granules(selection):
        message = (
            f"No granule of {selection} has been loaded: ingest the window first "
            f"(`kedro run --pipelines ingestion` with the same parameters)."
        )
        raise NoFlashesError(message)
    lat, lon = take_places(table)
    # Comparisons are False for NaN, and a null reads as NaN.
    lost = int(np.count_nonzero(~((np.abs(lat) <= _HIGHEST_LAT) & (np.abs(lon) <= _HIGHEST_LON))))
    if lost:
        message = (
            f"Table flashes holds {lost:,} of {table.num_rows:,} flashes in {selection} "
            f"whose lat or lon is missing or out of range: delete these rows, and the next run "
            f"of ingestion loads their granules again."
        )
        raise TableError(message)
    return table


def fingerprint_flashes(table: "pa.Table") -> str:
    """Digest the flashes: which they are, when and where.

    Args:
        table: The flashes, with the columns ``FLASH_COLUMNS``, in the order of the table's key.

    Returns:
        16 hexadecimal digits: the same for the same flashes, whatever machine or version reads
        them (BLAKE2b, RFC 7693).
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    coded = table.column("platform").combine_chunks().dictionary_encode()
    digest.update("+".join(coded.dictionary.to_pylist()).encode())
    digest.update(np.ascontiguousarray(coded.indices.to_numpy(), dtype="<i4").data)
    kinds = {"granule_start": "<i8", "flash_id": "<i4", "time": "<i8", "lat": "<f4", "lon": "<f4"}
    for name, kind in kinds.items():
        values = table.column(name).to_numpy()
        if kind == "<i8":
            values = values.astype("datetime64[us]", copy=False).view(np.int64)
        digest.update(np.ascontiguousarray(values, dtype=kind).data)
    return digest.hexdigest()


def take_places(
    table: "pa.Table",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Latitudes and longitudes of flashes, degrees."""
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    return lat, lon


def take_hours(table: "pa.Table", start: datetime, *, wanted: bool) -> FloatArray | None:
    """Times of flashes since a window's start (UTC), h; None if they are not wanted."""
    if not wanted:
        return None
    first = np.datetime64(start.replace(tzinfo=None), "us")
    times = table.column("time").to_numpy().astype("datetime64[us]")
    return np.asarray((times - first).astype(np.int64) / _MICROSECONDS_PER_HOUR, dtype=np.float64)
