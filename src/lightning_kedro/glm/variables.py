"""Variables of a granule to arrays in our units, by rules that are right in every era.

Values are read raw and unpacked here, by rules that were checked on granules of every era, because
the attributes cannot be trusted: between mid-October and November 2018 the time variables lack
``_Unsigned`` although they are unsigned, while before that they lack it because they are signed.
netCDF4 and xarray follow the attributes and give times that are 25 s off in the former without a
warning. Source: GOES-16 GLM Full Validation product performance guide, p. 14-15 (known issues).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.fields import (
    LON,
    MAX_DECLARED,
    MAX_LAT,
    MAX_LON,
    MAX_QUALITY,
    MAX_TIME_MISMATCH,
    MISSING_QUALITY,
    TIME,
    Field,
    Kind,
    Level,
    Quantity,
)
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
from lightning_kedro.glm.sparse_image import Source

SIGNED_FROM_SCALE: Final = 0.01
"""Time offsets with a scale_factor of this or more are signed, smaller ones unsigned.

Signed: 2.0 (milliseconds), until October 2018. Unsigned: 3.81e-4 (seconds), since then, whether
``_Unsigned`` is there or not.
"""

MAX_VALID: Final = 65_530
"""The largest packed energy or area that their ``valid_range`` admits."""

_RAW: Final = {"h": (-32_768, 32_767), "H": (0, 65_535)}
"""The least and the greatest packed value, by NumPy's letter for int16 and uint16."""

_MUST_REACH: Final = (0.0, 19.0)
"""Any packing of times can hold those of its own granule (s)."""

_SINCE: Final = re.compile(r"(seconds|milliseconds) since (.+)")


@contextmanager
def open_granule(source: Source, name: GranuleName) -> Iterator[OpenFile]:
    """Open a granule, which must be of the satellite that its name says.

    Raises:
        CorruptGranuleError: If it is not a whole netCDF-4 file, or of another satellite.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    with open_hdf5(source) as file:
        platform = read_text(file.handle, "platform_ID", name.platform)
        if platform != name.platform:
            message = f"platform_ID is {platform!r}, but the name says {name.platform}"
            raise CorruptGranuleError(message)
        yield file


def read_level(file: OpenFile, level: Level, name: GranuleName) -> dict[str, NDArray[Any]]:
    """Read every column of a level.

    Args:
        file: The open granule.
        level: The level.
        name: What the file is called; the product time inside must agree with it.

    Returns:
        The columns by our names, each of shape (rows,).

    Raises:
        CorruptGranuleError: If the file lacks a variable, or holds values that no granule can hold.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    variable = open_variable(file, level.id.variable)
    count = _count_rows(variable, level)
    columns = {
        field.column: _READERS[field.kind](file, field, count, name) for field in level.fields
    }
    _check_unique(columns[level.id.column], level.id.variable)
    return columns


def read_declared_count(file: OpenFile, level: Level) -> int | None:
    """Read how many rows are declared, which may disagree with the rows; None if it is absurd."""
    try:
        variable = open_variable(file, level.count)
        count = int(read_variable(file, variable, level.count, np.int32, ()))
    except CorruptGranuleError:
        return None
    return count if 0 <= count <= MAX_DECLARED else None


def _count_rows(variable: Handle, level: Level) -> int:
    """How many rows there are, before any memory is asked for them."""
    shape = read_variable_shape(variable, level.id.variable)
    if len(shape) != 1 or shape[0] > level.max_rows:
        message = (
            f"{level.id.variable} has shape {shape}; at most {level.max_rows} {level.table} fit "
            f"in a granule"
        )
        raise CorruptGranuleError(message)
    return int(shape[0])


def _check_unique(ids: NDArray[Any], name: str) -> None:
    """Refuse an id that occurs twice; many times faster than to make a set of them."""
    ordered = np.sort(ids)
    if (ordered[1:] == ordered[:-1]).any():
        message = f"{name} is not unique within the granule"
        raise CorruptGranuleError(message)


def _read_short_id(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.uint16]:
    """Read ids of 16 bits, which are unsigned whatever the file says."""
    variable = open_variable(file, field.variable)
    ids = read_variable(file, variable, field.variable, np.int16, (count,))
    return ids.view(np.uint16)


def _read_long_id(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.uint32]:
    """Read ids of 32 bits, which are unsigned whatever the file says."""
    variable = open_variable(file, field.variable)
    ids = read_variable(file, variable, field.variable, np.int32, (count,))
    return ids.view(np.uint32)


