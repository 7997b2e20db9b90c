"""From centers to flashes: which cluster each flash is in, and what clusters are like."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.features import ClusterFeatures, FeatureSpace
from lightning_kedro.analysis.kmeans import KMeansFit, LabelArray, find_nearest
from lightning_kedro.analysis.silhouette import silhouette_scores
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.workers import THREADS, Workers

_BLOCK: Final = 2**16  # flashes labelled at a time
_LABEL_SECONDS: Final = 500e-9  # what one core takes to label a flash
_SAMPLE: Final = 4000  # flashes on which the error of the silhouette is measured
_FEW: Final = 10  # of each cluster at least, or all where it has no more
_ROUNDING: Final = 1e-9  # distances are right to less than this share of the largest coordinate

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlashClusters:
    """Flashes in clusters, numbered from 0 by falling number of flashes.

    Attributes:
        labels: Cluster of each flash, the one with the nearest center, shape (n,).
        order: Number in the fit of each cluster, shape (k,).
        lat: Latitude of each center, shape (k,), degrees.
        lon: Longitude of each center, shape (k,), degrees in (-180, 180].
        flash_counts: Flashes of each cluster, shape (k,).
        rms_radius_km: Root mean square distance of a cluster's flashes to its center on the
            ground, shape (k,), km along chords, in degrees too.
        inertia: Sum of squared distances of all flashes to their centers, square of the feature's
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
        silhouette_error: Silhouette score of flashes merged into their cells, less that of the
            same flashes taken one by one: of all, or of a sample.
        relabelled_share: Share of flashes whose nearest center is not the one of their cell.
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
    workers: Workers = THREADS,
) -> FlashClusters:
    """Label every flash by its nearest center.

    Args:
        features: The points that were fitted.
        fit: The fit.
        lat: Latitudes of the flashes behind the points, in the same order, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        hours: Times since the window's start, shape (n,), h; None without a time scale.
        workers: Who labels flashes.

    Returns:
        The flashes' clusters.
    """
    center_lat, center_lon = features.space.locate(fit.centers)
    ground = to_unit_vectors(center_lat, center_lon)
    settled = _find_settled(features, fit)
    labels = np.where(settled, fit.labels, -1).astype(np.int32)[features.index]
    rows = np.flatnonzero(labels < 0)
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    tasks = [
        _Label(
            features.space,
            features.points[block] if features.cells is None else None,
            lat[block],
            lon[block],
            None if hours is None else hours[block],
            fit.centers,
            ground,
        )
        for block in blocks
    ]
    results = [*workers.run(tasks, len(rows) * _LABEL_SECONDS, "Labelling flashes")]
    for block, result in zip(blocks, results, strict=True):
        labels[block] = result[0]
    inertia, squares = _sum_settled(features, fit, settled, ground)
    counts = np.bincount(labels, minlength=fit.n_clusters)
    order = np.lexsort((center_lon, center_lat, -counts))
    number = np.empty(fit.n_clusters, dtype=np.int32)
    number[order] = np.arange(fit.n_clusters)
    squares = np.sum([squares, *(result[2] for result in results)], axis=0)[order]
    return FlashClusters(
        labels=number[labels],
        order=order,
        lat=center_lat[order],
        lon=center_lon[order],
        flash_counts=counts[order],
        rms_radius_km=EARTH_RADIUS_KM * np.sqrt(squares / np.maximum(counts[order], 1)),
        inertia=inertia + float(sum(result[1] for result in results)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Label:
    """The task of labelling some flashes.

    Attributes:
        space: How they become points.
        points: The very ones that were fitted, where each flash is a point.
        lat: Their latitudes, degrees.
        lon: Their longitudes, degrees.
        hours: Their times since the window's start, h.
        centers: Centers, shape (k, d).
        ground: Unit vectors of the centers, shape (k, 3).
    """

    space: FeatureSpace
    points: FloatArray | None
    lat: npt.NDArray[np.floating]
    lon: npt.NDArray[np.floating]
    hours: FloatArray | None
    centers: FloatArray
    ground: FloatArray

    def __call__(self) -> tuple[LabelArray, float, FloatArray]:
        """The nearest centers; and sums of squared distances: of all, and by center."""
        points = self.points
        if points is None:
            points = self.space.project(self.lat, self.lon, self.hours)
        found, squared = find_nearest(points, self.centers)
        offsets = to_unit_vectors(self.lat, self.lon) - self.ground[found]
        radii = sum_groups(found, (offsets**2).sum(axis=1), len(self.centers))
        return found, float(squared.sum()), radii


def _find_settled(features: ClusterFeatures, fit: KMeansFit) -> npt.NDArray[np.bool_]:
    """Tell which cells are so far inside a cluster that all of their flashes have its center.

    A flash no further than r from its cell's mean has the center of the mean if the next center is
    2 r further away. Only where features are places on the ground: sums of squares over such a
    cell then follow from its mean and scatter, and none of its flashes is looked at.
    """
    points = features.points
    if features.cells is None or not features.space.is_ground:
        return np.zeros(len(points), dtype=np.bool_)
    own = np.full(len(points), np.inf)
    other = np.full(len(points), np.inf)
    for number, center in enumerate(fit.centers):
        distances = np.sqrt(((points - center) ** 2).sum(axis=1))
        mine = fit.labels == number
        own[mine] = distances[mine]
        np.minimum(other, distances, out=other, where=~mine)
    margin = _ROUNDING * np.abs(points).max()
    return np.asarray(other - own > 2.0 * features.cells.radii + margin)


def _sum_settled(
    features: ClusterFeatures, fit: KMeansFit, settled: npt.NDArray[np.bool_], ground: FloatArray
) -> tuple[float, FloatArray]:
    """Inertia of the flashes in settled cells, and their squared distances on the ground.

    Args:
        features: The cells.
        fit: The fit.
        settled: Which cells, shape (m,).
        ground: Unit vectors of the centers, shape (k, 3).

    Returns:
        The inertia, km2; and sums by cluster of squared distances of unit vectors, shape (k,).
    """
    if not settled.any():
        return 0.0, np.zeros(fit.n_clusters)
    points, weights = features.points[settled], features.weights[settled]
    labels, scatter = fit.labels[settled], features.scatter[settled]
    offsets = points - fit.centers[labels]
    inertia = float((weights * (offsets**2).sum(axis=1) + scatter).sum())
    offsets = points / EARTH_RADIUS_KM - ground[labels]
    squares = weights * (offsets**2).sum(axis=1) + scatter / EARTH_RADIUS_KM**2
    return inertia, sum_groups(labels, squares, fit.n_clusters)


def measure_merging(
    features: ClusterFeatures,
    fit: KMeansFit,
    clusters: FlashClusters,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None = None,
    silhouette_error: float | None = None,
) -> MergingError:
    """Measure what merging flashes into cells did to the chosen partition.

    Args:
        features: The points that were fitted.
        fit: The fit, its inertia over points only.
        clusters: The flashes' clusters.
        lat: Latitudes of the flashes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        hours: Times since the window's start, shape (n,), h; None without a time scale.
        silhouette_error: The error of the silhouette where all flashes have been scored; where
            not, it is measured on a sample.

    Returns:
        The errors.
    """
    if features.cells is None:
        return MergingError()
    of_cell = fit.labels[features.index]
    of_flash = clusters.order[clusters.labels]
    if silhouette_error is None:
        silhouette_error = _measure_silhouette(features, fit, clusters, lat, lon, hours)
    estimate = fit.inertia + float(features.scatter.sum())
    return MergingError(
        inertia_error=estimate / clusters.inertia - 1.0,
        silhouette_error=silhouette_error,
        relabelled_share=float(np.mean(of_cell != of_flash)),
    )


def _measure_silhouette(
    features: ClusterFeatures,
    fit: KMeansFit,
    clusters: FlashClusters,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    hours: FloatArray | None,
) -> float:
    """Silhouette score of a sample of flashes in cells, less that of the same flashes."""
    # The same flashes both times, so that the luck of the sample drops out of the difference.
    part = _choose_sample(clusters)
    here = _project(features, part, lat[part], lon[part], None if hours is None else hours[part])
    found, counts = np.unique(features.index[part], return_counts=True)
    shares = counts / features.weights[found]
    merged = _score(
        features.points[found], counts, fit.labels[found], features.scatter[found] * shares
    )
    alone = np.ones(len(here))
    labels = clusters.order[clusters.labels[part]]
    return merged - _score(here, alone, labels, np.zeros(len(here)))


def _choose_sample(clusters: FlashClusters) -> IndexArray:
    """Some of the flashes, evenly spread, with a few of every cluster however small it is."""
    n = clusters.labels.size
    even = np.arange(0, n, -(-n // _SAMPLE))
    counts = np.bincount(clusters.labels[even], minlength=len(clusters.lat))
    rare = [
        np.flatnonzero(clusters.labels == number)[:_FEW] for number in np.flatnonzero(counts < _FEW)
    ]
    return np.unique(np.concatenate([even, *rare]))


def _project(
    features: ClusterFeatures,
    part: slice | IndexArray,
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
