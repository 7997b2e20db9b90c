"""Silhouette coefficients of very many points, each with a proven bound of its error.

The sum of the distances from a point to a cluster is exact for near points and an expansion for
far ones (a treecode: Barnes & Hut 1986, doi:10.1038/324446a0; Lindsay & Krasny 2001,
doi:10.1006/jcph.2001.6862). What every expansion leaves out is bounded and added up; intervals of
the mean distances then give one of the coefficient. ``docs/certified_silhouettes.md`` has proofs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.cluster_trees import ClusterTrees, IntArray, grow_trees
from lightning_kedro.analysis.expansion import (
    bound_remainder,
    bound_terms,
    make_expansion,
)
from lightning_kedro.analysis.pair_sums import PAIR_ROUNDINGS
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.threads import map_threads

LARGEST_BOUND: Final = 1e-4
"""No bound is larger, whatever the points."""

_TOLERANCE: Final = 0.48 * LARGEST_BOUND
"""Allowed error of a mean distance, as a share of what max(a, b) is at least. That of a counts
n / (n - 1) times, but clusters of a single leaf are summed exactly: a coefficient is off by less
than 2.04 times as much."""

_LEAVES: Final = 64  # leaves scored at a time
_PAIRS: Final = 2048  # expansions made at a time: they stay in the processor's cache
_ROUNDING: Final = 2.0**-53
_FEW_ROUNDINGS: Final = 4096  # more than any number takes part in, sums over points aside
_ROUNDED_UP: Final = 1.0 + 1e-7  # more than sums of 1e8 terms are off

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CertifiedSilhouettes:
    """Silhouette coefficients and how far off they can be.

    Attributes:
        coefficients: Shape (n,), -1 to 1; NaN with a single cluster.
        bounds: Proven largest error of each, shape (n,), at most 1e-4; NaN with a single cluster.
    """

    coefficients: FloatArray
    bounds: FloatArray


@dataclass(frozen=True, slots=True)
class _Clusters:
    """What bounds the mean distances to clusters.

    Attributes:
        counts: Points of each, shape (k,).
        means: Their means, shape (k, d).
        variances: Mean squared distance to the mean, shape (k,).
        deviations: Mean distance to the mean, shape (k,).
        margin: More than rounding can do to distances to the means.
        roundings: Twice the most roundings that a sum of distances takes, over 2**53: so large a
            share of the absolute values of its terms it is off at most.
    """

    counts: IntArray
    means: FloatArray
    variances: FloatArray
    deviations: FloatArray
    margin: float
    roundings: float


@dataclass(frozen=True, slots=True)
class _Sums:
    """Which sums of distances are wanted: of the points of a leaf to a cluster.

    Attributes:
        leaves: Node of each leaf of the block, shape (t,).
        own: Its cluster, shape (t,).
        wanted: Whether a cluster can be the nearest other one, or is the own, shape (t, k).
        tolerances: Allowed error of a mean distance, shape (t,).
    """

    leaves: IntArray
    own: IntArray
    wanted: BoolArray
    tolerances: FloatArray


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How the wanted sums, numbered in order of leaves and clusters, are put together.

    Attributes:
        far: Sum and node of each expansion, shape (2, number), in order of sums.
        near: Sum and leaf of what is summed exactly, shape (2, number), in order of sums.
        errors: Bound of what the expansions of each sum leave out and of their rounding, shape
            (number of sums,).
    """

    far: IntArray
    near: IntArray
    errors: FloatArray


def certify_silhouettes(
    points: FloatArray, labels: npt.NDArray[np.integer], n_threads: int | None = None
) -> CertifiedSilhouettes:
    """Compute the silhouette coefficient of every point, with bounds of its error.

    Args:
        points: Shape (n, d), at least one; d up to 4 or so, as expansions grow with it.
        labels: Cluster of each point, shape (n,).
        n_threads: Threads to use; their number does not change the result.

    Returns:
        The coefficients. A point alone in its cluster has 0, and so have points that coincide
        with all of their own and another cluster.
    """
    present, labels = np.unique(labels, return_inverse=True)
    if len(present) == 1:
        return CertifiedSilhouettes(np.full(len(points), np.nan), np.full(len(points), np.nan))
    trees = grow_trees(points, labels, n_threads)
    clusters = _describe_clusters(trees)
    leaves = np.flatnonzero(trees.children < 0)
    blocks = [leaves[start : start + _LEAVES] for start in range(0, len(leaves), _LEAVES)]
    scored = map_threads(lambda block: _score_block(trees, clusters, block), blocks, n_threads)
    found = np.empty((2, len(points)))
    found[:, trees.order] = np.concatenate(scored, axis=1)
    return CertifiedSilhouettes(*found)


