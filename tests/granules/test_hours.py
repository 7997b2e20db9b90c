from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.glm.granule import GRANULE_LENGTH, GranuleName
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.granules.hours import ArchiveHour, archive_hours
from lightning_kedro.selection import Region, Selection, read_segments

DAY = datetime(2020, 12, 31, tzinfo=UTC)
LATEST_CLOSE = timedelta(seconds=3.1)
"""A flash lasts at most so long, so it is written to a granule that starts this late at most."""


@cache
def granules(start: datetime, count: int) -> list[GranuleName]:
    return [
        GranuleName(
            platform="G16",
            start=start + number * GRANULE_LENGTH,
            end=start + (number + 1) * GRANULE_LENGTH,
            created=start + (number + 1) * GRANULE_LENGTH,
        )
        for number in range(count)
    ]


def parameters(**changes: Any) -> dict[str, Any]:
    return {
        "satellite": "G16",
        "window": {"start": "2020-12-31T23:00:00", "end": "2021-01-01T00:00:00"},
        "preprocessing": {
            "region": dict.fromkeys(("west", "south", "east", "north")),
            "min_quality": "all",
        },
        "clustering": {"label": "default"},
    } | changes


def pick(start: datetime, end: datetime, found: list[GranuleName]) -> set[GranuleName]:
    hours = archive_hours([Segment("G16", start, end)])
    return {name for hour in hours for name in hour.pick(found)}


def test_whole_hour_looks_one_granule_past_each_end() -> None:
    start = DAY + timedelta(hours=5)
    hours = archive_hours([Segment("G16", start, start + timedelta(hours=1))])
    assert hours == (
        ArchiveHour("G16", start - timedelta(hours=1), "last"),
        ArchiveHour("G16", start),
        ArchiveHour("G16", start + timedelta(hours=1), "first"),
    )
    picked = sorted(
        name.start for name in pick(start, start + timedelta(hours=1), granules(DAY, 4320))
    )
    assert len(picked) == 182
    assert picked[0] == start - GRANULE_LENGTH
    assert picked[-1] == start + timedelta(hours=1)


def test_window_inside_an_hour_lists_that_hour_only() -> None:
    start = DAY + timedelta(hours=5, minutes=20)
    hours = archive_hours([Segment("G16", start, start + timedelta(minutes=1))])
    assert hours == (ArchiveHour("G16", DAY + timedelta(hours=5)),)


def test_granule_beyond_a_gap_is_not_taken() -> None:
    start = DAY + timedelta(hours=5)
    far = granules(DAY + timedelta(hours=4), 90) + granules(start + timedelta(hours=1.5), 90)
    assert pick(start, start + timedelta(hours=1), far) == set()


def test_granules_of_other_satellites_are_left_out() -> None:
    assert ArchiveHour("G17", DAY).pick(granules(DAY, 180)) == []


seconds = st.integers(0, 6 * 3600 * 10).map(lambda tenths: timedelta(seconds=tenths / 10))


@given(st.lists(seconds, min_size=2, max_size=8, unique=True), seconds, st.floats(0, 3.1))
def test_every_flash_of_a_partition_is_in_one_window_and_in_its_granules(
    cuts: list[timedelta], first_event: timedelta, duration_s: float
) -> None:
    """Partition any range into windows: each flash belongs to one, which also ingests it."""
    begin = DAY + timedelta(hours=2)
    edges = sorted(begin + cut for cut in cuts)
    flash = begin + first_event
    windows = list(pairwise(edges))
    owners = [window for window in windows if window[0] <= flash < window[1]]
    assert len(owners) == (edges[0] <= flash < edges[-1])

    closes = flash + timedelta(seconds=duration_s)
    written_to = next(name for name in granules(DAY, 4320) if name.start <= closes < name.end)
    for start, end in owners:
        assert written_to in pick(start, end, granules(DAY, 4320))


def test_selection_is_made_from_parameters() -> None:
    selection = Selection.from_parameters(parameters())
    assert selection.platform == "G16"
    assert selection.start == datetime(2020, 12, 31, 23, tzinfo=UTC)
    assert selection.end == datetime(2021, 1, 1, tzinfo=UTC)
    assert selection.region is None
    assert not selection.good_only


def test_selection_keeps_region_and_quality() -> None:
    box = {"west": 170.0, "south": -20.0, "east": -170.0, "north": 20.0}
    chosen = {"region": box, "min_quality": "good"}
    selection = Selection.from_parameters(parameters(preprocessing=chosen))
    assert selection.region == Region(**box)
    assert selection.good_only


def test_selection_over_a_change_of_satellites_names_both() -> None:
    window = {"start": "2025-04-06T00:00:00", "end": "2025-04-08T00:00:00"}
    changed = parameters(satellite="east", window=window)
    selection = Selection.from_parameters(changed)
    assert selection.platform == "G16+G19"
    segments = read_segments(selection.to_plain()["segments"])
    assert [segment.platform for segment in segments] == ["G16", "G19"]


@pytest.mark.parametrize("hours", [1, 24, 48])
def test_hours_of_a_window_are_listed_once_each(hours: int) -> None:
    listed = archive_hours([Segment("G16", DAY, DAY + timedelta(hours=hours))])
    assert len(listed) == len(set(listed)) == hours + 2
