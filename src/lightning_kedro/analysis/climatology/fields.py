"""A climatology: what was counted, and what follows from it."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.climatology.seen import cell_area_km2
from lightning_kedro.analysis.grids.target import LatLonGrid

HOURS_PER_YEAR: Final = 8766.0
"""Of 365.25 days."""

FloatField = npt.NDArray[np.float32]
IntField = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class DiurnalCycle:
    """Flashes by time of the day, each shape (24,), from 0 to 1 h on.

    Attributes:
        utc_count: Flashes by hour of UTC.
        solar_count: Flashes by hour of local mean solar time, UTC + longitude / 15 degrees.
        utc_hours: Hours observed at each hour of UTC, mean over the area.
        solar_hours: Hours observed at each hour of local solar time, mean over the area.
    """

    utc_count: npt.NDArray[np.int64]
    solar_count: npt.NDArray[np.int64]
    utc_hours: npt.NDArray[np.float64]
    solar_hours: npt.NDArray[np.float64]

    @property
    def utc_rate(self) -> npt.NDArray[np.float64]:
        """Flashes per observed hour, by hour of UTC; NaN where nothing was observed."""
        return _divide(self.utc_count, self.utc_hours)

    @property
    def solar_rate(self) -> npt.NDArray[np.float64]:
        """Flashes per observed hour, by hour of local solar time."""
        return _divide(self.solar_count, self.solar_hours)


@dataclass(frozen=True, slots=True, eq=False)
class Climatology:
    """The climatology of a window on a grid; fields have the shape (rows, columns).

    Attributes:
        grid: The grid; its points are the centers of its cells.
        thunder_hours: Hours in which thunder was within earshot of the grid point.
        flash_count: Flashes whose centroid is in the cell.
        observed_hours: Hours in which the cell was observed: gaps do not count, and where no
            satellite of the window sees there are none.
        cycle: The diurnal cycle of the flashes in the grid.
        hour_count: Hours of a satellite of which anything was observed.
        flash_total: Flashes in the grid.
        is_simulated: Whether any of it is simulated.
    """

    grid: LatLonGrid
    thunder_hours: IntField
    flash_count: IntField
    observed_hours: FloatField
    cycle: DiurnalCycle
    hour_count: int
    flash_total: int
    is_simulated: bool

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The same: nothing in it changes."""
        return self

    @property
    def thunder_hours_per_year(self) -> FloatField:
        """Thunder hours in a year of observation, h; NaN where nothing was observed."""
        return _divide_field(self.thunder_hours, self.observed_hours / np.float32(HOURS_PER_YEAR))

    @property
    def flash_density(self) -> FloatField:
        """Flashes per km2 and year of observation; NaN where nothing was observed."""
        years = self.observed_hours / np.float32(HOURS_PER_YEAR)
        years *= cell_area_km2(self.grid).astype(np.float32)[:, None]
        return _divide_field(self.flash_count, years)

    @property
    def most_observed(self) -> float:
        """Hours for which the cell that was observed most was observed."""
        return float(self.observed_hours.max(initial=0.0))


def _divide_field(counts: IntField, by: FloatField) -> FloatField:
    """Counts per something; NaN where there is nothing of it."""
    result = np.full(counts.shape, np.nan, np.float32)
    return np.divide(counts, by, out=result, where=by > 0, casting="unsafe")


def _divide(counts: npt.NDArray[np.int64], by: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Counts per hour; NaN where there are none."""
    rate = np.full(counts.shape, np.nan)
    return np.asarray(np.divide(counts, by, out=rate, where=by > 0))
