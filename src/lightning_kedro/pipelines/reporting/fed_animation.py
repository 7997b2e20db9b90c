"""The animation of flash extent density, frame by frame over one map."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.fed_map import describe_fed, make_raster, make_scale
from lightning_kedro.pipelines.reporting.field_map import Scale, add_scale
from lightning_kedro.pipelines.reporting.figures import (
    HEIGHT,
    WIDTH,
    Words,
    make_figure,
    make_placeholder,
)
from lightning_kedro.pipelines.reporting.flash_rate import choose_ticks
from lightning_kedro.pipelines.reporting.frames import (
    choose_frames,
    count_frames,
    name_frames,
    name_step,
)
from lightning_kedro.pipelines.reporting.gif import encode_gif, make_palette
from lightning_kedro.pipelines.reporting.gridded import GriddedLightning
from lightning_kedro.pipelines.reporting.maps import add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.panels import dim_outside, lay_over
from lightning_kedro.pipelines.reporting.raster import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

DPI: Final = 75
MAP_BOX: Final = (0.06, 0.195, 0.645, 0.675)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_SCALE_BOX: Final = (0.76, 0.205, 0.018, 0.46)
_TIME_BOX: Final = (0.06, 0.082, 0.9044, 0.066)
_PANEL: Final = (0.7245, 0.972)  # left and right of what stands beside the map
_COLOURS: Final = 3
_BASE: Final = 0.08  # beneath the bars, of the highest: what shows a frame without flashes


def describe_fed_animation(clustered: ClusteredWindow, gridded: GriddedLightning) -> Words:
    """The animation's texts."""
    edges = choose_frames(clustered.window.start, clustered.window.end)
    is_usual = bool(gridded) and np.array_equal(edges, gridded.edges)
    step = f" {name_step(edges)}" if is_usual else ""
    return describe_fed(f"Flash extent density{step}", clustered, gridded)


def animate_fed(clustered: ClusteredWindow, gridded: GriddedLightning, words: Words) -> bytes:
    """Draw the animation.

    Args:
        clustered: The window and its flashes, which are counted beside the map.
        gridded: Its grids.
        words: The animation's texts.

    Returns:
        A GIF file, 900 x 600 pixels; without grids, or of a window without flashes, a single frame
        that says so.
    """
    from matplotlib.colors import to_hex

    scale = make_scale()
    shades = [to_hex(shade) for shade in scale.colors(np.arange(scale.colors.N)).tolist()]
    palette = make_palette(DARK, shades, (1.0,))
    if gridded.grid is None:
        figure = make_placeholder(words, DARK)
        figure.set_dpi(DPI)
        return encode_gif([_to_image(_take_pixels(_draw(figure)))], palette)
    return encode_gif(_draw_frames(clustered, gridded, gridded.grid, words, scale), palette)


