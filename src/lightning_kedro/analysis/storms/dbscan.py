"""DBSCAN in space and time on the sphere: exact, without a list of all neighbors.

Two flashes are neighbors if the chord between them is at most ``eps_km`` and the time between them
at most ``eps_minutes``: a cylinder in space and time, as in ST-DBSCAN (Birant & Kut 2007,
doi:10.1016/j.datak.2006.01.013). A flash with at least ``min_flashes`` neighbors, itself included,
is a core flash; core flashes that are neighbors are of one cluster (Ester et al. 1996, KDD-96,
p. 226). Border flashes, which are no core flashes but have one for a neighbor, go to their nearest
core flash: by d2 / eps_km2 + dt2 / eps_minutes2, and among equally near ones to the earliest.
Schubert et al. (2017, doi:10.1145/3068335) call the choice free. All other flashes are noise.

Flashes are put into boxes so small that all flashes of a box are neighbors. A box with
``min_flashes`` flashes has core flashes only; boxes are joined where one pair of their core flashes
is near enough (Gunawan 2013, Eindhoven). So few pairs of flashes are looked at, however dense.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms.boxes import make_boxes
from lightning_kedro.analysis.storms.pixels import IntArray, connect
from lightning_kedro.analysis.threads import map_threads
from lightning_kedro.analysis.workers import THREADS, Workers

BoolArray = npt.NDArray[np.bool_]

Settled = TypeVar("Settled")

NOISE: Final = -1
"""The cluster of a flash that is in none."""

SLOTS_PER_BLOCK: Final = 24
"""Time is taken in blocks of so many ``eps_minutes``, so that memory does not grow with it."""

_CORE_SECONDS: Final = 1.3e-6
"""What one core takes to find the core flash of a flash."""

_PAIRS: Final = 2**20
"""Pairs of flashes looked at in one go."""

_PROBES: Final = 2
"""Flashes of either box that are tried before all of them are."""


@dataclass(frozen=True, slots=True)
class Density:
    """What makes a neighborhood dense.

    Attributes:
        eps_km: Neighbors are no farther apart than this chord, km.
        eps_minutes: Nor in time, minutes.
        min_flashes: Neighbors that a core flash has at least, itself included.
    """

    eps_km: float
    eps_minutes: float
    min_flashes: int


@dataclass(frozen=True, slots=True, eq=False)
class DenseFlashes:
    """Flashes told apart by the density about them.

    Attributes:
        labels: Cluster of each flash, shape (n,), from 0 in the order of their first core flashes;
            -1 for noise.
        nearest: The core flash that a flash goes with, shape (n,): itself for core flashes, the
            nearest one for border flashes, -1 for noise.
    """

    labels: IntArray
    nearest: IntArray

    @property
    def is_core(self) -> BoolArray:
        """Whether flashes are core flashes, shape (n,)."""
        return np.asarray(self.nearest == np.arange(self.nearest.size))


def cluster_dense(
    lat: npt.ArrayLike, lon: npt.ArrayLike, minutes: FloatArray, density: Density
) -> DenseFlashes:
    """Find the clusters of dense flashes.

    Args:
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees, any turn.
        minutes: Times, shape (n,), minutes since any moment, rising.
        density: What is dense.

    Returns:
        The clusters, the same on every call and for every length of the blocks.
    """
    lat, lon = np.asarray(lat), np.asarray(lon)
    n = minutes.size
    nearest, labels = np.full(n, NOISE, dtype=np.int64), np.full(n, NOISE, dtype=np.int64)
    links: list[IntArray] = []
    n_parts = 0

    def settle(block: tuple[slice, slice]) -> tuple[int, IntArray, IntArray]:
        rows, inner = block
        flashes = _Block(lat[rows], lon[rows], minutes[rows], density)
        return *flashes.find_parts(), flashes.find_nearest(inner)

    blocks = [*_list_blocks(minutes, density.eps_minutes, shared=1)]
    for (rows, inner), found in zip(blocks, _map_blocks(settle, blocks), strict=True):
        more_parts, parts, near = found
        known = labels[rows]
        mine = np.where(parts >= 0, parts + n_parts, NOISE)
        both = (known >= 0) & (mine >= 0)
        links.append(np.stack([known[both], mine[both]]))
        n_parts += more_parts
        new = slice(rows.start + inner.start, rows.start + inner.stop)
        labels[new] = np.where(known[inner] >= 0, known[inner], mine[inner])
        nearest[new] = np.where(near >= 0, near + rows.start, NOISE)
    return DenseFlashes(_number_clusters(labels, nearest, links, n_parts), nearest)


def find_core(
    lat: npt.ArrayLike,
    lon: npt.ArrayLike,
    minutes: FloatArray,
    density: Density,
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
        As ``DenseFlashes.nearest``, shape (n,).
    """
    lat, lon = np.asarray(lat), np.asarray(lon)
    nearest = np.full(minutes.size, NOISE, dtype=np.int64)
    blocks = [*_list_blocks(minutes, density.eps_minutes, shared=0)]
    tasks = [
        partial(_find_nearest, lat[rows], lon[rows], minutes[rows], density, inner)
        for rows, inner in blocks
    ]
    found = workers.run(tasks, minutes.size * _CORE_SECONDS, "Finding dense flashes")
    for (rows, inner), near in zip(blocks, found, strict=True):
        new = nearest[rows][inner]  # a view: each block writes what it alone settles
        np.copyto(new, near + rows.start, where=near >= 0)
    return nearest


