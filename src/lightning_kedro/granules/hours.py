"""The archive hours that may hold a window's flashes.

A flash is written to the granule in which it closes, so that it may have begun in the granule, hour
or day before: ingestion takes whole archive hours and looks one granule past each end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lightning_kedro.glm.granule import GRANULE_LENGTH, HOUR, GranuleName, floor_hour
from lightning_kedro.glm.orbital_slot import Segment

_TICK: Final = timedelta(microseconds=1)
_NEAR: Final = 3 * GRANULE_LENGTH
"""A granule that starts further from the hours asked for lies beyond a gap: no flash of theirs can
be in it, since a flash lasts 3.1 s at most."""


@dataclass(frozen=True, slots=True)
class ArchiveHour:
    """An archive hour of one satellite, and how much of it is wanted.

    Attributes:
        platform: The satellite.
        hour: Start of the hour, UTC.
        part: ``whole``; or ``last`` or ``first`` for only the granule next to the hours asked for.
    """

    platform: str
    hour: datetime
    part: str = "whole"

    def pick(self, granules: Iterable[GranuleName]) -> list[GranuleName]:
        """Which of the hour's granules are wanted, in order of start; all creations of each."""
        key = (self.platform, self.hour)
        mine = [name for name in granules if (name.platform, name.hour) == key]
        mine.sort(key=lambda name: name.start)
        if self.part == "whole" or not mine:
            return mine
        at = -1 if self.part == "last" else 0
        return [name for name in mine if name.start == mine[at].start and self._is_near(name)]

    def _is_near(self, name: GranuleName) -> bool:
        """Whether a granule lies at the edge next to the hours asked for."""
        if self.part == "last":
            return name.start >= self.hour + HOUR - _NEAR
        return name.start < self.hour + _NEAR


def archive_hours(segments: Iterable[Segment]) -> tuple[ArchiveHour, ...]:
    """The archive hours in which a window's flashes may be written.

    Args:
        segments: The window, satellite by satellite.

    Returns:
        Every hour that a segment touches, whole. Where a segment begins or ends within a granule's
        length of the hour's edge also the hour beyond, of which only the nearest granule is wanted.
    """
    hours: list[ArchiveHour] = []
    for segment in segments:
        first, last = floor_hour(segment.start), floor_hour(segment.end - _TICK)
        before = floor_hour(segment.start - GRANULE_LENGTH)
        after = floor_hour(segment.end + GRANULE_LENGTH - _TICK)
        if before < first:
            hours.append(ArchiveHour(segment.platform, before, "last"))
        hours.extend(
            ArchiveHour(segment.platform, first + index * HOUR)
            for index in range((last - first) // HOUR + 1)
        )
        if after > last:
            hours.append(ArchiveHour(segment.platform, after, "first"))
    return tuple(hours)
