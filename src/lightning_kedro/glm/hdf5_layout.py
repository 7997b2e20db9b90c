"""Whether a variable's data lie where they may be read from: in this file, all there, no bombs.

HDF5 does more than a granule needs: data may lie in other files (external storage, virtual
datasets), be unpacked from a few bytes to gigabytes, or not be there at all, in which case HDF5
makes them up from the fill value. A granule does none of this, and one that does is not trusted.
"""

import math
import operator
from collections.abc import Sequence
from functools import partial
from typing import Final

from h5py import h5d, h5o, h5p

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.hdf5_errors import HDF5_ERRORS
from lightning_kedro.glm.hdf5_filters import read_filters, unpacks_to

MAX_CHUNK_BYTES: Final = 1 << 22
"""Bytes of a chunk, unpacked: NOAA's have 512 to 1,024, those of rewritten files up to 8,192."""

_FILTERS_OR_OTHER_FILES: Final = 1 << 0x0B | 1 << 0x07
"""Messages of an object header, as bits: filter pipeline, external file list.

Source: HDF5 file format specification, IV.A.2 (messages 0x000B and 0x0007).
"""

_INDEX_BYTES: Final = 2096
"""Bytes of an index of up to 64 chunks of one dimension.

A node of a version 1 B-tree has 2 K addresses and 2 K + 1 keys, each of which has the place of a
chunk: one number for each dimension and one more. K is 32 if nothing else was asked for, and makes
no other number of dimensions up to 16 come to this size. What is not in chunks has no index.
Source: HDF5 file format specification, III.A.1.
"""


def read_shape(variable: h5d.DatasetID, name: str) -> tuple[int, ...]:
    """A variable's shape; to ask a virtual dataset for it would open the files that it points to.

    Raises:
        CorruptGranuleError: If it is a virtual dataset or has no shape (HDF5's null dataspace).
    """
    if not variable.get_storage_size():  # so it is for virtual datasets
        _check_class(variable.get_create_plist(), name)
    return _read_known_shape(variable, name)


def _read_known_shape(variable: h5d.DatasetID, name: str) -> tuple[int, ...]:
    """The shape of a variable that is no virtual dataset."""
    shape: tuple[int, ...] | None = variable.shape
    if shape is None:
        raise CorruptGranuleError(f"variable {name} holds nothing at all")
    return shape


def check_layout(
    variable: h5d.DatasetID, name: str, shape: tuple[int, ...], itemsize: int, file_number: int
) -> None:
    """Make sure that reading a variable reads that many values out of its file, and no more.

    Args:
        variable: The variable, opened.
        name: What it is called.
        shape: The shape that it must have.
        itemsize: Bytes of a value.
        file_number: HDF5's number of the file that it must be in.

    Raises:
        CorruptGranuleError: If the shape is another, data are missing or lie elsewhere, or they
            are packed in a way that no granule is, or that unpacks to more than it should.
    """
    info = h5o.get_info(variable)
    if info.fileno != file_number:
        raise CorruptGranuleError(f"variable {name} is a link to another file")
    # In each of NOAA's granules the data are all there and as they came. To look at the creation
    # properties takes as long as to read a variable; this takes half of it and proves as much:
    # only chunks have an index. HDF5 itself refuses another number of values.
    if shape == (0,):
        is_plain = _holds_nothing(variable)
    else:
        is_plain = (
            info.meta_size.obj.index_size == _INDEX_BYTES
            and len(shape) == 1
            and _lies_plainly(variable, shape[0], itemsize)
        )
    if not is_plain or info.hdr.mesg.present & _FILTERS_OR_OTHER_FILES:
        _check_thoroughly(variable, name, shape, itemsize)


def _holds_nothing(variable: h5d.DatasetID) -> bool:
    """Whether a variable is in chunks, of which there are none, and has no rows.

    HDF5 lists chunks of nothing else, so that its shape may be asked for: it is no virtual dataset.
    """
    chunks: list[h5d.StoreInfo] = []
    try:
        variable.chunk_iter(chunks.append)
    except HDF5_ERRORS:
        return False
    return not chunks and variable.shape == (0,)


