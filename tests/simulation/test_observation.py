"""Simulated storms, and what satellites record of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_kedro.glm.field_of_view import field_of_view, sees, wrap_lon
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.simulation.granule_writer import GranuleContent
from lightning_kedro.simulation.observation import ObservedHour, observe_hour
from lightning_kedro.simulation.storms import make_storms, simulate_flashes, storm_strength

AFTERNOON = datetime(2025, 7, 15, 20, tzinfo=UTC)
NIGHT = datetime(2025, 7, 15, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def east() -> ObservedHour:
    return observe_hour("G19", AFTERNOON, 60)


@pytest.fixture(scope="module")
def west() -> ObservedHour:
    return observe_hour("G18", AFTERNOON, 60)


def count_by_cell(hour: datetime, degrees: float = 4.0) -> Counter[tuple[int, int]]:
    flashes = simulate_flashes(hour, 60)
    return Counter(zip(flashes.lat // degrees, flashes.lon // degrees, strict=True))


def similarity(one: Counter[tuple[int, int]], other: Counter[tuple[int, int]]) -> float:
    """The cosine of two pictures of an hour: 1 for the same storms in the same places."""
    cells = sorted(set(one) | set(other))
    a, b = (np.sqrt([float(counts[cell]) for cell in cells]) for counts in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# --- storms ---------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None)
@given(
    hour=st.integers(0, 17 * 8766).map(lambda n: datetime(2018, 1, 1, tzinfo=UTC) + n * HOUR),
    platform=st.sampled_from(PLATFORMS),
    seed=st.integers(0, 2**32),
)
def test_hour_is_the_same_alone_and_in_a_longer_run(
    hour: datetime, platform: str, seed: int
) -> None:
    make_storms.cache_clear()
    alone = observe_hour(platform, hour, seed)
    observe_hour(platform, hour - HOUR, seed)
    again = observe_hour(platform, hour, seed)
    assert (alone.flash_starts == again.flash_starts).all()
    assert (alone.content.flashes.lat == again.content.flashes.lat).all()
    assert (alone.content.events.energy_j == again.content.events.energy_j).all()


@pytest.mark.parametrize("hour", [datetime(2025, 1, 1, tzinfo=UTC), NIGHT, AFTERNOON])
def test_storms_go_on_from_hour_to_hour_and_over_midnight(hour: datetime) -> None:
    pictures = [count_by_cell(hour + n * HOUR) for n in (-1, 0, 9)]
    assert similarity(pictures[0], pictures[1]) > 0.75
    assert similarity(pictures[0], pictures[2]) < 0.6


def test_storm_strength_grows_to_one_and_decays_past_midnight() -> None:
    storms = make_storms(NIGHT.toordinal(), 60)
    strength = storm_strength(storms, np.arange(0.0, 48.0, 0.01))
    assert strength.max(axis=1) == pytest.approx(np.ones(len(strength)), abs=1e-3)
    assert (strength[:, -1] == 0).all()
    assert ((strength[:, 2399] > 0) & (strength[:, 2401] > 0)).sum() > 20
    assert np.abs(np.diff(strength, axis=1)).max() < 0.03


def test_storms_follow_the_sun_and_the_season() -> None:
    east_of = {
        hour: len(observe_hour("G16", hour, 60).content.flashes) for hour in (NIGHT, AFTERNOON)
    }
    assert 20_000 < east_of[AFTERNOON] < 60_000
    assert 2 * east_of[NIGHT] < east_of[AFTERNOON]
    january = simulate_flashes(datetime(2025, 1, 15, 20, tzinfo=UTC), 60)
    july = simulate_flashes(AFTERNOON, 60)
    assert np.mean(january.lat > 20) < 0.1
    assert np.mean(july.lat > 20) > 0.3


def test_another_seed_makes_other_storms() -> None:
    one, other = (simulate_flashes(NIGHT, seed) for seed in (60, 61))
    assert not np.isin(one.lat, other.lat).any()


def test_east_and_west_see_the_same_storms(east: ObservedHour, west: ObservedHour) -> None:
    seen_east, seen_west = east.content.flashes, west.content.flashes
    both = sees("G19", seen_west.lat, seen_west.lon) & sees("G18", seen_west.lat, seen_west.lon)
    assert 0.2 < both.mean() < 1.0
    keys = {
        (round(time, 4), round(float(lat)))
        for time, lat in zip(seen_east.last_event_s, seen_east.lat, strict=True)
    }
    shared = [
        any((round(time, 4), round(float(lat)) + n) in keys for n in (-1, 0, 1))
        for time, lat in zip(seen_west.last_event_s[both], seen_west.lat[both], strict=True)
    ]
    # East misses some of what West sees, but what both see is one flash and not two.
    assert 0.5 < np.mean(shared) < 1.0
    assert not np.isin(seen_west.lat[both], seen_east.lat).all()


# --- what a satellite records ---------------------------------------------------------------


def test_west_sees_storms_on_both_sides_of_180(west: ObservedHour) -> None:
    lon = west.content.flashes.lon
    assert lon.dtype == np.float32
    assert lon.min() > -180
    assert lon.max() <= 180
    assert np.sum(lon > 160) > 100
    assert np.sum((lon > -180) & (lon < -160)) > 100


@pytest.mark.parametrize("platform", PLATFORMS)
def test_flashes_lie_in_the_field_of_view(platform: str) -> None:
    flashes = observe_hour(platform, NIGHT, 60).content.flashes
    view = field_of_view(platform, NIGHT)
    lon = wrap_lon(flashes.lon, view.west - 1)
    margin = 0.1  # the place that is measured is some km from the true one
    assert view.west - margin < lon.min()
    assert lon.max() < view.east + margin
    assert np.abs(flashes.lat).max() < 57.6 + margin


def check_hierarchy(content: GranuleContent) -> None:
    """Parents resolve, energies add up and centroids are weighted by energy."""
    flashes, groups, events = content.flashes, content.groups, content.events
    assert len(np.unique(flashes.flash_id)) == len(flashes)
    assert len(np.unique(groups.group_id)) == len(groups)
    assert len(np.unique(events.event_id)) == len(events)
    assert set(groups.parent_flash_id) == set(flashes.flash_id)
    assert set(events.parent_group_id) == set(groups.group_id)
    for parents, ids, parts, parent_ids in (
        (flashes, flashes.flash_id, groups, groups.parent_flash_id),
        (groups, groups.group_id, events, events.parent_group_id),
    ):
        order = np.argsort(ids)
        parent = order[np.searchsorted(ids, parent_ids, sorter=order)]
        energy = np.bincount(parent, parts.energy_j)
        assert np.allclose(energy, parents.energy_j, rtol=1e-9)
        lat = np.bincount(parent, parts.energy_j * parts.lat) / energy
        assert np.allclose(lat, parents.lat, atol=1e-4)


@pytest.mark.parametrize("number", [0, 90, 179])
def test_hierarchy_holds_in_every_granule(
    number: int, east: ObservedHour, west: ObservedHour
) -> None:
    check_hierarchy(east.granule(number))
    check_hierarchy(west.granule(number))


def test_groups_span_the_time_of_their_flash(east: ObservedHour) -> None:
    content = east.granule(33)
    for index in range(len(content.flashes)):
        flash = content.flashes[index : index + 1]
        times = content.groups[content.groups.parent_flash_id == flash.flash_id[0]].time_s
        assert (np.diff(times) >= 0).all()
        assert [times[0], times[-1]] == pytest.approx(
            [flash.first_event_s[0], flash.last_event_s[0]], abs=1e-6
        )


def test_quality_flags_mean_what_they_say(east: ObservedHour) -> None:
    flashes, groups = east.content.flashes, east.content.groups
    counts = Counter(flashes.quality_flag.tolist())
    assert set(counts) == {0, 3, 5}
    assert counts[0] > 0.97 * len(flashes)
    order = np.repeat(np.arange(180), np.diff(east.group_starts)), groups.parent_flash_id
    groups_of = Counter(zip(*order, strict=True))
    granule = np.repeat(np.arange(180), np.diff(east.flash_starts))
    number = np.array([groups_of[key] for key in zip(granule, flashes.flash_id, strict=True)])
    assert set(number[flashes.quality_flag == 3]) == {101}
    assert number[flashes.quality_flag != 3].min() >= 1
    assert number[flashes.quality_flag != 3].max() <= 100
    lasted = flashes.last_event_s - flashes.first_event_s
    assert lasted.max() == pytest.approx(3.0)
    assert lasted[flashes.quality_flag == 5] == pytest.approx(3.0)
    assert lasted[flashes.quality_flag == 0].max() < 2.9999
    assert (lasted == 0).mean() == pytest.approx(0.12, abs=0.02)


def test_flashes_are_in_the_granule_that_they_close_in(east: ObservedHour) -> None:
    granules = [east.granule(number).flashes for number in range(180)]
    first = np.concatenate([flashes.first_event_s for flashes in granules])
    last = np.concatenate([flashes.last_event_s for flashes in granules])
    assert -0.46 < last.min() < -0.4 < 19.8 < last.max() < 19.85
    assert -3.46 < first.min() < -1.5
    assert 0 < np.mean([np.sum(flashes.first_event_s < 0) for flashes in granules]) < 15
    assert (granules[0].first_event_s < 0).any()


def test_ids_rise_with_time_and_rows_do_not(east: ObservedHour) -> None:
    previous = None
    for number in range(180):
        flashes = east.granule(number).flashes
        in_time = flashes.flash_id[np.argsort(flashes.first_event_s, kind="stable")]
        steps = np.diff(in_time.astype(int)) % 65_536
        assert steps.max() < 1_000
        if previous is not None:
            assert 0 < (int(in_time[0]) - previous) % 65_536 < 1_000
        previous = int(in_time[-1])
    forward = np.diff(east.granule(5).flashes.first_event_s) > 0
    assert 0.5 < forward.mean() < 0.8


def test_energies_and_areas_are_those_of_lightning(east: ObservedHour) -> None:
    flashes = east.content.flashes
    assert 1e-13 < np.median(flashes.energy_j) < 4e-13
    assert 0 < flashes.energy_j.min() < 3e-16
    assert flashes.energy_j.max() <= 6.5e-11
    assert 64 <= flashes.area_km2.min() < 70
    assert 200 < np.median(flashes.area_km2) < 800
    assert 2_000 < flashes.area_km2.max() <= 9_900
    assert np.log(flashes.energy_j).std() == pytest.approx(1.3, abs=0.15)


@pytest.mark.parametrize(
    ("platform", "hour", "counts", "of_flashes", "of_parts"),
    [
        (
            "G16",
            datetime(2018, 7, 2, 4, tzinfo=UTC),
            (18_048, 77_385, 201_194),
            (336_383.6478870064, 10_043_762.310360834, 60_006_123.994),
            (19_647_372.3941511, -17_400_921.728637956, 128_586_556.232),
        ),
        (
            "G18",
            NIGHT,
            (4_281, 18_836, 49_019),
            (78_220.16769090295, 3_231_493.5903360825, 14_693_012.56),
            (6_458_527.14634181, -5_514_425.972335612, 32_482_456.824),
        ),
        (
            "G19",
            datetime(2024, 7, 14, 22, tzinfo=UTC),
            (44_418, 190_079, 491_519),
            (609_592.0953735085, 20_122_007.727578796, 159_756_479.666),
            (39_345_967.47592212, -39_555_716.110825054, 340_559_948.59),
        ),
    ],
)
def test_hours_are_those_that_were_always_simulated(
    platform: str,
    hour: datetime,
    counts: tuple[int, ...],
    of_flashes: tuple[float, ...],
    of_parts: tuple[float, ...],
) -> None:
    """Rows, and sums of degrees, km2 and s: a draw that is added or moved changes them all."""
    content = observe_hour(platform, hour, 60).content
    rows = (content.flashes, content.groups, content.events)
    assert tuple(len(level) for level in rows) == counts
    flashes = content.flashes
    times = flashes.first_event_s.sum() + flashes.last_event_s.sum()
    found = (flashes.lat.sum(dtype=float), flashes.area_km2.sum(), times)
    assert found == pytest.approx(of_flashes, rel=1e-9)
    parts = (content.groups.area_km2.sum(), content.events.lon.sum(), content.groups.time_s.sum())
    assert parts == pytest.approx(of_parts, rel=1e-9)
