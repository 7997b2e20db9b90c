"""Sums over hours: what counts, what was observed, and what time of the day it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lightning_kedro.analysis.climatology.building import ClimatologyBuilder, Thunder
from lightning_kedro.analysis.climatology.fields import HOURS_PER_YEAR, Climatology
from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.analysis.climatology.seen import Seen, cell_area_km2
from lightning_kedro.analysis.climatology.window import find_box, keep_whole_hours, make_grid
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.selection import Region, Selection

START = datetime(2026, 7, 1, tzinfo=UTC)
FLORIDA = Region(-83.0, 26.0, -80.0, 29.0)


def select(region: Region | None = FLORIDA, platform: str = "G19") -> Selection:
    return Selection((Segment(platform, START, START + timedelta(days=2)),), region)


def hour(
    number: int, *places: tuple[float, float], share: float = 1.0, minute: float = 0.0
) -> ObservedHour:
    lat, lon = (np.array([place[at] for place in places], np.float32) for at in (0, 1))
    start = np.datetime64("2026-07-01T00", "us") + np.timedelta64(number, "h")
    minutes = np.full(lat.size, minute, np.float32)
    return ObservedHour("G19", start, share, minutes, lat, lon)


def build(*hours: ObservedHour, selection: Selection | None = None) -> Climatology:
    selected = selection or select()
    grid = make_grid(find_box(selected), 0.05)
    builder = ClimatologyBuilder(grid, Thunder())
    for one in hours:
        builder.add(one)
    return builder.finish(Seen.find(grid, selected))


def at(made: Climatology, field: np.ndarray, lat: float, lon: float) -> float:
    """The value of a field in the cell of a place."""
    row = int((lat - made.grid.south) // made.grid.degrees)
    return float(field[row, int((lon - made.grid.west) // made.grid.degrees)])


def test_thunder_hour_takes_two_flashes_of_one_hour() -> None:
    here, there, far = (28.02, -81.02), (28.05, -81.05), (26.5, -82.5)
    made = build(hour(0, here), hour(1, here, there, far), hour(2, here, here), hour(3, there, far))
    assert at(made, made.thunder_hours, *here) == 2
    assert at(made, made.thunder_hours, *far) == 0
    assert at(made, made.flash_count, *here) == 4
    assert made.flash_total == 8


def test_hour_counts_once_however_many_flashes() -> None:
    made = build(hour(0, *[(28.02, -81.02)] * 500))
    assert made.thunder_hours.max() == 1
    assert made.flash_count.max() == 500


def test_density_and_thunder_hours_are_of_the_time_observed() -> None:
    """Two days of which a quarter was observed: the flashes are those of that quarter."""
    place = (28.02, -81.02)
    made = build(*(hour(number, place, place, share=0.5) for number in range(24)))
    row = int((place[0] - made.grid.south) // 0.05)
    assert at(made, made.observed_hours, *place) == 12.0
    density = 48 / cell_area_km2(made.grid)[row] * HOURS_PER_YEAR / 12.0
    assert at(made, made.flash_density, *place) == pytest.approx(density)
    assert at(made, made.thunder_hours_per_year, *place) == pytest.approx(2 * HOURS_PER_YEAR)


def test_what_the_satellite_does_not_see_is_not_zero() -> None:
    made = build(hour(0, (28.0, -81.0)), selection=select(region=Region(-20, 40, 0, 70)))
    assert at(made, made.observed_hours, 40.02, -19.98) == 1.0
    assert at(made, made.flash_density, 40.02, -19.98) == 0.0
    assert np.isnan(at(made, made.flash_density, 69.0, -1.0))
    assert np.isnan(at(made, made.thunder_hours_per_year, 69.0, -1.0))


def test_hours_that_were_not_observed_give_no_value_at_all() -> None:
    made = build()
    assert np.isnan(made.flash_density).all()
    assert np.isnan(made.cycle.utc_rate).all()


def test_solar_time_is_that_of_the_flash() -> None:
    """82.5 W is five and a half hours behind: 20:45 UTC is 15:15 there."""
    made = build(hour(20, (28.0, -82.49), (28.0, -80.01), minute=45.0))
    assert made.cycle.utc_count[20] == 2
    assert made.cycle.solar_count.nonzero()[0].tolist() == [15]
    made = build(hour(0, (28.0, -82.49), minute=1.0))
    assert made.cycle.solar_count.nonzero()[0].tolist() == [18], "of the day before"


def test_observed_solar_time_is_shared_by_longitude() -> None:
    made = build(hour(20), hour(44))
    solar = made.cycle.solar_hours
    assert made.cycle.utc_hours[20] == pytest.approx(2.0)
    assert solar.nonzero()[0].tolist() == [14, 15]
    # At 81.5 W, the middle, 20:00 UTC is 14:34.
    assert solar[14] == pytest.approx(2.0 * 26 / 60, abs=0.01)
    assert solar.sum() == pytest.approx(2.0)


def test_cycle_of_a_whole_day_is_flat_where_flashes_are() -> None:
    made = build(*(hour(number, (28.0, -82.49)) for number in range(24)))
    np.testing.assert_allclose(made.cycle.utc_rate, 1.0)
    np.testing.assert_allclose(made.cycle.solar_rate, 1.0)


def test_field_of_view_has_the_west_across_180_degrees() -> None:
    selection = select(region=None, platform="G18")
    grid = make_grid(find_box(selection), 0.5)
    assert (grid.west, grid.columns) == (-204.0, 268)
    builder = ClimatologyBuilder(grid, Thunder())
    lat = np.zeros(2, np.float32)
    start = np.datetime64("2026-07-01T00", "us")
    lon = np.array([179.9, -179.9], np.float32)
    builder.add(ObservedHour("G18", start, 1.0, lat, lat, lon))
    made = builder.finish(Seen.find(grid, selection))
    assert made.flash_total == 2
    assert made.flash_count[:, 47:49].sum() == 2
    assert made.observed_hours[133, 48] == 1.0


def test_both_slots_observe_what_either_sees() -> None:
    """Where both see, an hour is observed as far as by the one that lacks less of it."""
    end = START + timedelta(days=2)
    parts = tuple(Segment(name, START, end) for name in ("G19", "G18"))
    selection = keep_whole_hours(Selection(parts))
    grid = make_grid(find_box(selection), 1.0)
    builder = ClimatologyBuilder(grid, Thunder())
    middle, east, west = (30.0, -106.0), (0.0, -30.0), (0.0, 179.0)
    builder.add(replace(hour(0, middle, middle, east, west, share=0.5), also={"G18": 0.75}))
    builder.add(hour(1, middle))
    builder.add(replace(hour(2), platform="G18", share=0.25))
    made = builder.finish(Seen.find(grid, selection))
    values = {"middle": middle, "east": east, "west": (0.0, 179.0 - 360.0)}
    observed = {name: at(made, made.observed_hours, *place) for name, place in values.items()}
    assert observed == {"middle": 0.75 + 1.0 + 0.25, "east": 0.5 + 1.0, "west": 0.75 + 0.25}
    assert at(made, made.flash_count, *middle) == 3
    assert at(made, made.flash_count, *values["west"]) == 1
    assert made.hour_count == 3
    area = cell_area_km2(grid)[:, None]
    mean = (made.observed_hours * area).sum() / (area * (made.observed_hours > 0)).sum()
    assert made.cycle.utc_hours.sum() == pytest.approx(mean)
    assert made.cycle.solar_hours.sum() == pytest.approx(mean)


def test_area_of_the_cells_is_that_of_the_sphere() -> None:
    grid = make_grid(Region(-180.0, -90.0, 180.0, 90.0), 0.5)
    whole = cell_area_km2(grid).sum() * grid.columns
    assert whole == pytest.approx(4.0 * np.pi * 6371.0088**2)


def test_grid_of_a_region_is_moved_outward() -> None:
    grid = make_grid(Region(179.98, 10.01, -179.98, 10.52), 0.05)
    assert (grid.west, grid.south) == (179.95, 10.0)
    assert (grid.columns, grid.rows) == (2, 11)


def test_hours_that_the_window_cuts_do_not_count() -> None:
    cut = Selection(
        (Segment("G19", START + timedelta(minutes=1), START + timedelta(hours=3, minutes=59)),)
    )
    kept = keep_whole_hours(cut)
    assert (kept.start, kept.end) == (START + timedelta(hours=1), START + timedelta(hours=3))
    assert keep_whole_hours(kept) == kept


def test_window_without_a_whole_hour_is_refused() -> None:
    short = Selection((Segment("G19", START, START + timedelta(minutes=59)),))
    with pytest.raises(
        ParameterError, match="Parameter window: there is no whole hour of UTC from"
    ):
        keep_whole_hours(short)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"place": "ground"}, "Parameter preprocessing: a climatology takes flashes as the files"),
        ({"artifacts": "leave_out"}, "Parameter preprocessing: a climatology takes flashes as the"),
    ],
)
def test_flashes_that_the_table_does_not_have_are_refused(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        keep_whole_hours(replace(select(), **changed))
