"""What changes beside the map from frame to frame: clock, ranked list, bar of time.

Pillow draws it: a text takes it a twentieth of the time that Matplotlib takes, and the frames of a
day have four hundred.
"""

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.frames import name_frames
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import Times

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from lightning_kedro.analysis.sphere import FloatArray

Counts = npt.NDArray[np.int64]

_PANEL: Final = (0.7245, 0.972)  # left and right of what stands beside the map
_LIST_BOX: Final = (0.7467, 0.195, 0.17, 0.53)
_TIME_BOX: Final = (0.06, 0.082, 0.9044, 0.066)
_MOST_BARS: Final = 24
_FEWEST_ROWS: Final = 12
_MOST_TICKS: Final = 9
_THICKNESS: Final = 0.66  # of a bar of the list, in rows
_BASE: Final = 0.08  # beneath the bars, of the highest: what shows a frame without flashes


class Part(Protocol):
    """A part of the picture that changes from frame to frame."""

    def draw(self, picture: "Image", index: int) -> None:
        """Draw what is to be seen in a frame."""
        ...


def count_by_frame(frame: Counts, cluster: npt.NDArray[np.int32], shape: tuple[int, int]) -> Counts:
    """Count flashes.

    Args:
        frame: Frame of each flash, shape (n,).
        cluster: Cluster of each flash, shape (n,).
        shape: Number of frames and of clusters, (f, k).

    Returns:
        Flashes by frame and cluster, shape (f, k).
    """
    flat = np.bincount(frame * shape[1] + cluster, minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), dtype=np.int64)


class Pen:
    """Writes lines of text on a picture where Matplotlib would.

    Args:
        figure: The figure that the picture is of.
        size: Size of the letters, points.
        color: Their color.
    """

    def __init__(self, figure: "Figure", size: float, color: str) -> None:
        """Find Matplotlib's bold font."""
        self._figure, self._size, self._color = figure, size, color
        self._font = _load_font(size * figure.dpi / 72.0)

    def measure(self, text: str) -> float:
        """Length of a text, pixels."""
        return self._font.getlength(text)

    def fit(self, longest: str, room: float) -> None:
        """Write smaller if the longest text is longer than ``room`` pixels."""
        self._size *= min(room / self.measure(longest), 1.0)
        self._font = _load_font(self._size * self._figure.dpi / 72.0)

    def write(
        self, draw: "ImageDraw", place: tuple[float, float], text: str, *, by_letters: bool = False
    ) -> None:
        """Write a text.

        Args:
            draw: What draws on the picture.
            place: Where it begins, and the middle of its height: pixels from the upper left corner.
            text: The text.
            by_letters: Whether the middle is that of tall letters alone, without what hangs below.
        """
        _, top, _, bottom = self._font.getbbox("lp", anchor="ls")
        baseline = place[1] - (top if by_letters else top + bottom) / 2.0
        at = round(place[0]), round(baseline)
        draw.text(at, text, font=self._font, fill=self._color, anchor="ls")


def _load_font(pixels: float) -> "FreeTypeFont":
    """Matplotlib's bold font."""
    from matplotlib.font_manager import FontProperties, findfont

    from lightning_kedro.pipelines.reporting.lettering import load_font

    return load_font(findfont(FontProperties(weight="bold")), pixels)


def _take_pencil(picture: "Image") -> "ImageDraw":
    """What draws on a picture."""
    from PIL.ImageDraw import Draw

    return Draw(picture)


class Clock:
    """Date, clock and number of flashes of a frame.

    Args:
        figure: The figure.
        edges: Edges of the frames, shape (f + 1,).
        counts: Flashes by frame and cluster, shape (f, k).
    """

    def __init__(self, figure: "Figure", edges: Times, counts: Counts) -> None:
        """Choose the sizes so that the longest texts fit."""
        left, right = _PANEL
        self._names = [(date, f"{clock} UTC") for date, clock in name_frames(edges)]
        self._counts = counts.sum(axis=1)
        width, height = figure.bbox.width, figure.bbox.height
        self._left = left * width
        self._middles = [(1.0 - share) * height for share in (0.848, 0.808, 0.763)]
        self._pens = [
            Pen(figure, 14.5, DARK.text),
            Pen(figure, 20.0, DARK.accent),
            Pen(figure, 13.5, DARK.text),
        ]
        for pen, names in zip(self._pens[:2], zip(*self._names, strict=True), strict=True):
            pen.fit(max(names, key=pen.measure), (right - left) * width)

    def list_texts(self, index: int) -> list[str]:
        """The lines of a frame."""
        total = self._counts[index]
        return [*self._names[index], f"{total:,} flash{'' if total == 1 else 'es'}"]

    def measure(self, index: int) -> list[float]:
        """Where the lines of a frame end, pixels."""
        lines = zip(self._pens, self.list_texts(index), strict=True)
        return [self._left + pen.measure(text) for pen, text in lines]

    def draw(self, picture: "Image", index: int) -> None:
        """Name a frame."""
        draw = _take_pencil(picture)
        texts = self.list_texts(index)
        for pen, middle, text in zip(self._pens, self._middles, texts, strict=True):
            pen.write(draw, (self._left, middle), text)


