"""What is clustered: flashes, or cells of flashes, as weighted points in a feature space."""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.cells import Cells, choose_grid, merge_cells, sum_cells
from lightning_kedro.analysis.grid import CellGrid, IntArray, Positions, find_positions
from lightning_kedro.analysis.sphere import (
    EARTH_RADIUS_KM,
    KM_PER_DEGREE,
    FloatArray,
    to_lat_lon,
    to_unit_vectors,
)
from lightning_kedro.analysis.threads import map_threads
from lightning_kedro.analysis.workers import THREADS, Workers

_BLOCK = 2**17  # flashes projected at a time

_PLACE_SECONDS = 250e-9
_SUM_SECONDS = 150e-9
"""What one core takes to find the position of a flash, and to add it to its cell."""


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """How a flash becomes a point, and a point a place.

    Attributes:
        coordinates: ``sphere``: 6371.0088 km x the unit vector, so that distances are chords in km;
            ``degrees``: (longitude, latitude) as plain numbers.
        means: What is taken from (longitude, latitude), degrees; (0, 0) if not standardized.
        scales: By what they are then divided, degrees; (1, 1) if not standardized.
        time_scale_km_per_hour: How many km an hour counts as, or None to leave time out. In
            degrees, km are turned into degrees of a great circle.
    """

    coordinates: str = "sphere"
    means: tuple[float, float] = (0.0, 0.0)
    scales: tuple[float, float] = (1.0, 1.0)
    time_scale_km_per_hour: float | None = None

    def standardize(self, lat: npt.NDArray[np.floating], lon: npt.NDArray[np.floating]) -> Self:
        """The same space, in degrees, with unit variance (as scikit-learn's StandardScaler)."""
        columns = [np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)]
        means = [float(column.mean()) for column in columns]
        # A column without spread is left unscaled: there is nothing to scale.
        scales = [float(column.std()) or 1.0 for column in columns]
        return type(self)(
            self.coordinates,
            (means[0], means[1]),
            (scales[0], scales[1]),
            self.time_scale_km_per_hour,
        )

    @property
    def is_ground(self) -> bool:
        """Whether a point is a place on the ground, in km, and nothing else."""
        return self.coordinates == "sphere" and self.time_scale_km_per_hour is None

    def project(
        self, lat: npt.ArrayLike, lon: npt.ArrayLike, hours: FloatArray | None = None
    ) -> FloatArray:
        """Turn flashes into points.

        Args:
            lat: Latitudes, shape (n,), degrees.
            lon: Longitudes, shape (n,), degrees.
            hours: Times since the window's start, shape (n,), h; needed with a time scale only.

        Returns:
            Shape (n, d), float64; d is 3 on the sphere (km) and 2 in degrees, one more with time.
        """
        if self.coordinates == "sphere":
            places = to_unit_vectors(lat, lon)
            places *= EARTH_RADIUS_KM
        else:
            places = np.stack([np.asarray(lon, np.float64), np.asarray(lat, np.float64)], axis=1)
            places -= np.array(self.means)
            places /= np.array(self.scales)
        if self.time_scale_km_per_hour is None or hours is None:
            return places
        return np.column_stack([places, np.asarray(hours) * self._features_per_hour])

    def locate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Latitudes and longitudes in (-180, 180] of points, shape (n,) each, degrees."""
        if self.coordinates == "sphere":
            return to_lat_lon(points[:, :3])
        lon, lat = (points[:, :2] * np.array(self.scales) + np.array(self.means)).T
        return lat, lon

    def find_positions(
        self, lat: npt.ArrayLike, lon: npt.ArrayLike, hours: FloatArray | None = None
    ) -> Positions:
        """Where flashes lie on the faces of a grid; arguments as for ``project``."""
        scale = self.time_scale_km_per_hour
        time_km = None if scale is None or hours is None else np.asarray(hours) * scale
        return find_positions(self.coordinates, lat, lon, time_km)

    @property
    def _features_per_hour(self) -> float:
        scale = self.time_scale_km_per_hour or 0.0
        return scale if self.coordinates == "sphere" else scale / KM_PER_DEGREE


@dataclass(frozen=True, slots=True)
class ClusterFeatures:
    """Weighted points, and what was merged to make them.

    Attributes:
        points: Shape (m, d), float64: a flash each, or the mean of a cell's flashes.
        weights: Flashes that each point stands for, shape (m,), float64.
        scatter: Sum of the squared distances of these flashes to the point, shape (m,): 0 for a
            point that is one flash. Inertia over points plus scatter is inertia over flashes.
        space: How flashes became points.
        index: Which point each flash is part of, shape (n_flashes,), int32.
        cells: The cells behind the points, or None where each point is a flash.
    """

    points: FloatArray
    weights: FloatArray
    scatter: FloatArray
    space: FeatureSpace
    index: npt.NDArray[np.int32]
    cells: Cells | None = None

    @property
    def n_flashes(self) -> int:
        """Number of flashes."""
        return self.index.size

    @property
    def method(self) -> str:
        """``exact``: each point is a flash, in the flashes' order; or ``cells``."""
        return "exact" if self.cells is None else "cells"

    @property
    def cell_size_km(self) -> float | None:
        """Square root of the area of a cell, km, or None without cells."""
        return None if self.cells is None else self.cells.grid.cell_size_km


