"""Pixels of nearly equal area on the sphere, which need no neighbors across a seam.

The sphere is cut into rows of equal latitude, and each row into pixels that are at most as wide as
they are high. Neighbors are found by the distance of places in space, so that nothing special
happens at 180 degrees or at the poles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors

IntArray = npt.NDArray[np.int64]

_KEY_BITS: Final = 63
"""Bits of a whole number, without its sign."""

_TURN_ERROR: Final = 1e-7
_COLUMN_ERROR: Final = 1e-3
"""How far off reaches may be by rounding, in turns of the Earth and in columns, and more."""

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
        row = np.arange(int(180.0 / self.height_deg) + 2)
        south = np.radians(row * self.height_deg - 90.0)
        north = np.minimum(south + np.radians(self.height_deg), np.pi / 2.0)
        zone = 2.0 * np.pi * EARTH_RADIUS_KM**2 * (np.sin(north) - np.sin(south))
        return np.asarray((zone / self._count_columns(row))[keys // self._stride])

    def find_near(self, keys: IntArray, reach_km: float) -> "NearPixels":
        """List for each of some pixels the others whose middles are near its own.

        Args:
            keys: Different pixels, shape (n,), rising.
            reach_km: Middles are near up to this chord, km.
        """
        n, centers = keys.size, self.find_centers(keys).T
        pairs = [np.empty(0, dtype=np.int64)]
        for here, there in self._list_candidates(keys, reach_km):
            squares = np.zeros(here.size)
            for values in centers:
                squares += (values[here] - values[there]) ** 2
            kept = (there > here) & (squares <= reach_km**2)
            first, second = here[kept], there[kept]
            pairs += [first * n + second, second * n + first]
        ordered = np.sort(np.concatenate(pairs))
        ordered = ordered[mark_first(ordered)]
        first, second = np.divmod(ordered, max(n, 1))
        starts = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=n))])
        return NearPixels(reach_km, starts.astype(np.int64), first, second)

    def _list_candidates(
        self, keys: IntArray, reach_km: float
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Pairs of pixels among which are all near ones, each the same row or one to the north."""
        row, column = np.divmod(keys, self._stride)
        columns_of_row = self._count_columns(np.arange(int(180.0 / self.height_deg) + 2))
        turn = (column + 0.5) / columns_of_row[row]
        half_chord = min(reach_km / (2.0 * EARTH_RADIUS_KM), 1.0)
        rows = int(np.degrees(2.0 * np.arcsin(half_chord)) / self.height_deg) + 1
        for step in range(min(rows, columns_of_row.size - 2) + 1):
            here = np.flatnonzero(row + step <= row[-1:].max(initial=0))
            there = row[here] + step
            columns = columns_of_row[there]
            middle = turn[here] * columns - 0.5
            reach = self._find_reaches(half_chord, step)[row[here]] * columns + _COLUMN_ERROR
            west = np.ceil(np.maximum(middle - reach, middle - columns)).astype(np.int64)
            east = np.floor(np.minimum(middle + reach, middle + columns)).astype(np.int64)
            if step == 0:  # what lies to the west has listed it, or lies across the seam
                west = np.where(west < 0, west, column)
            for turns in (0, 1, -1):
                low = np.maximum(west + turns * columns.astype(np.int64), 0)
                high = np.minimum(east + turns * columns.astype(np.int64), columns - 1)
                some = np.flatnonzero(low <= high)
                if some.size == 0:
                    continue
                base = there[some] * self._stride
                starts = np.searchsorted(keys, base + low[some])
                stops = np.searchsorted(keys, base + high[some].astype(np.int64), side="right")
                counts = stops - starts
                yield np.repeat(here[some], counts), list_ranges(starts, counts)

    def _find_reaches(self, half_chord: float, step: int) -> FloatArray:
        """How far east and west near middles are at most, so many rows north of each row, turns.

        By the law of cosines for a triangle with the pole; something is added, so that rounding
        never decides.
        """
        row = np.arange(int(180.0 / self.height_deg) + 2)
        lat = np.radians(np.minimum((row + 0.5) * self.height_deg - 90.0, 90.0))
        south, north = lat[: row.size - step], lat[step:]
        both = np.maximum(np.cos(south) * np.cos(north), np.finfo(np.float64).tiny)
        cosine = 1.0 - 2.0 * half_chord**2 - np.sin(south) * np.sin(north)
        angle = np.arccos(np.clip(cosine / both, -1.0, 1.0))
        return np.asarray(angle / (2.0 * np.pi) + _TURN_ERROR)

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