def bound_exact(n_points: int) -> float:
    """Bound the error of a coefficient from sums over all points: rounding alone.

    Each distance takes ``PAIR_ROUNDINGS`` at most, its sum n, the ratio of two means 8.
    """
    roundings = 2.0 * (n_points + PAIR_ROUNDINGS) + 8.0
    return 2.0 * roundings * _ROUNDING


def _describe_clusters(trees: ClusterTrees) -> _Clusters:
    """Means of clusters, and how far their points are from there."""
    starts, counts = trees.starts[trees.roots], trees.counts[trees.roots]
    means = np.add.reduceat(trees.points, starts, axis=0) / counts[:, np.newaxis]
    squares = ((trees.points - np.repeat(means, counts, axis=0)) ** 2).sum(axis=1)
    n = len(trees.points)
    return _Clusters(
        counts=counts,
        means=means,
        variances=np.add.reduceat(squares, starts) / counts,
        deviations=np.add.reduceat(np.sqrt(squares), starts) / counts,
        margin=float(8.0 * (n + 16) * _ROUNDING * np.abs(trees.points).max()),
        roundings=2.0 * (2.0 * n + _FEW_ROUNDINGS) * _ROUNDING,
    )


def _score_block(trees: ClusterTrees, clusters: _Clusters, leaves: IntArray) -> FloatArray:
    """Coefficients of the points of some leaves and their bounds, shape (2, points)."""
    sums = _choose_sums(trees, clusters, leaves)
    pairs = _pair_nodes(trees, sums, clusters.roundings)
    totals = _add_up(trees, sums, pairs)
    counts = trees.counts[leaves]
    errors = np.zeros(sums.wanted.shape)
    errors[sums.wanted] = _ROUNDED_UP * pairs.errors
    errors = np.repeat(errors, counts, axis=0) + clusters.roundings * totals
    wanted, own = np.repeat(sums.wanted, counts, axis=0), np.repeat(sums.own, counts)
    return _judge(totals, errors, wanted, own, clusters)


def _choose_sums(trees: ClusterTrees, clusters: _Clusters, leaves: IntArray) -> _Sums:
    """Leave out the clusters that are further from all points of a leaf than another one.

    The mean distance is at least that of the mean, and at least half the mean distance to it
    (both by Jensen); at most the root of the mean square.
    """
    radii = trees.radii[leaves, np.newaxis] + clusters.margin
    offsets = trees.centers[:, leaves].T[:, np.newaxis] - clusters.means
    apart = np.sqrt((offsets**2).sum(axis=2))
    least = np.maximum(apart - radii, clusters.deviations / 2.0 - clusters.margin) / _ROUNDED_UP
    most = _ROUNDED_UP * np.sqrt((apart + radii) ** 2 + clusters.variances)
    own = np.searchsorted(trees.roots, leaves, side="right") - 1
    at = (np.arange(len(leaves)), own)
    least_own = least[at].copy()
    least[at], most[at] = np.inf, np.inf
    wanted = least <= most.min(axis=1, keepdims=True)
    wanted[at] = True
    scales = np.maximum(np.maximum(least_own, least.min(axis=1)), 0.0)
    return _Sums(leaves, own, wanted, _TOLERANCE * scales)


def _pair_nodes(trees: ClusterTrees, sums: _Sums, roundings: float) -> _Pairs:
    """Walk down the trees of the wanted clusters until nodes are far enough or leaves."""
    rows, clusters = np.nonzero(sums.wanted)
    leaves, size = sums.leaves[rows], len(rows)
    number, nodes = np.arange(size), trees.roots[clusters]
    budgets = sums.tolerances[rows] * trees.counts[nodes]
    spent = np.zeros(size)
    far, near = [], []
    while number.size:
        counts = trees.counts[nodes]
        # What large nodes do not use is for small ones, which are near, few and dear.
        allowed = (budgets - spent) / np.maximum(np.bincount(number, counts, size), 1.0)
        errors = _bound_errors(trees, leaves[number], nodes, roundings)
        is_far = errors <= allowed[number]
        is_near = ~is_far & (trees.children[nodes] < 0)
        spent += np.bincount(number[is_far], (counts * errors)[is_far], size)
        far.append(np.stack([number[is_far], nodes[is_far]]))
        near.append(np.stack([number[is_near], nodes[is_near]]))
        further = ~(is_far | is_near)
        number = np.repeat(number[further], 2)
        nodes = np.repeat(trees.children[nodes[further]], 2)
        nodes[1::2] += 1
    return _Pairs(_sort_pairs(far), _sort_pairs(near), spent)


