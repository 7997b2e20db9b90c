"""Reading HDF5 through its low-level interface: the few calls that a granule needs, and no more.

h5py's high-level objects cost more than the reads themselves on granules of some hundred flashes
(`tests/benchmarks/ingestion.py` prints by how much), so the hot path opens each dataset and
attribute by name and reads it into an array made beforehand.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5fd, h5g, h5i, h5p, h5s, h5t
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.hdf5_errors import HDF5_ERRORS, explain_failure
from lightning_kedro.glm.hdf5_layout import check_layout, read_shape
from lightning_kedro.glm.sparse_image import Source, SparseImage

Handle: TypeAlias = Any
"""A low-level object of h5py's (which has no types): a file, variable or attribute."""

T = TypeVar("T", bound=np.generic)
Default = TypeVar("Default", str, float)


class _Kind(NamedTuple):
    """How the values of an array may be stored.

    Attributes:
        number: HDF5's class of the stored type: integer or floating point.
        itemsize: Bytes of a stored value.
        usual: The stored type that nearly all files have.
        memory: How they are read.
    """

    number: int
    itemsize: int
    usual: Handle
    memory: Handle


_KINDS: Final[dict[type, _Kind]] = {
    np.int16: _Kind(h5t.INTEGER, 2, h5t.STD_I16LE, h5t.NATIVE_INT16),
    np.int32: _Kind(h5t.INTEGER, 4, h5t.STD_I32LE, h5t.NATIVE_INT32),
    np.float32: _Kind(h5t.FLOAT, 4, h5t.IEEE_F32LE, h5t.NATIVE_FLOAT),
}
"""The kinds of numbers that granules hold, by dtype."""

_UNSIGNED: Final = {2: h5t.NATIVE_UINT16, 4: h5t.NATIVE_UINT32}
"""How integers that are declared unsigned are read, by size (bytes)."""

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


_CHUNK_CACHE: Final = (0, 61, 1 << 20, 0.75)
"""HDF5's chunk cache: slots, bytes and policy (the first number has no meaning any more).

HDF5 2 makes 8,191 slots for each variable that is opened. Here each chunk is read once.
"""

_IMAGE_NUMBERS: Final = itertools.count()
"""One for each file that is opened from memory. To take the next is atomic, in threads too."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file, and the number by which HDF5 tells it from others that are open."""

    handle: Handle
    number: int


@cache
def _read_without_lock() -> Handle:
    """How files on disk are opened; made once, since that costs as much as reading a variable."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_file_locking(False, ignore_when_disabled=True)
    access.set_cache(*_CHUNK_CACHE)
    return access


@contextmanager
def open_hdf5(source: Source) -> Iterator[OpenFile]:
    """Open a file, or the bytes of one, for reading.

    No lock is asked for: archives may be read-only or on network drives without locks.

    Raises:
        CorruptGranuleError: If it is not HDF5 or is cut short.
        ArchiveError: If the machine could not read it, whatever is in it.
        HoleError: At the end, if only some bytes are known and others were needed, whatever else
            came of it.
    """
    try:
        file = _open_file(source)
        opened = OpenFile(file, _file_number(file))
    except HDF5_ERRORS as error:
        _check_trust(source)
        raise explain_failure("not a whole netCDF-4 file", error) from error
    try:
        yield opened
    finally:
        # FileID.close would look at every handle of this process, those of other files too.
        h5i.dec_ref(file)
        _check_trust(source)


def _check_trust(source: Source) -> None:
    """Refuse what came of a file of which something was needed that is not known."""
    if isinstance(source, SparseImage):
        source.check_trust()


def _open_file(source: Source) -> Handle:
    """Open a file, or the bytes of one."""
    if isinstance(source, Path):
        return h5f.open(bytes(source), h5f.ACC_RDONLY, fapl=_read_without_lock())
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_cache(*_CHUNK_CACHE)
    if isinstance(source, SparseImage):
        # A handle that is kept must not keep the file open: HDF5 would call it when Python is gone.
        access.set_fclose_degree(h5f.CLOSE_STRONG)
        access.set_fileobj_driver(h5fd.fileobj_driver, source.open())
    else:
        access.set_fapl_core(backing_store=False)
        access.set_file_image(source)
    return h5f.open(name_image(), h5f.ACC_RDONLY, fapl=access)


def name_image() -> bytes:
    """A name for a file in memory, which no other of this process has or had.

    HDF5 takes two files in memory of one name for one file: the second to be opened would read the
    bytes of the first. It also refuses a name that a file on disk has, which none can have below a
    device.
    """
    return b"/dev/null/lightning_kedro_%d" % next(_IMAGE_NUMBERS)


def _file_number(file: Handle) -> int:
    """HDF5's number of an open file, put together from two halves."""
    low, high = h5g.get_objinfo(file).fileno
    return int(low | high << 32)


