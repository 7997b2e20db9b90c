"""The elbow of a falling curve, by Kneedle.

Satopaa, Albrecht, Irwin & Raghavan 2011, "Finding a 'Kneedle' in a Haystack: Detecting Knee Points
in System Behavior", ICDCS workshops, doi:10.1109/ICDCSW.2011.20.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

_FEWEST: Final = 3  # two points are a straight line
_SENSITIVITY: Final = 1.0  # the paper's S: how flat the curve must become after an elbow


def find_elbow(k: npt.ArrayLike, inertia: npt.ArrayLike) -> int | None:
    """Find the k at which a curve of inertia stops falling steeply.

    Args:
        k: Numbers of clusters, shape (n,), rising.
        inertia: Inertia for each, shape (n,), falling; any unit.

    Returns:
        The elbow, one of ``k`` but never the first or last; None where the curve has none, as a
        straight line has not. No smoothing is done: inertia is computed, not measured.
    """
    x = np.asarray(k, dtype=np.float64)
    y = np.asarray(inertia, dtype=np.float64)
    if x.size < _FEWEST or y.max() == y.min():
        return None
    x = (x - x[0]) / (x[-1] - x[0])
    # A falling convex curve turned upside down is a rising concave one: the paper's case.
    height = (y.max() - y) / (y.max() - y.min()) - x
    threshold_drop = _SENSITIVITY * float(np.diff(x).mean())
    inner = height[1:-1]
    peaks = np.flatnonzero((inner >= height[:-2]) & (inner >= height[2:]) & (inner > 0.0)) + 1
    for peak, end in zip(peaks, [*peaks[1:], x.size], strict=False):
        if (height[peak + 1 : end] < height[peak] - threshold_drop).any():
            return int(np.asarray(k)[peak])
    return None
