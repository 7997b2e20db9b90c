"""Flashes summed into cells: what a cell holds, how cells merge, and how fine they can be.

Sums are kept as whole numbers, so that they are exact: cells of parts, merged in any order, have
the very counts and sums of one pass over the whole.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.grid import CellGrid, IntArray, Positions, max_divisions
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups

_UNIT: Final = 2.0**-22
"""Sums are in units of 2**-22 km (0.2 mm) or degrees (3 cm); room for 3e8 flashes in one cell."""

_BLOCK: Final = 2**17
"""Points summed at a time: so few that float64 holds the whole-number sums of a block exactly."""

_BITMAP: Final = 2**26  # up to so many cells they are counted in a table of flags, not by sorting
_SAMPLE: Final = 100_000  # points that bracket the number of divisions
_TABLE: Final = 8  # keys up to so many times as many as there are points are looked up, not sorted
_SLACK: Final = 0.05  # beyond a grid that has too many cells by this share no finer one is tried
_SLACK_CELLS: Final = 8  # or by this number, where that is more
_LOOK_AHEAD: Final = 24  # nor more than so many


class TooFewCellsError(ValueError):
    """Points do not fit into as few cells as are allowed.

    Attributes:
        fewest: Non-empty cells of the coarsest grid.
    """

    def __init__(self, fewest: int) -> None:
        """Say how many cells there would have to be."""
        super().__init__(f"the points fill {fewest} cells of the coarsest grid")
        self.fewest = fewest


@dataclass(frozen=True, slots=True)
class Cells:
    """The non-empty cells of a grid.

    Attributes:
        grid: The grid.
        keys: Keys of the cells, shape (m,), rising.
        counts: Flashes in each cell, shape (m,).
        sums: Sums of the flashes' features, shape (m, d), in units of 2**-22 of the feature.
        scatter: Sums of the squared distances of a cell's flashes to their mean, shape (m,),
            square of the feature's unit.
        radii: How far a cell's flashes are from their mean at most, shape (m,), the feature's
            unit; of merged parts it is a bound.
    """

    grid: CellGrid
    keys: IntArray
    counts: IntArray
    sums: IntArray
    scatter: FloatArray
    radii: FloatArray

    @property
    def means(self) -> FloatArray:
        """Mean feature of each cell's flashes, shape (m, d)."""
        return np.asarray(self.sums * _UNIT / self.counts[:, None], dtype=np.float64)

    def find_indices(self, keys: IntArray) -> IntArray:
        """Which cells keys belong to, shape (n,); every key must be that of a non-empty cell."""
        size = int(self.keys[-1]) + 1
        if size > _TABLE * keys.size:
            return np.searchsorted(self.keys, keys)
        numbers = np.zeros(size, dtype=np.int64)
        numbers[self.keys] = np.arange(self.keys.size)
        return numbers[keys]


def sum_cells(grid: CellGrid, keys: IntArray, points: FloatArray) -> Cells:
    """Sum points into the cells of a grid.

    Args:
        grid: The grid.
        keys: The cell of each point, shape (n,), as ``grid.find_keys`` gives it.
        points: Features, shape (n, d), km or degrees.

    Returns:
        The non-empty cells.
    """
    blocks = [
        _sum_block(grid, keys[start : start + _BLOCK], points[start : start + _BLOCK])
        for start in range(0, len(keys), _BLOCK)
    ]
    return merge_cells(*blocks)


def merge_cells(*parts: Cells) -> Cells:
    """Merge the cells of parts (hours, satellites, workers) on one grid.

    Args:
        *parts: Cells on the same grid, at least one.

    Returns:
        The cells of the whole. Counts and sums are exact; the scatter is right to rounding
        (Chan, Golub & LeVeque 1983, doi:10.1080/00031305.1983.10483115).
    """
    if len(parts) == 1:
        return parts[0]
    keys, index = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    counts = np.zeros(keys.size, dtype=np.int64)
    sums = np.zeros((keys.size, parts[0].sums.shape[1]), dtype=np.int64)
    for part, where in _split(parts, index):
        counts[where] += part.counts
        sums[where] += part.sums
    whole = Cells(parts[0].grid, keys, counts, sums, np.zeros(keys.size), np.zeros(keys.size))
    means = whole.means
    for part, where in _split(parts, index):
        shift = ((part.means - means[where]) ** 2).sum(axis=1)
        whole.scatter[where] += part.scatter + part.counts * shift
        whole.radii[where] = np.maximum(whole.radii[where], part.radii + np.sqrt(shift))
    return whole


