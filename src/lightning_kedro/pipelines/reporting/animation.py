"""The animation: flashes frame by frame over one map, in the colors of their clusters.

Matplotlib draws the map once and of every frame the storms' lines alone; flashes and texts are set
in the picture itself, and Pillow encodes the frames with one palette (``gif``). Matplotlib's own
``PillowWriter`` is no help: it lets Pillow choose a palette from the pixels of each frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.animation_parts import (
    Clock,
    Part,
    Ranking,
    TimeBar,
    count_by_frame,
)
from lightning_kedro.pipelines.reporting.animation_storms import EXPLAINED_LINES, StormLines
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.figures import (
    HEIGHT,
    WIDTH,
    Words,
    make_canvas,
    make_figure,
)
from lightning_kedro.pipelines.reporting.frames import choose_frames, count_frames, name_step
from lightning_kedro.pipelines.reporting.gif import choose_fades, encode_gif, make_palette
from lightning_kedro.pipelines.reporting.labels import label_clusters
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK, mix
from lightning_kedro.pipelines.reporting.storm_window import StormWindow
from lightning_kedro.pipelines.reporting.window import Times, count_flashes, mark_simulated

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI: Final = 75
SIZE: Final = (round(WIDTH * DPI), round(HEIGHT * DPI))
"""Width and height of the animation, pixels."""

MAP_BOX: Final = (0.06, 0.195, 0.645, 0.675)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_LINES_AT: Final = (0.7245, 0.172)  # between the list and the bar of time
_SQUARE: Final = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)])
_PADDING: Final = 8  # pixels beyond the picture within which flashes are known
_NUMBERS: Final = ("", "", "two", "three")


def describe_animation(clustered: ClusteredWindow) -> Words:
    """The animation's texts."""
    window = clustered.window
    title = f"Lightning clusters {name_step(choose_frames(window.start, window.end))}"
    return Words(
        mark_simulated(title, simulated=clustered.simulated),
        f"{clustered.satellites}   ·   {window.dates}   ·   {count_flashes(len(clustered))}",
        clustered.credit,
        "" if len(clustered) else "No clustered flashes in this window",
    )


def explain_fading(fades: Sequence[float]) -> str:
    """Say what bright and faint flashes are."""
    before = len(fades) - 1
    if not before:
        return "Flashes of one frame at a time"
    frames = "frame" if before == 1 else f"{_NUMBERS[before]} frames"
    return f"Bright: flashes of this frame. Fainter: those of the {frames} before"


def animate(clustered: ClusteredWindow, storms: StormWindow, words: Words) -> bytes:
    """Draw the animation.

    Args:
        clustered: The window's flashes and its clusters.
        storms: Its storms.
        words: The animation's texts.

    Returns:
        A GIF file, 900 x 600 pixels; of a window without flashes a single frame that says so.
    """
    edges = choose_frames(clustered.window.start, clustered.window.end)
    stage = Stage(clustered, storms, words, edges)
    n_frames = edges.size - 1 if len(clustered) else 1
    palette = make_palette(DARK, stage.colors, stage.fades)
    return encode_gif((stage.draw_frame(index) for index in range(n_frames)), palette)


class Stage:
    """The animation's figure: a background drawn once, parts that change, labels above them.

    Args:
        clustered: The window's flashes and its clusters.
        storms: Its storms.
        words: The animation's texts.
        edges: Edges of the frames, shape (f + 1,).

    Attributes:
        colors: The colors of the clusters shown, ``#RRGGBB``.
        fades: How bright flashes of this frame and of those before it are.
        labels: The clusters' rings and numbers, RGBA on nothing.
    """

    def __init__(
        self, clustered: ClusteredWindow, storms: StormWindow, words: Words, edges: Times
    ) -> None:
        """Draw the background."""
        used = np.unique(clustered.colours)
        self.colors = [DARK.clusters[color] for color in used]
        self.fades = choose_fades(used.size, DARK)
        figure = make_figure(words, DARK)
        figure.set_dpi(DPI)
        self._figure = figure
        self._canvas = make_canvas(figure)
        extent = clustered.choose_extent(MAP_ASPECT)
        axes = add_map(figure, MAP_BOX, extent, DARK)
        add_outlines(axes, clustered.window, extent, DARK)
        self._moving: Moving | None = None
        self._parts: list[Part] = []
        labels: list[Any] = []
        if len(clustered):
            self._moving = _add_moving(axes, clustered, storms, extent, edges, self.fades)
            self._parts = _add_parts(figure, clustered, edges)
            labels = label_clusters(axes, clustered, extent, DARK)
        for artist in labels:
            artist.set_animated(True)
        self.labels = self._draw_alone(labels)
        for part in self._parts:
            if isinstance(part, TimeBar):
                part.prepare(self._draw_alone)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def _draw_alone(self, artists: list[Any]) -> "Image":
        """Draw artists on nothing, RGBA."""
        self._canvas.get_renderer().clear()
        for artist in artists:
            self._figure.draw_artist(artist)
        return self._take_picture()

    def _take_picture(self) -> "Image":
        """What is on the canvas, RGBA."""
        from PIL import Image

        return Image.fromarray(np.asarray(self._canvas.buffer_rgba()).copy())

    def draw_frame(self, index: int) -> "Image":
        """Draw a frame.

        Args:
            index: Which one, from 0.

        Returns:
            The picture, RGB, 900 x 600 pixels.
        """
        self._canvas.restore_region(self._background)
        if self._moving is not None:
            self._moving.trail.paint(np.asarray(self._canvas.buffer_rgba()), index)
            for artist in self._moving.show_lines(index):
                self._figure.draw_artist(artist)
        picture = self._take_picture()
        picture.alpha_composite(self.labels)
        for part in self._parts:
            part.draw(picture, index)
        return picture.convert("RGB")


