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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.book import NO_STORM, Book
from lightning_kedro.analysis.storms.memory import Cells, Memory, TrackOptions
from lightning_kedro.analysis.storms.pixels import IntArray, PixelGrid, number_keys
from lightning_kedro.analysis.storms.strength import FlashesOfStorms, find_strongest
from lightning_kedro.analysis.threads import map_ahead

STEPS_PER_BLOCK: Final = 72
"""Steps are taken in blocks of so many, so that memory does not grow with the window."""

_PIXEL_SHARE: Final = float(np.sqrt(0.5))
"""Diagonal of a pixel, as a share of the distance over which flashes are joined."""

_MEET_FLASHES: Final = 5
"""A storm with fewer flashes than this in a cell takes no new ones there, if there is another one.

It was tuned with the options, but is nothing that people would change."""

_PAIRS: Final = 2**21
"""Pairs of pixels weighed in one go."""

_PROBE_EVERY: Final = 8

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

    def gather(block: tuple[int, int, int]) -> tuple[Cells, list[Memory]]:
        low, start, high = block
        cells = Cells.gather(grid, keys[low:high], steps[low:high], options)
        return cells, [*cells.join_memories(np.unique(steps[start:high]))]

    blocks = _list_blocks(steps, options.memory_steps)
    for (low, _, high), (cells, memories) in zip(blocks, map_ahead(gather, blocks), strict=True):
        cells.labels[cells.of_flash] = labels[low:high]  # those of a cell are all the same
        for memory in memories:
            _Step(cells, memory, options, book).take()
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


class _Meeting(NamedTuple):
    """Storms that have met.

    Attributes:
        part: The part of the memory where they have.
        main: The one with the most flashes there.
        present: Those that are no parts of it, itself included.
        takes: Those of them that take new flashes.
    """

    part: int
    main: int
    present: list[int]
    takes: list[int]


