"""What flashes say of their storms: where, how large, how bright, and how fast they move."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_lat_lon
from lightning_kedro.analysis.storms.pixels import IntArray, PixelGrid, list_ranges, sort_keys
from lightning_kedro.analysis.sums import sum_groups, sum_runs

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
        groups: Storm of each flash, shape (n,), from 0, rising.
        minutes: Times, shape (n,), minutes, rising within a storm.
        vectors: Places as unit vectors, shape (n, 3).
        centers: Latitudes and longitudes of the storms' centroids, shape (storms,) each, degrees.

    Returns:
        The motion of each storm, each of which has flashes.
    """
    # All follows from sums of times, of places, and of their products: distances eastward and
    # northward are linear in places, so that none has to be measured flash by flash.
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    counts = np.diff(starts, append=groups.size)
    time = minutes - np.repeat(minutes[starts], counts)
    places = np.ascontiguousarray(vectors.T)
    sums, moments = sum_runs(starts, places), sum_runs(starts, places * time)
    squares = _sum_products(starts, places)
    times = sum_runs(starts, time)
    spread = sum_runs(starts, time**2) - times**2 / counts
    duration = time[starts + counts - 1] if groups.size else time
    known = (duration >= LEAST_DURATION_MINUTES) & (spread > 0.0)
    safe = np.where(known, spread, 1.0)
    slopes, scatter = [], np.zeros(starts.size)
    for axis in _list_axes(centers):
        along = (axis * sums).sum(axis=0)
        shared = (axis * moments).sum(axis=0) - along * times / counts
        slopes.append(EARTH_RADIUS_KM * shared / safe)
        square = np.einsum("is,ijs,js->s", axis, squares, axis) - along**2 / counts
        scatter += EARTH_RADIUS_KM**2 * np.maximum(square, 0.0)
    explained = (slopes[0] ** 2 + slopes[1] ** 2) * safe
    share = explained / np.where(scatter > 0.0, scatter, 1.0)
    speed = np.hypot(*slopes) * _METRES_PER_KM / _SECONDS_PER_MINUTE
    direction = np.mod(np.degrees(np.arctan2(*slopes)), 360.0)
    return Motion(*(np.where(known, values, np.nan) for values in (speed, direction, share)))


def _sum_products(starts: IntArray, places: FloatArray) -> FloatArray:
    """Sums by run of the products of coordinates, shape (3, 3, runs)."""
    products = np.empty((3, 3, starts.size))
    for one in range(3):
        for two in range(one, 3):
            products[one, two] = sum_runs(starts, places[one] * places[two])
            products[two, one] = products[one, two]
    return products


def _list_axes(centers: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Unit vectors eastward and northward at centroids, shape (3, storms) each."""
    phi, lam = (np.radians(values) for values in centers)
    zero = np.zeros(phi.size)
    easts = np.stack([-np.sin(lam), np.cos(lam), zero])
    norths = np.stack([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    return easts, norths
