"""Which cells of a grid are seen."""

from datetime import UTC, datetime

import numpy as np
import pytest

from lightning_kedro.analysis.grids.fixed_grid import project
from lightning_kedro.analysis.grids.target import FixedGrid, TargetGrid, make_lat_lon_grid
from lightning_kedro.analysis.grids.view import _see, see_grid
from lightning_kedro.glm.field_of_view import sees
from lightning_kedro.glm.lightning_ellipsoid import GRS80
from lightning_kedro.glm.orbital_slot import find_segments

START, END = datetime(2024, 7, 14, 22, tzinfo=UTC), datetime(2024, 7, 14, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("satellite", "grid"),
    [
        ("east", FixedGrid("conus", -75.0, -0.101332, 0.128212, 190, 130)),  # its north-west
        ("west", FixedGrid("full_disk", -137.0, -0.1405, 0.05, 60, 300)),
        ("west", make_lat_lon_grid(-205.0, -60.0, -65.0, 60.0, 0.7)),
        ("both", make_lat_lon_grid(-180.0, -90.0, 180.0, 90.0, 1.3)),
        ("east", make_lat_lon_grid(-100.0, 20.0, -99.0, 21.0, 1.0)),
        ("east", make_lat_lon_grid(-20.0, 20.0, -5.0, 21.7, 0.1)),
    ],
)
def test_blocks_see_what_every_cell_by_itself_does(satellite: str, grid: TargetGrid) -> None:
    segments = find_segments(satellite, START, END)
    cells = np.meshgrid(np.arange(grid.rows), np.arange(grid.columns), indexing="ij")
    expected = _see(grid, segments, *cells)
    seen = see_grid(grid, segments)
    assert seen.shape == (grid.rows, grid.columns)
    assert np.array_equal(seen, expected)


def test_rows_and_columns_are_those_of_the_file() -> None:
    """North comes first on the fixed grid, south first in degrees."""
    east = find_segments("east", START, END)
    corner = see_grid(FixedGrid("full_disk", -75.0, -0.1518, 0.1518, 40, 40), east)
    assert not corner.any(), "beside the Earth"
    _, (y,) = project([57.6], [-75.0], -75.0, GRS80)
    rim = see_grid(FixedGrid("conus", -75.0, 0.0, float(y) + 5e-4, 9, 30), east)
    assert not rim[0].any()
    assert rim[-1].all()
    grid = make_lat_lon_grid(-100.0, 40.0, -90.0, 70.0, 1.0)
    seen = see_grid(grid, east)
    assert seen[0].all(), "40 N comes first"
    assert not seen[-1].any()
    assert seen[:, 5].sum() == sees("G16", grid.center_lat, -94.5, START).sum()
