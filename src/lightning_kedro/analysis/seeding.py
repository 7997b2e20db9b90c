"""A search for good centers for every number of clusters, on few points.

The number of clusters goes up and down again, each k starting from its neighbours: a center is
added where it helps most (the fast global k-means of Likas, Vlassis & Verbeek 2003,
doi:10.1016/S0031-3203(02)00060-2), the least useful one is dropped, or one is moved by both steps
(as breathing k-means does: Fritzke 2020, arXiv:2006.15666). Random starts (greedy k-means++,
Arthur & Vassilvitskii 2007) keep the search from being caught in the first thing it saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grid import IntArray
from lightning_kedro.analysis.rough import thin_points
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

_N_POINTS: Final = 1200  # points searched, and
_THINNING: Final = 7  # one for so many where that is more: 1200 for 30,000 cost 0.05 %
_N_POINTS_MOST: Final = 3000  # all pairs of them are kept
_N_SITES: Final = 200  # places where a center may be added
_N_STARTS: Final = 40  # random starts for each k, and
_N_MORE: Final = 600  # this over k where that is more: they are cheap there
_N_FAMILIES: Final = 3  # so that neighbours among the larger k have other random starts
_N_TRIALS: Final = 4  # iterations after which only
_N_FINALISTS: Final = 6  # the best starts go on
_N_KEPT: Final = 3  # different solutions kept for each k
_N_DROPS: Final = 8  # least useful centers tried as the one to drop
_N_MOVES: Final = 4  # most promising moves tried at once
_N_ROUNDS: Final = 4  # moves in a row
_N_PARENTS: Final = 3  # solutions of a neighbour from which to go on
_N_SWEEPS: Final = 2  # down and up again through all k; more found next to nothing
_N_BEYOND: Final = 2  # how far above the largest k the search goes
_N_ITERATIONS: Final = 100
_WORST: Final = 1.003  # worse ones are not handed on: all points would not turn the tables
_TOO_FINE: Final = 1e-4  # mean squared distance, over the largest one from the middle
_TINY: Final = 1e-300
_ZERO: Final = np.float32(0.0)
_SAME: Final = 1e-6  # solutions whose inertia differs by less, relatively, are one

LightArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Solution:
    """Centers, shape (k, d), their inertia, and each point's squared distance, shape (m,)."""

    inertia: float
    centers: FloatArray
    distances: LightArray


