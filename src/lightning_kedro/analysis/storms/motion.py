"""What flashes say of their storms: where, how large, how bright, and how fast they move."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_lat_lon
from lightning_kedro.analysis.storms.pixels import IntArray, PixelGrid, list_ranges, sort_keys
from lightning_kedro.analysis.sums import sum_groups

FOOTPRINT_KM: Final = 8.0
"""Side of the pixels that a footprint is counted in, km: about GLM's own at nadir."""

_FOOTPRINTS: Final = PixelGrid(FOOTPRINT_KM * float(np.sqrt(2.0)))

LEAST_DURATION_MINUTES: Final = 10.0
"""Storms seen for less have no motion, as scatter would be all of it."""

_SECONDS_PER_MINUTE: Final = 60.0
_METRES_PER_KM: Final = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How storms move, each array of shape (storms,).

    Attributes:
        speed_m_s: Speed of the centroid, m/s; NaN where it is not known.
        direction_deg: Where it goes to, degrees clockwise from north, 0 to 360; NaN likewise.
        r_squared: Share of the scatter of the centroids by step that a straight track accounts for,
            0 to 1; NaN likewise.
    """

    speed_m_s: FloatArray
    direction_deg: FloatArray
    r_squared: FloatArray


def find_centroids(
    groups: IntArray, vectors: FloatArray, n_groups: int
) -> tuple[FloatArray, FloatArray]:
    """Mean places of groups of flashes.

    Args:
        groups: Group of each flash, shape (n,), from 0.
        vectors: Their places as unit vectors, shape (n, 3).
        n_groups: Number of groups, none of them empty.

    Returns:
        Latitudes and longitudes, shape (groups,) each, degrees: of the mean of the unit vectors.
    """
    sums = [sum_groups(groups, column, n_groups) for column in vectors.T]
    return to_lat_lon(np.stack(sums, axis=1))


def find_pixels(lat: FloatArray, lon: FloatArray) -> IntArray:
    """The pixels that footprints are counted in, shape (n,); places in degrees."""
    return _FOOTPRINTS.find_keys(lat, lon)


def measure_footprints(groups: IntArray, pixels: IntArray, n_groups: int) -> FloatArray:
    """Area of the pixels in which each group has flashes, km2, shape (groups,).

    Unlike a convex hull it takes no notice of the empty ground between a storm and a stray flash.

    Args:
        groups: Group of each flash, shape (n,), from 0.
        pixels: Its pixel, shape (n,), as ``find_pixels`` gives it.
        n_groups: Number of groups; those without flashes have no area.
    """
    stride = int(pixels.max(initial=0)) + 1
    pairs = np.sort(groups * stride + pixels)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    group, pixel = np.divmod(pairs, stride)
    return sum_groups(group, _FOOTPRINTS.find_areas(pixel), n_groups)


def measure_lasting_footprints(
    periods: IntArray, pixels: IntArray, ends: IntArray, length: int
) -> FloatArray:
    """Footprints of the flashes of each period and of those just before it.

    Args:
        periods: Period of each flash, counted through those of all groups, shape (n,), from 0.
        pixels: Its pixel, shape (n,), as ``find_pixels`` gives it.
        ends: The end of its group's periods, shape (n,).
        length: How many periods a flash counts in, its own included, if its group has so many.

    Returns:
        Area of the pixels, km2, shape (periods,).
    """
    n_periods = int(ends.max(initial=0))
    keys, order = sort_keys(pixels * n_periods + periods)
    some = np.flatnonzero(np.diff(keys, prepend=-1))
    pixel, period = np.divmod(keys[some], max(n_periods, 1))
    # A pixel counts until its group ends, or until it has a flash again.
    until = np.minimum(period + length, ends[order[some]])
    again = np.flatnonzero(np.diff(pixel) == 0)
    until[again] = np.minimum(until[again], period[again + 1])
    counts = until - period
    areas = np.repeat(_FOOTPRINTS.find_areas(pixel), counts)
    return sum_groups(list_ranges(period, counts), areas, n_periods)


def fit_motion(
    groups: IntArray,
    minutes: FloatArray,
    vectors: FloatArray,
    centers: tuple[FloatArray, FloatArray],
) -> Motion:
    """Fit a steady motion to the flashes of each storm.

    The slope of a least squares line through eastward and northward distances from the storm's
    centroid against time; distances are along the local horizon, which is right to 1 % within
    1,000 km.

    Args:
        groups: Storm of each flash, shape (n,), from 0.
        minutes: Times, shape (n,), minutes.
        vectors: Places as unit vectors, shape (n, 3).
        centers: Latitudes and longitudes of the storms' centroids, shape (storms,) each, degrees.

    Returns:
        The motion of each storm.
    """
    n = centers[0].size
    count = np.maximum(np.bincount(groups, minlength=n), 1)
    east, north = _project(groups, vectors, centers)
    time = minutes - (sum_groups(groups, minutes, n) / count)[groups]
    spread = sum_groups(groups, time**2, n)
    start, end = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(start, groups, minutes)
    np.maximum.at(end, groups, minutes)
    known = (end - start >= LEAST_DURATION_MINUTES) & (spread > 0.0)
    safe = np.where(known, spread, 1.0)
    slopes, scatter = [], np.zeros(n)
    for distance in (east, north):
        slopes.append(sum_groups(groups, distance * time, n) / safe)
        offset = distance - (sum_groups(groups, distance, n) / count)[groups]
        scatter += sum_groups(groups, offset**2, n)
    explained = (slopes[0] ** 2 + slopes[1] ** 2) * safe
    share = explained / np.where(scatter > 0.0, scatter, 1.0)
    speed = np.hypot(*slopes) * _METRES_PER_KM / _SECONDS_PER_MINUTE
    direction = np.mod(np.degrees(np.arctan2(*slopes)), 360.0)
    return Motion(*(np.where(known, values, np.nan) for values in (speed, direction, share)))


def _project(
    groups: IntArray, vectors: FloatArray, centers: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Eastward and northward distances of flashes from their storms' centroids, km."""
    phi, lam = (np.radians(values) for values in centers)
    zero = np.zeros(phi.size)
    easts = np.stack([-np.sin(lam), np.cos(lam), zero], axis=1)
    norths = np.stack([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)], axis=1)
    points = EARTH_RADIUS_KM * vectors
    east, north = (
        np.einsum("ij,ij->i", points, axes.take(groups, axis=0)) for axes in (easts, norths)
    )
    return np.asarray(east), np.asarray(north)
