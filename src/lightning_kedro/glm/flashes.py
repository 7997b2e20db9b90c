"""One granule to arrays of flashes, right in every era.

Values are read raw and unpacked here, by rules that were checked on granules of every era, because
the attributes cannot be trusted: between mid-October and November 2018 the time variables lack
``_Unsigned`` although they are unsigned, while before that they lack it because they are signed.
netCDF4 and xarray follow the attributes and give times that are 25 s off in the former without a
warning. Source: GOES-16 GLM Full Validation product performance guide, p. 14-15 (known issues).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5 import (
    Handle,
    OpenFile,
    open_hdf5,
    open_variable,
    read_number,
    read_text,
    read_variable,
    read_variable_shape,
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

MAX_DURATION: Final = timedelta(seconds=5)
"""The longest flash that is believed: one is closed, with quality flag 5, after 3.0 s."""

MISSING_QUALITY: Final = -1
MAX_QUALITY: Final = 5
"""The largest quality flag: the variable's ``valid_range`` is 0 to 5."""

MAX_VALID: Final = 65_530
"""The largest packed energy or area that their ``valid_range`` admits."""

MAX_DECLARED: Final = 630_000
"""The largest ``flash_count`` that its ``valid_range`` admits."""


@dataclass(frozen=True, slots=True)
class _Quantity:
    """What a packed variable holds: the units it may have, and the values that are believed.

    Attributes:
        unit: Our unit.
        factors: By the units that files have: how many of ours one is.
        low: The least value that is believed (our unit).
        high: The greatest.
    """

    unit: str
    factors: Mapping[str, float]
    low: float
    high: float


# A value beyond these bounds proves damage, so that nothing else in the file is believed either.
# They are wide: flashes of real granules lie at -1.73 to 19.84 s and the present packing reaches
# from -5 to 20 s, to 10,000.8 km2 and, in the oldest files, to 1.0e-10 J.
_TIME: Final = _Quantity("s", {"seconds": 1.0, "milliseconds": 1e-3}, -10.0, 40.0)
_ENERGY: Final = _Quantity("J", {"J": 1.0}, 0.0, 1e-9)
_AREA: Final = _Quantity("km2", {"km2": 1.0, "m2": 1e-6}, 0.0, 11_000.0)

MAX_ID: Final = MAX_FLASHES - 1
MAX_LAT: Final = 90.0
MAX_LON: Final = 180.0

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "flash_id": (0, MAX_ID),
    "lat": (-MAX_LAT, MAX_LAT),
    "lon": (-MAX_LON, MAX_LON),
    "energy_j": (_ENERGY.low, _ENERGY.high),
    "area_km2": (_AREA.low, _AREA.high),
    "quality_flag": (0, MAX_QUALITY),
}
"""The least and the greatest value that a sound flash can have, in our units."""

TIME_BOUNDS: Final = (
    timedelta(seconds=_TIME.low) - MAX_TIME_MISMATCH,
    timedelta(seconds=_TIME.high) + MAX_TIME_MISMATCH,
)
"""How long after the start in its granule's name a flash can begin or end."""

_RAW: Final = {"h": (-32_768, 32_767), "H": (0, 65_535)}
"""The least and the greatest packed value, by NumPy's letter for int16 and uint16."""

_MUST_REACH: Final = (0.0, 19.0)
"""Any packing of times can hold those of its own granule (s)."""

_SINCE: Final = re.compile(r"(seconds|milliseconds) since (.+)")
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
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    with open_hdf5(source) as file:
        _check_platform(file, name)
        variable = open_variable(file, "flash_id")
        count = _count_rows(variable)
        flash_id = read_variable(file, variable, "flash_id", np.int16, (count,)).view(np.uint16)
        _check_unique(flash_id)
        time = _read_time(file, "flash_time_offset_of_first_event", count, name)
        time_end = _read_time(file, "flash_time_offset_of_last_event", count, name)
        _check_durations(time, time_end)
        return GranuleFlashes(
            flash_id=flash_id,
            time=time,
            time_end=time_end,
            lat=_read_degrees(file, "flash_lat", count, limit=MAX_LAT),
            lon=_read_degrees(file, "flash_lon", count, limit=MAX_LON),
            energy_j=_read_packed(file, "flash_energy", count, _ENERGY),
            area_km2=_read_packed(file, "flash_area", count, _AREA),
            quality_flag=_read_quality(file, count),
            declared_flash_count=_read_declared_count(file),
            orbital_slot=_read_slot(file),
        )


