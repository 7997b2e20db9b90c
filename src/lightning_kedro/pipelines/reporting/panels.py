"""Small maps side by side, one for each part of a window, with one scale for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.field_map import Scale, add_scale
from lightning_kedro.pipelines.reporting.figures import DPI, HEIGHT, WIDTH, Words, make_figure
from lightning_kedro.pipelines.reporting.frames import name_frames
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK, mix
from lightning_kedro.pipelines.reporting.raster import Pixels, Values
from lightning_kedro.pipelines.reporting.window import Times, Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST: Final = 24
"""More maps than this nobody can look at."""

AREA: Final = (0.03, 0.05, 0.83, 0.815)
"""Left, bottom, width and height of all maps together, as shares of the figure."""

_SCALE_BOX: Final = (0.885, 0.14, 0.016, 0.62)
_GAP: Final = 8  # pixels between maps
_NAME: Final = 20  # pixels above a map, for its name
_HOUR: Final = np.timedelta64(1, "h")
_COLOURS: Final = 3
_DIM: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What small maps show.

    Attributes:
        fields: Values of the pixels for each part, shape (high, wide); None where nothing is known.
        covered: Which pixels can have values at all, shape (high, wide); all if None.
    """

    fields: Sequence[Values | None]
    covered: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where small maps lie.

    Attributes:
        columns: Maps from left to right.
        wide: Pixels of a map from left to right.
        high: Pixels of a map from bottom to top.
    """

    columns: int
    wide: int
    high: int

    def place(self, number: int) -> tuple[int, int]:
        """Left and bottom of a map, pixels of the figure from its lower left corner."""
        row, column = divmod(number, self.columns)
        top = round((AREA[1] + AREA[3]) * HEIGHT * DPI)
        left = round(AREA[0] * WIDTH * DPI) + column * (self.wide + _GAP)
        return left, top - (row + 1) * (self.high + _NAME + _GAP)


def choose_panels(frames: Times) -> Times:
    """Join a window's frames to parts with a map each.

    Args:
        frames: Edges of the frames, shape (f + 1,).

    Returns:
        Edges of the parts, shape (p + 1,), some of the frames': hours, or as many as give at most
        24; of windows up to an hour the frames themselves.
    """
    edges = frames
    if frames[-1] - frames[0] > _HOUR:
        inner = frames[1:-1]
        edges = np.concatenate(
            [frames[:1], inner[inner == inner.astype("datetime64[h]")], frames[-1:]]
        )
    step = -(-(edges.size - 1) // MOST)
    return np.append(edges[:-1:step], edges[-1])


def choose_layout(count: int, extent: Extent) -> Layout:
    """Choose rows and columns so that the maps are as large as they can be."""
    aspect = (extent.east - extent.west) * extent.stretch / (extent.north - extent.south)
    wide, high = AREA[2] * WIDTH * DPI, AREA[3] * HEIGHT * DPI
    best = Layout(1, 0, 0)
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        room = wide / columns - _GAP, high / rows - _GAP - _NAME
        side = int(min(room[0], room[1] * aspect))
        if side > best.wide:
            best = Layout(columns, side, int(side / aspect))
    return best


def draw_panels(
    edges: Times,
    paint: Callable[[Pixels], Painted],
    scale: Scale,
    words: Words,
    window: Window,
    extent: Extent,
) -> "Figure":
    """Draw a small map for each part of a window.

    Args:
        edges: Edges of the parts, shape (p + 1,).
        paint: Gives the values of a map's pixels.
        scale: Their colours.
        words: The picture's texts.
        window: What it is of.
        extent: What each map shows.
    """
    figure = make_figure(words, DARK, left=AREA[0])
    layout = choose_layout(edges.size - 1, extent)
    ground = draw_ground(window, extent, layout.wide, layout.high)
    painted_all = paint(Pixels(extent, layout.wide, layout.high))
    ground = dim_outside(ground, painted_all.covered)
    names = name_frames(edges)
    for number, (painted, (date, clock)) in enumerate(zip(painted_all.fields, names, strict=True)):
        left, bottom = layout.place(number)
        figure.figimage(lay_over(ground, painted, scale), left, bottom, origin="upper")
        _name_panel(figure, layout, number, _name(names, number, date, clock))
        if painted is None:
            _add_text(figure, left + layout.wide / 2, bottom + layout.high / 2, "no data")
    _add_scale(figure, scale)
    return figure


def _name(names: Sequence[tuple[str, str]], number: int, date: str, clock: str) -> str:
    """A part's clock, with its date where that is another than the last one's."""
    is_new = number == 0 or names[number - 1][0] != date
    is_one_day = len({one for one, _ in names}) == 1
    return f"{date} {clock}" if is_new and not is_one_day else clock


def _name_panel(figure: "Figure", layout: Layout, number: int, name: str) -> None:
    """Write a part's name above its map, so small that it fits."""
    left, bottom = layout.place(number)
    size = min(10.5, 1.45 * layout.wide / max(len(name), 1) * 72.0 / DPI)
    place = left / (WIDTH * DPI), (bottom + layout.high + _NAME / 2 - 2) / (HEIGHT * DPI)
    figure.text(*place, name, size=size, color=DARK.text, va="center")


def _add_text(figure: "Figure", x: float, y: float, text: str) -> None:
    """Write in the middle of a map."""
    place = x / (WIDTH * DPI), y / (HEIGHT * DPI)
    figure.text(*place, text, size=10, color=DARK.quiet, ha="center", va="center")


def _add_scale(figure: "Figure", scale: Scale) -> None:
    """The scale of all maps."""
    from matplotlib.cm import ScalarMappable

    add_scale(figure, ScalarMappable(scale.norm, scale.colors), scale, _SCALE_BOX)


def draw_ground(window: Window, extent: Extent, wide: int, high: int) -> npt.NDArray[np.uint8]:
    """Draw the map beneath the values once: RGB, shape (high, wide, 3), from north to south."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide / DPI, high / DPI), dpi=DPI, facecolor=DARK.page)
    canvas: Any = FigureCanvasAgg(figure)
    axes = add_map(figure, (0.0, 0.0, 1.0, 1.0), extent, DARK)
    axes.set_aspect("auto")
    add_outlines(axes, window, extent, DARK)
    for text in [*axes.texts]:
        text.remove()  # there is no room for names
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:high, :wide, :_COLOURS].copy()


def dim_outside(
    ground: npt.NDArray[np.uint8], covered: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.uint8]:
    """A map with what is not covered dimmed: nobody has counted there.

    Args:
        ground: The map, RGB, from north to south.
        covered: Which pixels are covered, from south to north; all if None.
    """
    if covered is None:
        return ground
    shade = np.array(mix(DARK.grid), np.float64)
    dimmed = (_DIM * shade + (1.0 - _DIM) * ground).astype(np.uint8)
    return np.where(covered[::-1, :, None], ground, dimmed)


def lay_over(
    ground: npt.NDArray[np.uint8], painted: Values | None, scale: Scale
) -> npt.NDArray[np.uint8]:
    """A map with its values: RGB, of the ground's shape.

    Args:
        ground: The map, from north to south.
        painted: Values from south to north, shape (high, wide); None for none.
        scale: Their colours.
    """
    if painted is None:
        return ground
    values = np.ma.masked_invalid(painted)[::-1]
    seen = ~np.ma.getmaskarray(values)
    picture = ground.copy()
    colours = scale.colors(np.asarray(scale.norm(values[seen].filled(0.0))), bytes=True)
    picture[seen] = colours[:, :_COLOURS]
    return picture
