"""The animation: flashes frame by frame over one map, in the colours of their clusters.

The map is drawn once. Each frame is an image of palette indices into which flashes, bars and texts
are painted directly: no frame is drawn by Matplotlib, and no colour is ever guessed by a quantizer
that might turn two clusters into one.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.canvas import FADES, Canvas, Palette, Typeface
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.figures import HEIGHT, WIDTH, Words, make_figure
from lightning_kedro.pipelines.reporting.frames import (
    choose_frames,
    count_frames,
    name_frames,
    name_step,
)
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import Times, count_flashes, mark_simulated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 75
SIZE: Final = (round(WIDTH * DPI), round(HEIGHT * DPI))
"""Width and height of the animation, pixels."""

MAP_BOX: Final = (0.06, 0.185, 0.645, 0.685)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_PANEL: Final = (672, 868)  # left and right of the list of clusters, pixels
_ROWS: Final = (168, 478)  # its top and bottom
_TALLEST_ROW: Final = 22
_BAR: Final = (54, 868, 512, 560)  # left, right, top and bottom of the time bar
_PLAYING_SECONDS: Final = 8.0
_FRAME_MILLISECONDS: Final = (80, 400)
_HOLD_MILLISECONDS: Final = 1600


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the frames have in common.

    Attributes:
        base: The map with titles, shape (600, 900), palette indices.
        rings: Numbers of the clusters, of the same shape; -1 where there is nothing.
        palette: The colours.
        column: Pixel column of each flash, shape (n,).
        row: Pixel row of each flash, shape (n,).
        colour: Colour of each flash's cluster, shape (n,).
        frame: Frame of each flash, shape (n,), rising.
        counts: Flashes by frame and cluster, shape (f, k).
        names: Date and clock of each frame.
    """

    base: npt.NDArray[np.uint8]
    rings: npt.NDArray[np.int16]
    palette: Palette
    column: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    colour: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    names: list[tuple[str, str]]


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


def animate(clustered: ClusteredWindow, words: Words) -> bytes:
    """Draw the animation.

    Args:
        clustered: The window's flashes in order of time, and its clusters.
        words: The animation's texts.

    Returns:
        A GIF file, 900 x 600 pixels; of a window without flashes a single frame that says so.
    """
    edges = choose_frames(clustered.window.start, clustered.window.end)
    scene = set_scene(clustered, words, edges)
    typeface = Typeface()
    n_frames = len(scene.names) if len(clustered) else 1
    images = [paint_frame(scene, clustered, index, typeface) for index in range(n_frames)]
    return encode_gif(images, scene.palette)


def set_scene(clustered: ClusteredWindow, words: Words, edges: Times) -> Scene:
    """Draw what all frames share, and place every flash."""
    order = np.argsort(clustered.time, kind="stable")
    extent = clustered.choose_extent(MAP_ASPECT)
    base, rings, corner, scale = _draw_base(clustered, words, extent)
    palette = Palette.build(base, rings)
    x = extent.unwind(clustered.lon[order]) - extent.middle
    frame = count_frames(clustered.time[order], edges)
    counts = np.zeros((edges.size - 1, max(len(clustered.centers), 1)), dtype=np.int64)
    np.add.at(counts, (frame, clustered.cluster[order]), 1)
    return Scene(
        palette.index_base(base),
        palette.index_rings(rings),
        palette,
        np.floor(corner[0] + x * scale[0]).astype(np.int64),
        np.floor(corner[1] - clustered.lat[order] * scale[1]).astype(np.int64),
        clustered.colours[clustered.cluster[order]],
        frame,
        counts,
        name_frames(edges),
    )


Pixels = npt.NDArray[np.uint8]


def _draw_base(
    clustered: ClusteredWindow, words: Words, extent: Extent
) -> tuple[Pixels, Pixels, tuple[float, float], tuple[float, float]]:
    """The map with titles and the rings apart from it, RGBA; and where degrees lie in pixels."""
    figure = make_figure(words, DARK)
    axes = add_map(figure, MAP_BOX, extent, DARK)
    base = _rasterize(figure)
    left, bottom, width, height = axes.get_window_extent().bounds
    scale = (width / (extent.east - extent.west), height / (extent.north - extent.south))
    corner = (left + width / 2.0, SIZE[1] - bottom + extent.south * scale[1])
    x = extent.unwind(clustered.centers["lon"].to_numpy()) - extent.middle
    y = clustered.centers["lat"].to_numpy()
    rings = _draw_rings(clustered, corner[0] + x * scale[0], corner[1] - y * scale[1])
    return base, rings, corner, scale


