"""What changed in the GLM L2 LCFA format over the years: packing, units and attributes.

Source: granules of GOES-16 to -19 from 2018 to 2026; the GOES-16 GLM Full Validation product
performance guide, p. 14-15 (the missing ``_Unsigned``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np


class Era(StrEnum):
    """How a granule writes its times; the other changes of format follow the same order.

    Attributes:
        E1: Until mid-October 2018: signed milliseconds in steps of 2.
        E2: Until early November 2018: unsigned seconds that do not say that they are unsigned.
        E3: Since then: unsigned seconds that say so.
    """

    E1 = "E1"
    E2 = "E2"
    E3 = "E3"


# The days are those of GOES-16, to about a day; GOES-17 was in E1 on 2018-10-10.
_E2_SINCE: Final = datetime(2018, 10, 15, tzinfo=UTC)
_E3_SINCE: Final = datetime(2018, 11, 6, tzinfo=UTC)
# Between GOES-17's granules of 2019-09-27 and 2020-01-16; the day itself is not known.
_FINE_ENERGY_SINCE: Final = datetime(2019, 12, 1, tzinfo=UTC)


def era_of(platform: str, start: datetime) -> Era:
    """Tell in which era a granule was made.

    Args:
        platform: The satellite, one of ``PLATFORMS``. All changed together as far as is known, so
            it makes no difference yet.
        start: Start of the granule, UTC.

    Returns:
        The era.
    """
    del platform
    if start < _E2_SINCE:
        return Era.E1
    return Era.E2 if start < _E3_SINCE else Era.E3


def has_fine_energy(era: Era, start: datetime) -> bool:
    """Tell whether energies have a scale of their own for events, groups and flashes."""
    return era is Era.E3 and start >= _FINE_ENERGY_SINCE


@dataclass(frozen=True, slots=True)
class Packing:
    """How a quantity becomes a 16-bit integer: value = raw * scale + offset.

    Attributes:
        scale: ``scale_factor``, a float32 in the file.
        offset: ``add_offset``, a float32 in the file.
        units: The units of the unpacked value in the file; empty if the layout has them.
        says_unsigned: Whether the file has ``_Unsigned``.
        is_unsigned: Whether the raw values really are unsigned.
        per_unit: How many of the file's units make one of ours (s, km2, J, degrees).
    """

    scale: float
    offset: float
    units: str = ""
    says_unsigned: bool = True
    is_unsigned: bool = True
    per_unit: float = 1.0

    @property
    def attributes(self) -> dict[str, Any]:
        """The packing as the file's attributes."""
        attributes: dict[str, Any] = {"_Unsigned": "true"} if self.says_unsigned else {}
        attributes["scale_factor"] = np.float32(self.scale)
        attributes["add_offset"] = np.float32(self.offset)
        return attributes | ({"units": self.units} if self.units else {})


_SECONDS: Final = (3.8147561e-4, -5.0, "seconds since ")

TIME_PACKINGS: Final[Mapping[Era, Packing]] = {
    Era.E1: Packing(2.0, 0.0, "milliseconds since ", False, False, per_unit=1000.0),
    Era.E2: Packing(*_SECONDS, says_unsigned=False),
    Era.E3: Packing(*_SECONDS),
}
"""The units are completed by the product time."""

AREA_PACKINGS: Final[Mapping[Era, Packing]] = {
    Era.E1: Packing(0.15163901, 63.095734, "km2"),
    Era.E2: Packing(0.15260187, 0.0, "km2"),
    Era.E3: Packing(152601.859375, 0.0, "m2", per_unit=1e6),
}

_COARSE_ENERGY: Final = Packing(1.52597e-15, 0.0, "J")
COARSE_ENERGIES: Final = {
    f"{level}_energy": _COARSE_ENERGY for level in ("event", "group", "flash")
}
FINE_ENERGIES: Final = {
    "event_energy": Packing(1.9024e-17, 2.8515e-16, "J"),
    "group_energy": Packing(9.9988e-17, 2.8515e-16, "J"),
    "flash_energy": Packing(9.99996e-16, 2.8515e-16, "J"),
}

DEGREES: Final = 0.00203128
EVENT_SOUTH: Final = -66.56
"""The offset of packed event latitudes, also where the declared view is smaller (GOES-19)."""
EVENT_HALF_WIDTH: Final = 66.56
"""From the centre of the field of view to the offset of packed event longitudes."""


def packings(era: Era, centre_lon: float, *, fine_energy: bool) -> dict[str, Packing]:
    """Collect the packing of every packed quantity.

    Args:
        era: The era of the granule.
        centre_lon: ``lon_field_of_view`` (degrees east).
        fine_energy: See ``has_fine_energy``: the energies changed within an era.

    Returns:
        Packing by quantity, as ``lcfa_layout`` names quantities.
    """
    return {
        "time": TIME_PACKINGS[era],
        "area": AREA_PACKINGS[era],
        "event_lat": Packing(DEGREES, EVENT_SOUTH),
        "event_lon": Packing(DEGREES, centre_lon - EVENT_HALF_WIDTH),
        **(FINE_ENERGIES if fine_energy else COARSE_ENERGIES),
    }


# Upright and inverted were 0 and 1 before 2018-11; the flag itself was missing (-1) then.
_OLD_YAW: Final = (-1, {"valid_range": np.array([0, 1], "i1"), "flag_meanings": "false true"})
_NEW_YAW: Final = (
    2,
    {"valid_range": np.array([0, 2], "i1"), "flag_meanings": "upright neither inverted"},
)


def yaw_flip(era: Era) -> tuple[int, dict[str, Any]]:
    """Give the value and the attributes of ``yaw_flip_flag`` in an era."""
    value, attributes = _NEW_YAW if era is Era.E3 else _OLD_YAW
    values = np.arange(len(str(attributes["flag_meanings"]).split()), dtype="i1")
    return value, attributes | {"flag_values": values}


_CF_TABLES: Final = ("v25, 05 July 2013", "v35, 20 July 2016")


def file_attributes(era: Era) -> dict[str, str]:
    """Give the attributes of the file that came or changed with an era."""
    is_new = era is Era.E3
    attributes = {"standard_name_vocabulary": f"CF Standard Name Table ({_CF_TABLES[is_new]})"}
    # Real files list the names of NOAA's own tables here: simulated ones have none.
    return attributes | ({"Conventions": "CF-1.7", "LUT_Filenames": "none"} if is_new else {})
