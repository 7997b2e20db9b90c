"""Painting in palette indices: what the frames of the animation are made of."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.palette import DARK, mix

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Indices = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]

FADES: Final = (1.0, 0.6, 0.38, 0.22)
"""How bright flashes are: of this frame, and of each of the three frames before it."""

_N_BASE: Final = 96
_N_RINGS: Final = 72
_N_SHADES: Final = 8
_INKS: Final = {"text": DARK.text, "quiet": DARK.quiet, "accent": DARK.accent}
_FILLS: Final = {"accent": DARK.accent, "bar": "#566473", "bar ahead": "#29323C"}
_OPAQUE: Final = 110  # of 255: how opaque the edge of a ring must be to be painted
# A flash of this frame is a cross of five pixels, of the frames before a single one.
_CROSS: Final = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
_POINT: Final = ((0, 0), (0, 1))


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a GIF: those of the map, the rings, the flashes and the texts.

    Attributes:
        colours: Red, green and blue, shape (256, 3).
        first: Where each kind of colour begins.
    """

    colours: npt.NDArray[np.uint8]
    first: dict[str, int]

    @classmethod
    def build(cls, base: Pixels, rings: Pixels) -> Self:
        """Choose the colours for a map and rings, both RGBA.

        Only these two are quantized, each by itself; the colours of flashes and texts are exact.
        """
        flashes = [mix(one, DARK.land, fade) for one in DARK.clusters for fade in FADES]
        inks = [
            mix(ink, DARK.page, (shade + 1) / _N_SHADES)
            for ink in _INKS.values()
            for shade in range(_N_SHADES)
        ]
        fills = [mix(fill, DARK.page, 1.0) for fill in _FILLS.values()]
        groups = {
            "base": _quantize(base[..., :3], _N_BASE),
            "rings": _quantize(_lay_over(rings, DARK.land), _N_RINGS),
            "flashes": flashes,
            "inks": inks,
            "fills": fills,
        }
        first: dict[str, int] = {}
        colours: list[tuple[int, int, int]] = []
        for name, group in groups.items():
            first[name] = len(colours)
            colours.extend(group)
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(colours)] = colours
        return cls(table, first)

    def index_base(self, base: Pixels) -> Indices:
        """Palette indices of the map."""
        return _find_nearest(base[..., :3], self.colours[: self.first["rings"]])

    def index_rings(self, rings: Pixels) -> npt.NDArray[np.int16]:
        """Palette indices of the rings; -1 where there is nothing."""
        start, end = self.first["rings"], self.first["flashes"]
        nearest = _find_nearest(_lay_over(rings, DARK.land), self.colours[start:end])
        indices = nearest.astype(np.int16) + start
        indices[rings[..., 3] < _OPAQUE] = -1
        return indices

    def find_flash(self, colour: npt.ArrayLike, age: int) -> npt.NDArray[np.int64]:
        """Palette indices of flashes by the colours of their clusters and their age in frames."""
        found = self.first["flashes"] + np.asarray(colour, dtype=np.int64) * len(FADES) + age
        return np.asarray(found)

    def find_fill(self, look: str) -> int:
        """Palette index of a filled area: ``accent``, ``bar``, ``bar ahead``, ``cluster 3``."""
        if look.startswith("cluster "):
            return int(self.find_flash(int(look.removeprefix("cluster ")), 0))
        return self.first["fills"] + [*_FILLS].index(look)

    def find_ink(self, look: str) -> int:
        """Palette index of the faintest shade of an ink: ``text``, ``quiet`` or ``accent``."""
        return self.first["inks"] + [*_INKS].index(look) * _N_SHADES


class Typeface:
    """Bold DejaVu Sans, which Matplotlib carries, in any size."""

    @lru_cache(maxsize=16)  # noqa: B019  (lives as long as one animation)
    def load(self, size: int) -> "FreeTypeFont":
        """The font, ``size`` pixels high."""
        from matplotlib import get_data_path
        from PIL.ImageFont import truetype

        path = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
        return truetype(str(path), size)

    @lru_cache(maxsize=2048)  # noqa: B019
    def draw(self, text: str, size: int) -> npt.NDArray[np.uint8]:
        """A text's coverage, shape (h, w), 0 to 255."""
        from PIL import Image, ImageDraw

        font = self.load(size)
        _, _, right, bottom = font.getbbox(text)
        image = Image.new("L", (int(right) + 1, int(bottom) + 1))
        ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
        return np.asarray(image)


class Canvas:
    """A frame to paint on.

    Args:
        pixels: Palette indices, shape (h, w), painted over.
        palette: The colours.
        typeface: For texts.
    """

    def __init__(self, pixels: Indices, palette: Palette, typeface: Typeface) -> None:
        """Take the pixels as they are."""
        self.pixels = pixels
        self.palette = palette
        self.typeface = typeface

    def dot(
        self,
        column: npt.NDArray[np.int64],
        row: npt.NDArray[np.int64],
        colour: npt.NDArray[np.int64],
        age: int,
    ) -> None:
        """Paint flashes: places in pixels, colours of their clusters, age in frames."""
        height, width = self.pixels.shape
        index = self.palette.find_flash(colour, age).astype(np.uint8)
        for down, right in _CROSS if age == 0 else _POINT:
            y = np.clip(row + down, 0, height - 1)
            x = np.clip(column + right, 0, width - 1)
            self.pixels[y, x] = index

    def fill(self, left: int, right: int, top: int, bottom: int, look: str) -> None:
        """Fill a rectangle, pixels."""
        self.pixels[top:bottom, left:right] = self.palette.find_fill(look)

    def write(self, text: str, left: int, top: int, size: int, look: str) -> None:
        """Write a text, smoothed by shades of its ink."""
        coverage = self.typeface.draw(text, size)
        height, width = self.pixels.shape
        coverage = coverage[: max(height - top, 0), : max(width - left, 0)]
        shades = (coverage.astype(np.int64) * _N_SHADES) // 256
        area = self.pixels[top : top + coverage.shape[0], left : left + coverage.shape[1]]
        area[shades > 0] = (self.palette.find_ink(look) + shades[shades > 0]).astype(np.uint8)


def _lay_over(pixels: Pixels, ground: str) -> Pixels:
    """RGBA pixels laid over a colour, RGB."""
    share = pixels[..., 3:] / 255.0
    below = np.array(mix(ground, ground, 1.0))
    return np.asarray(np.round(pixels[..., :3] * share + below * (1.0 - share)), dtype=np.uint8)


def _quantize(pixels: Pixels, count: int) -> list[tuple[int, int, int]]:
    """The colours that stand for all those of an image, at most ``count``."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels)).quantize(count, method=_median_cut())
    flat = (image.getpalette() or [])[: 3 * count]
    return [(red, green, blue) for red, green, blue in zip(*[iter(flat)] * 3, strict=True)]


def _median_cut() -> Any:  # noqa: ANN401
    from PIL.Image import Quantize

    return Quantize.MEDIANCUT


def _find_nearest(pixels: Pixels, colours: npt.NDArray[np.uint8]) -> Indices:
    """Index of the nearest colour for every pixel, looking each different colour up once."""
    flat = pixels.reshape(-1, 3).astype(np.int64)
    keys, inverse = np.unique(flat @ [65536, 256, 1], return_inverse=True)
    different = np.stack([keys // 65536, keys // 256 % 256, keys % 256], axis=1)
    distance = ((different[:, None] - colours.astype(np.int64)) ** 2).sum(axis=2)
    nearest = np.argmin(distance, axis=1).astype(np.uint8)
    return np.asarray(nearest[inverse].reshape(pixels.shape[:2]))
