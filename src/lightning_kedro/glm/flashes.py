"""One granule to arrays of flashes, right in every era.

Values are read raw and unpacked here, by rules that were checked on granules of every era, because
the attributes cannot be trusted: between mid-October and November 2018 the time variables lack
``_Unsigned`` although they are unsigned, while before that they lack it because they are signed.
netCDF4 and xarray follow the attributes and give times that are 25 s off in the former without a
warning. Source: GOES-16 GLM Full Validation product performance guide, p. 14-15 (known issues).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5 import (
    Handle,
    open_hdf5,
    open_variable,
    read_number,
    read_text,
    read_variable,
)

MAX_FLASHES: Final = 1 << 16
"""No granule can hold more flashes: ``flash_id`` has 16 bits and is unique within a granule."""

SIGNED_FROM_SCALE: Final = 0.01
"""Time offsets with a scale_factor of this or more are signed, smaller ones unsigned.

Signed: 2.0 (milliseconds), until October 2018. Unsigned: 3.81e-4 (seconds), since then, whether
``_Unsigned`` is there or not.
"""

MAX_TIME_MISMATCH: Final = timedelta(seconds=1)
"""The product time of a sound granule equals the start in its name, to a tenth of a second."""

MISSING_QUALITY: Final = -1

_SECONDS: Final = {"seconds": 1.0, "milliseconds": 1e-3}
_SQUARE_KM: Final = {"km2": 1.0, "m2": 1e-6}
_SINCE: Final = re.compile(r"(seconds|milliseconds) since (.+)")


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


def read_flashes(source: Path | bytes, name: GranuleName) -> GranuleFlashes:
    """Read the flashes of a granule.

    Args:
        source: The granule's file, or its bytes.
        name: What the file is called; what is inside must agree with it.

    Returns:
        The flashes; with n = 0 for a granule that holds none, which is not an error.

    Raises:
        CorruptGranuleError: If the file is not a whole netCDF-4 file, lacks a variable, disagrees
            with its name, or holds values that no granule can hold. The message is the reason.
    """
    with open_hdf5(source) as file:
        _check_platform(file, name)
        variable = open_variable(file, "flash_id")
        count = _count_rows(variable)
        flash_id = read_variable(variable, "flash_id", np.int16, (count,)).view(np.uint16)
        if len(np.unique(flash_id)) != count:
            message = "flash_id is not unique within the granule"
            raise CorruptGranuleError(message)
        return GranuleFlashes(
            flash_id=flash_id,
            time=_read_time(file, "flash_time_offset_of_first_event", count, name),
            time_end=_read_time(file, "flash_time_offset_of_last_event", count, name),
            lat=_read_degrees(file, "flash_lat", count, limit=90.0),
            lon=_read_degrees(file, "flash_lon", count, limit=180.0),
            energy_j=_read_packed(file, "flash_energy", count, {"J": 1.0}),
            area_km2=_read_packed(file, "flash_area", count, _SQUARE_KM),
            quality_flag=_read_quality(file, count),
            declared_flash_count=_read_declared_count(file),
            orbital_slot=read_text(file, "orbital_slot", "") or None,
        )


def _check_platform(file: Handle, name: GranuleName) -> None:
    """Refuse a granule that says that it comes from another satellite than its name does."""
    platform = read_text(file, "platform_ID", name.platform)
    if platform != name.platform:
        message = f"platform_ID is {platform!r}, but the name says {name.platform}"
        raise CorruptGranuleError(message)


def _count_rows(variable: Handle) -> int:
    """How many flashes there are, before any memory is asked for them."""
    shape = variable.shape
    if len(shape) != 1 or shape[0] > MAX_FLASHES:
        message = f"flash_id has shape {shape}; at most {MAX_FLASHES} flashes fit in a granule"
        raise CorruptGranuleError(message)
    return int(shape[0])


def _read_time(
    file: Handle,
    variable_name: str,
    count: int,
    name: GranuleName,
) -> NDArray[np.datetime64]:
    """Read times of events: product time plus offset, to the microsecond."""
    variable = open_variable(file, variable_name)
    units = read_text(variable, "units")
    match = _SINCE.fullmatch(units)
    if match is None:
        message = f"{variable_name} has units {units!r}, expected (milli)seconds since a time"
        raise CorruptGranuleError(message)
    product_time = _parse_product_time(match[2], name)
    scale = read_number(variable, "scale_factor")
    offset = read_number(variable, "add_offset", 0.0)
    raw = read_variable(variable, variable_name, np.int16, (count,))
    packed = raw if scale >= SIGNED_FROM_SCALE else raw.view(np.uint16)
    seconds = packed.astype(np.float64) * scale + offset
    microseconds = np.rint(seconds * (_SECONDS[match[1]] * 1e6)).astype(np.int64)
    times: NDArray[np.datetime64] = product_time + microseconds.view("timedelta64[us]")
    return times


def _parse_product_time(text: str, name: GranuleName) -> np.datetime64:
    """Read the product time from the units, and hold it against the start in the name."""
    try:
        time = datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError as error:
        message = f"the product time {text!r} is no time"
        raise CorruptGranuleError(message) from error
    if abs(time - name.start) > MAX_TIME_MISMATCH:
        message = f"the product time is {time:%Y-%m-%d %H:%M:%S}, but the name says {name.start}"
        raise CorruptGranuleError(message)
    return np.datetime64(time.replace(tzinfo=None), "us")


def _read_degrees(file: Handle, name: str, count: int, *, limit: float) -> NDArray[np.float32]:
    """Read latitudes or longitudes, which are float32 and never packed."""
    degrees = read_variable(open_variable(file, name), name, np.float32, (count,))
    if not (np.abs(degrees) <= limit).all():  # NaN compares false
        message = f"{name} holds values that are not within {-limit:g} to {limit:g} degrees"
        raise CorruptGranuleError(message)
    return degrees


def _read_packed(
    file: Handle,
    name: str,
    count: int,
    factors: dict[str, float],
) -> NDArray[np.float64]:
    """Read an unsigned packed quantity; ``factors`` turn the units it may have into ours."""
    variable = open_variable(file, name)
    units = read_text(variable, "units")
    if units not in factors:
        message = f"{name} has units {units!r}, expected one of {', '.join(factors)}"
        raise CorruptGranuleError(message)
    scale = read_number(variable, "scale_factor") * factors[units]
    offset = read_number(variable, "add_offset", 0.0) * factors[units]
    raw = read_variable(variable, name, np.int16, (count,)).view(np.uint16)
    values = raw.astype(np.float64) * scale + offset
    values[raw == _read_fill(variable)] = np.nan
    return values


def _read_fill(variable: Handle) -> int:
    """The 16 bits that stand for a missing value: 65535, whether it is declared so or as -1."""
    return int(read_number(variable, "_FillValue", -1)) & 0xFFFF


def _read_quality(file: Handle, count: int) -> NDArray[np.int16]:
    """Read the quality flags. 3 and 5 are real flashes, cut in pieces because they are large."""
    variable = open_variable(file, "flash_quality_flag")
    flags = read_variable(variable, "flash_quality_flag", np.int16, (count,))
    flags[flags.view(np.uint16) == _read_fill(variable)] = MISSING_QUALITY
    return flags


def _read_declared_count(file: Handle) -> int | None:
    """Read ``flash_count``, which may disagree with the rows; -1 stands for not known."""
    try:
        variable = open_variable(file, "flash_count")
        count = int(read_variable(variable, "flash_count", np.int32, ()))
    except CorruptGranuleError:
        return None
    return count if count >= 0 else None