def _find_nearest(
    lat: FloatArray, lon: FloatArray, minutes: FloatArray, density: Density, inner: slice
) -> IntArray:
    """What a block settles."""
    return _Block(lat, lon, minutes, density).find_nearest(inner)


def _map_blocks(
    settle: Callable[[tuple[slice, slice]], Settled], blocks: list[tuple[slice, slice]]
) -> list[Settled]:
    """Settle blocks, on several threads if there are several."""
    return map_threads(settle, blocks) if len(blocks) > 1 else [*map(settle, blocks)]


def _list_blocks(
    minutes: FloatArray, slot_minutes: float, shared: int
) -> Iterator[tuple[slice, slice]]:
    """Blocks of flashes: all that are looked at, and which of these are settled.

    A block sees two slots more on either side of what it settles in it: whether a flash is a core
    flash takes one, where border flashes go another. What it settles begins with so many slots of
    the block before: one is enough to join the clusters of both.
    """
    if minutes.size == 0:
        return
    slots = np.floor(minutes / slot_minutes)
    for first in np.arange(slots[0], slots[-1] + 1.0, SLOTS_PER_BLOCK):
        start = first - shared
        edges = np.array([start - 2.0, start, first + SLOTS_PER_BLOCK, first + SLOTS_PER_BLOCK + 2])
        low, start, stop, high = np.searchsorted(slots, edges)
        if start < stop:
            yield slice(int(low), int(high)), slice(int(start - low), int(stop - low))


