"""Sizes of pixels against the distances between neighboring events of real granules."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths

from lightning_kedro.analysis.grids.fixed_grid import project
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.levels import read_events
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.glm.pixels import pixel_corners, pixel_heights, pixel_widths

MICRO = 1e-6


def measure_pitches(path: Path, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Angles midway between neighbors of one group, and the distances between them, rad."""
    name = name_of(path)
    events = read_events(path, name)
    center = field_of_view(name.platform, name.start).center_lon
    angles = project(events.lat, events.lon, center, lightning_ellipsoid(name.start))
    order = np.argsort(events.parent_group_id, kind="stable")
    along, across = angles[axis][order], angles[1 - axis][order]
    group, middles, pitches = events.parent_group_id[order], [], []
    for shift in range(1, 20):
        distance = np.abs(along[shift:] - along[:-shift])
        is_neighbor = (group[shift:] == group[:-shift]) & (distance < 290 * MICRO)
        is_neighbor &= np.abs(across[shift:] - across[:-shift]) < 60 * MICRO
        is_neighbor &= distance > 110 * MICRO
        middles.append(((along[shift:] + along[:-shift]) / 2)[is_neighbor])
        pitches.append(distance[is_neighbor])
    return np.concatenate(middles), np.concatenate(pitches)


@needs_real_granules
@pytest.mark.parametrize("axis", [0, 1], ids=["widths", "heights"])
def test_pixels_are_as_far_apart_as_they_are_large(axis: int) -> None:
    """On GOES-16, 17 and 19, in every zone that lightning was seen in."""
    paths = [path for path in real_granule_paths() if path.stat().st_size > 200_000]
    measured = [measure_pitches(path, axis) for path in paths]
    middle, pitch = (np.concatenate(arrays) for arrays in zip(*measured, strict=True))
    size = (pixel_widths, pixel_heights)[axis](middle)
    assert np.median(np.abs(pitch / size - 1)) < 0.012, "one step of the packing is 2 to 3 %"
    zone = np.round(np.abs(middle) / 5e-3)
    counts = [np.count_nonzero(zone == number) for number in np.unique(zone)]
    for number, count in zip(np.unique(zone), counts, strict=True):
        if count > 300:
            mine = zone == number
            assert np.mean(pitch[mine]) == pytest.approx(np.mean(size[mine]), rel=0.02), number


def test_corners_are_half_a_size_away() -> None:
    x, y = np.array([-0.07, 0.0, 0.12]), np.array([0.0, 0.105, -0.12])
    corner_x, corner_y = pixel_corners(x, y)
    np.testing.assert_allclose(corner_x.mean(1), x, atol=1e-15)
    np.testing.assert_allclose(corner_y.mean(1), y, atol=1e-15)
    np.testing.assert_allclose(np.ptp(corner_x, 1), pixel_widths(x))
    np.testing.assert_allclose(np.ptp(corner_y, 1), pixel_heights(y))


def test_pixels_get_smaller_outward_and_are_alike_on_all_sides() -> None:
    angles = np.linspace(0.0, 0.13, 200)
    for size in (pixel_widths, pixel_heights):
        np.testing.assert_array_equal(size(angles), size(-angles))
        assert size(np.zeros(1))[0] == pytest.approx(8.0 / 35786, rel=0.01), "8 km at nadir"
        assert np.diff(size(angles)).max() < 0.02 * size(np.zeros(1))[0]
