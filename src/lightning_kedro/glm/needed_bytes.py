"""Which bytes of a granule its flashes are in, found out by reading as much of it as is known."""

from collections.abc import Iterator
from typing import Final

from h5py import h5d

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5 import open_hdf5, open_variable
from lightning_kedro.glm.hdf5_attributes import Handle
from lightning_kedro.glm.hdf5_errors import HDF5_ERRORS, explain_failure
from lightning_kedro.glm.levels import LEVELS
from lightning_kedro.glm.sparse_image import HoleError, Span, SparseImage

MAX_CHUNKS: Final = 1024
"""Chunks of a variable that are looked at: 65,536 flashes are 256 of NOAA's."""

BEFORE: Final = 512
AFTER: Final = 4096
"""Where a piece of HDF5's own structure was missed, so many bytes before and after it are taken
for needed too: what is read next mostly lies beside it, and each look costs a journey."""


def find_missing(image: SparseImage, name: GranuleName) -> list[Span]:
    """Find out what has to be known of a granule before its flashes can be read.

    Args:
        image: What is known of it. If nothing is missing, ``image.touched`` is what the flashes
            needed.
        name: What it is called.

    Returns:
        Bytes that are missing; there may be more, which those will tell. None if the flashes can
        be read.

    Raises:
        CorruptGranuleError: If the granule cannot be trusted.
        ArchiveError: If the machine could not read it.
    """
    try:
        read_flashes(image, name)
    except HoleError:
        widened = [(start - BEFORE, stop + AFTER) for start, stop in image.missed]
    else:
        return []
    try:
        return image.find_lacking(list(_list_stored(image))) or image.find_lacking(widened)
    except HoleError:
        widened += [(start - BEFORE, stop + AFTER) for start, stop in image.missed]
        return image.find_lacking(widened)


def _list_stored(image: SparseImage) -> Iterator[Span]:
    """Where the values of flashes are stored.

    All at once, since each variable that grew beyond a chunk has its next one in another place.
    """
    with open_hdf5(image) as file:
        for field in LEVELS["flash"].fields:
            variable = open_variable(file, field.variable)
            try:
                yield from _locate(variable, field.variable)
            except HDF5_ERRORS as error:
                message = f"variable {field.variable} cannot be read"
                raise explain_failure(message, error) from error


def _locate(variable: Handle, name: str) -> list[Span]:
    """Where a variable's values are stored."""
    offset = variable.get_offset()
    if offset is not None:
        return [(offset, offset + variable.get_storage_size())]
    chunks: list[h5d.StoreInfo] = []

    def add(chunk: h5d.StoreInfo) -> bool | None:
        chunks.append(chunk)
        return len(chunks) > MAX_CHUNKS or None  # HDF5 stops at anything else than None

    if variable.chunk_iter(add):
        raise CorruptGranuleError(f"variable {name} has more than {MAX_CHUNKS} chunks")
    return [(chunk.byte_offset, chunk.byte_offset + chunk.size) for chunk in chunks]
