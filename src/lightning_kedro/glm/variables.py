"""Variables of a granule to arrays in our units, by rules that are right in every era.

Values are read raw and unpacked here, by rules that were checked on granules of every era, because
the attributes cannot be trusted: between mid-October and November 2018 the time variables lack
``_Unsigned`` although they are unsigned, while before that they lack it because they are signed.
netCDF4 and xarray follow the attributes and give times that are 25 s off in the former without a
warning. Source: GOES-16 GLM Full Validation product performance guide, p. 14-15 (known issues).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

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
    OpenFile,
    Wanted,
    open_hdf5,
    open_variable,
    read_variable,
    read_variable_shape,
    read_variables,
)
from lightning_kedro.glm.hdf5_attributes import Handle, read_number, read_text
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

_DTYPES: Final[Mapping[Kind, type[np.generic]]] = {
    Kind.SHORT_ID: np.int16,
    Kind.LONG_ID: np.int32,
    Kind.TIME: np.int16,
    Kind.DEGREES: np.float32,
    Kind.PLACE: np.int16,
    Kind.EDGE: np.int16,
    Kind.AMOUNT: np.int16,
    Kind.QUALITY: np.int16,
}
"""How each kind of variable is stored, the sign of integers aside."""

_PACKED: Final = {Kind.TIME, Kind.PLACE, Kind.EDGE, Kind.AMOUNT}
"""The kinds of variables whose values are packed."""

_MUST_REACH: Final = (0.0, 19.0)
"""Any packing of times can hold those of its own granule (s)."""

_SINCE: Final = re.compile(r"(seconds|milliseconds) since (.+)")


class Packing(NamedTuple):
    """What a variable says of how its values are packed.

    Attributes:
        units: The units of the unpacked values.
        scale: What a packed value is multiplied by, in these units.
        offset: What is added, in these units.
    """

    units: str
    scale: float
    offset: float


_UNPACKED: Final = Packing("1", 1.0, 0.0)
"""What holds of values that are stored as they are."""


class Stored(NamedTuple):
    """A variable as it is stored.

    Attributes:
        handle: The open variable, for what few granules need.
        values: Its values as they are stored, shape (rows,); integers bit for bit.
        packing: How they are packed.
    """

    handle: Handle
    values: NDArray[Any]
    packing: Packing


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
    stored = _read_stored(file, level)
    columns = {
        field.column: _DECODERS[field.kind](stored[field.variable], field, name)
        for field in level.fields
    }
    _check_unique(columns[level.id.column], level.id.variable)
    return columns


def _read_stored(file: OpenFile, level: Level) -> dict[str, Stored]:
    """Read what is stored of a level, by variable.

    All variables are opened, then all values are read, then all packings; nothing is unpacked
    before. One variable after the other takes half as long again: see ``read_variables``.
    """
    kinds = {field.variable: field.kind for field in level.fields}
    opened = [
        Wanted(open_variable(file, variable), variable, _DTYPES[kind])
        for variable, kind in kinds.items()
    ]
    count = _count_rows(opened[0].handle, level)
    values = read_variables(file, opened, (count,))
    packings = _read_packings([one for one in opened if kinds[one.name] in _PACKED])
    return {
        one.name: Stored(one.handle, array, packings.get(one.name, _UNPACKED))
        for one, array in zip(opened, values, strict=True)
    }


def _read_packings(variables: Sequence[Wanted]) -> dict[str, Packing]:
    """Read how some variables are packed."""
    units = [read_text(one.handle, "units") for one in variables]
    scales = [read_number(one.handle, "scale_factor") for one in variables]
    offsets = [read_number(one.handle, "add_offset", 0.0) for one in variables]
    packings = map(Packing, units, scales, offsets)
    return dict(zip((one.name for one in variables), packings, strict=True))


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


def _decode_short_id(stored: Stored, _: Field, __: GranuleName) -> NDArray[np.uint16]:
    """Ids of 16 bits, which are unsigned whatever the file says."""
    return stored.values.view(np.uint16)


def _decode_long_id(stored: Stored, _: Field, __: GranuleName) -> NDArray[np.uint32]:
    """Ids of 32 bits, which are unsigned whatever the file says."""
    return stored.values.view(np.uint32)


def _decode_time(stored: Stored, field: Field, name: GranuleName) -> NDArray[np.datetime64]:
    """Times: product time plus offset, to the microsecond."""
    units, scale, offset = stored.packing
    factor, product_time = _parse_units(units, name.start)
    raw = stored.values
    packed = raw if scale >= SIGNED_FROM_SCALE else raw.view(np.uint16)
    scale, offset = scale * factor, offset * factor
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


def _decode_degrees(stored: Stored, field: Field, _: GranuleName) -> NDArray[np.float32]:
    """Latitudes or longitudes that are float32 and never packed."""
    limit = MAX_LON if field.quantity is LON else MAX_LAT
    degrees: NDArray[np.float32] = stored.values
    if not np.abs(degrees).max(initial=0) <= limit:  # NaN is the maximum, and compares false
        message = (
            f"{field.variable} holds values that are not within {-limit:g} to {limit:g} degrees"
        )
        raise CorruptGranuleError(message)
    return degrees


def _decode_place(stored: Stored, field: Field, _: GranuleName) -> NDArray[np.float64]:
    """Latitudes or longitudes of pixels; longitudes are wound into (-180, 180].

    There is no fill value: 65535 is a place like any other, at the bound of the field of view.
    """
    values = _unpack_amount(stored, field)
    if field.quantity is LON:
        values[values <= -MAX_LON] += 2 * MAX_LON
    return values


def _decode_edge(stored: Stored, _: Field, __: GranuleName) -> NDArray[np.bool_]:
    """Which packed longitudes are the largest that there are."""
    return np.equal(stored.values.view(np.uint16), _RAW["H"][1])


def _decode_amount(stored: Stored, field: Field, _: GranuleName) -> NDArray[np.float64]:
    """Energies or areas; NaN where one is missing."""
    raw = stored.values.view(np.uint16)
    if raw.max(initial=0) <= MAX_VALID:  # whatever stands for a missing value is beyond it
        return _unpack_amount(stored, field)
    fill = _read_fill(stored.handle)
    values = _unpack_amount(stored, field, fill)
    values[raw == fill] = np.nan
    return values


def _unpack_amount(stored: Stored, field: Field, fill: int | None = None) -> NDArray[np.float64]:
    """Unpack an unsigned quantity; what equals ``fill`` need not make sense."""
    name, quantity = field.variable, field.quantity
    units, scale, offset = stored.packing
    factor = quantity.factors.get(units)
    if factor is None:
        message = f"{name} has units {units!r}, expected one of {', '.join(quantity.factors)}"
        raise CorruptGranuleError(message)
    raw = stored.values.view(np.uint16)
    return _unpack(raw, name, scale * factor, offset * factor, quantity, fill)


def _read_fill(variable: Handle) -> int:
    """The 16 bits that stand for a missing value: 65535, whether it is declared so or as -1."""
    fill = read_number(variable, "_FillValue", -1)
    if not fill.is_integer() or not _RAW["h"][0] <= fill <= _RAW["H"][1]:
        raise CorruptGranuleError(f"_FillValue is {fill:g}, which is no number of 16 bits")
    return int(fill) & 0xFFFF


def _decode_quality(stored: Stored, field: Field, _: GranuleName) -> NDArray[np.int16]:
    """Quality flags. 3 and 5 are real flashes, cut in pieces because they are large."""
    flags: NDArray[np.int16] = stored.values
    # Read as unsigned, negative flags are larger than any: one look finds out whether all are good.
    if flags.view(np.uint16).max(initial=0) > MAX_QUALITY:
        missing = flags.view(np.uint16) == _read_fill(stored.handle)
        flags[missing] = MISSING_QUALITY
        if flags[~missing].view(np.uint16).max(initial=0) > MAX_QUALITY:
            message = f"{field.variable} holds values that are not within 0 to {MAX_QUALITY}"
            raise CorruptGranuleError(message)
    return flags


_DECODERS: Final[Mapping[Kind, Callable[[Stored, Field, GranuleName], NDArray[Any]]]] = {
    Kind.SHORT_ID: _decode_short_id,
    Kind.LONG_ID: _decode_long_id,
    Kind.TIME: _decode_time,
    Kind.DEGREES: _decode_degrees,
    Kind.PLACE: _decode_place,
    Kind.EDGE: _decode_edge,
    Kind.AMOUNT: _decode_amount,
    Kind.QUALITY: _decode_quality,
}
