from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, find_nearest, fit_all
from lightning_kedro.analysis.silhouette import silhouette_samples, silhouette_scores


def test_scores_of_several_k_equal_scikit_learn(points: np.ndarray, fits: list[KMeansFit]) -> None:
    labels = [each.labels for each in fits[1::3]]
    ours = silhouette_scores(points, np.ones(len(points)), labels)
    theirs = [metrics.silhouette_score(points, each) for each in labels]
    assert ours == pytest.approx(np.array(theirs), abs=1e-6)


def test_every_sample_equals_scikit_learn(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(3000))
    labels = np.random.default_rng(0).integers(7, size=3000)
    ours = silhouette_samples(points, np.ones(3000), [labels])
    assert ours[0] == pytest.approx(metrics.silhouette_samples(points, labels), abs=1e-6)


def test_worked_example_by_hand() -> None:
    # a = 1 and b = (10 + 11) / 2 for the first point; the last is alone.
    points = np.array([[0.0], [1.0], [10.0], [11.0], [50.0]])
    ours = silhouette_samples(points, np.ones(5), [np.array([0, 0, 1, 1, 2])])[0]
    assert ours == pytest.approx([1 - 1 / 10.5, 1 - 1 / 9.5, 1 - 1 / 9.5, 1 - 1 / 10.5, 0.0])


def test_points_alone_or_all_in_one_place_have_zero() -> None:
    points = np.array([[1.0, 1.0]] * 4)
    assert silhouette_samples(points, np.ones(4), [np.array([0, 0, 1, 1])]).tolist() == [[0.0] * 4]


def test_single_cluster_has_none() -> None:
    points = np.array([[0.0], [1.0], [2.0]])
    assert np.isnan(silhouette_scores(points, np.ones(3), [np.zeros(3, dtype=int)]))[0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_weight_of_three_equals_three_equal_points(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(30, 3))
    weights = random.integers(1, 4, 30)
    labels = np.concatenate([np.arange(3), random.integers(3, size=27)])
    merged = silhouette_samples(points, weights.astype(float), [labels])[0]
    many, theirs = np.repeat(points, weights, axis=0), np.repeat(labels, weights)
    assert np.repeat(merged, weights) == pytest.approx(
        metrics.silhouette_samples(many, theirs), abs=1e-6
    )
    score = silhouette_scores(points, weights.astype(float), [labels])[0]
    assert score == pytest.approx(metrics.silhouette_score(many, theirs), abs=1e-6)


def test_threads_do_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(2000))
    labels = [each.labels for each in fit_all(points, np.ones(2000), 9, 60)[1:]]
    one, many = (silhouette_samples(points, np.ones(2000), labels, n_threads=n) for n in (1, 4))
    assert one.tobytes() == many.tobytes()


@pytest.mark.parametrize("max_cells", [800, 3000])
def test_cells_are_near_the_exact_score(storms: Callable[..., tuple], max_cells: int) -> None:
    lat, lon = storms(8000, seed=9)
    points = FeatureSpace().project(lat, lon)
    features = make_features(FeatureSpace(), lat, lon, None, max_cells)
    fits = fit_all(features.points, features.weights, 15, 60)[1:]
    estimate = silhouette_scores(
        features.points, features.weights, [each.labels for each in fits], features.scatter
    )
    labels = [find_nearest(points, each.centers)[0] for each in fits]
    exact = silhouette_scores(points, np.ones(8000), labels)
    assert estimate == pytest.approx(exact, abs=0.005)
