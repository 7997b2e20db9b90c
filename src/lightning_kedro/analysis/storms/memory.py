"""The flashes of the last few steps, by pixel, and the parts in which they hang together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    PixelGrid,
    connect,
    number_keys,
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
class Cells:
    """The flashes of a block by pixel and step: all of one pixel and step are of one storm.

    Attributes:
        options: How storms are followed.
        centers: Middles of the block's pixels, km, shape (pixels, 3).
        near: Pairs of pixels that are joined, shape (2, pairs).
        step: Step of each cell, shape (cells,), rising.
        pixel: Its pixel, from 0, rising within a step, shape (cells,).
        counts: Its flashes, shape (cells,).
        labels: Its storm, shape (cells,); -1 until it has one.
        of_flash: The cell of each flash, shape (flashes,).
    """

    options: TrackOptions
    centers: FloatArray
    near: IntArray
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
        starts, second = grid.find_near(found, options.link_km, both_ways=False)
        first = np.repeat(np.arange(found.size), np.diff(starts))
        return cls(
            options=options,
            centers=grid.find_centers(found),
            near=np.stack([first, second]),
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

    def join_memories(self, steps: IntArray) -> Iterator[tuple[int, IntArray]]:
        """Find the parts in which the memories of steps hang together.

        Args:
            steps: Steps, rising, each with flashes.

        Yields:
            Each step, and the part of each cell of its memory, shape (memory,), from 0 in the order
            of their first pixels.
        """
        for first in range(0, steps.size, _STEPS_AT_ONCE):
            chunk = steps[first : first + _STEPS_AT_ONCE]
            yield from zip(chunk.tolist(), self._join(chunk), strict=True)

    def _join(self, steps: IntArray) -> list[IntArray]:
        """The parts of the memories of some steps."""
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
        both = bits[self.near[0]] & bits[self.near[1]]
        some = both != 0
        both, first, second = both[some], self.near[0][some], self.near[1][some]
        firsts, seconds = [], []
        for number, mine in enumerate(nodes):
            joined = (both & np.uint8(1 << number)) != 0
            firsts.append(mine[first[joined]])
            seconds.append(mine[second[joined]])
        n_nodes = int(nodes[-1, -1]) + 1
        _, parts = connect(np.concatenate(firsts), np.concatenate(seconds), n_nodes)
        found = [parts[nodes[number][mine]] for number, mine in enumerate(pixels)]
        return [part_of - part_of.min() for part_of in found]
