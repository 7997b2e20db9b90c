"""K-means fits of weighted points for every number of clusters at once.

All k are fitted together, because each is the best hint for its neighbours (``seeding``). What is
found on few points is then run to convergence on all of them with scikit-learn's KMeans.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from typing import Any, Final, Self, cast

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.seeding import CenterSearch
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

LabelArray = npt.NDArray[np.int32]

_N_ITERATIONS: Final = 300
_BLOCK: Final = 2**13  # points whose distances to all centers stay in the processor's cache


@dataclass(frozen=True, slots=True)
class KMeansFit:
    """A partition of points into clusters.

    Attributes:
        n_clusters: Number of clusters, none of them empty.
        centers: Mean of each cluster's points, shape (n_clusters, d), the feature's unit.
        labels: Cluster of each point, the one with the nearest center, shape (m,).
        inertia: Weighted sum of squared distances to the centers, square of the feature's unit.
    """

    n_clusters: int
    centers: FloatArray
    labels: LabelArray
    inertia: float

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The fit itself: it never changes."""
        return self


def find_nearest(points: FloatArray, centers: FloatArray) -> tuple[LabelArray, FloatArray]:
    """Find the nearest center of each point.

    Args:
        points: Shape (n, d).
        centers: Shape (k, d).

    Returns:
        Index of the nearest center, shape (n,), the lowest where two are equally near; and the
        squared distance to it, shape (n,). Differences are squared one by one, not expanded, so
        that the result of a point does not depend on the points around it.
    """
    labels = np.empty(len(points), dtype=np.int32)
    nearest = np.empty(len(points), dtype=np.float64)
    for start in range(0, len(points), _BLOCK):
        block = np.ascontiguousarray(points[start : start + _BLOCK].T)
        best, index = _square_distances(block, centers[0]), np.zeros(block.shape[1], np.int32)
        for number, center in enumerate(centers[1:], start=1):
            squared = _square_distances(block, center)
            closer = squared < best
            index[closer] = number
            np.minimum(best, squared, out=best)
        labels[start : start + _BLOCK], nearest[start : start + _BLOCK] = index, best
    return labels, nearest


def _square_distances(columns: FloatArray, center: FloatArray) -> FloatArray:
    """Squared distances of points, given as columns (d, n), to one center: shape (n,)."""
    total = np.zeros(columns.shape[1])
    for column, coordinate in zip(columns, center, strict=True):
        difference = column - coordinate
        difference *= difference
        total += difference
    return total


def fit_all(
    points: FloatArray,
    weights: FloatArray,
    k_max: int,
    random_state: int,
    n_threads: int | None = None,
) -> list[KMeansFit]:
    """Fit every number of clusters from 1 to ``k_max``.

    Args:
        points: Shape (m, d), float64, finite.
        weights: Shape (m,), positive: a point of weight 3 counts as three equal points.
        k_max: Largest number of clusters, less than the number of different points.
        random_state: Seed of the random starts.
        n_threads: Threads to use; their number does not change the result.

    Returns:
        A fit for each k, k = 1 first. The inertia falls with every k. Neither the order of the
        points nor the way in which equal points are split into several matters.
    """
    from threadpoolctl import threadpool_limits

    distinct, masses, index = merge_equal_points(points, weights)
    # The libraries' own threads would add up in another order, and differ in the last bits.
    with threadpool_limits(limits=1), _silence_convergence():
        starts = CenterSearch(distinct, masses, k_max, random_state).run(n_threads)
        problem = _Problem(distinct, masses)
        found = map_threads(problem.fit_best, starts, n_threads)
        fits: list[KMeansFit] = []
        for fit in found:
            best = fit
            if fits and (best is None or best.inertia >= fits[-1].inertia):
                best = problem.split(fits[-1])
            fits.append(cast("KMeansFit", best))
    return [replace(fit, labels=fit.labels[index]) for fit in fits]


def merge_equal_points(
    points: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Merge equal points, adding their weights.

    Args:
        points: Shape (m, d).
        weights: Shape (m,).

    Returns:
        The different points in lexical order, shape (u, d); their weights, shape (u,); and which of
        them each given point is, shape (m,).
    """
    order = np.lexsort(points.T[::-1])
    ordered = points[order]
    first = np.ones(len(points), dtype=np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    index = np.empty(len(points), dtype=np.int64)
    index[order] = np.cumsum(first) - 1
    return ordered[first], sum_groups(index, weights), index


@contextmanager
def _silence_convergence() -> Iterator[None]:
    """Keep scikit-learn from warning of clusters that rounding left empty: they are refilled."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class _Problem:
    """Different points with their weights, to which centers are fitted."""

    def __init__(self, points: FloatArray, weights: FloatArray) -> None:
        self._points = points
        self._weights = weights

    def fit_best(self, starts: Sequence[FloatArray]) -> KMeansFit | None:
        """The best of the fits from several starts, or None without any."""
        found = [self._converge(centers) for centers in starts]
        return self._settle(min(found, key=itemgetter(0))[1]) if found else None

    def split(self, fit: KMeansFit) -> KMeansFit:
        """A fit with one more cluster.

        One more center can always do better, and so it shall: the curve must fall. It goes where
        the point is that costs most. Should scikit-learn's rounding lose what that gains, as it
        does inside clusters of centimetres, exact differences settle it.
        """
        costs = self._weights * find_nearest(self._points, fit.centers)[1]
        larger = np.vstack([fit.centers, self._points[int(costs.argmax())]])
        found = [self._settle(self._converge(larger)[1]), self._settle(larger)]
        return min(found, key=attrgetter("inertia"))

    def _converge(self, centers: FloatArray) -> tuple[float, FloatArray]:
        """Run scikit-learn's KMeans until no label changes: the inertia and the centers."""
        from sklearn import config_context
        from sklearn.cluster import KMeans

        model = KMeans(len(centers), init=centers, n_init=1, max_iter=_N_ITERATIONS, tol=0.0)
        with config_context(assume_finite=True, skip_parameter_validation=True):
            model.fit(self._points, sample_weight=self._weights)
        return model.inertia_, model.cluster_centers_

    def _settle(self, centers: FloatArray) -> KMeansFit:
        """Make labels, centers and inertia agree with each other to the last bit."""
        labels, squared = find_nearest(self._points, centers)
        for _ in range(_N_ITERATIONS):
            centers = self._average(labels, squared, len(centers))
            nearest, squared = find_nearest(self._points, centers)
            if np.array_equal(nearest, labels):
                break
            labels = nearest
        return KMeansFit(len(centers), centers, labels, float(np.dot(self._weights, squared)))

    def _average(self, labels: LabelArray, squared: FloatArray, k: int) -> FloatArray:
        """Means of clusters; an empty one takes the point that costs most."""
        totals = sum_groups(labels, self._weights, k)
        sums = [sum_groups(labels, self._weights * column, k) for column in self._points.T]
        centers = np.stack(sums, axis=1) / np.where(totals > 0.0, totals, 1.0)[:, None]
        empty = np.flatnonzero(totals == 0.0)
        costly = np.argsort(-self._weights * squared, kind="stable")[: empty.size]
        centers[empty] = self._points[costly]
        return centers
