"""Known artifacts of GLM: which flashes the Sun may have made, and which areas cannot be true.

A flag says that something is possible, not that it is so: real lightning goes on where the Sun
glints. Nothing here removes a flash. What each flag means, its source and its limits are in
``docs/sky.md``.

Sources: the glint angle is that of the MODIS cloud mask (Ackerman et al., ATBD MOD35):
cos(glint) = cos(sun) cos(view) + sin(sun) sin(view) cos(azimuths), the angle between the line of
sight and the mirror image of the Sun in level ground. How rough water widens a glint: Cox and Munk
1954, doi 10.1364/JOSA.44.000838. That both artifacts are in GLM's files: Trabing et al. 2024, doi
10.1175/JTECH-D-23-0138.1.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray, to_unit_vectors
from lightning_kedro.glm.field_of_view import EARTH_RADIUS_KM, ORBIT_RADIUS_KM
from lightning_kedro.glm.lightning_ellipsoid import GRS80
from lightning_kedro.glm.sun import SUN_RADIUS_DEG, find_sun

BoolArray = npt.NDArray[np.bool_]

GLINT_DEG: Final = 10.0
"""Glint angle (degrees) up to which a flash may be a glint: water whose waves are tilted by half of
it mirrors the Sun. The slopes of a calm sea (wind of 1 m/s: Cox and Munk's mean square 0.008) are
about so steep. This project's choice: no published bound for GLM was found."""

EARTH_DISC_DEG: Final = float(np.degrees(np.arcsin(EARTH_RADIUS_KM / ORBIT_RADIUS_KM)))
"""Half of the Earth's diameter as the satellite sees it: 8.7 degrees."""

STRAY_NADIR_DEG: Final = 12.0
"""So near to the Earth's center, as the satellite sees it, the Sun shines into the instrument: at
an equinox from 04:12 to 05:48 UTC of GOES-East, as GOES-16's false events were seen (glm-facts)."""

STRAY_DEG: Final = 6.0
"""Flashes within this angle of the Sun, as the satellite sees them, may be its stray light: the rim
of the disc beside it, where blooming is seen. This project's choice."""

SMALLEST_SHARE: Final = 0.25
"""No true flash is smaller than this share of one pixel, whose area is an estimate: in the real
granules at hand the smallest has 0.45 of it."""


_BLOCK: Final = 1 << 16
"""So many flashes are looked at together: memory for vectors does not grow with the window."""


@dataclass(frozen=True, slots=True)
class SunAngles:
    """Where the Sun stands for n flashes, degrees, each array of shape (n,).

    Attributes:
        glint_deg: Glint angle; 180 at night.
        from_sun_deg: Between flash and Sun, as the satellite sees them.
        nadir_deg: Between the Earth's center and the Sun, as the satellite sees them.
    """

    glint_deg: FloatArray
    from_sun_deg: FloatArray
    nadir_deg: FloatArray

    @classmethod
    def measure(
        cls,
        times: npt.NDArray[np.datetime64],
        lat: npt.ArrayLike,
        lon: npt.ArrayLike,
        satellite_lon: npt.ArrayLike,
    ) -> Self:
        """Measure the angles.

        Args:
            times: Times of flashes, UTC, shape (n,).
            lat: Latitudes, geodetic, shape (n,), degrees north.
            lon: Longitudes, shape (n,), degrees east.
            satellite_lon: Longitude of the satellite above the equator, degrees east, or shape
                (n,).
        """
        given = [np.broadcast_to(np.asarray(one), len(times)) for one in (lat, lon, satellite_lon)]
        angles = np.empty((3, len(times)))
        for first in range(0, len(times), _BLOCK):
            rows = slice(first, first + _BLOCK)
            angles[:, rows] = _measure(times[rows], *(one[rows] for one in given))
        return cls(*angles)

    @property
    def may_glint(self) -> BoolArray:
        """Which flashes may be the Sun's glint on water, shape (n,)."""
        return np.asarray(self.glint_deg <= GLINT_DEG)

    @property
    def may_stray(self) -> BoolArray:
        """Which flashes may be sunlight that comes past the Earth's rim, shape (n,)."""
        hidden = self.nadir_deg < EARTH_DISC_DEG - SUN_RADIUS_DEG
        near = (self.nadir_deg <= STRAY_NADIR_DEG) & (self.from_sun_deg <= STRAY_DEG)
        return np.asarray(near & ~hidden)


def find_wrapped_areas(
    area_km2: FloatArray, pixel_km2: FloatArray, largest_group_km2: FloatArray
) -> BoolArray:
    """Find flashes whose area has wrapped round: the files hold 10,000 km2 at most.

    What is larger comes out as what is left after 10,000 km2 (glmtools, issue 69). That shows where
    it is smaller than one pixel, or than the flash's own largest group; a wrapped area that is
    neither cannot be told from a true one.

    Args:
        area_km2: Areas of flashes, shape (n,); NaN where missing.
        pixel_km2: Area of a pixel where each is, shape (n,).
        largest_group_km2: Area of the largest group of each, shape (n,); NaN where groups were not
            read.
    """
    # Rounding: areas of flashes and groups are packed in steps of 0.15 km2 each.
    within_group = area_km2 < largest_group_km2 - 1.0
    return np.asarray((area_km2 < SMALLEST_SHARE * pixel_km2) | within_group)


def _measure(
    times: npt.NDArray[np.datetime64], lat: FloatArray, lon: FloatArray, satellite_lon: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The angles of ``SunAngles``, of a block of flashes."""
    sun = find_sun(times)
    upward, ground = _stand(lat, lon)
    above = to_unit_vectors(np.zeros(len(sun)), satellite_lon)
    view = _scale(ORBIT_RADIUS_KM * above - ground)
    height = (sun * upward).sum(axis=-1)
    mirrored = 2.0 * height[:, None] * upward - sun
    glint = np.where(height > 0.0, _angle(mirrored, view), 180.0)
    return glint, _angle(-view, sun), _angle(-above, sun)


def _stand(lat: npt.ArrayLike, lon: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The upward direction and the place (km) of points of the ground, shape (n, 3) each."""
    upward = to_unit_vectors(lat, lon)
    squares = np.array([GRS80.equatorial_km, GRS80.equatorial_km, GRS80.polar_km]) ** 2
    return upward, squares * upward / np.sqrt((squares * upward**2).sum(axis=-1))[:, None]


def _scale(vectors: FloatArray) -> FloatArray:
    """Vectors scaled to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _angle(first: FloatArray, second: FloatArray) -> FloatArray:
    """Angles between unit vectors, degrees, shape (n,); exact for small ones too."""
    half = np.linalg.norm(first - second, axis=-1) / 2.0
    return np.asarray(np.degrees(2.0 * np.arcsin(np.clip(half, 0.0, 1.0))))
