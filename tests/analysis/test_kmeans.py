from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from threadpoolctl import threadpool_limits

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, find_nearest, fit_all, merge_equal_points

K_MAX = 23


def fit(points: np.ndarray, k_max: int = K_MAX, **options: object) -> list[KMeansFit]:
    return fit_all(points, np.ones(len(points)), k_max, 60, **options)


def test_inertia_is_as_good_as_ten_starts_of_scikit_learn(
    points: np.ndarray, fits: list[KMeansFit]
) -> None:
    with threadpool_limits(limits=1):
        ratios = [
            each.inertia / KMeans(each.n_clusters, n_init=10, random_state=0).fit(points).inertia_
            for each in fits[1:]
        ]
    assert max(ratios) <= 1.01
    assert np.mean(ratios) <= 1.0


def test_fits_are_what_they_say(points: np.ndarray, fits: list[KMeansFit]) -> None:
    assert [each.n_clusters for each in fits] == list(range(1, K_MAX + 1))
    for each in fits:
        assert np.array_equal(np.unique(each.labels), np.arange(each.n_clusters))
        assert np.array_equal(each.labels, pairwise_distances(points, each.centers).argmin(axis=1))
        by_hand = ((points - each.centers[each.labels]) ** 2).sum()
        assert each.inertia == pytest.approx(by_hand, rel=1e-9)
        means = [points[each.labels == label].mean(axis=0) for label in range(each.n_clusters)]
        assert each.centers == pytest.approx(np.array(means), abs=1e-6)


def test_inertia_falls_with_every_k(fits: list[KMeansFit]) -> None:
    assert (np.diff([each.inertia for each in fits]) < 0).all()


def test_inertia_falls_until_every_point_is_a_cluster() -> None:
    points = np.random.default_rng(5).normal(size=(12, 3))
    inertia = [each.inertia for each in fit(points, 11)]
    assert (np.diff(inertia) < 0).all()
    nearest = pairwise_distances(points)[~np.eye(12, dtype=bool)].min()
    assert inertia[-1] == pytest.approx(nearest**2 / 2)


def test_far_blobs_of_neighbours_are_taken_apart() -> None:
    # So far apart that the thinned points cannot tell neighbours from each other.
    random = np.random.default_rng(6)
    blobs = np.repeat([[0.0, 0.0], [1e7, 0.0], [0.0, 1e7]], 600, axis=0)
    points = blobs + random.normal(0.0, 1e-3, (1800, 2))
    fits = fit(points, 8)
    assert (np.diff([each.inertia for each in fits]) < 0).all()
    assert fits[2].inertia < 1.0


def test_threads_do_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(3000))
    one, many = fit(points, n_threads=1), fit(points, n_threads=4)
    for a, b in zip(one, many, strict=True):
        assert a.inertia == b.inertia
        assert a.centers.tobytes() == b.centers.tobytes()
        assert a.labels.tobytes() == b.labels.tobytes()


def test_order_of_points_does_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(2000))
    order = np.random.default_rng(1).permutation(len(points))
    for a, b in zip(fit(points, 9), fit(points[order], 9), strict=True):
        assert a.centers.tobytes() == b.centers.tobytes()
        assert np.array_equal(a.labels[order], b.labels)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_weight_of_three_equals_three_equal_points(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(40, 3)) * 100.0
    weights = random.integers(1, 4, 40)
    merged = fit_all(points, weights.astype(float), 6, 60)
    split = fit_all(np.repeat(points, weights, axis=0), np.ones(weights.sum()), 6, 60)
    for a, b in zip(merged, split, strict=True):
        assert a.centers.tobytes() == b.centers.tobytes()
        assert a.inertia == b.inertia
        assert np.array_equal(np.repeat(a.labels, weights), b.labels)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_rotating_the_sphere_rotates_the_result(seed: int) -> None:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(-40, 40, 6)[:, None], random.uniform(-120, -40, 6)[:, None]
    spread = random.normal(0.0, 0.5, (2, 6, 20))
    points = FeatureSpace().project((lat + spread[0]).ravel(), (lon + spread[1]).ravel())
    turn = Rotation.random(rng=random)
    for a, b in zip(fit(points, 6), fit(turn.apply(points), 6), strict=True):
        assert b.inertia == pytest.approx(a.inertia, rel=1e-6)
        assert adjusted_rand_score(a.labels, b.labels) == pytest.approx(1.0)
        turned = turn.apply(a.centers)
        assert cdist(turned, b.centers).min(axis=1) == pytest.approx(0.0, abs=1e-5)


def test_cells_lose_next_to_nothing_of_all_flashes(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(12_000, seed=8)
    points = FeatureSpace().project(lat, lon)
    features = make_features(FeatureSpace(), lat, lon, None, max_cells=2500)
    merged = fit_all(features.points, features.weights, 12, 60)
    for a, b in zip(merged, fit(points, 12), strict=True):
        labels, squared = find_nearest(points, a.centers)
        assert squared.sum() <= 1.005 * b.inertia
        assert a.inertia + features.scatter.sum() == pytest.approx(squared.sum(), rel=0.005)
        assert np.mean(labels != a.labels[features.index]) < 0.02


def test_points_that_straddle_180_are_one_cluster() -> None:
    random = np.random.default_rng(7)
    lon = np.concatenate([random.normal(180.0, 1.0, 200), random.normal(-90.0, 1.0, 200)])
    points = FeatureSpace().project(random.normal(0.0, 1.0, 400), (lon + 180.0) % 360.0 - 180.0)
    two = fit(points, 2)[1]
    assert np.unique(two.labels[:200]).size == np.unique(two.labels[200:]).size == 1


def test_nearest_of_equally_near_centres_is_the_first() -> None:
    labels, squared = find_nearest(np.array([[0.0]]), np.array([[2.0], [-1.0], [1.0]]))
    assert labels.tolist() == [1]
    assert squared.tolist() == [1.0]


def test_equal_points_are_merged() -> None:
    points = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0]])
    distinct, weights, index = merge_equal_points(points, np.array([1.0, 2.0, 4.0]))
    assert distinct.tolist() == [[0.0, 5.0], [1.0, 2.0]]
    assert weights.tolist() == [2.0, 5.0]
    assert index.tolist() == [1, 0, 1]
