"""The surface on which GLM's files place lightning: an ellipsoid at about the height of cloud tops.

Latitudes and longitudes of events, groups and flashes are those at which a line of sight meets this
ellipsoid, not the ground: seen from the satellite that is where the light comes from, so that a
projection of them needs the same ellipsoid again (with the ground's, pixels at the edge of the view
would be 10 to 20 km off).

Sources: van Bezooijen et al. 2016, doi 10.1117/12.2242141, for the ellipsoid at launch and how
latitudes are meant; glmtools, ``lightning_ellipse.py``, for its equatorial height and the change
of October 2018. On the day of the change the files' builds changed one after another; glmtools
first had the 9th, later the 15th, when GOES-16's did.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightning_kedro.glm.field_of_view import EARTH_RADIUS_KM

POLAR_RADIUS_KM: Final = 6356.75231414
"""Polar radius of GRS 80 (km), as in ``goes_imager_projection``'s ``semi_minor_axis``."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid about the Earth's axis.

    Attributes:
        equatorial_km: Equatorial radius, km.
        polar_km: Polar radius, km.
    """

    equatorial_km: float
    polar_km: float


GRS80: Final = Ellipsoid(EARTH_RADIUS_KM, POLAR_RADIUS_KM)
"""The ground, and what geodetic latitudes refer to."""

AT_LAUNCH: Final = Ellipsoid(6394.140, 6362.755)
"""Until October 2018: 16 km above the ground at the equator, 6 km at the poles."""

LOWERED: Final = Ellipsoid(EARTH_RADIUS_KM + 14.0, AT_LAUNCH.polar_km)
"""Since then 14 km at the equator; the height at the poles has stayed."""

LOWERED_SINCE: Final = datetime(2018, 10, 15, tzinfo=UTC)
"""Granules that start at or after this have the lowered one (UTC)."""


def raise_ground(height_km: float) -> Ellipsoid:
    """The surface at a height above the ground: an ellipsoid too, to within a decimeter.

    Args:
        height_km: The height above GRS 80, km.
    """
    return Ellipsoid(GRS80.equatorial_km + height_km, GRS80.polar_km + height_km)


def lightning_ellipsoid(start: datetime) -> Ellipsoid:
    """The ellipsoid that a granule's places are on.

    Args:
        start: The granule's start, UTC.
    """
    return LOWERED if start >= LOWERED_SINCE else AT_LAUNCH
