"""The flashes of the last few steps, by pixel, and the parts in which they hang together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    NearPixels,
    PixelGrid,
    connect,
    number_keys,
    sort_keys,
)

_STEPS_AT_ONCE: Final = 8
"""Parts of the memories of so many steps are found in one go: the bits of a byte."""


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
    """

    link_km: float
    step_minutes: float
    memory_minutes: float
    settle_minutes: float
    settle_flashes: int
    settle_share: float
    split_km: float
    split_flashes: int

    @property
    def memory_steps(self) -> int:
        """Length of the memory, steps."""
        return max(round(self.memory_minutes / self.step_minutes), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The cells of the last few steps: those of a step, and the old ones before it.

    Attributes:
        step: The step.
        cells: Which cells of the block these are; the step's own ones last.
        n_old: How many of them are old.
        part_of: The part of each cell, shape (memory,), from 0 in the order of the first pixels.
        n_parts: Number of parts.
        old: The old cells part by part, rising within a part, shape (old,).
        new: The step's cells likewise, shape (new,).
        old_starts: Where each part begins in ``old``, shape (parts + 1,).
        new_starts: Likewise in ``new``, shape (parts + 1,).
    """

    step: int
    cells: slice
    n_old: int
    part_of: IntArray
    n_parts: int
    old: IntArray
    new: IntArray
    old_starts: IntArray
    new_starts: IntArray

    @classmethod
    def sort(cls, step: int, edges: tuple[int, int, int], parts: IntArray) -> Self:
        """Sort the cells of a memory by part.

        Args:
            step: The step.
            edges: As ``Cells.find_memory`` gives them.
            parts: The part of each cell, shape (memory,).
        """
        low, start, high = edges
        n_old, n_parts = start - low, int(parts.max()) + 1
        of_old, old = sort_keys(parts[:n_old])
        of_new, new = sort_keys(parts[n_old:])
        every = np.arange(n_parts + 1)
        return cls(
            step=step,
            cells=slice(low, high),
            n_old=n_old,
            part_of=parts,
            n_parts=n_parts,
            old=old,
            new=new + n_old,
            old_starts=np.searchsorted(of_old, every),
            new_starts=np.searchsorted(of_new, every),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The flashes of a block by pixel and step: all of one pixel and step are of one storm.

    Attributes:
        options: How storms are followed.
        centers: Middles of the block's pixels, km, shape (pixels, 3).
        near: Which pixels are joined.
        step: Step of each cell, shape (cells,), rising.
        pixel: Its pixel, from 0, rising within a step, shape (cells,).
        counts: Its flashes, shape (cells,).
        labels: Its storm, shape (cells,); -1 until it has one.
        of_flash: The cell of each flash, shape (flashes,).
    """

    options: TrackOptions
    centers: FloatArray
    near: NearPixels
    step: IntArray
    pixel: IntArray
    counts: IntArray
    labels: IntArray
    of_flash: IntArray

    @classmethod
    def gather(
        cls, grid: PixelGrid, keys: IntArray, steps: IntArray, options: TrackOptions
    ) -> Self:
        """Gather flashes into cells.

        Args:
            grid: The pixels.
            keys: Pixel of each flash, shape (n,).
            steps: Its step, shape (n,), rising.
            options: How storms are followed.
        """
        base, stride = int(steps[0]), int(keys.max()) + 1
        cells, counts, of_flash = number_keys((steps - base) * stride + keys)
        step, key = np.divmod(cells, stride)
        found, _, pixel = number_keys(key)
        return cls(
            options=options,
            centers=grid.find_centers(found),
            near=grid.find_near(found, options.link_km),
            step=step + base,
            pixel=pixel,
            counts=counts,
            labels=np.full(cells.size, -1, dtype=np.int64),
            of_flash=of_flash,
        )

    def find_memory(self, step: int) -> tuple[int, int, int]:
        """The first cell of a step's memory, the first one of the step, and the end of both."""
        edges = [step - self.options.memory_steps + 1, step, step + 1]
        low, start, high = np.searchsorted(self.step, edges).tolist()
        return low, start, high

    def join_memories(self, steps: IntArray) -> Iterator[Memory]:
        """Find the parts in which the memories of steps hang together.

        Args:
            steps: Steps, rising, each with flashes.

        Yields:
            The memory of each step.
        """
        once = np.flatnonzero(self.near.first < self.near.second)
        pairs = self.near.first[once], self.near.second[once]
        for first in range(0, steps.size, _STEPS_AT_ONCE):
            chunk = steps[first : first + _STEPS_AT_ONCE]
            for step, parts in zip(chunk.tolist(), self._join(chunk, pairs), strict=True):
                yield Memory.sort(step, self.find_memory(step), parts)

    def _join(self, steps: IntArray, pairs: tuple[IntArray, IntArray]) -> list[IntArray]:
        """The parts of the memories of some steps; ``pairs`` of near pixels, each once."""
        memories = [self.find_memory(int(step)) for step in steps]
        pixels = [self.pixel[low:high] for low, _, high in memories]
        # One graph for all: its nodes are the pixels of each memory, one memory after the other.
        # A bit of an integer says whether a pixel is in one of them.
        n_pixels = len(self.centers)
        bits = np.zeros(n_pixels, dtype=np.uint8)
        filled = np.zeros((steps.size, n_pixels), dtype=np.bool_)
        for number, mine in enumerate(pixels):
            filled[number, mine] = True
            bits[mine] |= np.uint8(1 << number)
        nodes = np.cumsum(filled, dtype=np.int64).reshape(filled.shape)
        nodes -= 1
        both = bits[pairs[0]] & bits[pairs[1]]
        some = np.flatnonzero(both)
        both, first, second = both[some], pairs[0][some], pairs[1][some]
        firsts, seconds = [], []
        for number, mine in enumerate(nodes):
            joined = (both & np.uint8(1 << number)) != 0
            firsts.append(mine[first[joined]])
            seconds.append(mine[second[joined]])
        n_nodes = int(nodes[-1, -1]) + 1
        _, parts = connect(np.concatenate(firsts), np.concatenate(seconds), n_nodes)
        found = [parts[nodes[number][mine]] for number, mine in enumerate(pixels)]
        return [part_of - part_of.min() for part_of in found]