def _draw(figure: Any) -> Any:  # noqa: ANN401  (half of the canvas has no types)
    """Draw a figure; returns its canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


def _take_pixels(canvas: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """What is on a canvas: RGB, from north to south."""
    return np.asarray(canvas.buffer_rgba())[:, :, :_COLOURS].copy()


def _to_image(pixels: npt.NDArray[np.uint8]) -> "Image":
    """Pixels as an image."""
    from PIL import Image

    return Image.fromarray(pixels)


def _draw_frames(
    clustered: ClusteredWindow,
    gridded: GriddedLightning,
    grid: FixedGrid | LatLonGrid,
    words: Words,
    scale: Scale,
) -> "Iterator[Image]":
    """The frames: the map is drawn once, colours are laid over its pixels."""
    from matplotlib.cm import ScalarMappable

    figure = make_figure(words, DARK)
    figure.set_dpi(DPI)
    extent = clustered.choose_extent(MAP_ASPECT)
    axes = add_map(figure, MAP_BOX, extent, DARK)
    add_outlines(axes, clustered.window, extent, DARK)
    add_scale(figure, ScalarMappable(scale.norm, scale.colors), scale, _SCALE_BOX)
    beside = _Beside(figure, clustered, gridded) if gridded.value.size else None
    canvas = _draw(figure)
    background = canvas.copy_from_bbox(figure.bbox)
    left, bottom, right, top = _find_box(axes)
    raster = make_raster(clustered, grid, Pixels(extent, right - left, top - bottom))
    high = round(figure.bbox.height)
    box = (slice(high - top, high - bottom), slice(left, right))
    ground = dim_outside(_take_pixels(canvas)[box], raster.covered)
    for frame in range(gridded.edges.size - 1 if beside else 1):
        canvas.restore_region(background)
        for artist in beside.show(frame) if beside else []:
            figure.draw_artist(artist)
        picture = _take_pixels(canvas)
        painted = raster.paint(*gridded.within(frame, frame + 1))
        picture[box] = lay_over(ground, painted, scale)
        yield _to_image(picture)


def _find_box(axes: Any) -> tuple[int, int, int, int]:  # noqa: ANN401
    """Left, bottom, right and top of a map, pixels from the lower left corner."""
    axes.apply_aspect()
    box = axes.get_window_extent()
    left, bottom, right, top = (round(side) for side in (box.x0, box.y0, box.x1, box.y1))
    return left, bottom, right, top


class _Beside:
    """What changes beside the map: clock, number of flashes, and a bar of time.

    Args:
        figure: The figure.
        clustered: The flashes.
        gridded: The frames.
    """

    def __init__(
        self,
        figure: Any,  # noqa: ANN401
        clustered: ClusteredWindow,
        gridded: GriddedLightning,
    ) -> None:
        """Write and draw what does not change."""
        edges = gridded.edges
        frame = count_frames(clustered.time, edges)
        self._counts = np.bincount(frame, minlength=edges.size - 1)
        self._names = name_frames(edges)
        left, right = _PANEL
        look: dict[str, Any] = {"va": "center", "weight": "bold", "animated": True}
        self._date = figure.text(left, 0.848, "", size=14.5, color=DARK.text, **look)
        self._clock = figure.text(left, 0.808, "", size=20, color=DARK.accent, **look)
        self._total = figure.text(left, 0.763, "", size=13.5, color=DARK.text, **look)
        self._room = (right - left) * figure.bbox.width
        axes: Any = figure.add_axes(_TIME_BOX, facecolor="none")
        hours = (edges - edges[0]) / np.timedelta64(1, "h")
        rate = self._counts / np.diff(hours)
        rate += _BASE * max(rate.max(), 1.0)
        drawn: dict[str, Any] = {"align": "edge", "edgecolor": DARK.page, "linewidth": 0.9}
        axes.bar(hours[:-1], rate, np.diff(hours), color=DARK.border, **drawn)
        self._bars = axes.bar(
            hours[:-1], rate, np.diff(hours), color=DARK.accent, animated=True, **drawn
        )
        axes.set(xlim=(hours[0], hours[-1]), ylim=(0.0, rate.max()))
        axes.spines[:].set_visible(False)
        axes.set_yticks([])
        ticks, names = choose_ticks(edges[0], edges[-1])
        axes.set_xticks((ticks - edges[0]) / np.timedelta64(1, "h"), names)
        axes.tick_params(labelcolor=DARK.quiet, labelsize=10, length=3, pad=2, color=DARK.border)

    def show(self, frame: int) -> list[Any]:
        """Change to a frame; returns what is to be drawn."""
        date, clock = self._names[frame]
        total = int(self._counts[frame])
        texts = (date, f"{clock} UTC", f"{total:,} flash{'' if total == 1 else 'es'}")
        for artist, text in zip((self._date, self._clock, self._total), texts, strict=True):
            artist.set_text(text)
            wide = artist.get_window_extent().width
            artist.set_fontsize(artist.get_fontsize() * min(self._room / max(wide, 1.0), 1.0))
        return [self._bars[frame], self._date, self._clock, self._total]
