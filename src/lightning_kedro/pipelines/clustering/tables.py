"""The tables of a result: what was chosen, of which flashes, with which options, and why."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from lightning_kedro import __version__
from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.kmeans import KMeansFit
from lightning_kedro.analysis.quality import PartitionQuality, measure_partition
from lightning_kedro.analysis.recommendation import Recommendation
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.pipelines.clustering.evaluation import ClusteredFlashes, mean_times
from lightning_kedro.pipelines.clustering.flashes import PreparedFlashes
from lightning_kedro.pipelines.clustering.options import ClusteringOptions
from lightning_kedro.results import Result, make_table
from lightning_kedro.selection import Selection


def collect_result(
    selection: Selection,
    prepared: PreparedFlashes,
    candidates: Sequence[KMeansFit],
    scores: Mapping[int, float],
    inertia: Mapping[int, float],
    clustered: ClusteredFlashes,
    request: Mapping[str, Any],
) -> Result:
    """Put all tables of a result together.

    Args:
        selection: What the result is of, with its label.
        prepared: The flashes.
        candidates: The fits.
        scores: Silhouette score by k.
        inertia: Inertia by k, from 1.
        clustered: The chosen partition.
        request: What was asked for: ``clustering``, ``satellite`` and ``run_time`` of the
            parameters.
    """
    columns = {
        "silhouette_scores": {"k": [*scores], "silhouette_coefficient": [*scores.values()]},
        "elbow_curve": _list_inertia(prepared.features, inertia),
        "cluster_quality": _list_quality(prepared.features, candidates, scores),
        "k_candidates": _list_candidates(clustered.choice),
        "cluster_centers": _list_centers(prepared, clustered),
        "clustered_flashes": _list_flashes(prepared, clustered),
        "k_selection": _list_selection(prepared, clustered, request),
    }
    return Result(
        selection,
        {table: make_table(table, selection, mine) for table, mine in columns.items()},
    )


def _list_inertia(features: ClusterFeatures, inertia: Mapping[int, float]) -> dict[str, Any]:
    """Inertia by k, and the RMS distance, which is missing where it is not in km."""
    values = np.array([*inertia.values()])
    distances = np.sqrt(values / max(features.n_flashes, 1))
    is_km = features.space.coordinates == "sphere"
    return {
        "k": [*inertia],
        "inertia": values,
        "rms_distance_km": distances if is_km else np.full(len(values), np.nan),
    }


def _list_quality(
    features: ClusterFeatures, candidates: Sequence[KMeansFit], scores: Mapping[int, float]
) -> dict[str, Any]:
    """Other measures of every k that was evaluated."""
    fits = [fit for fit in candidates if fit.n_clusters in scores]
    measured = [
        measure_partition(
            features.points, features.weights, features.scatter, fit.centers, fit.labels
        )
        for fit in fits
    ]
    names = PartitionQuality.__dataclass_fields__
    return {
        "k": [fit.n_clusters for fit in fits],
        **{name: [getattr(quality, name) for quality in measured] for name in names},
    }


def _list_candidates(choice: Recommendation) -> dict[str, Any]:
    """What every criterion says of each k that was evaluated, and whether it is a scale."""
    names = {
        "k": "k",
        "silhouette_coefficient": "silhouette",
        "dense_silhouette": "dense_silhouette",
        "prominence": "prominence",
        "is_elbow": "is_elbow",
        "calinski_harabasz": "calinski_harabasz",
        "bic_gain": "bic_gain",
        "is_bic_best": "is_bic_best",
        "stability": "stability",
        "scale": "scale",
        "is_supported": "is_supported",
        "reason": "why",
    }
    return {
        column: [getattr(candidate, name) for candidate in choice.candidates]
        for column, name in names.items()
    }


def _list_flashes(prepared: PreparedFlashes, clustered: ClusteredFlashes) -> dict[str, Any]:
    """The flashes with their clusters and silhouette coefficients."""
    table = prepared.table
    names = ("granule_start", "flash_id", "time", "lat", "lon", "quality_flag")
    return {
        "flash_platform": table.column("platform"),
        **{name: table.column(name) for name in names},
        "cluster": clustered.clusters.labels,
        "silhouette_coefficient": clustered.samples,
        "silhouette_error_bound": clustered.bounds,
    }


def _list_centers(prepared: PreparedFlashes, clustered: ClusteredFlashes) -> dict[str, Any]:
    """One row a cluster."""
    clusters = clustered.clusters
    times = prepared.table.column("time").to_numpy()
    sums = sum_groups(clusters.labels, clustered.samples, len(clusters.lat))
    return {
        "cluster": np.arange(len(clusters.lat), dtype=np.int32),
        "lat": clusters.lat,
        "lon": clusters.lon,
        "mean_time": mean_times(times, clusters),
        "flash_count": clusters.flash_counts,
        "rms_radius_km": clusters.rms_radius_km,
        "silhouette_coefficient": sums / np.maximum(clusters.flash_counts, 1),
    }


def _list_selection(
    prepared: PreparedFlashes, clustered: ClusteredFlashes, request: Mapping[str, Any]
) -> dict[str, Any]:
    """The chosen k, why it was chosen, of what, by which options, and how exact it is: one row."""
    features, choice, error = prepared.features, clustered.choice, clustered.error
    samples = clustered.samples
    row = {
        "k": choice.k,
        "criterion": choice.criterion,
        "k_silhouette": choice.k_silhouette,
        "k_elbow": choice.k_elbow,
        "at_range_end": choice.at_range_end,
        "reason": choice.reason,
        "satellite": request["satellite"],
        **_list_sides(prepared.selection),
        **_list_options(ClusteringOptions.from_parameters(request["clustering"])),
        "method": features.method,
        "n_flashes": features.n_flashes,
        "n_cells": len(features.points),
        "cell_size_km": features.cell_size_km,
        "inertia": clustered.clusters.inertia,
        "silhouette_coefficient": float(samples.mean()) if samples.size else None,
        "inertia_error": error.inertia_error,
        "silhouette_error": error.silhouette_error,
        "silhouette_error_bound": float(clustered.bounds.max()) if samples.size else None,
        "relabelled_share": error.relabelled_share,
        "flashes_fingerprint": prepared.fingerprint,
        "code_version": __version__,
        "run_time": datetime.fromisoformat(request["run_time"]),
    }
    return {name: [value] for name, value in row.items()}


def _list_sides(selection: Selection) -> dict[str, float | None]:
    """The sides of the region, degrees; None without one."""
    names = ("west", "south", "east", "north")
    return {name: getattr(selection.region, name, None) for name in names}


def _list_options(options: ClusteringOptions) -> dict[str, Any]:
    """The options as columns."""
    return {
        "requested_k": options.k,
        "requested_criterion": options.criterion,
        "coordinates": options.coordinates,
        "standardize": options.standardize,
        "time_scale_km_per_hour": options.time_scale_km_per_hour,
        "k_min": options.k_min,
        "k_max": options.k_max,
        "max_cells": options.max_cells,
        "max_certified": options.max_certified,
        "random_state": options.random_state,
    }
