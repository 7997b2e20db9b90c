"""Points, outlines and bounds, against shapely and on both sides of 180 degrees."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_kedro.store.geometry import Bounds, encode_points, outline_places

DEGREES = st.floats(-3, 3, allow_nan=False, width=32)


def outline(*places: tuple[float, float]) -> shapely.Geometry:
    lon, lat = np.array(places, dtype=float).T
    return outline_places(lon, lat)


def test_points_are_those_of_shapely() -> None:
    lon = np.array([-180.0, 0.25, 179.99], dtype=np.float32)
    lat = np.array([-90.0, 0.0, 45.5], dtype=np.float32)
    encoded = encode_points(lon, lat).to_pylist()
    assert encoded == [*shapely.to_wkb(shapely.points(lon.astype(float), lat.astype(float)))]
    assert encode_points(lon[:0], lat[:0]).to_pylist() == []


def test_outline_is_the_hull_counterclockwise() -> None:
    made = outline((0, 0), (2, 0), (2, 1), (0, 1), (1, 0.5), (1, 0.5))
    assert made.equals(shapely.box(0, 0, 2, 1))
    assert made.exterior.is_ccw


@pytest.mark.parametrize(
    "places", [[(1, 1)], [(1, 1), (1, 1)], [(1, 1), (2, 2)], [(0, 0), (1, 1), (2, 2)]]
)
def test_places_without_an_area_stay_places(places: list[tuple[float, float]]) -> None:
    made = outline(*places)
    assert made.geom_type == "MultiPoint"
    assert {(point.x, point.y) for point in made.geoms} == {*places}


def test_outline_across_180_degrees_is_cut_there() -> None:
    made = outline((179, 0), (-179, 0), (-179, 1), (179, 1))
    assert made.geom_type == "MultiPolygon"
    boxes = [shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)]
    assert made.equals(shapely.MultiPolygon(boxes))
    assert all(part.exterior.is_ccw for part in made.geoms)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(DEGREES, DEGREES), min_size=3, max_size=12),
    st.sampled_from([-179.5, -178.0, 0.0, 177.5, 180.0]),
)
def test_outline_holds_every_place_within_the_map(
    offsets: list[tuple[float, float]], center: float
) -> None:
    lon, lat = np.array(offsets, dtype=float).round(6).T
    lon = (center + lon + 180) % 360 - 180
    made = outline_places(lon, lat)
    assert made.is_valid
    west, south, east, north = made.bounds
    assert -180 <= west <= east <= 180
    assert (south, north) == (pytest.approx(lat.min()), pytest.approx(lat.max()))
    # A place at -180 degrees is the same as one at 180.
    turns = [shapely.distance(made, shapely.points(lon + turn, lat)) for turn in (-360, 0, 360)]
    assert np.min(turns, axis=0).max() < 1e-6
    assert made.area <= 36.0001, "the short way around"


def test_bounds_take_the_narrower_way_around() -> None:
    bounds = Bounds()
    assert bounds.box is None
    bounds.add(np.array([]), np.array([]))
    assert bounds.box is None
    bounds.add(np.array([-100.0, -80.0]), np.array([20.0, 45.0]))
    assert bounds.box == [-100, 20, -80, 45]
    crossing = Bounds()
    crossing.add(np.array([170.0, -175.0]), np.array([-5.0, 5.0]))
    crossing.add(np.array([-150.0]), np.array([0.0]))
    assert crossing.box == [170, -5, -150, 5]