def make_features(
    space: FeatureSpace,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None,
    max_cells: int,
    workers: Workers = THREADS,
) -> ClusterFeatures:
    """Turn flashes into weighted points, at most ``max_cells`` of them.

    Args:
        space: How flashes become points.
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        hours: Times since the window's start, shape (n,), h; None without a time scale.
        max_cells: Up to so many flashes each is a point of its own. More are summed into the
            finest grid that has at most so many non-empty cells.
        workers: Who sums flashes into cells.

    Returns:
        The points.
    """
    n_flashes = len(lat)
    if n_flashes <= max_cells:
        points = space.project(lat, lon, hours)
        index = np.arange(n_flashes, dtype=np.int32)
        return ClusterFeatures(points, np.ones(n_flashes), np.zeros(n_flashes), space, index)
    cells, index = _fill_cells(space, lat, lon, hours, max_cells, workers)
    return ClusterFeatures(
        points=cells.means,
        weights=cells.counts.astype(np.float64),
        scatter=cells.scatter,
        space=space,
        index=index,
        cells=cells,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Flashes:
    """A block of flashes."""

    space: FeatureSpace
    lat: npt.NDArray[np.floating]
    lon: npt.NDArray[np.floating]
    hours: FloatArray | None

    def find_positions(self) -> Positions:
        """Where they lie on the faces of a grid."""
        return self.space.find_positions(self.lat, self.lon, self.hours)

    def sum_cells(self, grid: CellGrid, keys: IntArray) -> Cells:
        """Sum them into the cells that they lie in."""
        return sum_cells(grid, keys, self.space.project(self.lat, self.lon, self.hours))


def _fill_cells(
    space: FeatureSpace,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None,
    max_cells: int,
    workers: Workers,
) -> tuple[Cells, npt.NDArray[np.int32]]:
    """Choose the grid, sum flashes into it block by block, and say which cell each flash is in.

    Two rounds of work, however many grids are looked at: a grid is chosen by positions, which takes
    less than to send them. All blocks are merged at once.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(lat), _BLOCK)]
    flashes = [
        _Flashes(space, lat[block], lon[block], None if hours is None else hours[block])
        for block in blocks
    ]
    finding = [partial(_Flashes.find_positions, block) for block in flashes]
    found = [*workers.run(finding, len(lat) * _PLACE_SECONDS, "Placing flashes")]
    grid = choose_grid(space.coordinates, Positions.join(found), max_cells)
    keys = map_threads(grid.find_keys, found)
    summing = [
        partial(_Flashes.sum_cells, block, grid, mine)
        for block, mine in zip(flashes, keys, strict=True)
    ]
    parts = workers.run(summing, len(lat) * _SUM_SECONDS, "Summing flashes into cells")
    cells = merge_cells(*parts)
    index = map_threads(lambda part: cells.find_indices(part).astype(np.int32), keys)
    return cells, np.concatenate(index)
