"""Silhouette coefficients of many partitions from one pass over the distances.

The silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) of a point needs its mean distance
to every cluster. Points that share a cluster in every partition form a part of them all; distances
are summed part by part once, and the parts' sums then make up the clusters of each partition. A
distance counts for both of its points (``pair_sums``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.pair_sums import PairSums, WeightedPoints
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

_MEAN_TO_RMS: Final = 0.9031  # mean over root mean square distance of points in a square
_COLUMNS: Final = 512  # points scored at a time

LabelArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Partition:
    """One partition of the points.

    Attributes:
        labels: Cluster of each point in order of parts, shape (m,).
        totals: Weight of each cluster, shape (k,).
        rows: Where its clusters are among those of all partitions.
    """

    labels: LabelArray
    totals: FloatArray
    rows: slice


def silhouette_samples(
    points: FloatArray,
    weights: FloatArray,
    partitions: Sequence[npt.NDArray[np.integer]],
    scatter: FloatArray | None = None,
    n_threads: int | None = None,
) -> FloatArray:
    """Compute the silhouette coefficient of every point in every partition.

    Args:
        points: Shape (m, d).
        weights: How many equal points each stands for, shape (m,), at least 1.
        partitions: Labels 0 .. k - 1 of the points, shape (m,) each; every cluster has points.
        scatter: Sum of squared distances of what a point stands for to the point, shape (m,), or
            None where all that coincides.
        n_threads: Threads to use; their number does not change the result.

    Returns:
        Coefficients in [-1, 1], shape (number of partitions, m), float64; NaN for a partition
        with a single cluster. They equal ``sklearn.metrics.silhouette_samples`` within 1e-6 where
        weights are 1; the rest is its rounding, as it expands squared differences. A point alone
        in its cluster has 0.
        With scatter the squared distance of two cells is that of their means plus the mean squared
        distances of their flashes to them, which takes most of the error of merging away.
    """
    order, part = _find_parts(partitions)
    spread = np.zeros(len(points)) if scatter is None else scatter[order]
    arranged = WeightedPoints(points[order], weights[order], spread)
    pairs = PairSums(arranged, part)
    prepared = _prepare(partitions, order, arranged.weights)
    gather = _make_gather(prepared, pairs.firsts)
    excess = _find_excess(arranged.weights, spread)
    samples = np.empty((len(partitions), len(points)))
    for panel in pairs.panels:
        sums = pairs.add_up(panel, n_threads)

        def score(columns: slice, first: int = panel.start, sums: FloatArray = sums) -> FloatArray:
            mine = np.ascontiguousarray(sums[:, columns.start - first : columns.stop - first])
            totals = gather @ mine
            return np.stack([_score_points(p, totals, excess, columns) for p in prepared])

        starts = range(panel.start, panel.stop, _COLUMNS)
        blocks = [slice(start, min(start + _COLUMNS, panel.stop)) for start in starts]
        scored = map_threads(score, blocks, n_threads)
        samples[:, order[panel]] = np.concatenate(scored, axis=1)
    return samples


def silhouette_scores(
    points: FloatArray,
    weights: FloatArray,
    partitions: Sequence[npt.NDArray[np.integer]],
    scatter: FloatArray | None = None,
    n_threads: int | None = None,
) -> FloatArray:
    """Compute the silhouette score, the weighted mean coefficient, of every partition.

    Args:
        points: Shape (m, d).
        weights: How many equal points each stands for, shape (m,), at least 1.
        partitions: Labels 0 .. k - 1 of the points, shape (m,) each.
        scatter: Sum of squared distances of what a point stands for to the point, shape (m,), or
            None where all that coincides.
        n_threads: Threads to use; their number does not change the result.

    Returns:
        Scores in [-1, 1], shape (number of partitions,); NaN for a single cluster.
    """
    samples = silhouette_samples(points, weights, partitions, scatter, n_threads)
    return np.asarray(np.average(samples, axis=1, weights=weights), dtype=np.float64)


def _find_parts(
    partitions: Sequence[npt.NDArray[np.integer]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """An order of the points by part, and the part of each point in that order."""
    part = np.zeros(len(partitions[0]), dtype=np.int64)
    for labels in partitions:
        combined = part * (int(labels.max()) + 1) + labels
        part = np.unique(combined, return_inverse=True)[1]
    order = np.argsort(part, kind="stable")
    return order, part[order]


def _prepare(
    partitions: Sequence[npt.NDArray[np.integer]],
    order: npt.NDArray[np.int64],
    weights: FloatArray,
) -> list[_Partition]:
    """Describe the partitions of the points in order of parts."""
    prepared, first = [], 0
    for given in partitions:
        labels = given[order].astype(np.int32)
        totals = sum_groups(labels, weights)
        prepared.append(_Partition(labels, totals, slice(first, first + len(totals))))
        first += len(totals)
    return prepared


def _make_gather(partitions: Sequence[_Partition], firsts: npt.NDArray[np.int64]) -> Any:  # noqa: ANN401  (scipy has no types)
    """What sums runs of points into the clusters of all partitions: (clusters, runs), sparse.

    Args:
        partitions: The partitions.
        firsts: The first point of each run, shape (runs,).
    """
    from scipy.sparse import csr_array

    rows = np.concatenate([each.rows.start + each.labels[firsts] for each in partitions])
    columns = np.tile(np.arange(len(firsts)), len(partitions))
    shape = (partitions[-1].rows.stop, len(firsts))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def _find_excess(weights: FloatArray, scatter: FloatArray) -> FloatArray:
    """By how much a cell's sum of distances to itself comes out too large, shape (m,).

    The w - 1 other flashes of a flash's cell are nearer than the root mean square of two cells.
    """
    within = np.sqrt(scatter * weights) - _MEAN_TO_RMS * np.sqrt(scatter * (weights - 1.0))
    return np.asarray(np.sqrt(2.0) * within, dtype=np.float64)


def _score_points(
    partition: _Partition, totals: FloatArray, excess: FloatArray, columns: slice
) -> FloatArray:
    """Coefficients of some of the points in one partition, shape (points,).

    Args:
        partition: The partition.
        totals: Sums of distances to the clusters of all partitions, shape (clusters, points).
        excess: What sums to the own cluster have too much, of all points.
        columns: Which points.
    """
    labels = partition.labels[columns]
    if len(partition.totals) == 1:
        return np.full(len(labels), np.nan)
    distances = totals[partition.rows]
    at = (labels, np.arange(len(labels)))
    others = partition.totals[labels] - 1.0  # the point itself is not among its neighbours
    within = (distances[at] - excess[columns]) / np.maximum(others, 1.0)
    distances /= partition.totals[:, None]
    distances[at] = np.inf
    beyond = distances.min(axis=0)
    largest = np.maximum(within, beyond)
    # A point alone in its cluster has 0 by definition, and so have points that all coincide.
    return np.where(
        (others > 0.0) & (largest > 0.0),
        (beyond - within) / np.where(largest > 0.0, largest, 1.0),
        0.0,
    )
