"""GIF files: one palette for all frames, so that no color is guessed and none is lost.

A palette chosen from a picture's pixels, as Pillow and Matplotlib's writers do it, takes no notice
of rare colors and turns two clusters into one. This one is made from the theme.
"""

import io
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.palette import Theme, mix

if TYPE_CHECKING:
    from PIL.Image import Image

    RGB = tuple[int, int, int]

FADES: Final = (1.0, 0.6, 0.38, 0.22)
"""How bright flashes are: of this frame, and of each of the three frames before it."""

_SIZE: Final = 256  # of a GIF's palette
_SHADES: Final = 4  # between one gray of the theme and the next
_ACCENTS: Final = 8
_PLAYING_SECONDS: Final = 8.0
_FRAME_MILLISECONDS: Final = (80, 400)
HOLD_MILLISECONDS: Final = 1600


def choose_fades(clusters: int, theme: Theme) -> tuple[float, ...]:
    """Choose how many frames flashes take to fade.

    Args:
        clusters: How many colors clusters have.
        theme: The other colors.

    Returns:
        The first of ``FADES``: all of them up to about 50 clusters; of more so many that all fades
        of all clusters have a place in the palette.
    """
    room = _SIZE - len(_list_grounds(theme))
    return FADES[: max(room // max(clusters, 1), 1)]


def make_palette(theme: Theme, clusters: Sequence[str], fades: Sequence[float]) -> "Image":
    """Make the palette of an animation's frames.

    Args:
        theme: Colors of map and texts.
        clusters: Colors of the clusters shown.
        fades: How bright flashes are.

    Returns:
        An image that holds the palette, as ``Image.quantize`` takes it: the clusters' colors and
        their fades over land, then the theme's grays with what lies between them, which is what
        smooth lines and letters are made of.
    """
    from PIL import Image

    faded = [mix(color, theme.land, fade) for fade in fades for color in clusters]
    colors = [*dict.fromkeys([*faded, *_list_grounds(theme)])]
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.resize(np.array(colors, dtype=np.uint8), (_SIZE, 3)).tobytes())
    return holder


def _list_grounds(theme: Theme) -> "list[RGB]":
    """Colors of everything but flashes: the theme's grays from dark to light, and the accent."""
    grays = (theme.page, theme.sea, theme.land, theme.grid, theme.state, theme.border)
    ramp = sorted({*grays, theme.coast, theme.quiet, theme.text}, key=lambda gray: sum(mix(gray)))
    steps = np.arange(_SHADES) / _SHADES
    shades = [mix(light, dark, step) for dark, light in pairwise(ramp) for step in steps]
    accents = [mix(theme.accent, theme.page, step / _ACCENTS) for step in range(1, _ACCENTS + 1)]
    return [*dict.fromkeys([*shades, mix(ramp[-1]), *accents])]


def encode_gif(images: "Iterable[Image]", palette: "Image") -> bytes:
    """Write a GIF that plays for about 8 s, holds its last frame, and starts again.

    Args:
        images: The frames, RGB.
        palette: Their palette, from ``make_palette``.

    Returns:
        The file, the same bytes for the same frames.
    """
    from PIL.Image import Dither

    frames = [image.quantize(palette=palette, dither=Dither.NONE) for image in images]
    pause = int(np.clip(1000.0 * _PLAYING_SECONDS / len(frames), *_FRAME_MILLISECONDS))
    pauses = [pause] * (len(frames) - 1) + [HOLD_MILLISECONDS]
    target = io.BytesIO()
    look: dict[str, Any] = {"optimize": False, "disposal": 1, "loop": 0, "duration": pauses}
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], **look)
    return target.getvalue()