@dataclass(frozen=True, slots=True, eq=False)
class NearPixels:
    """Which of n pixels are near each other.

    Attributes:
        reach_km: Their middles are, up to this chord, km.
        starts: Where the list of each pixel begins, shape (n + 1,).
        first: Pixels, rising, shape (pairs,).
        second: A pixel near each, rising for each one, shape (pairs,): each pair is there both
            ways.
    """

    reach_km: float
    starts: IntArray
    first: IntArray
    second: IntArray

    def list_about(self, pixels: IntArray) -> tuple[IntArray, IntArray]:
        """List the pixels near others, themselves included.

        Args:
            pixels: Shape (m,).

        Returns:
            The number of one of ``pixels``, and a pixel near it, shape (pairs,) each.
        """
        counts = self.starts[pixels + 1] - self.starts[pixels]
        near = self.second[list_ranges(self.starts[pixels], counts)]
        number = np.arange(pixels.size)
        return np.concatenate([number, np.repeat(number, counts)]), np.concatenate([pixels, near])


def sort_keys(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Sort keys, equal ones in the order in which they stand.

    Args:
        keys: Shape (n,).

    Returns:
        The keys, rising, and where each of them stood, shape (n,) each.
    """
    if keys.size == 0:
        return keys, np.empty(0, dtype=np.int64)
    low, high = int(keys.min()), int(keys.max())
    bits = keys.size.bit_length()
    if high - low >= 2 ** (_KEY_BITS - bits):
        order = np.argsort(keys, kind="stable")
        return keys[order], order
    # Each key with its place in one number: NumPy sorts those several times faster.
    both = np.subtract(keys, low, dtype=np.int64)
    both <<= bits
    both |= np.arange(keys.size)
    both.sort()
    order = both & (2**bits - 1)
    both >>= bits
    both += low
    return both, order


def number_keys(keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Number the different ones of some keys.

    Args:
        keys: Shape (n,).

    Returns:
        The different keys, rising, and how often there is each, shape (m,); and the number of each
        key among them, shape (n,).
    """
    ordered, order = sort_keys(keys)
    is_first = mark_first(ordered)
    starts = is_first.nonzero()[0]
    counts = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1:] = ordered.size - starts[-1:]
    numbers = np.empty(keys.size, dtype=np.int64)
    numbers[order] = is_first.cumsum() - 1
    return ordered[starts], counts, numbers


def mark_first(ordered: IntArray) -> npt.NDArray[np.bool_]:
    """Which of some keys, rising, are the first ones of their kind, shape (n,)."""
    is_first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return is_first


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
    # Of two roots the lesser one becomes the root of the other, until no edge joins two. Edges grow
    # fewer from round to round; scipy's csgraph takes longer to sort them, and to be imported.
    roots = np.arange(n)
    low, high = np.minimum(first, second), np.maximum(first, second)
    while low.size:
        roots[high] = low
        while True:
            nearer = roots[roots]
            if np.array_equal(nearer, roots):
                break
            roots = nearer
        one, two = roots[low], roots[high]
        apart = one != two
        one, two = one[apart], two[apart]
        low, high = np.minimum(one, two), np.maximum(one, two)
    is_root = roots == np.arange(n)
    return int(np.count_nonzero(is_root)), (np.cumsum(is_root) - 1)[roots]


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
