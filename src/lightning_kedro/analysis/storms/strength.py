"""Which of some storms is strongest about a place: by its flashes, weighed by their distances."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import IntArray, NearPixels, list_ranges, number_keys
from lightning_kedro.analysis.sums import sum_groups

_SMOOTH_SHARE: Final = 0.5
"""Standard deviation of the weight of flashes, as a share of the distance that is near."""

_DISTANCES: Final = 2**20
"""Distances to far flashes measured in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class FlashesOfStorms:
    """Where flashes of some storms are.

    Attributes:
        pixels: Pixels, shape (m,), in any order.
        storms: The storm of some flashes in each, from 0, shape (m,).
        counts: How many they are, shape (m,).
        n_storms: Number of storms, each of which has flashes.
    """

    pixels: IntArray
    storms: IntArray
    counts: IntArray
    n_storms: int


def find_strongest(
    here: IntArray, flashes: FlashesOfStorms, near: NearPixels, centers: FloatArray
) -> IntArray:
    """Find the storm that is strongest about each of some pixels.

    The strength of a storm is the sum of n exp(-d2 / 2s2) over the pixels that are near, where it
    has n flashes at a distance d; s is half of the distance that is near. Where no storm has a
    flash near, the one with the nearest flash is taken for the strongest. Of equally strong ones
    the first is.

    Args:
        here: The pixels, shape (n,).
        flashes: The flashes of storms about them.
        near: Which pixels are near each other.
        centers: Middles of pixels, km, shape (pixels, 3).

    Returns:
        The storm of each pixel, shape (n,).
    """
    keys = flashes.pixels * flashes.n_storms + flashes.storms
    keys, _, index = number_keys(keys)
    counts = sum_groups(index, flashes.counts.astype(float), keys.size)
    pixels, storms = np.divmod(keys, flashes.n_storms)
    first, there = near.list_about(here)
    starts, stops = np.searchsorted(pixels, there), np.searchsorted(pixels, there, side="right")
    found = stops - starts
    rows = list_ranges(starts, found)
    squares = ((centers[here[first]] - centers[there]) ** 2).sum(axis=1)
    weights = np.exp(squares * (-0.5 / (_SMOOTH_SHARE * near.reach_km) ** 2))
    groups = np.repeat(first * flashes.n_storms, found) + storms[rows]
    weights = np.repeat(weights, found) * counts[rows]
    strengths = sum_groups(groups, weights, here.size * flashes.n_storms)
    strengths = strengths.reshape(here.size, flashes.n_storms)
    strongest = strengths.argmax(axis=1)
    far = np.flatnonzero(strengths.max(axis=1) == 0.0)
    if far.size:
        strongest[far] = storms[_find_nearest(centers[here[far]], centers[pixels])]
    return np.asarray(strongest)


def _find_nearest(here: FloatArray, there: FloatArray) -> IntArray:
    """The nearest of some places to each of others, shape (n,); the first of equally near ones."""
    most = max(_DISTANCES // len(there), 1)
    nearest = [
        ((some[:, np.newaxis] - there) ** 2).sum(axis=2).argmin(axis=1)
        for some in (here[start : start + most] for start in range(0, len(here), most))
    ]
    return np.concatenate(nearest)
