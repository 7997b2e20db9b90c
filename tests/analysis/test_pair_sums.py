"""Sums of distances: each pair once, right to the bound, and no bit changed by threads."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from lightning_kedro.analysis import pair_sums
from lightning_kedro.analysis.pair_sums import PAIR_ROUNDINGS, PairSums, WeightedPoints


def make_points(
    n: int, *, seed: int = 0, merged: bool = False
) -> tuple[WeightedPoints, np.ndarray]:
    """Points of two far groups, some at one place, in parts of very different sizes."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(n, 3)) + np.where(np.arange(n) < n // 2, 0.0, 1e3)[:, None]
    points[: n // 10] = points[0]
    weights = random.integers(1, 5, n).astype(float) if merged else np.ones(n)
    scatter = random.random(n) * (weights - 1.0)
    part = np.sort(np.concatenate([np.arange(150), random.integers(160, 163, n - 150)]))
    return WeightedPoints(points, weights, scatter), part


def sum_plainly(given: WeightedPoints, firsts: np.ndarray) -> np.ndarray:
    squared = cdist(given.points, given.points, "sqeuclidean")
    within = given.scatter / given.weights
    distances = np.sqrt(squared + within[:, None] + within)
    return np.add.reduceat(given.weights[:, None] * distances, firsts, axis=0)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("entries", [pair_sums._ENTRIES, 200_000])
def test_sums_are_right_to_rounding(
    monkeypatch: pytest.MonkeyPatch, entries: int, *, merged: bool
) -> None:
    monkeypatch.setattr(pair_sums, "_ENTRIES", entries)
    given, part = make_points(1300, merged=merged)
    sums = PairSums(given, part)
    assert (len(sums.panels) > 1) == (entries == 200_000)
    found = np.concatenate([sums.add_up(panel) for panel in sums.panels], axis=1)
    plain = sum_plainly(given, sums.firsts)
    errors = np.abs(found - plain) / np.maximum(plain, 1e-300)
    assert errors.max() <= (PAIR_ROUNDINGS + 1300) * 2.0**-53


def test_runs_are_points_of_one_part_and_tile() -> None:
    given, part = make_points(700)
    ends = np.append(PairSums(given, part).firsts[1:], 700)
    for first, end in zip(PairSums(given, part).firsts, ends, strict=True):
        assert part[first] == part[end - 1]
        assert first // pair_sums._TILE == (end - 1) // pair_sums._TILE


def test_threads_do_not_change_a_bit() -> None:
    given, part = make_points(1300, seed=1)
    sums = PairSums(given, part)
    one, many = (sums.add_up(sums.panels[0], n_threads=n) for n in (1, 4))
    assert one.tobytes() == many.tobytes()


def test_coinciding_points_have_no_distance() -> None:
    points = np.full((600, 3), 6371.0) + np.where(np.arange(600) < 300, 0.0, 1e-9)[:, None]
    given = WeightedPoints(points, np.ones(600), np.zeros(600))
    sums = PairSums(given, np.repeat([0, 1], 300))
    within = sums.add_up(sums.panels[0])[0, :256]
    assert (within == 0.0).all()
