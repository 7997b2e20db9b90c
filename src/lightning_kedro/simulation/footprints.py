"""The pixels that simulated flashes light up: adjacent ones of the detector, group by group.

A flash's pixels fill an ellipse on the detector; the path through them goes column by column (or
row by row), up and down, so that each pixel is beside the one before it. Its groups take the path
in order, each beginning with the last pixel of the one before: what the instrument's algorithm
joins (330 ms, 16.5 km) it joins here as well.

What is not so: the pixels of a flash are those of a detector of its own, moved by less than a
pixel, so that the flash keeps its centroid; those of two flashes overlap instead of being the same.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from lightning_kedro.analysis.grids.fixed_grid import locate, project
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid
from lightning_kedro.glm.pixels import pixel_heights, pixel_widths
from lightning_kedro.glm.satellites import FieldOfView
from lightning_kedro.simulation.storms import Floats, Integers

STRETCHES: Final = (1.0, 1.8, 1.0 / 1.8)
"""Width over height of the ellipses: round, along the rows, along the columns."""

_STEP_RAD: Final = 1e-5  # for slopes by differences


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The events of flashes, flash by flash and group by group.

    Attributes:
        group: Group of each event, ascending, shape (events,).
        column: Column of its pixel on the flash's detector, eastward, shape (events,).
        row: Row of its pixel, northward, shape (events,).
    """

    group: Integers
    column: Integers
    row: Integers


def lay_paths(pixels: Integers, groups: Integers, kind: Integers) -> Paths:
    """Choose the pixels of flashes, and which groups light which.

    Args:
        pixels: How many pixels each flash lights up, 1 or more, shape (flashes,).
        groups: How many groups it has, shape (flashes,).
        kind: Which of the shapes it has, 0 to 2, shape (flashes,).
    """
    count = np.repeat(groups, groups)
    first_group = np.cumsum(groups) - groups
    number = np.arange(groups.sum()) - np.repeat(first_group, groups)
    lit = np.repeat(pixels, groups)
    begin, end = (
        number * lit // count,
        np.maximum((number + 1) * lit // count, number * lit // count + 1),
    )
    # The pixel with which the group before ends; of the first group there is none before.
    begin = np.where(number > 0, np.maximum(begin - 1, 0), begin)
    sizes = end - begin
    group = np.repeat(np.arange(len(sizes)), sizes)
    first_event = np.cumsum(sizes) - sizes
    along = np.arange(sizes.sum()) - first_event[group] + begin[group]
    starts, columns, rows = _tabulate(int(pixels.max(initial=1)))
    flash = np.repeat(np.arange(len(groups)), groups)[group]
    place = starts[kind[flash], pixels[flash]] + along
    return Paths(group, columns[place], rows[place])


@lru_cache(maxsize=1)
def _tabulate(most: int) -> tuple[Integers, Integers, Integers]:
    """Paths of every length and shape, one after the other.

    Returns:
        Where that of a shape and length begins, shape (shapes, most + 1); columns and rows.
    """
    starts = np.zeros((len(STRETCHES), most + 1), np.int64)
    pieces, total = [], 0
    for kind, stretch in enumerate(STRETCHES):
        for length in range(1, most + 1):
            starts[kind, length] = total
            pieces.append(_make_path(length, stretch))
            total += length
    columns, rows = np.concatenate(pieces, axis=1)
    return starts, columns, rows


def _make_path(length: int, stretch: float) -> Integers:
    """Columns and rows of the pixels of an ellipse, in the order of the path, shape (2, length)."""
    reach = int(np.ceil(np.sqrt(length * max(stretch, 1.0 / stretch)))) + 1
    column, row = (part.ravel() for part in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    # A little off the middle, so that no two pixels are equally far.
    far = (column - 0.31) ** 2 / stretch + (row - 0.17) ** 2 * stretch
    nearest = np.argsort(far)[:length]
    column, row = column[nearest], row[nearest]
    if stretch < 1.0:
        column, row = row, column
    turned = np.where(column % 2, -row, row)
    order = np.lexsort((turned, column))
    path = np.stack([column[order], row[order]])
    return path[::-1] if stretch < 1.0 else path


def place_pixels(
    lat: Floats, lon: Floats, view: FieldOfView, ellipsoid: Ellipsoid
) -> tuple[Floats, Floats]:
    """How far apart neighboring pixels are where flashes are.

    Args:
        lat: Latitudes of flashes, shape (n,), degrees north.
        lon: Longitudes, shape (n,), degrees east.
        view: Where the satellite stands.
        ellipsoid: The lightning ellipsoid of the time.

    Returns:
        Degrees of latitude and of longitude from a pixel to the next column and to the next row,
        shape (n, 2) each. Straight lines stand for the true ones: over a flash they are.
    """
    x, y = project(lat, lon, view.center_lon, ellipsoid)
    slopes = []
    for dx, dy, size in ((_STEP_RAD, 0.0, pixel_widths(x)), (0.0, _STEP_RAD, pixel_heights(y))):
        ahead = locate(x + dx, y + dy, view.center_lon, ellipsoid)
        behind = locate(x - dx, y - dy, view.center_lon, ellipsoid)
        both = zip(ahead, behind, strict=True)
        slopes.append([(one - other) / (2.0 * _STEP_RAD) * size for one, other in both])
    (lat_by_column, lon_by_column), (lat_by_row, lon_by_row) = slopes
    return np.stack([lat_by_column, lat_by_row], 1), np.stack([lon_by_column, lon_by_row], 1)
