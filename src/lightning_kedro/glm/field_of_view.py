"""What each satellite sees, by the table of satellites. Functions take any winding of longitude."""

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.satellites import PLATFORMS, SATELLITES, FieldOfView

EARTH_RADIUS_KM: Final = 6378.137
"""Equatorial radius of GRS 80 (km), as in the files' ``semi_major_axis``."""

ORBIT_RADIUS_KM: Final = EARTH_RADIUS_KM + 35786.023
"""Distance of the satellite from the Earth's center (km): ``nominal_satellite_height`` above."""

NORTHERNMOST_SEEN_DEG: Final = 57.6
"""Latitude (degrees) beyond which nothing is seen: the bound that the newest files declare.

Older files declare 66.56, but that is only the range of the packed event latitudes.
"""


def field_of_view(platform: str, when: datetime | None = None) -> FieldOfView:
    """Look up where a satellite stands and what it sees.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        when: A UTC time; without one, the satellite's latest place.

    Returns:
        The field of view at that time.

    Raises:
        ParameterError: If there is no such platform.
    """
    satellite = SATELLITES.get(platform)
    if satellite is None:
        message = f"No satellite is called {platform!r}: choose one of {', '.join(PLATFORMS)}."
        raise ParameterError(message)
    stays = satellite.stays
    if when is None:
        return stays[-1].field_of_view
    return next(stay.field_of_view for stay in reversed(stays) if stay.since <= when)


def sees(
    platform: str, lat: ArrayLike, lon: ArrayLike, when: datetime | None = None
) -> NDArray[np.bool_]:
    """Tell which points a satellite's GLM sees.

    The view is modelled as a disc in scan angle, through the declared west and east bounds at the
    equator, cut off in the north and south. That is close to the published coverage maps, not a
    substitute for them.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        lat: Latitudes (degrees north), any shape.
        lon: Longitudes (degrees east, any winding), broadcastable against ``lat``.
        when: A UTC time; without one, the satellite's latest place.

    Returns:
        True where the point is seen, of the broadcast shape.

    Raises:
        ParameterError: If there is no such platform.
    """
    view = field_of_view(platform, when)
    cos_central, off_nadir = _look_down(lat, lon, (view.west + view.east) / 2)
    on_near_side = cos_central > EARTH_RADIUS_KM / ORBIT_RADIUS_KM
    _, widest = _look_down(0.0, (view.east - view.west) / 2, 0.0)
    within = (off_nadir <= widest) & (np.abs(lat) <= NORTHERNMOST_SEEN_DEG)
    return np.asarray(on_near_side & within)


def pixel_area_km2(platform: str, lat: ArrayLike, lon: ArrayLike) -> NDArray[np.float64]:
    """Estimate the ground area of one GLM pixel.

    A pixel is 8 km x 8 km below the satellite. Away from it the area grows with the square of the
    distance to the satellite and with the slant of the ground.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        lat: Latitudes (degrees north), any shape; points that the satellite sees.
        lon: Longitudes (degrees east, any winding), broadcastable against ``lat``.

    Returns:
        Areas (km2), 64 below the satellite to about 250 at the edge.

    Raises:
        ParameterError: If there is no such platform.
    """
    view = field_of_view(platform)
    cos_central, _ = _look_down(lat, lon, view.subpoint_lon)
    distance_km = np.sqrt(
        ORBIT_RADIUS_KM**2
        + EARTH_RADIUS_KM**2
        - 2 * ORBIT_RADIUS_KM * EARTH_RADIUS_KM * cos_central
    )
    cos_zenith = (ORBIT_RADIUS_KM * cos_central - EARTH_RADIUS_KM) / distance_km
    nadir_km = ORBIT_RADIUS_KM - EARTH_RADIUS_KM
    area: NDArray[np.float64] = 64.0 * (distance_km / nadir_km) ** 2 / np.maximum(cos_zenith, 0.2)
    return area


def wrap_lon(lon: ArrayLike, west: float = -180.0) -> NDArray[np.float64]:
    """Wind longitudes into one turn that begins at a bound.

    Args:
        lon: Longitudes (degrees east, any winding), any shape.
        west: The bound (degrees east).

    Returns:
        The same meridians in (``west``, ``west`` + 360]: by default (-180, 180].
    """
    wound: NDArray[np.float64] = west + 360.0 - np.mod(west - np.asarray(lon, float), 360.0)
    return wound


def _look_down(
    lat: ArrayLike, lon: ArrayLike, subpoint_lon: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of a spherical Earth from the satellite: (cosine of central angle, angle off nadir).

    The central angle is that between point and subpoint, seen from the Earth's center; the angle
    off nadir (radians) is that between them seen from the satellite.
    """
    phi = np.radians(np.asarray(lat, float))
    cos_central = np.cos(phi) * np.cos(np.radians(np.asarray(lon, float) - subpoint_lon))
    sideways = EARTH_RADIUS_KM * np.sqrt(np.maximum(1.0 - cos_central**2, 0.0))
    return cos_central, np.arctan2(sideways, ORBIT_RADIUS_KM - EARTH_RADIUS_KM * cos_central)
