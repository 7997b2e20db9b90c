"""Which of some storms is strongest about a place: by its flashes, weighed by their distances."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import IntArray

_FAR_WEIGHT: Final = 1e-9
"""Far from all flashes the nearest one counts: the weight falls slowly there."""

_SAFETY: Final = 8.0
"""Errors of single precision are taken for so many times as large as they are expected to be."""


def find_strongest(
    here: FloatArray, there: FloatArray, counts: FloatArray, width_km: float
) -> IntArray:
    """Find the storm that is strongest about each place.

    Single precision decides where it surely can, and double precision the few places where two
    storms are nearly as strong as each other: the answer is that of double precision.

    Args:
        here: The places, shape (n, 3), km.
        there: Places of flashes, shape (m, 3), km.
        counts: Flashes of each storm at each of them, shape (m, storms).
        width_km: Standard deviation of the weight of a flash about its place, km.

    Returns:
        The storm of each place, shape (n,).
    """
    middle = there[0]
    here, there = here - middle, there - middle
    single = [part.astype(np.float32) for part in (here, there, counts)]
    strengths = _weigh(single[0], single[1], single[2], width_km)
    strongest = strengths.argmax(axis=1)
    rows = np.arange(strongest.size)
    best = strengths[rows, strongest]
    strengths[rows, strongest] = 0.0
    # How far off squared distances may be, km2, what that makes of a weight, and what the sum of so
    # many and their exponents add to it. Where distances are small, so is the far weight.
    eps = float(np.finfo(np.float32).eps)
    off = eps * ((here**2).sum(axis=1) + (there**2).sum(axis=1).max())
    error = _SAFETY * (off / (2.0 * width_km**2) + eps * (len(there) + 64.0))
    unsure = np.flatnonzero(strengths.max(axis=1) >= best * (1.0 - 2.0 * error))
    if unsure.size:
        strongest[unsure] = _weigh(here[unsure], there, counts, width_km).argmax(axis=1)
    return np.asarray(strongest)


def _weigh(
    here: npt.NDArray[np.floating],
    there: npt.NDArray[np.floating],
    counts: npt.NDArray[np.floating],
    width_km: float,
) -> npt.NDArray[np.floating]:
    """Strengths of storms about places, shape (n, storms), in the precision of what is given."""
    squares = here @ (-2.0 * there.T)
    squares += (here**2).sum(axis=1)[:, np.newaxis]
    squares += (there**2).sum(axis=1)
    np.maximum(squares, 0.0, out=squares)
    weights = np.exp(squares * (-0.5 / width_km**2))
    squares += 1.0
    weights += np.divide(_FAR_WEIGHT, squares, out=squares)
    return np.asarray(weights @ counts)