def _check_platform(file: OpenFile, name: GranuleName) -> None:
    """Refuse a granule that says that it comes from another satellite than its name does."""
    platform = read_text(file.handle, "platform_ID", name.platform)
    if platform != name.platform:
        message = f"platform_ID is {platform!r}, but the name says {name.platform}"
        raise CorruptGranuleError(message)


def _count_rows(variable: Handle) -> int:
    """How many flashes there are, before any memory is asked for them."""
    shape = read_variable_shape(variable, "flash_id")
    if len(shape) != 1 or shape[0] > MAX_FLASHES:
        message = f"flash_id has shape {shape}; at most {MAX_FLASHES} flashes fit in a granule"
        raise CorruptGranuleError(message)
    return int(shape[0])


def _check_unique(flash_id: NDArray[np.uint16]) -> None:
    """Refuse an id that occurs twice; many times faster than to make a set of them."""
    ordered = np.sort(flash_id)
    if (ordered[1:] == ordered[:-1]).any():
        raise CorruptGranuleError("flash_id is not unique within the granule")


def _check_durations(time: NDArray[np.datetime64], time_end: NDArray[np.datetime64]) -> None:
    """Refuse flashes that end before they begin, or last too long."""
    # Read as unsigned, a negative duration is longer than any other: one look for both.
    microseconds = (time_end - time).view(np.uint64)
    if microseconds.max(initial=0) > MAX_DURATION // timedelta(microseconds=1):
        raise CorruptGranuleError(
            f"a flash does not last 0 to {MAX_DURATION.total_seconds():g} s by its first and last "
            f"event"
        )


def _read_time(
    file: OpenFile,
    variable_name: str,
    count: int,
    name: GranuleName,
) -> NDArray[np.datetime64]:
    """Read times of events: product time plus offset, to the microsecond."""
    variable = open_variable(file, variable_name)
    factor, product_time = _parse_units(read_text(variable, "units"), name.start)
    scale = read_number(variable, "scale_factor")
    offset = read_number(variable, "add_offset", 0.0) * factor
    raw = read_variable(file, variable, variable_name, np.int16, (count,))
    packed = raw if scale >= SIGNED_FROM_SCALE else raw.view(np.uint16)
    scale *= factor
    least, most = (offset + scale * edge for edge in _RAW[packed.dtype.char])
    seconds = _unpack(packed, variable_name, scale, offset, _TIME)
    if least > _MUST_REACH[0] or most < _MUST_REACH[1]:
        raise CorruptGranuleError(f"{variable_name} cannot hold the times of a granule")
    seconds *= 1e6
    microseconds = np.rint(seconds, out=seconds).astype(np.int64)
    times: NDArray[np.datetime64] = product_time + microseconds.view("timedelta64[us]")
    return times


@lru_cache(maxsize=8)
def _parse_units(text: str, start: datetime) -> tuple[float, np.datetime64]:
    """Take the units of times apart, and hold the product time against the start in the name.

    The answer is kept, since the times of first and last events have the same units.

    Returns:
        How many seconds the unit has, and the product time (UTC).
    """
    match = _SINCE.fullmatch(text)
    if match is None:
        raise CorruptGranuleError(f"a time has units {text!r}, expected (milli)seconds since ...")
    try:
        time = datetime.fromisoformat(match[2].strip()).replace(tzinfo=UTC)
    except ValueError as error:
        raise CorruptGranuleError(f"the product time {match[2]!r} is no time") from error
    if abs(time - start) > MAX_TIME_MISMATCH:
        message = f"the product time is {time:%Y-%m-%d %H:%M:%S}, but the name says {start}"
        raise CorruptGranuleError(message)
    return _TIME.factors[match[1]], np.datetime64(time.replace(tzinfo=None), "us")