def _draw_rings(
    clustered: ClusteredWindow, column: npt.NDArray[np.float64], row: npt.NDArray[np.float64]
) -> Pixels:
    """Rings with the clusters' numbers, RGBA on nothing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False)
    axes.set(xlim=(0, SIZE[0]), ylim=(SIZE[1], 0), xticks=[], yticks=[])
    edges = [DARK.clusters[colour] for colour in clustered.colours]
    axes.scatter(column, row, s=190, c=DARK.page, edgecolors=edges, linewidths=2.0)
    for cluster, x, y in zip(clustered.centers["cluster"], column, row, strict=True):
        look: dict[str, Any] = {"size": 9.5, "weight": "bold", "color": DARK.text}
        axes.text(x, y, f"{cluster}", ha="center", va="center_baseline", clip_on=True, **look)
    return _rasterize(figure)


def _rasterize(figure: "Figure") -> Pixels:
    """A figure's pixels, shape (600, 900, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def paint_frame(
    scene: Scene, clustered: ClusteredWindow, index: int, typeface: Typeface
) -> npt.NDArray[np.uint8]:
    """Paint a frame.

    Args:
        scene: What all frames share.
        clustered: The flashes and clusters.
        index: Which frame, from 0.
        typeface: For the texts.

    Returns:
        Palette indices, shape (600, 900).
    """
    canvas = Canvas(scene.base.copy(), scene.palette, typeface)
    if not len(clustered):
        return canvas.pixels
    for age in reversed(range(len(FADES))):
        first, last = np.searchsorted(scene.frame, [index - age, index - age + 1])
        shown = slice(int(first), int(last))
        canvas.dot(scene.column[shown], scene.row[shown], scene.colour[shown], age)
    covered = scene.rings >= 0
    canvas.pixels[covered] = scene.rings[covered].astype(np.uint8)
    _paint_clock(canvas, scene, index)
    _paint_ranking(canvas, scene, clustered, index)
    _paint_time_bar(canvas, scene, index)
    return canvas.pixels


def _paint_clock(canvas: Canvas, scene: Scene, index: int) -> None:
    """Date, clock and number of flashes of a frame."""
    date, clock = scene.names[index]
    left = _PANEL[0] - 20
    canvas.write(date, left, 82, 15, "text")
    canvas.write(f"{clock} UTC", left, 102, 21, "accent")
    total = int(scene.counts[index].sum())
    canvas.write(f"{total:,} flash{'' if total == 1 else 'es'}", left, 134, 14, "text")


def _paint_ranking(canvas: Canvas, scene: Scene, clustered: ClusteredWindow, index: int) -> None:
    """Flashes of each cluster in a frame; the longest bar of all frames is full length."""
    counts = scene.counts[index]
    height = min((_ROWS[1] - _ROWS[0]) / counts.size, _TALLEST_ROW)
    longest = max(int(scene.counts.max()), 1)
    for cluster, count in enumerate(counts):
        top = round(_ROWS[0] + cluster * height)
        bottom = max(round(_ROWS[0] + (cluster + 1) * height - height * 0.3), top + 1)
        width = round((_PANEL[1] - _PANEL[0] - 40) * count / longest)
        colour = int(clustered.colours[cluster])
        canvas.fill(_PANEL[0], _PANEL[0] + max(width, 1), top, bottom, f"cluster {colour}")
        if height >= 11:  # noqa: PLR2004  (pixels: below that numbers would overlap)
            canvas.write(f"{cluster}", _PANEL[0] - 20, (top + bottom) // 2 - 7, 11, "text")
            end = _PANEL[0] + width + 5
            canvas.write(f"{count:,}", end, (top + bottom) // 2 - 7, 11, "quiet")


def _paint_time_bar(canvas: Canvas, scene: Scene, index: int) -> None:
    """A bar for the flashes of each frame: those to come dim, this one bright."""
    left, right, top, bottom = _BAR
    totals = scene.counts.sum(axis=1)
    width = (right - left) / totals.size
    gap = 1 if width > 4 else 0  # noqa: PLR2004
    for number, total in enumerate(totals):
        height = round((bottom - top) * total / max(int(totals.max()), 1))
        look = "accent" if number == index else "bar" if number < index else "bar ahead"
        columns = round(left + number * width), round(left + (number + 1) * width) - gap
        canvas.fill(*columns, bottom - max(height, 1), bottom, look)
    every = max(1, -(-totals.size // 8))
    for number in range(0, totals.size, every):
        date, clock = scene.names[number]
        text = clock.split("\N{EN DASH}")[0] if "\N{EN DASH}" in clock else date[:6]
        canvas.write(text, round(left + number * width), bottom + 5, 11, "quiet")


def encode_gif(images: list[npt.NDArray[np.uint8]], palette: Palette) -> bytes:
    """Write frames as a GIF that plays for about 8 s, holds its last frame, and starts again."""
    from PIL import Image

    frames = []
    for pixels in images:
        image = Image.fromarray(pixels)
        image.putpalette(palette.colours.tobytes())
        frames.append(image)
    shortest, longest = _FRAME_MILLISECONDS
    pause = int(np.clip(1000.0 * _PLAYING_SECONDS / len(frames), shortest, longest))
    pauses = [pause] * (len(frames) - 1) + [_HOLD_MILLISECONDS]
    target = io.BytesIO()
    look: dict[str, Any] = {"optimize": False, "disposal": 1, "loop": 0, "duration": pauses}
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], **look)
    return target.getvalue()
