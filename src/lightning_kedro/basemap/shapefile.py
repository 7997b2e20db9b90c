"""The shapes of a shapefile as Shapely geometries, read in some milliseconds.

Cartopy's reader goes through pyshp and GeoJSON and takes 0.3 s for the layers of the basemap, and
importing it takes as long again: more than drawing a map. The format is ESRI's "Shapefile Technical
Description" (July 1998): a header of 100 bytes, then records of a header (big endian) and a shape
(little endian).
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Geometries = npt.NDArray[np.object_]

_HEADER: Final = 100
_RECORD_HEADER: Final = struct.Struct(">ii")  # number, and length in words of 16 bits
_SHAPE: Final = struct.Struct("<i4dii")  # type, box, number of parts, number of points
_LINES, _POLYGONS = 3, 5


def read_shapes(content: bytes) -> Geometries:
    """Read the file ``.shp`` of a shapefile.

    Args:
        content: The file.

    Returns:
        A geometry a record, shape (n,): lines or polygons, multiple ones where a record has more
        than one. Rings that run clockwise are a polygon's outline, others holes of the polygon
        before them, as GDAL writes them.

    Raises:
        ValueError: If a record is of another type.
    """
    return np.array([_make_shape(*record) for record in _read_records(content)], dtype=object)


def _read_records(content: bytes) -> Iterator[tuple[int, list[npt.NDArray[np.float64]]]]:
    """Type and parts of each record; parts are points of shape (p, 2)."""
    at = _HEADER
    while at < len(content):
        number, words = _RECORD_HEADER.unpack_from(content, at)
        at += _RECORD_HEADER.size
        kind, *_, n_parts, n_points = _SHAPE.unpack_from(content, at)
        if kind not in (_LINES, _POLYGONS):
            message = f"Record {number} of the shapefile has type {kind}: only lines (3) and polygons (5) are read."  # noqa: E501
            raise ValueError(message)
        starts = np.frombuffer(content, "<i4", n_parts, at + _SHAPE.size)
        points_at = at + _SHAPE.size + 4 * n_parts
        points = np.frombuffer(content, "<f8", 2 * n_points, points_at).reshape(-1, 2)
        yield kind, np.split(points, starts[1:])
        at += 2 * words


def _make_shape(kind: int, parts: list[npt.NDArray[np.float64]]) -> Any:  # noqa: ANN401
    """A record as a geometry."""
    import shapely

    if kind == _LINES:
        lines = [shapely.linestrings(part) for part in parts]
        return lines[0] if len(lines) == 1 else shapely.multilinestrings(lines)
    polygons: list[tuple[Any, list[Any]]] = []
    for ring in [shapely.linearrings(part) for part in parts]:
        if polygons and shapely.is_ccw(ring):
            polygons[-1][1].append(ring)
        else:
            polygons.append((ring, []))
    made = [shapely.polygons(outline, holes=holes or None) for outline, holes in polygons]
    return made[0] if len(made) == 1 else shapely.multipolygons(made)
