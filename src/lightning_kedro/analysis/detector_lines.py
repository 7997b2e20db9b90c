"""Rows and columns of GLM's detector that stand out: lines of false flashes across many storms.

The detector is read as 56 sub-arrays. Where one begins, false flashes may line up along a row or
a column ("bars", as east of Florida and across South America in the summer of 2018); where the
boundaries are has not been published. What can be seen in the flashes alone is a line: a row of
pixels that has more flashes than the rows beside it, not in one storm but in one place after the
other along the detector. Storms are no respecters of rows: in each block of 32 pixels along it, a
row has the most flashes of five neighboring ones with a chance of at most 1 in 5, whatever storms
there are. A line has them in so many blocks that this cannot be chance.
"""

from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.fixed_grid import project
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.lightning_ellipsoid import LOWERED
from lightning_kedro.glm.pixels import pixel_heights, pixel_widths

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

BLOCK_PIXELS: Final = 32
"""Length of a block along a line, pixels: some 260 km below the satellite."""

BESIDE: Final = 2
"""So many rows to either side are looked at."""

CHANCE: Final = 1e-7
"""A line is one that chance gives less often than this: some 2,700 are looked at in a window."""

_FEWEST_BLOCKS: Final = 11
"""In fewer blocks all of them are not enough for ``CHANCE``."""

_EDGE_RAD: Final = 0.16
_STEP_RAD: Final = 1e-5


def find_lines(lat: FloatArray, lon: FloatArray, satellite_lon: FloatArray) -> BoolArray:
    """Find the flashes on lines of the detector that stand out.

    Args:
        lat: Latitudes as in GLM's files, shape (n,), degrees north.
        lon: Longitudes, shape (n,), degrees east.
        satellite_lon: Longitude of each flash's satellite, shape (n,), degrees east.

    Returns:
        Which flashes are on one, where the line has most flashes, shape (n,).
    """
    found = np.zeros(len(lat), np.bool_)
    for place in np.unique(satellite_lon):
        mine = np.flatnonzero(satellite_lon == place)
        x, y = project(lat[mine], lon[mine], float(place), LOWERED)
        seen = np.isfinite(x)
        mine = mine[seen]
        column, row = number_pixels(x[seen], y[seen])
        found[mine] = _stand_out(row, column) | _stand_out(column, row)
    return found


def number_pixels(x: FloatArray, y: FloatArray) -> tuple[IntArray, IntArray]:
    """Columns (eastward) and rows (northward) of the detector, from a corner off the Earth.

    Args:
        x: East-west angles on the fixed grid, rad, shape (n,).
        y: North-south angles, rad, shape (n,).
    """
    angles = np.arange(-_EDGE_RAD, _EDGE_RAD, _STEP_RAD)
    numbers = []
    for values, sizes in ((x, pixel_widths(angles)), (y, pixel_heights(angles))):
        counted = np.cumsum(_STEP_RAD / sizes)
        numbers.append(np.floor(np.interp(values, angles, counted)).astype(np.int64))
    return numbers[0], numbers[1]


def _stand_out(line: IntArray, along: IntArray) -> BoolArray:
    """Which pixels are on lines that stand out, shape (n,).

    Args:
        line: The line that each is on, shape (n,).
        along: Its place along the line, shape (n,).
    """
    if line.size == 0:
        return np.zeros(0, np.bool_)
    block = along // BLOCK_PIXELS
    counts = np.zeros((int(line.max()) + 1 + 2 * BESIDE, int(block.max()) + 1), np.int64)
    np.add.at(counts, (line + BESIDE, block), 1)
    own = counts[BESIDE:-BESIDE]
    beside = np.stack(
        [counts[BESIDE + by : len(counts) - BESIDE + by] for by in range(-BESIDE, BESIDE + 1) if by]
    )
    most = own > beside.max(axis=0)
    n_blocks = (own + beside.sum(axis=0) > 0).sum(axis=1)
    n_most = most.sum(axis=1)
    stands_out = np.zeros(len(own), np.bool_)
    for number in np.flatnonzero(n_most >= _FEWEST_BLOCKS):
        stands_out[number] = measure_chance(int(n_most[number]), int(n_blocks[number])) < CHANCE
    return np.asarray(stands_out[line] & most[line, block])


def measure_chance(n_most: int, n_blocks: int) -> float:
    """How likely a row has most flashes in so many blocks or more: the tail of a binomial law.

    Args:
        n_most: Blocks in which it has most.
        n_blocks: Blocks with any flash.
    """
    share = 1.0 / (1 + 2 * BESIDE)
    return sum(
        comb(n_blocks, k) * share**k * (1.0 - share) ** (n_blocks - k)
        for k in range(n_most, n_blocks + 1)
    )
