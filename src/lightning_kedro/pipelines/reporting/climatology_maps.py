"""Maps of a climatology: thunder hours, and flashes per km2 and year."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.climatology.fields import HOURS_PER_YEAR, Climatology
from lightning_kedro.analysis.climatology.window import find_box
from lightning_kedro.analysis.grids.target import TURN_DEG, LatLonGrid
from lightning_kedro.pipelines.reporting.density_map import MAP_BOX, choose_ticks
from lightning_kedro.pipelines.reporting.field_map import Raster, Scale, bright, draw_field_map
from lightning_kedro.pipelines.reporting.figures import (
    CREDIT,
    HEIGHT,
    SIMULATED_CREDIT,
    WIDTH,
    Words,
)
from lightning_kedro.pipelines.reporting.maps import Extent, choose_extent
from lightning_kedro.pipelines.reporting.window import (
    Window,
    count_flashes,
    mark_simulated,
    name_share,
)
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_COLUMNS: Final = 1080  # pixels of a map
_A_MONTH: Final = 30 * 24.0
_MOST_DECADES: Final = 4.0
_MOST_TICKS: Final = 8
_ENOUGH: Final = 0.999
_SIDES: Final = 5


def describe_climatology(what: str, made: Climatology, window: Window, note: str) -> Words:
    """The texts of a picture.

    Args:
        what: What it shows.
        made: The climatology.
        window: What it is of.
        note: What its values are.
    """
    hours = (window.end - window.start).total_seconds() / 3600.0
    share = min(made.most_observed / hours, 1.0)
    observed = f"{hours:,.0f} h observed"
    if share < _ENOUGH:
        observed = (
            f"{name_hours(made.most_observed)} of {hours:,.0f} h observed ({name_share(share)})"
        )
    credit = SIMULATED_CREDIT if made.is_simulated else CREDIT
    return Words(
        mark_simulated(f"{what}, {window.satellites}", simulated=made.is_simulated),
        "   ·   ".join([window.dates, count_flashes(made.flash_total), observed]),
        f"{note} · {credit}" if note else credit,
        "" if made.flash_total else "No flashes in this window",
    )


def name_hours(hours: float) -> str:
    """A number of hours, or of minutes where they are few: ``20.0``, ``1 min``."""
    return f"{hours:,.1f}" if hours >= 1.0 else f"{60.0 * hours:.0f} min"


def choose_map(selection: Selection) -> Extent:
    """What the maps of a climatology show: its region, or all that its satellites see."""
    box = find_box(selection)
    wide = (box.east - box.west) % TURN_DEG or TURN_DEG
    lon = box.west + wide * np.linspace(0.0, 1.0, 4 * _SIDES)
    return choose_extent(np.linspace(box.south, box.north, 4 * _SIDES), lon, MAP_ASPECT)


def draw_thunder_hours(made: Climatology, window: Window, thunder: Mapping[str, Any]) -> "Figure":
    """Draw how many hours had thunder within earshot.

    Args:
        made: The climatology.
        window: What it is of.
        thunder: The options: ``thunder_km`` and ``thunder_flashes``.

    Returns:
        The figure; its texts are ``describe_thunder``'s.
    """
    from matplotlib.colors import Normalize

    words, extent = describe_thunder(made, window, thunder), choose_map(window.selection)
    per_year = made.most_observed >= _A_MONTH
    field = made.thunder_hours_per_year if per_year else made.thunder_hours.astype(np.float32)
    raster = _make_raster(field, made.grid, extent)
    most = max(float(raster.values.max()) if raster.values.count() else 0.0, 1.0)
    ticks = _round_ticks(most)
    label = "thunder hours a year of observation" if per_year else "thunder hours in the window"
    scale = Scale(Normalize(0.0, max(most, ticks[-1])), bright("viridis", 0.2), label, ticks)
    return draw_field_map(raster if made.flash_total else None, scale, words, window, extent)


def describe_thunder(made: Climatology, window: Window, thunder: Mapping[str, Any]) -> Words:
    """The texts of the map of thunder hours."""
    least = thunder["thunder_flashes"]
    flashes = "a flash" if least == 1 else f"{least} flashes"
    note = (
        f"An hour of UTC counts at a grid point ({made.grid.degrees:g}°) with {flashes} within "
        f"{thunder['thunder_km']:g} km"
    )
    return describe_climatology("Thunder hours", made, window, note)


def draw_flash_density(made: Climatology, window: Window) -> "Figure":
    """Draw flashes per km2 and year of observation, on a logarithmic scale."""
    from matplotlib.colors import LogNorm

    words, extent = describe_density(made, window), choose_map(window.selection)
    raster = _make_raster(made.flash_density, made.grid, extent)
    values = raster.values.compressed()
    highest = float(values.max()) if values.size else 1.0
    lowest = max(float(values.min()), highest * 10.0**-_MOST_DECADES) if values.size else 0.1
    highest = max(highest, 2.0 * lowest)
    label = "flashes per km² and year of observation (log)"
    colors = bright("inferno", 0.33)
    scale = Scale(LogNorm(lowest, highest), colors, label, choose_ticks(lowest, highest))
    return draw_field_map(raster if made.flash_total else None, scale, words, window, extent)


def describe_density(made: Climatology, window: Window) -> Words:
    """The texts of the map of flash density."""
    short = made.most_observed < HOURS_PER_YEAR * _ENOUGH
    note = "Less than a year: a rate, not what a year brings" if short else ""
    return describe_climatology("Flash density", made, window, note)


def _round_ticks(most: float) -> list[float]:
    """Round values from 0 to at least a number."""
    steps = (digit * 10.0**power for power in range(-1, 6) for digit in (1.0, 2.0, 5.0))
    step = next(step for step in steps if step >= 1.0 and most / step < _MOST_TICKS)
    return [step * number for number in range(int(np.ceil(most / step)) + 1)]


def _make_raster(field: npt.NDArray[np.float32], grid: LatLonGrid, extent: Extent) -> Raster:
    """A field as the map shows it: cells smaller than a pixel are averaged.

    Where there is nothing it is masked, so that the map is seen.
    """
    across = (extent.east - extent.west) / grid.degrees / _COLUMNS
    side = max(int(np.ceil(across - 0.2)), 1)
    values = np.ma.masked_equal(np.ma.masked_invalid(_average(field, side)), 0.0)
    rows, columns = values.shape
    step = side * grid.degrees
    half = 0.5 * grid.columns * grid.degrees
    middle = float(extent.unwind(grid.west + half)) - extent.middle
    x = middle - half + step * np.arange(columns + 1)
    lat = np.minimum(grid.south + step * np.arange(rows + 1), 90.0)
    return Raster(x, lat, values)


def _average(field: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float64]:
    """Means of blocks of cells, of those that have a value; NaN where none has."""
    if side == 1:
        return field.astype(np.float64)
    rows, columns = (-(-size // side) * side for size in field.shape)
    padded = np.full((rows, columns), np.nan, np.float32)
    padded[: field.shape[0], : field.shape[1]] = field
    blocks = padded.reshape(rows // side, side, columns // side, side)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3), dtype=np.float64)
    means = np.full(count.shape, np.nan)
    return np.asarray(np.divide(total, count, out=means, where=count > 0))