class _Block:
    """The flashes of some time, clustered among themselves.

    Attributes:
        order: The order of the flashes by box, shape (n,).
        boxes: The boxes.
        coordinates: Places, km, and times, minutes, in this order, shape (4, n).
        bounds: Their bounds by box.
        is_core: Which are core flashes, in this order, shape (n,).
    """

    def __init__(
        self, lat: FloatArray, lon: FloatArray, minutes: FloatArray, density: Density
    ) -> None:
        self.density = density
        self.order, self.boxes = make_boxes(lat, lon, minutes, density)
        self.coordinates = np.empty((4, minutes.size))
        vectors = to_unit_vectors(lat[self.order], lon[self.order])
        np.multiply(vectors.T, EARTH_RADIUS_KM, out=self.coordinates[:3])
        np.take(minutes, self.order, out=self.coordinates[3], mode="clip")
        self.bounds = self.boxes.find_bounds(self.coordinates)
        self.is_core = self._find_core()

    def _measure(self, first: IntArray, second: IntArray) -> tuple[FloatArray, FloatArray]:
        """Squared distances, km2, and times between flashes, minutes, pair by pair."""
        squares = np.zeros(first.size)
        for values in self.coordinates[:3]:
            squares += (values[first] - values[second]) ** 2
        times = self.coordinates[3]
        return squares, times[first] - times[second]

    def _are_near(self, first: IntArray, second: IntArray) -> BoolArray:
        """Whether flashes are neighbors, pair by pair."""
        squares, times = self._measure(first, second)
        near = squares <= self.density.eps_km**2
        near &= np.abs(times) <= self.density.eps_minutes
        return np.asarray(near)

    def find_parts(self) -> tuple[int, IntArray]:
        """Number the clusters of the block: how many, and that of each core flash; -1 for others.

        The flashes are in the order in which they were given.
        """
        n_parts, part_of_box = self._join_boxes()
        parts = np.empty(self.order.size, dtype=np.int64)
        parts[self.order] = np.where(self.is_core, part_of_box[self.boxes.of_flash], NOISE)
        return n_parts, parts

    def _find_core(self) -> BoolArray:
        """Which flashes have neighbors enough."""
        boxes, wanted = self.boxes, self.density.min_flashes
        counts = boxes.counts[boxes.of_flash]
        sparse = np.flatnonzero(boxes.counts < wanted)
        first, second, whole = boxes.find_pairs(sparse, self.bounds)
        sure = np.bincount(first[whole], boxes.counts[second[whole]], boxes.counts.size)
        counts = counts + sure.astype(np.int64)[boxes.of_flash]
        open_boxes = boxes.counts + sure < wanted
        rest = ~whole & open_boxes[first]
        for flash, other in boxes.expand(first[rest], second[rest], _PAIRS):
            counts += np.bincount(flash[self._are_near(flash, other)], minlength=counts.size)
        return np.asarray(counts >= wanted)

    def _join_boxes(self) -> tuple[int, IntArray]:
        """Number the clusters of boxes that have core flashes: how many, and that of each box."""
        core = np.flatnonzero(self.is_core)
        boxes = self.boxes.keep(self.is_core)
        every = np.flatnonzero(boxes.counts > 0)
        bounds = boxes.find_bounds(self.coordinates[:, core])
        first, second, whole = boxes.find_pairs(every, bounds, once=True)
        joined = [np.stack([first[whole], second[whole]])]
        parts = _connect(joined, boxes.counts.size)
        rest = ~whole
        first, second = first[rest], second[rest]
        for probes in (_PROBES, None):
            apart = parts[first] != parts[second]
            first, second = first[apart], second[apart]
            for flash, other in boxes.expand(first, second, _PAIRS, probes):
                near = self._are_near(core[flash], core[other])
                ends = np.stack([boxes.of_flash[flash[near]], boxes.of_flash[other[near]]])
                news = np.diff(ends[0] * boxes.counts.size + ends[1], prepend=-1) != 0
                joined.append(ends[:, news])
            parts = _connect(joined, boxes.counts.size)
        # A box without core flashes is a part of its own, which no flash has.
        numbers = np.unique(parts[every], return_inverse=True)[1]
        parts[every] = numbers
        return int(numbers.max(initial=-1)) + 1, parts

    def find_nearest(self, inner: slice) -> IntArray:
        """The core flash that each flash of a part of the block goes with; -1 if there is none."""
        nearest = np.full(self.order.size, NOISE, dtype=np.int64)
        nearest[self.is_core] = np.flatnonzero(self.is_core)
        wanted = np.zeros(self.order.size, dtype=np.bool_)
        wanted[inner] = True
        border = ~self.is_core & wanted[self.order]
        candidates = np.unique(self.boxes.of_flash[border])
        first, second, _ = self.boxes.find_pairs(candidates, self.bounds, itself=True)
        has_core = np.bincount(self.boxes.of_flash, self.is_core, self.boxes.counts.size) > 0
        kept = has_core[second]
        best = np.full(self.order.size, np.inf)
        for flash, other in self.boxes.expand(first[kept], second[kept], _PAIRS):
            use = np.flatnonzero(border[flash] & self.is_core[other])
            use = use[self._are_near(flash[use], other[use])]
            self._take_nearer(nearest, best, flash[use], other[use])
        found = np.full(self.order.size, NOISE, dtype=np.int64)
        found[self.order] = np.where(nearest >= 0, self.order[nearest], NOISE)
        return found[inner]

    def _take_nearer(
        self, nearest: IntArray, best: FloatArray, flash: IntArray, other: IntArray
    ) -> None:
        """Keep for each flash the nearest of its neighbors, the earliest of equally near ones."""
        squares, times = self._measure(flash, other)
        distance = squares / self.density.eps_km**2 + (times / self.density.eps_minutes) ** 2
        order = np.lexsort((self.order[other], distance, flash))
        flash, other, distance = flash[order], other[order], distance[order]
        leads = np.flatnonzero(np.diff(flash, prepend=-1))
        flash, other, distance = flash[leads], other[leads], distance[leads]
        earlier = (distance == best[flash]) & (self.order[other] < self.order[nearest[flash]])
        nearer = (distance < best[flash]) | earlier
        nearest[flash[nearer]], best[flash[nearer]] = other[nearer], distance[nearer]


def _connect(pairs: list[IntArray], n: int) -> IntArray:
    """The part of each of n nodes of a graph; ``pairs`` have shape (2, m) each."""
    first, second = np.concatenate(pairs, axis=1)
    return connect(first, second, n)[1]


def _number_clusters(
    parts: IntArray, nearest: IntArray, links: list[IntArray], n_parts: int
) -> IntArray:
    """Join the parts that blocks share, and number clusters by their first core flashes."""
    if n_parts == 0:
        return parts
    whole = _connect(links, n_parts)
    core = np.flatnonzero(parts >= 0)
    cluster = whole[parts[core]]
    firsts = np.unique(cluster, return_index=True)
    rank = np.full(int(whole.max()) + 1, NOISE, dtype=np.int64)
    rank[firsts[0][np.argsort(firsts[1])]] = np.arange(firsts[0].size)
    numbers = np.full(parts.size, NOISE, dtype=np.int64)
    numbers[core] = rank[cluster]
    found = nearest >= 0
    labels = np.full(parts.size, NOISE, dtype=np.int64)
    labels[found] = numbers[nearest[found]]
    return labels
