"""The grids that lightning is put on: the ABI fixed grid, and plain latitude and longitude.

The fixed grid's sectors are those of the imager at 2 km (56 microradians), cell for cell: GOES-R
Product Definition and Users' Guide (PUG) volume 3, tables of section 5.1.2.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.fixed_grid import locate, project
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

STEP_RAD: Final = 56e-6
"""Side of a cell of the fixed grid at 2 km, rad."""

TURN_DEG: Final = 360.0


class TargetGrid(ABC):
    """A grid of cells in rows and columns, on which lightning is put."""

    columns: int
    rows: int

    @abstractmethod
    def place(
        self, lat: FloatArray, lon: FloatArray, satellite_lon: float, ellipsoid: Ellipsoid
    ) -> tuple[FloatArray, FloatArray]:
        """Columns and rows of points, in cells, as fractions; NaN where they cannot be placed.

        Args:
            lat: Latitudes as in GLM's files, shape (n,), degrees north.
            lon: Longitudes, shape (n,), degrees east.
            satellite_lon: Longitude of the satellite's fixed grid, degrees east.
            ellipsoid: The lightning ellipsoid of their granule.
        """

    @abstractmethod
    def place_angles(
        self, x: FloatArray, y: FloatArray, satellite_lon: float, ellipsoid: Ellipsoid
    ) -> tuple[FloatArray, FloatArray]:
        """Columns and rows of the corners of polygons, in cells; NaN where there is no place.

        Args:
            x: East-west angles of corners, shape (n, corners), rad.
            y: North-south angles, shape (n, corners), rad.
            satellite_lon: Longitude of the satellite's fixed grid, degrees east.
            ellipsoid: The lightning ellipsoid of their granule.
        """

    def number(self, column: IntArray, row: IntArray) -> IntArray:
        """The number of each cell, row by row, shape (n,); -1 outside of the grid."""
        column = self.wind(column)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return np.where(inside, row * self.columns + column, -1)

    def wind(self, column: IntArray) -> IntArray:
        """Columns, wound onto the grid where it goes round the Earth."""
        return column


@dataclass(frozen=True, slots=True)
class FixedGrid(TargetGrid):
    """A sector of the ABI fixed grid, at 2 km below the satellite.

    Attributes:
        sector: ``conus`` or ``full_disk``.
        satellite_lon: Longitude of the projection's origin, degrees east.
        x: East-west angle of the center of the first column, rad; columns run eastward.
        y: North-south angle of the center of the first row, rad; rows run southward.
        columns: How many.
        rows: How many.
    """

    sector: str
    satellite_lon: float
    x: float
    y: float
    columns: int
    rows: int

    def place(
        self, lat: FloatArray, lon: FloatArray, satellite_lon: float, ellipsoid: Ellipsoid
    ) -> tuple[FloatArray, FloatArray]:
        """As ``TargetGrid.place``."""
        return self._to_cells(*project(lat, lon, satellite_lon, ellipsoid))

    def place_angles(
        self,
        x: FloatArray,
        y: FloatArray,
        satellite_lon: float,  # noqa: ARG002  (a run has one, see choose_grid)
        ellipsoid: Ellipsoid,  # noqa: ARG002
    ) -> tuple[FloatArray, FloatArray]:
        """As ``TargetGrid.place_angles``; angles are angles, whatever ellipsoid they are of."""
        return self._to_cells(x, y)

    def _to_cells(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Angles in columns and rows, counted from the north-western corner."""
        return (x - self.x) / STEP_RAD + 0.5, (self.y - y) / STEP_RAD + 0.5

    @property
    def center_x(self) -> FloatArray:
        """East-west angles of the centers of columns, rad, shape (columns,)."""
        return np.asarray(self.x + STEP_RAD * np.arange(self.columns))

    @property
    def center_y(self) -> FloatArray:
        """North-south angles of the centers of rows, rad, shape (rows,), falling."""
        return np.asarray(self.y - STEP_RAD * np.arange(self.rows))