class Ranking:
    """Flashes of each cluster in a frame; the longest bar of all frames is full length.

    Args:
        figure: The figure.
        clustered: The clusters.
        counts: Flashes by frame and cluster, shape (f, k).
    """

    def __init__(self, figure: "Figure", clustered: ClusteredWindow, counts: Counts) -> None:
        """Write the numbers of the largest clusters, and find where their bars are."""
        self._counts = counts
        self._shown = min(counts.shape[1], _MOST_BARS)
        axes: Any = figure.add_axes(_LIST_BOX)
        axes.axis("off")
        axes.set_ylim(max(self._shown, _FEWEST_ROWS) + 0.1, -0.6)
        axes.set_xlim(0, max(int(counts.max(initial=1)), 1))
        self._colors = [DARK.clusters[color] for color in clustered.colours[: self._shown]]
        look: dict[str, Any] = {"size": 10, "weight": "bold", "va": "center_baseline"}
        for row, number in enumerate(clustered.centers["cluster"][: self._shown]):
            axes.text(0, row, f"{number}  ", ha="right", color=DARK.text, **look)
        self._pen = Pen(figure, 10.0, DARK.quiet)
        self._axes, self._height = axes, figure.bbox.height

    def list_texts(self, index: int) -> list[str]:
        """What stands beside the bars of a frame, and below them if there are more clusters."""
        counts = self._counts[index]
        texts = [f" {count:,}" for count in counts[: self._shown]]
        rest = counts[self._shown :]
        return [*texts, f"and {rest.size} more: {rest.sum():,}"] if rest.size else texts

    def draw(self, picture: "Image", index: int) -> None:
        """Draw the bars of a frame and what they say."""
        draw = _take_pencil(picture)
        texts = self.list_texts(index)
        counts = np.append(self._counts[index, : self._shown], 0)[: len(texts)]
        rows = np.arange(len(texts))
        ends, middles = self._find_pixels(counts, rows)
        left, tops = self._find_pixels(np.zeros(len(texts)), rows - _THICKNESS / 2.0)
        bottoms = self._find_pixels(counts, rows + _THICKNESS / 2.0)[1]
        for row, color in enumerate(self._colors):
            if counts[row]:
                corners = np.round([left[row], tops[row], ends[row], bottoms[row]]).tolist()
                first, last = corners[:2], [max(corners[2] - 1, corners[0]), corners[3] - 1]
                draw.rectangle((*first, *last), fill=color)
        for end, middle, text in zip(ends, middles, texts, strict=True):
            self._pen.write(draw, (end, middle), text, by_letters=True)

    def _find_pixels(self, x: Any, rows: Any) -> "tuple[FloatArray, FloatArray]":  # noqa: ANN401
        """Places in the list as pixels from the upper left corner."""
        column, row = self._axes.transData.transform(np.column_stack([x, rows])).T
        return column, self._height - row


class TimeBar:
    """Flashes per time of every frame, over the time: those to come dim, the one shown bright.

    Args:
        figure: The figure.
        edges: Edges of the frames, shape (f + 1,).
        counts: Flashes by frame and cluster, shape (f, k).
    """

    def __init__(self, figure: "Figure", edges: Times, counts: Counts) -> None:
        """Draw all bars as those to come, and make those of other colors."""
        axes: Any = figure.add_axes(_TIME_BOX, facecolor="none")
        left = _load_dates().date2num(edges[:-1])
        width = _load_dates().date2num(edges[1:]) - left
        rate = counts.sum(axis=1) / width
        rate += _BASE * rate.max()
        look: dict[str, Any] = {"align": "edge", "edgecolor": DARK.page, "linewidth": 0.9}
        axes.bar(left, rate, width, color=DARK.state, **look)
        self._overlays = [
            [*axes.bar(left, rate, width, color=color, animated=True, **look)]
            for color in (DARK.border, DARK.accent)
        ]
        axes.set_xlim(left[0], left[-1] + width[-1])
        axes.set_ylim(0.0, rate.max())
        axes.spines[:].set_visible(False)
        axes.set_yticks([])
        _name_times(axes)
        axes.tick_params(labelcolor=DARK.quiet, labelsize=10, length=3, pad=2, color=DARK.border)
        places = np.append(left, left[-1] + width[-1])
        columns = axes.transData.transform(np.column_stack([places, np.zeros(places.size)]))[:, 0]
        self._columns: list[int] = np.round(columns).astype(int).tolist()
        self._strips: list[Image] = []

    def prepare(self, draw_alone: "Callable[[list[Any]], Image]") -> None:
        """Draw the bars of other colors once.

        Args:
            draw_alone: Draws artists on nothing.
        """
        self._strips = [draw_alone(bars) for bars in self._overlays]

    def draw(self, picture: "Image", index: int) -> None:
        """Brighten the bar of a frame; those before it have a color between."""
        first, start, end = (self._columns[at] for at in (0, index, index + 1))
        for strip, left, right in zip(self._strips, (first, start), (start, end), strict=True):
            box = (left, 0, right, picture.height)
            picture.alpha_composite(strip.crop(box), (left, 0))


def _name_times(axes: Any) -> None:  # noqa: ANN401
    """Ticks at round times, with a date where a day begins."""
    locator = _load_dates().AutoDateLocator(maxticks=_MOST_TICKS)
    looks = {
        "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"],
        "zero_formats": ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
    }
    axes.xaxis.set_major_locator(locator)
    formatter = _load_dates().ConciseDateFormatter(locator, **looks, show_offset=False)
    axes.xaxis.set_major_formatter(formatter)


def _load_dates() -> Any:  # noqa: ANN401
    """Matplotlib's module of dates, which has no types."""
    from matplotlib import dates

    return dates
