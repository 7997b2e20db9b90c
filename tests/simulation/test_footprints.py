"""Pixels of simulated flashes: adjacent, shared out among groups, joined by the algorithm."""

from datetime import UTC, datetime

import numpy as np
import pytest

from lightning_kedro.analysis.grids.fixed_grid import project
from lightning_kedro.glm.field_of_view import field_of_view, pixel_area_km2
from lightning_kedro.glm.levels import read_events, read_groups
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.glm.pixels import pixel_heights, pixel_widths
from lightning_kedro.glm.remake import remake_flashes
from lightning_kedro.simulation.footprints import STRETCHES, lay_paths, place_pixels
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.simulation.observation import observe_hour

HOUR = datetime(2024, 7, 14, 22, tzinfo=UTC)
KINDS = range(len(STRETCHES))


def lay(pixels: int, groups: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups of the events of one flash, and their pixels."""
    paths = lay_paths(np.array([pixels]), np.array([groups]), np.array([kind]))
    return paths.group, np.stack([paths.column, paths.row], 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [1, 2, 7, 30, 99])
def test_flash_lights_so_many_pixels_in_one_piece(pixels: int, kind: int) -> None:
    _, places = lay(pixels, 4, kind)
    lit = {tuple(place) for place in places.tolist()}
    assert len(lit) == pixels
    reached, edge = set(), [min(lit)]
    while edge:
        column, row = edge.pop()
        reached.add((column, row))
        beside = {(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)}
        edge += (beside & lit) - reached
    assert reached == lit


@pytest.mark.parametrize("groups", [1, 2, 5, 40])
def test_each_group_has_a_pixel_of_the_one_before(groups: int) -> None:
    group, places = lay(12, groups, 1)
    assert np.unique(group).tolist() == [*range(groups)]
    lit = [{tuple(place) for place in places[group == one].tolist()} for one in range(groups)]
    assert all(lit[number] & lit[number - 1] for number in range(1, groups))
    assert len(set().union(*lit)) == 12


def test_shapes_are_as_wide_as_they_say() -> None:
    spans = [np.ptp(lay(60, 1, kind)[1], axis=0) for kind in KINDS]
    ratios = [wide / high for wide, high in spans]
    assert ratios == pytest.approx([1.0, 1.8, 1 / 1.8], rel=0.25)


def test_pixels_are_those_of_the_detector() -> None:
    view, ellipsoid = field_of_view("G19", HOUR), lightning_ellipsoid(HOUR)
    lat, lon = np.array([0.0, 40.0, -45.0]), np.array([-75.0, -110.0, -30.0])
    by_lat, by_lon = place_pixels(lat, lon, view, ellipsoid)
    x, y = project(lat, lon, view.center_lon, ellipsoid)
    for at, (wide, high) in enumerate([(pixel_widths(x), 0.0), (0.0, pixel_heights(y))]):
        moved = project(lat + by_lat[:, at], lon + by_lon[:, at], view.center_lon, ellipsoid)
        np.testing.assert_allclose(moved[0] - x, wide, atol=1.5e-6)
        np.testing.assert_allclose(moved[1] - y, high, atol=1.5e-6)


def test_area_of_a_flash_is_that_of_its_pixels_as_in_real_granules() -> None:
    """1.24 to 1.34 times as many there, where pixels are split in two by rounding."""
    content = observe_hour("G18", HOUR, 60).granule(30)
    groups, events, flashes = content.groups, content.events, content.flashes
    parent = dict(zip(groups.group_id.tolist(), groups.parent_flash_id.tolist(), strict=True))
    lit = {
        (parent[group], round(lat, 7), round(lon, 7))
        for group, lat, lon in zip(
            events.parent_group_id.tolist(), events.lat, events.lon, strict=True
        )
    }
    ids = flashes.flash_id.tolist()
    counts = np.bincount([ids.index(flash) for flash, *_ in lit], minlength=len(ids))
    pixels = pixel_area_km2("G18", flashes.lat, flashes.lon)
    assert (counts * pixels).sum() / flashes.area_km2.sum() == pytest.approx(1.3, abs=0.05)


def test_algorithm_tears_no_simulated_flash() -> None:
    """Some are joined with a neighbor of the same storm and moment: those are too near for it."""
    name, content = next(iter(simulate_hour("G18", HOUR)))
    groups = read_groups(content, name)
    made = remake_flashes(groups, read_events(content, name))
    pairs = np.unique(np.stack([groups.parent_flash_id, made]), axis=1)
    n_flashes = np.unique(groups.parent_flash_id).size
    assert pairs.shape[1] <= 1.005 * n_flashes
    alone = np.bincount(pairs[1]) == 1
    assert alone[pairs[1]].mean() > 0.88
