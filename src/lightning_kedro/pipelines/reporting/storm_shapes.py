"""What storms look like on a map: outlines of their flashes, and the tracks of their centroids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import KM_PER_DEGREE, FloatArray
from lightning_kedro.pipelines.reporting.storm_window import StormWindow
from lightning_kedro.pipelines.reporting.window import Times

MOST_SHAPES: Final = 500
"""So many storms, those with the most flashes, have outlines and tracks; of others the flashes are
drawn alone."""

_MARGIN_KM: Final = 6.0  # about half a pixel of the instrument, and a line that touches no flash
_FINEST_KM: Final = 2.0
_MOST_POINTS: Final = 1500  # of an outline's flashes: more fall on a coarser grid
_CELLS: Final = 2**16  # of a grid of 2 km: thrice around the Earth
_CONCAVITY: Final = 0.25  # 0 follows every bay, 1 is the convex hull
_TOLERANCE_KM: Final = 0.6
_SPREAD_MINUTES: Final = 12.0  # of the weights by which a track is smoothed
_STIFFNESS_MINUTES: Final = 2.0  # what is seen for less than that has no slope of its own
_STEPS_MINUTES: Final = ((180, 5), (720, 10), (2880, 30))  # of a track, by how long it is
_LONGEST_STEP: Final = 60
_SHORTEST_TRACK: Final = 10.0  # minutes: as with the speed, less would be scatter
_TURN: Final = 360.0
_MINUTE: Final = np.timedelta64(60_000_000, "us")

FloatArray32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class StormShape:
    """A storm on a map; longitudes are in one piece, and may lie beyond 180 degrees.

    Attributes:
        outline: A closed line about its flashes, shape (p, 2): longitude and latitude, degrees.
        track: Smoothed centroids in order of time, shape (t, 2), degrees; a single one of storms
            seen for less than ten minutes.
        times: When it was there, shape (t,), datetime64[us], UTC.
    """

    outline: FloatArray
    track: FloatArray
    times: Times

    def place_at(self, time: np.datetime64) -> FloatArray:
        """Where the storm was, shape (2,), degrees; at the nearer end before and after its life."""
        at = np.array([time], dtype="datetime64[us]").astype(np.int64)
        known = self.times.astype(np.int64)
        return np.concatenate([np.interp(at, known, column) for column in self.track.T])


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """The shapes of many storms as a few arrays, for the way from node to node.

    Attributes:
        outline: The outlines' points, one storm after the other, shape (p, 2).
        outline_ends: Where each outline ends among them, shape (m,).
        track: The tracks' points, shape (t, 2).
        times: Their times, shape (t,).
        track_ends: Where each track ends among them, shape (m,).
    """

    outline: FloatArray
    outline_ends: npt.NDArray[np.int64]
    track: FloatArray
    times: Times
    track_ends: npt.NDArray[np.int64]

    @classmethod
    def join(cls, shapes: Sequence[StormShape]) -> "Shapes":
        """Put shapes one after the other."""
        outlines = [shape.outline for shape in shapes] or [np.empty((0, 2))]
        tracks = [shape.track for shape in shapes] or [np.empty((0, 2))]
        times = [shape.times for shape in shapes] or [np.empty(0, dtype="datetime64[us]")]
        return cls(
            np.concatenate(outlines),
            np.cumsum([len(shape.outline) for shape in shapes], dtype=np.int64),
            np.concatenate(tracks),
            np.concatenate(times),
            np.cumsum([len(shape.track) for shape in shapes], dtype=np.int64),
        )

    def split(self) -> list[StormShape]:
        """The shapes, one a storm."""
        edges = (self.outline_ends[:-1], self.track_ends[:-1], self.track_ends[:-1])
        arrays = (self.outline, self.track, self.times)
        parts = [np.split(array, at) for array, at in zip(arrays, edges, strict=True)]
        return [StormShape(*part) for part in zip(*parts, strict=True)][: self.track_ends.size]


def shape_storms(storms: StormWindow, lat: FloatArray32, lon: FloatArray32) -> list[StormShape]:
    """Shape the storms with the most flashes, ``MOST_SHAPES`` of them at most.

    Args:
        storms: The storms; where their shapes are known already, these are taken.
        lat: Latitudes of the window's flashes, shape (n,), degrees.
        lon: Longitudes of the window's flashes, shape (n,), degrees.
    """
    if storms.shapes is not None:
        return storms.shapes.split()
    count = min(len(storms), MOST_SHAPES)
    if not count:
        return []
    centers = storms.storms[["lon", "lat"]].to_numpy(float)[:count]
    shown = np.flatnonzero((storms.labels >= 0) & (storms.labels < count))
    outlines = trace_outlines(lat[shown], lon[shown], storms.labels[shown], centers)
    tracks = [follow_track(storms, storm, center) for storm, center in enumerate(centers)]
    return [StormShape(outline, *track) for outline, track in zip(outlines, tracks, strict=True)]


def trace_outline(lat: FloatArray32, lon: FloatArray32, center: FloatArray) -> FloatArray:
    """Trace a closed line about flashes, as ``trace_outlines`` does about groups of them.

    Args:
        lat: Latitudes, shape (n,), degrees, at least one.
        lon: Longitudes, shape (n,), degrees.
        center: Longitude and latitude of their middle, degrees.
    """
    return trace_outlines(lat, lon, np.zeros(lat.size, dtype=np.int64), center[None])[0]


def trace_outlines(
    lat: FloatArray32, lon: FloatArray32, group: npt.NDArray[np.integer], centers: FloatArray
) -> list[FloatArray]:
    """Trace closed lines about groups of flashes, with bays where there are none.

    Args:
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
        group: Group of each flash, shape (n,), from 0 to g - 1; each has at least one.
        centers: Longitude and latitude of the groups' middles, shape (g, 2), degrees.

    Returns:
        A line a group, shape (p, 2): longitude in the turn around the center and latitude, the
        first point again at the end. The concave hull (Shapely's, GEOS 3.11) with a margin of 6 km.
    """
    import shapely

    scales = np.column_stack([np.cos(np.radians(centers[:, 1])), np.ones(len(centers))])
    scales *= KM_PER_DEGREE
    places = np.column_stack([unwind(lon, centers[group, 0]), lat]) - centers[group]
    points, of = _thin(places * scales[group], group, len(centers))
    # Hulls are of the points of any geometry; a line is made at once, not point by point.
    lone = np.flatnonzero(np.bincount(of, minlength=len(centers)) == 1)
    again = np.searchsorted(of, lone)  # a line has two points
    points, of = np.insert(points, again, points[again], axis=0), np.insert(of, again, lone)
    hulls: Any = shapely.concave_hull(shapely.linestrings(points, indices=of), ratio=_CONCAVITY)
    grown = shapely.buffer(shapely.buffer(hulls, 3.0 * _MARGIN_KM), -2.0 * _MARGIN_KM)
    rings = shapely.get_exterior_ring(shapely.simplify(grown, _TOLERANCE_KM))
    line, at = shapely.get_coordinates(rings, return_index=True)
    edges = np.searchsorted(at, np.arange(1, len(centers)))
    return np.split(line / scales[at] + centers[at], edges)


def unwind(lon: npt.ArrayLike, middle: float) -> FloatArray:
    """Longitudes in the turn around a middle, degrees."""
    offset = np.asarray(lon, dtype=np.float64) - middle
    return np.asarray(middle + np.mod(offset + _TURN / 2.0, _TURN) - _TURN / 2.0)


def _thin(
    points: FloatArray, group: npt.NDArray[np.integer], n_groups: int
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Points of grids on which others lie, in order of their groups: as fine as keeps them few.

    Args:
        points: Shape (n, 2), km.
        group: Group of each, shape (n,).
        n_groups: Number of groups.

    Returns:
        Points of the grids, shape (m, 2), km; and their groups, shape (m,).
    """
    found: list[FloatArray] = []
    groups: list[npt.NDArray[np.int64]] = []
    step = _FINEST_KM
    while group.size:
        column, row = np.round(points / step).astype(np.int64).T + _CELLS // 2
        codes = np.unique((group.astype(np.int64) * _CELLS + column) * _CELLS + row)
        of, cells = codes // _CELLS**2, np.column_stack([codes // _CELLS, codes]) % _CELLS
        is_many = np.bincount(of, minlength=n_groups) > _MOST_POINTS
        few = ~is_many[of]
        found.append((cells[few] - _CELLS // 2) * step)
        groups.append(of[few])
        many = is_many[group]
        points, group = points[many], group[many]
        step *= 2.0
    of = np.concatenate([*groups, np.empty(0, dtype=np.int64)])
    order = np.argsort(of, kind="stable")
    return np.concatenate([*found, np.empty((0, 2))])[order], of[order]


def follow_track(storms: StormWindow, storm: int, center: FloatArray) -> tuple[FloatArray, Times]:
    """Smooth the centroids of a storm's minutes.

    Args:
        storms: The storms.
        storm: Which one.
        center: Its longitude and latitude, degrees.

    Returns:
        Places, shape (t, 2), degrees, and their times, shape (t,): a straight line is fitted to the
        centroids about each of them, weighted by their flashes and nearness in time, so that the
        ends are not drawn towards the middle.
    """
    series = storms.minutes.take(storm)
    minutes = series.minute
    duration = storms.storms["duration_minutes"].to_numpy()[storm]
    if duration < _SHORTEST_TRACK or minutes.size < 2:  # noqa: PLR2004
        return center[None], minutes[-1:] + _MINUTE // 2
    at = (minutes - minutes[0]) / _MINUTE
    steps = _choose_steps(float(at[-1]))
    places = np.column_stack([unwind(series.lon, center[0]), series.lat]) - center
    smooth = smooth_places(at, places, series.count, steps)
    times = minutes[0] + np.round(steps * 60e6).astype("timedelta64[us]") + _MINUTE // 2
    return smooth + center, times


def _choose_steps(length: float) -> FloatArray:
    """When a track of that many minutes has points, shape (t,), minutes from its start."""
    step = next((step for most, step in _STEPS_MINUTES if length <= most), _LONGEST_STEP)
    count = max(round(length / step), 2)
    return np.linspace(0.0, length, count + 1)


def smooth_places(
    at: FloatArray, places: FloatArray, weights: FloatArray, steps: FloatArray
) -> FloatArray:
    """Places by local linear regression (Cleveland 1979, doi:10.1080/01621459.1979.10481038).

    Args:
        at: Times of the places, shape (n,), minutes.
        places: The places, shape (n, 2).
        weights: How much each counts, shape (n,).
        steps: When places are asked for, shape (t,), minutes.

    Returns:
        Shape (t, 2).
    """
    offset = at - steps[:, None]
    near = weights * np.exp(-0.5 * np.square(offset / _SPREAD_MINUTES)) + 1e-12 * weights
    zeroth, first = near.sum(axis=1), (near * offset).sum(axis=1)
    second = (near * offset**2).sum(axis=1) + zeroth * _STIFFNESS_MINUTES**2
    sums, moments = near @ places, (near * offset) @ places
    spread = zeroth * second - first**2
    smooth = second[:, None] * sums - first[:, None] * moments
    return np.asarray(smooth / spread[:, None])


def link_kin(storms: StormWindow, shapes: Sequence[StormShape]) -> list[FloatArray]:
    """Lines between storms and those that they parted from or went into, where both are shaped.

    Returns:
        Lines of two points, shape (2, 2), degrees, in the direction of time: from where a storm was
        when another one parted from it to where that one began; and from where one ended to where
        the storm that it had met was then.
    """
    numbers = dict(zip(storms.storms["storm_id"][: len(shapes)], range(len(shapes)), strict=True))
    lines = []
    for name, end in (("split_from", 0), ("merged_into", -1)):
        for storm, kin in enumerate(storms.storms[name][: len(shapes)]):
            if kin not in numbers or numbers[kin] == storm:
                continue
            mine, other = shapes[storm], shapes[numbers[kin]]
            here, there = mine.track[end], other.place_at(mine.times[end])
            there = np.array([unwind(there[0], here[0]), there[1]])
            lines.append(np.array([there, here] if end == 0 else [here, there]))
    return lines
