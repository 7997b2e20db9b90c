"""Sums of the distances between all points, run by run, each distance taken once for both points.

Squared distances are a matrix product of points about the middle of a tile, |x - y|^2 = |x|^2 +
|y|^2 - 2 x y, several times as fast as differences. What that loses where x and y are near each
other beside the size of the tile is bounded: such tiles take differences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.threads import map_threads

_TILE: Final = 256  # distances of so many points to as many stay in the processor's cache
_ENTRIES: Final = 2**24  # sums held at a time: 128 MB
_FEW_RUNS: Final = 64  # in a tile: up to so many are summed along its rows
_NEAR: Final = 1e-3
"""Least squared distance from products, over the square of |x| + |y| in the tile at most."""

PAIR_ROUNDINGS: Final = 8.0 / _NEAR
"""A distance is off by fewer roundings, in up to four dimensions: squares are off by 2 d + 4 of
(|x| + |y|)^2, roots by half as much over ``_NEAR``, and offsets by 2 over its root."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WeightedPoints:
    """Points that stand for several.

    Attributes:
        points: Shape (m, d).
        weights: How many each stands for, shape (m,).
        scatter: Sum of squared distances of what a point stands for to the point, shape (m,). The
            squared distance of two is that of the points plus both mean squared distances.
    """

    points: FloatArray
    weights: FloatArray
    scatter: FloatArray


@dataclass(frozen=True, slots=True)
class _Tile:
    """Points that are taken together.

    Attributes:
        place: Which they are.
        runs: Their runs.
        begins: Where these begin, within the tile.
        middle: Middle of their box, shape (d,).
        gather: Sums them into runs by weight, a sparse matrix of shape (runs, points).
    """

    place: slice
    runs: slice
    begins: IntArray
    middle: FloatArray
    gather: Any


