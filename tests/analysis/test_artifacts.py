"""Flashes that the Sun may have made, and areas that cannot be true."""

import numpy as np
import pytest

from lightning_kedro.analysis import artifacts
from lightning_kedro.analysis.artifacts import (
    EARTH_DISC_DEG,
    GLINT_DEG,
    SunAngles,
    find_wrapped_areas,
)
from lightning_kedro.analysis.sphere import to_unit_vectors
from lightning_kedro.glm.field_of_view import EARTH_RADIUS_KM, ORBIT_RADIUS_KM
from lightning_kedro.glm.sun import find_sun

EAST = -75.2


def measure(time: str, lat: float, lon: float, satellite_lon: float = EAST) -> SunAngles:
    times = np.array([time], "datetime64[us]")
    return SunAngles.measure(times, [lat], [lon], satellite_lon)


def find_glint(time: str) -> tuple[float, float]:
    """Where a level sea would mirror the Sun toward GOES-East."""
    lat, lon = np.meshgrid(np.arange(-40.0, 40.0, 0.5), np.arange(-130.0, -20.0, 0.5))
    times = np.full(lat.size, time, "datetime64[us]")
    angles = SunAngles.measure(times, lat.ravel(), lon.ravel(), EAST)
    best = int(np.argmin(angles.glint_deg))
    assert angles.glint_deg[best] < 1.0
    return float(lat.ravel()[best]), float(lon.ravel()[best])


def test_glint_angle_is_that_of_the_published_formula() -> None:
    """MODIS: cos(glint) = cos(sun) cos(view) + sin(sun) sin(view) cos(azimuths), mirrored."""
    random = np.random.default_rng(5)
    n = 200
    times = np.datetime64("2024-05-24T10:00", "us") + random.integers(0, 10**11, n).astype("m8[us]")
    lat, lon = random.uniform(-50, 50, n), random.uniform(-120, -30, n)
    up = to_unit_vectors(lat, lon)
    # On a sphere here: the ground's ellipsoid differs by a fraction of a degree in where it is.
    view = ORBIT_RADIUS_KM * to_unit_vectors([0.0], [EAST]) - EARTH_RADIUS_KM * up
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    sun = find_sun(times)
    cos_sun, cos_view = (sun * up).sum(axis=1), (view * up).sum(axis=1)
    sin_sun, sin_view = np.sqrt(1 - cos_sun**2), np.sqrt(1 - cos_view**2)
    across = (sun * view).sum(axis=1) - cos_sun * cos_view  # sin sin cos of the azimuth between
    glint = np.degrees(np.arccos(np.clip(cos_sun * cos_view - across, -1, 1)))
    assert np.all(np.abs(across) <= sin_sun * sin_view + 1e-9)
    found = SunAngles.measure(times, lat, lon, EAST).glint_deg
    day = cos_sun > 0
    np.testing.assert_allclose(found[day], glint[day], atol=0.05)
    assert (found[~day] == 180.0).all()


def test_glint_of_may_2024_crosses_south_america_and_panama_westward() -> None:
    """NSSL's blog: seen from 16:30 to 20:00 UTC, from northern South America to Panama."""
    track = [find_glint(f"2024-05-24T{clock}") for clock in ("15:30", "16:30", "17:30", "18:30")]
    lat, lon = np.array(track).T
    assert (np.diff(lon) < -3.0).all()
    assert ((lat > 6.0) & (lat < 12.0)).all()
    assert -75.0 < lon[1] < -68.0, "Colombia and Venezuela"
    assert -82.0 < lon[2] < -76.0, "Panama"


def test_flag_is_for_what_lies_about_the_glint() -> None:
    lat, lon = find_glint("2024-05-24T17:00")
    assert measure("2024-05-24T17:00", lat, lon).may_glint.all()
    assert not measure("2024-05-24T17:00", lat + 30.0, lon).may_glint.any()
    assert not measure("2024-05-24T05:00", lat, lon).may_glint.any(), "at night"
    assert measure("2024-05-24T17:00", lat + 3.0, lon).glint_deg[0] < GLINT_DEG


@pytest.mark.parametrize(
    ("clock", "strays"),
    [
        ("04:00", False),
        ("04:20", True),
        ("05:05", False),  # the Earth hides the Sun
        ("05:50", True),
        ("06:10", False),
        ("17:00", False),
    ],
)
def test_sunlight_passes_the_rim_about_midnight_of_an_equinox(clock: str, strays: bool) -> None:
    """GOES-16's false events of the eclipse season: 04:15 to 05:45 UTC."""
    lat, lon = np.meshgrid(np.arange(-55.0, 56.0, 5.0), np.arange(-140.0, -9.0, 5.0))
    times = np.full(lat.size, f"2018-03-20T{clock}", "datetime64[us]")
    angles = SunAngles.measure(times, lat.ravel(), lon.ravel(), -75.0)
    assert angles.may_stray.any() == strays
    assert not angles.may_stray.all(), "only beside the Sun"
    assert pytest.approx(8.7, abs=0.05) == EARTH_DISC_DEG


def test_sunlight_passes_no_rim_at_a_solstice() -> None:
    times = np.arange("2018-06-21", "2018-06-22", np.timedelta64(5, "m"), "datetime64[us]")
    lat = np.full(times.size, -50.0)
    assert not SunAngles.measure(times, lat, np.full(times.size, -75.0), -75.0).may_stray.any()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.arange("2024-05-24T17:00", "2024-05-24T17:20", np.timedelta64(1, "m"), "M8[us]")
    places = (np.linspace(-40, 40, 20), np.linspace(-120, -30, 20))
    whole = SunAngles.measure(times, *places, EAST)
    monkeypatch.setattr(artifacts, "_BLOCK", 7)
    parts = SunAngles.measure(times, *places, np.full(20, EAST))
    for name in SunAngles.__slots__:
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_areas_that_cannot_be_true_have_wrapped() -> None:
    area = np.array([300.0, 10.0, 0.0, 900.0, np.nan, 500.0])
    group = np.array([np.nan, np.nan, np.nan, 1200.0, 80.0, 500.1])
    pixel = np.full(area.size, 80.0)
    wrapped = find_wrapped_areas(area, pixel, group)
    assert wrapped.tolist() == [False, True, True, True, False, False]


def test_a_wrapped_area_may_look_like_any_other() -> None:
    """What is left of 10,300 km2 is 300 km2: nothing shows that."""
    area = np.array([300.0])
    assert not find_wrapped_areas(area, np.array([80.0]), np.array([250.0])).any()
