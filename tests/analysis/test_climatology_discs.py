"""Grid points that hear thunder, against brute force, everywhere on the sphere."""

import numpy as np
import numpy.typing as npt
import pytest

from lightning_kedro.analysis.climatology.discs import find_heard
from lightning_kedro.analysis.grids.target import LatLonGrid, make_lat_lon_grid
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE, to_unit_vectors

BOXES = {
    "middle latitudes": ((-100.0, 30.0, -98.0, 32.0), 0.05),
    "180 degrees": ((179.0, -1.0, -179.0, 1.0), 0.05),
    "longitudes below -180": ((-203.55, 10.0, -201.0, 11.0), 0.05),
    "close to a pole": ((10.0, 86.0, 50.0, 90.0), 0.2),
    "round the north pole": ((-180.0, 89.0, 180.0, 90.0), 0.5),
    "round the south pole": ((-180.0, -90.0, 180.0, -88.0), 0.7),
    "nearly round the Earth": ((-179.9, 88.0, 179.9, 90.0), 0.3),
}


def count_near(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], grid: LatLonGrid, radius_km: float
) -> npt.NDArray[np.int64]:
    """Flashes near each grid point, one pair after the other."""
    points = to_unit_vectors(*np.meshgrid(grid.center_lat, grid.center_lon, indexing="ij"))
    counts = np.zeros((grid.rows, grid.columns), np.int64)
    for flash in to_unit_vectors(lat, lon):
        half_chord = 0.5 * np.linalg.norm(points - flash, axis=2)
        counts += 2.0 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half_chord, 1.0)) <= radius_km
    return counts


def lay_out(runs: npt.NDArray[np.int64], grid: LatLonGrid) -> npt.NDArray[np.int64]:
    """Runs as a count for each grid point."""
    steps = np.zeros(grid.rows * (grid.columns + 1) + 1, np.int64)
    np.add.at(steps, runs[:, 0], 1)
    np.add.at(steps, runs[:, 1], -1)
    return np.cumsum(steps)[:-1].reshape(grid.rows, -1)[:, :-1]


@pytest.mark.parametrize("box", BOXES)
def test_points_are_those_of_brute_force(box: str) -> None:
    (west, south, east, north), degrees = BOXES[box]
    grid = make_lat_lon_grid(west, south, east, north, degrees)
    generator = np.random.default_rng(7)
    high, wide = grid.rows * degrees, grid.columns * degrees
    lat = np.clip(grid.south - 0.2 + generator.random(50) * (high + 0.4), -90.0, 90.0)
    lon = (grid.west - 0.3 + generator.random(50) * (wide + 0.6) + 180.0) % 360.0 - 180.0
    near = count_near(lat, lon, grid, 15.0)
    for least in (1, 2, 3):
        heard = lay_out(find_heard(lat, lon, grid, 15.0, least), grid)
        np.testing.assert_array_equal(heard, near >= least)
        assert heard.any()


def test_flash_beyond_the_grid_is_heard_within_it() -> None:
    grid = make_lat_lon_grid(0.0, 0.0, 1.0, 1.0, 0.05)
    runs = find_heard([0.5, 0.5], [-0.1, -0.1], grid, 15.0, 2)
    heard = lay_out(runs, grid)
    assert heard[:, 0].sum() == 2  # 13.9 km aside, so that 5.6 km are left to north and south
    assert heard[:, 1:].sum() == 0


def test_point_on_the_rim_hears_and_one_beyond_does_not() -> None:
    grid = make_lat_lon_grid(0.0, -1.0, 1.0, 1.0, 1.0)  # points at 0.5 degrees
    for more, expected in ((1e-9, 1), (-1e-6, 0)):
        runs = find_heard([0.0], [0.5], grid, 0.5 * KM_PER_DEGREE + more, 1)
        assert lay_out(runs, grid).sum() == 2 * expected


def test_no_flash_is_heard_nowhere() -> None:
    grid = make_lat_lon_grid(0.0, 0.0, 1.0, 1.0, 0.05)
    assert find_heard([], [], grid, 15.0, 2).shape == (0, 2)
