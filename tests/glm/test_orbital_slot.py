from datetime import UTC, datetime

import pytest

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.orbital_slot import Segment, find_segments, name_satellite, shorten_slot


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("slot", "when", "platform"),
    [
        ("east", day(2018, 1, 1), "G16"),
        ("east", day(2025, 4, 6), "G16"),
        ("east", day(2025, 4, 7), "G19"),
        ("west", day(2019, 2, 12), "G17"),
        ("west", day(2023, 1, 3), "G17"),
        ("west", day(2023, 1, 4), "G18"),
        ("G17", day(2018, 8, 1), "G17"),
    ],
)
def test_slot_is_held_by(slot: str, when: datetime, platform: str) -> None:
    end = when.replace(hour=1)
    assert find_segments(slot, when, end) == (Segment(platform, when, end),)


def test_window_over_a_change_has_two_segments_without_a_gap() -> None:
    first, second = find_segments("west", day(2023, 1, 1), day(2023, 1, 8))
    assert (first.platform, second.platform) == ("G17", "G18")
    assert first.end == second.start == day(2023, 1, 4)
    assert (first.start, second.end) == (day(2023, 1, 1), day(2023, 1, 8))


def test_window_before_any_satellite_is_refused() -> None:
    with pytest.raises(ParameterError, match="no satellite was operational as GOES-West before"):
        find_segments("west", day(2018, 6, 1), day(2018, 6, 2))


@pytest.mark.parametrize(
    ("orbital_slot", "word"),
    [
        ("GOES-East", "East"),
        ("GOES-West", "West"),
        ("GOES-Test", "Test"),
        ("GOES-Storage", "Storage"),
        (" GOES-East ", "East"),
        ("East", "East"),
        ("GOES-", None),
        ("", None),
        (None, None),
    ],
)
def test_slot_of_a_granule_is_shortened_for_titles(
    orbital_slot: str | None, word: str | None
) -> None:
    assert shorten_slot(orbital_slot) == word


@pytest.mark.parametrize(
    ("platform", "orbital_slots", "name"),
    [
        ("G18", ["GOES-West"], "GOES-18 (West)"),
        ("G17", ["GOES-Test", "GOES-Test", "GOES-West"], "GOES-17 (Test, West)"),
        ("G17", [None, "GOES-West", ""], "GOES-17 (West)"),
        ("G16", [None], "GOES-16"),
        ("G16", [], "GOES-16"),
    ],
)
def test_satellite_is_named_by_the_places_of_its_granules(
    platform: str, orbital_slots: list[str | None], name: str
) -> None:
    assert name_satellite(platform, *orbital_slots) == name


@pytest.mark.parametrize(
    ("spelling", "platform"),
    [("GOES-18", "G18"), ("g16", "G16"), ("19", "G19"), (" goes 17", "G17"), ("GOES-East", "G16")],
)
def test_satellite_is_found_in_any_usual_spelling(spelling: str, platform: str) -> None:
    (segment,) = find_segments(spelling, day(2023, 5, 1), day(2023, 5, 2))
    assert segment.platform == platform
