"""Flashes that two satellites have both seen."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lightning_kedro.analysis import matching
from lightning_kedro.analysis.matching import REACH_SECONDS, Sighting, match_flashes

START = np.datetime64("2024-07-14T22:00", "us")


def sight(seconds: object, lat: object, lon: object, lasts: object = 0.3) -> Sighting:
    first = START + np.round(1e6 * np.asarray(seconds, float)).astype("m8[us]")
    last = first + np.round(1e6 * np.broadcast_to(np.asarray(lasts, float), first.shape)).astype(
        "m8[us]"
    )
    return Sighting(first, last, np.asarray(lat, float), np.asarray(lon, float))


def put_in_order(some: Sighting) -> tuple[Sighting, NDArray[np.int64]]:
    order = np.argsort(some.first, kind="stable")
    return Sighting(*(getattr(some, name)[order] for name in Sighting.__slots__)), order


def plant(
    seed: int, n: int = 6000, lon: float = -100.0
) -> tuple[Sighting, Sighting, set[tuple[int, int]]]:
    """Storms that both see, each with its own errors; each sees 60 % of the flashes."""
    random = np.random.default_rng(seed)
    storm = random.integers(0, 40, n)
    centers = random.uniform(-4, 4, (40, 2))
    lat = 35.0 + centers[storm, 0] + random.normal(0, 0.15, n)
    lon_ = lon + centers[storm, 1] + random.normal(0, 0.15, n)
    seconds, lasts = random.uniform(0, 1200, n), random.exponential(0.3, n)
    sides, seen_rows = [], []
    for shift in (0.04, -0.04):  # parallax, in opposite directions
        seen = np.flatnonzero(random.random(n) < 0.6)
        late = random.exponential(0.04, seen.size)
        side, order = put_in_order(
            sight(
                seconds[seen] + late,
                lat[seen] + random.normal(0, 0.03, seen.size),
                np.mod(lon_[seen] + shift + random.normal(0, 0.03, seen.size) + 180, 360) - 180,
                np.maximum(lasts[seen] - late, 0.0),
            )
        )
        sides.append(side)
        seen_rows.append(seen[order])
    _, i, j = np.intersect1d(*seen_rows, return_indices=True)
    return sides[0], sides[1], set(zip(i.tolist(), j.tolist(), strict=True))


def pair_up(left: Sighting, right: Sighting) -> set[tuple[int, int]]:
    found = match_flashes(left, right)
    return set(zip(found.left.tolist(), found.right.tolist(), strict=True))


@pytest.mark.parametrize("lon", [-100.0, 179.9])
def test_planted_pairs_are_found_and_few_others(lon: float) -> None:
    left, right, true = plant(1, lon=lon)
    found = pair_up(left, right)
    assert len(true) > 2000
    assert len(found & true) / len(true) > 0.98, "recall"
    assert len(found & true) / len(found) > 0.93, "precision: some are seen by one only"


def test_every_flash_is_matched_once_at_most_within_the_tolerances() -> None:
    found = match_flashes(*plant(2)[:2])
    assert np.unique(found.left).size == np.unique(found.right).size == len(found)
    assert found.distance_km.max() <= matching.MATCH_KM
    assert (np.diff(found.left) > 0).all()


def test_distance_is_that_along_the_ground() -> None:
    found = match_flashes(sight([1.0], [0.0], [-100.0]), sight([1.0], [0.2], [-100.0]))
    assert found.distance_km.tolist() == pytest.approx([0.2 * 111.195], rel=1e-4)
    assert found.shift_s.tolist() == [0.0]


@pytest.mark.parametrize(
    ("seconds", "lat", "matches"),
    [
        (1.0, 35.44, True),
        (1.0, 35.46, False),  # more than 50 km
        (1.6, 35.0, True),  # 0.3 s after the end of the other
        (1.64, 35.0, False),
        (0.38, 35.0, True),  # ends 0.32 s before it begins
        (0.36, 35.0, False),
    ],
)
def test_tolerances_are_between_the_spans_and_the_centroids(
    seconds: float, lat: float, matches: bool
) -> None:
    found = match_flashes(sight([1.0], [35.0], [-100.0]), sight([seconds], [lat], [-100.0]))
    assert bool(len(found)) == matches


def test_a_tie_goes_to_the_first_in_order() -> None:
    left = sight([5.0], [0.0], [-100.0])
    right = sight([5.0, 5.0], [0.1, -0.1], [-100.0, -100.0])
    assert pair_up(left, right) == {(0, 0)}
    assert pair_up(right, left) == {(0, 0)}


def test_nearest_pairs_come_first_and_the_others_take_what_is_left() -> None:
    left = sight([5.0, 5.0], [0.0, 0.2], [-100.0, -100.0])
    right = sight([5.0, 5.0], [0.11, 0.46], [-100.0, -100.0])
    assert pair_up(left, right) == {(1, 0)}, "what is left is 51 km apart"
    right = replace(right, lat=np.array([0.11, -0.3]))
    assert pair_up(left, right) == {(1, 0), (0, 1)}


@pytest.mark.parametrize(
    "empty", [sight([], [], []), sight([1.0], [35.0], [100.0]), sight([5000.0], [35.0], [-100.0])]
)
def test_nothing_in_common_is_no_match(empty: Sighting) -> None:
    some = sight([1.0], [35.0], [-100.0])
    assert len(match_flashes(some, empty)) == len(match_flashes(empty, some)) == 0


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right, _ = plant(3)
    whole = pair_up(left, right)
    monkeypatch.setattr(matching, "_BLOCK", 97)
    assert pair_up(left, right) == whole


def test_window_has_the_pairs_of_a_longer_one() -> None:
    """A flash is the same, and counts once, in every window that looks a little beyond its ends."""
    left, right, _ = plant(4)
    whole = pair_up(left, right)
    start, end = START + np.timedelta64(300, "s"), START + np.timedelta64(600, "s")
    reach = np.timedelta64(int(REACH_SECONDS * 1e6), "us")
    cut, firsts = [], []
    for side in (left, right):
        inside = (side.first >= start - reach) & (side.first < end + reach)
        cut.append(Sighting(*(getattr(side, name)[inside] for name in Sighting.__slots__)))
        firsts.append(int(np.flatnonzero(inside)[0]))
    found = {(i + firsts[0], j + firsts[1]) for i, j in pair_up(*cut)}
    mine = {pair for pair in whole if start <= left.first[pair[0]] < end}
    assert mine == {pair for pair in found if start <= left.first[pair[0]] < end}


def test_times_that_cannot_be_do_no_harm() -> None:
    """A last event before the first, or hours after it, is cut to what a flash can last."""
    left = sight([10.0, 11.0], [0.0, 1.0], [-100.0, -100.0], lasts=[-5.0, 7200.0])
    right = sight([10.0, 14.0], [0.0, 1.0], [-100.0, -100.0])
    assert pair_up(left, right) == {(0, 0), (1, 1)}
