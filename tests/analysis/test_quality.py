from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import fit_all
from lightning_kedro.analysis.quality import measure_partition


def test_measures_equal_scikit_learn(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(800))
    nothing = np.zeros(800)
    for fit in fit_all(points, np.ones(800), 8, 60)[1:]:
        ours = measure_partition(points, np.ones(800), nothing, fit.centers, fit.labels)
        assert ours.calinski_harabasz == pytest.approx(
            metrics.calinski_harabasz_score(points, fit.labels)
        )
        assert ours.davies_bouldin == pytest.approx(
            metrics.davies_bouldin_score(points, fit.labels)
        )
        sizes = np.bincount(fit.labels)
        assert (ours.smallest_cluster, ours.largest_cluster) == (sizes.min(), sizes.max())


def test_cells_come_near_the_flashes(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(6000)
    features = make_features(FeatureSpace(), lat, lon, None, max_cells=1500)
    fit = fit_all(features.points, features.weights, 8, 60)[7]
    ours = measure_partition(
        features.points, features.weights, features.scatter, fit.centers, fit.labels
    )
    points, labels = FeatureSpace().project(lat, lon), fit.labels[features.index]
    exact = metrics.calinski_harabasz_score(points, labels)
    assert ours.calinski_harabasz == pytest.approx(exact, rel=1e-6)
    assert ours.davies_bouldin == pytest.approx(
        metrics.davies_bouldin_score(points, labels), rel=0.01
    )


def test_single_cluster_has_no_index() -> None:
    points = np.array([[0.0], [2.0]])
    ours = measure_partition(points, np.ones(2), np.zeros(2), np.array([[1.0]]), np.array([0, 0]))
    assert np.isnan(ours.calinski_harabasz)
    assert np.isnan(ours.davies_bouldin)


def test_clusters_without_width_are_perfect() -> None:
    points = np.array([[0.0], [0.0], [2.0]])
    centers, labels = np.array([[0.0], [2.0]]), np.array([0, 0, 1])
    ours = measure_partition(points, np.ones(3), np.zeros(3), centers, labels)
    assert ours.calinski_harabasz == metrics.calinski_harabasz_score(points, labels) == 1.0
    assert ours.davies_bouldin == 0.0
