"""Coastlines, borders, states, lakes and land to draw maps on, carried in the package.

The layers are Natural Earth's (public domain), see ``README.md`` beside this file. Nothing is ever
downloaded.
"""

from functools import cache
from importlib.resources import files
from typing import Final

from lightning_kedro.basemap.shapefile import Geometries, read_shapes

LAYERS: Final = ("land", "lakes", "states", "borders", "coastline")
"""The layers in the order in which a map is drawn."""


@cache
def read_layer(name: str) -> Geometries:
    """Read a layer.

    Args:
        name: One of ``LAYERS``.

    Returns:
        Shapely geometries, shape (n,), longitudes and latitudes in degrees: polygons for land and
        lakes, lines for the others. Land that crosses 180 degrees is not cut there, so that some of
        its longitudes lie a little beyond. The array is the same for every caller, and read-only.

    Raises:
        KeyError: If there is no such layer.
    """
    if name not in LAYERS:
        message = f"There is no layer {name!r}: choose one of {', '.join(LAYERS)}."
        raise KeyError(message)
    shapes = read_shapes((files(__name__) / f"ne_{name}.shp").read_bytes())
    shapes.setflags(write=False)
    return shapes
