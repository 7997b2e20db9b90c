"""Other measures of a partition, for those who want them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups


@dataclass(frozen=True, slots=True)
class PartitionQuality:
    """Measures of one partition.

    Attributes:
        calinski_harabasz: Variance between clusters over variance within them, higher is better
            (Calinski & Harabasz 1974, doi:10.1080/03610927408827101). NaN for one cluster.
        davies_bouldin: Mean likeness of each cluster to the one most like it, lower is better
            (Davies & Bouldin 1979, doi:10.1109/TPAMI.1979.4766909). NaN for one cluster.
        smallest_cluster: Fewest flashes in a cluster.
        largest_cluster: Most flashes in a cluster.
    """

    calinski_harabasz: float
    davies_bouldin: float
    smallest_cluster: int
    largest_cluster: int


def measure_partition(
    points: FloatArray,
    weights: FloatArray,
    scatter: FloatArray,
    centers: FloatArray,
    labels: npt.NDArray[np.integer],
) -> PartitionQuality:
    """Measure a partition.

    Args:
        points: Shape (m, d).
        weights: Flashes that each point stands for, shape (m,).
        scatter: Sum of squared distances of these flashes to the point, shape (m,).
        centers: Weighted mean of each cluster's points, shape (k, d).
        labels: Cluster of each point, shape (m,).

    Returns:
        The measures, equal to scikit-learn's where weights are 1.
    """
    k = len(centers)
    sizes = sum_groups(labels, weights, k)
    offsets = ((points - centers[labels]) ** 2).sum(axis=1)
    within = float((weights * offsets + scatter).sum())
    # Inside a cell only the mean square distance is known: its root stands for the mean distance.
    spread = sum_groups(labels, weights * np.sqrt(offsets + scatter / weights), k) / sizes
    return PartitionQuality(
        calinski_harabasz=_compare_variances(centers, sizes, within),
        davies_bouldin=_compare_clusters(centers, spread),
        smallest_cluster=int(sizes.min()),
        largest_cluster=int(sizes.max()),
    )


def _compare_variances(centers: FloatArray, sizes: FloatArray, within: float) -> float:
    """The Calinski-Harabasz index."""
    k, n = len(sizes), sizes.sum()
    if k == 1:
        return float("nan")
    middle = np.average(centers, axis=0, weights=sizes)
    between = float((sizes * ((centers - middle) ** 2).sum(axis=1)).sum())
    return 1.0 if within == 0.0 else between * (n - k) / (within * (k - 1.0))


def _compare_clusters(centers: FloatArray, spread: FloatArray) -> float:
    """The Davies-Bouldin index."""
    if len(centers) == 1:
        return float("nan")
    apart = np.sqrt(((centers[:, None] - centers) ** 2).sum(axis=2))
    np.fill_diagonal(apart, np.inf)
    return float(((spread[:, None] + spread) / apart).max(axis=1).mean())
