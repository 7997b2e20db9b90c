"""Little that unpacks to much."""

import zlib
from typing import Final

MEGABYTE: Final = 1 << 20
_ADLER_MODULUS: Final = 65_521


def deflate_zeros(megabytes: int) -> bytes:
    """So many megabytes of zeros, compressed; each is the same block, packed once."""
    raw = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = raw.compress(bytes(MEGABYTE)) + raw.flush(zlib.Z_FULL_FLUSH)
    header = zlib.compress(b"", 9)[:2]
    checksum = (megabytes * MEGABYTE % _ADLER_MODULUS) << 16 | 1
    return header + block * megabytes + raw.flush() + checksum.to_bytes(4, "big")