def _bound_errors(
    trees: ClusterTrees, leaves: IntArray, nodes: IntArray, roundings: float
) -> FloatArray:
    """Bound the error of the distance to a point of a node, expanded, in the mean over them."""
    offsets = trees.centers[:, leaves] - trees.centers[:, nodes]
    distances = np.sqrt((offsets**2).sum(axis=0))
    radii, reaches = trees.radii[leaves], trees.radii[nodes]
    errors = bound_remainder(distances, radii, reaches, trees.spreads[nodes])
    errors[radii + reaches == 0.0] = 0.0  # both are single places: nothing is expanded
    known = np.flatnonzero(errors < np.inf)
    paths = radii[known] + trees.paths[nodes[known]]
    errors[known] += roundings * bound_terms(distances[known], paths)
    return errors


def _sort_pairs(found: list[IntArray]) -> IntArray:
    """Pairs of sums and nodes in order of sums and then of nodes."""
    pairs = np.concatenate(found, axis=1)
    return pairs[:, np.lexsort(pairs[::-1])]


def _add_up(trees: ClusterTrees, sums: _Sums, pairs: _Pairs) -> FloatArray:
    """Sums of distances of the points of a block to clusters, 0 where not wanted, (points, k)."""
    from scipy.spatial.distance import cdist

    counts = trees.counts[sums.leaves]
    first = int(trees.starts[sums.leaves[0]])
    points = trees.points[first : int(trees.ends[sums.leaves[-1]])]
    middles = np.repeat(trees.centers[:, sums.leaves], counts, axis=1)
    powers = make_expansion(points.shape[1]).raise_powers(points.T - middles)
    rows, clusters = np.nonzero(sums.wanted)
    coefficients = _expand_far(trees, sums.leaves[rows], pairs.far)
    totals = np.zeros((len(points), sums.wanted.shape[1]))
    rows_near, bounds = _list_near(trees, pairs.near, len(rows))
    begins = (trees.starts[sums.leaves] - first)[rows]
    ends = begins + counts[rows]
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        found = coefficients[number] @ powers[:, begin:end]
        near = rows_near[bounds[number] : bounds[number + 1]]
        if near.size:
            found += cdist(points[begin:end], trees.points.take(near, axis=0)).sum(axis=1)
        totals[begin:end, clusters[number]] = found
    return totals


def _list_near(trees: ClusterTrees, near: IntArray, n_sums: int) -> tuple[IntArray, list[int]]:
    """The points of near leaves, in order of sums, and where those of each sum begin."""
    counts = trees.counts[near[1]]
    ends = np.cumsum(counts)
    shifts = trees.starts[near[1]] - (ends - counts)
    rows = np.arange(ends[-1] if ends.size else 0) + np.repeat(shifts, counts)
    bounds = np.append(0, ends)[np.searchsorted(near[0], np.arange(n_sums + 1))]
    return rows, bounds.tolist()


def _expand_far(trees: ClusterTrees, leaves: IntArray, far: IntArray) -> FloatArray:
    """Coefficients of the polynomial of each sum, shape (sums, powers)."""
    expansion = make_expansion(len(trees.centers))
    coefficients = np.zeros((len(leaves), expansion.n_powers))
    for start in range(0, far.shape[1], _PAIRS):
        number, nodes = far[:, start : start + _PAIRS]
        offsets = trees.centers[:, leaves[number]] - trees.centers[:, nodes]
        begins = np.flatnonzero(np.diff(number, prepend=-1))
        found = expansion.expand(trees.moments[nodes], offsets, begins)
        coefficients[number[begins]] += found
    return coefficients


def _judge(
    totals: FloatArray, errors: FloatArray, wanted: BoolArray, own: IntArray, clusters: _Clusters
) -> FloatArray:
    """Coefficients and their bounds from sums of distances and the errors of these.

    Args:
        totals: Sums by cluster, shape (points, k).
        errors: How far off they can be, shape (points, k).
        wanted: Whether they are known, shape (points, k).
        own: Cluster of each point, shape (points,).
        clusters: The clusters.

    Returns:
        Shape (2, points).
    """
    at = (np.arange(len(own)), own)
    others = clusters.counts[own] - 1.0
    divisors = np.maximum(others, 1.0)
    within, within_error = totals[at] / divisors, errors[at] / divisors
    beyond = np.where(wanted, totals / clusters.counts, np.inf)
    beyond_error = errors / clusters.counts
    beyond[at] = np.inf
    coefficients = _compare(within, beyond.min(axis=1))
    least = _compare(within + within_error, (beyond - beyond_error).min(axis=1))
    most = _compare(within - within_error, (beyond + beyond_error).min(axis=1))
    bounds = np.maximum(most - coefficients, coefficients - least) + 16.0 * _ROUNDING
    return np.where(others > 0.0, [coefficients, bounds], 0.0)


def _compare(within: FloatArray, beyond: FloatArray) -> FloatArray:
    """The coefficient of mean distances; of negative ones, which none are, as if of 0."""
    within, beyond = np.maximum(within, 0.0), np.maximum(beyond, 0.0)
    largest = np.maximum(within, beyond)
    return np.divide(beyond - within, largest, out=np.zeros_like(largest), where=largest > 0.0)
