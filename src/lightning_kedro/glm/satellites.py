"""The one table of satellites: whatever differs from one to another, with its source.

A new satellite is one entry of ``SATELLITES``: names of granules, the parameter ``satellite``,
buckets, slots, fields of view and the simulation all come from here.

Sources, by the letters that stand with the facts:

* [A] Attributes and scalars of real granules of the satellite.
* [B] NOAA OSPO's message MSG2691944 of 2018-09-26: GOES-17's drift from 89.5 W began on 2018-10-24
  and ended at its operational place on 2018-11-13, with GLM off between.
* [C] goes-r.gov/users/transitionToOperations18.html: GOES-18 became GOES-West on 2023-01-04.
* [D] NCEI, GLM Level 0 data: GOES-16 began as GOES-East on 2017-12-18, GOES-17 as GOES-West on
  2019-02-12.

The check-out places of GOES-18 and GOES-19 (89.5 W) are left out: no granule of those months is
known to be public, nor what its bounds would be.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOfView:
    """Where a satellite stands and what its files say that it sees.

    Longitudes run without a break from west to east and may lie below -180: GOES-West sees from
    -203.56 to -70.44 degrees, across the 180 degree meridian.

    Attributes:
        orbital_slot: ``GOES-East``, ``GOES-West`` or ``GOES-Test``, as the files call it.
        subpoint_lon: ``nominal_satellite_subpoint_lon`` (degrees east).
        center_lon: ``lon_field_of_view`` (degrees east).
        west: Western bound (degrees east, may be below -180).
        east: Eastern bound (degrees east, above ``west``).
        south: Southern bound (degrees north).
        north: Northern bound (degrees north).
    """

    orbital_slot: str
    subpoint_lon: float
    center_lon: float
    west: float
    east: float
    south: float = -66.56
    north: float = 66.56


@dataclass(frozen=True, slots=True)
class Stay:
    """A satellite at one place, from ``since`` (UTC) until its next stay begins."""

    since: datetime
    field_of_view: FieldOfView


@dataclass(frozen=True, slots=True)
class Tenure:
    """A satellite's time in an operational slot, until another satellite's begins.

    Attributes:
        slot: ``east`` or ``west``, as the parameter ``satellite`` has it.
        since: 00:00 UTC of the day of the change.
    """

    slot: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Satellite:
    """What is known of one satellite.

    Attributes:
        platform: What its granules call it, such as ``G18``.
        number: Its number, for its name and for the name of its archive.
        instrument: ``instrument_ID``: the flight model of its GLM.
        stays: Its places in order of time; the first holds for all time before, too.
        tenures: When it took over which slot, in order of time.
    """

    platform: str
    number: int
    instrument: str
    stays: tuple[Stay, ...]
    tenures: tuple[Tenure, ...] = ()

    @property
    def name(self) -> str:
        """The satellite's full name, such as ``GOES-18``."""
        return f"GOES-{self.number}"

    @property
    def bucket(self) -> str:
        """NOAA's open bucket of the satellite, such as ``noaa-goes18``."""
        return f"noaa-goes{self.number}"


def _day(year: int, month: int, day: int) -> datetime:
    """00:00 UTC of a day."""
    return datetime(year, month, day, tzinfo=UTC)


_EVER: Final = datetime.min.replace(tzinfo=UTC)

_EAST: Final = FieldOfView(
    orbital_slot="GOES-East", subpoint_lon=-75.2, center_lon=-75.0, west=-141.56, east=-8.44
)
_EAST_UNTIL_2018: Final = FieldOfView(
    orbital_slot="GOES-East", subpoint_lon=-75.0, center_lon=-75.0, west=-141.56, east=-8.44
)
_EAST_OF_GOES19: Final = FieldOfView(
    orbital_slot="GOES-East",
    subpoint_lon=-75.2,
    center_lon=-75.0,
    west=-139.4,
    east=-11.0,
    south=-57.6,
    north=57.6,
)
_TEST: Final = FieldOfView(
    orbital_slot="GOES-Test", subpoint_lon=-89.5, center_lon=-89.5, west=-156.06, east=-22.94
)
_WEST: Final = FieldOfView(
    orbital_slot="GOES-West", subpoint_lon=-137.2, center_lon=-137.0, west=-203.56, east=-70.44
)
_WEST_OF_GOES18: Final = FieldOfView(
    orbital_slot="GOES-West", subpoint_lon=-137.0, center_lon=-137.0, west=-203.56, east=-70.44
)

_ENTRIES: Final = (
    Satellite(
        platform="G16",
        number=16,
        instrument="FM1",
        # The day on which its files changed is between 2018-07-02 and 2018-10-17 [A].
        stays=(Stay(_EVER, _EAST_UNTIL_2018), Stay(_day(2018, 8, 1), _EAST)),
        tenures=(Tenure("east", _day(2017, 12, 18)),),  # [D]
    ),
    Satellite(
        platform="G17",
        number=17,
        instrument="FM2",
        stays=(Stay(_EVER, _TEST), Stay(_day(2018, 11, 13), _WEST)),  # [A, B]
        tenures=(Tenure("west", _day(2019, 2, 12)),),  # [D]
    ),
    Satellite(
        platform="G18",
        number=18,
        instrument="FM3",
        stays=(Stay(_EVER, _WEST_OF_GOES18),),  # [A]
        tenures=(Tenure("west", _day(2023, 1, 4)),),  # [C]
    ),
    Satellite(
        platform="G19",
        number=19,
        instrument="FM4",
        stays=(Stay(_EVER, _EAST_OF_GOES19),),  # [A]
        tenures=(Tenure("east", _day(2025, 4, 7)),),  # its file of that day, 13:00:20, says so [A]
    ),
)

SATELLITES: Final = {satellite.platform: satellite for satellite in _ENTRIES}
"""Every satellite by its platform, in the order of their numbers.

The simulation seeds its random numbers by the place in this order: new ones come last.
"""

PLATFORMS: Final = tuple(SATELLITES)
"""What granules call the satellites: ``G16`` and so on."""

SLOTS: Final = ("east", "west")
"""The slots that the parameter ``satellite`` may name."""

BOTH: Final = "both"
"""What the parameter ``satellite`` calls both slots, merged: what both see counts once."""

CHOICES: Final = (*PLATFORMS, *SLOTS, BOTH)
"""All that the parameter ``satellite`` may be."""

_SPELLING: Final = re.compile(r"g(?:oes)?[\s_-]*(\d{2})|(\d{2})", re.IGNORECASE)
"""How people write a satellite: ``g18``, ``GOES-18``, ``goes18``, ``18``."""


def read_satellite(text: str) -> str:
    """Read any usual way to write a satellite or a slot.

    Args:
        text: What a person wrote.

    Returns:
        The platform, the slot or ``both`` as the project writes it; ``text`` as it is if it is
        none of these.

    Example:
        >>> read_satellite("GOES-18"), read_satellite("goes west"), read_satellite("Himawari")
        ('G18', 'west', 'Himawari')
    """
    match = _SPELLING.fullmatch(text.strip())
    if match is not None:
        return f"G{match[1] or match[2]}"
    slot = re.sub(r"^goes[\s_-]*", "", text.strip(), flags=re.IGNORECASE).lower()
    return slot if slot in (*SLOTS, BOTH) else text