def _read_time(
    file: OpenFile, field: Field, count: int, name: GranuleName
) -> NDArray[np.datetime64]:
    """Read times: product time plus offset, to the microsecond."""
    variable = open_variable(file, field.variable)
    factor, product_time = _parse_units(read_text(variable, "units"), name.start)
    scale = read_number(variable, "scale_factor")
    offset = read_number(variable, "add_offset", 0.0) * factor
    raw = read_variable(file, variable, field.variable, np.int16, (count,))
    packed = raw if scale >= SIGNED_FROM_SCALE else raw.view(np.uint16)
    scale *= factor
    least, most = (offset + scale * edge for edge in _RAW[packed.dtype.char])
    seconds = _unpack(packed, field.variable, scale, offset, TIME)
    if least > _MUST_REACH[0] or most < _MUST_REACH[1]:
        message = f"{field.variable} cannot hold the times of a granule"
        raise CorruptGranuleError(message)
    seconds *= 1e6
    microseconds = np.rint(seconds, out=seconds).astype(np.int64)
    times: NDArray[np.datetime64] = product_time + microseconds.view("timedelta64[us]")
    return times


@lru_cache(maxsize=8)
def _parse_units(text: str, start: datetime) -> tuple[float, np.datetime64]:
    """Take the units of times apart, and hold the product time against the start in the name.

    The answer is kept, since all times of a granule have the same units.

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
    return TIME.factors[match[1]], np.datetime64(time.replace(tzinfo=None), "us")


def _unpack(
    raw: NDArray[np.int16] | NDArray[np.uint16],
    name: str,
    scale: float,
    offset: float,
    quantity: Quantity,
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


def _read_degrees(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.float32]:
    """Read latitudes or longitudes that are float32 and never packed."""
    name = field.variable
    limit = MAX_LON if field.quantity is LON else MAX_LAT
    degrees = read_variable(file, open_variable(file, name), name, np.float32, (count,))
    if not np.abs(degrees).max(initial=0) <= limit:  # NaN is the maximum, and compares false
        message = f"{name} holds values that are not within {-limit:g} to {limit:g} degrees"
        raise CorruptGranuleError(message)
    return degrees


def _read_place(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.float64]:
    """Read latitudes or longitudes of pixels; longitudes are wound into (-180, 180].

    There is no fill value: 65535 is a place like any other, at the bound of the field of view.
    """
    values = _read_packed(file, field, count)[0]
    if field.quantity is LON:
        values[values <= -MAX_LON] += 2 * MAX_LON
    return values


def _read_edge(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.bool_]:
    """Tell which packed longitudes are the largest that there are."""
    variable = open_variable(file, field.variable)
    raw = read_variable(file, variable, field.variable, np.int16, (count,))
    return np.equal(raw.view(np.uint16), _RAW["H"][1])


def _read_amount(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.float64]:
    """Read an energy or an area; NaN where it is missing."""
    values, raw, fill = _read_packed(file, field, count, has_fill=True)
    if fill is not None:
        values[raw == fill] = np.nan
    return values


def _read_packed(
    file: OpenFile, field: Field, count: int, *, has_fill: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.uint16], int | None]:
    """Read an unsigned packed quantity.

    Returns:
        The values, the packed values, and which of the latter stands for a missing value, if there
        may be one.
    """
    name, quantity = field.variable, field.quantity
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
    fill = _read_fill(variable) if has_fill and raw.max(initial=0) > MAX_VALID else None
    return _unpack(raw, name, scale, offset, quantity, fill), raw, fill


def _read_fill(variable: Handle) -> int:
    """The 16 bits that stand for a missing value: 65535, whether it is declared so or as -1."""
    fill = read_number(variable, "_FillValue", -1)
    if not fill.is_integer() or not _RAW["h"][0] <= fill <= _RAW["H"][1]:
        raise CorruptGranuleError(f"_FillValue is {fill:g}, which is no number of 16 bits")
    return int(fill) & 0xFFFF


def _read_quality(file: OpenFile, field: Field, count: int, _: GranuleName) -> NDArray[np.int16]:
    """Read the quality flags. 3 and 5 are real flashes, cut in pieces because they are large."""
    name = field.variable
    variable = open_variable(file, name)
    flags = read_variable(file, variable, name, np.int16, (count,))
    # Read as unsigned, negative flags are larger than any: one look finds out whether all are good.
    if flags.view(np.uint16).max(initial=0) > MAX_QUALITY:
        missing = flags.view(np.uint16) == _read_fill(variable)
        flags[missing] = MISSING_QUALITY
        if flags[~missing].view(np.uint16).max(initial=0) > MAX_QUALITY:
            raise CorruptGranuleError(f"{name} holds values that are not within 0 to {MAX_QUALITY}")
    return flags


_READERS: Final[Mapping[Kind, Callable[[OpenFile, Field, int, GranuleName], NDArray[Any]]]] = {
    Kind.SHORT_ID: _read_short_id,
    Kind.LONG_ID: _read_long_id,
    Kind.TIME: _read_time,
    Kind.DEGREES: _read_degrees,
    Kind.PLACE: _read_place,
    Kind.EDGE: _read_edge,
    Kind.AMOUNT: _read_amount,
    Kind.QUALITY: _read_quality,
}
