"""The geostationary projection of GOES-R's imager: the ABI fixed grid.

Angles are those of the imager's sweep: y from the equator's plane (north positive), then x from the
meridian below the satellite (east positive), both in radians. Source: GOES-R Product Definition and
Users' Guide (PUG) volume 3, section 5.1.2.8; for other ellipsoids than the ground's van Bezooijen
et al. 2016, doi 10.1117/12.2242141.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.glm.field_of_view import ORBIT_RADIUS_KM
from lightning_kedro.glm.lightning_ellipsoid import GRS80, Ellipsoid

FloatArray = npt.NDArray[np.float64]

_SQUEEZE: Final = (GRS80.polar_km / GRS80.equatorial_km) ** 2
"""Tangent of a geocentric latitude, by that of the geodetic one: always GRS 80's, see ``project``.
"""


def project(
    lat: npt.ArrayLike, lon: npt.ArrayLike, satellite_lon: float, ellipsoid: Ellipsoid
) -> tuple[FloatArray, FloatArray]:
    """Where points of an ellipsoid are on the fixed grid.

    Args:
        lat: Latitudes, shape (n,), degrees north. As in GLM's files they are geodetic latitudes of
            GRS 80: the geocentric direction that they stand for does not depend on ``ellipsoid``.
        lon: Longitudes, shape (n,), degrees east, any turn.
        satellite_lon: Longitude of the projection's origin, degrees east.
        ellipsoid: The ellipsoid that they are on: the granule's, or ``GRS80``.

    Returns:
        East-west and north-south angles, rad, shape (n,) each; NaN for points that the satellite
        cannot see.
    """
    east = np.radians(np.asarray(lon, np.float64) - satellite_lon)
    # The geocentric latitude only as cosine and sine: faster than by an arc tangent.
    tangent = _SQUEEZE * np.tan(np.radians(np.asarray(lat, np.float64)))
    cos_lat = 1.0 / np.sqrt(1.0 + tangent * tangent)
    flattening = 1.0 - (ellipsoid.polar_km / ellipsoid.equatorial_km) ** 2
    radius = ellipsoid.polar_km / np.sqrt(1.0 - flattening * cos_lat * cos_lat)
    outward = radius * cos_lat
    toward = outward * np.cos(east)
    sideways, up = outward * np.sin(east), outward * tangent
    ahead = ORBIT_RADIUS_KM - toward
    x = np.arctan2(sideways, np.sqrt(ahead * ahead + up * up))
    y = np.arctan2(up, ahead)
    squash = (ellipsoid.equatorial_km / ellipsoid.polar_km) ** 2
    # The line of sight has not passed the horizon: it meets the ellipsoid from outside.
    seen = ahead * toward > sideways * sideways + squash * up * up
    return np.where(seen, x, np.nan), np.where(seen, y, np.nan)


def locate(
    x: npt.ArrayLike, y: npt.ArrayLike, satellite_lon: float, ellipsoid: Ellipsoid
) -> tuple[FloatArray, FloatArray]:
    """Where lines of sight meet an ellipsoid: the inverse of ``project``.

    Args:
        x: East-west angles, rad, any shape.
        y: North-south angles, rad, the same shape.
        satellite_lon: Longitude of the projection's origin, degrees east.
        ellipsoid: The ellipsoid.

    Returns:
        Latitudes (degrees north, as in ``project``) and longitudes (degrees east, within 180 of
        ``satellite_lon``), the same shape; NaN where the line passes by the Earth.
    """
    cos_x, sin_x = np.cos(x), np.sin(x)
    cos_y, sin_y = np.cos(y), np.sin(y)
    squash = (ellipsoid.equatorial_km / ellipsoid.polar_km) ** 2
    a = sin_x * sin_x + cos_x * cos_x * (cos_y * cos_y + squash * sin_y * sin_y)
    b = ORBIT_RADIUS_KM * cos_x * cos_y
    c = ORBIT_RADIUS_KM**2 - ellipsoid.equatorial_km**2
    root = b * b - a * c
    distance = (b - np.sqrt(np.where(root >= 0.0, root, np.nan))) / a
    toward = ORBIT_RADIUS_KM - distance * cos_x * cos_y
    sideways, up = distance * sin_x, distance * cos_x * sin_y
    lat = np.degrees(np.arctan2(up, _SQUEEZE * np.hypot(toward, sideways)))
    return np.asarray(lat), np.asarray(satellite_lon + np.degrees(np.arctan2(sideways, toward)))
