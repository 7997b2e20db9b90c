import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.analysis.sphere import (
    EARTH_RADIUS_KM,
    KM_PER_DEGREE,
    to_lat_lon,
    to_unit_vectors,
)


def test_axes_point_where_the_docstring_says() -> None:
    vectors = to_unit_vectors([0.0, 0.0, 90.0], [0.0, 90.0, 12.0])
    assert vectors == pytest.approx(np.eye(3), abs=1e-15)


def test_radius_is_the_mean_radius_of_iugg() -> None:
    assert pytest.approx((2 * 6378.137 + 6356.752314) / 3, abs=1e-4) == EARTH_RADIUS_KM
    assert pytest.approx(111.195, abs=1e-3) == KM_PER_DEGREE


@given(st.floats(-90, 90, width=32), st.floats(-180, 180, width=32))
def test_round_trip_gives_the_place_back(lat: float, lon: float) -> None:
    back_lat, back_lon = to_lat_lon(to_unit_vectors([lat], [lon]))
    assert back_lat[0] == pytest.approx(lat, abs=1e-9)
    assert -180.0 < back_lon[0] <= 180.0
    if abs(lat) < 89.99:
        assert abs((back_lon[0] - lon + 180.0) % 360.0 - 180.0) < 1e-9


def test_longitude_180_is_never_minus_180() -> None:
    assert to_lat_lon([[-1.0, -0.0, 0.0], [-1.0, 0.0, 0.0]])[1].tolist() == [180.0, 180.0]


def test_neighbours_across_180_are_near() -> None:
    here, there = to_unit_vectors([10.0, 10.0], [179.5, -179.5])
    degree = np.radians(1.0) * np.cos(np.radians(10.0))
    assert np.linalg.norm(here - there) == pytest.approx(degree, rel=1e-4)
