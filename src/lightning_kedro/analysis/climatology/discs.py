"""Which grid points have heard thunder: those with enough flashes within a distance.

The grid points near a flash are a disc on the sphere. Each row of the grid cuts it in one run of
columns, so that a flash is a handful of runs, not hundreds of points; sorted by their ends they say
where enough of them overlap.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.target import TURN_DEG, LatLonGrid
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_ROUNDING: Final = 1e-9  # of a cell: a point that lies on the rim is within the distance


def find_heard(
    lat: npt.ArrayLike, lon: npt.ArrayLike, grid: LatLonGrid, radius_km: float, least: int
) -> IntArray:
    """The grid points that have at least so many flashes within a distance.

    Args:
        lat: Latitudes of flashes, shape (n,), degrees north.
        lon: Longitudes of flashes, shape (n,), degrees east, any turn. Flashes outside of the grid
            are heard within it.
        grid: The grid; its points are the centers of its cells.
        radius_km: The distance, km along great circles of a sphere of 6371.0088 km.
        least: How many flashes.

    Returns:
        Runs of points, shape (m, 2), in order and apart from one another: first and one past the
        last, as ``row * (grid.columns + 1) + column``. No run goes beyond its row.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    starts, stops = _cut_rows(lat, lon, grid, radius_km)
    # Each end is coded with whether it is one: those of a place come after the starts there.
    ends = np.sort(np.concatenate([2 * starts, 2 * stops + 1]))
    depth = np.cumsum(1 - 2 * (ends & 1))
    enough = (depth >= least).astype(np.int8)
    edges = np.flatnonzero(np.diff(enough, prepend=np.int8(0)))
    runs = (ends[edges] >> 1).reshape(-1, 2)
    return runs[runs[:, 0] < runs[:, 1]]


def _cut_rows(
    lat: FloatArray, lon: FloatArray, grid: LatLonGrid, radius_km: float
) -> tuple[IntArray, IntArray]:
    """The runs of columns that the discs of flashes are made of: starts and stops, shape (m,)."""
    reach = radius_km / KM_PER_DEGREE
    first = np.ceil((lat - reach - grid.south) / grid.degrees - 0.5).astype(np.int64)
    n_rows = int(2.0 * reach / grid.degrees) + 2
    row = first[:, None] + np.arange(n_rows)
    row_lat = np.asarray(grid.south + grid.degrees * (row + 0.5))
    half = _half_width(lat[:, None], row_lat, radius_km)
    near = (row >= 0) & (row < grid.rows) & np.isfinite(half)
    row, half = row[near], half[near] / grid.degrees
    center = np.broadcast_to(grid.to_columns(lon)[:, None], near.shape)[near]
    return _place_runs(row, center, half, grid)


def _half_width(lat: FloatArray, row_lat: FloatArray, radius_km: float) -> FloatArray:
    """Half of the width of a disc on a parallel, degrees of longitude; NaN where it is beyond.

    By the haversine formula. A parallel that goes round a pole within the disc has all of 180.
    """
    phi, row_phi = np.radians(lat), np.radians(row_lat)
    left = np.sin(0.5 * radius_km / EARTH_RADIUS_KM) ** 2 - np.sin(0.5 * (row_phi - phi)) ** 2
    cosines = np.maximum(np.cos(phi) * np.cos(row_phi), 1e-300)
    left = np.where((left >= 0.0) & (np.abs(row_lat) <= 90.0), left, np.nan)  # noqa: PLR2004
    return np.asarray(np.degrees(2.0 * np.arcsin(np.sqrt(np.minimum(left / cosines, 1.0)))))


def _place_runs(
    row: IntArray, center: FloatArray, half: FloatArray, grid: LatLonGrid
) -> tuple[IntArray, IntArray]:
    """Runs of columns of each row, once more in the turns to the east and to the west.

    Where the grid goes round the Earth, what leaves it on one side enters on the other; where it
    nearly does, a disc may be cut by both of its sides.
    """
    turn = TURN_DEG / grid.degrees
    starts, stops = [], []
    for shift in (-turn, 0.0, turn):
        low, high = center - half + shift, center + half + shift
        seen = np.flatnonzero((high > 0.0) & (low < grid.columns))
        low, high = low[seen], high[seen]
        # Of a whole circle each turn has its own part, so that no point is counted twice.
        whole = half[seen] >= 0.5 * turn
        start = _round_up(low)
        stop = np.where(whole, _round_up(low + turn), _round_down(high) + 1)
        start, stop = np.clip(start, 0, grid.columns), np.clip(stop, 0, grid.columns)
        base, some = row[seen] * (grid.columns + 1), start < stop
        starts.append((base + start)[some])
        stops.append((base + stop)[some])
    return np.concatenate(starts), np.concatenate(stops)


def _round_up(column: FloatArray) -> IntArray:
    """The first column whose center is not west of a place."""
    return np.ceil(column - 0.5 - _ROUNDING).astype(np.int64)


def _round_down(column: FloatArray) -> IntArray:
    """The last column whose center is not east of a place."""
    return np.floor(column - 0.5 + _ROUNDING).astype(np.int64)