class PairSums:
    """For each point the weighted sum of its distances to each run of points.

    A run is points of one part within one tile. Each sum is made of one tile alone, so that
    threads never wait for one another, nor change the order in which anything is added.

    Example:
        >>> line = WeightedPoints(np.array([[0.0], [1.0], [5.0]]), np.ones(3), np.zeros(3))
        >>> sums = PairSums(line, np.array([0, 0, 1]))
        >>> [sums.add_up(panel).tolist() for panel in sums.panels]
        [[[1.0, 1.0, 9.0], [5.0, 4.0, 0.0]]]
    """

    def __init__(self, points: WeightedPoints, part: IntArray) -> None:
        """Cut the points into tiles.

        Args:
            points: In order of their parts.
            part: Part of each, shape (m,), rising.
        """
        self._points = points.points
        self._columns = np.ascontiguousarray(points.points.T)
        self._weights = None if (points.weights == 1.0).all() else points.weights
        self._squares = points.scatter / points.weights if points.scatter.any() else None
        size = len(part)
        is_first = np.diff(part, prepend=-1) != 0
        is_first[::_TILE] = True
        self.firsts: IntArray = np.flatnonzero(is_first)
        """The first point of each run, shape (runs,)."""
        self._starts = np.arange(0, size, _TILE)
        edges = [*self._starts.tolist(), size]
        runs = np.searchsorted(self.firsts, edges).tolist()
        self._tiles = [
            self._cut(slice(*place), slice(*mine), points.weights)
            for place, mine in zip(pairwise(edges), pairwise(runs), strict=True)
        ]
        n_tiles = max(1, _ENTRIES // (_TILE * len(self.firsts)))
        starts = [*range(0, size, n_tiles * _TILE), size]
        self.panels: list[slice] = [slice(*pair) for pair in pairwise(starts)]
        """Points of which sums are added up together, so that they fit into memory."""

    def add_up(self, panel: slice, n_threads: int | None = None) -> FloatArray:
        """Sum distances to the points of a panel.

        Args:
            panel: One of ``panels``.
            n_threads: Threads to use; their number does not change the result.

        Returns:
            Shape (runs, points of the panel).
        """
        sums = np.empty((len(self.firsts), panel.stop - panel.start))
        mine = range(panel.start // _TILE, -(-panel.stop // _TILE))

        def fill(number: int) -> None:
            column = self._tiles[number]
            here = slice(column.place.start - panel.start, column.place.stop - panel.start)
            about = self._look_from(column)
            for other, row in enumerate(self._tiles):
                if other in mine and other < number:
                    continue  # that tile's turn gives the sums of this one too
                distances = about.measure(row)
                sums[row.runs, here] = row.gather @ distances
                if other in mine and other > number:
                    there = slice(row.place.start - panel.start, row.place.stop - panel.start)
                    sums[column.runs, there] = self._sum_columns(distances, column).T

        map_threads(fill, mine, n_threads)
        return sums

    def _cut(self, place: slice, runs: slice, weights: FloatArray) -> _Tile:
        from scipy.sparse import csr_array

        points, begins = self._points[place], self.firsts[runs] - place.start
        bounds = np.append(begins, len(points))
        gather = csr_array(
            (weights[place], np.arange(len(points)), bounds), shape=(len(begins), len(points))
        )
        middle = 0.5 * points.min(axis=0) + 0.5 * points.max(axis=0)
        return _Tile(place, runs, begins, middle, gather)

    def _sum_columns(self, distances: FloatArray, tile: _Tile) -> FloatArray:
        """Sums of distances (points, tile's points) over the tile's runs: (points, runs)."""
        if len(tile.begins) > _FEW_RUNS:
            summed: FloatArray = (tile.gather @ np.ascontiguousarray(distances.T)).T
            return summed
        if self._weights is not None:
            distances = distances * self._weights[tile.place]
        return np.add.reduceat(distances, tile.begins, axis=1)

    def _look_from(self, tile: _Tile) -> "_View":
        """What the distances of all points to those of a tile are made of."""
        offsets = self._columns - tile.middle[:, np.newaxis]
        factors = np.empty((len(offsets) + 2, offsets.shape[1]))
        np.multiply(offsets, -2.0, out=factors[:-2])
        squares, factors[-1] = factors[-2], 1.0
        np.einsum("dn,dn->n", offsets, offsets, out=squares)
        place = tile.place
        near, far = (np.sqrt(f.reduceat(squares, self._starts)) for f in (np.minimum, np.maximum))
        radius = np.sqrt(squares[place].max())
        least = _NEAR * (far + radius) ** 2
        is_apart = np.maximum(near - radius, 0.0) ** 2 > 2.0 * least
        if self._squares is not None:
            squares += self._squares
        return _View(
            factors=factors,
            terms=np.stack([*offsets[:, place], factors[-1, place], squares[place]]),
            least=np.where(is_apart, -np.inf, least).tolist(),
            subtract=lambda row, out: self._subtract(row, place, out),
            room=np.empty(_TILE * _TILE),
        )

    def _subtract(self, row: slice, column: slice, out: FloatArray) -> FloatArray:
        """Distances by differences of coordinates."""
        from scipy.spatial.distance import cdist

        rows, columns = self._points[row], self._points[column]
        if self._squares is None:
            return np.asarray(cdist(rows, columns, out=out), dtype=np.float64)
        # Two more dimensions, of which each side has one, add both mean squared distances.
        radii = np.sqrt(self._squares)
        rows = np.column_stack([rows, radii[row], np.zeros(len(rows))])
        columns = np.column_stack([columns, np.zeros(len(columns)), radii[column]])
        return np.asarray(cdist(rows, columns, out=out), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _View:
    """All points as seen from a tile.

    Attributes:
        factors: Shape (d + 2, m), and
        terms: Shape (d + 2, tile's points), of which the product is squared distances.
        least: By tile, the least square that such a product is good for; below 0 where the tiles
            are so far apart that there is no smaller one.
        subtract: Gives the distances of the points of another tile by differences.
        room: Where a tile's distances go; new memory for each would take as long as their roots.
    """

    factors: FloatArray
    terms: FloatArray
    least: list[float]
    subtract: Callable[[slice, FloatArray], FloatArray]
    room: FloatArray

    def measure(self, row: _Tile) -> FloatArray:
        """Distances of the points of a tile, shape (its points, tile's points), until the next."""
        factors = self.factors[:, row.place]
        shape = (factors.shape[1], self.terms.shape[1])
        found = self.room[: shape[0] * shape[1]].reshape(shape)
        np.matmul(factors.T, self.terms, out=found)
        least = self.least[row.place.start // _TILE]
        if least > 0.0 and not found.min() > least:
            return self.subtract(row.place, found)
        return np.sqrt(found, out=found)
