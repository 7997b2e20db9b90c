"""Figures: their size, their titles, and their way to PNG."""

import io
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.palette import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 12.0, 8.0
"""Of every figure, inches: 3 to 2, as Kedro-Viz shows pictures."""

_RIGHT: Final = 0.985  # where lines end, as a share of the width
_LONGEST_LINE: Final = 64  # characters of what stands in place of a picture
_BELOW: Final = 0.2  # where words lie on a map or chart, which stays to be seen
_MIDDLE: Final = 0.46  # between subtitle and note
DPI: Final = 120
DATA_CREDIT: Final = "Data: NOAA GOES-R GLM L2 LCFA"
SIMULATED_DATA_CREDIT: Final = "Data: simulated, in the format of NOAA GLM L2 LCFA"
CREDIT: Final = f"{DATA_CREDIT} · Map: Natural Earth"
SIMULATED_CREDIT: Final = f"{SIMULATED_DATA_CREDIT} · Map: Natural Earth"


@dataclass(frozen=True, slots=True)
class Words:
    """What a picture says of itself.

    Attributes:
        title: What it shows.
        subtitle: When and how much.
        note: Whose data, at the foot.
        empty: What stands in place of the picture if there is nothing to show, else "".
    """

    title: str
    subtitle: str
    note: str = ""
    empty: str = ""


def make_figure(words: Words, theme: Theme, left: float = 0.06) -> "Figure":
    """Make a figure with title, subtitle and note, and nothing else yet.

    Args:
        words: Its texts.
        theme: Its colors.
        left: Where the texts begin, as a share of the width.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor=theme.page)
    make_canvas(figure)  # else one is made whenever a text is measured
    look: dict[str, Any] = {"va": "center"}
    title = figure.text(left, 0.945, words.title, size=22, weight="bold", color=theme.text, **look)
    subtitle = figure.text(left, 0.898, words.subtitle, size=12.5, color=theme.quiet, **look)
    for text in (title, subtitle):
        _fit(text, (_RIGHT - left) * WIDTH * DPI)
    figure.text(_RIGHT, 0.018, words.note, size=8.5, color=theme.quiet, ha="right", va="center")
    if words.empty:
        _add_box(figure, words.empty, theme, _BELOW)
    return figure


def make_placeholder(words: Words, theme: Theme, left: float = 0.06) -> "Figure":
    """Make a figure that says in its middle why there is no picture: it has nothing else.

    Args:
        words: Its texts.
        theme: Its colors.
        left: Where the texts begin, as a share of the width.
    """
    figure = make_figure(replace(words, empty=""), theme, left)
    _add_box(figure, words.empty, theme, _MIDDLE)
    return figure


def _add_box(figure: "Figure", text: str, theme: Theme, height: float) -> None:
    """A box with words, around a height as a share of the figure's."""
    box = {"boxstyle": "round,pad=0.8", "facecolor": theme.page, "edgecolor": theme.accent}
    figure.text(
        *(0.5, height, fill(text, _LONGEST_LINE)),
        size=16,
        color=theme.text,
        ha="center",
        va="center",
        bbox=box,
    )


def make_canvas(figure: "Figure") -> Any:  # noqa: ANN401  (half of it has no types)
    """A canvas to draw a figure on, in memory."""
    from lightning_kedro.pipelines.reporting.lettering import LetteringCanvas

    return LetteringCanvas(figure)


def _fit(text: Any, pixels: float) -> None:  # noqa: ANN401
    """Write a line so small that it is no longer than it may be."""
    while (length := text.get_window_extent().width) > pixels:  # hinted: not in proportion
        text.set_size(text.get_size() * min(pixels / length, 0.99))


def render_png(figure: "Figure", words: Words) -> bytes:
    """Draw a figure.

    Args:
        figure: The figure.
        words: Its texts, which the file holds too, for those who cannot see it.

    Returns:
        A PNG file, 1440 x 960 pixels, the same bytes for the same figure.
    """
    from PIL.Image import fromarray
    from PIL.PngImagePlugin import PngInfo

    canvas: Any = figure.canvas
    canvas.draw()
    about = PngInfo()
    about.add_text("Title", words.title)
    about.add_text("Description", ". ".join(text for text in (words.subtitle, words.empty) if text))
    target = io.BytesIO()
    # No part is transparent; without that channel level 3 is as small as 6 with it, in half the
    # time.
    image = fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.save(target, "PNG", compress_level=3, dpi=(DPI, DPI), pnginfo=about)
    return target.getvalue()
