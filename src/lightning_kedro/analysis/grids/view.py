"""Which cells of a grid are in the field of view: in the others no lightning is no news."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.fixed_grid import locate
from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid, TargetGrid
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.field_of_view import sees
from lightning_kedro.glm.lightning_ellipsoid import GRS80
from lightning_kedro.glm.orbital_slot import Segment

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_BLOCK: Final = 8
"""Cells of a block's side: the rim of the view is straight over so few."""


def see_grid(grid: TargetGrid, segments: Sequence[Segment]) -> BoolArray:
    """Tell which cells any of a window's satellites sees.

    The view is the model of ``glm.field_of_view``, at the middle of each cell. Only blocks that
    the rim goes through are looked at cell by cell.

    Args:
        grid: The grid.
        segments: Which satellite in which part of the window.

    Returns:
        Shape (rows, columns), in the order of the file.
    """
    row, column = (_place_posts(count) for count in (grid.rows, grid.columns))
    at_posts = _see(grid, segments, *np.meshgrid(row, column, indexing="ij"))
    corners = np.stack([at_posts[:-1, :-1], at_posts[1:, :-1], at_posts[:-1, 1:], at_posts[1:, 1:]])
    blocks = (
        np.minimum(np.arange(count) // _BLOCK, size - 1)
        for count, size in zip((grid.rows, grid.columns), corners.shape[1:], strict=True)
    )
    seen = corners[0][np.ix_(*blocks)]
    for down, right in zip(*np.nonzero(corners.any(axis=0) & ~corners.all(axis=0)), strict=True):
        rows = np.arange(row[down], min(row[down + 1] + 1, grid.rows))
        columns = np.arange(column[right], min(column[right + 1] + 1, grid.columns))
        block = _see(grid, segments, *np.meshgrid(rows, columns, indexing="ij"))
        seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = block
    return np.asarray(seen)


def _place_posts(count: int) -> IntArray:
    """Every eighth of some rows or columns, and the last; two at least."""
    return np.append(np.arange(0, max(count - 1, 1), _BLOCK), max(count - 1, 1))


def _see(
    grid: TargetGrid, segments: Sequence[Segment], row: IntArray, column: IntArray
) -> BoolArray:
    """Which of some cells are seen, of their shape."""
    lat, lon = _find_centers(grid, row, column)
    seen = np.zeros(row.shape, np.bool_)
    for platform, start in sorted({(part.platform, part.start) for part in segments}):
        with np.errstate(invalid="ignore"):
            seen |= np.isfinite(lat) & sees(platform, lat, lon, start)
    return seen


def _find_centers(
    grid: TargetGrid, row: IntArray, column: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Latitudes and longitudes of the middles of cells; NaN beside the Earth's disc."""
    if isinstance(grid, FixedGrid):
        # Beyond the last row there is one more post where a grid has a single row.
        x = grid.center_x[np.minimum(column, grid.columns - 1)]
        y = grid.center_y[np.minimum(row, grid.rows - 1)]
        return locate(x, y, grid.satellite_lon, GRS80)
    assert isinstance(grid, LatLonGrid)  # noqa: S101  (there are two kinds)
    return (
        grid.center_lat[np.minimum(row, grid.rows - 1)],
        grid.center_lon[np.minimum(column, grid.columns - 1)],
    )
