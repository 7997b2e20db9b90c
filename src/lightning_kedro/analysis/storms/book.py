"""The book of storms: when each was born, what it is a part of, whom it met and what it left."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from lightning_kedro.analysis.storms.pixels import IntArray, find_ends

NO_STORM: Final = -1

_FIRST_PAGES: Final = 1024


class Book:
    """What is known of storms, each array of shape (storms or more,).

    Attributes:
        born: The step in which each storm began.
        into: The storm that each turned out to be a part of; itself for most.
        met: The storm that each shared its cell with when it last had new flashes; -1 if none.
        parent: The storm that each split from; -1 if none.
        absorbed: Storms that turned out to be parts of others in this step.
    """

    def __init__(self) -> None:
        """Open an empty book."""
        self.born: list[int] = []
        self.into = np.arange(_FIRST_PAGES)
        self.met = np.full(_FIRST_PAGES, NO_STORM)
        self.parent = np.full(_FIRST_PAGES, NO_STORM)
        self.absorbed: set[int] = set()
        self._parts: dict[int, list[int]] = {}
        self._number = np.full(_FIRST_PAGES, NO_STORM)

    def open_storms(self, count: int, step: int) -> IntArray:
        """Name new storms."""
        first = len(self.born)
        self.born += [step] * count
        if len(self.born) > self.into.size:
            more = 2 * len(self.born) - self.into.size
            self.into = np.concatenate([self.into, np.arange(self.into.size, 2 * len(self.born))])
            none = np.full(more, NO_STORM)
            self.met, self.parent, self._number = (
                np.concatenate([pages, none]) for pages in (self.met, self.parent, self._number)
            )
        return np.arange(first, first + count)

    def branch_off(self, storm: int, step: int) -> int:
        """Name a storm that parts from another one."""
        name = int(self.open_storms(1, step)[0])
        self.parent[name] = storm
        return name

    def absorb(self, part: int, whole: int) -> None:
        """Make a storm a part of another one; neither is a part of one already."""
        moved = self._parts.pop(part, [part])
        self.into[moved] = whole
        self._parts.setdefault(whole, [whole]).extend(moved)
        self.born[whole] = min(self.born[whole], self.born[part])
        self.absorbed.add(part)

    def find_whole(self, labels: IntArray) -> IntArray:
        """The storms that those of labels, none of them -1, are parts of; themselves for most."""
        return self.into.take(labels, mode="clip")

    def part_ways(self, storms: IntArray) -> None:
        """Note that storms have new flashes in cells of their own; forget changes before."""
        self.met[storms] = NO_STORM
        self.absorbed.clear()

    def note_meeting(self, storms: Iterable[int], main: int, other: int) -> None:
        """Note that storms share their cell with the main one; that one does with another."""
        for storm in storms:
            self.met[storm] = main if storm != main else other

    def number_among(self, labels: IntArray, storms: IntArray) -> IntArray:
        """The number of each label among some storms; -1 if it is none of them."""
        self._number[storms] = np.arange(storms.size)
        numbers = self._number[labels]
        self._number[storms] = NO_STORM
        return numbers

    def close(self, labels: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Number the storms by their first flashes.

        Args:
            labels: Storm of each flash, shape (n,), none of them -1; changed in place.

        Returns:
            The labels, the storm that each storm had met when it ended, and the one that it parted
            from, shape (storms,), -1 for none.
        """
        np.take(self.into, labels, out=labels, mode="clip")
        n_names = self.into.size
        exists = np.zeros(n_names, dtype=np.bool_)
        exists[labels] = True
        found = np.flatnonzero(exists)
        first, last = find_ends(labels, n_names)
        found = found[np.argsort(first[found])]
        rank = np.full(n_names, NO_STORM, dtype=np.int64)
        rank[found] = np.arange(found.size)
        met, parent = (self._link(table, found, rank) for table in (self.met, self.parent))
        ends = last[found]
        outlived = (met >= 0) & (ends[met] > ends)
        np.take(rank, labels, out=labels, mode="clip")
        return labels, np.where(outlived, met, NO_STORM), parent

    def _link(self, table: IntArray, found: IntArray, rank: IntArray) -> IntArray:
        """The ranks of the storms that those found are linked to; -1 if they are to none."""
        others = table[found]
        whole = self.into[others]  # of -1 too, which is left out below
        linked = (others >= 0) & (whole != found) & (self.into[found] == found)
        return np.where(linked, rank[whole], NO_STORM)
