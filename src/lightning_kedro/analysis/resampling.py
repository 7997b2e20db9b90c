"""What samples of the flashes say of every number of clusters: is it there again, and how well?

A partition that is a property of the storms, not of the flashes that happened to be seen, is found
again in another sample (Ben-Hur, Elisseeff & Guyon 2002, "A stability based method for discovering
structure in clustered data"; Lange, Roth, Braun & Buhmann 2004, doi:10.1162/089976604773717621).
Isolated flashes are left out of the samples: squared distances make K-means spend clusters on
them, so that the curves of all flashes go on rising after every storm has its cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.bic import measure_bic
from lightning_kedro.analysis.kmeans import find_nearest, merge_equal_points
from lightning_kedro.analysis.seeding import CenterSearch
from lightning_kedro.analysis.silhouette import silhouette_scores
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

_N_FLASHES: Final = 1200  # flashes in a pair of halves
_N_PAIRS: Final = 2  # pairs of halves: they take about as long as the fits of all flashes
_FEW_FLASHES: Final = 3000  # of so many the fits take half the time, and one pair must do
_NEIGHBOR: Final = 5  # to which neighbour the distance is taken, and
_ISOLATED: Final = 5.0  # at how many times its median a flash is isolated


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """What samples without isolated flashes say of every k, by k from 1.

    Attributes:
        stability: Adjusted Rand index (Hubert & Arabie 1985, doi:10.1007/BF01908075) of two
            partitions of the same flashes, by fits to the halves of a sample: 1 for the same
            partition, about 0 for unrelated ones; the mean over samples. Missing where a half has
            too few flashes for so many clusters.
        silhouette: Silhouette score of the fits to the halves, -1 to 1, from k = 2; their mean.
        bic_gain: By how much BIC/2 per flash is better than that of a single cluster, nats
            (``measure_bic``); the mean over the halves.
        n_flashes: Flashes in a half, on average.
        isolated_share: Share of the sampled flashes that were left out as isolated, 0 to 1.
    """

    stability: Mapping[int, float]
    silhouette: Mapping[int, float]
    bic_gain: Mapping[int, float]
    n_flashes: int
    isolated_share: float

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The scores themselves: they never change."""
        return self


NOT_RESAMPLED: Final = Resampled({}, {}, {}, 0, 0.0)
"""Where there were too few flashes."""


@dataclass(frozen=True, slots=True)
class _Half:
    """Fits to one half of a sample: centers (k, d), silhouette and BIC/2 per flash, by k."""

    centers: Mapping[int, FloatArray]
    silhouette: Mapping[int, float]
    bic: Mapping[int, float]


def resample_partitions(
    points: FloatArray,
    weights: FloatArray,
    k_max: int,
    random_state: int,
    n_dimensions: int,
    n_threads: int | None = None,
) -> Resampled:
    """Fit every number of clusters to halves of samples, and compare the halves.

    Args:
        points: Shape (m, d).
        weights: How many flashes each point stands for, shape (m,), whole numbers.
        k_max: Largest number of clusters.
        random_state: Seed of the samples and fits.
        n_dimensions: Of the space in which flashes spread: 2 on the ground, 3 with time.
        n_threads: Threads to use; their number does not change the result.

    Returns:
        The scores. A flash is isolated where its fifth neighbour in the sample is more than five
        times as far as in the median (distance to the k-th neighbour: Ramaswamy, Rastogi & Shim
        2000, doi:10.1145/342009.335437).
    """
    counts = np.rint(weights).astype(np.int64)
    random = np.random.default_rng([random_state, k_max])
    n_pairs = 1 if counts.sum() <= _FEW_FLASHES else _N_PAIRS
    samples = [_draw_sample(points, counts, random) for _ in range(n_pairs)]
    dense = [sample[~_find_isolated(sample)] for sample in samples]
    halves = [half for sample in dense for half in (sample[::2], sample[1::2])]
    fits = map_threads(
        lambda half: _fit_half(half, k_max, random_state, n_dimensions), halves, n_threads
    )
    pairs = list(zip(dense, fits[::2], fits[1::2], strict=True))
    stability = {
        k: float(
            np.mean(
                [_compare(sample, one.centers[k], two.centers[k]) for sample, one, two in pairs]
            )
        )
        for k in range(1, k_max + 1)
        if all(k in fit.centers for fit in fits)
    }
    drawn = sum(len(sample) for sample in samples)
    kept = sum(len(half) for half in halves)
    return Resampled(
        stability,
        _average([fit.silhouette for fit in fits]),
        _average([{k: bic - fit.bic[1] for k, bic in fit.bic.items()} for fit in fits if fit.bic]),
        n_flashes=kept // len(halves),
        isolated_share=1.0 - kept / drawn,
    )


def _draw_sample(
    points: FloatArray, counts: npt.NDArray[np.int64], random: np.random.Generator
) -> FloatArray:
    """Draw flashes without replacement, in random order: shape (n, d)."""
    n_drawn = min(_N_FLASHES, int(counts.sum()))
    drawn = random.multivariate_hypergeometric(counts, n_drawn, method="marginals")
    index = np.repeat(np.arange(len(points)), drawn)
    sample: FloatArray = points[random.permutation(index)]
    return sample


def _find_isolated(sample: FloatArray) -> npt.NDArray[np.bool_]:
    """Which flashes of a sample are far from all others, shape (n,)."""
    from scipy.spatial import KDTree

    if len(sample) <= _NEIGHBOR:
        return np.zeros(len(sample), dtype=np.bool_)
    distances = KDTree(sample).query(sample, [_NEIGHBOR + 1])[0][:, 0]
    # Flashes of one cell coincide: they say nothing of how far apart others are.
    apart = distances[distances > 0.0]
    reach = _ISOLATED * float(np.median(apart)) if apart.size else 0.0
    return np.asarray(distances > reach, dtype=np.bool_)


def _fit_half(half: FloatArray, k_max: int, random_state: int, n_dimensions: int) -> _Half:
    """Fit every k to one half; on so few flashes what the search finds is the fit."""
    distinct, masses, _ = merge_equal_points(half, np.ones(len(half)))
    most = min(k_max, len(distinct) - 1)
    if most < 2:  # noqa: PLR2004
        return _Half({}, {}, {})
    found = CenterSearch(distinct, masses, most, random_state).run(1)
    centers = {k: sets[0] for k, sets in enumerate(found, start=1) if sets}
    nearest = {k: find_nearest(distinct, mine) for k, mine in centers.items()}
    bic = {}
    for k, (labels, squared) in nearest.items():
        sizes = sum_groups(labels, masses, k)
        squares = sum_groups(labels, masses * squared, k)
        bic[k] = measure_bic(sizes, squares, n_dimensions) / (2.0 * len(half))
    partitions = {
        k: np.unique(labels, return_inverse=True)[1] for k, (labels, _) in nearest.items() if k > 1
    }
    scores = silhouette_scores(distinct, masses, [*partitions.values()], n_threads=1)
    return _Half(centers, dict(zip(partitions, scores.tolist(), strict=True)), bic)


def _compare(sample: FloatArray, one: FloatArray, two: FloatArray) -> float:
    """Adjusted Rand index of a sample's partitions by two sets of centers."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(find_nearest(sample, one)[0], find_nearest(sample, two)[0]))


def _average(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Means of curves, at the k that all of them have."""
    if not curves:
        return {}
    ks = sorted(set(curves[0]).intersection(*curves[1:]))
    return {k: float(np.mean([curve[k] for curve in curves])) for k in ks}
