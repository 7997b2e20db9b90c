"""Trees of points, one for each cluster: what each node holds, and its moments.

Every node halves its points along the longest side of their box (k-d tree: Bentley 1975,
doi:10.1145/361002.361007), so that where nodes begin follows from their number alone and all
leaves of a cluster are equally deep.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.expansion import Expansion, make_expansion
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.threads import map_threads

LEAF: Final = 64  # a leaf has at most so many points
_BLOCK: Final = 2**13  # points whose powers are summed at a time
_SUBTREE: Final = 2**15  # nodes of up to so many points are split by one thread to their leaves
_ROUNDED_UP: Final = 1.0 + 1e-12
_SUM_ROUNDED_UP: Final = 1.0 + 1e-8  # sums of up to 1e8 terms

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Level:
    """The nodes of one level of a cluster's tree: which they are, and where each begins."""

    nodes: slice
    starts: IntArray
    end: int


@dataclass(frozen=True, slots=True)
class ClusterTrees:
    """The trees of all clusters; nodes of a cluster are numbered level by level.

    Attributes:
        points: Points in order of clusters and leaves, shape (n, d).
        order: Which point each of them is, shape (n,).
        roots: Root of each cluster, shape (k,).
        children: First of the two children of each node, or -1 for a leaf, shape (m,).
        starts: First point of each node, shape (m,).
        ends: End of its points, shape (m,).
        centers: Middle of its box, shape (d, m).
        radii: How far its points are from there at most, shape (m,).
        spreads: Sixth root of the mean sixth power of these distances, shape (m,).
        paths: How far they are along the centers of all nodes between, at most, shape (m,).
        moments: Sums of the powers of the center less the points, shape (m, powers).
    """

    points: FloatArray
    order: IntArray
    roots: IntArray
    children: IntArray
    starts: IntArray
    ends: IntArray
    centers: FloatArray
    radii: FloatArray
    spreads: FloatArray
    paths: FloatArray
    moments: FloatArray

    @property
    def counts(self) -> IntArray:
        """Number of points of each node, shape (m,)."""
        return self.ends - self.starts


def grow_trees(
    points: FloatArray, labels: npt.NDArray[np.integer], n_threads: int | None = None
) -> ClusterTrees:
    """Make the trees.

    Args:
        points: Shape (n, d).
        labels: Clusters 0 .. k - 1 of the points, shape (n,); every cluster has points.
        n_threads: Threads to use; their number does not change the result.
    """
    order = np.argsort(labels, kind="stable")
    arranged = points[order]
    clusters = _lay_out(np.bincount(labels))
    for levels in clusters:
        _split(arranged, order, levels, n_threads)
    last = clusters[-1][-1].nodes.stop
    trees = ClusterTrees(
        points=arranged,
        order=order,
        roots=np.array([levels[0].nodes.start for levels in clusters]),
        children=np.full(last, -1),
        starts=np.empty(last, dtype=np.int64),
        ends=np.empty(last, dtype=np.int64),
        centers=np.empty((points.shape[1], last)),
        radii=np.empty(last),
        spreads=np.empty(last),
        paths=np.empty(last),
        moments=np.empty((last, make_expansion(points.shape[1]).n_powers)),
    )
    expansion = make_expansion(points.shape[1])
    map_threads(lambda levels: _bound_nodes(trees, levels), clusters, n_threads)
    every = [level for levels in clusters for level in levels]
    map_threads(lambda level: _measure(trees, level), every, n_threads)
    leaves = [part for levels in clusters for part in _cut_leaves(trees, levels[-1])]
    map_threads(lambda part: _sum_powers(trees, expansion, part), leaves, n_threads)
    map_threads(lambda levels: _merge_nodes(trees, expansion, levels), clusters, n_threads)
    return trees


