"""How much of each cell of a grid polygons cover: exact areas, for many quadrilaterals at once.

The area of a polygon to the left of X and below Y is, by Green's theorem, the sum over its edges of
the integral of min(y, Y) dx, as far as x <= X. It has a closed form, so that the areas within cells
are second differences of it at the corners of the cells. Nothing is sampled or clipped one by one.
Sutherland-Hodgman clipping (what glmtools has, with pyclipper) gives the same areas.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST_SHARE: Final = 1e-9
"""Of a cell covered: less is rounding where polygons and cells share an edge."""

_CORNERS_AT_ONCE: Final = 1 << 20
"""Corners of cells that are looked at together: bounds the memory to some tens of megabytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """The cells that polygons cover, m pairs of a polygon and a cell.

    Attributes:
        polygon: Which polygon, shape (m,).
        column: Column of the cell, shape (m,); any whole number, also outside of a grid.
        row: Row of the cell, shape (m,).
        share: How much of the cell is covered, shape (m,), above 0, at most 1.
        area: Area of the polygon in cells, shape (polygons,).
    """

    polygon: IntArray
    column: IntArray
    row: IntArray
    share: FloatArray
    area: FloatArray


def cover_cells(x: FloatArray, y: FloatArray) -> Coverage:
    """Find the cells that polygons cover.

    Args:
        x: Columns of the corners in order round each polygon, shape (n, corners), in cells: the
            cell (0, 0) reaches from 0 to 1. Convex, or at least simple, either way round.
        y: Rows of the corners, shape (n, corners).

    Returns:
        The cells by polygon and row.
    """
    left, bottom = np.floor(x.min(1)), np.floor(y.min(1))
    columns = (np.ceil(x.max(1)) - left).astype(np.int64)
    rows = (np.ceil(y.max(1)) - bottom).astype(np.int64)
    area = _measure(x, y)
    parts = []
    for mine, wide, high in _group_sizes(columns, rows, x.shape[1]):
        shares = _cover(x[mine] - left[mine, None], y[mine] - bottom[mine, None], wide, high)
        covered = np.flatnonzero(shares.ravel() > LEAST_SHARE)
        which, cell = np.divmod(covered, wide * high)
        row, column = np.divmod(cell, wide)
        polygon = mine[which]
        parts.append(
            (polygon, column + left[polygon], row + bottom[polygon], shares.ravel()[covered])
        )
    if not parts:
        nothing = np.empty(0, np.int64)
        return Coverage(nothing, nothing, nothing, np.empty(0), area)
    polygon, column, row, share = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Coverage(polygon, column.astype(np.int64), row.astype(np.int64), share, area)


def _measure(x: FloatArray, y: FloatArray) -> FloatArray:
    """Areas of polygons, shape (n,)."""
    x, y = x - x[:, :1], y - y[:, :1]  # far from zero the products would lose digits
    return np.asarray(np.abs((x * np.roll(y, -1, 1) - np.roll(x, -1, 1) * y).sum(1)) / 2.0)


def _group_sizes(
    columns: IntArray, rows: IntArray, corners: int
) -> Iterator[tuple[IntArray, int, int]]:
    """Polygons that need as many columns and rows, some at a time: indices and the size."""
    stride = int(rows.max(initial=0)) + 1
    keys = columns * stride + rows
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order], prepend=-1, append=-1))
    for start, stop in itertools.pairwise(edges):
        wide, high = divmod(int(keys[order[start]]), stride)
        if wide == 0 or high == 0:  # of no area
            continue
        at_once = max(1, _CORNERS_AT_ONCE // (corners * (wide + 1) * (high + 1)))
        for begin in range(start, stop, at_once):
            yield order[begin : min(begin + at_once, stop)], wide, high


def _cover(x: FloatArray, y: FloatArray, wide: int, high: int) -> FloatArray:
    """The share of each cell, shape (n, high, wide); corners are within 0 to wide and high."""
    edges, next_x, next_y = x.shape[1], np.roll(x, -1, 1), np.roll(y, -1, 1)
    # The last column and row of corners of cells see all of the polygon, the first nothing.
    below = np.zeros((len(x), high + 1, wide + 1))
    limits_x, limits_y = np.arange(1.0, wide + 1.0), np.arange(1.0, high + 1.0)
    for edge in range(edges):
        run = next_x[:, edge] - x[:, edge]
        slope = (next_y[:, edge] - y[:, edge]) / np.where(run == 0.0, 1.0, run)
        start = x[:, edge, None]
        begin = np.minimum(start, limits_x)
        end = np.minimum(next_x[:, edge, None], limits_x)
        depth = y[:, edge, None, None] - limits_y[:, None]
        rise = slope[:, None, None]
        below[:, 1:, 1:] += _integrate(
            depth + rise * (begin - start)[:, None, :],
            depth + rise * (end - start)[:, None, :],
            (end - begin)[:, None, :],
        )
    shares = np.abs(np.diff(np.diff(below, axis=1), axis=2))
    return np.minimum(shares, 1.0)


def _integrate(first: FloatArray, last: FloatArray, length: FloatArray) -> FloatArray:
    """The integral of min(d, 0) over a length on which d goes from ``first`` to ``last``."""
    low, high = np.minimum(first, 0.0), np.minimum(last, 0.0)
    both = low + high
    crossing = (first < 0.0) != (last < 0.0)
    span = np.abs(last - first)
    # Of a line that crosses zero only the part below counts: a triangle.
    part = np.where(crossing, -both / np.where(crossing & (span > 0.0), span, 1.0), 1.0)
    return np.asarray(0.5 * both * part * length)
