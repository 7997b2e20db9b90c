"""Flashes that two satellites have both seen: matched one to one, in time and place.

Two flashes may be the same if their times, from first to last event, are no more than
``MATCH_SECONDS`` apart and their centroids no more than ``MATCH_KM``. The most alike pairs are
taken first, by distance and by how far first and last events are from one another, each in units
of its tolerance. That goes in rounds: each flash names the one of its candidates that is most like
it and still free, and those who name each other are a pair. With as many rounds as it takes that is
the greedy matching. It stops after ``ROUNDS``, so that a match depends on what lies within some
seconds and a few hundred km of it and on nothing else: a window gives the same pairs as a longer
one that holds it.

Tolerances: the LCFA joins groups to a flash up to 330 ms apart (Goodman et al. 2013, doi
10.1016/j.atmosres.2013.01.006). 50 km is this project's choice, and generous: both satellites put a
flash on the same lightning ellipsoid; a cloud top that is 5 km lower moves it by up to some 15 km
in each, in opposite directions, and each sees other parts of a long flash. By groups matched in
stereo, cloud tops are 0.7 km below the lightning ellipsoid on average, each known to 4 km
(Mach and Virts 2021, "A Technique for Determining Three-Dimensional Storm Cloud-Top Locations Using
Stereo Optical Lightning Pulses Observed from Orbit", J. Atmos. Oceanic Technol.).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors

IntArray = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

MATCH_SECONDS: Final = 0.33
MATCH_KM: Final = 50.0
ROUNDS: Final = 3

LONGEST_SECONDS: Final = 3.5
"""No flash lasts longer: it is closed after 3.0 s."""

REACH_SECONDS: Final = 2 * ROUNDS * (LONGEST_SECONDS + MATCH_SECONDS)
"""How far from a flash, in time, what decides about its match may lie."""

REACH_DEG: Final = 3.0
"""The same in space, in latitude: it lies within 2 * ``ROUNDS`` * ``MATCH_KM``, 300 km."""

_BLOCK: Final = 1 << 16
"""So many flashes of the first satellite are looked at together."""

_MICROSECONDS: Final = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The flashes of one satellite, in order of time, n of them.

    Attributes:
        first: Times of first events, shape (n,), rising.
        last: Times of last events, shape (n,).
        lat: Latitudes, shape (n,), degrees.
        lon: Longitudes, shape (n,), degrees.
    """

    first: Times
    last: Times
    lat: FloatArray
    lon: FloatArray

    @property
    def ends(self) -> IntArray:
        """Times of last events in microseconds, none before the first; at most 3.5 s later."""
        first = _count_microseconds(self.first)
        longest = int(LONGEST_SECONDS * _MICROSECONDS)
        return np.clip(_count_microseconds(self.last), first, first + longest)

    def __len__(self) -> int:
        """The number of flashes."""
        return len(self.first)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs, m of them, in order of the first satellite's flashes.

    Attributes:
        left: Number of each pair's flash of the first satellite, shape (m,).
        right: Of the second, shape (m,).
        distance_km: Between their centroids, shape (m,).
        shift_s: How far first and last events are from one another, mean of both, shape (m,).
    """

    left: IntArray
    right: IntArray
    distance_km: FloatArray
    shift_s: FloatArray

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.left)


def match_flashes(left: Sighting, right: Sighting) -> Matches:
    """Match the flashes of two satellites, each at most once.

    Candidates that are equally alike are taken in their order: the same flashes give the same
    pairs.

    Args:
        left: Flashes of the first satellite.
        right: Flashes of the second satellite.
    """
    candidates = [*_find_candidates(left, right)]
    if not candidates:
        return _join([])
    found = _join(candidates)
    # The score has no unit: a tolerance counts alike in time and in place.
    score = np.hypot(found.distance_km / MATCH_KM, found.shift_s / MATCH_SECONDS)
    rank = np.empty(len(found), np.int64)
    rank[np.lexsort((found.right, found.left, score))] = np.arange(len(found))
    kept = np.sort(_choose(found.left, found.right, rank, len(left), len(right)))
    return _take(found, kept)


def _choose(left: IntArray, right: IntArray, rank: IntArray, n: int, m: int) -> IntArray:
    """The candidates that become pairs, by rank, each flash once.

    Args:
        left: Flashes of the first satellite, shape (c,).
        right: Flashes of the second, shape (c,).
        rank: Order in which candidates are preferred, all different, shape (c,).
        n: Number of flashes of the first satellite.
        m: Of the second.
    """
    open_, chosen = np.arange(left.size), [np.empty(0, np.int64)]
    for _ in range(ROUNDS):
        if open_.size == 0:
            break
        best_left, best_right = np.full(n, left.size), np.full(m, left.size)
        np.minimum.at(best_left, left[open_], rank[open_])
        np.minimum.at(best_right, right[open_], rank[open_])
        mutual = (rank[open_] == best_left[left[open_]]) & (rank[open_] == best_right[right[open_]])
        pairs = open_[mutual]
        chosen.append(pairs)
        taken_left, taken_right = np.zeros(n, np.bool_), np.zeros(m, np.bool_)
        taken_left[left[pairs]], taken_right[right[pairs]] = True, True
        open_ = open_[~(taken_left[left[open_]] | taken_right[right[open_]])]
    return np.concatenate(chosen)


def _find_candidates(left: Sighting, right: Sighting) -> Iterator[Matches]:
    """The pairs within both tolerances, some of the first satellite's flashes at a time."""
    if not (len(left) and len(right)):
        return
    starts, ends = _count_microseconds(right.first), right.ends
    tolerance = int(MATCH_SECONDS * _MICROSECONDS)
    before = int(LONGEST_SECONDS * _MICROSECONDS) + tolerance
    for first in range(0, len(left), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(left)))
        begins, closes = _count_microseconds(left.first[rows]), left.ends[rows]
        low = int(np.searchsorted(starts, begins[0] - before))
        high = int(np.searchsorted(starts, closes.max() + tolerance, side="right"))
        near = np.arange(low, high)
        i, j, distance = _find_near(left, rows, right, near)
        gap = np.maximum(starts[near[j]] - closes[i], begins[i] - ends[near[j]])
        shift = np.abs(starts[near[j]] - begins[i]) + np.abs(ends[near[j]] - closes[i])
        fits = gap <= tolerance
        shift_s = shift[fits] / (2.0 * _MICROSECONDS)
        yield Matches(rows[i[fits]], near[j[fits]], distance[fits], shift_s)


