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

from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.book import NO_STORM, Book
from lightning_kedro.analysis.storms.memory import Cells, TrackOptions
from lightning_kedro.analysis.storms.pixels import IntArray, PixelGrid, number_keys, sort_keys
from lightning_kedro.analysis.storms.strength import find_strongest
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_ahead

STEPS_PER_BLOCK: Final = 72
"""Steps are taken in blocks of so many, so that memory does not grow with the window."""

_PIXEL_SHARE: Final = 0.5
"""Diagonal of a pixel, as a share of the distance over which flashes are joined."""

_SMOOTH_SHARE: Final = 0.5
"""Standard deviation of the weight of flashes about a pixel, as a share of the same."""

_MEET_FLASHES: Final = 5
"""A storm with fewer flashes than this in a cell takes no new ones there, if there is another one.

It was tuned with the options, but is nothing that people would change."""

_PAIRS: Final = 2**21
"""Pairs of pixels weighed in one go."""

_LABELS: Final = 2**31
"""More than there are ever storms."""


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
    book = Book()
    return Tracks(*book.close(_follow(lat, lon, minutes, options, book)))


def _follow(
    lat: FloatArray, lon: FloatArray, minutes: FloatArray, options: TrackOptions, book: Book
) -> IntArray:
    """The storm of each flash, shape (n,), as the book names them."""
    grid = PixelGrid(options.link_km * _PIXEL_SHARE)
    steps = np.floor(minutes / options.step_minutes).astype(np.int64)
    keys = grid.find_keys(lat, lon)
    labels = np.full(minutes.size, NO_STORM, dtype=np.int64)

    def gather(block: tuple[int, int, int]) -> tuple[Cells, list[tuple[int, IntArray]]]:
        low, start, high = block
        cells = Cells.gather(grid, keys[low:high], steps[low:high], options)
        return cells, [*cells.join_memories(np.unique(steps[start:high]))]

    blocks = _list_blocks(steps, options.memory_steps)
    for (low, _, high), (cells, parts) in zip(blocks, map_ahead(gather, blocks), strict=True):
        cells.labels[cells.of_flash] = labels[low:high]  # those of a cell are all the same
        for step, part_of in parts:
            _Step(cells, step, part_of, options, book).take()
        labels[low:high] = cells.labels[cells.of_flash]
    return labels


def _list_blocks(steps: IntArray, memory_steps: int) -> list[tuple[int, int, int]]:
    """The first flash of each block's memory, the first one of the block, and its end."""
    if steps.size == 0:
        return []
    firsts = np.arange(int(steps[0]), int(steps[-1]) + 1, STEPS_PER_BLOCK)
    starts = np.searchsorted(steps, firsts)
    lows = np.searchsorted(steps, firsts - memory_steps + 1)
    stops = np.append(starts[1:], steps.size)
    blocks = zip(lows.tolist(), starts.tolist(), stops.tolist(), strict=True)
    return [block for block in blocks if block[1] < block[2]]


