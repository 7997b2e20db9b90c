"""The nodes of the clustering pipeline: flashes in, an evaluated k and clustered flashes out."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lightning_kedro.analysis.kmeans import KMeansFit
from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.pipelines.clustering import evaluation, tables
from lightning_kedro.pipelines.clustering.evaluation import SilhouetteEvaluation
from lightning_kedro.pipelines.clustering.flashes import (
    Derived,
    PreparedFlashes,
    fingerprint_flashes,
    read_flashes,
)
from lightning_kedro.pipelines.clustering.options import ClusteringOptions
from lightning_kedro.results import RESULT_TABLES, Result
from lightning_kedro.selection import Selection
from lightning_kedro.sky import find_read
from lightning_kedro.unchanged import (
    REMAKE,
    StoredThings,
    Unchanged,
    confirm,
    hand_on,
    look_at,
    name_making,
)

logger = logging.getLogger(__name__)


def preprocess_flashes(  # noqa: PLR0917  (Kedro gives them by name)
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Mapping[str, Any],
    coordinates: str,
    standardize: bool,
    max_cells: int,
    time_scale_km_per_hour: float | None,
    stored: StoredThings | None = None,
    unchanged: str = REMAKE,
    options: Mapping[str, Any] | None = None,
    satellite: str = "",
    workers: Workers = THREADS,
) -> PreparedFlashes | Unchanged:
    """Read the selected flashes and turn them into weighted points, at most ``max_cells``.

    Where the clusters that are stored were made of the same, with ``options`` and ``satellite``,
    they are left as they are.
    """
    chosen = Selection.from_plain(selection)
    read = find_read(chosen)
    making = {"clustering": options, "satellite": satellite}
    measured, kept = look_at(stored, chosen, read, making, unchanged)
    if kept is not None:
        return kept
    table = read_flashes(flashes, chosen)
    measured = confirm(stored, read, measured)
    features = evaluation.build_features(
        table,
        chosen.start,
        coordinates=coordinates,
        standardize=standardize,
        max_cells=max_cells,
        time_scale_km_per_hour=time_scale_km_per_hour,
        workers=workers,
    )
    logger.info("%s", evaluation.describe_features(features))
    return PreparedFlashes(chosen, table, features, fingerprint_flashes(table), measured)


@hand_on()
def fit_candidates(
    cluster_features: PreparedFlashes, k_max: int, random_state: int
) -> Derived[Sequence[KMeansFit]]:
    """Fit every k from 1 to ``k_max`` once, for both evaluators."""
    fits = evaluation.fit_candidates(cluster_features, k_max, random_state)
    return Derived(cluster_features.fingerprint, fits)


@hand_on()
def evaluate_silhouette(
    cluster_features: PreparedFlashes,
    candidates: Derived[Sequence[KMeansFit]],
    k_min: int,
    random_state: int,
) -> Derived[SilhouetteEvaluation]:
    """Score every k from ``k_min`` that was fitted by its silhouette, and by samples."""
    features, fits = cluster_features.features, candidates.of(cluster_features)
    scored = evaluation.evaluate_silhouettes(features, fits, k_min, random_state)
    return Derived(cluster_features.fingerprint, scored)


@hand_on()
def evaluate_elbow(
    cluster_features: PreparedFlashes, candidates: Derived[Sequence[KMeansFit]]
) -> Derived[Mapping[int, float]]:
    """Give the inertia of every k that was fitted, from 1."""
    fits = candidates.of(cluster_features)
    inertia = evaluation.measure_inertia(cluster_features.features, fits)
    return Derived(cluster_features.fingerprint, inertia)


@hand_on(len(RESULT_TABLES))
def cluster_flashes(
    cluster_features: PreparedFlashes,
    candidates: Derived[Sequence[KMeansFit]],
    silhouette_evaluation: Derived[SilhouetteEvaluation],
    elbow_evaluation: Derived[Mapping[int, float]],
    selection: Mapping[str, Any],
    clustering: Mapping[str, Any],
    satellite: str,
    run_time: str,
    *,
    workers: Workers = THREADS,
) -> tuple[Result, ...]:
    """Choose k, label every flash by its nearest center, and describe the clusters.

    Returns:
        The result, once for each of its tables: their entries commit it as a whole.

    Raises:
        PartialRunError: If what earlier nodes made is not of the same flashes.
    """
    fits = candidates.of(cluster_features)
    evaluated = silhouette_evaluation.of(cluster_features)
    inertia = elbow_evaluation.of(cluster_features)
    options = ClusteringOptions.from_parameters(clustering)
    n_flashes = cluster_features.features.n_flashes
    choice = evaluation.choose_k(evaluated, inertia, options, n_flashes)
    clustered = evaluation.cluster_table(
        cluster_features, fits, evaluated.samples, choice, options.max_certified, workers
    )
    request = {"clustering": clustering, "satellite": satellite, "run_time": run_time}
    chosen = Selection.from_plain(selection)
    result = tables.collect_result(
        chosen, cluster_features, fits, evaluated.scores, inertia, clustered, request
    )
    making = {"clustering": dict(clustering), "satellite": satellite}
    result = replace(result, made_of=name_making(cluster_features.measured, making))
    return (result,) * len(RESULT_TABLES)