def _unpack(
    raw: NDArray[np.int16] | NDArray[np.uint16],
    name: str,
    scale: float,
    offset: float,
    quantity: _Quantity,
    fill: int | None = None,
) -> NDArray[np.float64]:
    """Unpack a quantity into our unit; what equals ``fill`` need not make sense.

    Raises:
        CorruptGranuleError: If the packing or a value is one that no granule has.
    """
    low, high = quantity.low, quantity.high
    if not 0 < scale <= high:
        raise CorruptGranuleError(f"{name} has scale_factor {scale:g} {quantity.unit}")
    least, most = _RAW[raw.dtype.char]
    # Where not even the greatest packed value is out of bounds there is nothing to look at: so it
    # is in all of NOAA's files but for the times of the oldest.
    if offset + scale * least < low or offset + scale * most > high:
        sound = raw if fill is None else raw[raw != fill]
        least, most = (int(sound.min()), int(sound.max())) if len(sound) else (0, 0)
        if len(sound) and not low <= offset + scale * least <= offset + scale * most <= high:
            raise CorruptGranuleError(
                f"{name} holds values that are not within {low:g} to {high:g} {quantity.unit}"
            )
    values = raw.astype(np.float64)
    values *= scale
    values += offset
    return values


def _read_degrees(file: OpenFile, name: str, count: int, *, limit: float) -> NDArray[np.float32]:
    """Read latitudes or longitudes, which are float32 and never packed."""
    degrees = read_variable(file, open_variable(file, name), name, np.float32, (count,))
    if not np.abs(degrees).max(initial=0) <= limit:  # NaN is the maximum, and compares false
        message = f"{name} holds values that are not within {-limit:g} to {limit:g} degrees"
        raise CorruptGranuleError(message)
    return degrees


def _read_packed(file: OpenFile, name: str, count: int, quantity: _Quantity) -> NDArray[np.float64]:
    """Read an unsigned packed quantity."""
    variable = open_variable(file, name)
    units = read_text(variable, "units")
    factor = quantity.factors.get(units)
    if factor is None:
        message = f"{name} has units {units!r}, expected one of {', '.join(quantity.factors)}"
        raise CorruptGranuleError(message)
    scale = read_number(variable, "scale_factor") * factor
    offset = read_number(variable, "add_offset", 0.0) * factor
    raw = read_variable(file, variable, name, np.int16, (count,)).view(np.uint16)
    # Whatever stands for a missing value is outside valid_range.
    fill = _read_fill(variable) if raw.max(initial=0) > MAX_VALID else None
    values = _unpack(raw, name, scale, offset, quantity, fill)
    if fill is not None:
        values[raw == fill] = np.nan
    return values


def _read_fill(variable: Handle) -> int:
    """The 16 bits that stand for a missing value: 65535, whether it is declared so or as -1."""
    fill = read_number(variable, "_FillValue", -1)
    if not fill.is_integer() or not _RAW["h"][0] <= fill <= _RAW["H"][1]:
        raise CorruptGranuleError(f"_FillValue is {fill:g}, which is no number of 16 bits")
    return int(fill) & 0xFFFF


def _read_quality(file: OpenFile, count: int) -> NDArray[np.int16]:
    """Read the quality flags. 3 and 5 are real flashes, cut in pieces because they are large."""
    name = "flash_quality_flag"
    variable = open_variable(file, name)
    flags = read_variable(file, variable, name, np.int16, (count,))
    # Read as unsigned, negative flags are larger than any: one look finds out whether all are good.
    if flags.view(np.uint16).max(initial=0) > MAX_QUALITY:
        missing = flags.view(np.uint16) == _read_fill(variable)
        flags[missing] = MISSING_QUALITY
        if flags[~missing].view(np.uint16).max(initial=0) > MAX_QUALITY:
            raise CorruptGranuleError(f"{name} holds values that are not within 0 to {MAX_QUALITY}")
    return flags


def _read_declared_count(file: OpenFile) -> int | None:
    """Read ``flash_count``, which may disagree with the rows; None where it makes no sense."""
    try:
        variable = open_variable(file, "flash_count")
        count = int(read_variable(file, variable, "flash_count", np.int32, ()))
    except CorruptGranuleError:
        return None
    return count if 0 <= count <= MAX_DECLARED else None


def _read_slot(file: OpenFile) -> str | None:
    """Read what the satellite's place is called; None where the text is no such name."""
    try:
        slot = read_text(file.handle, "orbital_slot", "")
    except CorruptGranuleError:
        return None
    return slot if _SLOT.fullmatch(slot) else None
