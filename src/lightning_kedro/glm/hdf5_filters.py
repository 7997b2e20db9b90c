"""What a packed chunk unpacks to, found out in bounded memory before HDF5 unpacks it.

HDF5 applies a variable's filters in the order in which they were added, and undoes them in the
reverse order. netCDF-C adds fletcher32 first, then shuffle, then deflate; h5py adds shuffle,
deflate, fletcher32. Any order is legal, so any order is read here. Each filter may occur once: a
second deflate would be a bomb inside a bomb.
Sources: HDF5 file format specification, IV.A.2.l (filter pipeline message); netCDF-C, libhdf5,
NC4_hdf5_filter and var_create_dataset.
"""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from h5py import h5d, h5p, h5z

from lightning_kedro.exceptions import CorruptGranuleError

_READ: Final = frozenset({h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32})
"""The filters that are undone. Others may be worse bombs, or need plugins that are not there."""

_NAMES: Final = {
    h5z.FILTER_DEFLATE: "deflate",
    h5z.FILTER_SHUFFLE: "shuffle",
    h5z.FILTER_FLETCHER32: "fletcher32",
    h5z.FILTER_SZIP: "szip",
    h5z.FILTER_NBIT: "nbit",
    h5z.FILTER_SCALEOFFSET: "scaleoffset",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}
"""What filters are called. Source: The HDF Group's registry of filters (h5py and netCDF use it)."""

_SLACK: Final = 100
"""gzip makes what it cannot shorten longer by less than a hundredth, and some bytes of header."""

_CHECKSUM_BYTES: Final = 4
"""What fletcher32 adds at the end of a chunk."""


class Filter(NamedTuple):
    """A filter of a variable's.

    Attributes:
        code: HDF5's number of the filter.
        values: Its parameters; the only one of shuffle is how many bytes a value has.
    """

    code: int
    values: tuple[int, ...]


def read_filters(creation: h5p.PropDCID, name: str) -> tuple[Filter, ...]:
    """A variable's filters, in the order in which they were applied.

    Raises:
        CorruptGranuleError: If there are others than shuffle, deflate and fletcher32, or one twice.
    """
    filters = []
    for index in range(creation.get_nfilters()):
        code, _, values, _ = creation.get_filter(index)
        filters.append(Filter(code, values))
    codes = [known.code for known in filters]
    if not _READ.issuperset(codes) or len(set(codes)) < len(codes):
        found = ", ".join(f"{_NAMES.get(code, 'unknown')} ({code})" for code in codes)
        raise CorruptGranuleError(
            f"variable {name} is packed with filters {found}; "
            f"only shuffle, deflate and fletcher32 are read, each at most once"
        )
    for code, values in filters:
        if code == h5z.FILTER_SHUFFLE and (len(values) != 1 or values[0] < 1):
            raise CorruptGranuleError(f"variable {name} is shuffled by values of no length")
    return tuple(filters)


def unpacks_to(
    chunk: h5d.StoreInfo, read: Callable[[], bytes], filters: tuple[Filter, ...], size: int
) -> bool:
    """Whether a chunk has exactly ``size`` bytes without its filters.

    At most ``size`` bytes and a few more are unpacked to find out. Checksums are left to HDF5,
    which looks at them when it reads.

    Args:
        chunk: Where the chunk is, how long, and by its bits which filters it does without.
        read: Reads the chunk as it is stored; called only if its length is possible.
        filters: The variable's filters, as ``read_filters`` gives them.
        size: How long the chunk must be (bytes).
    """
    used = [known for bit, known in enumerate(filters) if not chunk.filter_mask >> bit & 1]
    codes = [known.code for known in used]
    if h5z.FILTER_DEFLATE not in codes:
        return bool(chunk.size == size + _checksums(codes))
    place = codes.index(h5z.FILTER_DEFLATE)
    inside = size + _checksums(codes[:place])
    if chunk.size > inside + inside // _SLACK + _SLACK:
        return False
    data = read()
    for known in reversed(used[place + 1 :]):
        data = _undo(known, data)
    return _inflates_to(data, inside)


def _checksums(codes: list[int]) -> int:
    """How many bytes the checksums of these filters have."""
    return _CHECKSUM_BYTES * codes.count(h5z.FILTER_FLETCHER32)


def _undo(known: Filter, data: bytes) -> bytes:
    """Undo shuffle or fletcher32, as HDF5 does."""
    if known.code == h5z.FILTER_FLETCHER32:
        return data[:-_CHECKSUM_BYTES]
    (itemsize,) = known.values
    count = len(data) // itemsize
    whole = bytearray(data)  # whatever is left over at the end stays where it is
    for byte in range(itemsize if count > 1 else 0):
        whole[byte : count * itemsize : itemsize] = data[byte * count : (byte + 1) * count]
    return bytes(whole)


def _inflates_to(data: bytes, size: int) -> bool:
    """Whether what gzip packed is whole and ``size`` bytes long."""
    gzip = zlib.decompressobj()
    try:
        unpacked = len(gzip.decompress(data, size + 1))
    except zlib.error:
        return False
    return gzip.eof and unpacked == size
