"""Sums by group."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def sum_groups(
    groups: npt.NDArray[np.integer], values: npt.NDArray[np.floating], n_groups: int = 0
) -> FloatArray:
    """Sum values by group.

    Args:
        groups: Group of each value, shape (n,), from 0.
        values: Shape (n,).
        n_groups: Number of groups, at least; later ones may be empty.

    Returns:
        Sum of each group, shape (number of groups,), float64, added in the order of the values.
    """
    return np.asarray(np.bincount(groups, values, n_groups), dtype=np.float64)


def sum_runs(starts: npt.NDArray[np.integer], values: npt.NDArray[np.generic]) -> FloatArray:
    """Sum values that stand run by run: faster than ``sum_groups``.

    Args:
        starts: The first value of each run, shape (runs,), rising, from 0; none is empty.
        values: Shape (n,), or (m, n) for several at once.

    Returns:
        Sum of each run, shape (runs,) or (m, runs), float64.
    """
    if starts.size == 0:
        return np.zeros((*values.shape[:-1], 0))
    return np.asarray(np.add.reduceat(values, starts, axis=-1, dtype=np.float64))
