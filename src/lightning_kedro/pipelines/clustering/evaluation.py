"""The steps of clustering, from flashes to a chosen partition."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.cells import TooFewCellsError
from lightning_kedro.analysis.certified_silhouette import (
    CertifiedSilhouettes,
    bound_exact,
    certify_silhouettes,
)
from lightning_kedro.analysis.features import ClusterFeatures, FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, fit_all, merge_equal_points
from lightning_kedro.analysis.labelling import (
    FlashClusters,
    MergingError,
    label_flashes,
    measure_merging,
)
from lightning_kedro.analysis.recommendation import Recommendation, recommend_k
from lightning_kedro.analysis.resampling import NOT_RESAMPLED, Resampled, resample_partitions
from lightning_kedro.analysis.silhouette import silhouette_samples
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.pipelines.clustering.flashes import (
    PreparedFlashes,
    take_hours,
    take_places,
)
from lightning_kedro.pipelines.clustering.options import ClusteringOptions

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

logger = logging.getLogger(__name__)

_FEWEST_PLACES = 3  # two clusters of which one has two members: fewer have no silhouette


@dataclass(frozen=True, slots=True, eq=False)
class SilhouetteEvaluation:
    """What the silhouette says of every k that was evaluated.

    Attributes:
        samples: Silhouette coefficient of each point by k, shape (m,) each, -1 to 1.
        scores: Mean over all flashes by k, -1 to 1.
        resampled: What samples of the flashes say of every k that was fitted.
    """

    samples: Mapping[int, FloatArray]
    scores: Mapping[int, float]
    resampled: Resampled = NOT_RESAMPLED

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The evaluation itself: it never changes."""
        return self


@dataclass(frozen=True, slots=True)
class ClusteredFlashes:
    """The chosen partition of the flashes.

    Attributes:
        choice: The chosen k and why.
        clusters: The flashes' clusters.
        error: What merging flashes into cells did to it.
        samples: Silhouette coefficient of each flash, shape (n,); NaN with a single cluster.
        bounds: Proven largest error of each of them, shape (n,); NaN where it is that of the
            flash's cell.
    """

    choice: Recommendation
    clusters: FlashClusters
    error: MergingError
    samples: FloatArray
    bounds: FloatArray


def build_features(
    table: "pa.Table",
    start: "datetime",
    *,
    coordinates: str,
    standardize: bool,
    max_cells: int,
    time_scale_km_per_hour: float | None,
    workers: Workers = THREADS,
) -> ClusterFeatures:
    """Turn flashes into weighted points.

    Raises:
        ParameterError: If flashes do not fit into ``clustering.max_cells``.
    """
    lat, lon = take_places(table)
    space = FeatureSpace(coordinates, time_scale_km_per_hour=time_scale_km_per_hour)
    if standardize and lat.size:
        space = space.standardize(lat, lon)
    hours = take_hours(table, start, wanted=time_scale_km_per_hour is not None)
    try:
        return make_features(space, lat, lon, hours, max_cells, workers)
    except TooFewCellsError as error:
        message = (
            f"clustering.max_cells ({max_cells}) is less than the {error.fewest} cells "
            f"that even the coarsest grid needs: raise it, or lower "
            f"clustering.time_scale_km_per_hour if that is set."
        )
        raise ParameterError(message) from error


def describe_features(features: ClusterFeatures) -> str:
    """What is going to be clustered, in a sentence."""
    if features.cells is None:
        return f"{features.n_flashes:,} flashes, clustered exactly"
    return (
        f"{features.n_flashes:,} flashes merged into {len(features.points):,} cells of "
        f"{features.cells.grid.cell_size_km:.2f} km (clustering.max_cells)"
    )


