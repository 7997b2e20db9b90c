"""The granules of an hour as a few kilobytes of text, read anew each time that they are looked at.

A month of one satellite has 130,000 granules, which take 2 kB each as Python's objects: 270 MB. As
compressed text they take 2 MB, and an hour's 180 are read from it in 2 ms.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Self, overload

from lightning_kedro.glm.granule import parse_granule_name

if TYPE_CHECKING:
    from lightning_kedro.granules.record import StoredGranule

HELD_HOURS: Final = 26
"""Up to so many hours of granules are held as they are, which is quicker: a day and its edges."""

_FAST: Final = 1
_SEPARATOR: Final = "\0"


class GranuleList(Sequence["StoredGranule"]):
    """Granules packed as text; nothing of it is remembered between two looks.

    Args:
        packed: What ``pack_granules`` has made.
    """

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        """Hold on to the text."""
        self.packed = packed

    @classmethod
    def of(cls, granules: Iterable["StoredGranule"]) -> Self:
        """Pack granules."""
        return cls(pack_granules(granules))

    def __iter__(self) -> Iterator["StoredGranule"]:
        """The granules, one after the other."""
        from lightning_kedro.granules.record import StoredGranule

        count, *fields = zlib.decompress(self.packed).decode().split(_SEPARATOR)
        for at in range(0, 4 * int(count), 4):
            file_name, url, file_bytes, is_local = fields[at : at + 4]
            name = parse_granule_name(file_name)
            if name is None:
                message = f"{file_name} is no granule's name"
                raise ValueError(message)
            yield StoredGranule(name, url, int(file_bytes), is_local == "1")

    def __len__(self) -> int:
        """The number of granules."""
        return int(zlib.decompressobj().decompress(self.packed, 20).split(b"\0", 1)[0])

    @overload
    def __getitem__(self, index: int) -> "StoredGranule": ...

    @overload
    def __getitem__(self, index: slice) -> "tuple[StoredGranule, ...]": ...

    def __getitem__(self, index: int | slice) -> "StoredGranule | tuple[StoredGranule, ...]":
        """One of the granules, or some."""
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same granules."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """As a tuple has it: both may be equal."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Say how many granules."""
        return f"GranuleList({len(self)} granules)"


def pack_granules(granules: Iterable["StoredGranule"]) -> bytes:
    """Granules as compressed text."""
    if isinstance(granules, GranuleList):
        return granules.packed
    rows = [
        (one.name.file_name, one.url, str(one.file_bytes), "1" if one.is_local else "0")
        for one in granules
    ]
    fields = [str(len(rows)), *(field for row in rows for field in row)]
    return zlib.compress(_SEPARATOR.join(fields).encode(), _FAST)


def hold_granules(granules: Iterable["StoredGranule"], n_hours: int) -> "Sequence[StoredGranule]":
    """Hold an hour's granules as they are, or packed where there are many hours.

    Args:
        granules: The granules of one hour.
        n_hours: How many hours are held.
    """
    return GranuleList.of(granules) if n_hours > HELD_HOURS else tuple(granules)
