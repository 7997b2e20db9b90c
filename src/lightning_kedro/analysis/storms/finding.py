"""Storms among flashes: dense flashes, followed through time or taken as they are."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.book import NO_STORM
from lightning_kedro.analysis.storms.core import find_core
from lightning_kedro.analysis.storms.dbscan import Density, cluster_dense
from lightning_kedro.analysis.storms.memory import TrackOptions
from lightning_kedro.analysis.storms.pixels import IntArray, find_ends
from lightning_kedro.analysis.storms.tracking import Tracks, track_storms
from lightning_kedro.analysis.workers import THREADS, Workers

TRACKED: Final = "tracked"
DBSCAN: Final = "dbscan"


def find_storms(
    lat: npt.ArrayLike,
    lon: npt.ArrayLike,
    minutes: FloatArray,
    density: Density,
    tracking: TrackOptions | None,
    workers: Workers = THREADS,
) -> Tracks:
    """Find the storm of each flash.

    Args:
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees, any turn.
        minutes: Times, shape (n,), minutes since 1970-01-01, rising.
        density: How dense flashes of storms are.
        tracking: How storms are followed; None takes the clusters of DBSCAN for storms.
        workers: Who finds dense flashes, part by part of their time, if storms are followed; what
            is gathered to follow them is larger than the flashes, and stays here.

    Returns:
        The storms, from 0 in the order of their first flashes; -1 for noise. Border flashes are of
        the storm of their nearest core flash.
    """
    lat, lon = np.asarray(lat), np.asarray(lon)
    if tracking is None:
        labels = cluster_dense(lat, lon, minutes, density).labels
        none = np.full(int(labels.max(initial=-1)) + 1, NO_STORM, dtype=np.int64)
        return _number_by_first(Tracks(labels, none, none))
    nearest = find_core(lat, lon, minutes, density, workers)
    core = np.flatnonzero(nearest == np.arange(nearest.size))
    tracks = track_storms(lat[core], lon[core], minutes[core], tracking)
    of_core = np.full(minutes.size, NO_STORM, dtype=np.int64)
    of_core[core] = tracks.labels
    labels = np.where(nearest >= 0, of_core[nearest], NO_STORM)
    return _number_by_first(Tracks(labels, tracks.merged_into, tracks.split_from))


def _number_by_first(tracks: Tracks) -> Tracks:
    """Number storms by their first flashes, border flashes included."""
    n = tracks.merged_into.size
    order = np.argsort(find_ends(tracks.labels, n)[0], kind="stable")
    rank = np.full(n + 1, NO_STORM, dtype=np.int64)  # the last one is for -1
    rank[order] = np.arange(n)
    return Tracks(
        rank[tracks.labels], rank[tracks.merged_into[order]], rank[tracks.split_from[order]]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """The first and last flash of each storm, shape (storms,) each."""

    first: IntArray
    last: IntArray


def find_lives(labels: IntArray) -> Lives:
    """Find the first and the last flash of each storm; ``labels`` in order of time, shape (n,)."""
    return Lives(*find_ends(labels, int(labels.max(initial=-1)) + 1))
