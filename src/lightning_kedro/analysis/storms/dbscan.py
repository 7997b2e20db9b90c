"""DBSCAN in space and time on the sphere: exact, without a list of all neighbors.

Two flashes are neighbors if the chord between them is at most ``eps_km`` and the time between them
at most ``eps_minutes``: a cylinder in space and time, as in ST-DBSCAN (Birant & Kut 2007,
doi:10.1016/j.datak.2006.01.013). A flash with at least ``min_flashes`` neighbors, itself included,
is a core flash; core flashes that are neighbors are of one cluster (Ester et al. 1996, KDD-96,
p. 226). Border flashes, which are no core flashes but have one for a neighbor, go to their nearest
core flash: by d2 / eps_km2 + dt2 / eps_minutes2, and among equally near ones to the earliest.
Schubert et al. (2017, doi:10.1145/3068335) call the choice free. All other flashes are noise.

Core flashes are put into boxes so small that all flashes of a box are neighbors; boxes are joined
where one pair of their flashes is near enough (Gunawan 2013, Eindhoven). So few pairs of flashes
are looked at, however dense. How core flashes are found: ``core``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms.boxes import make_boxes
from lightning_kedro.analysis.storms.core import NOISE, SLOTS_PER_BLOCK, find_core
from lightning_kedro.analysis.storms.pixels import IntArray, connect
from lightning_kedro.analysis.threads import map_threads

BoolArray = npt.NDArray[np.bool_]

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
    nearest = find_core(lat, lon, minutes, density)
    core = np.flatnonzero(nearest == np.arange(nearest.size))
    parts = _join_core(lat[core], lon[core], minutes[core], density)
    of_core = np.full(minutes.size, NOISE, dtype=np.int64)
    of_core[core] = parts
    return DenseFlashes(np.where(nearest >= 0, of_core[nearest], NOISE), nearest)


def _join_core(lat: FloatArray, lon: FloatArray, minutes: FloatArray, density: Density) -> IntArray:
    """The cluster of each core flash, shape (n,), from 0 in the order of their first ones."""
    labels = np.full(minutes.size, NOISE, dtype=np.int64)
    links: list[IntArray] = [np.empty((2, 0), dtype=np.int64)]
    n_parts = 0

    def join(rows: slice) -> tuple[int, IntArray]:
        return _Block(lat[rows], lon[rows], minutes[rows], density).find_parts()

    blocks = [*_list_blocks(minutes, density.eps_minutes)]
    found = map_threads(join, blocks) if len(blocks) > 1 else map(join, blocks)
    for rows, (more_parts, mine) in zip(blocks, found, strict=True):
        known = labels[rows]
        both = known >= 0
        links.append(np.stack([known[both], mine[both] + n_parts]))
        labels[rows] = np.where(both, known, mine + n_parts)
        n_parts += more_parts
    clusters = _connect(links, n_parts)[labels]
    first = np.unique(clusters, return_index=True)[1]
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[clusters]


def _list_blocks(minutes: FloatArray, slot_minutes: float) -> Iterator[slice]:
    """Blocks of flashes; each begins with the last slot of time of the one before."""
    if minutes.size == 0:
        return
    slots = np.floor(minutes / slot_minutes)
    for first in np.arange(slots[0], slots[-1] + 1.0, SLOTS_PER_BLOCK):
        start, stop = np.searchsorted(slots, [first - 1.0, first + SLOTS_PER_BLOCK])
        if start < stop:
            yield slice(int(start), int(stop))


class _Block:
    """The core flashes of some time, joined among themselves.

    Attributes:
        order: The order of the flashes by box, shape (n,).
        boxes: The boxes.
        coordinates: Places, km, and times, minutes, in this order, shape (4, n).
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

    def _are_near(self, first: IntArray, second: IntArray) -> BoolArray:
        """Whether flashes are neighbors, pair by pair."""
        squares = np.zeros(first.size)
        for values in self.coordinates[:3]:
            squares += (values[first] - values[second]) ** 2
        times = self.coordinates[3]
        near = squares <= self.density.eps_km**2
        near &= np.abs(times[first] - times[second]) <= self.density.eps_minutes
        return np.asarray(near)

    def find_parts(self) -> tuple[int, IntArray]:
        """Number the clusters of the block: how many, and that of each flash as given."""
        boxes = self.boxes
        every = np.arange(boxes.counts.size)
        first, second, whole = boxes.find_pairs(every, boxes.find_bounds(self.coordinates))
        joined = [np.stack([first[whole], second[whole]])]
        part_of_box = _connect(joined, boxes.counts.size)
        rest = ~whole
        first, second = first[rest], second[rest]
        for probes in (_PROBES, None):
            apart = part_of_box[first] != part_of_box[second]
            first, second = first[apart], second[apart]
            for flash, other in boxes.expand(first, second, _PAIRS, probes):
                near = self._are_near(flash, other)
                ends = np.stack([boxes.of_flash[flash[near]], boxes.of_flash[other[near]]])
                news = np.diff(ends[0] * boxes.counts.size + ends[1], prepend=-1) != 0
                joined.append(ends[:, news])
            part_of_box = _connect(joined, boxes.counts.size)
        parts = np.empty(self.order.size, dtype=np.int64)
        parts[self.order] = part_of_box[boxes.of_flash]
        return int(part_of_box.max()) + 1, parts


def _connect(pairs: list[IntArray], n: int) -> IntArray:
    """The part of each of n nodes of a graph; ``pairs`` have shape (2, m) each."""
    first, second = np.concatenate(pairs, axis=1)
    return connect(first, second, n)[1]
