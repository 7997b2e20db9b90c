"""Sums over hours: thunder hours, flashes of cells and of times of the day, and what was observed.

All are sums, so that hours may come in any order and as many as there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.climatology.discs import find_heard
from lightning_kedro.analysis.climatology.fields import Climatology, DiurnalCycle
from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.analysis.climatology.seen import Seen, View
from lightning_kedro.analysis.grids.target import LatLonGrid

HOURS: Final = 24
_DEGREES_PER_HOUR: Final = 15.0
_HOUR: Final = np.timedelta64(1, "h")


@dataclass(frozen=True, slots=True)
class Thunder:
    """When an hour counts as a thunder hour of a grid point.

    Attributes:
        radius_km: How far thunder is heard.
        flashes: How many flashes must be that near, at least.
    """

    radius_km: float = 15.0
    flashes: int = 2


class ClimatologyBuilder:
    """Adds up hours on a grid.

    Args:
        grid: The grid.
        thunder: What a thunder hour is.
    """

    def __init__(self, grid: LatLonGrid, thunder: Thunder) -> None:
        """Begin with nothing."""
        self.grid = grid
        self.thunder = thunder
        self.hour_count = 0
        self.flash_total = 0
        self.is_simulated = False
        # One more column: where the run of a row's last point ends, none of the next one's begins.
        self._heard = np.zeros(grid.rows * (grid.columns + 1) + 1, np.int32)
        self._flashes = np.zeros(grid.rows * grid.columns, np.int32)
        self._utc = np.zeros(HOURS, np.int64)
        self._solar = np.zeros(HOURS, np.int64)
        self._observed: dict[View, npt.NDArray[np.float64]] = {}

    def add(self, hour: ObservedHour) -> None:
        """Add an hour of a satellite, or of both slots as one."""
        of_day = int((hour.start - hour.start.astype("datetime64[D]")) // _HOUR)
        for where, share in _list_shares(hour):
            self._observed.setdefault(where, np.zeros(HOURS))[of_day] += share
        self.hour_count += 1
        self.is_simulated |= hour.is_simulated
        if hour.lat.size:
            self._add_thunder(hour)
            self._add_flashes(hour, of_day)

    def _add_thunder(self, hour: ObservedHour) -> None:
        """The points that have heard thunder."""
        thunder = self.thunder
        runs = find_heard(hour.lat, hour.lon, self.grid, thunder.radius_km, thunder.flashes)
        # Runs are apart, so that no place begins or ends two of them; but one may end where the
        # next begins.
        self._heard[runs[:, 0]] += 1
        self._heard[runs[:, 1]] -= 1

    def _add_flashes(self, hour: ObservedHour, of_day: int) -> None:
        """Flashes by cell, by hour of UTC and by hour of local solar time."""
        lon = hour.lon.astype(np.float64)
        row = (hour.lat.astype(np.float64) - self.grid.south) / self.grid.degrees
        cell = self.grid.number(_floor(self.grid.to_columns(lon)), _floor(row))
        inside = cell >= 0
        cells, counts = np.unique(cell[inside], return_counts=True)
        self._flashes[cells] += counts.astype(np.int32)
        self._utc[of_day] += np.count_nonzero(inside)
        solar = of_day + hour.minute[inside] / 60.0 + lon[inside] / _DEGREES_PER_HOUR
        self._solar += np.bincount(_floor(solar) % HOURS, minlength=HOURS)
        self.flash_total += int(np.count_nonzero(inside))

    def finish(self, seen: Seen) -> Climatology:
        """The climatology of all that was added.

        Args:
            seen: What each satellite sees of the grid.
        """
        grid = self.grid
        heard = np.cumsum(self._heard[:-1], dtype=np.int32).reshape(grid.rows, grid.columns + 1)
        observed = np.zeros((grid.rows, grid.columns), np.float32)
        for view, by_hour in self._observed.items():
            observed += seen.of(view) * np.float32(by_hour.sum())
        return Climatology(
            grid=grid,
            thunder_hours=np.ascontiguousarray(heard[:, :-1]),
            flash_count=self._flashes.reshape(grid.rows, grid.columns),
            observed_hours=observed,
            cycle=self._measure_cycle(seen),
            hour_count=self.hour_count,
            flash_total=self.flash_total,
            is_simulated=self.is_simulated,
        )

    def _measure_cycle(self, seen: Seen) -> DiurnalCycle:
        """Flashes by time of the day, and the hours that were observed at that time."""
        utc, solar = np.zeros(HOURS), np.zeros(HOURS)
        total = seen.total_area
        for view, by_hour in self._observed.items():
            area = seen.area_by_column(view)
            utc += by_hour * (area.sum() / total)
            solar += _shift_hours(by_hour, self.grid.center_lon, area / total)
        return DiurnalCycle(self._utc, self._solar, utc, solar)


def _list_shares(hour: ObservedHour) -> Iterator[tuple[View, float]]:
    """Which share of an hour was observed, and of what.

    Where two satellites see, it is that of the one which lacks less: their gaps may be at different
    times, of which the hour does not tell.
    """
    shares = {hour.platform: hour.share, **hour.also}
    every = frozenset(shares)
    for count in range(1, len(shares) + 1):
        for some in combinations(shares, count):
            mine = frozenset(some)
            yield View(mine, every - mine), max(shares[platform] for platform in mine)


def _shift_hours(
    by_hour: npt.NDArray[np.float64],
    lon: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Hours observed by hour of local solar time, from those by hour of UTC.

    Args:
        by_hour: Hours observed by hour of UTC, shape (24,).
        lon: Longitudes, shape (c,), degrees east.
        weight: Share of the area at each longitude, shape (c,).

    Returns:
        The mean over the area, shape (24,): an hour of UTC lies in two hours of local time, in
        shares that depend on the longitude.
    """
    offset = lon / _DEGREES_PER_HOUR
    whole = _floor(offset)
    later = offset - whole
    shifts = np.bincount(whole % HOURS, weight * (1.0 - later), HOURS)
    shifts += np.bincount((whole + 1) % HOURS, weight * later, HOURS)
    return np.asarray(
        sum(shifts[shift] * np.roll(by_hour, shift) for shift in range(HOURS)), np.float64
    )


def _floor(values: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Whole numbers not above some numbers."""
    return np.asarray(np.floor(values), np.int64)
