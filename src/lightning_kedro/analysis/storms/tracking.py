"""Storms followed through time: cells of dense flashes that keep their names from step to step.

Over long windows DBSCAN chains storms together: those that touch for a moment are one cluster for
good. Here the core flashes of DBSCAN are joined in a memory that slides along in steps. What is
joined in a memory is a cell. A cell is the storm that most of its flashes were of; where it holds
several storms they have met, and each new flash goes to the storm that is strongest about it.

Such tracking by overlap is usual for cells in radar and satellite images (Dixon & Wiener 1993,
TITAN, doi:10.1175/1520-0426(1993)010<0785:TTITAA>2.0.CO;2; Lakshmanan & Smith 2010,
doi:10.1175/2009WAF2222330.1); the numbers here were tuned on the simulation's truth.

Steps are counted from 1970 on, pixels are those of the whole Earth, and what is decided depends on
the flashes within the memory only: the same flashes give the same storms in any window, but for
what is older than the flashes that were read.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    PixelGrid,
    connect,
    find_ends,
    list_ranges,
    number_keys,
)

NO_STORM: Final = -1

STEPS_PER_BLOCK: Final = 144
"""Steps are taken in blocks of so many, so that memory does not grow with the window."""

_PIXEL_SHARE: Final = 0.5
"""Diagonal of a pixel, as a share of the distance over which flashes are joined."""

_SMOOTH_SHARE: Final = 0.5
"""Standard deviation of the weight of flashes about a pixel, as a share of the same."""

_PAIRS: Final = 2**21
"""Pairs of pixels weighed in one go."""

_LABELS: Final = 2**31
"""More than there are ever storms."""


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How storms are followed.

    Attributes:
        link_km: Flashes of a memory are joined up to this distance, to a pixel, km.
        step_minutes: Length of a step, minutes.
        memory_minutes: Length of the memory, minutes: whole steps.
        settle_minutes: A storm younger than this that meets another one may be a part of it.
        settle_flashes: It is, if it has fewer flashes than this in the memory,
        settle_share: or fewer than this share of the other one's.
        split_km: Where two cells of a storm are farther apart than this, km,
        split_flashes: and both have so many flashes at least, the lesser one is a storm of its own.
        meet_flashes: A storm with fewer flashes than this in a cell takes no new ones there, if
            there is another one.
    """

    link_km: float
    step_minutes: float
    memory_minutes: float
    settle_minutes: float
    settle_flashes: int
    settle_share: float
    split_km: float
    split_flashes: int
    meet_flashes: int

    @property
    def memory_steps(self) -> int:
        """Length of the memory, steps."""
        return max(round(self.memory_minutes / self.step_minutes), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Flashes by storm.

    Attributes:
        labels: Storm of each flash, shape (n,), from 0 by first flash.
        merged_into: For each storm the one that it had met when its last flashes were seen, shape
            (storms,); -1 where it ended alone.
        split_from: For each storm the one that it parted from, shape (storms,); -1 for others.
    """

    labels: IntArray
    merged_into: IntArray
    split_from: IntArray


def track_storms(
    lat: FloatArray, lon: FloatArray, minutes: FloatArray, options: TrackOptions
) -> Tracks:
    """Follow storms through time.

    Args:
        lat: Latitudes of core flashes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees, any turn.
        minutes: Times, shape (n,), minutes since 1970-01-01, rising.
        options: How.

    Returns:
        The storm of each flash: all have one.
    """
    grid = PixelGrid(options.link_km * _PIXEL_SHARE)
    steps = np.floor(minutes / options.step_minutes).astype(np.int64)
    keys = grid.find_keys(lat, lon)
    labels = np.full(minutes.size, NO_STORM, dtype=np.int64)
    book = _Book()
    for first, stop in _list_blocks(steps):
        low, start, high = np.searchsorted(steps, [first - options.memory_steps + 1, first, stop])
        if start == high:
            continue
        cells = _Cells(grid, keys[low:high], steps[low:high], labels[low:high], options)
        for step in np.unique(steps[start:high]):
            cells.take_step(int(step), book)
        labels[low:high] = cells.labels[cells.of_flash]
    del keys, steps  # of millions of flashes
    return book.close(labels)


def _list_blocks(steps: IntArray) -> list[tuple[int, int]]:
    """First and last step of each block."""
    if steps.size == 0:
        return []
    firsts = range(int(steps[0]), int(steps[-1]) + 1, STEPS_PER_BLOCK)
    return [(first, first + STEPS_PER_BLOCK) for first in firsts]


@dataclass(slots=True)
class _Book:
    """What is known of storms.

    Attributes:
        born: The step in which each storm began.
        into: The storm that each turned out to be a part of; itself for most.
        met: The storm that each shared its cell with when it last had new flashes; -1 if none.
        parent: The storm that each split from; -1 if none.
    """

    born: list[int] = field(default_factory=list)
    into: IntArray = field(default_factory=lambda: np.arange(1024))
    met: dict[int, int] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)

    def open_storms(self, count: int, step: int) -> IntArray:
        """Name new storms."""
        first = len(self.born)
        self.born += [step] * count
        if len(self.born) > self.into.size:
            self.into = np.concatenate([self.into, np.arange(self.into.size, 2 * len(self.born))])
        return np.arange(first, first + count)

    def absorb(self, part: int, whole: int) -> None:
        """Make a storm a part of another one."""
        self.into[: len(self.born)][self.into[: len(self.born)] == part] = whole
        self.born[whole] = min(self.born[whole], self.born[part])

    def close(self, labels: IntArray) -> Tracks:
        """Number the storms by their first flashes; ``labels`` are changed in place."""
        np.take(self.into, labels, out=labels, mode="clip")
        n_names = self.into.size
        exists = np.zeros(n_names, dtype=np.bool_)
        exists[labels] = True
        found = np.flatnonzero(exists)
        first, last = find_ends(labels, n_names)
        found = found[np.argsort(first[found])]
        rank = np.full(n_names, NO_STORM, dtype=np.int64)
        rank[found] = np.arange(found.size)
        links = []
        for table in (self.met, self.parent):
            link = np.full(found.size, NO_STORM, dtype=np.int64)
            for storm, other in table.items():
                if other >= 0 and self.into[other] != storm and self.into[storm] == storm:
                    link[rank[storm]] = rank[self.into[other]]
            links.append(link)
        ends = last[found]
        outlived = (links[0] >= 0) & (ends[links[0]] > ends)
        np.take(rank, labels, out=labels, mode="clip")
        return Tracks(labels, np.where(outlived, links[0], NO_STORM), links[1])


class _Cells:
    """The flashes of a block by pixel and step: all of one pixel and step are of one storm."""

    def __init__(
        self,
        grid: PixelGrid,
        keys: IntArray,
        steps: IntArray,
        labels: IntArray,
        options: TrackOptions,
    ) -> None:
        found, _, pixel = number_keys(keys)
        self.options = options
        self.centers = grid.find_centers(found)
        self.near_starts, self.near = grid.find_near(found, options.link_km, both_ways=False)
        base = int(steps[0])
        cells, self.counts, self.of_flash = number_keys((steps - base) * found.size + pixel)
        self.step, self.pixel = np.divmod(cells, found.size)
        self.step += base
        self.labels = np.full(cells.size, NO_STORM, dtype=np.int64)
        self.labels[self.of_flash] = labels  # those of a cell are all the same
        self._place = np.full(found.size, -1, dtype=np.int64)

    def take_step(self, step: int, book: _Book) -> None:
        """Give the flashes of a step their storms."""
        edges = [step - self.options.memory_steps + 1, step, step + 1]
        low, start, high = np.searchsorted(self.step, edges)
        part_of = self._join(self.pixel[low:high])
        labels = self.labels[low:high]  # a view: what is written there stays
        known = labels >= 0
        labels[known] = book.into[labels[known]]
        new = ~known
        counts = self.counts[low:high][known]
        votes = _count_votes(part_of[known], labels[known], counts)
        if self._split(slice(low, high), part_of, votes, step, book):
            votes = _count_votes(part_of[known], labels[known], counts)
        n_storms = np.bincount(votes[0], minlength=int(part_of.max()) + 1)
        where = np.concatenate([[0], np.cumsum(n_storms)])
        single = new & (n_storms[part_of] == 1)
        labels[single] = votes[1][where[part_of[single]]]
        alone = new & (n_storms[part_of] == 0)
        parts, index = np.unique(part_of[alone], return_inverse=True)
        labels[alone] = book.open_storms(parts.size, step)[index]
        book.met.update(dict.fromkeys(np.unique(labels[start - low :]).tolist(), NO_STORM))
        has_new = np.bincount(part_of[new], minlength=n_storms.size) > 0
        for part in np.flatnonzero((n_storms > 1) & has_new):
            mine = slice(where[part], where[part + 1])
            meeting = low + np.flatnonzero(part_of == part)
            self._meet(meeting, votes[1][mine], votes[2][mine], step, book)

    def _join(self, pixel: IntArray) -> IntArray:
        """The part of the memory that each of its cells is in, shape (cells,)."""
        self._place[pixel] = 0
        filled = np.flatnonzero(self._place == 0)
        self._place[filled] = np.arange(filled.size)
        counts = self.near_starts[filled + 1] - self.near_starts[filled]
        other = self._place[self.near[list_ranges(self.near_starts[filled], counts)]]
        first = np.repeat(np.arange(filled.size), counts)
        kept = other >= 0
        parts = connect(first[kept], other[kept], filled.size)[1]
        part_of = parts[self._place[pixel]]
        self._place[filled] = -1
        return np.asarray(part_of)

    def _split(
        self,
        memory: slice,
        part_of: IntArray,
        votes: tuple[IntArray, IntArray, IntArray],
        step: int,
        book: _Book,
    ) -> bool:
        """Make cells that have parted from their storms storms of their own: whether any have."""
        large = votes[2] >= self.options.split_flashes
        parts, storms, flashes = (column[large] for column in votes)
        found, counts = np.unique(storms, return_counts=True)
        labels, pixels = self.labels[memory], self.pixel[memory]
        any_split = False
        for storm in found[counts > 1]:
            mine = np.flatnonzero(storms == storm)
            main, *rest = parts[mine[np.argsort(-flashes[mine], kind="stable")]]
            trunk = self.centers[np.unique(pixels[(part_of == main) & (labels == storm)])]
            for part in rest:
                branch = np.flatnonzero((part_of == part) & (labels == storm))
                places = self.centers[np.unique(pixels[branch])]
                if _measure_gap(trunk, places) > self.options.split_km:
                    name = int(book.open_storms(1, step)[0])
                    book.parent[name] = int(storm)
                    labels[branch] = name
                    any_split = True
        return any_split

    def _meet(
        self, meeting: IntArray, storms: IntArray, votes: IntArray, step: int, book: _Book
    ) -> None:
        """Take storms that have met for one, or tell their new flashes apart."""
        options = self.options
        born = np.array([book.born[storm] for storm in storms])
        main = int(storms[np.lexsort((born, -votes))[0]])
        is_young = (step - born) * options.step_minutes < options.settle_minutes
        is_small = votes < max(options.settle_flashes, options.settle_share * votes.max())
        is_part = is_young & is_small & (storms != main)
        for part in storms[is_part]:
            book.absorb(int(part), main)
        labels = self.labels[meeting]
        labels[labels >= 0] = book.into[labels[labels >= 0]]
        new = np.flatnonzero(labels < 0)
        takes = storms[~is_part & ((votes >= options.meet_flashes) | (storms == main))]
        if takes.size == 1:
            labels[new] = takes[0]
        elif new.size:
            labels[new] = self._share_out(meeting, labels, new, takes)
        self.labels[meeting] = labels
        self._note_meeting(labels[new], main, storms[~is_part], book)

    def _share_out(
        self, meeting: IntArray, labels: IntArray, new: IntArray, storms: IntArray
    ) -> IntArray:
        """The storms that are strongest about new cells."""
        old = np.flatnonzero(np.isin(labels, storms))
        of_storm = (labels[old][:, np.newaxis] == storms) * self.counts[meeting[old]][:, np.newaxis]
        here, there = self.centers[self.pixel[meeting[new]]], self.centers[self.pixel[meeting[old]]]
        width = _SMOOTH_SHARE * self.options.link_km
        most = max(_PAIRS // old.size, 1)
        strongest = []
        for first in range(0, new.size, most):
            squares = _square_distances(here[first : first + most], there)
            # Far from all of them the nearest one counts: the weight falls slowly there.
            weights = np.exp(-squares / (2.0 * width**2)) + 1e-9 / (1.0 + squares)
            strongest.append((weights @ of_storm).argmax(axis=1))
        return np.asarray(storms[np.concatenate(strongest)])

    def _note_meeting(self, flashing: IntArray, main: int, present: IntArray, book: _Book) -> None:
        """Note whom each storm with new flashes shares its cell with."""
        if present.size == 1:
            return
        others = [storm for storm in present.tolist() if storm != main]
        for storm in set(flashing.tolist()):
            book.met[storm] = main if storm != main else others[0]


def _measure_gap(first: FloatArray, second: FloatArray) -> float:
    """Least distance between two sets of places, km."""
    from scipy.spatial import cKDTree

    return float(cKDTree(first).query(second)[0].min())


def _square_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Squared distances of all pairs, shape (first, second), km2; right to 1e-6 km2."""
    first, second = first - second[0], second - second[0]
    squares = (first**2).sum(axis=1)[:, np.newaxis] + (second**2).sum(axis=1)
    squares -= 2.0 * first @ second.T
    return np.asarray(np.maximum(squares, 0.0))


def _count_votes(
    parts: IntArray, labels: IntArray, counts: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Flashes by part and storm: parts, storms and counts, in order of both."""
    keys, _, index = number_keys(parts * _LABELS + labels)
    votes = np.bincount(index, counts, keys.size).astype(np.int64)
    return keys // _LABELS, keys % _LABELS, votes
