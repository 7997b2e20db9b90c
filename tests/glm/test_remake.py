"""Flashes made anew: against the files', by hand, and against the rule written out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import START

from lightning_kedro.glm.levels import GranuleEvents, GranuleGroups
from lightning_kedro.glm.reader import read_granule
from lightning_kedro.glm.remake import MAX_GROUPS, MAX_SECONDS, remake_flashes

KM = 1 / 111.195
"""Degrees of latitude in a kilometre."""

Array = Any


def make_groups(seconds: Array, km_north: Array, ids: Array = None) -> GranuleGroups:
    """Groups at the equator and north of it."""
    count = len(seconds)
    start = np.datetime64(START.replace(tzinfo=None), "us")
    return GranuleGroups(
        group_id=np.arange(count, dtype=np.uint32) if ids is None else np.array(ids, np.uint32),
        parent_flash_id=np.zeros(count, np.uint16),
        time=start + np.rint(np.array(seconds) * 1e6).astype("timedelta64[us]"),
        lat=(np.array(km_north) * KM).astype(np.float32),
        lon=np.zeros(count, np.float32),
        energy_j=np.ones(count),
        area_km2=np.ones(count),
        quality_flag=np.zeros(count, np.int16),
        declared_count=count,
    )


def make_events(
    groups: GranuleGroups, parents: Array, km_north: Array, clamped: Array = None
) -> GranuleEvents:
    parents = np.array(parents)
    count = len(parents)
    return GranuleEvents(
        event_id=np.arange(count, dtype=np.uint32),
        parent_group_id=parents.astype(np.uint32),
        time=groups.time[np.searchsorted(groups.group_id, parents)],
        lat=np.array(km_north) * KM,
        lon=np.zeros(count),
        is_clamped=np.zeros(count, bool) if clamped is None else np.array(clamped),
        energy_j=np.ones(count),
        declared_count=count,
    )


def count_remade(path: Path) -> tuple[int, int, int, int]:
    """How many flashes have the very groups that they have in the file, of how many.

    Returns:
        Unflagged ones, all unflagged ones; flagged ones, all flagged ones.
    """
    read = read_granule(path, name_of(path), ("group", "event"))
    assert read.groups is not None
    made = remake_flashes(read.groups, read.events)
    true = read.groups.parent_flash_id
    pairs, both = np.unique(np.stack([true, made]), axis=1, return_counts=True)
    ids, sizes = np.unique(true, return_counts=True)
    size_of = dict(zip(ids.tolist(), sizes.tolist(), strict=True))
    made_sizes = np.bincount(made)
    remade = {
        flash
        for (flash, label), count in zip(pairs.T.tolist(), both.tolist(), strict=True)
        if count == size_of[flash] == made_sizes[label]
    }
    is_remade = np.isin(read.flashes.flash_id, [*remade])
    good = read.flashes.quality_flag == 0
    return (
        int(is_remade[good].sum()),
        int(good.sum()),
        int(is_remade[~good].sum()),
        int((~good).sum()),
    )


@needs_real_granules
def test_flashes_of_real_granules_are_made_again() -> None:
    """99.84 % of those without a flag, and all of those with one."""
    counts = np.array([count_remade(path) for path in real_granule_paths()])
    good, of_good, flagged, of_flagged = counts.sum(axis=0)
    assert of_good == 1836
    assert good >= 0.995 * of_good
    assert (flagged, of_flagged) == (40, 40)
    assert (counts[:, 0] >= 0.985 * counts[:, 1]).all()


@pytest.mark.parametrize(
    ("seconds", "km", "expected"),
    [
        ([0.0, 0.330], [0, 0], [0, 0]),
        ([0.0, 0.332], [0, 0], [0, 1]),
        ([0.0, 0.0], [0, 16.4], [0, 0]),
        ([0.0, 0.0], [0, 16.6], [0, 1]),
        # 0.6^2 + 0.8^2 = 1: the limits on time and distance are one limit
        ([0.0, 0.197], [0, 13.1], [0, 0]),
        ([0.0, 0.199], [0, 13.3], [0, 1]),
        # the third links the others
        ([0.0, 0.1, 0.2], [0, 25, 12.5], [0, 0, 0]),
        # numbers follow the time of the first group, whatever the order of rows
        ([1.0, 0.0, 0.1], [0, 0, 0], [1, 0, 0]),
    ],
)
def test_groups_are_joined_as_by_hand(
    seconds: list[float], km: list[float], expected: list[int]
) -> None:
    np.testing.assert_array_equal(remake_flashes(make_groups(seconds, km)), expected)


def test_distance_is_between_the_nearest_events() -> None:
    groups = make_groups([0.0, 0.1], [0, 40])
    assert remake_flashes(groups).tolist() == [0, 1]
    near = make_events(groups, [0, 0, 1, 1], [-14, 14, 26, 54])
    assert remake_flashes(groups, near).tolist() == [0, 0]
    unknown = make_events(groups, [0, 0, 1, 1], [-14, 14, 26, 54], [False, True, False, False])
    assert remake_flashes(groups, unknown).tolist() == [0, 1]


def test_group_without_known_events_is_where_its_centroid_is() -> None:
    groups = make_groups([0.0, 0.1], [0, 5])
    events = make_events(groups, [0, 1], [0, 90], [False, True])
    assert remake_flashes(groups, events).tolist() == [0, 0]


def test_flash_is_closed_by_its_101st_group() -> None:
    count = MAX_GROUPS + 50
    made = remake_flashes(make_groups(np.arange(count) * 0.01, np.zeros(count)))
    assert np.bincount(made).tolist() == [MAX_GROUPS, 50]


def test_flash_is_closed_after_three_seconds() -> None:
    seconds = np.arange(80) * 0.1
    made = remake_flashes(make_groups(seconds, np.zeros(80)))
    lasted = [np.ptp(seconds[made == flash]) for flash in range(made.max() + 1)]
    np.testing.assert_allclose(lasted[:2], MAX_SECONDS)
    assert len(lasted) == 3


def test_no_groups_make_no_flashes() -> None:
    assert remake_flashes(make_groups([], [])).shape == (0,)


def remake_by_the_rule(groups: GranuleGroups) -> list[int]:
    """The rule written out, pair by pair, for groups in order of time."""
    flash: list[int] = []
    closed: set[int] = set()
    seconds = (groups.time - groups.time[0]) / np.timedelta64(1, "s")
    for at in range(len(groups)):
        apart = (groups.lat[:at].astype(float) - float(groups.lat[at])) / KM / 16.5
        late = (seconds[at] - seconds[:at]) / 0.330
        near = {flash[other] for other in np.flatnonzero(apart**2 + late**2 <= 1)} - closed
        mine = min(near, default=at)
        flash = [mine if one in near else one for one in flash] + [mine]
        members = [other for other, one in enumerate(flash) if one == mine]
        if len(members) >= MAX_GROUPS or seconds[at] - seconds[members[0]] >= MAX_SECONDS - 1e-6:
            closed.add(mine)
    first = list(dict.fromkeys(flash))
    return [first.index(one) for one in flash]


@pytest.mark.parametrize("seed", range(4))
def test_same_flashes_as_by_the_rule_written_out(seed: int) -> None:
    """Dense enough that flashes are closed in both ways, and meet others on the way."""
    random = np.random.default_rng(seed)
    seconds = np.sort(np.rint(random.uniform(0, 12, 700) * 500) / 500)
    groups = make_groups(seconds, random.choice([0, 30, 60], 700) + random.normal(0, 6, 700))
    made = remake_flashes(groups)
    assert made.tolist() == remake_by_the_rule(groups)
    sizes = np.bincount(made)
    assert sizes.max() >= MAX_GROUPS
