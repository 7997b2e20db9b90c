"""Points on the Earth as unit vectors, so that nothing special happens at 180 degrees."""

from typing import Final

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius of the Earth (IUGG 1980: (2a + b) / 3), in km."""

KM_PER_DEGREE: Final = EARTH_RADIUS_KM * np.pi / 180.0
"""Length of one degree of a great circle, in km."""

_HALF_TURN: Final = 180.0

FloatArray = npt.NDArray[np.float64]


def to_unit_vectors(lat: npt.ArrayLike, lon: npt.ArrayLike) -> FloatArray:
    """Turn latitudes and longitudes into unit vectors.

    Args:
        lat: Latitudes, shape (n,), degrees north in [-90, 90].
        lon: Longitudes, shape (n,), degrees east, any turn.

    Returns:
        Shape (n, 3), float64: x towards (0 N, 0 E), y towards (0 N, 90 E), z towards the north
        pole. Computed in float64 whatever the inputs are.
    """
    phi = np.radians(np.asarray(lat, dtype=np.float64))
    lam = np.radians(np.asarray(lon, dtype=np.float64))
    vectors = np.empty((*phi.shape, 3), dtype=np.float64)
    horizontal = np.cos(phi)
    np.multiply(horizontal, np.cos(lam), out=vectors[..., 0])
    np.multiply(horizontal, np.sin(lam), out=vectors[..., 1])
    np.sin(phi, out=vectors[..., 2])
    return vectors


def to_lat_lon(vectors: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Turn vectors of any length but zero into latitudes and longitudes.

    Args:
        vectors: Shape (n, 3).

    Returns:
        Latitudes in [-90, 90] and longitudes in (-180, 180], shape (n,) each, degrees.
    """
    x, y, z = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    lat = np.degrees(np.arctan2(z, np.hypot(x, y)))
    lon = np.degrees(np.arctan2(y, x))
    return lat, np.where(lon <= -_HALF_TURN, _HALF_TURN, lon)
