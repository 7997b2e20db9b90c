"""From cells to the pixels of a map, whichever are larger."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.fixed_grid import locate
from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid
from lightning_kedro.pipelines.reporting.density_map import Bins
from lightning_kedro.pipelines.reporting.maps import Extent

Values = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NOWHERE: Final = -1


class Pixels:
    """The pixels of a map, which colour is laid over.

    Args:
        extent: What the map shows.
        columns: Pixels from west to east.
        rows: Pixels from south to north.

    Attributes:
        x: Edges of columns, degrees east of the extent's middle, shape (columns + 1,).
        lat: Edges of rows, degrees north, shape (rows + 1,).
    """

    def __init__(self, extent: Extent, columns: int, rows: int) -> None:
        """Cut the extent."""
        half = (extent.east - extent.west) / 2.0
        self.extent = extent
        self.columns, self.rows = columns, rows
        self.x: FloatArray = np.linspace(-half, half, columns + 1)
        self.lat: FloatArray = np.linspace(extent.south, extent.north, rows + 1)

    @property
    def centers(self) -> tuple[FloatArray, FloatArray]:
        """Latitudes and longitudes of the middles, shape (rows * columns,) each."""
        lat = 0.5 * (self.lat[1:] + self.lat[:-1])
        lon = 0.5 * (self.x[1:] + self.x[:-1]) + self.extent.middle
        return np.repeat(lat, self.columns), np.tile(lon, self.rows)

    def find(self, lat: FloatArray, lon: FloatArray) -> IntArray:
        """The pixel of each place, row by row; -1 outside of the map, and of places that are NaN.

        Args:
            lat: Latitudes, shape (n,), degrees north.
            lon: Longitudes, shape (n,), degrees east, any turn.
        """
        x = self.extent.unwind(lon) - self.extent.middle
        column = (x - self.x[0]) / (self.x[-1] - self.x[0]) * self.columns
        row = (lat - self.lat[0]) / (self.lat[-1] - self.lat[0]) * self.rows
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        column, row = (np.where(inside, part, 0.0).astype(np.int64) for part in (column, row))
        return np.where(inside, row * self.columns + column, _NOWHERE)


class CellRaster:
    """Lays cells of a grid over the pixels of a map.

    A pixel has the highest value of the cells whose middle is in it and of the one that its own
    middle is in: nothing is lost where cells are smaller, no hole is left where they are larger.

    Args:
        grid: The grid.
        pixels: The pixels.
        ellipsoid: The lightning ellipsoid, on which the fixed grid's cells are placed.
    """

    def __init__(self, grid: FixedGrid | LatLonGrid, pixels: Pixels, ellipsoid: Ellipsoid) -> None:
        """Look up the cell of each pixel."""
        self._grid, self._pixels, self._ellipsoid = grid, pixels, ellipsoid
        satellite_lon = grid.satellite_lon if isinstance(grid, FixedGrid) else 0.0
        places = grid.place(*pixels.centers, satellite_lon, ellipsoid)
        known = np.isfinite(places[0]) & np.isfinite(places[1])
        column, row = (
            np.floor(np.where(known, part, _NOWHERE)).astype(np.int64) for part in places
        )
        self._cell_of_pixel = np.where(known, grid.number(column, row), _NOWHERE)

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Which pixels the grid covers, shape (rows, columns)."""
        return (self._cell_of_pixel >= 0).reshape(self._pixels.rows, self._pixels.columns)

    def paint(self, cell: IntArray, value: npt.NDArray[np.float32]) -> Values:
        """Values of the pixels, shape (rows, columns); masked where there is nothing.

        Args:
            cell: Cells, rising, shape (n,).
            value: Their values, shape (n,), more than 0.
        """
        pixels = self._pixels
        painted = np.zeros(pixels.rows * pixels.columns)
        if cell.size:
            at = np.minimum(np.searchsorted(cell, self._cell_of_pixel), cell.size - 1)
            painted = np.where(cell[at] == self._cell_of_pixel, value[at], 0.0)
            pixel = pixels.find(*self._locate(cell))
            seen = pixel >= 0
            np.maximum.at(painted, pixel[seen], value[seen])
        return np.ma.masked_equal(painted.reshape(pixels.rows, pixels.columns), 0.0)

    def _locate(self, cell: IntArray) -> tuple[FloatArray, FloatArray]:
        """Latitudes and longitudes of the middles of cells."""
        row, column = np.divmod(cell, self._grid.columns)
        grid = self._grid
        if isinstance(grid, FixedGrid):
            x, y = grid.center_x[column], grid.center_y[row]
            return locate(x, y, grid.satellite_lon, self._ellipsoid)
        return grid.center_lat[row], grid.center_lon[column]


def paint_bins(bins: Bins, density: Values, pixels: Pixels) -> Values:
    """Values of the pixels from bins of equal area: each has that of the bin it is in."""
    lat, x = (0.5 * (edges[1:] + edges[:-1]) for edges in (pixels.lat, pixels.x))
    row = np.searchsorted(bins.lat, lat, side="right") - 1
    column = np.searchsorted(bins.x, x, side="right") - 1
    row, column = np.clip(row, 0, bins.lat.size - 2), np.clip(column, 0, bins.x.size - 2)
    return density[row[:, None], column[None, :]]