class _Step:
    """What becomes of the flashes of a step.

    Attributes:
        cells: The cells of the block.
        memory: Those of the last few steps.
        labels: The storm of each of these, shape (memory,): a view, so that what is written there
            stays. Some may be of storms that turned out to be parts of others.
    """

    def __init__(self, cells: Cells, memory: Memory, options: TrackOptions, book: Book) -> None:
        self.cells, self.memory = cells, memory
        self.options, self.book = options, book
        self.labels = cells.labels[memory.cells]
        self.counts = cells.counts[memory.cells]
        self.pixels = cells.pixel[memory.cells]

    def take(self) -> None:
        """Give the flashes of the step their storms."""
        book, memory = self.book, self.memory
        votes = self._count_votes()
        if self._split(votes):
            votes = self._count_votes()
        n_storms = np.bincount(votes[0], minlength=memory.n_parts)
        where = np.concatenate([[0], np.cumsum(n_storms)])
        n_new = np.diff(memory.new_starts)
        of_part = np.full(memory.n_parts, NO_STORM)
        single = np.flatnonzero(n_storms == 1)
        of_part[single] = votes[1][where[single]]
        alone = np.flatnonzero((n_storms == 0) & (n_new > 0))
        of_part[alone] = book.open_storms(alone.size, memory.step)
        book.part_ways(of_part[(of_part >= 0) & (n_new > 0)])
        storms, flashes = votes[1].tolist(), votes[2].tolist()
        shared = []
        for part in np.flatnonzero((n_storms > 1) & (n_new > 0)).tolist():
            mine = slice(where[part], where[part + 1])
            meeting = self._meet(part, storms[mine], flashes[mine])
            if len(meeting.takes) > 1:
                shared.append(meeting)
            else:
                of_part[part] = meeting.main
                self._note(meeting, [meeting.main])
        self.labels[memory.new] = np.repeat(of_part, n_new)
        self._share_out(shared)

    def _count_votes(self) -> tuple[IntArray, IntArray, IntArray]:
        """Flashes by part and storm: parts, storms and counts, in order of both."""
        memory = self.memory
        labels = self.book.find_whole(self.labels[memory.old])
        keys = np.repeat(np.arange(memory.n_parts) * _LABELS, np.diff(memory.old_starts)) + labels
        runs = np.flatnonzero(np.diff(keys, prepend=-1))  # most cells of a part are of one storm
        counts = self.counts[memory.old]
        counts = np.add.reduceat(counts, runs) if runs.size else counts
        keys, _, index = number_keys(keys[runs])
        votes = np.bincount(index, counts, keys.size).astype(np.int64)
        return keys // _LABELS, keys % _LABELS, votes

    def _list_old(self, part: int) -> IntArray:
        """The old cells of a part, rising."""
        starts = self.memory.old_starts
        return self.memory.old[starts[part] : starts[part + 1]]

    def _split(self, votes: tuple[IntArray, IntArray, IntArray]) -> bool:
        """Make cells that have parted from their storms storms of their own: whether any have."""
        large = votes[2] >= self.options.split_flashes
        parts, storms, flashes = (column[large] for column in votes)
        found, counts, _ = number_keys(storms)
        any_split = False
        for storm in found[counts > 1].tolist():
            mine = np.flatnonzero(storms == storm)
            main, *rest = parts[mine[np.argsort(-flashes[mine], kind="stable")]].tolist()
            trunk = self._find_places(self._list_cells(main, storm))
            for part in rest:
                branch = self._list_cells(part, storm)
                if _are_apart(trunk, self._find_places(branch), self.options.split_km):
                    self.labels[branch] = self.book.branch_off(storm, self.memory.step)
                    any_split = True
        return any_split

    def _list_cells(self, part: int, storm: int) -> IntArray:
        """The old cells of a part that are of a storm."""
        old = self._list_old(part)
        return np.asarray(old[self.book.find_whole(self.labels[old]) == storm])

    def _find_places(self, cells: IntArray) -> FloatArray:
        """Middles of the pixels of cells, km, shape (cells, 3)."""
        return self.cells.centers[self.pixels[cells]]

    def _meet(self, part: int, storms: list[int], votes: list[int]) -> _Meeting:
        """Take storms that have met for one, where some are but parts of the largest.

        Args:
            part: The part of the memory where they have met.
            storms: The storms.
            votes: Flashes of each in the memory.
        """
        options, book = self.options, self.book
        if not book.absorbed.isdisjoint(storms):  # by another meeting of the step
            storms, votes = self._add_up(storms, votes)
        most = max(votes)
        few = max(options.settle_flashes, options.settle_share * most)
        main = min(
            (-vote, book.born[storm], storm) for storm, vote in zip(storms, votes, strict=True)
        )[2]
        youngest = self.memory.step - options.settle_minutes / options.step_minutes
        present, takes = [], []
        for storm, vote in zip(storms, votes, strict=True):
            if storm != main and vote < few and book.born[storm] > youngest:
                book.absorb(storm, main)
                continue
            present.append(storm)
            if storm == main or vote >= _MEET_FLASHES:
                takes.append(storm)
        return _Meeting(part, main, present, takes)

    def _add_up(self, storms: list[int], votes: list[int]) -> tuple[list[int], list[int]]:
        """The storms that some are parts of, rising, and the votes of each."""
        whole, _, index = number_keys(self.book.find_whole(np.array(storms)))
        return whole.tolist(), np.bincount(index, votes).astype(np.int64).tolist()

    def _list_new(self, part: int) -> IntArray:
        """The step's cells of a part, rising."""
        starts = self.memory.new_starts
        return self.memory.new[starts[part] : starts[part + 1]]

    def _note(self, meeting: _Meeting, flashing: Iterable[int]) -> None:
        """Note whom the storms that have new flashes in a meeting have met."""
        if len(meeting.present) > 1:
            other = next(storm for storm in meeting.present if storm != meeting.main)
            self.book.note_meeting(flashing, meeting.main, other)

    def _share_out(self, meetings: list[_Meeting]) -> None:
        """Give new cells where storms have met to those that are strongest about them."""
        if not meetings:
            return
        news = [self._list_new(meeting.part) for meeting in meetings]
        old = np.concatenate([self._list_old(meeting.part) for meeting in meetings])
        # Another meeting may have made parts of others of some of them since.
        takes = np.unique(self.book.find_whole(np.concatenate([each.takes for each in meetings])))
        number = self.book.number_among(self.book.find_whole(self.labels[old]), takes)
        old, number = old[number >= 0], number[number >= 0]
        places = FlashesOfStorms(self.pixels[old], number, self.counts[old], takes.size)
        pixels = self.pixels[np.concatenate(news)]
        strongest = takes[find_strongest(pixels, places, self.cells.near, self.cells.centers)]
        edges = np.cumsum([mine.size for mine in news])[:-1]
        for meeting, new, labels in zip(meetings, news, np.split(strongest, edges), strict=True):
            self.labels[new] = labels
            self._note(meeting, set(labels.tolist()))


def _are_apart(first: FloatArray, second: FloatArray, distance_km: float) -> bool:
    """Whether all of two sets of places are farther apart than a distance."""
    some = slice(None, None, _PROBE_EVERY)  # a few that are near settle it for most
    return all(
        _measure_gap(one, two) > distance_km
        for one, two in ((first[some], second[some]), (first, second))
    )


def _measure_gap(first: FloatArray, second: FloatArray) -> float:
    """Least distance between two sets of places, km."""
    most = max(_PAIRS // len(second), 1)
    least = [
        sum(np.subtract.outer(*axis) ** 2 for axis in zip(some.T, second.T, strict=True)).min()
        for some in (first[start : start + most] for start in range(0, len(first), most))
    ]
    return float(np.sqrt(min(least)))