@dataclass(frozen=True, slots=True)
class LatLonGrid(TargetGrid):
    """A plain grid of latitude and longitude, on which lightning is where the files place it.

    Attributes:
        west: Western bound, degrees east.
        south: Southern bound, degrees north.
        degrees: Side of a cell, degrees.
        columns: How many, eastward; they may go once round the Earth.
        rows: How many, northward.
        raised: What lines of sight are followed to instead of the lightning ellipsoid: the ground,
            or an ellipsoid above it; None to leave lightning where the files place it.
    """

    west: float
    south: float
    degrees: float
    columns: int
    rows: int
    raised: Ellipsoid | None = None

    def place(
        self, lat: FloatArray, lon: FloatArray, satellite_lon: float, ellipsoid: Ellipsoid
    ) -> tuple[FloatArray, FloatArray]:
        """As ``TargetGrid.place``; what is on the bounds of the box is inside, as in regions."""
        if self.raised is not None:
            x, y = project(lat, lon, satellite_lon, ellipsoid)
            lat, lon = locate(x, y, satellite_lon, self.raised)
        column, row = self._to_columns(lon), (lat - self.south) / self.degrees
        return _close(column, self.columns), _close(row, self.rows)

    def place_angles(
        self, x: FloatArray, y: FloatArray, satellite_lon: float, ellipsoid: Ellipsoid
    ) -> tuple[FloatArray, FloatArray]:
        """As ``TargetGrid.place_angles``: where lines of sight meet the lightning ellipsoid."""
        lat, lon = locate(x, y, satellite_lon, self.raised or ellipsoid)
        # One turn for all corners of a polygon, that of the first.
        first = self._to_columns(lon[:, :1])
        column = first + (lon - lon[:, :1]) / self.degrees
        return column, (lat - self.south) / self.degrees

    def _to_columns(self, lon: FloatArray) -> FloatArray:
        """Longitudes in columns, each in the turn whose middle is that of the grid."""
        half = 0.5 * self.columns * self.degrees
        offset = lon - (self.west + half)
        offset = offset - TURN_DEG * np.round(offset / TURN_DEG)
        return (offset + half) / self.degrees

    def wind(self, column: IntArray) -> IntArray:
        """As ``TargetGrid.wind``."""
        turn = round(TURN_DEG / self.degrees)
        return column % turn if self.columns == turn else column

    @property
    def center_lon(self) -> FloatArray:
        """Longitudes of the centers of columns, degrees east, shape (columns,), rising."""
        return np.asarray(self.west + self.degrees * (np.arange(self.columns) + 0.5))

    @property
    def center_lat(self) -> FloatArray:
        """Latitudes of the centers of rows, degrees north, shape (rows,), rising."""
        return np.asarray(self.south + self.degrees * (np.arange(self.rows) + 0.5))


def _close(places: FloatArray, end: int) -> FloatArray:
    """Places in cells; those on the far bound are moved into the last cell."""
    return np.where(places == end, np.nextafter(end, 0.0), places)


CONUS_WEST_RAD: Final = {-75.0: -0.101332, -137.0: -0.069972}
"""Center of the first column of CONUS (PACUS for GOES-West), rad, by the projection's origin."""


def make_fixed_grid(sector: str, satellite_lon: float) -> FixedGrid:
    """A sector of the fixed grid.

    Args:
        sector: ``conus`` or ``full_disk``.
        satellite_lon: Longitude of the projection's origin, degrees east.

    Raises:
        ParameterError: If the imager has no such sector there.
    """
    if sector == "full_disk":
        return FixedGrid(sector, satellite_lon, -0.151844, 0.151844, 5424, 5424)
    if satellite_lon not in CONUS_WEST_RAD:
        message = (
            f"Parameter grids.domain: conus is defined for GOES-East and GOES-West, but the "
            f"satellite stands at {-satellite_lon:g} W: choose full_disk or latlon."
        )
        raise ParameterError(message)
    return FixedGrid(sector, satellite_lon, CONUS_WEST_RAD[satellite_lon], 0.128212, 2500, 1500)


def make_lat_lon_grid(
    west: float,
    south: float,
    east: float,
    north: float,
    degrees: float,
    raised: Ellipsoid | None = None,
) -> LatLonGrid:
    """A grid of latitude and longitude; ``east`` at or below ``west`` is in the next turn.

    Args:
        west: Western bound, degrees east.
        south: Southern bound, degrees north.
        east: Eastern bound, degrees east: moved eastward to a whole number of cells.
        north: Northern bound, degrees north: moved northward to a whole number of cells.
        degrees: Side of a cell, degrees.
        raised: As in ``LatLonGrid``.
    """
    wide = east - west if east > west else east - west + TURN_DEG
    columns, rows = (round(np.ceil(side / degrees - 1e-9)) for side in (wide, north - south))
    columns = min(columns, int(TURN_DEG / degrees + 1e-9))
    return LatLonGrid(west, south, degrees, columns, rows, raised)