def _lies_plainly(variable: h5d.DatasetID, rows: int, itemsize: int) -> bool:
    """Whether chunks without filters lie one after another and hold all rows.

    Of a chunk whose index says that it is shorter than its shape HDF5 would read the shape's
    length nevertheless, from memory that is not its own.
    """
    chunks: list[h5d.StoreInfo] = []
    variable.chunk_iter(chunks.append)
    size = chunks[0].size if chunks else 0
    for number, chunk in enumerate(chunks):
        if chunk.size != size or chunk.chunk_offset[0] * itemsize != number * size:
            return False
    return bool(size * len(chunks) >= rows * itemsize)


def _check_class(creation: h5p.PropDCID, name: str) -> None:
    """Refuse data in other files."""
    layout = creation.get_layout()
    if layout not in {h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED} or creation.get_external_count():
        raise CorruptGranuleError(f"variable {name} has its data in other files")


def _check_thoroughly(
    variable: h5d.DatasetID, name: str, shape: tuple[int, ...], itemsize: int
) -> None:
    """Look at how a variable was made: for scalars, empty granules, and files of other writers."""
    if not shape and variable.get_offset() and variable.get_storage_size() == itemsize:
        return  # one value in one piece in this file: others have no offset
    creation = variable.get_create_plist()
    _check_class(creation, name)
    found = _read_known_shape(variable, name)
    if found != shape:
        raise CorruptGranuleError(f"variable {name} has shape {found}, expected {shape}")
    if creation.get_layout() == h5d.CHUNKED:
        chunk = creation.get_chunk()
        needed = math.prod(-(-rows // step) for rows, step in zip(shape, chunk, strict=True))
        chunks = _list_chunks(variable, name, shape, needed)
        _check_chunks(variable, name, chunks, math.prod(chunk) * itemsize, creation)
        count = len(chunks)
    else:
        count, needed = variable.get_storage_size(), math.prod(shape) * itemsize
    if count < needed:
        raise CorruptGranuleError(f"variable {name} was written only in part")


def _list_chunks(
    variable: h5d.DatasetID, name: str, shape: tuple[int, ...], needed: int
) -> list[h5d.StoreInfo]:
    """List the chunks that hold values of the variable.

    An index may be made to hold one chunk many times, or chunks that no value is in, each of which
    would be unpacked: so many as there can be are enough.
    """
    chunks: dict[tuple[int, ...], h5d.StoreInfo] = {}

    def add(chunk: h5d.StoreInfo) -> bool | None:
        place = chunk.chunk_offset
        surplus = place in chunks or any(map(operator.ge, place, shape))
        chunks[place] = chunk
        return surplus or None  # HDF5 stops at anything else than None

    if variable.chunk_iter(add) or len(chunks) > needed:
        raise CorruptGranuleError(f"variable {name} has more chunks than its shape needs")
    return list(chunks.values())


def _check_chunks(
    variable: h5d.DatasetID,
    name: str,
    chunks: Sequence[h5d.StoreInfo],
    size: int,
    creation: h5p.PropDCID,
) -> None:
    """Make sure that each chunk unpacks to what its shape says: ``size`` bytes.

    HDF5 itself unpacks whatever comes out of gzip before it looks at the size.
    """
    if size > MAX_CHUNK_BYTES:
        raise CorruptGranuleError(f"variable {name} has chunks of {size} bytes")
    filters = read_filters(creation, name)
    for chunk in chunks:
        read = partial(_read_chunk, variable, chunk.chunk_offset)
        if not unpacks_to(chunk, read, filters, size):
            raise CorruptGranuleError(f"variable {name} has a chunk that is not {size} bytes long")


def _read_chunk(variable: h5d.DatasetID, place: tuple[int, ...]) -> bytes:
    """Read a chunk as it is stored."""
    _, data = variable.read_direct_chunk(place)
    return bytes(data)
