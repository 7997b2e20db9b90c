"""Flashes on grids by hand: counts, shares, areas, edges, 180 degrees, and what is conserved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.analysis.grid_lightning import EAST, END, ONE_STEP, START, grid, make_lightning

from lightning_kedro.analysis.grids import sums as cell_sums
from lightning_kedro.analysis.grids.building import GridBuilder, Steps, find_rows
from lightning_kedro.analysis.grids.lit_pixels import SQUARE_RAD
from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.analysis.grids.sums import CellSums
from lightning_kedro.analysis.grids.target import (
    STEP_RAD,
    LatLonGrid,
    make_fixed_grid,
    make_lat_lon_grid,
)
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.field_of_view import ORBIT_RADIUS_KM
from lightning_kedro.glm.lightning_ellipsoid import LOWERED
from lightning_kedro.glm.pixels import pixel_heights, pixel_widths

CONUS = make_fixed_grid("conus", EAST)
DISK = make_fixed_grid("full_disk", EAST)
MIDDLE = (-0.03, 0.09)
WIDE, HIGH = (
    float(size(np.array([angle]))[0])
    for size, angle in ((pixel_widths, MIDDLE[0]), (pixel_heights, MIDDLE[1]))
)
IN_SQUARE = tuple(-0.31 + SQUARE_RAD * np.round((angle + 0.31) / SQUARE_RAD) for angle in MIDDLE)
"""The corner of a square in which events are of one pixel."""
EDGE = float(np.arctan(LOWERED.polar_km / np.sqrt(ORBIT_RADIUS_KM**2 - LOWERED.equatorial_km**2)))
"""Where lines of sight begin to pass by the lightning ellipsoid in the north, rad."""
PIXEL_CELLS = WIDE * HIGH / STEP_RAD**2


def value(sums: CellSums, name: str, cell: int | None = None) -> float:
    """A product in a cell, or its sum."""
    values = PRODUCTS[name].compute(sums)
    return float(values.sum() if cell is None else values[np.searchsorted(sums.cell, cell)])


def cell_of(target: object, place: tuple[float, float]) -> int:
    column = int(np.floor((place[0] - target.x) / STEP_RAD + 0.5))  # type: ignore[attr-defined]
    row = int(np.floor((target.y - place[1]) / STEP_RAD + 0.5))  # type: ignore[attr-defined]
    return row * target.columns + column  # type: ignore[attr-defined]


def test_one_event_covers_its_pixel() -> None:
    sums = grid(CONUS, make_lightning([[MIDDLE]]))
    middle = cell_of(CONUS, MIDDLE)
    assert value(sums, "flash_extent_density") == pytest.approx(PIXEL_CELLS)
    for name in ("flash_extent_density", "group_extent_density"):
        assert value(sums, name, middle) == pytest.approx(1.0)
        assert PRODUCTS[name].compute(sums).max() <= 1.0 + 1e-9
    assert value(sums, "flash_centroid_density") == 1.0
    assert value(sums, "flash_centroid_density", middle) == 1.0
    assert value(sums, "group_centroid_density", middle) == 1.0
    for name in ("average_flash_area", "minimum_flash_area", "average_group_area"):
        values = PRODUCTS[name].compute(sums)
        assert values == pytest.approx(np.full(len(sums), 70.0)), name
    assert value(sums, "total_energy") == pytest.approx(1e-14 * 1e9)


def test_a_flash_counts_once_in_a_pixel_however_many_events_it_has_there() -> None:
    middle = (IN_SQUARE[0] + 9e-6, IN_SQUARE[1] + 9e-6)
    near = (IN_SQUARE[0] + 11e-6, IN_SQUARE[1] + 6e-6)
    beside = (middle[0] + WIDE, middle[1])
    sums = grid(CONUS, make_lightning([[middle, near, near, beside]]))
    assert value(sums, "flash_extent_density") == pytest.approx(2 * PIXEL_CELLS, rel=1e-3)
    assert PRODUCTS["flash_extent_density"].compute(sums).max() == pytest.approx(1.0, abs=0.05)
    assert value(sums, "flash_centroid_density") == 1.0
    assert value(sums, "total_energy") == pytest.approx(4e-14 * 1e9)


@pytest.mark.parametrize(("join", "counted"), [(False, 2), (True, 1)])
@pytest.mark.parametrize("shift", [(-4e-6, 2e-6), (2e-6, -4e-6), (-4e-6, -4e-6)])
def test_pixel_over_the_edge_of_a_square_counts_twice_unless_joined(
    shift: tuple[float, float], join: bool, counted: int
) -> None:
    """As in glmtools, which the grids are held against."""
    inside = (IN_SQUARE[0] + 2e-6, IN_SQUARE[1] + 2e-6)
    across = (IN_SQUARE[0] + shift[0], IN_SQUARE[1] + shift[1])
    builder = GridBuilder(CONUS, ONE_STEP, join_pixels=join)
    builder.add(make_lightning([[inside, across, inside]]))
    sums = builder.pop(0)
    assert PRODUCTS["flash_extent_density"].compute(sums).max() == pytest.approx(counted)
    assert value(sums, "flash_extent_density") == pytest.approx(counted * PIXEL_CELLS, rel=1e-3)
    assert value(sums, "total_energy") == pytest.approx(3e-5)


def test_neighboring_pixels_are_never_joined() -> None:
    around = [(IN_SQUARE[0] + a * WIDE, IN_SQUARE[1] + b * HIGH) for a in (0, 1) for b in (0, 1)]
    builder = GridBuilder(CONUS, ONE_STEP, join_pixels=True)
    builder.add(make_lightning([around]))
    sums = builder.pop(0)
    assert value(sums, "flash_extent_density") == pytest.approx(4 * PIXEL_CELLS)


def test_flashes_over_one_another_add_up_and_their_areas_are_averaged() -> None:
    sums = grid(CONUS, make_lightning([[MIDDLE], [MIDDLE], [MIDDLE]], areas=[100, 400, np.nan]))
    middle = cell_of(CONUS, MIDDLE)
    assert value(sums, "flash_extent_density", middle) == pytest.approx(3.0)
    assert value(sums, "average_flash_area", middle) == pytest.approx(250.0), "of the known ones"
    assert value(sums, "minimum_flash_area", middle) == pytest.approx(100.0)


def test_areas_that_are_all_unknown_are_the_fill_value() -> None:
    sums = grid(CONUS, make_lightning([[MIDDLE]], areas=[np.nan]))
    for name in ("average_flash_area", "minimum_flash_area"):
        assert not PRODUCTS[name].compute(sums).any()
    assert value(sums, "flash_extent_density") > 0


def test_granules_add_up() -> None:
    one, two = (make_lightning([[(MIDDLE[0] + shift, MIDDLE[1])]]) for shift in (0.0, 9e-5))
    both, each = grid(CONUS, one, two), [grid(CONUS, granule) for granule in (one, two)]
    assert both.sums.sum(0) == pytest.approx(each[0].sums.sum(0) + each[1].sums.sum(0))
    assert (np.diff(both.cell) > 0).all()


def test_adding_up_early_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    granules = [
        make_lightning([[(*(MIDDLE + random.normal(0, 1e-3, 2)),)] for _ in range(9)])
        for _ in range(6)
    ]
    at_once = grid(CONUS, *granules)
    monkeypatch.setattr(cell_sums, "_PENDING", 50)
    early = grid(CONUS, *granules)
    np.testing.assert_array_equal(early.cell, at_once.cell)
    np.testing.assert_allclose(early.sums, at_once.sums, rtol=1e-12)
    np.testing.assert_array_equal(early.least_km2, at_once.least_km2)


@pytest.mark.parametrize("seed", range(3))
def test_energy_and_counts_are_conserved(seed: int) -> None:
    """Over the full disk and on a grid of degrees, wherever the flashes are."""
    random = np.random.default_rng(seed)
    flashes = [
        [tuple(np.array([x, y]) + random.normal(0, 4e-4, 2)) for _ in range(random.integers(1, 30))]
        for x, y in random.uniform(-0.09, 0.09, (25, 2))
    ]
    lightning = make_lightning(flashes)
    events = len(lightning.events)
    whole_earth = make_lat_lon_grid(-180, -90, 180, 90, 0.25)
    for target in (DISK, whole_earth):
        sums = grid(target, lightning)
        assert value(sums, "total_energy") == pytest.approx(events * 1e-5, rel=1e-9)
        for level in ("flash", "group"):
            assert value(sums, f"{level}_centroid_density") == 25
    cells = grid(DISK, lightning)
    assert value(cells, "flash_extent_density") < events * 17


def test_only_what_is_on_the_grid_counts() -> None:
    """A pixel over the edge counts with the part that is inside."""
    corner = (CONUS.x + 2499.5 * STEP_RAD, CONUS.y - 1499.5 * STEP_RAD)
    sums = grid(CONUS, make_lightning([[corner], [(corner[0] + 1e-3, corner[1])]]))
    assert value(sums, "total_energy") == pytest.approx(0.25e-5, rel=1e-6)
    assert value(sums, "flash_centroid_density") in {0.0, 1.0}, "on the corner, within rounding"
    assert sums.cell.max() == CONUS.columns * CONUS.rows - 1
    assert (sums.cell % CONUS.columns).min() >= CONUS.columns - 3


def test_180_degrees_is_like_any_other_meridian() -> None:
    """GOES-West sees both sides: the same flash on either side of the line, and on it."""
    west = -137.0
    box = make_lat_lon_grid(170.0, -10.0, -170.0, 10.0, 0.5)
    assert (box.columns, box.rows) == (40, 40)
    elsewhere = make_lat_lon_grid(-153.0, -10.0, -133.0, 10.0, 0.5)
    pixel = (-0.0985, 0.001)
    on_line = grid(box, make_lightning([[pixel]], satellite_lon=west))
    beside = grid(elsewhere, make_lightning([[pixel]], satellite_lon=west + 37.0))
    assert value(on_line, "total_energy") == pytest.approx(1e-5)
    np.testing.assert_array_equal(on_line.cell, beside.cell)
    np.testing.assert_allclose(on_line.sums, beside.sums, atol=1e-9)


def test_grid_round_the_earth_has_no_seam() -> None:
    """Cells on the other side of the seam get their part."""
    pixel, west = (-0.0985, 0.001), -137.0
    lightning = make_lightning([[pixel]], satellite_lon=west)
    lon = float(lightning.events.lon[0])
    seam = make_lat_lon_grid(lon, -90, lon, 90, 0.1)
    assert seam.columns == 3600
    sums = grid(seam, lightning)
    assert value(sums, "total_energy") == pytest.approx(1e-5)
    columns = sums.cell % seam.columns
    assert {0, 3599} <= set(columns.tolist())


def test_pixels_at_the_edge_of_the_disc_are_left_out_of_degrees_only() -> None:
    lightning = make_lightning([[(0.0, EDGE - 2e-5)]])
    assert value(grid(DISK, lightning), "total_energy") == pytest.approx(1e-5)
    degrees = grid(make_lat_lon_grid(-90, -90, 90, 90, 1.0), lightning)
    assert value(degrees, "total_energy") == 0
    assert value(degrees, "flash_centroid_density") == 1


def test_events_without_place_or_family_are_counted_and_left_out() -> None:
    lightning = make_lightning([[MIDDLE, MIDDLE], [MIDDLE]])
    clamped = replace(lightning.events, is_clamped=np.array([True, False, False]))
    orphaned = replace(lightning.events, parent_group_id=np.array([100, 100, 7], np.uint32))
    for events in (clamped, orphaned):
        builder = GridBuilder(CONUS, Steps(START, END, 1.0))
        builder.add(replace(lightning, events=events))
        assert builder.unplaced == 1
        assert value(builder.pop(0), "total_energy") == pytest.approx(2e-5)


def test_flashes_that_do_not_count_take_their_groups_and_events_with_them() -> None:
    lightning = make_lightning([[MIDDLE], [MIDDLE]])
    sums = grid(CONUS, replace(lightning, steps=np.array([0, -1])))
    assert value(sums, "flash_centroid_density") == value(sums, "group_centroid_density") == 1
    assert value(sums, "flash_extent_density") == pytest.approx(PIXEL_CELLS)


def test_granule_without_lightning_adds_nothing() -> None:
    assert len(grid(CONUS, make_lightning([]))) == 0
    assert len(grid(CONUS)) == 0


def test_steps_are_half_open_and_the_last_one_may_be_shorter() -> None:
    steps = Steps(START, START + timedelta(minutes=5), 2.0)
    assert len(steps) == 3
    minutes = np.array([-1, 0, 119.999999, 120, 299, 300])
    times = np.datetime64("2024-07-14T22:00", "us") + (minutes * 1e6).astype("timedelta64[us]")
    assert steps.number(times).tolist() == [-1, 0, 0, 1, 2, -1]
    assert steps.bounds[-1].tolist() == [
        datetime(2024, 7, 14, 22, 4),  # noqa: DTZ001  (NumPy's have no zone)
        datetime(2024, 7, 14, 22, 5),  # noqa: DTZ001
    ]


def test_steps_are_apart() -> None:
    builder = GridBuilder(CONUS, Steps(START, START + timedelta(minutes=2), 1.0))
    builder.add(replace(make_lightning([[MIDDLE], [MIDDLE]]), steps=np.array([1, 0])))
    for step in (0, 1):
        assert value(builder.pop(step), "flash_centroid_density") == 1
    assert len(builder.pop(0)) == 0, "a step that was taken is forgotten"


def test_rows_of_parents() -> None:
    ids = np.array([9, 2, 65_535], np.uint16)
    assert find_rows(ids, np.array([65_535, 2, 3, 9], np.uint16)).tolist() == [2, 1, -1, 0]
    assert find_rows(ids[:0], ids).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(("origin", "first"), [(-75.0, -0.101332), (-137.0, -0.069972)])
def test_sectors_are_the_imagers(origin: float, first: float) -> None:
    conus, disk = (make_fixed_grid(sector, origin) for sector in ("conus", "full_disk"))
    assert conus.center_x[0] == pytest.approx(first)
    assert conus.center_y[[0, -1]] == pytest.approx([0.128212, 0.044268])
    assert disk.center_x == pytest.approx(-disk.center_x[::-1])
    assert disk.center_y == pytest.approx(-disk.center_y[::-1])
    offset = (conus.center_x[0] - disk.center_x[0]) / STEP_RAD
    assert offset == pytest.approx(round(offset), abs=1e-6), "cells of CONUS are the full disk's"


def test_conus_is_not_defined_where_satellites_are_tested() -> None:
    message = r"grids\.domain: conus is defined for GOES-East and GOES-West, .* 89\.5 W: choose"
    with pytest.raises(ParameterError, match=message):
        make_fixed_grid("conus", -89.5)


def test_degrees_cover_the_box_with_whole_cells() -> None:
    box = make_lat_lon_grid(-100.0, 20.0, -80.05, 45.0, 0.1)
    assert box == LatLonGrid(-100.0, 20.0, 0.1, 200, 250)
    assert box.center_lon[[0, -1]] == pytest.approx([-99.95, -80.05])
    assert box.center_lat[[0, -1]] == pytest.approx([20.05, 44.95])


def test_bounds_of_the_box_are_inside() -> None:
    box = make_lat_lon_grid(-100.0, 20.0, -80.0, 45.0, 0.5)
    lat, lon = np.array([20.0, 45.0, 45.001]), np.array([-100.0, -80.0, -80.0])
    column, row = box.place(lat, lon, EAST, LOWERED)
    assert np.floor(column).tolist() == [0, 39, 39]
    assert np.floor(row).tolist() == [0, 49, 50]


def test_steps_are_in_utc() -> None:
    assert Steps(datetime(2024, 7, 14, tzinfo=UTC), datetime(2024, 7, 15, tzinfo=UTC), 60).bounds[
        0, 0
    ] == np.datetime64("2024-07-14T00:00")
