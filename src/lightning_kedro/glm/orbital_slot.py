"""Which satellite held GOES-East and GOES-West, from when to when.

Sources: NOAA OSPO's GOES satellite transition notices; the attribute ``orbital_slot`` of the
granules (G19's of 2025-04-07 13:00:20 UTC says GOES-East). A change is taken to have happened at
00:00 UTC of its day. A granule's own ``orbital_slot`` is stored with it: this table only chooses
which satellite to ask for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightning_kedro.exceptions import ParameterError


@dataclass(frozen=True, slots=True)
class Tenure:
    """A satellite's time in an orbital slot: from ``start`` until the next one's."""

    platform: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a window in which one satellite is asked for.

    Attributes:
        platform: The satellite, G16 to G19.
        start: Inclusive, UTC.
        end: Exclusive, UTC.
    """

    platform: str
    start: datetime
    end: datetime


ORBITAL_SLOTS: Final = {
    "east": (
        Tenure("G16", datetime(2017, 12, 18, tzinfo=UTC)),
        Tenure("G19", datetime(2025, 4, 7, tzinfo=UTC)),
    ),
    "west": (
        Tenure("G17", datetime(2019, 2, 12, tzinfo=UTC)),
        Tenure("G18", datetime(2023, 1, 4, tzinfo=UTC)),
    ),
}


def find_segments(satellite: str, start: datetime, end: datetime) -> tuple[Segment, ...]:
    """Which satellite to ask for in each part of a window.

    Args:
        satellite: A platform (G16 to G19), or ``east`` or ``west`` for whichever held that slot.
        start: Start of the window, inclusive, UTC.
        end: End of the window, exclusive, UTC.

    Returns:
        Segments in order of time that cover the window without gap or overlap; more than one only
        where a slot changed hands inside the window.

    Raises:
        ParameterError: If no satellite held the slot yet when the window starts.
    """
    if satellite not in ORBITAL_SLOTS:
        return (Segment(satellite, start, end),)
    tenures = ORBITAL_SLOTS[satellite]
    if start < tenures[0].start:
        message = (
            f"Parameter satellite: no satellite was operational as GOES-{satellite.capitalize()} "
            f"before {tenures[0].start:%Y-%m-%d}, but window.start is {start:%Y-%m-%d %H:%M}. "
            f"Name the satellite itself, or choose a later window."
        )
        raise ParameterError(message)
    ends = [*(tenure.start for tenure in tenures[1:]), end]
    return tuple(
        Segment(tenure.platform, max(start, tenure.start), min(end, until))
        for tenure, until in zip(tenures, ends, strict=True)
        if max(start, tenure.start) < min(end, until)
    )
