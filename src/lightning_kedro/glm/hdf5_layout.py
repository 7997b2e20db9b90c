"""Whether a variable's data lie where they may be read from: in this file, all there, no bombs.

HDF5 does more than a granule needs: data may lie in other files (external storage, virtual
datasets), be unpacked from a few bytes to gigabytes, or not be there at all, in which case HDF5
makes them up from the fill value. A granule does none of this, and one that does is not trusted.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Final

from h5py import h5d, h5o, h5p, h5z

from lightning_kedro.exceptions import CorruptGranuleError

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

_SLACK: Final = 100
"""gzip makes what it cannot shorten longer by less than a hundredth, and some bytes of header."""

_CHECKSUM_BYTES: Final = 4
"""What fletcher32 adds to a chunk."""

_FILTERS: Final = (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32)
"""The filters that netCDF-4 may use, in its order. Others may be worse bombs, or need plugins."""


def read_shape(variable: h5d.DatasetID, name: str) -> tuple[int, ...]:
    """A variable's shape; to ask a virtual dataset for it would open the files that it points to.

    Raises:
        CorruptGranuleError: If it is a virtual dataset or has no shape (HDF5's null dataspace).
    """
    if not variable.get_storage_size():  # so it is for virtual datasets
        _check_class(variable.get_create_plist(), name)
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
    # only chunks have an index, and without filters there is less storage than the values need
    # as long as a chunk is missing. HDF5 itself refuses another number of values.
    if (
        info.hdr.mesg.present & _FILTERS_OR_OTHER_FILES
        or info.meta_size.obj.index_size != _INDEX_BYTES
        or len(shape) != 1
        or variable.get_storage_size() < shape[0] * itemsize
    ):
        _check_thoroughly(variable, name, shape, itemsize)


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
    found = read_shape(variable, name)
    if found != shape:
        raise CorruptGranuleError(f"variable {name} has shape {found}, expected {shape}")
    if creation.get_layout() == h5d.CHUNKED:
        chunk = creation.get_chunk()
        count = _check_chunks(variable, name, math.prod(chunk) * itemsize, creation)
        needed = math.prod(-(-rows // step) for rows, step in zip(shape, chunk, strict=True))
    else:
        count, needed = variable.get_storage_size(), math.prod(shape) * itemsize
    if count < needed:
        raise CorruptGranuleError(f"variable {name} was written only in part")


def _check_chunks(variable: h5d.DatasetID, name: str, size: int, creation: h5p.PropDCID) -> int:
    """Make sure that each chunk unpacks to what its shape says: ``size`` bytes.

    HDF5 itself unpacks whatever comes out of gzip before it looks at the size.

    Returns:
        How many chunks there are.
    """
    if size > MAX_CHUNK_BYTES:
        raise CorruptGranuleError(f"variable {name} has chunks of {size} bytes")
    filters = tuple(creation.get_filter(index)[0] for index in range(creation.get_nfilters()))
    if filters != tuple(known for known in _FILTERS if known in filters):
        raise CorruptGranuleError(f"variable {name} is packed with filters {filters}")
    chunks: list[h5d.StoreInfo] = []
    variable.chunk_iter(chunks.append)
    for chunk in chunks:
        if _unpacked_size(variable, chunk, size, filters) != size:
            raise CorruptGranuleError(f"variable {name} has a chunk that is not {size} bytes long")
    return len(chunks)


def _unpacked_size(
    variable: h5d.DatasetID, chunk: h5d.StoreInfo, size: int, filters: Sequence[int]
) -> int:
    """How many bytes a chunk has without its filters: ``size`` only if it is sound."""
    used = {known for bit, known in enumerate(filters) if not chunk.filter_mask >> bit & 1}
    if h5z.FILTER_DEFLATE in used and chunk.size <= size + size // _SLACK + _SLACK:
        _, data = variable.read_direct_chunk(chunk.chunk_offset)
        gzip = zlib.decompressobj()
        try:
            unpacked = len(gzip.decompress(data, size + 1))
        except zlib.error:
            return 0
        return unpacked if gzip.eof else size + 1
    stored: int = chunk.size
    return stored - _CHECKSUM_BYTES * (h5z.FILTER_FLETCHER32 in used)
