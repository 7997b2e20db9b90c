from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, fit_all
from lightning_kedro.analysis.labelling import (
    MergingError,
    _find_settled,
    label_flashes,
    measure_merging,
)
from lightning_kedro.analysis.silhouette import silhouette_scores
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, to_unit_vectors


@pytest.mark.parametrize("coordinates", ["sphere", "degrees"])
@pytest.mark.parametrize("max_cells", [600, 10_000])
def test_every_flash_has_its_nearest_center(
    storms: Callable[..., tuple], coordinates: str, max_cells: int
) -> None:
    lat, lon = storms(3000)
    space = FeatureSpace(coordinates)
    features = make_features(space, lat, lon, None, max_cells)
    fit = fit_all(features.points, features.weights, 7, 60)[6]
    clusters = label_flashes(features, fit, lat, lon)
    points = space.project(lat, lon)
    distances = metrics.pairwise_distances(points, fit.centers[clusters.order])
    assert np.array_equal(clusters.labels, distances.argmin(axis=1))
    assert clusters.inertia == pytest.approx((distances.min(axis=1) ** 2).sum(), rel=1e-9)
    assert np.array_equal(clusters.flash_counts, np.bincount(clusters.labels))
    assert (np.diff(clusters.flash_counts) <= 0).all()
    assert ((clusters.lon > -180.0) & (clusters.lon <= 180.0)).all()
    center = to_unit_vectors(clusters.lat, clusters.lon)[clusters.labels]
    chords = EARTH_RADIUS_KM * np.linalg.norm(to_unit_vectors(lat, lon) - center, axis=1)
    for number, radius in enumerate(clusters.rms_radius_km):
        assert radius == pytest.approx(np.sqrt((chords[clusters.labels == number] ** 2).mean()))


def test_clusters_of_equal_size_are_ordered_by_place() -> None:
    lat, lon = np.array([10.0, -10.0, -10.0]), np.array([0.0, 50.0, -50.0])
    features = make_features(FeatureSpace(), lat, lon, None, 10)
    fit = KMeansFit(3, features.points, np.arange(3, dtype=np.int32), 0.0)
    assert label_flashes(features, fit, lat, lon).labels.tolist() == [2, 1, 0]


def test_exact_result_has_no_merging_error(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(300)
    features = make_features(FeatureSpace(), lat, lon, None, 300)
    fit = fit_all(features.points, features.weights, 3, 60)[2]
    clusters = label_flashes(features, fit, lat, lon)
    assert np.array_equal(clusters.order[clusters.labels], fit.labels)
    assert measure_merging(features, fit, clusters, lat, lon) == MergingError()


@pytest.mark.parametrize("scale", [None, 60.0])
def test_merging_error_is_measured_right(storms: Callable[..., tuple], scale: float | None) -> None:
    lat, lon = storms(4000, seed=11)
    hours = None if scale is None else np.linspace(0.0, 1.0, 4000)
    space = FeatureSpace(time_scale_km_per_hour=scale)
    features = make_features(space, lat, lon, hours, 500)
    fit = fit_all(features.points, features.weights, 9, 60)[8]
    clusters = label_flashes(features, fit, lat, lon, hours)
    error = measure_merging(features, fit, clusters, lat, lon, hours)
    points = space.project(lat, lon, hours)
    of_cell = fit.labels[features.index]
    inertia = ((points - fit.centers[of_cell]) ** 2).sum()
    assert error.inertia_error == pytest.approx(inertia / clusters.inertia - 1.0, abs=1e-9)
    assert -1e-9 < error.inertia_error < 0.005
    assert error.relabelled_share == np.mean(of_cell != clusters.order[clusters.labels])
    # All 4,000 flashes fit into the sample, so that the error is that of the whole.
    exact = metrics.silhouette_score(points, clusters.labels)
    merged = silhouette_scores(features.points, features.weights, [fit.labels], features.scatter)
    assert error.silhouette_error == pytest.approx(merged[0] - exact, abs=1e-6)
    assert abs(error.silhouette_error) < 0.01
    known = measure_merging(features, fit, clusters, lat, lon, hours, silhouette_error=0.125)
    assert known == replace(error, silhouette_error=0.125)


def test_merging_error_is_a_number_however_small_a_cluster_is(
    storms: Callable[..., tuple],
) -> None:
    # Nine flashes far away from 40,000 others, none of them in an even sample.
    lat, lon = storms(40_000, seed=12)
    lat, lon = lat * 0.01, lon * 0.01
    lat[1:10], lon[1:10] = 40.0, 100.0
    features = make_features(FeatureSpace(), lat, lon, None, 2000)
    fit = fit_all(features.points, features.weights, 2, 60)[1]
    clusters = label_flashes(features, fit, lat, lon)
    assert clusters.flash_counts.tolist() == [39_991, 9]
    error = measure_merging(features, fit, clusters, lat, lon)
    assert abs(error.silhouette_error) < 0.01


def test_flashes_of_settled_cells_are_labelled_as_if_each_was_looked_at(
    storms: Callable[..., tuple],
) -> None:
    lat, lon = storms(30_000, seed=13)
    features = make_features(FeatureSpace(), lat, lon, None, 4000)
    fit = fit_all(features.points, features.weights, 9, 60)[8]
    settled = _find_settled(features, fit)
    assert settled.mean() > 0.5
    points = FeatureSpace().project(lat, lon)
    distances = metrics.pairwise_distances(points, fit.centers)
    inside = settled[features.index]
    nearest = distances[inside].argmin(axis=1)
    assert np.array_equal(nearest, fit.labels[features.index[inside]])
    clusters = label_flashes(features, fit, lat, lon)
    assert np.array_equal(clusters.labels, distances[:, clusters.order].argmin(axis=1))
    assert clusters.inertia == pytest.approx((distances.min(axis=1) ** 2).sum(), rel=1e-9)
