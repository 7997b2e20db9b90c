"""Pixels, graphs and keys of storms: against what is plain and slow."""

import numpy as np
import pytest

from lightning_kedro.analysis.storms.pixels import (
    IntArray,
    PixelGrid,
    connect,
    number_keys,
    sort_keys,
)
from lightning_kedro.analysis.storms.strength import find_strongest

PLACES = {
    "the whole Earth": (-90.0, 90.0, -400.0, 400.0),
    "the north pole": (85.0, 90.0, 0.0, 360.0),
    "the south pole": (-90.0, -85.0, -180.0, 180.0),
    "180 degrees": (-20.0, 20.0, 175.0, 185.0),
    "0 degrees": (30.0, 50.0, 355.0, 365.0),
}


def list_near(grid: PixelGrid, keys: IntArray, reach_km: float) -> set[tuple[int, int]]:
    centers = grid.find_centers(keys)
    squares = ((centers[:, np.newaxis] - centers) ** 2).sum(axis=2)
    near = np.argwhere(squares <= reach_km**2)
    return {(int(one), int(two)) for one, two in near if one != two}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("diagonal_km", "reach_km"), [(20.0, 40.0), (100.0, 101.0), (700.0, 5000.0), (9000.0, 12800.0)]
)
def test_near_pixels_are_those_of_all_pairs(
    place: tuple[float, ...], diagonal_km: float, reach_km: float
) -> None:
    random = np.random.default_rng(5)
    grid = PixelGrid(diagonal_km)
    lat, lon = random.uniform(*place[:2], 400), random.uniform(*place[2:], 400)
    keys = np.unique(grid.find_keys(lat, lon))
    wanted = list_near(grid, keys, reach_km)
    for both_ways in (True, False):
        starts, near = grid.find_near(keys, reach_km, both_ways=both_ways)
        first = np.repeat(np.arange(keys.size), np.diff(starts))
        pairs = [*zip(first.tolist(), near.tolist(), strict=True)]
        assert pairs == sorted(pair for pair in wanted if both_ways or pair[0] < pair[1])


def test_no_pixels_have_none_near() -> None:
    starts, near = PixelGrid(20.0).find_near(np.empty(0, dtype=np.int64), 40.0)
    assert starts.tolist() == [0]
    assert near.size == 0


@pytest.mark.parametrize("n_edges", [0, 30, 100, 400])
def test_parts_of_a_graph_are_numbered_by_their_first_nodes(n_edges: int) -> None:
    random = np.random.default_rng(n_edges)
    n = 100
    first, second = random.integers(0, n, (2, n_edges))
    part_of = [*range(n)]
    for one, two in zip(first.tolist(), second.tolist(), strict=True):
        kept, gone = sorted((part_of[one], part_of[two]))
        part_of = [kept if part == gone else part for part in part_of]
    numbers = {part: number for number, part in enumerate(sorted(set(part_of)))}
    n_parts, parts = connect(first, second, n)
    assert n_parts == len(numbers)
    assert parts.tolist() == [numbers[part] for part in part_of]


def test_long_chain_is_one_part() -> None:
    path = np.random.default_rng(1).permutation(20_000)
    assert connect(path[:-1], path[1:], path.size)[0] == 1


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-9, 9), (-(2**62), 2**62)])
def test_keys_are_sorted_in_the_order_in_which_equal_ones_stand(low: int, high: int) -> None:
    for n in (0, 1, 2, 3, 1000):
        keys = np.random.default_rng(n).integers(low, high, n)
        ordered, order = sort_keys(keys)
        assert order.tolist() == np.argsort(keys, kind="stable").tolist()
        assert ordered.tolist() == sorted(keys.tolist())
        found, counts, numbers = number_keys(keys)
        assert found.tolist() == sorted(set(keys.tolist()))
        assert counts.sum() == n
        assert found[numbers].tolist() == keys.tolist()


@pytest.mark.parametrize("spread_km", [5.0, 60.0, 2000.0])
def test_single_precision_never_decides_who_is_strongest(spread_km: float) -> None:
    random = np.random.default_rng(3)
    there = np.array([6371.0, 0.0, 0.0]) + random.normal(0.0, spread_km, (300, 3))
    here = np.array([6371.0, 0.0, 0.0]) + random.normal(0.0, spread_km, (500, 3))
    counts = random.integers(0, 2, (300, 4)).astype(float)
    counts[:, 3] = counts[:, 1]  # as strong everywhere: the first one is taken
    squares = ((here[:, np.newaxis] - there) ** 2).sum(axis=2)
    strengths = (np.exp(-squares / 112.5) + 1e-9 / (1.0 + squares)) @ counts
    best = np.take_along_axis(strengths, find_strongest(here, there, counts, 7.5)[:, None], 1)
    assert (best[:, 0] >= strengths.max(axis=1) * (1.0 - 1e-9)).all()
    assert 3 not in find_strongest(here, there, counts, 7.5)
