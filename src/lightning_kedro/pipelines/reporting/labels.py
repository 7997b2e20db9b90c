"""Labels beside what they name: where there is room, so that they hide neither dots nor marks."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray

CELL: Final = 6.0
"""Side of a cell of the grid in which dots are counted, pixels."""

_RADII: Final = (20.0, 30.0, 42.0, 58.0, 80.0, 110.0, 150.0, 200.0)
_ANGLES: Final = 16
_DISTANCE_COST: Final = 0.12  # of a pixel away from the mark, in cells with dots hidden
_ON_A_MARK: Final = 60.0
_ON_A_LABEL: Final = 1e4
_GAP: Final = 3.0  # pixels between labels
_MOST_DOTS: Final = 4  # more dots in a cell are not worse to hide


def place_labels(
    marks: FloatArray, sizes: FloatArray, dots: FloatArray, area: tuple[float, float]
) -> FloatArray:
    """Place a label beside each mark, one after the other, each where it hides least.

    Candidates lie on rings around the mark. What counts is, in this order: no other label beneath,
    no mark beneath, few dots beneath, and to be near.

    Args:
        marks: What the labels name, shape (k, 2), pixels; the first ones choose first.
        sizes: Width and height of the labels, shape (k, 2), pixels.
        dots: What should stay visible, shape (n, 2), pixels.
        area: Width and height of the map, pixels.

    Returns:
        Middles of the labels, shape (k, 2), all within the map as far as it is large enough.
    """
    crowd = _sum_up(dots, area)
    placed = np.empty((0, 4))
    middles = np.empty((len(marks), 2))
    for number, (mark, size) in enumerate(zip(marks, sizes, strict=True)):
        offsets = _list_offsets(size)
        candidates = np.clip(mark + offsets, size / 2.0, np.maximum(area - size / 2.0, size / 2.0))
        boxes = np.hstack([candidates - size / 2.0, candidates + size / 2.0])
        cost = _count_hidden(crowd, boxes)
        cost += _DISTANCE_COST * np.linalg.norm(candidates - mark, axis=1)
        cost += _ON_A_MARK * _count_inside(boxes, marks)
        cost += _ON_A_LABEL * _count_overlaps(boxes, placed)
        best = int(np.argmin(cost))
        middles[number] = candidates[best]
        placed = np.vstack([placed, boxes[best]])
    return middles


def _list_offsets(size: FloatArray) -> FloatArray:
    """Where the middle of a label of a size may lie from its mark, shape (c, 2)."""
    angles = 2.0 * np.pi * np.arange(_ANGLES) / _ANGLES
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    return np.vstack([ring * (radius + size / 2.0) for radius in _RADII])


def _sum_up(dots: FloatArray, area: tuple[float, float]) -> FloatArray:
    """Dots above and left of each corner of the grid: any box's dots are a sum of four values."""
    shape = [int(np.ceil(side / CELL)) + 1 for side in area]
    edges = [np.arange(n + 1) * CELL for n in shape]
    counts, _, _ = np.histogram2d(dots[:, 0], dots[:, 1], bins=edges)
    sums = np.zeros((shape[0] + 1, shape[1] + 1))
    sums[1:, 1:] = np.minimum(counts, _MOST_DOTS).cumsum(axis=0).cumsum(axis=1)
    return sums


def _count_hidden(sums: FloatArray, boxes: FloatArray) -> FloatArray:
    """Dots beneath each box, shape (c,)."""
    low = np.clip(np.floor(boxes[:, :2] / CELL).astype(np.int64), 0, np.array(sums.shape) - 1)
    high = np.clip(np.ceil(boxes[:, 2:] / CELL).astype(np.int64), 0, np.array(sums.shape) - 1)
    found = (
        sums[high[:, 0], high[:, 1]]
        - sums[low[:, 0], high[:, 1]]
        - sums[high[:, 0], low[:, 1]]
        + sums[low[:, 0], low[:, 1]]
    )
    return np.asarray(found)


def _count_inside(boxes: FloatArray, marks: FloatArray) -> npt.NDArray[np.int64]:
    """Marks beneath each box or nearly so, shape (c,)."""
    left = boxes[:, None, :2] - 2.0 * _GAP <= marks[None]
    right = marks[None] <= boxes[:, None, 2:] + 2.0 * _GAP
    return np.asarray((left & right).all(axis=2).sum(axis=1))


def _count_overlaps(boxes: FloatArray, placed: FloatArray) -> npt.NDArray[np.int64]:
    """Labels that each box would touch, shape (c,)."""
    apart = (boxes[:, None, :2] >= placed[None, :, 2:] + _GAP) | (
        boxes[:, None, 2:] + _GAP <= placed[None, :, :2]
    )
    return np.asarray((~apart.any(axis=2)).sum(axis=1))
