"""Flash extent density on maps: of the window, and of its parts side by side.

The scale is logarithmic, from 1 to 256 flashes in five minutes: five minutes are what forecasters
see in AWIPS, made anew each minute; 256 is about five times the 50 flashes a minute at which
glmtools' own pictures end (``LogNorm(1, 50)``). It is the same for every window, so that pictures
of different storms compare.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.density_map import MAP_BOX
from lightning_kedro.pipelines.reporting.field_map import Raster, Scale, bright, draw_field_map
from lightning_kedro.pipelines.reporting.figures import DPI, HEIGHT, WIDTH, Words, make_placeholder
from lightning_kedro.pipelines.reporting.gridded import MINUTES, GriddedLightning
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.panels import Painted, choose_panels, draw_panels
from lightning_kedro.pipelines.reporting.raster import CellRaster, Pixels
from lightning_kedro.pipelines.reporting.window import mark_simulated

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
LOWEST, HIGHEST = 1.0, 256.0
"""Of the scale, flashes per 5 minutes."""

_TICKS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SHADES: Final = 64
NO_GRIDS: Final = (
    "No grids have been made of this window: `kedro run --pipelines grids` with the same "
    "parameters makes them, and the next report shows flash extent density"
)


def make_scale() -> Scale:
    """The scale of flash extent density; less than one flash in five minutes has its last shade."""
    from matplotlib.colors import ListedColormap, LogNorm

    shades = bright("plasma", 0.12)(np.linspace(0.0, 1.0, _SHADES))
    label = "flashes per grid cell and 5 minutes (log)"
    return Scale(LogNorm(LOWEST, HIGHEST, clip=True), ListedColormap(shades), label, _TICKS, "max")


def describe_fed(what: str, clustered: ClusteredWindow, gridded: GriddedLightning) -> Words:
    """The texts of a picture.

    Args:
        what: What it shows.
        clustered: The window.
        gridded: Its grids.
    """
    title = mark_simulated(f"{what}, {clustered.satellites}", simulated=clustered.simulated)
    if not gridded:
        return Words(title, clustered.window.dates, clustered.credit, NO_GRIDS)
    parts = [clustered.window.dates, name_cells(gridded)]
    parts += [f"highest {name_value(float(gridded.value.max()))}"] if gridded.value.size else []
    lost = gridded.n_expected - gridded.n_granules
    parts += [f"{gridded.n_granules:,} of {gridded.n_expected:,} granules"] if lost > 0 else []
    note = " · ".join([explain_values(gridded), *explain_shade(gridded), clustered.credit])
    empty = "" if gridded.value.size else "No flashes in the grids of this window"
    return Words(title, "   ·   ".join(parts), note, empty)


def name_value(value: float) -> str:
    """Flashes in five minutes, with a decimal where they are few."""
    return f"{value:,.0f}" if value >= 10.0 else f"{value:.1f}"  # noqa: PLR2004


def name_cells(gridded: GriddedLightning) -> str:
    """What a cell of the grid is."""
    if isinstance(gridded.grid, LatLonGrid):
        return f"cells of {gridded.grid.degrees:g}°"
    is_conus = isinstance(gridded.grid, FixedGrid) and gridded.grid.sector == "conus"
    return f"ABI fixed grid, 2 km{', CONUS sector alone' if is_conus else ''}"


def explain_values(gridded: GriddedLightning) -> str:
    """What a value is accumulated over."""
    if abs(gridded.minutes - MINUTES) < 1e-6:  # noqa: PLR2004
        return "Of each cell the most flashes in any 5 minutes"
    return f"Of each cell the highest mean over {gridded.minutes:g} min, as flashes per 5 minutes"


def explain_shade(gridded: GriddedLightning) -> list[str]:
    """What is shaded besides what the satellite does not see; nothing if that is all."""
    grid = gridded.grid
    is_part = isinstance(grid, LatLonGrid) or (grid is not None and grid.sector != "full_disk")
    return ["Shaded: not on the grid"] * is_part


def draw_fed_map(clustered: ClusteredWindow, gridded: GriddedLightning, words: Words) -> "Figure":
    """Draw the highest flash extent density of the window."""
    if gridded.grid is None:
        return make_placeholder(words, DARK)
    extent = clustered.choose_extent(MAP_ASPECT)
    wide, high = MAP_BOX[2] * WIDTH * DPI, MAP_BOX[3] * HEIGHT * DPI
    pixels = Pixels(extent, round(wide), round(high))
    laid = make_raster(clustered, gridded.grid, pixels)
    painted = laid.paint(*gridded.within(0, gridded.edges.size - 1))
    raster = Raster(pixels.x, pixels.lat, painted) if gridded.value.size else None
    figure = draw_field_map(raster, make_scale(), words, clustered.window, extent)
    _shade_outside(figure.axes[0], pixels, laid.covered)
    return figure


def _shade_outside(axes: Any, pixels: Pixels, covered: "npt.NDArray[np.bool_]") -> None:  # noqa: ANN401
    """Shade what the grid does not cover: nobody has counted there."""
    if covered.all():
        return
    x, lat = (0.5 * (edges[1:] + edges[:-1]) for edges in (pixels.x, pixels.lat))
    field = covered.astype(float)
    look: dict[str, Any] = {"colors": [DARK.grid], "alpha": 0.55, "zorder": 3.5}
    axes.contourf(x, lat, field, levels=[-0.5, 0.5], **look)
    line: dict[str, Any] = {"colors": [DARK.quiet], "linewidths": 0.8, "linestyles": "dotted"}
    axes.contour(x, lat, field, levels=[0.5], zorder=3.6, **line)


def make_raster(
    clustered: ClusteredWindow, grid: FixedGrid | LatLonGrid, pixels: Pixels
) -> CellRaster:
    """What lays the grid over a map: its cells are placed where the flashes are."""
    start = clustered.window.selection.start
    return CellRaster(grid, pixels, lightning_ellipsoid(start))


def draw_fed_panels(
    clustered: ClusteredWindow, gridded: GriddedLightning, words: Words
) -> "Figure":
    """Draw the highest flash extent density of each part of the window."""
    grid, extent = gridded.grid, clustered.choose_extent(MAP_ASPECT)
    if grid is None:
        return make_placeholder(words, DARK)
    edges = choose_panels(gridded.edges)
    first = np.searchsorted(gridded.edges, edges)

    def paint(pixels: Pixels) -> Painted:
        laid = make_raster(clustered, grid, pixels)
        fields = [
            laid.paint(*gridded.within(int(start), int(end))) for start, end in pairwise(first)
        ]
        return Painted(fields, laid.covered)

    return draw_panels(edges, paint, make_scale(), words, clustered.window, extent)
