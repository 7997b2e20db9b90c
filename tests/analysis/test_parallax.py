"""From the lightning ellipsoid to the ground, against PROJ."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pyproj import Transformer

from lightning_kedro.analysis.parallax import follow_to_ground
from lightning_kedro.glm.field_of_view import ORBIT_RADIUS_KM
from lightning_kedro.glm.lightning_ellipsoid import AT_LAUNCH, GRS80, LOWERED, Ellipsoid

Floats = NDArray[np.float64]

GEODETIC = "+proj=longlat +a=6378137 +b=6356752.31414 +type=crs"
CARTESIAN = "+proj=geocent +a=6378137 +b=6356752.31414 +units=m +type=crs"
TO_XYZ = Transformer.from_crs(GEODETIC, CARTESIAN, always_xy=True)
TO_LON_LAT = Transformer.from_crs(CARTESIAN, GEODETIC, always_xy=True)

LAT = np.array([0.0, 10.0, 35.0, -33.0, 52.0, -52.0, 20.0])
EAST = np.array([0.0, -20.0, -15.0, 25.0, 10.0, -20.0, 45.0])


def stand_on(lat: Floats, lon: Floats, ellipsoid: Ellipsoid) -> Floats:
    """Where the files' latitudes and longitudes are on the lightning ellipsoid, m, by PROJ.

    The direction from the Earth's center is that of the same latitude and longitude on the ground.
    """
    ground = np.stack(TO_XYZ.transform(lon, lat, np.zeros_like(lat)), axis=-1)
    direction = ground / np.linalg.norm(ground, axis=1, keepdims=True)
    axes = 1e3 * np.array([ellipsoid.equatorial_km, ellipsoid.equatorial_km, ellipsoid.polar_km])
    return direction / np.sqrt(((direction / axes) ** 2).sum(axis=1, keepdims=True))


def follow(points: Floats, satellite_lon: float, height_m: float) -> tuple[Floats, Floats]:
    """Where lines of sight through some points come down to a height, by bisection with PROJ."""
    angle = np.radians(satellite_lon)
    satellite = 1e3 * ORBIT_RADIUS_KM * np.array([np.cos(angle), np.sin(angle), 0.0])
    along = points - satellite
    low, high = np.full(len(points), 0.999), np.full(len(points), 1.003)
    for _ in range(60):
        middle = (low + high) / 2.0
        height = TO_LON_LAT.transform(*(satellite + middle[:, None] * along).T)[2]
        low, high = (
            np.where(height > height_m, middle, low),
            np.where(height > height_m, high, middle),
        )
    lon, lat, _ = TO_LON_LAT.transform(*(satellite + low[:, None] * along).T)
    return lat, lon


@pytest.mark.parametrize("satellite_lon", [-75.2, -137.0])
@pytest.mark.parametrize("ellipsoid", [AT_LAUNCH, LOWERED])
@pytest.mark.parametrize("height_km", [0.0, 8.0])
def test_line_of_sight_comes_down_where_proj_says(
    satellite_lon: float, ellipsoid: Ellipsoid, height_km: float
) -> None:
    lon = np.mod(satellite_lon + EAST + 180.0, 360.0) - 180.0
    points = stand_on(LAT, lon, ellipsoid)
    expected_lat, expected_lon = follow(points, satellite_lon, 1e3 * height_km)
    lat, found_lon = follow_to_ground(LAT, lon, satellite_lon, ellipsoid, height_km)
    # 50 m: above the ground "the same latitude" by center and by plumb line differ by so much.
    tolerance = 1e-6 if height_km == 0.0 else 5e-4
    np.testing.assert_allclose(lat, expected_lat, atol=tolerance)
    np.testing.assert_allclose(found_lon, expected_lon, atol=tolerance)
    assert (np.abs(found_lon) <= 180.0).all()


@pytest.mark.parametrize(("ellipsoid", "equator_m"), [(AT_LAUNCH, 16_003.0), (LOWERED, 14_000.0)])
def test_files_have_the_place_beneath_the_light(ellipsoid: Ellipsoid, equator_m: float) -> None:
    """The point of the lightning ellipsoid stands above the files' latitude, to within 60 m."""
    lon, lat, height = TO_LON_LAT.transform(*stand_on(LAT, -75.0 + EAST, ellipsoid).T)
    np.testing.assert_allclose(lon, -75.0 + EAST, atol=1e-9)
    assert np.abs(lat - LAT).max() * 111e3 < 60.0
    assert height[0] == pytest.approx(equator_m, abs=1.0)
    assert (height > 6_000.0).all()


def test_places_move_away_from_the_satellite_the_more_the_lower_it_stands() -> None:
    lat, lon = np.zeros(5), -75.0 + np.array([0.0, 15.0, 30.0, 45.0, 60.0])
    _, ground = follow_to_ground(lat, lon, -75.0, LOWERED)
    moved_km = (ground - lon) * 111.32
    assert moved_km[0] == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(moved_km) > 0.0).all()
    assert moved_km[3] == pytest.approx(14.0 * np.tan(np.radians(51.8)), rel=0.05)


def test_lightning_on_the_ground_stays() -> None:
    lat, lon = follow_to_ground(LAT, -75.0 + EAST, -75.0, GRS80)
    np.testing.assert_allclose(lat, LAT, atol=1e-9)
    np.testing.assert_allclose(lon, -75.0 + EAST, atol=1e-9)


def test_rim_of_the_disc_has_no_ground() -> None:
    lat, lon = follow_to_ground([0.0, 0.0], [-75.0 + 82.9, -75.0], -75.0, AT_LAUNCH)
    assert np.isnan([lat[0], lon[0]]).all()
    assert lat[1] == 0.0
