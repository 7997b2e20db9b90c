"""Core flashes of DBSCAN, and the core flash that each other one goes with: exact.

All flashes of a pixel are near each other in space: its diagonal is ``eps_km``. In order of pixels
and times, a flash with ``min_flashes`` of its pixel within ``eps_minutes`` shows by those that
stand just before and after it. That settles nearly all flashes of storms; distances are measured
for the few others only. A flash that is no core flash has few neighbors, so that
its nearest one is at hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    PixelGrid,
    list_ranges,
    mark_first,
    sort_keys,
)
from lightning_kedro.analysis.workers import THREADS, Workers

if TYPE_CHECKING:
    from lightning_kedro.analysis.storms.dbscan import Density

BoolArray = npt.NDArray[np.bool_]

NOISE: Final = -1
"""The cluster of a flash that is in none."""

SLOTS_PER_BLOCK: Final = 24
"""Time is taken in blocks of so many ``eps_minutes``, so that memory does not grow with it."""

_MARGIN_SLOTS: Final = 2.5
"""Whether a flash is a core flash takes one ``eps_minutes``, where others go another, and more."""

_TICKS: Final = 2**20
"""Times of a block are told apart by so many ticks, until exact ones decide."""

_CORE_SECONDS: Final = 1e-6
"""About what one core takes to find the core flash of a flash; longer where few are dense."""

_PROBES: Final = 2
"""Candidates of a pixel that are tried before all of them are."""

_PAIRS: Final = 2**19
"""Pairs of flashes looked at in one go."""

_ROUNDING: Final = 1e-9


def find_core(
    lat: npt.ArrayLike,
    lon: npt.ArrayLike,
    minutes: FloatArray,
    density: "Density",
    workers: Workers = THREADS,
) -> IntArray:
    """Find the core flash that each flash goes with, without joining core flashes to clusters.

    Args:
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees, any turn.
        minutes: Times, shape (n,), minutes since any moment, rising.
        density: What is dense.
        workers: Who looks at blocks.

    Returns:
        Itself for core flashes, the nearest core flash for border flashes, the earliest of equally
        near ones, -1 for noise; shape (n,).
    """
    lat, lon = np.asarray(lat), np.asarray(lon)
    nearest = np.full(minutes.size, NOISE, dtype=np.int64)
    blocks = [*_list_blocks(minutes, density.eps_minutes)]
    tasks = [
        partial(_settle_inner, lat[rows], lon[rows], minutes[rows], density, inner)
        for rows, inner in blocks
    ]
    found = workers.run(tasks, minutes.size * _CORE_SECONDS, "Finding dense flashes")
    for (rows, inner), near in zip(blocks, found, strict=True):
        new = nearest[rows][inner]  # a view: each block writes what it alone settles
        np.copyto(new, near + rows.start, where=near >= 0)
    return nearest


def _settle_inner(
    lat: FloatArray, lon: FloatArray, minutes: FloatArray, density: "Density", inner: slice
) -> IntArray:
    """What a block settles."""
    return _settle(lat, lon, minutes, density)[inner]


def _list_blocks(minutes: FloatArray, slot_minutes: float) -> Iterator[tuple[slice, slice]]:
    """Blocks of flashes: all that are looked at, and which of these are settled."""
    if minutes.size == 0:
        return
    first, last = (np.floor(minutes[row] / slot_minutes) for row in (0, -1))
    for start in np.arange(first, last + 1.0, SLOTS_PER_BLOCK):
        stop = start + SLOTS_PER_BLOCK
        edges = np.array([start - _MARGIN_SLOTS, start, stop, stop + _MARGIN_SLOTS]) * slot_minutes
        low, begin, end, high = np.searchsorted(minutes, edges)
        if begin < end:
            yield slice(int(low), int(high)), slice(int(begin - low), int(end - low))


@dataclass(frozen=True, slots=True, eq=False)
class _Flashes:
    """Flashes in order of pixels and times.

    Attributes:
        order: Where each stands among those given, shape (n,).
        lat: Latitudes as given, degrees, shape (n,).
        lon: Longitudes as given, degrees, shape (n,).
        keys: Their pixels, rising, shape (n,).
        times: Times, minutes, rising within a pixel, shape (n,).
    """

    order: IntArray
    lat: FloatArray
    lon: FloatArray
    keys: IntArray
    times: FloatArray

    def find_crowded(self, density: "Density") -> BoolArray:
        """Which surely are core flashes: for those of their pixel just before and after them."""
        n, wanted = self.order.size, density.min_flashes
        crowded = np.zeros(n, dtype=np.bool_)
        for before in sorted({0, wanted // 2, wanted - 1}):
            # Flash i is flanked by the flashes i - before and i - before + wanted - 1.
            if n < wanted:
                break
            low, high = slice(0, n - wanted + 1), slice(wanted - 1, n)
            here = slice(before, n - wanted + 1 + before)
            times = self.times[here]
            flanked = self.keys[low] == self.keys[high]
            flanked &= times - self.times[low] <= density.eps_minutes
            flanked &= self.times[high] - times <= density.eps_minutes
            crowded[here] |= flanked
        return crowded

    def list_ranges(self, flashes: IntArray, density: "Density") -> "_Ranges":
        """Where all stand that may be neighbors of some flashes, these included."""
        is_first = mark_first(self.keys)
        pixel = np.cumsum(is_first) - 1
        # A flash is within half a diagonal of its pixel's middle, and half of one of the other's.
        reach_km = 2.0 * density.eps_km * (1.0 + _ROUNDING)
        near = PixelGrid(density.eps_km).find_near(self.keys[is_first], reach_km)
        start = float(self.times.min()) - 2.0 * density.eps_minutes
        rate = (_TICKS - 1) / (float(self.times.max()) + 2.0 * density.eps_minutes - start)
        ticks = pixel * _TICKS + ((self.times - start) * rate).astype(np.int64)
        number, there = near.list_about(pixel[flashes])
        times = self.times[flashes][number] - start
        reach = density.eps_minutes * (1.0 + _ROUNDING)
        low = np.searchsorted(ticks, there * _TICKS + ((times - reach) * rate).astype(np.int64))
        high = there * _TICKS + ((times + reach) * rate).astype(np.int64)
        counts = np.searchsorted(ticks, high, side="right") - low
        some = np.flatnonzero(counts)
        some = some[np.argsort(number[some], kind="stable")]
        return _Ranges(flashes[number[some]], low[some], counts[some])

    def measure(
        self, first: IntArray, second: IntArray, density: "Density"
    ) -> tuple[IntArray, FloatArray]:
        """Which pairs of flashes are neighbors, and how far apart these are, in shares of eps."""
        times = self.times[first] - self.times[second]
        kept = np.flatnonzero(np.abs(times) <= density.eps_minutes)
        first, second, times = first[kept], second[kept], times[kept]
        touched = np.zeros(self.order.size, dtype=np.bool_)
        touched[first], touched[second] = True, True
        rows = np.flatnonzero(touched)
        place = np.cumsum(touched) - 1
        mine = self.order[rows]
        vectors = to_unit_vectors(self.lat[mine], self.lon[mine]) * EARTH_RADIUS_KM
        squares = np.zeros(kept.size)
        one, two = place[first], place[second]
        for values in np.ascontiguousarray(vectors.T):
            squares += (values[one] - values[two]) ** 2
        near = np.flatnonzero(squares <= density.eps_km**2)
        apart = squares[near] / density.eps_km**2 + (times[near] / density.eps_minutes) ** 2
        return kept[near], apart


@dataclass(frozen=True, slots=True, eq=False)
class _Ranges:
    """Where those stand that may be neighbors of some flashes.

    Attributes:
        flash: A flash, rising, shape (ranges,).
        low: The first of its candidates in a pixel, shape (ranges,).
        counts: How many there are, shape (ranges,).
    """

    flash: IntArray
    low: IntArray
    counts: IntArray

    def keep(self, kept: BoolArray) -> "_Ranges":
        """Those of some flashes, shape (n,)."""
        mine = np.flatnonzero(kept[self.flash])
        return _Ranges(self.flash[mine], self.low[mine], self.counts[mine])

    def probe(self) -> tuple[IntArray, IntArray]:
        """List a few candidates of each range, no one twice, shape (pairs,) each."""
        taken = np.minimum(self.counts, _PROBES)
        probe = list_ranges(np.zeros(taken.size, dtype=np.int64), taken)
        shift = probe * np.repeat(self.counts, taken) // np.repeat(taken, taken)
        return np.repeat(self.flash, taken), np.repeat(self.low, taken) + shift

    def expand(self) -> Iterator[tuple[IntArray, IntArray]]:
        """List some flashes after others, each with all of its candidates, shape (pairs,) each."""
        n = int(self.flash.max(initial=-1)) + 1
        ends = np.cumsum(np.bincount(self.flash, self.counts, n))
        groups = (ends // _PAIRS).astype(np.int64)[self.flash]
        edges = np.flatnonzero(np.diff(groups, prepend=-1, append=groups[-1:] + 1))
        for start, stop in pairwise(edges.tolist()):
            counts = self.counts[start:stop]
            rows = list_ranges(self.low[start:stop], counts)
            yield np.repeat(self.flash[start:stop], counts), rows


def _settle(lat: FloatArray, lon: FloatArray, minutes: FloatArray, density: "Density") -> IntArray:
    """The core flash that each flash of a block goes with, shape (n,); -1 for noise."""
    keys, order = sort_keys(PixelGrid(density.eps_km).find_keys(lat, lon))
    flashes = _Flashes(order, lat, lon, keys, minutes[order])
    is_core = flashes.find_crowded(density)
    ranges = flashes.list_ranges(np.flatnonzero(~is_core), density)
    first, second = ranges.probe()
    near, _ = flashes.measure(first, second, density)
    is_core |= np.bincount(first[near], minlength=is_core.size) >= density.min_flashes
    pairs = []
    for some, about in ranges.keep(~is_core).expand():
        near, apart = flashes.measure(some, about, density)
        first, second = some[near], about[near]
        is_core |= np.bincount(first, minlength=is_core.size) >= density.min_flashes
        rest = np.flatnonzero(~is_core[first])  # each of them with less than min_flashes others
        pairs.append((first[rest], second[rest], apart[rest]))
    nearest = np.where(is_core, order, NOISE)
    if pairs:
        first, second, apart = (np.concatenate(column) for column in zip(*pairs, strict=True))
        kept = np.flatnonzero(is_core[second])
        first, second, apart = first[kept], order[second[kept]], apart[kept]
        best = np.lexsort((second, apart, first))
        best = best[mark_first(first[best])]
        nearest[first[best]] = second[best]
    found = np.empty_like(nearest)
    found[order] = nearest
    return found
