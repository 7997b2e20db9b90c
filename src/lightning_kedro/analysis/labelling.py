"""From centres to flashes: which cluster each flash is in, and what clusters are like."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.kmeans import KMeansFit, LabelArray, find_nearest
from lightning_kedro.analysis.silhouette import silhouette_scores
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads

_BLOCK: Final = 2**16  # flashes labelled at a time
_SAMPLE: Final = 4000  # flashes on which the error of the silhouette is measured


@dataclass(frozen=True, slots=True)
class FlashClusters:
    """Flashes in clusters, numbered from 0 by falling number of flashes.

    Attributes:
        labels: Cluster of each flash, the one with the nearest centre, shape (n,).
        order: Number in the fit of each cluster, shape (k,).
        lat: Latitude of each centre, shape (k,), degrees.
        lon: Longitude of each centre, shape (k,), degrees in (-180, 180].
        flash_counts: Flashes of each cluster, shape (k,).
        rms_radius_km: Root mean square distance of a cluster's flashes to its centre on the
            ground, shape (k,), km along chords, in degrees too.
        inertia: Sum of squared distances of all flashes to their centres, square of the feature's
            unit.
    """

    labels: LabelArray
    order: npt.NDArray[np.int64]
    lat: FloatArray
    lon: FloatArray
    flash_counts: npt.NDArray[np.int64]
    rms_radius_km: FloatArray
    inertia: float


@dataclass(frozen=True, slots=True)
class MergingError:
    """What merging flashes into cells did to the result; all 0 where nothing was merged.

    Attributes:
        inertia_error: Inertia as estimated from cells over that of all flashes, less 1.
        silhouette_error: Silhouette score of a sample of flashes merged into their cells, less
            that of the same flashes taken one by one.
        relabelled_share: Share of flashes whose nearest centre is not the one of their cell.
    """

    inertia_error: float = 0.0
    silhouette_error: float = 0.0
    relabelled_share: float = 0.0


def label_flashes(
    features: ClusterFeatures,
    fit: KMeansFit,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None = None,
) -> FlashClusters:
    """Label every flash by its nearest centre.

    Args:
        features: The points that were fitted.
        fit: The fit.
        lat: Latitudes of the flashes behind the points, in the same order, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        hours: Times since the window's start, shape (n,), h; None without a time scale.

    Returns:
        The flashes' clusters.
    """
    center_lat, center_lon = features.space.locate(fit.centers)
    ground = to_unit_vectors(center_lat, center_lon)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(lat), _BLOCK)]

    def label(block: slice) -> tuple[LabelArray, float, FloatArray]:
        when = None if hours is None else hours[block]
        points = _project(features, block, lat[block], lon[block], when)
        labels, squared = find_nearest(points, fit.centers)
        offsets = to_unit_vectors(lat[block], lon[block]) - ground[labels]
        radii = sum_groups(labels, (offsets**2).sum(axis=1), fit.n_clusters)
        return labels, float(squared.sum()), radii

    results = map_threads(label, blocks)
    labels = np.concatenate([result[0] for result in results])
    counts = np.bincount(labels, minlength=fit.n_clusters)
    order = np.lexsort((center_lon, center_lat, -counts))
    number = np.empty(fit.n_clusters, dtype=np.int32)
    number[order] = np.arange(fit.n_clusters)
    squares = np.sum([result[2] for result in results], axis=0)[order]
    return FlashClusters(
        labels=number[labels],
        order=order,
        lat=center_lat[order],
        lon=center_lon[order],
        flash_counts=counts[order],
        rms_radius_km=EARTH_RADIUS_KM * np.sqrt(squares / np.maximum(counts[order], 1)),
        inertia=float(sum(result[1] for result in results)),
    )


def measure_merging(
    features: ClusterFeatures,
    fit: KMeansFit,
    clusters: FlashClusters,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None = None,
) -> MergingError:
    """Measure what merging flashes into cells did to the chosen partition.

    Args:
        features: The points that were fitted.
        fit: The fit, its inertia over points only.
        clusters: The flashes' clusters.
        lat: Latitudes of the flashes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        hours: Times since the window's start, shape (n,), h; None without a time scale.

    Returns:
        The errors.
    """
    if features.cells is None:
        return MergingError()
    of_cell = fit.labels[features.index]
    of_flash = clusters.order[clusters.labels]
    # The same flashes both times, so that the luck of the sample drops out of the difference.
    part = slice(None, None, -(-features.n_flashes // _SAMPLE))
    here = _project(features, part, lat[part], lon[part], None if hours is None else hours[part])
    found, counts = np.unique(features.index[part], return_counts=True)
    shares = counts / features.weights[found]
    merged = _score(
        features.points[found], counts, fit.labels[found], features.scatter[found] * shares
    )
    alone = np.ones(len(here))
    estimate = fit.inertia + float(features.scatter.sum())
    return MergingError(
        inertia_error=estimate / clusters.inertia - 1.0,
        silhouette_error=merged - _score(here, alone, of_flash[part], np.zeros(len(here))),
        relabelled_share=float(np.mean(of_cell != of_flash)),
    )


def _project(
    features: ClusterFeatures,
    part: slice,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None,
) -> FloatArray:
    """Points of some flashes; the very ones that were fitted where each flash is a point."""
    if features.cells is None:
        return features.points[part]
    return features.space.project(lat, lon, hours)


def _score(
    points: FloatArray,
    weights: npt.NDArray[np.floating] | npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    scatter: FloatArray,
) -> float:
    """Silhouette score of a sample, in which some clusters may be missing."""
    present = np.unique(labels, return_inverse=True)[1]
    masses = np.asarray(weights, dtype=np.float64)
    return float(silhouette_scores(points, masses, [present], scatter)[0])
