"""Maps of gridded fields: a coloured raster over the usual map, and its scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.density_map import MAP_BOX, SCALE_BOX
from lightning_kedro.pipelines.reporting.figures import Words, make_figure
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import Window

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]
Values = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Values in rows and columns of a map.

    Attributes:
        x: Edges of columns, degrees east of the extent's middle, shape (c + 1,).
        lat: Edges of rows, degrees north, shape (r + 1,).
        values: Shape (r, c); masked where nothing is to be seen.
    """

    x: FloatArray
    lat: FloatArray
    values: Values


@dataclass(frozen=True, slots=True)
class Scale:
    """How values are coloured.

    Attributes:
        norm: From values to 0 to 1.
        colors: From 0 to 1 to colours.
        label: What the values are.
        ticks: Values with a name beside the scale.
        extend: ``max`` where larger values than the scale's are shown as its last colour.
    """

    norm: "Normalize"
    colors: "Colormap"
    label: str
    ticks: Sequence[float]
    extend: str = "neither"


def draw_field_map(
    raster: Raster | None, scale: Scale, words: Words, window: Window, extent: Extent
) -> "Figure":
    """Draw a field over a map, with what is not seen and the region asked for.

    Args:
        raster: The field; None if there is nothing of it.
        scale: Its colours.
        words: The picture's texts.
        window: What it is of.
        extent: What the map shows.
    """
    figure = make_figure(words, DARK)
    axes = add_map(figure, MAP_BOX, extent, DARK)
    add_outlines(axes, window, extent, DARK)
    if raster is not None:
        mesh = add_raster(axes, raster, scale)
        add_scale(figure, mesh, scale, SCALE_BOX)
    return figure


def add_raster(axes: Any, raster: Raster, scale: Scale) -> Any:  # noqa: ANN401
    """Lay a field over a map."""
    look: dict[str, Any] = {"norm": scale.norm, "cmap": scale.colors, "zorder": 3}
    return axes.pcolormesh(raster.x, raster.lat, raster.values, **look)


def add_scale(
    figure: "Figure",
    mesh: Any,  # noqa: ANN401
    scale: Scale,
    box: tuple[float, float, float, float],
) -> Any:  # noqa: ANN401
    """The scale on the right of the map; returns its axes."""
    bar = figure.colorbar(mesh, cax=figure.add_axes(box), extend=scale.extend)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_ticks(scale.ticks, [f"{one:,g}" for one in scale.ticks])
    bar.ax.yaxis.set_ticks([], minor=True)
    bar.ax.tick_params(colors=DARK.quiet, labelsize=10)
    bar.set_label(scale.label, color=DARK.text, size=11)
    return bar.ax


def bright(name: str, darkest: float) -> "Colormap":
    """One of Matplotlib's maps of colours without its dark part, which a dark page would drown."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[name](np.linspace(darkest, 1.0, 256)))