def _find_near(
    left: Sighting, rows: IntArray, right: Sighting, near: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs that are near in space, and roughly in time: places in both lists, and km."""
    from scipy.spatial import cKDTree

    if near.size == 0:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0)
    # Time as a fourth dimension, in which all that may fit lies within the same radius.
    scale = MATCH_KM / (LONGEST_SECONDS + MATCH_SECONDS)
    since = _count_microseconds(left.first[rows[:1]])
    trees = [
        cKDTree(
            np.column_stack(
                [
                    EARTH_RADIUS_KM * to_unit_vectors(some.lat[mine], some.lon[mine]),
                    (_count_microseconds(some.first[mine]) - since) / _MICROSECONDS * scale,
                ]
            )
        )
        for some, mine in ((left, rows), (right, near))
    ]
    pairs = trees[0].sparse_distance_matrix(
        trees[1], np.sqrt(2.0) * MATCH_KM, output_type="ndarray"
    )
    i, j = pairs["i"].astype(np.int64), pairs["j"].astype(np.int64)
    chord = np.linalg.norm(trees[0].data[i, :3] - trees[1].data[j, :3], axis=1)
    distance = 2.0 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / (2.0 * EARTH_RADIUS_KM), 1.0))
    close = np.flatnonzero(distance <= MATCH_KM)
    return i[close], j[close], distance[close]


def _join(parts: list[Matches]) -> Matches:
    """Several as one."""
    if not parts:
        nothing = np.empty(0, np.int64)
        return Matches(nothing, nothing, np.empty(0), np.empty(0))
    return Matches(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("left", "right", "distance_km", "shift_s")
        )
    )


def _take(found: Matches, rows: IntArray) -> Matches:
    """Some pairs, in order of the first satellite's flashes."""
    rows = rows[np.argsort(found.left[rows], kind="stable")]
    return Matches(
        found.left[rows], found.right[rows], found.distance_km[rows], found.shift_s[rows]
    )


def _count_microseconds(times: Times) -> IntArray:
    """Times as whole microseconds."""
    return np.asarray(times, "datetime64[us]").view(np.int64)