def fit_candidates(prepared: PreparedFlashes, k_max: int, random_state: int) -> list[KMeansFit]:
    """Fit every k from 1 to ``k_max``, or as far as the flashes allow.

    Raises:
        ParameterError: If ``clustering.max_cells`` leaves fewer cells than clusters are wanted.
    """
    features = prepared.features
    if features.n_flashes == 0:
        logger.warning("No flashes in %s: no clusters", prepared.selection)
        return []
    n_distinct = len(merge_equal_points(features.points, features.weights)[0])
    if features.cells is not None and k_max >= n_distinct:
        n_places = _count_places(prepared)
        if n_places > n_distinct:
            message = (
                f"clustering.k_max ({k_max}) needs more cells than the {n_distinct} into "
                f"which clustering.max_cells lets {features.n_flashes:,} flashes fall: raise "
                f"clustering.max_cells or lower clustering.k_max."
            )
            raise ParameterError(message)
    most = _most_clusters(n_distinct)
    if most < k_max:
        logger.warning(
            "clustering.k_max (%d) is clipped to %d: there are %d flashes at %d different points",
            *(k_max, most, features.n_flashes, n_distinct),
        )
    if most == 1:
        return [_fit_one(features)]
    return fit_all(features.points, features.weights, min(k_max, most), random_state)


def _count_places(prepared: PreparedFlashes) -> int:
    """At how many different points the flashes are."""
    space = prepared.features.space
    timed = space.time_scale_km_per_hour is not None
    hours = take_hours(prepared.table, prepared.selection.start, wanted=timed)
    return len(np.unique(space.project(*take_places(prepared.table), hours), axis=0))


def _most_clusters(n_distinct: int) -> int:
    """How many clusters can be evaluated at most: one fewer than there are different points."""
    return n_distinct - 1 if n_distinct >= _FEWEST_PLACES else 1


def _fit_one(features: ClusterFeatures) -> KMeansFit:
    """All flashes as a single cluster."""
    center = np.average(features.points, axis=0, weights=features.weights)
    squares = ((features.points - center) ** 2).sum(axis=1)
    labels = np.zeros(len(features.points), dtype=np.int32)
    return KMeansFit(1, center[np.newaxis], labels, float((features.weights * squares).sum()))


def evaluate_silhouettes(
    features: ClusterFeatures, candidates: Sequence[KMeansFit], k_min: int, random_state: int
) -> SilhouetteEvaluation:
    """Silhouette coefficients for every k from ``k_min`` that was fitted, and samples of flashes.

    Where few flashes allow no such k, those from 2 are evaluated.
    """
    fits = [fit for fit in candidates if fit.n_clusters >= k_min]
    fits = fits or [fit for fit in candidates if fit.n_clusters > 1]
    if not fits:
        return SilhouetteEvaluation({}, {})
    partitions = [fit.labels for fit in fits]
    found = silhouette_samples(
        features.points, features.weights, partitions, scatter=features.scatter
    )
    samples = {fit.n_clusters: mine for fit, mine in zip(fits, found, strict=True)}
    scores = {k: float(np.average(mine, weights=features.weights)) for k, mine in samples.items()}
    n_dimensions = 2 if features.space.time_scale_km_per_hour is None else 3
    resampled = resample_partitions(
        features.points, features.weights, len(candidates), random_state, n_dimensions
    )
    return SilhouetteEvaluation(samples, scores, resampled)


def measure_inertia(features: ClusterFeatures, candidates: Sequence[KMeansFit]) -> dict[int, float]:
    """Inertia over all flashes by k from 1: km2 on the sphere, else the feature's unit squared."""
    scatter = float(features.scatter.sum())
    return {fit.n_clusters: fit.inertia + scatter for fit in candidates}


def choose_k(
    evaluation: SilhouetteEvaluation,
    inertia: Mapping[int, float],
    options: ClusteringOptions,
    n_flashes: int,
) -> Recommendation:
    """Choose k by all that was evaluated; with too few flashes for that what is left.

    Args:
        evaluation: Silhouettes by k, and what samples say.
        inertia: Inertia by k, from 1.
        options: What was asked for.
        n_flashes: Number of flashes.
    """
    if not evaluation.scores:
        k = len(inertia)
        found = "no flashes" if k == 0 else "flashes at one or two points only"
        reason = f"{found}: there is no number of clusters to choose"
        return Recommendation(k, "none", None, None, at_range_end=False, reason=reason)
    fixed = None if options.k is None else min(options.k, max(inertia))
    choice = recommend_k(
        evaluation.scores, inertia, options.criterion, fixed, evaluation.resampled, n_flashes
    )
    if fixed == options.k:
        return choice
    reason = (
        f"k = {options.k} was asked for, but so few flashes allow {fixed} clusters at most; "
        f"{choice.reason}"
    )
    return replace(choice, reason=reason)


