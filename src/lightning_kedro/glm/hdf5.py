"""Reading HDF5 through its low-level interface: the few calls that a granule needs, and no more.

h5py's high-level objects cost more than the reads themselves on granules of some hundred flashes
(`tests/benchmarks/ingestion.py` prints by how much), so the hot path opens each dataset and
attribute by name and reads it into an array made beforehand.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5p, h5s, h5t
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError

Handle: TypeAlias = Any
"""A low-level object of h5py's (which has no types): a file, variable or attribute."""

T = TypeVar("T", bound=np.generic)
Default = TypeVar("Default", str, float)

_KINDS: Final[dict[type, tuple[int, int, Handle]]] = {
    np.int16: (h5t.INTEGER, 2, h5t.NATIVE_INT16),
    np.int32: (h5t.INTEGER, 4, h5t.NATIVE_INT32),
    np.float32: (h5t.FLOAT, 4, h5t.NATIVE_FLOAT),
}
"""By dtype: the class and size (bytes) that a variable must be stored in, and how it is read."""

_UNSIGNED: Final = {2: h5t.NATIVE_UINT16, 4: h5t.NATIVE_UINT32}
"""How integers that are declared unsigned are read, by size (bytes)."""

HDF5_ERRORS: Final = (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError)
"""What h5py raises on files that are damaged, cut short or not HDF5 at all."""


@cache
def _read_without_lock() -> Handle:
    """How files on disk are opened; made once, since that costs as much as reading a variable."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_file_locking(False, ignore_when_disabled=True)
    return access


@contextmanager
def open_hdf5(source: Path | bytes) -> Iterator[Handle]:
    """Open a file, or the bytes of one, for reading.

    No lock is asked for: archives may be read-only or on network drives without locks.

    Raises:
        CorruptGranuleError: If it is not HDF5 or is cut short.
    """
    try:
        if isinstance(source, bytes):
            access = h5p.create(h5p.FILE_ACCESS)
            access.set_fapl_core(backing_store=False)
            access.set_file_image(source)
            file = h5f.open(b"granule.nc", h5f.ACC_RDONLY, fapl=access)
        else:
            file = h5f.open(bytes(source), h5f.ACC_RDONLY, fapl=_read_without_lock())
    except HDF5_ERRORS as error:
        message = f"not a whole netCDF-4 file: {_first_line(error)}"
        raise CorruptGranuleError(message) from error
    try:
        yield file
    finally:
        file.close()


def open_variable(file: Handle, name: str) -> Handle:
    """Open a variable of an open file.

    Raises:
        CorruptGranuleError: If there is none, or it is damaged.
    """
    try:
        return h5d.open(file, name.encode())
    except HDF5_ERRORS as error:
        message = f"variable {name} is missing or damaged: {_first_line(error)}"
        raise CorruptGranuleError(message) from error


def read_variable(
    variable: Handle,
    name: str,
    dtype: type[T],
    shape: tuple[int, ...],
) -> NDArray[T]:
    """Read a whole variable of the expected kind and size.

    Integers come as the bits that are stored: whether they mean a signed or an unsigned number is
    for the caller to say, whatever the type on disk declares. HDF5 left to itself would convert
    one to the other and clip large values without a word.

    Raises:
        CorruptGranuleError: If its kind or size is another, or its data are damaged.
    """
    kind, itemsize, memory_type = _KINDS[dtype]
    values = np.empty(shape, dtype)
    try:
        stored = variable.get_type()
        if stored.get_class() != kind or stored.get_size() != itemsize:
            message = f"variable {name} is stored as {stored.dtype}, expected {np.dtype(dtype)}"
            raise CorruptGranuleError(message)
        if kind == h5t.INTEGER and stored.get_sign() == h5t.SGN_NONE:
            memory_type = _UNSIGNED[itemsize]
        # HDF5 refuses to fill a space that has another size than the variable.
        variable.read(_describe_memory(shape), h5s.ALL, values, memory_type)
    except HDF5_ERRORS as error:
        raise _explain_variable(variable, name, shape, error) from error
    return values


@lru_cache(maxsize=1024)
def _describe_memory(shape: tuple[int, ...]) -> Handle:
    """The space that an array of this shape is to HDF5; kept, since granules are alike in size."""
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


def _explain_variable(
    variable: Handle, name: str, shape: tuple[int, ...], error: BaseException
) -> CorruptGranuleError:
    """Why a variable could not be read."""
    try:
        found = variable.shape
    except HDF5_ERRORS:
        found = shape
    if found != shape:
        return CorruptGranuleError(f"variable {name} has shape {found}, expected {shape}")
    return CorruptGranuleError(f"variable {name} cannot be read: {_first_line(error)}")


def read_number(owner: Handle, attribute: str, default: float | None = None) -> float:
    """Read an attribute that holds one finite number; ``default`` stands for a missing one.

    Raises:
        CorruptGranuleError: If it is missing without a default, or is no finite number.
    """
    value = np.empty(1)
    try:
        stored = h5a.open(owner, attribute.encode())
    except HDF5_ERRORS as error:
        return _default(owner, attribute, default, error)
    try:
        stored.read(value, h5t.NATIVE_DOUBLE)
    except HDF5_ERRORS as error:
        raise _unreadable(attribute, error) from error
    number = float(value[0])
    if not math.isfinite(number):
        message = f"attribute {attribute} is {number}"
        raise CorruptGranuleError(message)
    return number


def read_text(owner: Handle, attribute: str, default: str | None = None) -> str:
    """Read a text attribute; ``default`` stands for a missing one.

    Raises:
        CorruptGranuleError: If it is missing without a default, or is no text.
    """
    try:
        stored = h5a.open(owner, attribute.encode())
    except HDF5_ERRORS as error:
        return _default(owner, attribute, default, error)
    try:
        kind = stored.get_type()
        if kind.get_class() != h5t.STRING:
            message = "it is no text"
            raise TypeError(message)
        if kind.is_variable_str():
            value = np.empty(1, h5py.string_dtype())
            stored.read(value)
        else:
            value = np.empty(1, f"S{kind.get_size()}")
            stored.read(value, kind)  # as it is stored: nothing to convert
        return bytes(value[0]).rstrip(b"\0").decode()
    except HDF5_ERRORS as error:
        raise _unreadable(attribute, error) from error


def _default(
    owner: Handle, attribute: str, default: Default | None, error: BaseException
) -> Default:
    """What stands for an attribute that cannot be opened: only a missing one has a default."""
    try:
        missing = not h5a.exists(owner, attribute.encode())
    except HDF5_ERRORS:
        missing = False
    if default is None or not missing:
        raise _unreadable(attribute, error) from error
    return default


def _unreadable(attribute: str, error: BaseException) -> CorruptGranuleError:
    return CorruptGranuleError(f"attribute {attribute} cannot be read: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    """The gist of an error of HDF5's, without the quotes that KeyError adds."""
    text = str(error.args[0] if error.args else error).strip()
    return text.splitlines()[0] if text else type(error).__name__
