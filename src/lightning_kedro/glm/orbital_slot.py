"""Which satellite held GOES-East and GOES-West, and what to call a granule's place.

A granule's own ``orbital_slot`` is stored with it and is what titles say. The table of satellites
only chooses which satellite to ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.satellites import BOTH, CHOICES, SATELLITES, SLOTS, read_satellite


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a window in which one satellite is asked for.

    Attributes:
        platform: The satellite, one of ``PLATFORMS``.
        start: Inclusive, UTC.
        end: Exclusive, UTC.
    """

    platform: str
    start: datetime
    end: datetime


def list_holders(slot: str) -> list[tuple[datetime, str]]:
    """Which satellites held a slot: since when (UTC), and the platform, in order of time."""
    return sorted(
        (tenure.since, satellite.platform)
        for satellite in SATELLITES.values()
        for tenure in satellite.tenures
        if tenure.slot == slot
    )


def find_segments(satellite: str, start: datetime, end: datetime) -> tuple[Segment, ...]:
    """Which satellite to ask for in each part of a window.

    Args:
        satellite: A platform, or ``east`` or ``west`` for whichever held that slot, or ``both``
            for both slots at once, in any usual spelling.
        start: Start of the window, inclusive, UTC.
        end: End of the window, exclusive, UTC.

    Returns:
        Segments in order of time that cover the window without gap or overlap; more than one only
        where a slot changed hands inside the window. Of both slots those of GOES-East come first,
        then those of GOES-West, which cover the window again (``split_sides`` parts them).

    Raises:
        ParameterError: If there is no such satellite, or if no satellite held the slot yet when the
            window starts.
    """
    given, satellite = satellite, read_satellite(satellite)
    if satellite not in CHOICES:
        message = f"There is no satellite {given!r}: give {', '.join(CHOICES)}."
        raise ParameterError(message)
    if satellite == BOTH:
        return tuple(part for slot in SLOTS for part in _find_slot(slot, start, end))
    if satellite in SLOTS:
        return _find_slot(satellite, start, end)
    return (Segment(satellite, start, end),)


def split_sides(segments: Sequence[Segment]) -> list[tuple[Segment, ...]]:
    """Part the segments of both slots: one tuple a slot, each of which covers the window.

    Args:
        segments: As ``find_segments`` gives them.

    Returns:
        GOES-East's and GOES-West's; of one satellite or slot all in a single tuple.
    """
    sides: list[tuple[Segment, ...]] = []
    for segment in segments:
        if sides and segment.start >= sides[-1][-1].end:
            sides[-1] = (*sides[-1], segment)
        else:
            sides.append((segment,))
    return sides


def _find_slot(slot: str, start: datetime, end: datetime) -> tuple[Segment, ...]:
    """The segments of one slot."""
    holders = list_holders(slot)
    first, _ = holders[0]
    if start < first:
        message = (
            f"Parameter satellite: no satellite was operational as GOES-{slot.capitalize()} "
            f"before {first:%Y-%m-%d}, but window.start is {start:%Y-%m-%d %H:%M}. "
            f"Name the satellite itself, or choose a later window."
        )
        raise ParameterError(message)
    return tuple(
        Segment(platform, max(start, since), min(end, until))
        for (since, platform), (until, _) in pairwise([*holders, (end, "")])
        if max(start, since) < min(end, until)
    )


def shorten_slot(orbital_slot: str | None) -> str | None:
    """The word for a granule's place that goes into titles: ``GOES-18 (West)``.

    Args:
        orbital_slot: What the granule says, as stored: ``GOES-East``, ``GOES-Test`` ...

    Returns:
        ``East``, ``West``, ``Test``, ``Storage`` or whatever else follows ``GOES-``; None if the
        granule does not say, so that the title had better say nothing too.
    """
    if orbital_slot is None:
        return None
    return orbital_slot.strip().removeprefix("GOES-").strip() or None


def name_satellite(platform: str, *orbital_slots: str | None) -> str:
    """What titles call a satellite: ``GOES-17 (West)``, ``GOES-17 (Test, West)`` or ``GOES-17``.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        orbital_slots: The places that its granules name, in order of time; repeats are left out.
    """
    words = dict.fromkeys(word for slot in orbital_slots if (word := shorten_slot(slot)))
    place = f" ({', '.join(words)})" if words else ""
    return f"{SATELLITES[platform].name}{place}"
