"""The nodes of the clustering pipeline: flashes in, an evaluated k and clustered flashes out."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.kmeans import KMeansFit
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.clustering import evaluation, tables
from lightning_kedro.pipelines.clustering.flashes import FlashTable, WindowKey, read_flashes
from lightning_kedro.pipelines.clustering.options import ClusteringOptions
from lightning_kedro.selection import Selection

Frame: TypeAlias = Any
"""A pandas DataFrame or an Arrow table; named so because importing either costs start-up time, and
Kedro evaluates the hints of nodes."""

logger = logging.getLogger(__name__)


def preprocess_flashes(flashes: FlashTable, parameters: Mapping[str, Any]) -> ClusterFeatures:
    """Turn the window's flashes into weighted points, at most ``clustering.max_cells`` of them."""
    options = ClusteringOptions.from_parameters(parameters)
    wanted = ["lat", "lon"] + ["time"] * (options.time_scale_km_per_hour is not None)
    table = read_flashes(flashes, parameters, wanted)
    features = evaluation.build_features(table, parameters, options)
    logger.info("%s", evaluation.describe_features(features))
    return features


def fit_candidates(
    cluster_features: ClusterFeatures, parameters: Mapping[str, Any]
) -> list[KMeansFit]:
    """Fit every k from 1 to ``clustering.k_max`` once, for both evaluators."""
    options = ClusteringOptions.from_parameters(parameters)
    return evaluation.fit_candidates(cluster_features, options)


def evaluate_silhouette(
    cluster_features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    parameters: Mapping[str, Any],
) -> tuple[Frame, dict[int, FloatArray]]:
    """Score every k from ``clustering.k_min`` to ``clustering.k_max`` by its silhouette.

    Returns:
        The table ``silhouette_scores``, and by k the coefficient of each point, shape (m,).
    """
    options = ClusteringOptions.from_parameters(parameters)
    key = WindowKey.of(Selection.from_parameters(parameters))
    samples = evaluation.sample_silhouettes(cluster_features, candidates, options)
    return key.label_frame(tables.list_scores(cluster_features, samples)), samples


def evaluate_elbow(
    cluster_features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    parameters: Mapping[str, Any],
) -> Frame:
    """Give the inertia of every k from 1 to ``clustering.k_max``."""
    key = WindowKey.of(Selection.from_parameters(parameters))
    return key.label_frame(tables.list_inertia(cluster_features, candidates))


def cluster_flashes(
    flashes: FlashTable,
    cluster_features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    silhouette_scores: Frame,
    silhouette_samples: Mapping[int, FloatArray],
    elbow_curve: Frame,
    parameters: Mapping[str, Any],
) -> tuple[Frame, Frame, Frame, Frame]:
    """Choose k, label every flash by its nearest centre, and describe the clusters.

    Returns:
        ``clustered_flashes``, ``cluster_centers``, ``cluster_quality`` and ``k_selection``.
    """
    options = ClusteringOptions.from_parameters(parameters)
    key = WindowKey.of(Selection.from_parameters(parameters))
    scores, curve = key.pick_rows(silhouette_scores), key.pick_rows(elbow_curve)
    choice = evaluation.choose_k(scores, curve, options)
    table = read_flashes(flashes, parameters, tables.FLASH_COLUMNS)
    clustered = evaluation.cluster_table(table, cluster_features, candidates, choice, parameters)
    samples = silhouette_samples[choice.k]
    return tables.list_all(key, table, cluster_features, candidates, samples, clustered, options)
