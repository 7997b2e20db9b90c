"""The fixed grid against the example of the Users' Guide, against PROJ, and there and back."""

import numpy as np
import pytest
from pyproj import Proj

from lightning_kedro.analysis.grids.fixed_grid import locate, project
from lightning_kedro.glm.lightning_ellipsoid import AT_LAUNCH, GRS80, LOWERED, Ellipsoid


def test_example_of_the_users_guide() -> None:
    """PUG volume 3, section 5.1.2.8: 33.846162 N, 84.690932 W from 75 W."""
    x, y = project([33.846162], [-84.690932], -75.0, GRS80)
    assert x[0] == pytest.approx(-0.024052, abs=1e-9)
    assert y[0] == pytest.approx(0.095340, abs=1e-9)
    lat, lon = locate(x, y, -75.0, GRS80)
    assert (lat[0], lon[0]) == (pytest.approx(33.846162), pytest.approx(-84.690932))


@pytest.mark.parametrize("origin", [-75.0, -137.0])
def test_ground_agrees_with_proj(origin: float) -> None:
    random = np.random.default_rng(0)
    lat, lon = random.uniform(-55, 55, 500), origin + random.uniform(-55, 55, 500)
    geostationary = Proj(
        proj="geos", lon_0=origin, h=35786023.0, a=6378137.0, b=6356752.31414, sweep="x"
    )
    x, y = project(lat, lon, origin, GRS80)
    true_x, true_y = geostationary(lon, lat)
    np.testing.assert_allclose(x * 35786023.0, true_x, atol=1e-3)
    np.testing.assert_allclose(y * 35786023.0, true_y, atol=1e-3)


@pytest.mark.parametrize("ellipsoid", [GRS80, AT_LAUNCH, LOWERED])
def test_there_and_back(ellipsoid: Ellipsoid) -> None:
    random = np.random.default_rng(1)
    lat, lon = random.uniform(-57, 57, 300), random.uniform(-190, -84, 300)
    x, y = project(lat, lon, -137.0, ellipsoid)
    seen = np.isfinite(x)
    assert seen.mean() > 0.9
    back_lat, back_lon = locate(x[seen], y[seen], -137.0, ellipsoid)
    np.testing.assert_allclose(back_lat, lat[seen], atol=1e-9)
    np.testing.assert_allclose(back_lon, lon[seen], atol=1e-9)


def test_any_turn_of_longitude_is_the_same() -> None:
    one, other = (project([10.0], [lon], -137.0, LOWERED) for lon in (178.0, -182.0))
    np.testing.assert_allclose(one, other)


def test_what_is_behind_the_horizon_has_no_place() -> None:
    x, y = project([0.0, 0.0, 0.0], [-75.0, 100.0, 20.0], -75.0, LOWERED)
    assert np.isfinite(x).tolist() == np.isfinite(y).tolist() == [True, False, False]
    lat, lon = locate([0.0, 0.16], [0.0, 0.0], -75.0, LOWERED)
    assert np.isfinite(lat).tolist() == np.isfinite(lon).tolist() == [True, False]


def test_ellipsoid_moves_places_at_the_edge_by_kilometers() -> None:
    lifted, ground = (project([45.0], [-110.0], -75.0, ellipsoid) for ellipsoid in (LOWERED, GRS80))
    assert np.hypot(lifted[0] - ground[0], lifted[1] - ground[1])[0] * 35786 > 5.0
