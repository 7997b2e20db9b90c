"""A granule of which only some bytes are known: they can be read, and nothing else can.

HDF5 reads a file wherever it likes. Whatever it asks for that is not known fails as a disk would
fail, and is noted: nothing that was read from a file with such a gap is ever believed, even if HDF5
or its caller went on without.
"""

import bisect
import errno
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from lightning_kedro.exceptions import ArchiveError

Span: TypeAlias = tuple[int, int]
"""Bytes of a file: from the first number to before the second."""


class HoleError(ArchiveError):
    """A part of a granule was needed that is not known: this says nothing about the granule."""


class SparseImage:
    """The bytes of a file, as far as they are known.

    Args:
        size: Bytes of the whole file.

    Attributes:
        touched: What was read since the image was last opened.
        missed: What was asked for in vain since then.

    Example:
        >>> image = SparseImage(1_000)
        >>> image.add(200, bytes(300))
        >>> image.find_lacking([(100, 250), (400, 600)])
        [(100, 200), (500, 600)]
    """

    def __init__(self, size: int) -> None:
        """Begin with nothing known."""
        self.size: Final = size
        self.touched: list[Span] = []
        self.missed: list[Span] = []
        self._bytes: Final = bytearray(size)
        self._known: list[Span] = []

    @classmethod
    def of(cls, content: bytes) -> "SparseImage":
        """The image of a file that is known as a whole."""
        image = cls(len(content))
        image.add(0, content)
        return image

    @property
    def known_bytes(self) -> int:
        """How many bytes are known."""
        return sum(stop - start for start, stop in self._known)

    def add(self, start: int, content: bytes) -> None:
        """Take in some bytes.

        Args:
            start: Where they begin in the file; they must end in it.
            content: The bytes.
        """
        stop = start + len(content)
        if not 0 <= start <= stop <= self.size:
            message = f"bytes {start} to {stop} are not within a file of {self.size} bytes"
            raise ValueError(message)
        self._bytes[start:stop] = content
        self._known = join_spans([*self._known, (start, stop)])

    def find_lacking(self, spans: Iterable[Span]) -> list[Span]:
        """The parts of some spans that are not known; what is beyond the file is left out."""
        lacking: list[Span] = []
        for first, last in join_spans(spans):
            start, stop = max(0, first), min(last, self.size)
            for known_start, known_stop in self._known:
                if known_stop <= start or known_start >= stop:
                    continue
                if known_start > start:
                    lacking.append((start, known_start))
                start = known_stop
            if start < stop:
                lacking.append((start, stop))
        return lacking

    def open(self) -> "ImageFile":
        """A file object on the image; forgets what was touched and missed before."""
        self.touched, self.missed = [], []
        return ImageFile(self)

    def read(self, start: int, stop: int) -> memoryview:
        """Some bytes.

        Raises:
            OSError: If not all of them are known (``EIO``, as of a disk that cannot be read).
        """
        place = bisect.bisect_right(self._known, (start, self.size)) - 1
        if place < 0 or self._known[place][1] < stop:
            self.missed.append((start, stop))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.touched.append((start, stop))
        return memoryview(self._bytes)[start:stop]

    def check_trust(self) -> None:
        """Refuse what was read since the image was opened, if anything was missed meanwhile.

        Raises:
            HoleError: If so.
        """
        if self.missed:
            start, stop = self.missed[0]
            message = (
                f"could not be read: bytes {start} to {stop} are needed and were not fetched. Run "
                f"again without ranges (ranges of glm_archive: false)."
            )
            raise HoleError(message)


Source: TypeAlias = Path | bytes | SparseImage
"""A granule's file, its bytes, or those of them that are known."""


class ImageFile(io.RawIOBase):
    """A file object for HDF5 on an image."""

    def __init__(self, image: SparseImage) -> None:
        """Begin at the first byte."""
        super().__init__()
        self._image = image
        self._place = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place in the file."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._image.size}
        self._place = bases[whence] + offset
        return self._place

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill a buffer with bytes from the current place on, all or none of it."""
        stop = self._place + len(buffer)
        buffer[:] = self._image.read(self._place, stop)
        self._place = stop
        return len(buffer)


def join_spans(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Spans in order, those joined that overlap or have no more than some bytes between them.

    Args:
        spans: The spans, in any order.
        gap: How many bytes.

    Example:
        >>> join_spans([(40, 50), (0, 10), (12, 20)], gap=2)
        [(0, 20), (40, 50)]
    """
    joined: list[Span] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((start, stop))
    return joined
