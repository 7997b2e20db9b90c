"""The steps of clustering, from flashes to a chosen partition."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.cells import TooFewCellsError
from lightning_kedro.analysis.features import ClusterFeatures, FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, fit_all, merge_equal_points
from lightning_kedro.analysis.labelling import (
    FlashClusters,
    MergingError,
    label_flashes,
    measure_merging,
)
from lightning_kedro.analysis.recommendation import Recommendation, recommend_k
from lightning_kedro.analysis.silhouette import silhouette_samples
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.exceptions import NoFlashesError, ParameterError, TableError
from lightning_kedro.pipelines.clustering.flashes import take_hours, take_places
from lightning_kedro.pipelines.clustering.options import ClusteringOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusteredFlashes:
    """The chosen partition of the flashes.

    Attributes:
        choice: The chosen k and why.
        fit: The fit of that k.
        clusters: The flashes' clusters.
        error: What merging flashes into cells did to it.
    """

    choice: Recommendation
    fit: KMeansFit
    clusters: FlashClusters
    error: MergingError


def build_features(
    table: "pa.Table", parameters: Mapping[str, Any], options: ClusteringOptions
) -> ClusterFeatures:
    """Turn flashes into weighted points.

    Raises:
        NoFlashesError: If there are many flashes, but at no more different points than clusters.
        ParameterError: If flashes do not fit into ``clustering.max_cells``.
    """
    scale = options.time_scale_km_per_hour
    lat, lon = take_places(table)
    space = FeatureSpace(options.coordinates, time_scale_km_per_hour=scale)
    if options.standardize:
        space = space.standardize(lat, lon)
    hours = take_hours(table, parameters, wanted=scale is not None)
    try:
        features = make_features(space, lat, lon, hours, options.max_cells)
    except TooFewCellsError as error:
        message = (
            f"clustering.max_cells ({options.max_cells}) is less than the {error.fewest} cells "
            f"that even the coarsest grid needs: raise it, or lower "
            f"clustering.time_scale_km_per_hour if that is set."
        )
        raise ParameterError(message) from error
    if features.cells is not None and len(features.points) <= options.k_max:
        n_places = len(np.unique(space.project(lat, lon, hours), axis=0))
        if n_places <= options.k_max:
            raise NoFlashesError(_explain_few_places(n_places, len(lat), options))
    return features


def describe_features(features: ClusterFeatures) -> str:
    """What is going to be clustered, in a sentence."""
    if features.cells is None:
        return f"{features.n_flashes:,} flashes, clustered exactly"
    return (
        f"{features.n_flashes:,} flashes merged into {len(features.points):,} cells of "
        f"{features.cells.grid.cell_size_km:.2f} km (clustering.max_cells)"
    )


def fit_candidates(features: ClusterFeatures, options: ClusteringOptions) -> list[KMeansFit]:
    """Fit every k from 1 to ``k_max``, if there are points enough.

    Raises:
        NoFlashesError: If there are no more different flashes than clusters.
        ParameterError: If there are no more cells than clusters.
    """
    n_distinct = len(merge_equal_points(features.points, features.weights)[0])
    if options.k_max >= n_distinct:
        if features.cells is None:
            message = _explain_few_places(n_distinct, features.n_flashes, options)
            raise NoFlashesError(message)
        message = (
            f"clustering.k_max ({options.k_max}) needs more cells than the {n_distinct} into "
            f"which clustering.max_cells ({options.max_cells}) lets {features.n_flashes:,} "
            f"flashes fall: raise clustering.max_cells or lower clustering.k_max."
        )
        raise ParameterError(message)
    return fit_all(features.points, features.weights, options.k_max, options.random_state)


def _explain_few_places(n_places: int, n_flashes: int, options: ClusteringOptions) -> str:
    return (
        f"clustering.k_max ({options.k_max}) must be less than the number of flashes at "
        f"different points, {n_places} of {n_flashes}: lower clustering.k_max or "
        f"choose a longer window or a larger region."
    )


def sample_silhouettes(
    features: ClusterFeatures, candidates: Sequence[KMeansFit], options: ClusteringOptions
) -> dict[int, FloatArray]:
    """Silhouette coefficients of all points, shape (m,), for every k from k_min to k_max."""
    fits = [fit for fit in candidates if fit.n_clusters in options.k_range]
    partitions = [fit.labels for fit in fits]
    samples = silhouette_samples(
        features.points, features.weights, partitions, scatter=features.scatter
    )
    return {fit.n_clusters: mine for fit, mine in zip(fits, samples, strict=True)}


def choose_k(
    silhouette_scores: "pd.DataFrame", elbow_curve: "pd.DataFrame", options: ClusteringOptions
) -> Recommendation:
    """Choose k by both evaluators' tables.

    Args:
        silhouette_scores: The window's scores, columns ``k`` and ``silhouette_coefficient``.
        elbow_curve: The window's inertia, columns ``k`` and ``inertia``.
        options: What was asked for.

    Raises:
        TableError: If the tables were made for another range of k.
    """
    scores = dict(
        zip(silhouette_scores["k"], silhouette_scores["silhouette_coefficient"], strict=True)
    )
    inertia = dict(zip(elbow_curve["k"], elbow_curve["inertia"], strict=True))
    if sorted(scores) != list(options.k_range) or sorted(inertia) != [*range(1, options.k_max + 1)]:
        raise TableError(_stale("silhouette_scores or elbow_curve", "another range of k"))
    return recommend_k(scores, inertia, options.criterion, options.fixed_k)


def cluster_table(
    table: "pa.Table",
    features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    choice: Recommendation,
    parameters: Mapping[str, Any],
) -> ClusteredFlashes:
    """Label every flash of the table by its nearest centre in the chosen fit.

    Raises:
        TableError: If the features were made from other flashes.
    """
    if table.num_rows != features.n_flashes:
        raise TableError(_stale("cluster_features", f"{features.n_flashes:,} flashes"))
    fit = next(fit for fit in candidates if fit.n_clusters == choice.k)
    lat, lon = take_places(table)
    timed = features.space.time_scale_km_per_hour is not None
    hours = take_hours(table, parameters, wanted=timed)
    clusters = label_flashes(features, fit, lat, lon, hours)
    error = measure_merging(features, fit, clusters, lat, lon, hours)
    log_choice(choice, error)
    return ClusteredFlashes(choice, fit, clusters, error)


def log_choice(choice: Recommendation, error: MergingError) -> None:
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


def mean_times(
    times: npt.NDArray[np.datetime64], clusters: FlashClusters
) -> npt.NDArray[np.datetime64]:
    """Mean time of each cluster's flashes, shape (k,), datetime64[us]; ``times`` has shape (n,)."""
    # As whole numbers: numpy takes times from times ten times more slowly.
    moments = times.astype("datetime64[us]", copy=False).view(np.int64)
    first = moments.min()
    sums = np.zeros(len(clusters.flash_counts), dtype=np.int64)
    np.add.at(sums, clusters.labels, moments - first)
    means = first + sums // np.maximum(clusters.flash_counts, 1)
    return np.asarray(means.view("datetime64[us]"))


def _stale(what: str, made_for: str) -> str:
    return (
        f"Entry {what} of the catalog was made for {made_for}: run the whole pipeline, "
        f"`kedro run --pipeline clustering`."
    )
