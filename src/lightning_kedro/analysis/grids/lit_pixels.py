"""What each pixel of the detector has seen: events of a granule put together by pixel.

A flash counts once in a pixel, however many of its events are there; so does a group. Positions of
events of one pixel differ by the granule's rounding (about 6 microradians), so that pixels are told
apart by squares of 28 microradians, and stand at the mean place of their events. Both are as in
glmtools (``get_lutevents``; Bruning et al. 2019, doi 10.1029/2019JD030874).

Where the events of a pixel lie on both sides of a square's edge it is split in two, and what both
have seen counts twice: so it is in glmtools, with 3 to 12 % of the pixels of real granules. That
can be mended (``join``), but the grids are then not quite those that others have.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sums import sum_groups

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SQUARE_RAD: Final = 28e-6
"""Events within a square of this side are of one pixel, rad: an eighth of most pixels."""

_EDGE_RAD: Final = -0.31
"""Where the squares begin, rad: outside of any view."""

_SQUARES: Final = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Flashes or groups, which events belong to.

    Attributes:
        of_event: The row of each event's flash or group, shape (events,).
        area_km2: Area by row, km2; NaN where it is missing.
    """

    of_event: IntArray
    area_km2: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The flashes, or groups, that pixels have seen, n pixels.

    Attributes:
        count: How many, shape (n,).
        known: How many have an area, shape (n,).
        area_km2: Sum of their areas, shape (n,), km2.
        least_km2: The least of their areas, shape (n,), km2; infinite where none is known.
    """

    count: FloatArray
    known: FloatArray
    area_km2: FloatArray
    least_km2: FloatArray

    def take(self, rows: IntArray) -> Self:
        """Those of some pixels."""
        parts = (self.count, self.known, self.area_km2, self.least_km2)
        return type(self)(*(part[rows] for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class LitPixels:
    """Pixels that have seen an event, n of them.

    Attributes:
        x: East-west angle of the center, shape (n,), rad.
        y: North-south angle, shape (n,), rad.
        energy_nj: Sum of the energies of its events, shape (n,), nJ; missing ones count as 0.
        flashes: The flashes that it has seen.
        groups: The groups.
    """

    x: FloatArray
    y: FloatArray
    energy_nj: FloatArray
    flashes: Seen
    groups: Seen

    def take(self, rows: IntArray) -> Self:
        """Some of the pixels."""
        flashes, groups = self.flashes.take(rows), self.groups.take(rows)
        return type(self)(self.x[rows], self.y[rows], self.energy_nj[rows], flashes, groups)


def find_pixels(
    x: FloatArray,
    y: FloatArray,
    energy_j: FloatArray,
    flashes: Family,
    groups: Family,
    *,
    join: bool = False,
) -> LitPixels:
    """Put the events of a granule together by pixel.

    Args:
        x: East-west angles of events on the fixed grid, shape (n,), rad.
        y: North-south angles, shape (n,), rad.
        energy_j: Energies, shape (n,), J; NaN where they are missing.
        flashes: The flashes that the events belong to.
        groups: The groups.
        join: Whether events in squares side by side are of one pixel.
    """
    columns, rows = (((angle - _EDGE_RAD) / SQUARE_RAD).astype(np.int64) for angle in (x, y))
    squares, pixel = np.unique(columns * _SQUARES + rows, return_inverse=True)
    if join:
        pixel = _join_squares(squares)[pixel]
    counts = np.bincount(pixel)
    n = counts.size
    return LitPixels(
        np.bincount(pixel, x, n) / counts,
        np.bincount(pixel, y, n) / counts,
        sum_groups(pixel, np.nan_to_num(energy_j) * 1e9, n),
        _see(pixel, flashes, n),
        _see(pixel, groups, n),
    )


def _join_squares(squares: IntArray) -> IntArray:
    """The pixel of each square that holds events: squares that touch are of one.

    Args:
        squares: Numbers of squares, shape (n,), rising.

    Returns:
        Pixels, shape (n,), from 0.
    """
    first = np.arange(squares.size)
    for _ in range(2):  # pixels are 5 squares apart at least: no more than 2 x 2 belong together
        for step in (1, _SQUARES - 1, _SQUARES, _SQUARES + 1):
            at = np.minimum(np.searchsorted(squares, squares + step), squares.size - 1)
            here = np.flatnonzero(squares[at] == squares + step)
            least = np.minimum(first[here], first[at[here]])
            np.minimum.at(first, here, least)
            np.minimum.at(first, at[here], least)
    return np.unique(first, return_inverse=True)[1].astype(np.int64)


def _see(pixel: IntArray, family: Family, n: int) -> Seen:
    """Count each flash, or group, once in a pixel."""
    rows = max(1, family.area_km2.size)
    pairs = np.unique(pixel * rows + family.of_event)
    where, which = np.divmod(pairs, rows)
    area = family.area_km2[which]
    is_known = np.isfinite(area)
    least = np.full(n, np.inf)
    np.minimum.at(least, where[is_known], area[is_known])
    return Seen(
        np.bincount(where, minlength=n).astype(np.float64),
        np.bincount(where[is_known], minlength=n).astype(np.float64),
        sum_groups(where[is_known], area[is_known], n),
        least,
    )
