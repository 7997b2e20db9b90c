"""Tracks judged without a truth, as NSSL does.

See Lakshmanan & Smith (2010, doi:10.1175/2009WAF2222330.1).

Good tracks are long, straight, and of storms that keep their size: chance breaks make them short,
wrong links make them crooked and their sizes jump.
"""

from dataclasses import dataclass

import numpy as np

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms.motion import (
    find_centroids,
    find_pixels,
    measure_footprints,
)
from lightning_kedro.analysis.storms.pixels import IntArray


@dataclass(frozen=True, slots=True)
class TrackQuality:
    """Scores of the tracks of a window.

    Attributes:
        duration_minutes: Median length in time, minutes.
        linearity_km: Median over tracks of the RMS distance of centroids from a straight line, km.
        size_change: Median over tracks of the standard deviation of their footprints, as a share of
            their mean: the size consistency, less is better.
        n_tracks: Tracks that were scored: those of three steps or more.
    """

    duration_minutes: float
    linearity_km: float
    size_change: float
    n_tracks: int


def score_tracks(
    labels: IntArray, minutes: FloatArray, lat: FloatArray, lon: FloatArray, step_minutes: float
) -> TrackQuality:
    """Score tracks.

    Args:
        labels: Storm of each flash, shape (n,); -1 for noise.
        minutes: Times, shape (n,), minutes.
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        step_minutes: Centroids and footprints are taken step by step of this length.

    Returns:
        The scores; NaN where there is no track of three steps.
    """
    kept = labels >= 0
    steps = np.floor(minutes[kept] / step_minutes).astype(np.int64)
    steps -= steps.min(initial=np.iinfo(np.int64).max)
    stride = int(steps.max(initial=0)) + 1
    keys, group = np.unique(labels[kept] * stride + steps, return_inverse=True)
    places = lat[kept], lon[kept]
    sizes = measure_footprints(group, find_pixels(*places), keys.size)
    points = EARTH_RADIUS_KM * to_unit_vectors(
        *find_centroids(group, to_unit_vectors(*places), keys.size)
    )
    storm, step = np.divmod(keys, stride)
    tracks = [
        _score_track(points[mine], step[mine], sizes[mine], step_minutes)
        for mine in np.split(np.arange(keys.size), np.flatnonzero(np.diff(storm)) + 1)
        if mine.size >= _FEWEST_STEPS
    ]
    if not tracks:
        return TrackQuality(np.nan, np.nan, np.nan, 0)
    duration, distance, change = np.median(tracks, axis=0).tolist()
    return TrackQuality(duration, distance, change, len(tracks))


_FEWEST_STEPS = 3


def _score_track(
    points: FloatArray, steps: IntArray, sizes: FloatArray, step_minutes: float
) -> tuple[float, float, float]:
    """Duration, distance from a straight track, and relative spread of size of one track."""
    time = steps - steps.mean()
    offsets = points - points.mean(axis=0)
    slope = time @ offsets / (time @ time)
    residuals = offsets - time[:, np.newaxis] * slope
    distance = float(np.sqrt((residuals**2).sum(axis=1).mean()))
    duration = float(steps[-1] - steps[0] + 1) * step_minutes
    return duration, distance, float(sizes.std() / sizes.mean())
