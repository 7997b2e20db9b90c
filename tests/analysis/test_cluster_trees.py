"""Trees of clusters: every point in one leaf, and nodes that hold what they say."""

import numpy as np
import pytest

from lightning_kedro.analysis.cluster_trees import LEAF, grow_trees
from lightning_kedro.analysis.expansion import make_expansion


@pytest.fixture(scope="module", params=[2, 3, 4])
def grown(request: pytest.FixtureRequest) -> tuple:
    random = np.random.default_rng(0)
    points = random.normal(size=(3000, request.param))
    labels = np.concatenate([[0] * LEAF, [1] * (LEAF + 1), [2], random.integers(3, 6, 2870)])
    random.shuffle(labels)
    return points, labels, grow_trees(points, labels)


def test_leaves_part_the_points_by_cluster(grown: tuple) -> None:
    points, labels, trees = grown
    assert np.sort(trees.order).tolist() == list(range(3000))
    assert (trees.points == points[trees.order]).all()
    leaves = np.flatnonzero(trees.children < 0)
    assert trees.starts[leaves].tolist() == [0, *trees.ends[leaves][:-1]]
    assert trees.counts[leaves].min() >= 1
    assert trees.counts[leaves].max() <= LEAF
    for cluster, root in enumerate(trees.roots):
        mine = trees.order[trees.starts[root] : trees.ends[root]]
        assert np.sort(mine).tolist() == np.flatnonzero(labels == cluster).tolist()
    assert (trees.children[trees.roots[[0, 1, 2]]] >= 0).tolist() == [False, True, False]


def test_children_share_the_points_of_their_node(grown: tuple) -> None:
    *_, trees = grown
    inner = np.flatnonzero(trees.children >= 0)
    left = trees.children[inner]
    assert (trees.starts[left] == trees.starts[inner]).all()
    assert (trees.ends[left] == trees.starts[left + 1]).all()
    assert (trees.ends[left + 1] == trees.ends[inner]).all()


def test_nodes_hold_what_they_say(grown: tuple) -> None:
    points, _, trees = grown
    expansion = make_expansion(points.shape[1])
    for node, (start, end) in enumerate(zip(trees.starts, trees.ends, strict=True)):
        offsets = trees.centers[:, node, np.newaxis] - trees.points[start:end].T
        lengths = np.linalg.norm(offsets, axis=0)
        assert lengths.max() <= trees.radii[node] <= lengths.max() * (1.0 + 1e-9)
        spread = (lengths**6).mean() ** (1 / 6)
        assert spread <= trees.spreads[node] <= spread * (1.0 + 1e-6)
        assert trees.radii[node] <= trees.paths[node] * (1.0 + 1e-9)
        moments = expansion.raise_powers(offsets).sum(axis=1)
        assert trees.moments[node] == pytest.approx(moments, rel=1e-9, abs=1e-9)


def test_points_in_one_place_have_no_radius() -> None:
    trees = grow_trees(np.full((500, 3), 6371.0088 / 3.0), np.zeros(500, dtype=int))
    assert not trees.radii.any()
    assert not trees.paths.any()
    assert not trees.spreads.any()