class CenterSearch:
    """The best few sets of centers found for each number of clusters.

    Example:
        >>> points = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> search = CenterSearch(points, np.ones(4), k_max=2, random_state=60)
        >>> search.run()[1][0].ravel().tolist()
        [10.5, 0.5]
    """

    def __init__(
        self, points: FloatArray, weights: FloatArray, k_max: int, random_state: int
    ) -> None:
        """Thin the points and measure what every step of the search needs.

        Args:
            points: Different points, shape (m, d).
            weights: Shape (m,), positive.
            k_max: Largest number of clusters, less than the number of points.
            random_state: Seed of the random starts.
        """
        n_points = min(max(_N_POINTS, len(points) // _THINNING), _N_POINTS_MOST)
        n_points = max(n_points, 8 * k_max)
        thinned, self._weights = thin_points(points, weights, n_points)
        self._origin = np.average(thinned, axis=0, weights=self._weights)
        self._points = thinned - self._origin
        self._light_weights = self._weights.astype(np.float32)
        self._pairs = _square_distances(self._points, self._points)
        self._sites, _ = thin_points(self._points, self._weights, max(_N_SITES, 4 * k_max))
        self._site_distances = _square_distances(self._sites, self._points)
        self._savings = np.empty_like(self._site_distances)  # room to work in
        self._random_state = random_state
        self._k_wanted = k_max
        # The largest k too shall have neighbours above it, from which to come down.
        self._k_max = min(k_max + _N_BEYOND, len(thinned) - 1)
        self._found: dict[int, list[Solution]] = {
            k: [] for k in range(1, max(k_max, self._k_max) + 1)
        }
        self._drawn, left = self._draw_centers()
        # With (-2c, |c|2, 1) times (x, 1, |x|2) one product gives squared distances. float32 takes
        # half the time, and what is found is fitted again in float64; but where clusters are tiny
        # beside the distances between them it would lose what is inside them.
        squares = (self._points**2).sum(axis=1)
        precise = left < _TOO_FINE * squares.max()
        self._dtype: type[np.floating] = np.float64 if precise else np.float32
        terms = [*self._points.T, np.ones_like(squares), squares]
        self._terms = np.stack(terms).astype(self._dtype)
        masses = np.column_stack([self._points, np.ones_like(squares)]) * self._weights[:, None]
        self._masses = masses.astype(self._dtype)

    def run(self, n_threads: int | None = None) -> list[list[FloatArray]]:
        """Search.

        Args:
            n_threads: Threads to use; their number does not change the result.

        Returns:
            For each k from 1 to ``k_max`` some sets of centers, shape (k, d) each, the best first;
            none for a k that the few points cannot hold.
        """
        self._try(1, np.zeros((1, 1, self._points.shape[1])))
        ks = range(2, self._k_max + 1)
        starts = map_threads(lambda k: self._converge(self._drawn[k]), ks, n_threads)
        for k, drawn in zip(ks, starts, strict=True):
            self._keep(k, drawn)
            self._try(k, self._add_center(self._found[k - 1][:_N_PARENTS]))
            self._move_centers(k)
        for _ in range(_N_SWEEPS):
            self._sweep()
        wanted = [self._found[k] for k in range(1, self._k_wanted + 1)]
        return [
            [s.centers + self._origin for s in found if s.inertia <= found[0].inertia * _WORST]
            for found in wanted
        ]

    def _sweep(self) -> None:
        """Go down and up again, from each k's best solution to its neighbour's."""
        for k in range(self._k_max - 1, 1, -1):
            if self._try(k, self._drop_center(self._found[k + 1][0].centers)):
                self._move_centers(k)
        for k in range(3, self._k_max + 1):
            if self._try(k, self._add_center(self._found[k - 1][:_N_PARENTS])):
                self._move_centers(k)

    def _move_centers(self, k: int) -> None:
        """Move one center at a time to where it helps most, as long as that is better."""
        for _ in range(_N_ROUNDS):
            if not self._try(k, self._swap_centers(self._found[k][0].centers)):
                return

    def _swap_centers(self, centers: FloatArray) -> FloatArray:
        """Centers with one moved to a site, the most promising such moves: shape (s, k, d).

        What moving a center gains differs from what a new one would gain only by the points that
        lose their nearest center, so that all moves are weighed together at the cost of two.
        """
        squared = self._measure(centers[None])[0]
        order = np.argpartition(squared, 1, axis=0)[:2]
        columns = np.arange(squared.shape[1])
        nearest, second = np.maximum(squared[order, columns], _ZERO).astype(np.float32)
        masses = np.zeros((len(columns), len(centers)), dtype=np.float32)
        masses[columns, order[0]] = self._light_weights
        kept = self._sum_savings(nearest, masses)
        gained = self._sum_savings(second, masses) - kept
        gained += kept.sum(axis=1, keepdims=True)
        change = (second - nearest) @ masses - gained
        sites = change.argmin(axis=0)
        moved = np.argsort(change[sites, np.arange(len(centers))], kind="stable")[:_N_MOVES]
        swapped = np.repeat(centers[None], len(moved), axis=0)
        swapped[np.arange(len(moved)), moved] = self._sites[sites[moved]]
        return swapped

    def _sum_savings(self, distances: LightArray, masses: LightArray) -> LightArray:
        """What points (m,) save at each site, by their masses (m,) or (m, k): (sites,) or so."""
        savings = np.subtract(distances, self._site_distances, out=self._savings)
        np.maximum(savings, _ZERO, out=savings)
        return np.asarray(savings @ masses, dtype=np.float32)

    def _try(self, k: int, starts: FloatArray) -> bool:
        """Converge from starts, shape (s, k, d), keep what is good, say whether one is the best."""
        return self._keep(k, self._converge(starts))

    def _keep(self, k: int, solutions: Sequence[Solution]) -> bool:
        """Keep the solutions that are new and good; say whether one is the best."""
        found = self._found[k]
        before = found[0].inertia if found else np.inf
        for solution in solutions:
            gaps = [abs(solution.inertia - other.inertia) for other in found]
            if not gaps or min(gaps) > _SAME * solution.inertia:
                found.append(solution)
        found.sort(key=lambda solution: solution.inertia)
        del found[_N_KEPT:]
        return found[0].inertia < before

    def _measure(self, sets: FloatArray) -> npt.NDArray[np.floating]:
        """Squared distances from centers (s, k, d), rounding below 0 kept: shape (s, k, m)."""
        squares = (sets**2).sum(axis=2, keepdims=True)
        factors = np.concatenate([-2.0 * sets, squares, np.ones_like(squares)], axis=2)
        squared: npt.NDArray[np.floating] = factors.astype(self._dtype) @ self._terms
        return squared

    def _converge(self, sets: FloatArray) -> list[Solution]:
        """Converge from several starts, shape (s, k, d), giving up on those that begin badly."""
        if len(sets) > _N_FINALISTS:
            sets, distances = self._iterate(sets, _N_TRIALS)
            order = np.argsort(distances @ self._weights, kind="stable")
            sets = sets[order[:_N_FINALISTS]]
        sets, distances = self._iterate(sets, _N_ITERATIONS)
        inertia = distances @ self._weights
        return [Solution(float(inertia[s]), sets[s], distances[s]) for s in range(len(sets))]

    def _iterate(self, sets: FloatArray, n_iterations: int) -> tuple[FloatArray, LightArray]:
        """Lloyd's algorithm on several sets of centers, shape (s, k, d), side by side.

        With so few points a call of scikit-learn's KMeans would be mostly overhead.

        Returns:
            The sets, and the squared distance of each point to the nearest center, shape (s, m).
        """
        sets = sets.copy()
        distances = np.empty((len(sets), len(self._points)), dtype=np.float32)
        moving = np.arange(len(sets))
        for number in range(n_iterations + 1):
            squared = self._measure(sets[moving])
            lowest = squared.min(axis=1)
            distances[moving] = lowest
            if number == n_iterations:
                break
            # Two centers equally near share a point for once: it is only a search.
            sums = (squared == lowest[:, None]).astype(self._dtype) @ self._masses
            totals = sums[:, :, -1:].astype(np.float64)
            # A cluster that lost its last point stays where it was: a later step moves it.
            means = np.where(
                totals > 0.0, sums[:, :, :-1] / np.maximum(totals, _TINY), sets[moving]
            )
            changed = (means != sets[moving]).any(axis=(1, 2))
            sets[moving] = means
            moving = moving[changed]
            if not moving.size:
                break
        return sets, np.maximum(distances, _ZERO)

    def _add_center(self, solutions: Sequence[Solution]) -> FloatArray:
        """Add to each the site that lowers its inertia most before other centers move."""
        larger = []
        for solution in solutions:
            best = int(self._sum_savings(solution.distances, self._light_weights).argmax())
            larger.append(np.vstack([solution.centers, self._sites[best]]))
        return np.stack(larger)

    def _drop_center(self, centers: FloatArray) -> FloatArray:
        """Centers less one, for each of those whose loss costs least: shape (s, k - 1, d)."""
        squared = self._measure(centers[None])[0]
        two = np.partition(squared, 1, axis=0)
        costs = self._weights * (two[1] - two[0])
        losses = sum_groups(squared.argmin(axis=0), costs, len(centers))
        order = np.argsort(losses, kind="stable")[:_N_DROPS]
        return np.stack([np.delete(centers, number, axis=0) for number in order])

    def _draw_centers(self) -> tuple[dict[int, FloatArray], float]:
        """Draw sets of centers by greedy k-means++, with as many trials as scikit-learn makes.

        The first centers of a longer sequence are a start for a smaller k: one family of sequences
        serves all.

        Returns:
            By k, from 2, sets of shape (s, k, d); and the smallest mean squared distance to the
            centers of the largest k.
        """
        random = np.random.default_rng(self._random_state)
        n_sets = _N_MORE // 2
        chosen = _draw_points(np.tile(self._weights, (n_sets, 1)), 1, random)
        nearest = self._pairs[chosen[:, 0]]
        drawn = {}
        for k in range(2, self._k_max + 1):
            n_most = max(_N_FAMILIES * _N_STARTS, _N_MORE // k)
            chosen, nearest = chosen[:n_most], nearest[:n_most]
            trials = _draw_points(self._weights * nearest, 2 + int(np.log(k)), random)
            squared = np.minimum(self._pairs[trials], nearest[:, None])
            best = (squared @ self._light_weights).argmin(axis=1)
            rows = np.arange(len(best))
            chosen = np.column_stack([chosen, trials[rows, best]])
            nearest = squared[rows, best]
            n_used = max(_N_STARTS, _N_MORE // k)
            first = k % _N_FAMILIES * _N_STARTS if n_used == _N_STARTS else 0
            drawn[k] = self._points[chosen[first : first + n_used]]
        return drawn, float((nearest @ self._weights).min() / self._weights.sum())


def _square_distances(sources: FloatArray, targets: FloatArray) -> LightArray:
    """Squared distances between points (s, d) and (m, d), each right to float32: shape (s, m)."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(sources, targets, "sqeuclidean"), dtype=np.float32)


def _draw_points(chances: FloatArray, number: int, random: np.random.Generator) -> IntArray:
    """Draw points for each row of chances, shape (s, m): shape (s, number)."""
    n_rows, m = chances.shape
    totals = np.cumsum(chances, axis=1, dtype=np.float64)
    totals /= totals[:, -1:]
    row = np.arange(n_rows)[:, None]
    # One search for all rows: each row's shares lie between its number and the next one.
    drawn = random.random((n_rows, number)) + row
    found = np.searchsorted((totals + row).ravel(), drawn.ravel(), side="right")
    return np.asarray(np.minimum(found.reshape(n_rows, number) - row * m, m - 1), dtype=np.int64)
