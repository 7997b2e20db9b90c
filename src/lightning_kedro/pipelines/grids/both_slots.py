"""Which flashes of both slots count on one grid: those that both satellites saw count once.

Granules are read twice for it: flashes alone before, to match them, and then all that goes on the
grid. Memory holds the times and places of all flashes, some 60 bytes each.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.matching import Sighting
from lightning_kedro.analysis.merging import merge_sightings
from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.flashes import GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import StoredGranule

logger = logging.getLogger(__name__)

BoolArray = npt.NDArray[np.bool_]

_NOTHING: Final = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The flashes of one slot, granule by granule."""

    names: list[GranuleName]
    flashes: list[GranuleFlashes]
    counted: list[BoolArray]

    def see(self) -> tuple[Sighting, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Its flashes in order of time, where their satellites stand, and their rows."""
        rows = np.flatnonzero(self._join([mine.astype(float) for mine in self.counted]))
        first = self._join_times("time")[rows]
        rows = rows[np.argsort(first, kind="stable")]
        stands = [
            np.full(len(one), field_of_view(name.platform, name.start).subpoint_lon)
            for name, one in zip(self.names, self.flashes, strict=True)
        ]
        lat, lon = (
            self._join([getattr(one, name) for one in self.flashes]) for name in ("lat", "lon")
        )
        first, last = (self._join_times(name)[rows] for name in ("time", "time_end"))
        return Sighting(first, last, lat[rows], lon[rows]), self._join(stands)[rows], rows

    def split(self, counted: BoolArray) -> Iterator[tuple[GranuleName, BoolArray]]:
        """By granule whether each of its flashes counts."""
        ends = np.cumsum([len(one) for one in self.flashes], dtype=np.int64)
        for name, one, end in zip(self.names, self.flashes, ends, strict=True):
            yield name, counted[end - len(one) : end]

    def _join(self, parts: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.float64]:
        return np.concatenate([_NOTHING, *parts])

    def _join_times(self, name: str) -> npt.NDArray[np.datetime64]:
        nothing = np.zeros(0, "datetime64[us]")
        return np.concatenate([nothing, *(getattr(one, name) for one in self.flashes)])


def find_counted(
    reader: GranuleReader,
    sides: Iterable[Iterable[Sequence[StoredGranule]]],
    choose: Callable[[GranuleFlashes], BoolArray],
) -> dict[GranuleName, BoolArray]:
    """Match the flashes of two slots.

    Args:
        reader: Reads granules.
        sides: Of each slot the creations of each granule, the newest first: the first that can be
            read stands.
        choose: Which flashes of a granule are wanted at all.

    Returns:
        By granule whether each of its flashes counts.
    """
    left, right = (_read_side(reader, side, choose) for side in sides)
    (seen, stands, rows), (other, other_stands, other_rows) = left.see(), right.see()
    merged = merge_sightings(seen, other, stands, other_stands)
    logger.info(
        "%d and %d flashes, of which both satellites saw %d, which count once",
        *(len(seen), len(other), len(merged.matches)),
    )
    counts: dict[GranuleName, BoolArray] = {}
    for side, mine, counted in ((left, rows, merged.left), (right, other_rows, merged.right)):
        every = np.zeros(sum(len(one) for one in side.flashes), np.bool_)
        every[mine] = counted
        counts.update(side.split(every))
    return counts


def _read_side(
    reader: GranuleReader,
    granules: Iterable[Sequence[StoredGranule]],
    choose: Callable[[GranuleFlashes], BoolArray],
) -> _Side:
    """Read the flashes of a slot. What cannot be read is said when it is put on the grid."""
    side = _Side([], [], [])
    for creations in granules:
        for granule, content in reader.read_all(creations):
            try:
                if isinstance(content, ArchiveError):
                    raise content
                flashes = read_flashes(content, granule.name)
            except (ArchiveError, CorruptGranuleError):
                continue
            side.names.append(granule.name)
            side.flashes.append(flashes)
            side.counted.append(choose(flashes))
            break
    return side
