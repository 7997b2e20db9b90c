"""Places and outlines as geographic formats want them: longitude before latitude, in degrees.

Points are well-known binary (OGC 06-103r4, 8.2) made by numpy, for tables of millions of flashes;
outlines are few and made by shapely.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

FloatArray = npt.NDArray[np.floating[Any]]

_POINT: Final = np.dtype([("order", "u1"), ("kind", "<u4"), ("lon", "<f8"), ("lat", "<f8")])
_LITTLE_ENDIAN: Final = 1
_WKB_POINT: Final = 1
_CORNERS: Final = 3
"""A polygon has so many places at least."""

_HALF_TURN: Final = 180.0
_TURN: Final = 360.0


def encode_points(lon: FloatArray, lat: FloatArray) -> pa.Array:
    """Points as well-known binary.

    Args:
        lon: Degrees east, shape (n,).
        lat: Degrees north, shape (n,).

    Returns:
        Binary values, 21 bytes each.
    """
    points = np.empty(len(lon), _POINT)
    points["order"], points["kind"] = _LITTLE_ENDIAN, _WKB_POINT
    points["lon"], points["lat"] = lon, lat
    offsets = np.arange(len(lon) + 1, dtype=np.int32) * _POINT.itemsize
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(points)]
    return pa.Array.from_buffers(pa.binary(), len(lon), buffers)


def outline_places(lon: FloatArray, lat: FloatArray) -> "BaseGeometry":
    """What encloses some places, straight in longitude and latitude.

    Args:
        lon: Degrees east, shape (n,), within 180 degrees of each other.
        lat: Degrees north, shape (n,).

    Returns:
        The convex hull, counterclockwise: a polygon, or two of them cut at the 180 degree meridian
        if it crosses that; a multipoint of the places where they span no area.
    """
    import shapely

    places = np.unique(np.column_stack([lon, lat]).astype(float), axis=0)
    unwrapped = places.copy()
    around = (places[:, 0] - places[0, 0] + _HALF_TURN) % _TURN - _HALF_TURN
    unwrapped[:, 0] = places[0, 0] + around
    hull = shapely.convex_hull(shapely.multipoints(unwrapped))
    if len(places) < _CORNERS or hull.geom_type != "Polygon":
        return shapely.multipoints(places)
    return _cut_at_meridian(hull)


def _cut_at_meridian(hull: "BaseGeometry") -> "BaseGeometry":
    """A polygon whose longitudes may go beyond 180 degrees, in parts within them (RFC 7946, 3.1.9).

    Longitudes that were unwrapped around a place go beyond one side at most.
    """
    from shapely import Polygon, affinity, box
    from shapely.geometry import MultiPolygon
    from shapely.geometry.polygon import orient

    west, _, east, _ = hull.bounds
    if west >= -_HALF_TURN and east <= _HALF_TURN:
        return orient(hull, 1.0)
    parts = []
    for turn in (-_TURN, 0.0, _TURN):
        moved = affinity.translate(hull, xoff=turn)
        inside = moved.intersection(box(-_HALF_TURN, -90.0, _HALF_TURN, 90.0))
        if isinstance(inside, Polygon) and inside.area > 0:
            parts.append(orient(inside, 1.0))
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


@dataclass(slots=True)
class Bounds:
    """The box around all places that were added, the narrower way around the Earth.

    Longitudes are followed twice: from -180 to 180 degrees and from 0 to 360.
    """

    _south: float = np.inf
    _north: float = -np.inf
    _plain: list[float] = field(default_factory=lambda: [np.inf, -np.inf])
    _shifted: list[float] = field(default_factory=lambda: [np.inf, -np.inf])

    def add(self, lon: FloatArray, lat: FloatArray) -> None:
        """Widen the box; longitudes and latitudes in degrees, shape (n,)."""
        if len(lon) == 0:
            return
        self._south = min(self._south, float(lat.min()))
        self._north = max(self._north, float(lat.max()))
        for sides, values in ((self._plain, lon), (self._shifted, np.mod(lon, _TURN))):
            sides[:] = [min(sides[0], float(values.min())), max(sides[1], float(values.max()))]

    @property
    def box(self) -> list[float] | None:
        """West, south, east and north; west > east where it crosses 180 degrees; None if empty."""
        if self._south > self._north:
            return None
        west, east = self._plain
        first, last = self._shifted
        if last - first < east - west:  # nearer together beyond 180 degrees
            west, east = (_wrap(side) for side in (first, last))
        return [west, self._south, east, self._north]


def _wrap(lon: float) -> float:
    """A longitude of 0 to 360 degrees as one of -180 to 180."""
    return lon - _TURN if lon > _HALF_TURN else lon