def _lay_out(counts: IntArray) -> list[list[_Level]]:
    """The levels of each cluster's tree, from its root down; nodes are numbered through."""
    clusters, node, point = [], 0, 0
    for count in counts.tolist():
        depth = max(0, (-(-count // LEAF) - 1).bit_length())
        levels = []
        for number in range(depth + 1):
            size = 1 << number
            starts = point + (np.arange(size) * count >> number)
            levels.append(_Level(slice(node, node + size), starts, point + count))
            node += size
        clusters.append(levels)
        point += count
    return clusters


def _split(
    points: FloatArray, order: IntArray, levels: list[_Level], n_threads: int | None
) -> None:
    """Put the points of a cluster into the order of its leaves, in place."""
    bounds = [np.append(level.starts, level.end) for level in levels]
    top = 0
    while top + 1 < len(levels) and bounds[top][1] - bounds[top][0] > _SUBTREE:
        _halve(points, order, bounds[top], bounds[top + 1])
        top += 1

    def finish(number: int) -> None:
        for level in range(top, len(levels) - 1):
            size = 1 << (level - top)
            mine = slice(number * size, (number + 1) * size + 1)
            finer = slice(2 * number * size, 2 * (number + 1) * size + 1)
            _halve(points, order, bounds[level][mine], bounds[level + 1][finer])

    map_threads(finish, range(1 << top), n_threads)


def _halve(points: FloatArray, order: IntArray, bounds: IntArray, finer: IntArray) -> None:
    """Put the points of nodes into the order of their halves, in place.

    Args:
        points: All points.
        order: Which they are.
        bounds: Where the nodes begin, and where the last ends.
        finer: The same of the halves.
    """
    starts, ends, middles = bounds[:-1].tolist(), bounds[1:].tolist(), finer[1::2].tolist()
    columns, begins = points[starts[0] : ends[-1]].T, bounds[:-1] - bounds[0]
    sides = [
        np.maximum.reduceat(column, begins) - np.minimum.reduceat(column, begins)
        for column in columns
    ]
    axes = np.argmax(sides, axis=0).tolist()
    for start, middle, end, axis in zip(starts, middles, ends, axes, strict=True):
        mine = points[start:end]
        parted = np.argpartition(mine[:, axis], middle - start)
        points[start:end] = mine[parted]
        order[start:end] = order[start:end][parted]


def _bound_nodes(trees: ClusterTrees, levels: list[_Level]) -> None:
    """Find children, points and boxes of the nodes of a cluster."""
    points = trees.points[levels[-1].starts[0] : levels[-1].end]
    starts = levels[-1].starts - levels[-1].starts[0]
    low, high = (f.reduceat(points, starts, axis=0).T for f in (np.minimum, np.maximum))
    for level in reversed(levels):
        trees.starts[level.nodes] = level.starts
        trees.ends[level.nodes] = [*level.starts[1:], level.end]
        # Half of each: where all points coincide, that is their very place.
        trees.centers[:, level.nodes] = 0.5 * low + 0.5 * high
        if level is not levels[-1]:
            size = len(level.starts)
            trees.children[level.nodes] = level.nodes.stop + 2 * np.arange(size)
        low, high = np.minimum(low[:, ::2], low[:, 1::2]), np.maximum(high[:, ::2], high[:, 1::2])


def _measure(trees: ClusterTrees, level: _Level) -> None:
    """Measure how far points are from the centers of their nodes."""
    first = int(level.starts[0])
    starts, counts = level.starts - first, trees.counts[level.nodes]
    squares = np.zeros(level.end - first)
    for axis, middle in enumerate(trees.centers[:, level.nodes]):
        squares += (trees.points[first : level.end, axis] - np.repeat(middle, counts)) ** 2
    trees.radii[level.nodes] = _ROUNDED_UP * np.sqrt(np.maximum.reduceat(squares, starts))
    squares **= 3
    mean = np.add.reduceat(squares, starts) / counts
    trees.spreads[level.nodes] = _SUM_ROUNDED_UP * mean ** (1.0 / 6.0)


def _cut_leaves(trees: ClusterTrees, level: _Level) -> list[slice]:
    """The leaves of a cluster in parts of about ``_BLOCK`` points."""
    first, last = level.nodes.start, level.nodes.stop
    step = max(1, _BLOCK // int(trees.counts[first:last].max()))
    return [slice(start, min(start + step, last)) for start in range(first, last, step)]


def _sum_powers(trees: ClusterTrees, expansion: Expansion, leaves: slice) -> None:
    """Sum the powers of points into the moments of their leaves."""
    starts, end = trees.starts[leaves], int(trees.ends[leaves][-1])
    middles = np.repeat(trees.centers[:, leaves], trees.counts[leaves], axis=1)
    powers = expansion.raise_powers(middles - trees.points[starts[0] : end].T)
    trees.moments[leaves] = np.add.reduceat(powers, starts - starts[0], axis=1).T
    trees.paths[leaves] = trees.radii[leaves]


def _merge_nodes(trees: ClusterTrees, expansion: Expansion, levels: list[_Level]) -> None:
    """Make moments and paths of the nodes of a cluster from their children, from below."""
    for level, finer in zip(reversed(levels[:-1]), reversed(levels), strict=False):
        shifts = np.repeat(trees.centers[:, level.nodes], 2, axis=1)
        shifts -= trees.centers[:, finer.nodes]
        moments = expansion.shift_moments(trees.moments[finer.nodes].T, shifts).T
        trees.moments[level.nodes] = moments[::2] + moments[1::2]
        lengths = _ROUNDED_UP * np.sqrt((shifts**2).sum(axis=0))
        paths = _ROUNDED_UP * (trees.paths[finer.nodes] + lengths)
        trees.paths[level.nodes] = np.maximum(paths[::2], paths[1::2])
