"""Both slots as one, and variants of a selection by place and artifacts: keys, names and labels."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lightning_kedro.dashboard.stored import read_selection
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.orbital_slot import Segment, find_segments, split_sides
from lightning_kedro.parameters import check_parameters, name_intermediates
from lightning_kedro.selection import Selection, split_label

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def check(satellite: str = "G18", start: str = "2024-07-14T22:00", **given: Any) -> dict[str, Any]:
    window = {"start": start, "end": f"{start[:10]}T23:00"}
    return check_parameters({"satellite": satellite, "window": window, **given}, now=NOW)


def select(satellite: str = "G18", **given: Any) -> Selection:
    return Selection.from_plain(check(satellite, **given)["selection"])


def test_both_slots_are_east_and_west_of_that_time() -> None:
    selection = select("both")
    assert [part.platform for part in selection.segments] == ["G16", "G18"]
    assert selection.is_merged
    assert selection.key.platform == "G16+G18"
    assert selection.name == "G16+G18_20240714T2200_20240714T2300"
    assert (selection.start.hour, selection.end.hour) == (22, 23)
    assert str(selection).startswith(
        "the window 2024-07-14T22:00:00 to 2024-07-14T23:00:00 of G16+"
    )


@pytest.mark.parametrize("text", ["both", "BOTH", "goes-both"])
def test_both_is_read_in_any_spelling(text: str) -> None:
    assert check(text)["satellite"] == "both"


def test_slot_that_changes_hands_is_not_merged() -> None:
    start, end = datetime(2025, 4, 6, 22, tzinfo=UTC), datetime(2025, 4, 7, 2, tzinfo=UTC)
    east = Selection(find_segments("east", start, end))
    assert (east.platform, east.is_merged) == ("G16+G19", False)
    both = Selection(find_segments("both", start, end))
    assert (both.platform, both.is_merged) == ("G16+G19+G18", True)
    assert [len(side) for side in split_sides(both.segments)] == [2, 1]
    longer = both.stretch(start.replace(hour=21), end.replace(hour=3))
    assert [(part.platform, part.start.hour, part.end.hour) for part in longer.segments] == [
        ("G16", 21, 0),
        ("G19", 0, 3),
        ("G18", 21, 3),
    ]
    assert (longer.start.hour, longer.end.hour) == (21, 3)


def test_both_slots_need_both_satellites() -> None:
    with pytest.raises(ParameterError, match="operational as GOES-West before 2019-02-12"):
        check("both", start="2018-07-02T04:00")


@pytest.mark.parametrize(
    ("place", "artifacts", "variant"),
    [
        ("ellipsoid", "keep", ""),
        ("ground", "keep", "@ground"),
        (0, "keep", "@ground"),
        (10, "keep", "@10km"),
        ("8.5", "leave_out", "@8.5km+no-sun"),
        ("ellipsoid", "leave_out", "@no-sun"),
    ],
)
def test_variants_never_replace_one_another(place: Any, artifacts: str, variant: str) -> None:
    selection = select(preprocessing={"place": place, "artifacts": artifacts})
    assert selection.key.label == f"default{variant}"
    assert selection.name.endswith(f"T2300{variant.replace('@', '_')}")
    assert Selection.from_plain(selection.to_plain()) == selection
    assert read_selection(selection.key) == selection
    assert (selection.cloud_top_km is None) == (place == "ellipsoid")


def test_variants_are_named_in_messages() -> None:
    selection = select(preprocessing={"place": "10", "artifacts": "leave_out"})
    assert str(selection).endswith(
        "of G18, preprocessing.place 10, preprocessing.artifacts leave_out"
    )


def test_variants_have_intermediates_of_their_own() -> None:
    plain, ground = check(), check(preprocessing={"place": "ground"})
    first, second = name_intermediates(plain), name_intermediates(ground)
    assert first["ingestion"] == second["ingestion"], "granules are the same"
    assert first["clustering"] != second["clustering"]
    assert first["storms"] != second["storms"]


def test_dashboard_finds_both_slots_by_their_key() -> None:
    selection = select("both")
    assert read_selection(selection.key) == selection
    assert read_selection(selection.key).is_merged


def test_labels_that_only_look_so_are_labels() -> None:
    for label in ("mine@home", "a@", "@ground", "x@10", "x@km"):
        assert split_label(label) == (label, "ellipsoid", "keep")
    assert split_label("a@b@10km") == ("a@b", "10", "keep")


@pytest.mark.parametrize("label", ["mine@ground", "x@10km", "x@no-sun", "x@ground+no-sun"])
def test_label_that_means_a_variant_is_refused(label: str) -> None:
    with pytest.raises(ParameterError, match="must not end like what preprocessing"):
        check(clustering={"label": label})


@pytest.mark.parametrize("place", ["moon", -1, 26, "nan", True, None])
def test_place_that_is_none_is_refused(place: Any) -> None:
    words = r"preprocessing.place: .* must be ellipsoid, ground, or the height of cloud tops in km"
    with pytest.raises(ParameterError, match=words):
        check(preprocessing={"place": place})


def test_sides_of_one_satellite_are_one() -> None:
    part = Segment("G18", NOW, NOW.replace(hour=1))
    assert split_sides([part]) == [(part,)]
    assert split_sides([]) == []
