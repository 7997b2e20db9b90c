"""Attributes of an HDF5 file, read through its low-level interface: one number or text each."""

import math
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5t

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.hdf5_errors import HDF5_ERRORS, explain_failure

Handle: TypeAlias = Any
"""A low-level object of h5py's (which has no types): a file, variable or attribute."""

Default = TypeVar("Default", str, float)

MAX_TEXT: Final = 1024
"""Bytes of a text attribute that is read: units and the like have some tens."""

SHORT_TEXT: Final = 64
"""Bytes of a text attribute that is read the fast way: NOAA's have 1 to 42."""

_ADDRESS_BYTES: Final = (2, 4, 8, 16, 32)
"""How many bytes the addresses of an HDF5 file may have; NOAA's have 8."""

_MARK: Final = 0xFF
"""What stands where no second text was read."""

_NUMBER_BYTES: Final = 8
"""The largest number that an attribute may hold."""

_UNTOUCHED: Final = 0.1
"""What stands where no number was read.

Of two or more numbers in 8 bytes each has 4 bytes or fewer, and no number of 4 bytes is equal to
this one, which takes all 53 binary digits of an 8-byte float.
"""

_ROOM: Final = np.full(_NUMBER_BYTES, _UNTOUCHED)
"""Room for as many numbers as an attribute of that size can hold, if each has a single byte."""


def read_number(owner: Handle, attribute: str, default: float | None = None) -> float:
    """Read an attribute that holds one finite number; ``default`` stands for a missing one.

    Raises:
        CorruptGranuleError: If it is missing without a default, or is no single finite number.
        ArchiveError: If the machine could not read it.
    """
    try:
        stored = h5a.open(owner, attribute.encode())
    except HDF5_ERRORS as error:
        return _default(owner, attribute, default, error)
    values = _ROOM.copy()
    try:
        # HDF5 writes all that the attribute holds, however little room there is.
        if stored.get_storage_size() > _NUMBER_BYTES:
            raise CorruptGranuleError(f"attribute {attribute} is more than one number")
        stored.read(values, h5t.NATIVE_DOUBLE)
    except HDF5_ERRORS as error:
        raise explain_failure(f"attribute {attribute} cannot be read", error) from error
    number, second = values.item(0), values.item(1)
    if second != _UNTOUCHED:
        raise CorruptGranuleError(f"attribute {attribute} is more than one number")
    if not math.isfinite(number):
        raise CorruptGranuleError(f"attribute {attribute} is {number}")
    return float(number)


def read_text(owner: Handle, attribute: str, default: str | None = None) -> str:
    """Read a text attribute; ``default`` stands for a missing one.

    Raises:
        CorruptGranuleError: If it is missing without a default, is no text, or over 1,024 bytes.
        ArchiveError: If the machine could not read it.
    """
    try:
        stored = h5a.open(owner, attribute.encode())
    except HDF5_ERRORS as error:
        return _default(owner, attribute, default, error)
    try:
        value = _read_short_text(stored)
        if value is None:
            value = _read_any_text(stored)
        return value.rstrip(b"\0").decode()
    except HDF5_ERRORS as error:
        raise explain_failure(f"attribute {attribute} cannot be read", error) from error


def _read_short_text(stored: Handle) -> bytes | None:
    """Read a text of fixed length as NOAA writes them; None if it is another.

    Not to ask for its type saves a third of the time. Each text comes out as long as the storage:
    if there were two or more they would be shorter, there is room for all, and the second would
    end with zeros where the mark is.
    """
    size: int = stored.get_storage_size()
    kind = _short_text_type(size)
    if kind is None:
        return None
    values = np.empty(SHORT_TEXT * SHORT_TEXT, np.uint8)
    mark = 2 * size - 1
    values[mark] = _MARK
    try:
        stored.read(values, kind)
    except OSError:  # it is no text, or one of another character set
        return None
    return values[:size].tobytes() if values[mark] == _MARK else None


@lru_cache(maxsize=256)
def _short_text_type(size: int) -> Handle | None:
    """The type of a text of that many bytes, filled up with zeros; None if it may be another.

    A text of variable length would be cut without a word. It takes 8 bytes and an address.
    """
    if size > SHORT_TEXT or not all(size % (8 + address) for address in _ADDRESS_BYTES):
        return None
    kind = h5t.C_S1.copy()
    kind.set_size(size)
    kind.set_strpad(h5t.STR_NULLPAD)
    return kind


def _read_any_text(stored: Handle) -> bytes:
    """Read any single text that is not too long."""
    kind = stored.get_type()
    if kind.get_class() != h5t.STRING or stored.get_space().get_simple_extent_npoints() != 1:
        message = "it is no single text"
        raise TypeError(message)
    if kind.is_variable_str():
        value = np.empty(1, h5py.string_dtype())
        stored.read(value)
        text = bytes(value[0])
    elif kind.get_size() <= MAX_TEXT:
        value = np.empty(kind.get_size(), np.uint8)
        stored.read(value, kind)
        text = value.tobytes()
    else:
        text = bytes(MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        message = f"it is longer than {MAX_TEXT} bytes"
        raise ValueError(message)
    return text


def _default(
    owner: Handle, attribute: str, default: Default | None, error: BaseException
) -> Default:
    """What stands for an attribute that cannot be opened: only a missing one has a default."""
    try:
        missing = not h5a.exists(owner, attribute.encode())
    except HDF5_ERRORS:
        missing = False
    if default is None or not missing:
        raise explain_failure(f"attribute {attribute} cannot be read", error) from error
    return default
