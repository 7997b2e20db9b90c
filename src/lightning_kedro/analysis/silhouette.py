"""Silhouette coefficients of many partitions from one pass over the distances.

The silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) of a point needs its mean distance
to every cluster. Points that share a cluster in every partition form a part of them all; distances
are summed part by part once, and the parts' sums then make up the clusters of each partition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

_ROWS: Final = 1024  # distances are computed in blocks of so many points
_MEAN_TO_RMS: Final = 0.9031  # mean over root mean square distance of points in a square
_COLUMNS: Final = 256  # by so many, which stay in the processor's cache

LabelArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Points in order of the part of them that every partition leaves whole.

    Attributes:
        rows: Points from which distances are taken, shape (m, d), in order of their part.
        columns: The same points, to which they are taken; differ from ``rows`` with scatter only.
        excess: By how much a cell's sum of distances to itself comes out too large, shape (m,).
        blocks: For each block of ``_ROWS`` points the first of its parts, and the weights that sum
            it into its parts, a sparse matrix of shape (parts of the block, points of the block).
        n_parts: Number of parts.
    """

    rows: FloatArray
    columns: FloatArray
    excess: FloatArray
    blocks: list[tuple[int, Any]]
    n_parts: int


@dataclass(frozen=True, slots=True)
class _Partition:
    """One partition of the points.

    Attributes:
        labels: Cluster of each point in order of parts, shape (m,).
        totals: Weight of each cluster, shape (k,).
        gather: Sums parts into clusters, a sparse matrix of shape (k, parts).
    """

    labels: LabelArray
    totals: FloatArray
    gather: Any


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
    order, part, n_parts = _find_parts(partitions)
    spread = np.zeros(len(points)) if scatter is None else scatter[order]
    parts = _sort_into_parts(points[order], weights[order], spread, part, n_parts)
    prepared = [_prepare(labels[order], weights[order], part, n_parts) for labels in partitions]
    starts = range(0, len(points), _COLUMNS)
    blocks = map_threads(
        lambda start: _score_block(parts, prepared, slice(start, start + _COLUMNS)),
        starts,
        n_threads,
    )
    samples = np.empty((len(partitions), len(points)))
    samples[:, order] = np.concatenate(blocks, axis=1)
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
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """An order of the points by part, the part of each point in that order, and their number."""
    part = np.zeros(len(partitions[0]), dtype=np.int64)
    for labels in partitions:
        combined = part * (int(labels.max()) + 1) + labels
        part = np.unique(combined, return_inverse=True)[1]
    order = np.argsort(part, kind="stable")
    return order, part[order], int(part.max()) + 1


def _sort_into_parts(
    points: FloatArray,
    weights: FloatArray,
    scatter: FloatArray,
    part: npt.NDArray[np.int64],
    n_parts: int,
) -> _Parts:
    """Cut the points into blocks that are summed into parts one by one."""
    from scipy.sparse import csr_array

    blocks = []
    for start in range(0, len(points), _ROWS):
        mine = part[start : start + _ROWS]
        first, size = int(mine[0]), len(mine)
        shape = (int(mine[-1]) - first + 1, size)
        entries = (weights[start : start + _ROWS], (mine - first, np.arange(size)))
        blocks.append((first, csr_array(entries, shape=shape)))
    if not scatter.any():
        return _Parts(points, points, np.zeros(len(points)), blocks, n_parts)
    # Two more dimensions, of which each side has one, add both mean squared distances to the square
    # of every distance; of a cell to itself too, whose w - 1 other flashes are nearer than that.
    radii, nothing = np.sqrt(scatter / weights), np.zeros(len(points))
    within = np.sqrt(scatter * weights) - _MEAN_TO_RMS * np.sqrt(scatter * (weights - 1.0))
    return _Parts(
        rows=np.column_stack([points, radii, nothing]),
        columns=np.column_stack([points, nothing, radii]),
        excess=np.sqrt(2.0) * within,
        blocks=blocks,
        n_parts=n_parts,
    )


def _prepare(
    labels: npt.NDArray[np.integer],
    weights: FloatArray,
    part: npt.NDArray[np.int64],
    n_parts: int,
) -> _Partition:
    """Describe one partition in terms of parts."""
    from scipy.sparse import csr_array

    k = int(labels.max()) + 1
    cluster = np.empty(n_parts, dtype=np.int64)
    cluster[part] = labels
    gather = csr_array((np.ones(n_parts), (cluster, np.arange(n_parts))), shape=(k, n_parts))
    return _Partition(labels.astype(np.int32), sum_groups(labels, weights, k), gather)


def _score_block(parts: _Parts, partitions: Sequence[_Partition], columns: slice) -> FloatArray:
    """Coefficients of some of the points in every partition, shape (partitions, points)."""
    from scipy.spatial.distance import cdist

    mine = parts.columns[columns]
    sums = np.zeros((parts.n_parts, len(mine)))
    for number, (first, gather) in enumerate(parts.blocks):
        rows = parts.rows[number * _ROWS : (number + 1) * _ROWS]
        sums[first : first + gather.shape[0]] += gather @ cdist(rows, mine)
    excess = parts.excess[columns]
    return np.stack([_score_points(each, sums, excess, columns) for each in partitions])


def _score_points(
    partition: _Partition, sums: FloatArray, excess: FloatArray, columns: slice
) -> FloatArray:
    """Coefficients of some of the points in one partition, shape (points,)."""
    labels = partition.labels[columns]
    if len(partition.totals) == 1:
        return np.full(len(labels), np.nan)
    distances = partition.gather @ sums
    at = (labels, np.arange(len(labels)))
    others = partition.totals[labels] - 1.0  # the point itself is not among its neighbours
    within = (distances[at] - excess) / np.maximum(others, 1.0)
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
