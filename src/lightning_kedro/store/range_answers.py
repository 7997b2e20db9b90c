"""Ranges of a file: how they are asked for over HTTP, and which answers are of use.

Source: RFC 9110, sections 8.8 (validators), 13.1.1 (If-Match), 14 (range requests).
"""

import re
from dataclasses import dataclass
from typing import Final

from lightning_kedro.exceptions import printable
from lightning_kedro.glm.sparse_image import Span

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")

_STRONG_TAG: Final = re.compile(r'"[^"]+"')
"""An entity tag that two different contents never share; those that begin with W/ may."""

_UNUSABLE_STATUS: Final = {
    200: "the server sends all instead of a range",
    412: "it was replaced meanwhile",
    416: "it is shorter than it was listed",
}


class UnusableRangeError(Exception):
    """A server that cannot be asked for ranges of a file, or a file that is no longer the same."""


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """A range that came.

    Attributes:
        content: Its bytes.
        version: The file's strong entity tag.
    """

    content: bytes
    version: str


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """A range that is asked for.

    Attributes:
        span: Its bytes.
        size: Bytes of the whole file, as listed.
        version: The entity tag that the file must have, if one is known.

    Example:
        >>> request = RangeRequest((0, 4_096), 300_000)
        >>> request.range
        'bytes=0-4095'
        >>> request.check_headers("bytes 0-4095/300000", '"5eb63bbb"')
        '"5eb63bbb"'
    """

    span: Span
    size: int
    version: str | None = None

    @property
    def range(self) -> str:
        """The header ``Range``."""
        start, stop = self.span
        return f"bytes={start}-{stop - 1}"

    @property
    def limit(self) -> int:
        """How many bytes are read of the answer at most: one more than are asked for."""
        start, stop = self.span
        return stop - start + 1

    def check_status(self, status: int | None) -> None:
        """Refuse what says that no range will come, nor when asked again.

        Raises:
            UnusableRangeError: If so.
        """
        if status in _UNUSABLE_STATUS:
            raise UnusableRangeError(_UNUSABLE_STATUS[status])

    def check_headers(self, content_range: str | None, tag: str | None) -> str:
        """Make sure that an answer is the range that was asked for, of the file that was listed.

        Args:
            content_range: The header ``Content-Range``; only answers of status 206 have it.
            tag: The header ``ETag``.

        Returns:
            The version of the file.

        Raises:
            UnusableRangeError: If it is another range, or it cannot be told of which version.
        """
        if content_range is None:
            self.check_status(200)
        match = _CONTENT_RANGE.fullmatch(content_range or "")
        start, stop = self.span
        if match is None or tuple(map(int, match.groups())) != (start, stop - 1, self.size):
            message = (
                f"{self.range} of {self.size} were asked for, the answer says "
                f"{printable(content_range)}"
            )
            raise UnusableRangeError(message)
        if tag is None or not _STRONG_TAG.fullmatch(tag):
            message = "the server does not say of which version a range is"
            raise UnusableRangeError(message)
        if self.version not in (None, tag):
            self.check_status(412)
        return tag

    def check_content(self, content: bytes) -> bytes:
        """Make sure that an answer is as long as its own headers say.

        Raises:
            UnusableRangeError: If not.
        """
        start, stop = self.span
        if len(content) != stop - start:
            came = "fewer" if len(content) < stop - start else "more"
            message = f"{came} bytes came than the {stop - start} that the answer says"
            raise UnusableRangeError(message)
        return content
