"""The Bayesian information criterion of a K-means partition."""

from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray

_SMALLEST_VARIANCE: Final = 1e-2
"""Smallest variance of a cluster, over the weighted geometric mean of all: a cluster of one flash
has none, and its likelihood no bound (Fraley & Raftery 2007, doi:10.1007/s00357-007-0004-5, on why
something must be done about it)."""


def measure_bic(sizes: FloatArray, squares: FloatArray, n_dimensions: int) -> float:
    """BIC of round normal clusters, each with a variance of its own.

    With n_j flashes and the sum of squared distances S_j in cluster j of k, n flashes in d
    dimensions, and the variances s_j = S_j / (d n_j), the classification likelihood is

        ln L = sum_j [ n_j ln(n_j / n) - (d n_j / 2) ln(2 pi s_j) - S_j / (2 s_j) ]

    and BIC = 2 ln L - p ln n with p = (k - 1) + k d + k free parameters: shares, centers and
    variances. It is the criterion of X-means (Pelleg & Moore 2000, "X-means: extending K-means with
    efficient estimation of the number of clusters", ICML) with the variances of the model VII
    (Banfield & Raftery 1993, doi:10.2307/2532201; Fraley & Raftery 2002,
    doi:10.1198/016214502760047131), because storms differ in size.

    Args:
        sizes: Flashes in each cluster, shape (k,); an empty cluster counts as a parameter only.
        squares: Sum of squared distances to the center, shape (k,).
        n_dimensions: d.

    Returns:
        BIC in nats, higher is better. Differences above 10 are very strong evidence (Kass & Raftery
        1995, doi:10.1080/01621459.1995.10476572). In units of length squared it depends on the
        unit by a constant, the same for every k.
    """
    n, k = float(sizes.sum()), len(sizes)
    filled = sizes > 0.0
    sizes, squares = sizes[filled], squares[filled]
    variances = squares / (n_dimensions * sizes)
    spread = variances > 0.0
    if not spread.any():
        return float("nan")
    typical = np.exp(np.average(np.log(variances[spread]), weights=sizes[spread]))
    variances = np.maximum(variances, _SMALLEST_VARIANCE * typical)
    terms = (
        sizes * np.log(sizes / n)
        - 0.5 * n_dimensions * sizes * np.log(2.0 * np.pi * variances)
        - 0.5 * squares / variances
    )
    n_parameters = (k - 1) + k * n_dimensions + k
    return float(2.0 * terms.sum() - n_parameters * np.log(n))
