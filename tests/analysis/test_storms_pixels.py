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
from lightning_kedro.analysis.storms.strength import FlashesOfStorms, find_strongest

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
    near = grid.find_near(keys, reach_km)
    assert (near.first == np.repeat(np.arange(keys.size), np.diff(near.starts))).all()
    pairs = [*zip(near.first.tolist(), near.second.tolist(), strict=True)]
    assert pairs == sorted(wanted)
    some = np.arange(keys.size)[::-3]
    number, about = near.list_about(some)
    found = sorted(zip(some[number].tolist(), about.tolist(), strict=True))
    mine = {*some.tolist()}
    assert found == sorted([(each, each) for each in mine] + [p for p in wanted if p[0] in mine])


def test_no_pixels_have_none_near() -> None:
    near = PixelGrid(20.0).find_near(np.empty(0, dtype=np.int64), 40.0)
    assert near.starts.tolist() == [0]
    assert near.second.size == 0


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


@pytest.mark.parametrize("spread_deg", [0.05, 0.5, 5.0])
def test_strongest_storm_is_that_of_the_plain_sum_over_near_pixels(spread_deg: float) -> None:
    random = np.random.default_rng(3)
    grid = PixelGrid(10.0)
    lat, lon = random.normal(40.0, spread_deg, 800), random.normal(180.0, spread_deg, 800)
    keys, _, pixels = number_keys(grid.find_keys(lat, lon))
    centers, near = grid.find_centers(keys), grid.find_near(keys, 15.0)
    here, there = pixels[:500], pixels[500:]
    storms, counts = random.integers(0, 3, 300), random.integers(1, 9, 300)
    storms = np.concatenate([storms, np.where(storms == 1, 3, storms)])  # 3: as strong as 1
    flashes = FlashesOfStorms(np.tile(there, 2), storms, np.tile(counts, 2), 4)
    found = find_strongest(here, flashes, near, centers)
    squares = ((centers[here][:, np.newaxis] - centers[flashes.pixels]) ** 2).sum(axis=2)
    weights = np.where(squares <= 15.0**2, np.exp(-squares / (2.0 * 7.5**2)), 0.0)
    strengths = (weights * flashes.counts) @ (storms[:, np.newaxis] == np.arange(4))
    best = np.take_along_axis(strengths, found[:, np.newaxis], 1)[:, 0]
    assert (best >= strengths.max(axis=1) * (1.0 - 1e-12)).all()
    assert 3 not in found[strengths.max(axis=1) > 0.0], "of equally strong ones the first is"
    far = np.flatnonzero(strengths.max(axis=1) == 0.0)
    assert far.size or spread_deg < 5.0
    for row in far.tolist():
        mine = squares[row, storms == found[row]]
        assert mine.min() == pytest.approx(squares[row].min())
