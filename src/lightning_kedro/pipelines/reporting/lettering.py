"""Text on pictures, by Pillow: in Matplotlib's fonts and places, in a tenth of its time.

Matplotlib lays out, renders and blends every letter for itself from Python, which was a quarter of
the time of a picture. Whatever is not plain (turned, mathematical, on a transparent ground, with a
path effect) is left to it.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy.typing as npt

_PADDING: Final = 2  # pixels around a text's box: for what is smoothed beyond it
_OPAQUE: Final = 255


@lru_cache(maxsize=256)
def load_font(path: str, pixels: float) -> ImageFont.FreeTypeFont:
    """A font of a size, without the library of shaping that not every Pillow has."""
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


def find_font(properties: FontProperties, dpi: float) -> ImageFont.FreeTypeFont:
    """The font that Matplotlib takes for a text."""
    return load_font(findfont(properties), properties.get_size_in_points() * dpi / 72.0)


class LetteringRenderer(RendererAgg):
    """Matplotlib's renderer, with texts by Pillow."""

    def get_text_width_height_descent(
        self,
        s: str,
        prop: FontProperties,
        ismath: Any,  # noqa: ANN401
    ) -> tuple[float, float, float]:
        """Size of a text, pixels: width, height, and how much of it is below the line."""
        if ismath:
            measure: Any = super().get_text_width_height_descent
            width, height, descent = measure(s, prop, ismath)
            return width, height, descent
        font = find_font(prop, self.dpi)
        _, top, _, bottom = font.getbbox(s, anchor="ls")
        return font.getlength(s), bottom - top, max(bottom, 0.0)

    def draw_text(
        self,
        gc: Any,  # noqa: ANN401
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,  # noqa: ANN401  (Matplotlib's own)
        mtext: Any = None,  # noqa: ANN401
    ) -> None:
        """Draw a text whose line begins at a place, pixels from the upper left corner."""
        if ismath or angle or not self._letter(gc, x, y, s, find_font(prop, self.dpi)):
            draw: Any = super().draw_text
            draw(gc, x, y, s, prop, angle, ismath, mtext)

    def _letter(
        self,
        gc: Any,  # noqa: ANN401
        x: float,
        y: float,
        text: str,
        font: ImageFont.FreeTypeFont,
    ) -> bool:
        """Blend a text into the picture; False, and nothing is done, on a transparent ground."""
        column, row = round(x), round(y)
        left, top, right, bottom = font.getbbox(text, anchor="ls")
        corner = int(left) - _PADDING, int(top) - _PADDING
        size = int(right) + _PADDING - corner[0] + 1, int(bottom) + _PADDING - corner[1] + 1
        letters = Image.new("L", size)
        pencil = ImageDraw.Draw(letters)
        pencil.text((-corner[0], -corner[1]), text, font=font, fill=_OPAQUE, anchor="ls")
        rows, columns = self._clip(gc, row + corner[1], column + corner[0], size)
        picture: Any = self
        ground = np.asarray(picture.buffer_rgba())[rows, columns]
        if (ground[..., 3] != _OPAQUE).any():
            return False
        inside = np.asarray(letters)[
            rows.start - row - corner[1] : rows.stop - row - corner[1],
            columns.start - column - corner[0] : columns.stop - column - corner[0],
        ]
        _blend(ground, inside, gc.get_rgb(), gc.get_alpha())
        return True

    def _clip(
        self,
        gc: Any,  # noqa: ANN401
        row: int,
        column: int,
        size: tuple[int, int],
    ) -> tuple[slice, slice]:
        """Rows and columns of a box that are on the picture, and where it may be drawn on."""
        west, south, east, north = 0, 0, int(self.width), int(self.height)
        bounds = gc.get_clip_rectangle()
        if bounds is not None:
            west, east = max(west, round(bounds.x0)), min(east, round(bounds.x1))
            south, north = max(south, round(bounds.y0)), min(north, round(bounds.y1))
        first, last = int(self.height) - north, int(self.height) - south
        rows = slice(*np.clip([row, row + size[1]], first, max(first, last)).tolist())
        columns = slice(*np.clip([column, column + size[0]], west, max(west, east)).tolist())
        return rows, columns


def _blend(
    ground: "npt.NDArray[np.uint8]",
    letters: "npt.NDArray[np.uint8]",
    color: Sequence[float],
    alpha: float,
) -> None:
    """Paint a color where letters are, onto an opaque ground; changes it."""
    share = letters[..., None] * (alpha / _OPAQUE)
    paint = np.asarray(color[:3]) * float(_OPAQUE)
    ground[..., :3] = np.round(ground[..., :3] * (1.0 - share) + paint * share).astype(np.uint8)


class LetteringCanvas(FigureCanvasAgg):
    """A canvas in memory on which texts are drawn by Pillow."""

    def get_renderer(self) -> Any:  # noqa: ANN401
        """The renderer: another one where the figure's size or resolution has changed."""
        width, height = self.get_width_height(physical=True)
        key = width, height, self.figure.dpi
        if getattr(self, "_size", None) != key:
            renderer: Any = LetteringRenderer
            self.renderer = renderer(width, height, self.figure.dpi)
            self._size = key
        return self.renderer
