from collections.abc import Callable

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE

SPACES = {
    "sphere": FeatureSpace(),
    "degrees": FeatureSpace("degrees"),
    "time": FeatureSpace(time_scale_km_per_hour=40.0),
}


def test_sphere_measures_chords_in_km() -> None:
    here, there = FeatureSpace().project([0.0, 0.0], [0.0, 60.0])
    assert np.linalg.norm(here - there) == pytest.approx(EARTH_RADIUS_KM)


def test_degrees_are_longitude_then_latitude() -> None:
    assert FeatureSpace("degrees").project([1.0], [2.0]).tolist() == [[2.0, 1.0]]


def test_standardized_degrees_equal_scikit_learn(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(500)
    space = FeatureSpace("degrees").standardize(lat, lon)
    reference = StandardScaler().fit_transform(np.column_stack([lon, lat]))
    assert space.project(lat, lon) == pytest.approx(reference, abs=1e-12)
    back = space.locate(space.project(lat, lon))
    assert back[0] == pytest.approx(lat, abs=1e-9)
    assert back[1] == pytest.approx(lon, abs=1e-9)


def test_column_without_spread_stays_unscaled() -> None:
    space = FeatureSpace("degrees").standardize(np.array([5.0, 5.0]), np.array([1.0, 3.0]))
    assert space.scales == (1.0, 1.0)
    assert space.project([5.0], [3.0]).tolist() == [[1.0, 0.0]]


def test_time_is_one_more_dimension() -> None:
    hours = np.array([1.5])
    assert SPACES["time"].project([0.0], [0.0], hours)[0, 3] == pytest.approx(60.0)
    in_degrees = FeatureSpace("degrees", time_scale_km_per_hour=KM_PER_DEGREE)
    assert in_degrees.project([0.0], [0.0], hours)[0].tolist() == [0.0, 0.0, 1.5]


def test_few_flashes_stay_as_they_are(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(100)
    features = make_features(FeatureSpace(), lat, lon, None, max_cells=100)
    assert features.method == "exact"
    assert features.cell_size_km is None
    assert features.n_flashes == 100
    assert np.array_equal(features.points, FeatureSpace().project(lat, lon))
    assert features.weights.tolist() == [1.0] * 100
    assert not features.scatter.any()


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_many_flashes_become_cells(space: FeatureSpace, storms: Callable[..., tuple]) -> None:
    lat, lon = storms(5000)
    hours = np.linspace(0.0, 1.0, 5000)
    features = make_features(space, lat, lon, hours, max_cells=700)
    assert features.method == "cells"
    assert 400 < len(features.points) <= 700
    assert features.weights.sum() == features.n_flashes == 5000
    points = space.project(lat, lon, hours)
    assert np.average(features.points, axis=0, weights=features.weights) == pytest.approx(
        points.mean(axis=0), abs=1e-6
    )
    # Every flash is near the point that stands for it, and the scatter is what merging hides.
    offsets = points - features.points[features.index]
    assert (offsets**2).sum() == pytest.approx(features.scatter.sum(), rel=1e-9)
    unit = 1.0 if space.coordinates == "sphere" else KM_PER_DEGREE
    assert np.abs(offsets).max() * unit < 1.5 * (features.cell_size_km or 0.0)


def test_inputs_are_not_changed(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(2000)
    for array in (lat, lon):
        array.setflags(write=False)
    make_features(FeatureSpace(), lat, lon, None, max_cells=100)
    make_features(FeatureSpace("degrees").standardize(lat, lon), lat, lon, None, max_cells=100)
