import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.analysis.grid import CellGrid, Positions, find_positions
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE, to_unit_vectors


def find_keys(divisions: int, lat: object, lon: object, coordinates: str = "sphere") -> np.ndarray:
    return CellGrid(coordinates, divisions).find_keys(find_positions(coordinates, lat, lon))


def spread_evenly(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A Fibonacci lattice: points that share out the sphere evenly."""
    number = np.arange(n) + 0.5
    lat = np.degrees(np.arcsin(1.0 - 2.0 * number / n))
    return lat, (number * 360.0 * (3.0 - np.sqrt(5.0)) / 2.0) % 360.0 - 180.0


@pytest.mark.parametrize("divisions", [1, 3, 10])
def test_cells_have_equal_area(divisions: int) -> None:
    lat, lon = spread_evenly(400_000)
    counts = np.bincount(find_keys(divisions, lat, lon))
    assert counts.size == CellGrid("sphere", divisions).n_cells == 12 * divisions**2
    assert counts.min() > 0.97 * counts.mean()
    assert counts.max() < 1.03 * counts.mean()


def test_cells_are_as_wide_as_they_say_everywhere() -> None:
    grid = CellGrid("sphere", 40)
    lat, lon = spread_evenly(200_000)
    keys = find_keys(40, lat, lon)
    vectors = EARTH_RADIUS_KM * to_unit_vectors(lat, lon)
    count = np.bincount(keys)
    mean = np.stack([np.bincount(keys, column) / count for column in vectors.T], axis=1)
    reach = np.zeros(count.size)
    np.maximum.at(reach, keys, np.linalg.norm(vectors - mean[keys], axis=1))
    # The half diagonal of a square is 0.71 of its side; the longest cells of HEALPix reach 1.1.
    assert reach.max() < 1.2 * grid.cell_size_km
    assert 12 * 40**2 * grid.cell_size_km**2 == pytest.approx(4 * np.pi * EARTH_RADIUS_KM**2)


def test_known_pixels_of_healpix() -> None:
    # Base faces, Gorski et al. 2005, figure 4: 0-3 north, 4-7 on the equator from 0 E, 8-11 south.
    lat = [60.0, 60.0, 0.0, 0.0, -60.0, -60.0, 90.0, -90.0]
    lon = [45.0, -45.0, 0.0, -90.0, 45.0, -45.0, 10.0, 10.0]
    assert find_keys(1, lat, lon).tolist() == [0, 3, 4, 7, 8, 11, 0, 8]


def test_no_seam_at_180_degrees() -> None:
    lat = np.linspace(-80.0, 80.0, 41)
    assert np.array_equal(find_keys(50, lat, lat * 0 + 180.0), find_keys(50, lat, lat * 0 - 180.0))
    # Up to 41.8 degrees cells lie across; beyond, borders of cells run along every 90th meridian.
    belt = np.linspace(-41.0, 41.0, 41)
    west = find_keys(50, belt, np.full(41, -180.0 + 1e-6))
    east = find_keys(50, belt, np.full(41, 180.0 - 1e-6))
    # Save where the corner of a cell happens to be there.
    assert np.mean(west == east) > 0.9


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 2**16))
def test_every_place_has_a_cell_of_the_grid(lat: float, lon: float, divisions: int) -> None:
    key = find_keys(divisions, [lat], [lon])[0]
    assert 0 <= key < 12 * divisions**2


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 2**16))
def test_every_place_has_a_square_in_degrees(lat: float, lon: float, divisions: int) -> None:
    key = find_keys(divisions, [lat], [lon], "degrees")[0]
    column, row = divmod(int(key), divisions)
    assert column <= (lon + 180.0) / 360.0 * divisions <= column + 1 + 1e-6
    assert row <= (lat + 90.0) / 360.0 * divisions <= row + 1 + 1e-6


def test_squares_in_degrees_are_as_wide_as_they_say() -> None:
    assert CellGrid("degrees", 360).cell_size_km == pytest.approx(KM_PER_DEGREE)


def test_time_parts_cells_that_share_a_place() -> None:
    hours = np.array([0.0, 0.4, 5.0])
    where = find_positions("sphere", [10.0] * 3, [20.0] * 3, hours * 50.0)
    keys = CellGrid("sphere", 100).find_keys(where)
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_positions_join_to_what_they_were() -> None:
    where = find_positions("sphere", [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], np.array([0.0, 1.0, 2.0]))
    again = Positions.join([where[:1], where[1:]])
    grid = CellGrid("sphere", 64)
    assert len(again) == 3
    assert np.array_equal(grid.find_keys(again), grid.find_keys(where))
