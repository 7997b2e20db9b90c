"""What each satellite sees."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.field_of_view import field_of_view, pixel_area_km2, sees, wrap_lon
from lightning_kedro.glm.satellites import PLATFORMS


@pytest.mark.parametrize(
    ("platform", "when", "slot", "subpoint_lon", "west", "east"),
    [
        ("G16", datetime(2018, 7, 2, tzinfo=UTC), "GOES-East", -75.0, -141.56, -8.44),
        ("G16", datetime(2018, 10, 17, tzinfo=UTC), "GOES-East", -75.2, -141.56, -8.44),
        ("G17", datetime(2018, 10, 10, tzinfo=UTC), "GOES-Test", -89.5, -156.06, -22.94),
        ("G17", datetime(2019, 9, 27, tzinfo=UTC), "GOES-West", -137.2, -203.56, -70.44),
        ("G18", datetime(2023, 1, 26, tzinfo=UTC), "GOES-West", -137.0, -203.56, -70.44),
        ("G19", datetime(2025, 4, 7, tzinfo=UTC), "GOES-East", -75.2, -139.4, -11.0),
    ],
)
def test_field_of_view_is_that_of_the_files(
    platform: str, when: datetime, slot: str, subpoint_lon: float, west: float, east: float
) -> None:
    view = field_of_view(platform, when)
    assert (view.orbital_slot, view.subpoint_lon) == (slot, subpoint_lon)
    assert (view.west, view.east) == (west, east)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_field_of_view_without_a_time_is_the_latest(platform: str) -> None:
    assert field_of_view(platform) == field_of_view(platform, datetime(2099, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("place", "lat", "lon", "east", "west"),
    [
        ("Manaus", -3.1, -60.0, True, False),
        ("Kansas", 38.5, -98.0, True, True),
        ("Honolulu", 21.3, -157.8, False, True),
        ("Fiji", -17.8, 178.0, False, True),
        ("Auckland", -36.8, 174.8, False, True),
        ("Darwin", -12.5, 130.8, False, False),
        ("Lagos", 6.5, 3.4, False, False),
        ("Churchill", 58.8, -94.2, False, False),
    ],
)
def test_sees_places_as_coverage_maps_do(
    place: str, lat: float, lon: float, east: bool, west: bool
) -> None:
    seen = [bool(sees(platform, lat, lon)) for platform in ("G16", "G19", "G17", "G18")]
    assert seen == [east, east, west, west], place


@pytest.mark.parametrize("platform", PLATFORMS)
def test_sees_nothing_outside_the_declared_bounds(platform: str) -> None:
    lat, lon = np.meshgrid(np.arange(-90, 90.5), np.arange(-360, 1.0), indexing="ij")
    seen = sees(platform, lat, lon)
    view = field_of_view(platform)
    wound = wrap_lon(lon, view.west - 1)
    assert 0.1 < seen.mean() < 0.35
    assert wound[seen].min() >= view.west - 0.01
    assert wound[seen].max() <= view.east + 0.01
    assert np.abs(lat[seen]).max() <= view.north


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), turns=st.integers(-2, 2))
def test_sees_does_not_mind_the_winding_of_longitude(lat: float, lon: float, turns: int) -> None:
    # A point on the very edge may fall to either side by rounding.
    near = sees("G18", lat, lon + np.array([-1e-6, 1e-6]))
    assert bool(sees("G18", lat, lon + 360.0 * turns)) in near.tolist()


@given(lon=st.floats(-1000, 1000), west=st.sampled_from([-180.0, -203.56]))
def test_wrap_lon_keeps_the_meridian_within_one_turn(lon: float, west: float) -> None:
    wound = float(wrap_lon(lon, west))
    assert west <= wound <= west + 360
    assert np.cos(np.radians(wound - lon)) == pytest.approx(1.0)


def test_wrap_lon_takes_the_date_line_as_east() -> None:
    assert wrap_lon([-180.0, 180.0, 181.0, -181.0]).tolist() == [180.0, 180.0, -179.0, 179.0]


def test_pixel_area_grows_from_64_km2_below_the_satellite() -> None:
    area = pixel_area_km2("G16", [0.0, 20.0, 40.0, 52.0], -75.2)
    assert area[0] == pytest.approx(64.0)
    assert (np.diff(area) > 0).all()
    assert 120 < area[-1] < 250


@pytest.mark.parametrize("function", [field_of_view, lambda name: sees(name, 0.0, 0.0)])
def test_unknown_platform_is_refused(function: Callable[[str], object]) -> None:
    with pytest.raises(
        ParameterError, match=r"No satellite is called 'G15': choose one of G16, G1"
    ):
        function("G15")
