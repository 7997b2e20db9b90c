"""Where the Sun stands."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from cartopy.feature.nightshade import _solar_position

from lightning_kedro.glm.sun import find_sun

J2000 = datetime(2000, 1, 1, 12)  # noqa: DTZ001


def locate(times: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Below which latitudes and longitudes the Sun stands."""
    x, y, z = find_sun(np.array(times, "datetime64[us]")).T
    return np.degrees(np.arcsin(z)), np.degrees(np.arctan2(y, x))


def test_directions_are_those_of_another_almanac() -> None:
    """Cartopy has its own formulas, for the line between day and night."""
    moments = [J2000 + timedelta(days=37.37 * step) for step in range(300)]
    lat, lon = locate([moment.isoformat() for moment in moments])
    expected = np.array([_solar_position(moment) for moment in moments])
    np.testing.assert_allclose(lat, expected[:, 1], atol=0.01)
    turned = np.mod(lon - expected[:, 0] + 180.0, 360.0) - 180.0
    np.testing.assert_allclose(turned, 0.0, atol=0.01)


@pytest.mark.parametrize(
    ("time", "lat", "lon"),
    [
        ("2024-03-20T03:06", 0.0, 135.35),  # equinox; the equation of time is -7.4 min
        ("2024-06-20T20:51", 23.44, -132.3),  # solstice
        ("2018-11-03T12:00", -15.1, -4.1),  # the Sun is 16.4 min fast
        ("2019-02-11T12:00", -14.1, 3.55),  # and 14.2 min slow
    ],
)
def test_sun_stands_where_almanacs_say(time: str, lat: float, lon: float) -> None:
    found_lat, found_lon = locate([time])
    assert found_lat[0] == pytest.approx(lat, abs=0.1)
    assert found_lon[0] == pytest.approx(lon, abs=0.1)


def test_directions_are_unit_vectors() -> None:
    assert find_sun(np.array([], "datetime64[us]")).shape == (0, 3)
    times = np.arange("2018-01-01", "2026-01-01", np.timedelta64(977, "h"), "datetime64[us]")
    np.testing.assert_allclose(np.linalg.norm(find_sun(times), axis=1), 1.0, rtol=1e-14)
