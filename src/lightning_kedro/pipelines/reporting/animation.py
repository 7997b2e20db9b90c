"""The animation: flashes frame by frame over one map, in the colors of their clusters.

Matplotlib draws the map once and of every frame only what changes; Pillow encodes the frames with
one palette (``gif``). Matplotlib's own ``PillowWriter`` is no help: it lets Pillow choose a palette
from the pixels of each frame.
"""

from collections.abc import Sequence
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
from lightning_kedro.pipelines.reporting.figures import HEIGHT, WIDTH, Words, make_figure
from lightning_kedro.pipelines.reporting.frames import choose_frames, count_frames, name_step
from lightning_kedro.pipelines.reporting.gif import choose_fades, encode_gif, make_palette
from lightning_kedro.pipelines.reporting.labels import label_clusters
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.storm_window import StormWindow
from lightning_kedro.pipelines.reporting.window import Times, count_flashes, mark_simulated

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI: Final = 75
SIZE: Final = (round(WIDTH * DPI), round(HEIGHT * DPI))
"""Width and height of the animation, pixels."""

MAP_BOX: Final = (0.06, 0.195, 0.645, 0.675)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_LINES_AT: Final = (0.7245, 0.172)  # between the list and the bar of time
_DIAMETERS: Final = (3.0, 2.0)  # pixels: of flashes of this frame, and of those before
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
        self._canvas = _make_canvas(figure)
        extent = clustered.choose_extent(MAP_ASPECT)
        axes = add_map(figure, MAP_BOX, extent, DARK)
        add_outlines(axes, clustered.window, extent, DARK)
        self._parts: list[Part] = []
        labels: list[Any] = []
        if len(clustered):
            self._parts = _add_parts(figure, axes, clustered, storms, extent, edges, self.fades)
            labels = label_clusters(axes, clustered, extent, DARK)
        for artist in labels:
            artist.set_animated(True)
        self.labels = self._draw_labels(labels)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def _draw_labels(self, labels: list[Any]) -> "Image":
        """Draw artists alone."""
        self._canvas.get_renderer().clear()
        for artist in labels:
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
        for part in self._parts:
            part.show(index)
            for artist in part.artists:
                self._figure.draw_artist(artist)
        picture = self._take_picture()
        picture.alpha_composite(self.labels)
        return picture.convert("RGB")


def _make_canvas(figure: "Figure") -> Any:  # noqa: ANN401  (half of it has no types)
    """A canvas to draw a figure on, in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg(figure)


def _add_parts(
    figure: "Figure",
    axes: Any,  # noqa: ANN401  (cartopy has no types)
    clustered: ClusteredWindow,
    storms: StormWindow,
    extent: Extent,
    edges: Times,
    fades: Sequence[float],
) -> list[Part]:
    """Add all that changes from frame to frame, and the line that explains the flashes."""
    explained = explain_fading(fades)
    figure.text(MAP_BOX[0], 0.018, explained, size=8.5, color=DARK.quiet, va="center")
    if len(storms):
        look: dict[str, Any] = {"size": 8.5, "color": DARK.quiet, "va": "center"}
        figure.text(*_LINES_AT, EXPLAINED_LINES, **look)
    frame = count_frames(clustered.time, edges)
    counts = count_by_frame(frame, clustered.cluster, (edges.size - 1, len(clustered.centers)))
    parts: list[Part] = [
        Trail(axes, clustered, extent, frame, fades),
        *([StormLines(axes, clustered, storms, edges, extent)] if len(storms) else []),
        Clock(figure, edges, counts),
        Ranking(figure, clustered, counts),
        TimeBar(figure, edges, counts),
    ]
    for part in parts:
        for artist in part.artists:
            artist.set_animated(True)
    return parts


class Trail:
    """The flashes of a frame and, fainter and smaller, those of the frames before it.

    Flashes of a frame and cluster that fall on one pixel are drawn once, without smoothing: their
    colors stay exact.

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
        from matplotlib.collections import PathCollection
        from matplotlib.colors import to_rgba_array
        from matplotlib.markers import MarkerStyle
        from matplotlib.transforms import IdentityTransform

        pixels = _find_pixels(axes, extent.unwind(clustered.lon) - extent.middle, clustered.lat)
        dots = np.column_stack([frame, clustered.colours[clustered.cluster], pixels])
        dots = np.unique(dots, axis=0)
        self._frame, self._places = dots[:, 0], dots[:, 2:] + 0.5
        ground = to_rgba_array(DARK.land)
        colors = to_rgba_array(DARK.clusters)[dots[:, 1]]
        self._colors = [fade * colors + (1.0 - fade) * ground for fade in fades]
        dot = MarkerStyle("o")
        self._flashes: Any = PathCollection(
            [dot.get_path().transformed(dot.get_transform())],
            offset_transform=IdentityTransform(),
            linewidths=0,
            antialiaseds=False,
        )
        self._flashes.set_transform(IdentityTransform())
        axes.figure.add_artist(self._flashes)
        self._flashes.set_clip_box(axes.bbox)
        self.artists: list[Any] = [self._flashes]

    def show(self, index: int) -> None:
        """Take the flashes of a frame and of those before it, the oldest first."""
        ages = [age for age in reversed(range(len(self._colors))) if age <= index]
        parts = [
            slice(*np.searchsorted(self._frame, [index - age, index - age + 1])) for age in ages
        ]
        places = [self._places[part] for part in parts]
        self._flashes.set_offsets(np.concatenate(places))
        colors = [self._colors[age][part] for age, part in zip(ages, parts, strict=True)]
        self._flashes.set_facecolor(np.concatenate(colors))
        widths = [_DIAMETERS[min(age, 1)] * 72.0 / DPI for age in ages]
        sizes = np.repeat(np.square(widths), [len(some) for some in places])
        self._flashes.set_sizes(sizes, DPI)


def _find_pixels(axes: Any, x: FloatArray, lat: Any) -> "np.ndarray[Any, np.dtype[np.int64]]":  # noqa: ANN401
    """Column and row (from below) of places on a map, shape (n, 2)."""
    axes.apply_aspect()
    places = axes.transData.transform(np.column_stack([x, lat]))
    return np.asarray(np.floor(places), dtype=np.int64)
