"""The pixels of GLM's detector, as angles at the satellite: how wide and high each of them is.

The detector has 1372 x 1300 pixels, which get smaller from its middle to its edges, by zones of
rows and of columns (30, 28, 26, 24, 22 and 20 micrometres), so that on the ground they stay near
8 km (Goodman et al. 2013, doi 10.1016/j.atmosres.2013.01.006). Zones are bands of rows and of
columns, and a pixel is a rectangle on the fixed grid to within 1 % of its sides: corner points
need no table of two dimensions.

The angles below were measured for this project: pitches as distances between neighboring events of
one group in granules of GOES-16, 17 and 19 (median of thousands of pairs to about 0.3 %), bounds of
zones where these change; where GOES-16's were seen well enough (north of 44 mrad, west of 39 mrad)
both were then adjusted, within that spread, to glmtools' published grid of 2018-07-02, which was
made with corner points from the instrument's maker. Where a zone ends, glmtools interpolates its
corner points over some pixels: so do the nodes below.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_WIDTHS: Final = np.array(
    [
        # angle from the middle (mrad), width (microradians)
        (0.0, 224.63),  # 30 micrometres
        (62.97, 224.63),
        (64.08, 210.02),  # 28
        (76.17, 210.02),
        (77.27, 195.38),  # 26
        (88.47, 195.38),
        (89.58, 181.18),  # 24, up to the edge
        (106.0, 181.4),
        (112.0, 183.3),
        (131.0, 184.6),
    ]
)

_HEIGHTS: Final = np.array(
    [
        (0.0, 225.26),  # 30 micrometres
        (62.13, 225.26),
        (64.03, 211.24),  # 28
        (75.27, 211.24),
        (77.17, 196.36),  # 26
        (88.08, 196.36),
        (89.98, 181.70),  # 24
        (100.2, 181.70),
        (101.8, 166.85),  # 22
        (108.3, 166.85),
        (110.2, 152.67),  # 20
        (131.0, 152.67),
    ]
)


def pixel_widths(x: FloatArray) -> FloatArray:
    """How wide pixels are.

    Args:
        x: East-west angles of their centers on the fixed grid, rad, any shape.

    Returns:
        Widths, rad, the same shape.
    """
    return _look_up(_WIDTHS, x)


def pixel_heights(y: FloatArray) -> FloatArray:
    """How high pixels are.

    Args:
        y: North-south angles of their centers on the fixed grid, rad, any shape.

    Returns:
        Heights, rad, the same shape.
    """
    return _look_up(_HEIGHTS, y)


def pixel_corners(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The corners of pixels.

    Args:
        x: East-west angles of their centers on the fixed grid, rad, shape (n,).
        y: North-south angles, rad, shape (n,).

    Returns:
        East-west and north-south angles of north-western, south-western, south-eastern and
        north-eastern corners, rad, shape (n, 4) each.
    """
    half_width, half_height = 0.5 * pixel_widths(x), 0.5 * pixel_heights(y)
    west, east = x - half_width, x + half_width
    south, north = y - half_height, y + half_height
    return np.stack([west, west, east, east], 1), np.stack([north, south, south, north], 1)


def _look_up(nodes: FloatArray, angles: FloatArray) -> FloatArray:
    """Sizes between nodes, rad; east and west, north and south are alike."""
    return np.asarray(np.interp(np.abs(angles), nodes[:, 0] * 1e-3, nodes[:, 1] * 1e-6))
