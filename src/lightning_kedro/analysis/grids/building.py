"""From the flashes, groups and events of granules to what the cells of a grid have seen, by step.

Every granule is whole in itself: a flash is in one granule with all of its groups and events, so
that granules are added up one by one and forgotten.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.coverage import cover_cells
from lightning_kedro.analysis.grids.fixed_grid import project
from lightning_kedro.analysis.grids.lit_pixels import Family, LitPixels, find_pixels
from lightning_kedro.analysis.grids.sums import CellSums, SumBuilder, count_centroids, sum_pixels
from lightning_kedro.analysis.grids.target import TargetGrid
from lightning_kedro.glm.flashes import GranuleFlashes
from lightning_kedro.glm.levels import GranuleEvents, GranuleGroups
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid
from lightning_kedro.glm.pixels import pixel_corners

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
TimeArray = npt.NDArray[np.datetime64]

NO_STEP: Final = -1
"""The step of what is outside of the window."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A window in steps of the same length; the last one may be shorter.

    Attributes:
        start: Start of the window, UTC, inclusive.
        end: End of the window, UTC, exclusive.
        minutes: Length of a step, minutes.
    """

    start: datetime
    end: datetime
    minutes: float

    def __len__(self) -> int:
        """The number of steps."""
        return int(-(-(_to_us(self.end) - _to_us(self.start)) // self._length_us))

    def number(self, times: TimeArray) -> IntArray:
        """The step of each time, shape (n,); ``NO_STEP`` outside of the window."""
        us = times.astype("datetime64[us]").astype(np.int64)
        inside = (us >= _to_us(self.start)) & (us < _to_us(self.end))
        return np.where(inside, (us - _to_us(self.start)) // self._length_us, NO_STEP)

    @property
    def bounds(self) -> TimeArray:
        """Start and end of each step, datetime64[us], shape (steps, 2)."""
        first = _to_us(self.start) + self._length_us * np.arange(len(self))
        last = np.minimum(first + self._length_us, _to_us(self.end))
        return np.stack([first, last], 1).astype("datetime64[us]")

    @property
    def _length_us(self) -> int:
        return round(self.minutes * 60e6)


def _to_us(time: datetime) -> int:
    """Microseconds since 1970 of a UTC time."""
    return int(np.datetime64(time.replace(tzinfo=None), "us").astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Lightning:
    """The lightning of one granule, and what its places mean.

    Attributes:
        flashes: Its flashes.
        groups: Its groups.
        events: Its events.
        steps: The step that each flash counts in, shape (flashes,); ``NO_STEP`` for those that do
            not count. Groups and events go with their flash.
        satellite_lon: Longitude of the satellite's fixed grid, degrees east.
        ellipsoid: The ellipsoid that its places are on.
    """

    flashes: GranuleFlashes
    groups: GranuleGroups
    events: GranuleEvents
    steps: IntArray
    satellite_lon: float
    ellipsoid: Ellipsoid


@dataclass(slots=True)
class GridBuilder:
    """Puts granules on a grid, one after the other.

    Attributes:
        grid: The grid.
        steps: The steps.
        join_pixels: Whether a pixel that is split in two counts once; see ``lit_pixels``.
        unplaced: Events whose place is not known, or that lack their group or flash: left out.
    """

    grid: TargetGrid
    steps: Steps
    join_pixels: bool = False
    unplaced: int = 0
    _sums: dict[int, SumBuilder] = field(default_factory=dict)

    def add(self, lightning: Lightning) -> None:
        """Put a granule on the grid."""
        group_flash = find_rows(lightning.flashes.flash_id, lightning.groups.parent_flash_id)
        event_group = find_rows(lightning.groups.group_id, lightning.events.parent_group_id)
        event_flash = _follow(event_group, group_flash)
        group_step = _follow(group_flash, lightning.steps)
        event_step = _follow(event_flash, lightning.steps)
        x, y = project(
            lightning.events.lat,
            lightning.events.lon,
            lightning.satellite_lon,
            lightning.ellipsoid,
        )
        placed = np.isfinite(x) & ~lightning.events.is_clamped
        self.unplaced += int(np.count_nonzero((~placed & (event_step >= 0)) | (event_flash < 0)))
        for step in np.unique(lightning.steps[lightning.steps >= 0]).tolist():
            sums = self._sums.setdefault(step, SumBuilder())
            mine = np.flatnonzero(placed & (event_step == step))
            if mine.size:
                pixels = find_pixels(
                    x[mine],
                    y[mine],
                    lightning.events.energy_j[mine],
                    Family(event_flash[mine], lightning.flashes.area_km2),
                    Family(event_group[mine], lightning.groups.area_km2),
                    join=self.join_pixels,
                )
                sums.add(self._cover(pixels, lightning))
            for level, chosen in (
                ("flash", lightning.steps == step),
                ("group", group_step == step),
            ):
                sums.add(self._count(level, chosen, lightning))

    def pop(self, step: int) -> CellSums:
        """What was added to a step, which is forgotten."""
        return self._sums.pop(step, SumBuilder()).build()

    def _cover(self, pixels: LitPixels, lightning: Lightning) -> CellSums:
        """What cells have seen through pixels."""
        corners = pixel_corners(pixels.x, pixels.y)
        places = self.grid.place_angles(*corners, lightning.satellite_lon, lightning.ellipsoid)
        # At the edge of the Earth's disc a pixel has no corners on the Earth.
        whole = np.isfinite(places[0]).all(1) & np.isfinite(places[1]).all(1)
        if not whole.all():
            pixels = pixels.take(np.flatnonzero(whole))
        return sum_pixels(pixels, cover_cells(places[0][whole], places[1][whole]), self.grid)

    def _count(self, level: str, chosen: BoolArray, lightning: Lightning) -> CellSums:
        """The centroids of flashes or groups by cell."""
        rows = lightning.flashes if level == "flash" else lightning.groups
        lat, lon = (angle[chosen].astype(np.float64) for angle in (rows.lat, rows.lon))
        places = self.grid.place(lat, lon, lightning.satellite_lon, lightning.ellipsoid)
        return count_centroids(f"{level}_centroids", *places, self.grid)


def find_rows(
    ids: npt.NDArray[np.unsignedinteger], wanted: npt.NDArray[np.unsignedinteger]
) -> IntArray:
    """The row of each parent; -1 where the granule lacks it.

    Args:
        ids: Identifiers by row, shape (n,), unique.
        wanted: Identifiers of parents, shape (m,).
    """
    if ids.size == 0:
        return np.full(wanted.size, -1, np.int64)
    order = np.argsort(ids)
    rows = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), ids.size - 1)]
    return np.where(ids[rows] == wanted, rows, -1)


def _follow(rows: IntArray, values: IntArray) -> IntArray:
    """The value of each row; -1 where there is no row."""
    if values.size == 0:
        return np.full(rows.size, -1, np.int64)
    return np.where(rows >= 0, values[rows], -1)
