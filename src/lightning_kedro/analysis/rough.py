"""A few weighted points that stand for many, to look for good centers at little cost."""

from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups

_FINEST: Final = 2**28  # voxels along the longest side


def thin_points(
    points: FloatArray, weights: FloatArray, n_most: int
) -> tuple[FloatArray, FloatArray]:
    """Merge points that share a voxel.

    Args:
        points: Shape (m, d).
        weights: Shape (m,), positive.
        n_most: Most points wanted.

    Returns:
        Weighted means and weights of the non-empty voxels of a cubic grid, about as fine as
        ``n_most`` allows; or the points themselves where they are no more than that.
    """
    if len(points) <= n_most:
        return points, weights
    low, high = 1, 2
    while high < _FINEST and np.unique(_number_voxels(points, high)).size <= n_most:
        low, high = high, high * 2
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        few = np.unique(_number_voxels(points, middle)).size <= n_most
        low, high = (middle, high) if few else (low, middle)
    _, index = np.unique(_number_voxels(points, low), return_inverse=True)
    total = sum_groups(index, weights)
    means = [sum_groups(index, weights * column) / total for column in points.T]
    return np.stack(means, axis=1), total


def _number_voxels(points: FloatArray, divisions: int) -> FloatArray:
    """A number for each point's voxel, shape (m,), with so many voxels along the longest side."""
    lowest = points.min(axis=0)
    extent = float((points.max(axis=0) - lowest).max()) or 1.0
    places = np.floor((points - lowest) * ((divisions - 1) / extent))
    numbers = np.zeros(len(points))
    for column in places.T:
        # Past 2**53 float64 would merge neighbours: fold what there is into consecutive numbers.
        numbers = np.unique(numbers, return_inverse=True)[1] * float(divisions) + column
    return numbers
