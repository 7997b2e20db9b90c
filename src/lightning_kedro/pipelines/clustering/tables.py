"""The tables that clustering writes, each for one platform and window."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.kmeans import KMeansFit
from lightning_kedro.analysis.quality import measure_partition
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.pipelines.clustering.evaluation import ClusteredFlashes, mean_times
from lightning_kedro.pipelines.clustering.flashes import WindowKey
from lightning_kedro.pipelines.clustering.options import ClusteringOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FLASH_COLUMNS: Final = ("platform", "granule_start", "flash_id", "time", "lat", "lon")
"""What is read of each flash to be clustered."""


def list_all(
    key: WindowKey,
    table: "pa.Table",
    features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    samples: FloatArray,
    clustered: ClusteredFlashes,
    options: ClusteringOptions,
) -> tuple["pa.Table", "pd.DataFrame", "pd.DataFrame", "pd.DataFrame"]:
    """The tables of the flashes, the centres, the quality of every k, and the selection.

    Args:
        key: What names the result.
        table: The flashes, with the columns ``FLASH_COLUMNS``.
        features: The points that were fitted.
        candidates: The fits.
        samples: Silhouette coefficient of each point in the chosen partition, shape (m,).
        clustered: The chosen partition.
        options: What was asked for.
    """
    of_flashes = samples[features.index]
    return (
        list_flashes(key, table, clustered, of_flashes),
        list_centers(key, table, clustered, of_flashes),
        list_quality(key, features, candidates, options),
        list_selection(key, features, clustered, of_flashes, options),
    )


def list_scores(features: ClusterFeatures, samples: Mapping[int, FloatArray]) -> "pd.DataFrame":
    """Silhouette scores: columns ``k``, ``silhouette_coefficient`` in [-1, 1].

    Args:
        features: The points.
        samples: Silhouette coefficient of each point by k, shape (m,) each.
    """
    import pandas as pd

    scores = [float(np.average(mine, weights=features.weights)) for mine in samples.values()]
    return pd.DataFrame(
        {"k": np.array([*samples], dtype=np.int32), "silhouette_coefficient": np.array(scores)}
    )


def list_inertia(features: ClusterFeatures, candidates: Sequence[KMeansFit]) -> "pd.DataFrame":
    """Inertia over all flashes: columns ``k`` from 1, ``inertia``, ``rms_distance_km``.

    Inertia is in km2 on the sphere and in the square of the feature's unit in degrees, where
    ``rms_distance_km`` is missing.
    """
    import pandas as pd

    inertia = np.array([fit.inertia for fit in candidates]) + features.scatter.sum()
    distances = np.sqrt(inertia / features.n_flashes)
    return pd.DataFrame(
        {
            "k": np.array([fit.n_clusters for fit in candidates], dtype=np.int32),
            "inertia": inertia,
            "rms_distance_km": distances if features.space.coordinates == "sphere" else np.nan,
        }
    )


def list_flashes(
    key: WindowKey, table: "pa.Table", clustered: ClusteredFlashes, samples: FloatArray
) -> "pa.Table":
    """The flashes with their clusters and silhouette coefficients.

    Args:
        key: What names the result.
        table: The flashes, with the columns ``FLASH_COLUMNS``.
        clustered: The chosen partition.
        samples: Silhouette coefficient of each flash, shape (n,).
    """
    import pyarrow as pa

    n = table.num_rows
    moment = pa.timestamp("us")
    columns = {
        "platform": pa.repeat(pa.scalar(key.platform), n),
        "window_start": pa.repeat(pa.scalar(key.window_start, moment), n),
        "window_end": pa.repeat(pa.scalar(key.window_end, moment), n),
        "flash_platform": table.column("platform"),
        **{name: table.column(name) for name in FLASH_COLUMNS[1:]},
        "cluster": pa.array(clustered.clusters.labels),
        "silhouette_coefficient": pa.array(samples.astype(np.float32)),
    }
    return pa.table(columns)


def list_centers(
    key: WindowKey, table: "pa.Table", clustered: ClusteredFlashes, samples: FloatArray
) -> "pd.DataFrame":
    """One row a cluster; ``samples`` are the flashes' silhouette coefficients, shape (n,)."""
    import pandas as pd

    clusters = clustered.clusters
    times = table.column("time").to_numpy()
    sums = sum_groups(clusters.labels, samples, len(clusters.lat))
    frame = pd.DataFrame(
        {
            "cluster": np.arange(len(clusters.lat), dtype=np.int32),
            "lat": clusters.lat,
            "lon": clusters.lon,
            "mean_time": mean_times(times, clusters),
            "flash_count": clusters.flash_counts,
            "rms_radius_km": clusters.rms_radius_km,
            "silhouette_coefficient": sums / np.maximum(clusters.flash_counts, 1),
        }
    )
    return key.label_frame(frame)


def list_quality(
    key: WindowKey,
    features: ClusterFeatures,
    candidates: Sequence[KMeansFit],
    options: ClusteringOptions,
) -> "pd.DataFrame":
    """Other measures of every k that was evaluated, one row a k."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for fit in candidates:
        if fit.n_clusters in options.k_range:
            quality = measure_partition(
                features.points, features.weights, features.scatter, fit.centers, fit.labels
            )
            rows.append(
                {
                    "k": fit.n_clusters,
                    "calinski_harabasz": quality.calinski_harabasz,
                    "davies_bouldin": quality.davies_bouldin,
                    "smallest_cluster": quality.smallest_cluster,
                    "largest_cluster": quality.largest_cluster,
                }
            )
    return key.label_frame(pd.DataFrame(rows))


def list_selection(
    key: WindowKey,
    features: ClusterFeatures,
    clustered: ClusteredFlashes,
    samples: FloatArray,
    options: ClusteringOptions,
) -> "pd.DataFrame":
    """The chosen k, why it was chosen, and how exact the result is: one row."""
    import pandas as pd

    choice, error = clustered.choice, clustered.error
    row = {
        "k": choice.k,
        "criterion": choice.criterion,
        "k_silhouette": choice.k_silhouette,
        "k_elbow": choice.k_elbow,
        "at_range_end": choice.at_range_end,
        "reason": choice.reason,
        "coordinates": options.coordinates,
        "standardize": options.standardize,
        "time_scale_km_per_hour": options.time_scale_km_per_hour,
        "k_min": options.k_min,
        "k_max": options.k_max,
        "max_cells": options.max_cells,
        "random_state": options.random_state,
        "method": features.method,
        "n_flashes": features.n_flashes,
        "n_cells": len(features.points),
        "cell_size_km": features.cell_size_km,
        "inertia": clustered.clusters.inertia,
        "silhouette_coefficient": float(samples.mean()),
        "inertia_error": error.inertia_error,
        "silhouette_error": error.silhouette_error,
        "relabelled_share": error.relabelled_share,
    }
    frame = pd.DataFrame([row]).astype(
        {"k_elbow": "Int64", "cell_size_km": "float64", "time_scale_km_per_hour": "float64"}
    )
    return key.label_frame(frame)