@dataclass(frozen=True, slots=True)
class Moving:
    """What changes on the map from frame to frame.

    Attributes:
        trail: The flashes.
        lines: The storms; None without any.
    """

    trail: "Trail"
    lines: StormLines | None

    def show_lines(self, index: int) -> list[Any]:
        """The lines of a frame."""
        if self.lines is None:
            return []
        self.lines.show(index)
        return self.lines.artists


def _add_moving(
    axes: Any,  # noqa: ANN401  (matplotlib's axes are half without types)
    clustered: ClusteredWindow,
    storms: StormWindow,
    extent: Extent,
    edges: Times,
    fades: Sequence[float],
) -> Moving:
    """Find what changes on the map from frame to frame, and add the lines that explain it."""
    figure, explained = axes.figure, explain_fading(fades)
    look: dict[str, Any] = {"size": 8.5, "color": DARK.quiet, "va": "center"}
    figure.text(MAP_BOX[0], 0.018, explained, **look)
    if len(storms):
        figure.text(*_LINES_AT, EXPLAINED_LINES, **look)
    frame = count_frames(clustered.time, edges)
    lines = StormLines(axes, clustered, storms, edges, extent) if len(storms) else None
    for artist in lines.artists if lines else []:
        artist.set_animated(True)
    return Moving(Trail(axes, clustered, extent, frame, fades), lines)


def _add_parts(figure: "Figure", clustered: ClusteredWindow, edges: Times) -> list[Part]:
    """Add what stands beside the map."""
    frame = count_frames(clustered.time, edges)
    counts = count_by_frame(frame, clustered.cluster, (edges.size - 1, len(clustered.centers)))
    return [
        Clock(figure, edges, counts),
        Ranking(figure, clustered, counts),
        TimeBar(figure, edges, counts),
    ]


class Trail:
    """The flashes of a frame and, fainter, those of the frames before it.

    Flashes of a frame and cluster that fall on one pixel are drawn once, as squares of three pixels
    without smoothing: their colors stay exact. They are set in the picture's array at once, which
    takes a hundredth of the time that Matplotlib takes for as many markers.

    Args:
        axes: The map.
        clustered: The flashes.
        extent: What the map shows.
        frame: Frame of each flash, shape (n,).
        fades: How bright flashes are by age in frames.
    """

    def __init__(
        self,
        axes: Any,  # noqa: ANN401
        clustered: ClusteredWindow,
        extent: Extent,
        frame: "np.ndarray[Any, np.dtype[np.int64]]",
        fades: Sequence[float],
    ) -> None:
        """Place the flashes."""
        x = extent.unwind(clustered.lon) - extent.middle
        pixels = _find_pixels(axes, x, clustered.lat) + _PADDING
        # As numbers: of rows np.unique would compare the bytes.
        colors = clustered.colours[clustered.cluster]
        sides = (SIZE[0] + 2 * _PADDING, SIZE[1] + 2 * _PADDING)
        known = ((pixels >= 0) & (pixels < sides)).all(axis=1)
        keys = (frame[known], colors[known], *pixels[known].T)
        shape = (int(frame.max(initial=0)) + 1, len(DARK.clusters), *sides)
        dots = np.unique(np.ravel_multi_index(keys, shape))
        self._frame, self._color, column, row = np.unravel_index(dots, shape)
        self._places = np.column_stack([SIZE[1] - 1 - (row - _PADDING), column - _PADDING])
        tints = [[mix(color, DARK.land, fade) for color in DARK.clusters] for fade in fades]
        self._tints = np.array(tints, dtype=np.uint8)
        left, bottom, right, top = np.round(axes.bbox.extents).astype(int).tolist()
        self._map = (slice(SIZE[1] - top, SIZE[1] - bottom), slice(left, right))

    def paint(self, pixels: "npt.NDArray[np.uint8]", index: int) -> None:
        """Paint the flashes of a frame and of those before it, the oldest first.

        Args:
            pixels: The picture, RGBA, shape (600, 900, 4); changed.
            index: The frame.
        """
        shown = pixels[self._map]
        corner = np.array([self._map[0].start, self._map[1].start])
        for age in reversed(range(min(len(self._tints), index + 1))):
            part = slice(*np.searchsorted(self._frame, [index - age, index - age + 1]))
            places = (self._places[part, None] - corner + _SQUARE).reshape(-1, 2)
            colors = np.repeat(self._tints[age, self._color[part]], len(_SQUARE), axis=0)
            inside = ((places >= 0) & (places < shown.shape[:2])).all(axis=1)
            row, column = places[inside].T
            shown[row, column, :3] = colors[inside]


def _find_pixels(axes: Any, x: FloatArray, lat: Any) -> "np.ndarray[Any, np.dtype[np.int64]]":  # noqa: ANN401
    """Column and row (from below) of places on a map, shape (n, 2)."""
    axes.apply_aspect()
    places = axes.transData.transform(np.column_stack([x, lat]))
    return np.asarray(np.floor(places), dtype=np.int64)
