"""What reports say of how flashes were seen."""

from dataclasses import replace
from typing import Any

import pandas as pd
from tests.pipelines.reported_results import (
    Tables,
    make_granules,
    make_selection,
    make_tables,
    write_page,
)

from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.outlines import find_seen, trace_views
from lightning_kedro.pipelines.reporting.sky_findings import note_sky
from lightning_kedro.schemas import TABLES


def make_row(tables: Tables, **given: Any) -> dict[str, Any]:
    """A row of ``sky_selection`` of the same flashes."""
    row: dict[str, Any] = dict.fromkeys(TABLES["sky_selection"].columns)
    counts = {name: 0 for name in row if name.startswith("n_")}
    for name in ("n_east", "n_west", "n_matched", "n_east_overlap", "n_west_overlap"):
        counts[name] = None
    fingerprint = tables.k_selection["flashes_fingerprint"].item()
    return row | counts | {"flashes_fingerprint": fingerprint, "n_flashes": 50} | given


def note(tables: Tables, **given: Any) -> list[str]:
    return list(note_sky(replace(tables, sky=make_row(tables, **given)).reported))


def test_report_says_that_nobody_has_looked() -> None:
    (told,) = note_sky(make_tables(n=50).reported)
    assert told.startswith("Artifacts have not been looked for: run `kedro run --pipelines sky,")


def test_artifacts_of_other_flashes_are_not_counted() -> None:
    (told,) = note(make_tables(n=50), flashes_fingerprint="another", n_sun_glint=3)
    assert told.startswith("Artifacts were looked for in other flashes of this window")


def test_counts_that_are_not_zero_are_said() -> None:
    tables = make_tables(n=50)
    (none,) = note(tables)
    assert none.startswith("No flash is flagged: no glint of the Sun, no stray sunlight, no wrap")
    assert note(tables, n_flashes=0) == []
    told = note(tables, n_sun_glint=7, n_detector_line=1, n_left_out=2)
    assert told[0] == "7 of 50 flashes may be the Sun's glint on water."
    assert told[1] == "1 of 50 flashes lie on rows or columns of the detector that stand out."
    assert told[2].startswith("2 flashes that the Sun may have made are left out")


def make_both(lost: slice = slice(0, 0)) -> Tables:
    """A result of both slots; GOES-18 lacks some granules."""
    tables = make_tables(n=50)
    west = make_granules("G18", 1.0)
    west = west.drop(index=west.index[lost])
    granules = pd.concat([make_granules("G16", 1.0), west], ignore_index=True)
    return replace(tables, selection=make_selection("both"), granules=granules)


def test_satellite_that_lacks_a_part_of_the_window_is_named() -> None:
    told = note(make_both(slice(30, 90)), n_matched=12, n_east=40, n_west=22, matched_share=0.4)
    assert told[0] == (
        "GOES-18 (West) lacks 20.0 minutes of the window: there only what the other satellite saw "
        "is counted."
    )
    assert told[1] == (
        "GOES-East saw 40 flashes and GOES-West 22: 12 are the same and count once, 40.0 % of "
        "those that both could see."
    )
    assert make_both(slice(30, 90)).reported.rate.gaps.size == 0, "the other one looked"
    assert not any("lacks" in one for one in note(make_both()))


def test_titles_and_fields_of_view_are_those_of_both() -> None:
    tables = make_both()
    window = tables.window
    assert window.satellites == "GOES-16 (East) and GOES-18 (West)"
    assert len(trace_views(window)) == 2
    lat, lon = window.show_points(*(tables.clustered.lat[:0],) * 2)
    assert lon.min() < -200
    assert lon.max() > -10
    whole = Extent(-205.0, -5.0, -60.0, 60.0)
    one = make_tables(n=50).window
    assert find_seen(window, whole).mean() > 1.5 * find_seen(one, whole).mean()
    assert lat.size == lon.size


def test_page_says_where_flashes_are_put() -> None:
    tables = make_tables(n=50)
    assert "6 km high at the poles and 14 km at the equator" in write_page(tables, {})
    ground = replace(tables.selection, place="ground")
    page = write_page(replace(tables, selection=ground), {})
    assert "where their lines of sight meet the ground" in page
