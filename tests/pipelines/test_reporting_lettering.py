"""Texts on pictures are where Matplotlib would write them, and look the same."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightning_kedro.pipelines.reporting.lettering import LetteringCanvas


def draw(kind: Any, text: str, **look: Any) -> npt.NDArray[np.int64]:
    figure = Figure(figsize=(4, 2), dpi=120, facecolor=look.pop("ground", "white"))
    canvas = kind(figure)
    figure.text(look.pop("x", 0.4), 0.5, text, **look)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).astype(np.int64)


def find_box(pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """First and last row and column of what is not white."""
    inked = (pixels[..., :3] < 128).any(axis=2)
    sides = [np.flatnonzero(inked.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    return np.concatenate(sides)


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"weight": "bold", "size": 20, "ha": "right"},
        {"size": 8.5, "ha": "center", "va": "center"},
        {"va": "top", "color": "#003366"},
        {"rotation": 90, "va": "center"},
    ],
)
def test_text_is_where_matplotlib_writes_it(look: dict[str, Any]) -> None:
    ours, theirs = (
        draw(kind, "Flashes, 12", **look) for kind in (LetteringCanvas, FigureCanvasAgg)
    )
    np.testing.assert_allclose(find_box(ours), find_box(theirs), atol=2)
    assert (255 - ours).sum() == pytest.approx((255 - theirs).sum(), rel=0.1), "as much ink"


def test_text_has_its_color_and_shows_the_ground_through() -> None:
    solid = draw(LetteringCanvas, "████", color="#0000FF", size=20)
    assert (solid[..., :3] == (0, 0, 255)).all(axis=2).sum() > 100
    faint = draw(LetteringCanvas, "████", color="#0000FF", size=20, alpha=0.5)
    assert (np.abs(faint[..., :3] - (128, 128, 255)).max(axis=2) <= 1).sum() > 100


def test_text_beyond_the_picture_is_cut() -> None:
    inside = draw(LetteringCanvas, "W" * 200)
    assert (inside[:, -3:, :3] < 128).any()
    assert not (draw(LetteringCanvas, "W", x=5.0)[..., :3] < 128).any()


def test_text_is_cut_to_its_clip_box() -> None:
    figure = Figure(figsize=(4, 2), dpi=120)
    canvas = LetteringCanvas(figure)
    axes = figure.add_axes((0.25, 0.0, 0.5, 1.0))
    axes.axis("off")
    axes.text(0.0, 0.5, "W" * 100, ha="center", clip_on=True)
    canvas.draw()
    inked = (np.asarray(canvas.buffer_rgba())[..., 0] < 128).any(axis=0)
    assert inked[120:360].any()
    assert not inked[:120].any()
    assert not inked[360:].any()


def test_text_on_nothing_is_left_to_matplotlib() -> None:
    ours, theirs = (
        draw(kind, "Flashes", ground="none") for kind in (LetteringCanvas, FigureCanvasAgg)
    )
    np.testing.assert_allclose(find_alpha_box(ours), find_alpha_box(theirs), atol=2)
    assert 0 < (ours[..., 3] > 0).sum() < 5000


def find_alpha_box(pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    inked = pixels[..., 3] > 128
    return np.concatenate([np.flatnonzero(inked.any(axis=axis))[[0, -1]] for axis in (1, 0)])
