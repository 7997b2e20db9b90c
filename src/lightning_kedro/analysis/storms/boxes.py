"""Boxes in space and time whose flashes are all neighbors, and pairs of boxes near each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    PixelGrid,
    list_ranges,
    sort_keys,
)

if TYPE_CHECKING:
    from lightning_kedro.analysis.storms.dbscan import Density

BoolArray = npt.NDArray[np.bool_]

Bounds: TypeAlias = tuple[FloatArray, FloatArray]

_ROUNDING: Final = 1e-9
"""By this share bounds are widened, so that rounding never decides what only distances may."""


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Flashes in order of their boxes, and which boxes may hold neighbors.

    A box is a pixel for the length of a slot of time. Flashes of one box are neighbors.

    Attributes:
        density: What neighbors are.
        of_flash: The box of each flash, shape (n,), rising.
        counts: Flashes of each box, shape (m,).
        starts: The first flash of each box, shape (m,).
        pixel: The pixel of each box, from 0, shape (m,).
        slot: The slot of time of each box, from 0, shape (m,).
        near_starts: Where the pixels near each pixel begin in ``near``, shape (pixels + 1,).
        near: Pixels near each pixel, itself not included.
    """

    density: "Density"
    of_flash: IntArray
    counts: IntArray
    starts: IntArray
    pixel: IntArray
    slot: IntArray
    near_starts: IntArray
    near: IntArray

    def find_pairs(self, wanted: IntArray, bounds: Bounds) -> tuple[IntArray, IntArray, BoolArray]:
        """Find boxes that hold, or may hold, neighbors of the flashes of others.

        Args:
            wanted: Boxes, shape (w,), none of them empty.
            bounds: Where and when the flashes of each box are.

        Returns:
            Boxes of ``wanted`` and later boxes near them, shape (p,) each, and whether surely all
            flashes of the one are neighbors of all of the other.
        """
        first, second = self._list_near(wanted)
        kept = np.flatnonzero(second > first)
        first, second = first[kept], second[kept]
        *places, times = zip(*bounds, strict=True)
        gap, span = _measure_gap(times, first, second)
        kept = np.flatnonzero(gap <= self.density.eps_minutes)
        first, second, span = first[kept], second[kept], span[kept]
        nearest, farthest = np.zeros(first.size), np.zeros(first.size)
        for bound in places:
            gap, reach = _measure_gap(bound, first, second)
            nearest += np.maximum(gap, 0.0) ** 2
            farthest += reach**2
        eps2 = self.density.eps_km**2
        may = np.flatnonzero(nearest <= eps2 * (1.0 + _ROUNDING))
        whole = (farthest <= eps2 * (1.0 - _ROUNDING)) & (span <= self.density.eps_minutes)
        return first[may], second[may], whole[may]

    def find_bounds(self, coordinates: FloatArray) -> Bounds:
        """Least and greatest coordinates of the flashes of each box, shape (4, m) each.

        Args:
            coordinates: Places of the flashes, km, and their times, minutes, shape (4, n).
        """
        low = np.minimum.reduceat(coordinates, self.starts, axis=1)
        return low, np.maximum.reduceat(coordinates, self.starts, axis=1)

    def expand(
        self, first: IntArray, second: IntArray, most: int, probes: int | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """List all pairs of flashes of pairs of boxes, about ``most`` at a time.

        Args:
            first: Boxes, shape (p,).
            second: Boxes, shape (p,).
            most: About how many pairs of flashes to list at once.
            probes: Take no more than so many flashes of a box, evenly over its time.

        Yields:
            Flashes of the first and of the second boxes, shape (q,) each.
        """
        taken = self.counts if probes is None else np.minimum(self.counts, probes)
        sizes = taken[first] * taken[second]
        groups = np.cumsum(sizes) // most
        edges = np.flatnonzero(np.diff(groups, prepend=-1, append=groups[-1:] + 1))
        for start, stop in pairwise(edges.tolist()):
            mine = slice(start, stop)
            one, two = first[mine], second[mine]
            pair = np.repeat(np.arange(one.size), sizes[mine])
            number = list_ranges(np.zeros(one.size, dtype=np.int64), sizes[mine])
            here, there = np.divmod(number, taken[two][pair])
            one, two = one[pair], two[pair]
            yield self._pick(one, here, taken), self._pick(two, there, taken)

    def _pick(self, box: IntArray, number: IntArray, taken: IntArray) -> IntArray:
        """Flashes of boxes by their number among those taken."""
        return self.starts[box] + number * self.counts[box] // taken[box]

    def _list_near(self, wanted: IntArray) -> tuple[IntArray, IntArray]:
        """Boxes in near pixels of the same slot of time, the one before and the one after."""
        n_slots = int(self.slot.max(initial=0)) + 1
        table = np.full((self.near_starts.size - 1, n_slots + 2), -1, dtype=np.int32)
        table[self.pixel, self.slot + 1] = np.arange(self.counts.size)
        pixel = self.pixel[wanted]
        counts = self.near_starts[pixel + 1] - self.near_starts[pixel]
        near = np.concatenate([pixel, self.near[list_ranges(self.near_starts[pixel], counts)]])
        first = np.concatenate([wanted, np.repeat(wanted, counts)])
        places = near * (n_slots + 2) + self.slot[first]
        firsts, seconds = [], []
        for step in range(3):
            found = table.ravel()[places + step]
            there = np.flatnonzero(found >= 0)
            firsts.append(first[there])
            seconds.append(found[there].astype(np.int64))
        return np.concatenate(firsts), np.concatenate(seconds)


def _measure_gap(
    bounds: Bounds, first: IntArray, second: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Least and greatest distance of the values of boxes, pair by pair; below 0 if they overlap."""
    low, high = bounds
    early, late = low[first] - high[second], high[first] - low[second]
    return np.maximum(early, -late), np.maximum(late, -early)


def make_boxes(
    lat: npt.ArrayLike,
    lon: npt.ArrayLike,
    minutes: FloatArray,
    density: "Density",
) -> tuple[IntArray, Boxes]:
    """Put flashes into boxes.

    Args:
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        minutes: Times, shape (n,), minutes, rising.
        density: What neighbors are.

    Returns:
        The order of the flashes by box, and within a box by time, shape (n,); and the boxes of the
        flashes in this order.
    """
    grid = PixelGrid(density.eps_km)
    slots = np.floor(minutes / density.eps_minutes).astype(np.int64)
    slots -= slots.min(initial=np.iinfo(np.int64).max)
    n_slots = int(slots.max(initial=0)) + 1
    ordered, order = sort_keys(grid.find_keys(lat, lon) * n_slots + slots)
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    counts = np.diff(starts, append=ordered.size)
    of_flash = np.repeat(np.arange(starts.size), counts)
    box_keys, box_slot = np.divmod(ordered[starts], n_slots)
    is_new = np.diff(box_keys, prepend=-1) != 0
    # A flash is within half a diagonal of its pixel's middle, and half of one of the other's.
    reach_km = 2.0 * density.eps_km * (1.0 + _ROUNDING)
    near = grid.find_near(box_keys[is_new], reach_km)
    boxes = Boxes(
        density=density,
        of_flash=of_flash,
        counts=counts,
        starts=starts,
        pixel=np.cumsum(is_new) - 1,
        slot=box_slot,
        near_starts=near.starts,
        near=near.second,
    )
    return order, boxes
