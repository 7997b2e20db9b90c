"""Pixels of nearly equal area on the sphere, which need no neighbors across a seam.

The sphere is cut into rows of equal latitude, and each row into pixels that are at most as wide as
they are high. Neighbors are found by the distance of places in space, so that nothing special
happens at 180 degrees or at the poles.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors

IntArray = npt.NDArray[np.int64]

_SLACK: Final = 1e-9
"""Two points of a pixel are nearer than its diagonal by this share at least, rounding included."""


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """Pixels whose diagonal is at most some length.

    Attributes:
        diagonal_km: Two places in one pixel are never farther apart than this, as a chord, km.
    """

    diagonal_km: float

    @property
    def height_deg(self) -> float:
        """Height of a row, degrees of latitude."""
        side_km = self.diagonal_km * (1.0 - _SLACK) / np.sqrt(2.0)
        return float(np.degrees(side_km / EARTH_RADIUS_KM))

    def find_keys(self, lat: npt.ArrayLike, lon: npt.ArrayLike) -> IntArray:
        """Number the pixels in which places lie.

        Args:
            lat: Latitudes, shape (n,), degrees in [-90, 90].
            lon: Longitudes, shape (n,), degrees, any turn.

        Returns:
            Shape (n,), int64: the same key for the places of one pixel, on every call.
        """
        row = ((np.asarray(lat, dtype=np.float64) + 90.0) / self.height_deg).astype(np.int64)
        columns = self._count_columns(row)
        turn = np.asarray(lon, dtype=np.float64) / 360.0
        turn = turn - np.floor(turn)
        column = np.minimum((turn * columns).astype(np.int64), columns.astype(np.int64) - 1)
        return np.asarray(row * self._stride + column)

    def find_centers(self, keys: IntArray) -> FloatArray:
        """Middles of pixels, km from the center of the Earth, shape (n, 3)."""
        row, column = np.divmod(keys, self._stride)
        lat = np.minimum((row + 0.5) * self.height_deg - 90.0, 90.0)
        lon = (column + 0.5) * 360.0 / self._count_columns(row)
        return EARTH_RADIUS_KM * to_unit_vectors(lat, lon)

    def find_areas(self, keys: IntArray) -> FloatArray:
        """Areas of pixels, km2, shape (n,)."""
        row = keys // self._stride
        south = np.radians(row * self.height_deg - 90.0)
        north = np.minimum(south + np.radians(self.height_deg), np.pi / 2.0)
        zone = 2.0 * np.pi * EARTH_RADIUS_KM**2 * (np.sin(north) - np.sin(south))
        return np.asarray(zone / self._count_columns(row))

    @property
    def _stride(self) -> int:
        """More than there are pixels in any row."""
        return int(360.0 / self.height_deg) + 2

    def _count_columns(self, row: IntArray) -> FloatArray:
        """Pixels in rows: so many that none is wider, where its row is longest, than high."""
        every = np.arange(int(180.0 / self.height_deg) + 2, dtype=np.float64)
        return self._count_all_columns(every)[row]

    def _count_all_columns(self, row: FloatArray) -> FloatArray:
        """The same without a table."""
        south = row * self.height_deg - 90.0
        north = south + self.height_deg
        widest = np.where(south * north <= 0.0, 0.0, np.minimum(np.abs(south), np.abs(north)))
        return np.maximum(np.ceil(np.cos(np.radians(widest)) * 360.0 / self.height_deg), 1.0)


def find_near(
    centers: FloatArray, reach_km: float, *, both_ways: bool = True
) -> tuple[IntArray, IntArray]:
    """List for each of some places the others near it.

    Args:
        centers: Shape (n, 3), km.
        reach_km: Places are near up to this distance, km.
        both_ways: Whether each pair is listed for both of its places, or for the first only.

    Returns:
        Where the list of each place begins, shape (n + 1,), and the near places, one list after
        the other, rising within a list.
    """
    from scipy.spatial import cKDTree

    pairs = cKDTree(centers).query_pairs(reach_km, output_type="ndarray")
    keys = pairs[:, 0] * len(centers) + pairs[:, 1]
    if both_ways:
        keys = np.concatenate([keys, pairs[:, 1] * len(centers) + pairs[:, 0]])
    keys.sort()
    first, second = np.divmod(keys, max(len(centers), 1))
    starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=len(centers)))])
    return starts.astype(np.int64), second


def number_keys(keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Number the different ones of some keys.

    Args:
        keys: Shape (n,).

    Returns:
        The different keys, rising, and how often there is each, shape (m,); and the number of each
        key among them, shape (n,).
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    counts = np.diff(starts, append=ordered.size)
    numbers = np.empty(keys.size, dtype=np.int64)
    numbers[order] = np.repeat(np.arange(starts.size), counts)
    return ordered[starts], counts, numbers


def find_ends(labels: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Find the first and the last row of each label.

    Args:
        labels: Shape (rows,), each of 0 to n - 1, or -1 for none.
        n: Number of labels, each of which there is.

    Returns:
        The first and the last rows, shape (n,) each.
    """
    first, last = np.zeros(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    rows = np.arange(labels.size)
    last[labels] = rows  # of values for one place the last one stays; -1 is the last place
    first[labels[::-1]] = rows[::-1]
    return first[:n], last[:n]


def connect(first: IntArray, second: IntArray, n: int) -> tuple[int, IntArray]:
    """Number the parts of a graph.

    Args:
        first: Nodes, shape (m,).
        second: Nodes that these are joined to, shape (m,).
        n: Number of nodes.

    Returns:
        How many parts there are, and that of each node, shape (n,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(first.size, dtype=np.int8), (first, second)), shape=(n, n))
    n_parts, parts = connected_components(graph, directed=False)
    return int(n_parts), parts.astype(np.int64)


def list_ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """All whole numbers of ranges one after the other.

    Args:
        starts: First number of each range, shape (m,).
        counts: Length of each range, shape (m,).

    Returns:
        Shape (sum of counts,).
    """
    ends = np.cumsum(counts)
    shifts = np.repeat(starts - ends + counts, counts)
    return np.arange(shifts.size, dtype=np.int64) + shifts
