"""One granule to arrays of flashes, right in every era.

The columns and their packings are in ``lightning_kedro.glm.levels``, the rules by which they are
read in ``lightning_kedro.glm.variables``. HDF5 is imported where files are read.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.fields import MAX_DURATION, MAX_FLASHES, MISSING_QUALITY, TIME_BOUNDS
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.levels import LEVELS, list_bounds
from lightning_kedro.glm.sparse_image import Source

if TYPE_CHECKING:
    from lightning_kedro.glm.hdf5 import OpenFile

__all__ = [
    "BOUNDS",
    "MAX_DURATION",
    "MAX_FLASHES",
    "MISSING_QUALITY",
    "TIME_BOUNDS",
    "GranuleFlashes",
    "read_flashes",
    "take_flashes",
]

BOUNDS: Final = list_bounds("flash")
"""The least and the greatest value that a sound flash can have, in our units."""

_SLOT: Final = re.compile(r"GOES-[A-Za-z0-9. -]{1,24}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GranuleFlashes:
    """The flashes of one granule, n of them, in the granule's own order (not sorted in time).

    Attributes:
        flash_id: uint16, shape (n,). Unique within the granule only; it wraps.
        time: datetime64[us], shape (n,). UTC of the first event; may precede the granule's start.
        time_end: datetime64[us], shape (n,). UTC of the last event.
        lat: float32, shape (n,). Degrees north, -90 to 90; energy-weighted centroid.
        lon: float32, shape (n,). Degrees east, -180 to 180.
        energy_j: float64, shape (n,). Radiant energy in joules; NaN where it is missing.
        area_km2: float64, shape (n,). Area in square kilometres; NaN where it is missing.
        quality_flag: int16, shape (n,). 0 good, 1, 3 or 5 degraded; -1 where it is missing.
        declared_flash_count: What the granule says n is; None if it does not say. Rows win.
        orbital_slot: GOES-East, GOES-West, GOES-Test ...; None if the granule does not say.
    """

    flash_id: NDArray[np.uint16]
    time: NDArray[np.datetime64]
    time_end: NDArray[np.datetime64]
    lat: NDArray[np.float32]
    lon: NDArray[np.float32]
    energy_j: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    quality_flag: NDArray[np.int16]
    declared_flash_count: int | None
    orbital_slot: str | None

    def __len__(self) -> int:
        """The number of flashes."""
        return len(self.flash_id)


def read_flashes(source: Source, name: GranuleName) -> GranuleFlashes:
    """Read the flashes of a granule.

    Args:
        source: The granule's file, or its bytes as far as they are needed.
        name: What the file is called; what is inside must agree with it.

    Returns:
        The flashes; with n = 0 for a granule that holds none, which is not an error.

    Raises:
        CorruptGranuleError: If the file is not a whole netCDF-4 file, lacks a variable, disagrees
            with its name, or holds values that no granule can hold. The message is the reason.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    from lightning_kedro.glm.variables import open_granule

    with open_granule(source, name) as file:
        return take_flashes(file, name)


def take_flashes(file: "OpenFile", name: GranuleName) -> GranuleFlashes:
    """The flashes of a granule that is open already; as ``read_flashes``."""
    from lightning_kedro.glm.variables import read_declared_count, read_level

    level = LEVELS["flash"]
    slot, declared = _read_slot(file), read_declared_count(file, level)
    columns = read_level(file, level, name)
    _check_durations(columns["time"], columns["time_end"])
    return GranuleFlashes(**columns, declared_flash_count=declared, orbital_slot=slot)


def _check_durations(time: NDArray[np.datetime64], time_end: NDArray[np.datetime64]) -> None:
    """Refuse flashes that end before they begin, or last too long."""
    # Read as unsigned, a negative duration is longer than any other: one look for both.
    microseconds = (time_end - time).view(np.uint64)
    if microseconds.max(initial=0) > MAX_DURATION // timedelta(microseconds=1):
        raise CorruptGranuleError(
            f"a flash does not last 0 to {MAX_DURATION.total_seconds():g} s by its first and last "
            f"event"
        )


def _read_slot(file: "OpenFile") -> str | None:
    """Read what the satellite's place is called; None where the text is no such name."""
    from lightning_kedro.glm.hdf5_attributes import read_text

    try:
        slot = read_text(file.handle, "orbital_slot", "")
    except CorruptGranuleError:
        return None
    return slot if _SLOT.fullmatch(slot) else None
