"""What the cells of a grid have seen in a step of time, added up granule by granule."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.coverage import Coverage
from lightning_kedro.analysis.grids.lit_pixels import LitPixels
from lightning_kedro.analysis.grids.products import LEAST, SUMS
from lightning_kedro.analysis.grids.target import TargetGrid

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PENDING: Final = 1 << 19
"""So many rows wait at most to be added up: some 50 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class CellSums:
    """The cells of a grid that have seen something, n of them.

    Attributes:
        cell: Number of each cell, shape (n,), rising; row by row from the grid's first row.
        sums: Shape (n, len(SUMS)), in the order of ``SUMS``; areas in km2, energies in nJ.
        least_km2: The least flash area, shape (n,), km2; infinite where none is known.
    """

    cell: IntArray
    sums: FloatArray
    least_km2: FloatArray

    @classmethod
    def empty(cls) -> Self:
        """Nothing seen."""
        return cls(np.empty(0, np.int64), np.empty((0, len(SUMS))), np.empty(0))

    @classmethod
    def join(cls, parts: Sequence["CellSums"]) -> Self:
        """Several as one: what they have seen of the same cell is added up, in their order."""
        cell = np.concatenate([part.cell for part in parts])
        if cell.size == 0:
            return cls.empty()
        order = np.argsort(cell, kind="stable")
        cell = cell[order]
        starts = np.flatnonzero(np.diff(cell, prepend=-1))
        sums = np.concatenate([part.sums for part in parts])[order]
        least = np.concatenate([part.least_km2 for part in parts])[order]
        return cls(
            cell[starts], np.add.reduceat(sums, starts, axis=0), np.minimum.reduceat(least, starts)
        )

    def take(self, name: str) -> FloatArray:
        """One of ``SUMS``, or ``LEAST``, by cell."""
        return self.least_km2 if name == LEAST else self.sums[:, SUMS.index(name)]

    def __len__(self) -> int:
        """The number of cells."""
        return len(self.cell)


@dataclass(slots=True)
class SumBuilder:
    """Adds up what cells have seen; memory does not grow with granules, only with cells."""

    _parts: list[CellSums] = field(default_factory=list)
    _rows: int = 0

    def add(self, part: CellSums) -> None:
        """Take in what cells have seen."""
        self._parts.append(part)
        self._rows += len(part)
        if self._rows > _PENDING + len(self._parts[0]):
            self._parts = [CellSums.join(self._parts)]
            self._rows = len(self._parts[0])

    def build(self) -> CellSums:
        """All of it."""
        return CellSums.join(self._parts) if self._parts else CellSums.empty()


def sum_pixels(pixels: LitPixels, coverage: Coverage, grid: TargetGrid) -> CellSums:
    """What cells have seen through pixels; cells are not unique yet.

    Args:
        pixels: The pixels.
        coverage: The cells that each covers.
        grid: The grid.
    """
    cell = grid.number(coverage.column, coverage.row)
    inside = np.flatnonzero(cell >= 0)
    polygon, share = coverage.polygon[inside], coverage.share[inside]
    with np.errstate(divide="ignore"):  # what has no area covers nothing
        energy = pixels.energy_nj / coverage.area
    flashes, groups = pixels.flashes, pixels.groups
    seen = (
        *(flashes.count, flashes.known, flashes.area_km2),
        *(groups.count, groups.known, groups.area_km2),
        energy,
    )
    sums = np.zeros((inside.size, len(SUMS)))
    np.multiply(np.stack(seen, 1)[polygon], share[:, None], out=sums[:, : len(seen)])
    return CellSums(cell[inside], sums, flashes.least_km2[polygon])


def count_centroids(name: str, column: FloatArray, row: FloatArray, grid: TargetGrid) -> CellSums:
    """The centroids in each cell; cells are not unique yet.

    Args:
        name: ``flash_centroids`` or ``group_centroids``.
        column: Columns of centroids, in cells, shape (n,); NaN where there is no place.
        row: Rows, shape (n,).
        grid: The grid.
    """
    placed = np.isfinite(column) & np.isfinite(row)
    columns, rows = (np.floor(place[placed]).astype(np.int64) for place in (column, row))
    cell = grid.number(columns, rows)
    cell = cell[cell >= 0]
    sums = np.zeros((cell.size, len(SUMS)))
    sums[:, SUMS.index(name)] = 1.0
    return CellSums(cell, sums, np.full(cell.size, np.inf))
