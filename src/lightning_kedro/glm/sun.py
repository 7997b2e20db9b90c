"""Where the Sun stands, as GLM's satellites and the ground below a flash see it.

Source: The Astronomical Almanac, "Low precision formulas for the Sun's coordinates" (page C5) and
Greenwich mean sidereal time (page B8): the direction is right to 0.01 degrees from 1950 to 2050.
UTC stands for universal time, from which it differs by less than a second.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NOON_2000: Final = np.datetime64("2000-01-01T12:00:00", "us")
_DAY: Final = np.timedelta64(86_400_000_000, "us")
_DEGREES_PER_HOUR: Final = 15.0

SUN_RADIUS_DEG: Final = 0.27
"""Half of the Sun's apparent diameter, degrees."""


def find_sun(times: NDArray[np.datetime64]) -> FloatArray:
    """Find the direction of the Sun.

    Args:
        times: Times, UTC, shape (n,).

    Returns:
        Unit vectors that turn with the Earth: toward 0 N 0 E, 0 N 90 E and the north pole, shape
        (n, 3). The Sun is so far away that it is the same from every place.
    """
    days = (np.asarray(times, "datetime64[us]") - _NOON_2000) / _DAY
    anomaly = np.radians(357.528 + 0.9856003 * days)
    mean_longitude = 280.460 + 0.9856474 * days
    longitude = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    sidereal_hours = 18.697374558 + 24.06570982441908 * days
    east = right_ascension - np.radians(sidereal_hours * _DEGREES_PER_HOUR)
    up = np.sin(obliquity) * np.sin(longitude)
    outward = np.sqrt(1.0 - up * up)
    return np.stack([outward * np.cos(east), outward * np.sin(east), up], axis=-1)
