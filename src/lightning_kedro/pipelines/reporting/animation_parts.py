"""What changes beside the map from frame to frame: clock, ranked list, bar of time."""

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.frames import name_frames
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import Times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Counts = npt.NDArray[np.int64]

_PANEL: Final = (0.7245, 0.972)  # left and right of what stands beside the map
_LIST_BOX: Final = (0.7467, 0.195, 0.17, 0.53)
_TIME_BOX: Final = (0.06, 0.082, 0.9044, 0.066)
_MOST_BARS: Final = 24
_FEWEST_ROWS: Final = 12
_MOST_TICKS: Final = 9
_BASE: Final = 0.08  # beneath the bars, of the highest: what shows a frame without flashes


class Part(Protocol):
    """A part of the picture that changes from frame to frame."""

    artists: list[Any]

    def show(self, index: int) -> None:
        """Change the artists to a frame's."""
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
        look: dict[str, Any] = {"va": "center", "weight": "bold", "color": DARK.text}
        self._date = figure.text(left, 0.848, "", size=14.5, **look)
        self._clock = figure.text(left, 0.808, "", size=20, **look | {"color": DARK.accent})
        self._total = figure.text(left, 0.763, "", size=13.5, **look)
        self.artists: list[Any] = [self._date, self._clock, self._total]
        room = (right - left) * figure.bbox.width
        for text, names in zip(
            (self._date, self._clock), zip(*self._names, strict=True), strict=True
        ):
            fit_text(text, max(names, key=len), room)

    def show(self, index: int) -> None:
        """Name a frame."""
        date, clock = self._names[index]
        total = self._counts[index]
        self._date.set_text(date)
        self._clock.set_text(clock)
        self._total.set_text(f"{total:,} flash{'' if total == 1 else 'es'}")


def fit_text(text: Any, longest: str, room: float) -> None:  # noqa: ANN401
    """Make a text smaller if its longest content is wider than ``room`` pixels."""
    text.set_text(longest)
    width = text.get_window_extent().width
    text.set_fontsize(text.get_fontsize() * min(room / width, 1.0))


class Ranking:
    """Flashes of each cluster in a frame; the longest bar of all frames is full length.

    Args:
        figure: The figure.
        clustered: The clusters.
        counts: Flashes by frame and cluster, shape (f, k).
    """

    def __init__(self, figure: "Figure", clustered: ClusteredWindow, counts: Counts) -> None:
        """Make the bars and texts of the largest clusters, and one text for the rest."""
        self._counts = counts
        self._shown = min(counts.shape[1], _MOST_BARS)
        rows = np.arange(self._shown)
        axes: Any = figure.add_axes(_LIST_BOX)
        axes.axis("off")
        axes.set_ylim(max(self._shown, _FEWEST_ROWS) + 0.1, -0.6)
        axes.set_xlim(0, max(int(counts.max(initial=1)), 1))
        colors = [DARK.clusters[color] for color in clustered.colours[: self._shown]]
        self._bars = axes.barh(rows, 0, height=0.66, color=colors, linewidth=0)
        look: dict[str, Any] = {"size": 10, "weight": "bold", "va": "center_baseline"}
        for row, number in enumerate(clustered.centers["cluster"][: self._shown]):
            axes.text(0, row, f"{number}  ", ha="right", color=DARK.text, **look)
        self._texts = [axes.text(0, row, "", color=DARK.quiet, **look) for row in rows]
        self._rest = axes.text(0, self._shown, "", color=DARK.quiet, **look)
        self.artists: list[Any] = [*self._bars, *self._texts, self._rest]

    def show(self, index: int) -> None:
        """Set the bars to a frame's counts."""
        counts = self._counts[index]
        for bar, text, count in zip(self._bars, self._texts, counts, strict=False):
            bar.set_width(count)
            text.set_x(count)
            text.set_text(f" {count:,}")
        if counts.size > self._shown:
            rest = counts[self._shown :]
            self._rest.set_text(f"and {rest.size} more: {rest.sum():,}")


class TimeBar:
    """Flashes per time of every frame, over the time: those to come dim, the one shown bright.

    Args:
        figure: The figure.
        edges: Edges of the frames, shape (f + 1,).
        counts: Flashes by frame and cluster, shape (f, k).
    """

    def __init__(self, figure: "Figure", edges: Times, counts: Counts) -> None:
        """Draw all bars as those to come."""
        axes: Any = figure.add_axes(_TIME_BOX, facecolor="none")
        left = _load_dates().date2num(edges[:-1])
        width = _load_dates().date2num(edges[1:]) - left
        rate = counts.sum(axis=1) / width
        rate += _BASE * rate.max()
        look: dict[str, Any] = {"align": "edge", "edgecolor": DARK.page, "linewidth": 0.9}
        axes.bar(left, rate, width, color=DARK.state, **look)
        self._bars = axes.bar(left, rate, width, color=DARK.border, **look)
        self.artists: list[Any] = [*self._bars]
        axes.set_xlim(left[0], left[-1] + width[-1])
        axes.set_ylim(0.0, rate.max())
        axes.spines[:].set_visible(False)
        axes.set_yticks([])
        _name_times(axes)
        axes.tick_params(labelcolor=DARK.quiet, labelsize=10, length=3, pad=2, color=DARK.border)

    def show(self, index: int) -> None:
        """Brighten the bar of a frame; those before it keep a color between."""
        self.artists = [*self._bars[: index + 1]]
        for bar in self.artists:
            bar.set_facecolor(DARK.border)
        self._bars[index].set_facecolor(DARK.accent)


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
