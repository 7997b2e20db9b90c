"""Reading HDF5 through its low-level interface: the few calls that a granule needs, and no more.

h5py's high-level objects cost more than the reads themselves on granules of some hundred flashes
(`tests/benchmarks/ingestion.py` prints by how much), so the hot path opens each dataset and
attribute by name and reads it into an array made beforehand.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from h5py import h5d, h5f, h5fd, h5g, h5i, h5p, h5s, h5t
from numpy.typing import NDArray

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.hdf5_attributes import Handle
from lightning_kedro.glm.hdf5_errors import HDF5_ERRORS, explain_failure
from lightning_kedro.glm.hdf5_layout import check_layout, read_shape
from lightning_kedro.glm.sparse_image import Source, SparseImage

T = TypeVar("T", bound=np.generic)


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
