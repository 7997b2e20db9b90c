"""The basemap's shapefiles are read as cartopy reads them."""

from importlib.resources import files

import numpy as np
import pytest
import shapely
from cartopy.io.shapereader import Reader

from lightning_kedro.basemap import LAYERS, read_layer
from lightning_kedro.basemap.shapefile import read_shapes


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_what_cartopy_reads(name: str) -> None:
    path = files("lightning_kedro.basemap") / f"ne_{name}.shp"
    expected = np.array([*Reader(str(path)).geometries()], dtype=object)
    assert shapely.equals_exact(read_layer(name), expected).all()
    with pytest.raises(ValueError, match="read-only"):
        read_layer(name)[0] = None


def test_other_types_of_shapes_are_refused() -> None:
    content = (files("lightning_kedro.basemap") / "ne_lakes.shp").read_bytes()
    points = content[:108] + (1).to_bytes(4, "little") + content[112:]
    with pytest.raises(ValueError, match=r"Record 1 .* has type 1: only lines \(3\) and polygons"):
        read_shapes(points)