def cluster_table(
    prepared: PreparedFlashes,
    candidates: Sequence[KMeansFit],
    samples: Mapping[int, FloatArray],
    choice: Recommendation,
    max_certified: int,
    workers: Workers = THREADS,
) -> ClusteredFlashes:
    """Label every flash by its nearest center in the chosen fit.

    Args:
        prepared: The flashes.
        candidates: The fits.
        samples: Silhouette coefficient of each point by k, shape (m,) each.
        choice: The chosen k.
        max_certified: Up to so many merged flashes have silhouettes of their own.
        workers: Who labels flashes.
    """
    features = prepared.features
    if choice.k == 0:
        return ClusteredFlashes(choice, _no_clusters(), MergingError(), np.empty(0), np.empty(0))
    fit = next(fit for fit in candidates if fit.n_clusters == choice.k)
    lat, lon = take_places(prepared.table)
    timed = features.space.time_scale_km_per_hour is not None
    hours = take_hours(prepared.table, prepared.selection.start, wanted=timed)
    clusters = label_flashes(features, fit, lat, lon, hours, workers)
    of_points = samples.get(choice.k, np.full(len(features.points), np.nan))
    scored = _score_flashes(features, of_points)
    known_error = None
    if choice.k > 1 and features.cells is not None and features.n_flashes <= max_certified:
        scored = certify_silhouettes(features.space.project(lat, lon, hours), clusters.labels)
        estimate = np.average(of_points, weights=features.weights)
        known_error = float(estimate - scored.coefficients.mean())
    error = measure_merging(features, fit, clusters, lat, lon, hours, known_error)
    log_choice(choice, error, scored.bounds)
    return ClusteredFlashes(choice, clusters, error, scored.coefficients, scored.bounds)


def _score_flashes(features: ClusterFeatures, of_points: FloatArray) -> CertifiedSilhouettes:
    """Give flashes the silhouettes of their points; their error is known where these are flashes.

    Args:
        features: The points.
        of_points: Silhouette coefficient of each point, shape (m,); NaN with a single cluster.
    """
    is_exact = features.cells is None
    bound = bound_exact(len(features.points)) if is_exact else np.nan
    coefficients = of_points[features.index]
    return CertifiedSilhouettes(coefficients, np.where(np.isnan(coefficients), np.nan, bound))


def _no_clusters() -> FlashClusters:
    """The clusters of no flashes."""
    return FlashClusters(
        labels=np.empty(0, np.int32),
        order=np.empty(0, np.int64),
        lat=np.empty(0),
        lon=np.empty(0),
        flash_counts=np.empty(0, np.int64),
        rms_radius_km=np.empty(0),
        inertia=0.0,
    )


def log_choice(choice: Recommendation, error: MergingError, bounds: FloatArray) -> None:
    """Say what was chosen and why, and how far merging flashes into cells can be trusted."""
    level = logging.WARNING if choice.at_range_end else logging.INFO
    logger.log(level, "k = %d by %s: %s", choice.k, choice.criterion, choice.reason)
    if error != MergingError():
        logger.info(
            "Merging flashes into cells changed the inertia by %+.4f %%, the silhouette by %+.5f "
            "and the cluster of %.3f %% of the flashes",
            100.0 * error.inertia_error,
            error.silhouette_error,
            100.0 * error.relabelled_share,
        )
        if not np.isnan(bounds).any():
            logger.info(
                "The silhouette of every flash is right to within %.1e, as proved", bounds.max()
            )


def mean_times(
    times: npt.NDArray[np.datetime64], clusters: FlashClusters
) -> npt.NDArray[np.datetime64]:
    """Mean time of each cluster's flashes, shape (k,), datetime64[us]; ``times`` has shape (n,)."""
    # As whole numbers: numpy takes times from times ten times more slowly.
    moments = times.astype("datetime64[us]", copy=False).view(np.int64)
    first = moments.min(initial=np.iinfo(np.int64).max)
    sums = np.zeros(len(clusters.flash_counts), dtype=np.int64)
    np.add.at(sums, clusters.labels, moments - first)
    means = first + sums // np.maximum(clusters.flash_counts, 1)
    return np.asarray(means.view("datetime64[us]"))