def open_variable(file: OpenFile, name: str) -> Handle:
    """Open a variable of an open file.

    Raises:
        CorruptGranuleError: If there is none, or it is damaged.
        ArchiveError: If the machine could not read it.
    """
    try:
        return h5d.open(file.handle, name.encode())
    except HDF5_ERRORS as error:
        raise explain_failure(f"variable {name} is missing or damaged", error) from error


def read_variable_shape(variable: Handle, name: str) -> tuple[int, ...]:
    """A variable's shape, before memory is asked for its values.

    Raises:
        CorruptGranuleError: If it has none, or its data are in other files.
        ArchiveError: If the machine could not read it.
    """
    try:
        return read_shape(variable, name)
    except HDF5_ERRORS as error:
        raise explain_failure(f"variable {name} cannot be read", error) from error


class Wanted(NamedTuple):
    """A variable whose values are to be read.

    Attributes:
        handle: The open variable.
        name: What it is called.
        dtype: The type of the array that its values make.
    """

    handle: Handle
    name: str
    dtype: type[np.generic]


def read_variable(
    file: OpenFile,
    variable: Handle,
    name: str,
    dtype: type[T],
    shape: tuple[int, ...],
) -> NDArray[T]:
    """Read a whole variable of the expected kind and size; as ``read_variables``."""
    return read_variables(file, [Wanted(variable, name, dtype)], shape)[0]


def read_variables(
    file: OpenFile, variables: Sequence[Wanted], shape: tuple[int, ...]
) -> list[NDArray[Any]]:
    """Read whole variables of the expected kinds and of one size.

    Integers come as the bits that are stored: whether they mean a signed or an unsigned number is
    for the caller to say, whatever the type on disk declares. HDF5 left to itself would convert
    one to the other and clip large values without a word.

    Each step is taken for all variables before the next: taken for one variable after the other,
    the code of each step drives that of the others out of the processor's caches.

    Raises:
        CorruptGranuleError: If the kind or size of one is another, or its data are damaged,
            missing, in another file, or packed as no granule is.
        ArchiveError: If the machine could not read one.
    """
    one, types, arrays = variables[0], [], []
    try:
        for one in variables:
            check_layout(one.handle, one.name, shape, _KINDS[one.dtype].itemsize, file.number)
        for one in variables:
            types.append(_choose_type(one))  # noqa: PERF401  (if it fails, this is the one)
        space = _describe_memory(shape)
        for one, kind in zip(variables, types, strict=True):
            values = np.empty(shape, one.dtype)
            # HDF5 refuses to fill a space that has another size than the variable.
            one.handle.read(space, h5s.ALL, values, kind)
            arrays.append(values)
    except HDF5_ERRORS as error:
        found = read_variable_shape(one.handle, one.name)
        if found != shape:
            message = f"variable {one.name} has shape {found}, expected {shape}"
            raise CorruptGranuleError(message) from error
        raise explain_failure(f"variable {one.name} cannot be read", error) from error
    return arrays


def _choose_type(variable: Wanted) -> Handle:
    """The type by which HDF5 gives the values as they are stored.

    Raises:
        CorruptGranuleError: If they are stored as another kind of number.
    """
    kind = _KINDS[variable.dtype]
    stored = variable.handle.get_type()
    if stored.equal(kind.usual):
        return kind.memory
    if stored.get_class() != kind.number or stored.get_size() != kind.itemsize:
        message = (
            f"variable {variable.name} is stored as {stored.dtype}, "
            f"expected {np.dtype(variable.dtype)}"
        )
        raise CorruptGranuleError(message)
    if kind.number == h5t.INTEGER and stored.get_sign() == h5t.SGN_NONE:
        return _UNSIGNED[kind.itemsize]
    return kind.memory


@lru_cache(maxsize=1024)
def _describe_memory(shape: tuple[int, ...]) -> Handle:
    """The space that an array of this shape is to HDF5; kept, since granules are alike in size."""
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


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