class _Step:
    """What becomes of the flashes of a step.

    Attributes:
        cells: The cells of the block.
        step: The step.
        memory: The cells of the memory, the step's own ones last.
        is_new: Which of these are of the step, shape (memory,).
        part_of: The part of the memory that each is in, shape (memory,).
        labels: The storm of each, shape (memory,): a view, so that what is written there stays.
    """

    def __init__(
        self, cells: Cells, step: int, part_of: IntArray, options: TrackOptions, book: Book
    ) -> None:
        low, start, high = cells.find_memory(step)
        self.cells, self.step, self.part_of = cells, step, part_of
        self.options, self.book = options, book
        self.memory = slice(low, high)
        self.n_old = start - low
        self.labels = cells.labels[self.memory]
        self.counts = cells.counts[self.memory]
        self.pixels = cells.pixel[self.memory]

    def take(self) -> None:
        """Give the flashes of the step their storms."""
        book, old, new = self.book, slice(0, self.n_old), slice(self.n_old, None)
        book.follow(self.labels[old])
        votes = self._count_votes()
        if self._split(votes):
            votes = self._count_votes()
        part_of_new = self.part_of[new]
        n_storms = np.bincount(votes[0], minlength=int(self.part_of.max()) + 1)
        where = np.concatenate([[0], np.cumsum(n_storms)])
        labels = self.labels[new]
        single = n_storms[part_of_new] == 1
        labels[single] = votes[1][where[part_of_new[single]]]
        alone = n_storms[part_of_new] == 0
        parts, _, index = number_keys(part_of_new[alone])
        labels[alone] = book.open_storms(parts.size, self.step)[index]
        book.part_ways(labels[labels >= 0])
        has_new = np.bincount(part_of_new, minlength=n_storms.size) > 0
        meetings = np.flatnonzero((n_storms > 1) & has_new)
        cells = self._list_cells(meetings)
        for part, mine in zip(meetings.tolist(), cells, strict=True):
            storms = slice(where[part], where[part + 1])
            self._meet(mine, votes[1][storms].tolist(), votes[2][storms].tolist())

    def _count_votes(self) -> tuple[IntArray, IntArray, IntArray]:
        """Flashes by part and storm: parts, storms and counts, in order of both."""
        old = slice(0, self.n_old)
        keys, _, index = number_keys(self.part_of[old] * _LABELS + self.labels[old])
        votes = np.bincount(index, self.counts[old], keys.size).astype(np.int64)
        return keys // _LABELS, keys % _LABELS, votes

    def _list_cells(self, parts: IntArray) -> list[IntArray]:
        """The cells of each of some parts, rising."""
        of_part, order = sort_keys(self.part_of)
        starts = np.searchsorted(of_part, parts).tolist()
        stops = np.searchsorted(of_part, parts, side="right").tolist()
        return [order[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def _split(self, votes: tuple[IntArray, IntArray, IntArray]) -> bool:
        """Make cells that have parted from their storms storms of their own: whether any have."""
        large = votes[2] >= self.options.split_flashes
        parts, storms, flashes = (column[large] for column in votes)
        found, counts, _ = number_keys(storms)
        any_split = False
        for storm in found[counts > 1]:
            mine = np.flatnonzero(storms == storm)
            main, *rest = parts[mine[np.argsort(-flashes[mine], kind="stable")]]
            of_storm = np.flatnonzero(self.labels == storm)
            of_part = self.part_of[of_storm]
            trunk = self._find_places(of_storm[of_part == main])
            for part in rest:
                branch = of_storm[of_part == part]
                if _measure_gap(trunk, self._find_places(branch)) > self.options.split_km:
                    self.labels[branch] = self.book.branch_off(int(storm), self.step)
                    any_split = True
        return any_split

    def _find_places(self, cells: IntArray) -> FloatArray:
        """Middles of the different pixels of cells, km, shape (pixels, 3)."""
        return self.cells.centers[number_keys(self.pixels[cells])[0]]

    def _meet(self, meeting: IntArray, storms: list[int], votes: list[int]) -> None:
        """Take storms that have met for one, or tell their new flashes apart.

        Args:
            meeting: The cells where they have met.
            storms: The storms.
            votes: Flashes of each in the memory.
        """
        options, book = self.options, self.book
        born = [book.born[storm] for storm in storms]
        main = min(zip((-vote for vote in votes), born, storms, strict=True))[2]
        few = max(options.settle_flashes, options.settle_share * max(votes))
        part_of_main = {
            storm
            for storm, vote, since in zip(storms, votes, born, strict=True)
            if storm != main
            and vote < few
            and (self.step - since) * options.step_minutes < options.settle_minutes
        }
        for storm in storms:
            if storm in part_of_main:
                book.absorb(storm, main)
        first_new = int(np.searchsorted(meeting, self.n_old))
        old, new = meeting[:first_new], meeting[first_new:]
        if book.is_changed:
            labels = self.labels[old]
            book.follow(labels)
            self.labels[old] = labels
        present = [storm for storm in storms if storm not in part_of_main]
        takes = [
            storm
            for storm, vote in zip(storms, votes, strict=True)
            if storm not in part_of_main and (storm == main or vote >= _MEET_FLASHES)
        ]
        if len(takes) == 1:
            self.labels[new] = takes[0]
            flashing = takes
        else:
            labels = self._share_out(old, new, np.array(takes))
            self.labels[new] = labels
            flashing = [*set(labels.tolist())]
        if len(present) > 1:
            other = next(storm for storm in present if storm != main)
            book.note_meeting(flashing, main, other)

    def _share_out(self, old: IntArray, new: IntArray, storms: IntArray) -> IntArray:
        """The storms that are strongest about new cells."""
        number = self.book.number_among(self.labels[old], storms)
        old, number = old[number >= 0], number[number >= 0]
        pixels, _, index = number_keys(self.pixels[old])
        slots = index * storms.size + number
        of_storm = sum_groups(slots, self.counts[old].astype(float), pixels.size * storms.size)
        of_storm = of_storm.reshape(pixels.size, storms.size)
        here, there = self.cells.centers[self.pixels[new]], self.cells.centers[pixels]
        width = _SMOOTH_SHARE * self.options.link_km
        most = max(_PAIRS // pixels.size, 1)
        strongest = [
            find_strongest(here[first : first + most], there, of_storm, width)
            for first in range(0, new.size, most)
        ]
        return np.asarray(storms[np.concatenate(strongest)])


def _measure_gap(first: FloatArray, second: FloatArray) -> float:
    """Least distance between two sets of places, km."""
    most = max(_PAIRS // len(second), 1)
    least = [
        sum(np.subtract.outer(*axis) ** 2 for axis in zip(some.T, second.T, strict=True)).min()
        for some in (first[start : start + most] for start in range(0, len(first), most))
    ]
    return float(np.sqrt(min(least)))