def choose_grid(coordinates: str, positions: Positions, max_cells: int) -> CellGrid:
    """Choose the finest grid that has at most so many non-empty cells.

    Args:
        coordinates: ``sphere`` or ``degrees``.
        positions: The points, at least one.
        max_cells: Most non-empty cells allowed, at least 1.

    Returns:
        The grid. The number of non-empty cells does not rise with every division, as edges move:
        the next finer grids are tried until one has 5 % too many.

    Raises:
        TooFewCellsError: If even the coarsest grid has more than ``max_cells`` non-empty cells.
    """

    def count(divisions: int, points: Positions = positions) -> int:
        return count_cells(CellGrid(coordinates, divisions), points)

    if (fewest := count(1)) > max_cells:
        raise TooFewCellsError(fewest)
    finest = max_divisions(coordinates)
    # Part of the points never fills more cells than all of them: it gives a bound at little cost.
    sample = positions[:: max(1, len(positions) // _SAMPLE)]
    bound = 2
    while bound <= finest and count(bound, sample) <= max_cells:
        bound *= 2
    bound = _bisect(bound // 2, min(bound, finest + 1), lambda d: count(d, sample) <= max_cells) + 1
    low = bound - 1
    while low > 1 and count(low) > max_cells:
        bound, low = low, low * 7 // 8
    best = _bisect(low, bound, lambda d: count(d) <= max_cells)
    too_many = max_cells + max(int(_SLACK * max_cells), _SLACK_CELLS)
    for divisions in range(best + 1, min(best + _LOOK_AHEAD, finest) + 1):
        if (found := count(divisions)) > too_many:
            break
        best = divisions if found <= max_cells else best
    return CellGrid(coordinates, best)


def count_cells(grid: CellGrid, positions: Positions) -> int:
    """Count the cells of a grid that hold at least one point."""
    blocks = range(0, len(positions), _BLOCK)
    keys = (grid.find_keys(positions[start : start + _BLOCK]) for start in blocks)
    if positions.time_km is None and grid.n_cells <= _BITMAP:
        filled = np.zeros(grid.n_cells, dtype=np.bool_)
        for block in keys:
            filled[block] = True
        return int(np.count_nonzero(filled))
    return int(np.unique(np.concatenate([np.unique(block) for block in keys])).size)


def _bisect(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """A number that fits and whose successor does not, where low fits and high does not."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _split(parts: Sequence[Cells], index: IntArray) -> Iterator[tuple[Cells, IntArray]]:
    """Each part with its cells' places in the whole."""
    ends = np.cumsum([part.keys.size for part in parts])
    yield from zip(parts, np.split(index, ends[:-1]), strict=True)


def _sum_block(grid: CellGrid, keys: IntArray, points: FloatArray) -> Cells:
    """Sum one block of points into cells."""
    found, index = _number_keys(keys)
    counts = np.bincount(index, minlength=found.size).astype(np.int64)
    whole = np.rint(points / _UNIT)
    sums = np.stack([sum_groups(index, column) for column in whole.T], axis=1).astype(np.int64)
    cells = Cells(grid, found, counts, sums, np.zeros(found.size), np.zeros(found.size))
    offsets = ((points - cells.means[index]) ** 2).sum(axis=1)
    cells.scatter[:] = sum_groups(index, offsets)
    np.maximum.at(cells.radii, index, offsets)
    np.sqrt(cells.radii, out=cells.radii)
    return cells


def _number_keys(keys: IntArray) -> tuple[IntArray, IntArray]:
    """The different keys, rising, and which of them each key is: ``numpy.unique`` without a sort.

    Keys of cells are no larger than there are cells, and so often about as many as points.
    """
    size = int(keys.max()) + 1 if keys.size else 0
    if size > _TABLE * keys.size:
        return np.unique(keys, return_inverse=True)
    filled = np.zeros(size, dtype=np.bool_)
    filled[keys] = True
    return np.flatnonzero(filled), (np.cumsum(filled) - 1)[keys]
