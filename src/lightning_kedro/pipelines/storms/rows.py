"""The flashes of storms as their tables need them, part by part."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms.finding import Lives, find_lives
from lightning_kedro.analysis.storms.motion import find_pixels
from lightning_kedro.analysis.storms.pixels import IntArray, sort_keys
from lightning_kedro.pipelines.storms.flashes import FoundStorms, take_times

_DIGEST_BYTES: Final = 3

_FLASHES_PER_PART: Final = 2**19


class StormRows:
    """The flashes of storms in a window, as the tables need them.

    Attributes:
        found: The flashes and storms.
        storms: The storms that have flashes in the window, by their numbers in ``found``, those
            with the most flashes first, shape (m,).
        ranks: Storm of each flash of the window, from 0 in the order of ``storms``, shape (n,).
        names: Identifier of every storm of ``found``.
    """

    def __init__(self, found: FoundStorms) -> None:
        """Sort the storms of the window by their flashes."""
        self.found = found
        self.times = take_times(found.table)
        self.lives: Lives = find_lives(found.tracks.labels)
        counts = np.bincount(found.labels[found.labels >= 0], minlength=self.lives.first.size)
        order = np.argsort(-counts, kind="stable")
        self.storms: IntArray = order[counts[order] > 0]
        rank = np.full(counts.size + 1, -1, dtype=np.int64)  # the last one is for noise
        rank[self.storms] = np.arange(self.storms.size)
        self._rank = rank
        self.ranks: IntArray = rank[found.labels]
        self.names = name_storms(found, self.lives.first)
        self._values = {
            name: found.table.column(name).to_numpy()
            for name in ("lat", "lon", "energy_j", "area_km2")
        }

    def split(self) -> "list[StormPart]":
        """Parts of the storms that together have some hundred thousand flashes, at least one.

        So what is computed of storms takes no more memory with a longer window.
        """
        ranks, order = sort_keys(self._rank[self.found.tracks.labels])
        first = int(np.searchsorted(ranks, 0))
        counts = np.bincount(ranks[first:], minlength=self.storms.size)
        del ranks  # of millions of flashes
        order = order[first:]
        return [
            StormPart(self, storms, order[flashes], counts[storms])
            for storms, flashes in split_groups(counts)
        ]

    def take(self, name: str, rows: IntArray) -> FloatArray:
        """A column of some flashes, shape (n,); NaN where it is missing."""
        return np.asarray(self._values[name][rows], dtype=np.float64)

    def name(self, storms: IntArray) -> list[str | None]:
        """Identifiers of storms; None for -1."""
        return [self.names[storm] if storm >= 0 else None for storm in storms.tolist()]


@dataclass(frozen=True, eq=False)
class StormPart:
    """Some of the storms of a window.

    Attributes:
        all_rows: All of them.
        ranks: Which of its ``storms`` these are.
        every: Rows of the table that are theirs, storm by storm from its birth on, and in order of
            time, shape (all,): also those before and after the window.
        every_counts: How many of them are of each storm, shape (m,).
    """

    all_rows: StormRows
    ranks: slice
    every: IntArray
    every_counts: IntArray

    @property
    def storms(self) -> IntArray:
        """The numbers of the storms in what was found, shape (m,)."""
        return self.all_rows.storms[self.ranks]

    @cached_property
    def every_time(self) -> npt.NDArray[np.datetime64]:
        """Times of all flashes, datetime64[us], shape (all,)."""
        return self.all_rows.times[self.every]

    @cached_property
    def _inside(self) -> npt.NDArray[np.bool_] | slice:
        """Which flashes are of the window."""
        window = self.all_rows.found.window
        inside = (self.every >= window.start) & (self.every < window.stop)
        return slice(None) if inside.all() else inside

    @cached_property
    def rows(self) -> IntArray:
        """Rows of the flashes of the window, shape (n,)."""
        return self.every[self._inside]

    @cached_property
    def groups(self) -> IntArray:
        """Storm of each flash of the window, from 0, shape (n,), rising."""
        return np.repeat(np.arange(self.every_counts.size), self.every_counts)[self._inside]

    @cached_property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Times of the flashes of the window, datetime64[us], shape (n,)."""
        return self.every_time[self._inside]

    @cached_property
    def vectors(self) -> FloatArray:
        """Places of the flashes of the window as unit vectors, shape (n, 3)."""
        return to_unit_vectors(self.take("lat"), self.take("lon"))

    @cached_property
    def every_pixel(self) -> IntArray:
        """Pixels of all flashes, for footprints, shape (all,)."""
        lat, lon = (self.all_rows.take(name, self.every) for name in ("lat", "lon"))
        return find_pixels(lat, lon)

    @cached_property
    def pixels(self) -> IntArray:
        """Pixels of the flashes of the window, shape (n,)."""
        return self.every_pixel[self._inside]

    def take(self, name: str) -> FloatArray:
        """A column of the flashes of the window, shape (n,); NaN where it is missing."""
        return self.all_rows.take(name, self.rows)


def split_groups(counts: IntArray) -> Iterator[tuple[slice, slice]]:
    """Split groups, one after the other, into parts of about as many members.

    Args:
        counts: Members of each group, shape (m,).

    Yields:
        The groups of a part, and their members counted through all groups; a part for no groups.
    """
    ends = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while True:
        most = ends[first] + _FLASHES_PER_PART
        stop = max(int(np.searchsorted(ends, most, side="right")) - 1, first + 1)
        stop = min(stop, counts.size)
        yield slice(first, stop), slice(int(ends[first]), int(ends[stop]))
        if stop == counts.size:
            return
        first = stop


def name_storms(found: FoundStorms, first: IntArray) -> list[str]:
    """Make the identifiers of storms: satellite, time and a digest of their first flashes.

    Args:
        found: The flashes.
        first: The first flash of each storm, shape (storms,).

    Returns:
        Such as ``G19-20240714T220312-5f1c0a``: the same wherever the storm begins with this flash.
    """
    columns = ("platform", "granule_start", "flash_id", "time")
    rows = found.table.select(columns).take(first)
    names = []
    for platform, start, flash_id, time in zip(
        *(column.to_pylist() for column in rows.columns), strict=True
    ):
        text = f"{platform} {start.isoformat()} {flash_id}"
        digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        names.append(f"{platform}-{time:%Y%m%dT%H%M%S}-{digest}")
    return names
