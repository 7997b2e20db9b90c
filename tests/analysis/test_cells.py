from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_kedro.analysis.cells import (
    TooFewCellsError,
    choose_grid,
    count_cells,
    merge_cells,
    sum_cells,
)
from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.grid import MAX_DIVISIONS, CellGrid, find_positions

GRID = CellGrid("sphere", 30)


def sum_places(lat: np.ndarray, lon: np.ndarray) -> tuple[object, np.ndarray, np.ndarray]:
    points = FeatureSpace().project(lat, lon)
    keys = GRID.find_keys(find_positions("sphere", lat, lon))
    return sum_cells(GRID, keys, points), keys, points


def test_cells_hold_count_mean_and_scatter_of_their_points(
    storms: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> None:
    cells, keys, points = sum_places(*storms(3000))
    assert np.array_equal(cells.keys, np.unique(keys))
    for number, key in enumerate(cells.keys):
        mine = points[keys == key]
        mean = mine.mean(axis=0)
        assert cells.counts[number] == len(mine)
        assert cells.means[number] == pytest.approx(mean, abs=1e-6)
        scatter = ((mine - mean) ** 2).sum()
        assert cells.scatter[number] == pytest.approx(scatter, rel=1e-6, abs=1e-6)
    assert np.array_equal(cells.keys[cells.find_indices(keys)], keys)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 400))
def test_cells_of_parts_merge_to_cells_of_the_whole(seed: int, n_parts: int, n: int) -> None:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(-60, 60, n), random.uniform(-180, 180, n)
    whole, _, _ = sum_places(lat, lon)
    part = random.integers(n_parts, size=n)
    parts = [
        sum_places(lat[part == p], lon[part == p])[0] for p in range(n_parts) if (part == p).any()
    ]
    merged = merge_cells(*[parts[p] for p in random.permutation(len(parts))])
    # Keys, counts and sums to the last bit, in whatever order; the scatter to rounding.
    assert np.array_equal(merged.keys, whole.keys)
    assert np.array_equal(merged.counts, whole.counts)
    assert np.array_equal(merged.sums, whole.sums)
    assert merged.scatter == pytest.approx(whole.scatter, rel=1e-7, abs=1e-6)


def test_many_blocks_give_the_cells_of_one(noise: Callable[..., tuple]) -> None:
    lat, lon = noise(300_000)
    cells, keys, points = sum_places(lat, lon)
    counts = np.unique(keys, return_counts=True)[1]
    assert np.array_equal(cells.counts, counts)
    assert cells.sums.sum(axis=0) * 2.0**-22 == pytest.approx(points.sum(axis=0), rel=1e-6)


@pytest.mark.parametrize("max_cells", [1, 24, 500, 2000])
def test_finest_grid_within_the_limit_is_chosen(
    places: tuple[np.ndarray, np.ndarray], max_cells: int
) -> None:
    where = find_positions("sphere", *places)
    coarsest = count_cells(CellGrid("sphere", 1), where)
    if coarsest > max_cells:
        with pytest.raises(TooFewCellsError, match=f"fill {coarsest} cells of the coarsest grid"):
            choose_grid("sphere", where, max_cells)
        return
    grid = choose_grid("sphere", where, max_cells)
    assert count_cells(grid, where) <= max_cells
    if grid.divisions < MAX_DIVISIONS:
        assert count_cells(CellGrid("sphere", grid.divisions + 1), where) > max_cells


def test_finer_grid_that_fits_again_is_found() -> None:
    # Nine blobs: with 24 cells allowed, more divisions do not always mean more cells.
    random = np.random.default_rng(2)
    blob = random.integers(9, size=1500)
    lat = random.uniform(-45.0, 45.0, 9)[blob] + random.normal(0.0, 0.05, 1500)
    lon = random.uniform(-130.0, -20.0, 9)[blob] + random.normal(0.0, 0.05, 1500)
    where = find_positions("sphere", lat, lon)
    chosen = choose_grid("sphere", where, 24).divisions
    near = range(chosen + 1, chosen + 16)
    assert all(count_cells(CellGrid("sphere", divisions), where) > 24 for divisions in near)


def test_cells_know_how_far_their_points_reach(storms: Callable[..., tuple]) -> None:
    lat, lon = storms(5000)
    half = lat.size // 2
    parts = [sum_places(lat[part], lon[part])[0] for part in (slice(half), slice(half, None))]
    cells = merge_cells(*parts)
    points = FeatureSpace().project(lat, lon)
    index = cells.find_indices(GRID.find_keys(find_positions("sphere", lat, lon)))
    reach = np.linalg.norm(points - cells.means[index], axis=1)
    farthest = np.zeros(len(cells.counts))
    np.maximum.at(farthest, index, reach)
    assert (farthest <= cells.radii * (1 + 1e-12) + 1e-9).all()
    assert cells.radii.mean() < 2.0 * farthest.mean()


def test_limit_is_used_well(noise: Callable[..., tuple]) -> None:
    where = find_positions("sphere", *noise(400_000))
    assert 0.9 * 5000 < count_cells(choose_grid("sphere", where, 5000), where) <= 5000


def test_equal_places_get_the_finest_grid() -> None:
    where = find_positions("sphere", np.full(50, 12.5), np.full(50, -77.0))
    assert choose_grid("sphere", where, 1).divisions == MAX_DIVISIONS


def test_counting_by_flags_and_by_sorting_agree(noise: Callable[..., tuple]) -> None:
    lat, lon = noise(20_000)
    flat = find_positions("sphere", lat, lon)
    timed = find_positions("sphere", lat, lon, np.zeros(lat.size))
    grid = CellGrid("sphere", 80)
    assert count_cells(grid, flat) == count_cells(grid, timed)
