"""What satellites see of a grid: beyond it no lightning is not the same as none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.target import LatLonGrid
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM
from lightning_kedro.glm.field_of_view import sees
from lightning_kedro.selection import Selection

_ROWS: Final = 200  # at a time, so that memory holds a part of the grid only


def cell_area_km2(grid: LatLonGrid) -> npt.NDArray[np.float64]:
    """Area of a cell of each row on the sphere, km2, shape (rows,)."""
    edges = np.radians(grid.south + grid.degrees * np.arange(grid.rows + 1))
    bands = np.diff(np.sin(np.clip(edges, -0.5 * np.pi, 0.5 * np.pi)))
    return np.asarray(EARTH_RADIUS_KM**2 * np.radians(grid.degrees) * bands)


class View(NamedTuple):
    """What some satellites see, all of them, and some others do not.

    Attributes:
        seeing: Those that see it, one at least.
        blind: Those that do not.
    """

    seeing: frozenset[str]
    blind: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What each satellite of a window sees of a grid.

    Attributes:
        grid: The grid.
        masks: Whether a satellite sees the center of each cell, by platform, shape (rows, columns).
    """

    grid: LatLonGrid
    masks: Mapping[str, npt.NDArray[np.bool_]]

    @classmethod
    def find(cls, grid: LatLonGrid, selection: Selection) -> "Seen":
        """What the satellites of a selection see, each from where it stands at first."""
        first = {part.platform: part.start for part in reversed(selection.segments)}
        masks = {}
        for platform, when in first.items():
            mask = np.zeros((grid.rows, grid.columns), np.bool_)
            for row in range(0, grid.rows, _ROWS):
                lat = grid.center_lat[row : row + _ROWS, None]
                mask[row : row + _ROWS] = sees(platform, lat, grid.center_lon[None, :], when)
            masks[platform] = mask
        return cls(grid, masks)

    def of(self, view: View) -> npt.NDArray[np.bool_]:
        """What is in a view, shape (rows, columns)."""
        seen = np.logical_and.reduce([self.masks[platform] for platform in sorted(view.seeing)])
        for platform in view.blind:
            seen &= ~self.masks[platform]
        return np.asarray(seen)

    def area_by_column(self, view: View) -> npt.NDArray[np.float64]:
        """Area of what is in a view at each longitude, km2, shape (columns,)."""
        return np.asarray(cell_area_km2(self.grid) @ self.of(view))

    @property
    def total_area(self) -> float:
        """Area of what any of them sees, km2; of the whole grid where they see nothing of it."""
        area = cell_area_km2(self.grid)
        anything = np.logical_or.reduce([*self.masks.values()])
        return float((area @ anything).sum()) or float(area.sum() * self.grid.columns)
