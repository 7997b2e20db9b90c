"""Hours of both slots as one: the flashes that the pipeline sky counts, and what was observed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.flash_history import make_history

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.glm.orbital_slot import find_segments
from lightning_kedro.selection import Region, Selection
from lightning_kedro.sky import see_flashes
from lightning_kedro.store.database import connect
from lightning_kedro.store.history_of_both import list_spans
from lightning_kedro.store.loaded import FlashTable

HOURS = 26
START = datetime(2024, 7, 1, tzinfo=UTC)
CROWDED = np.concatenate([np.full(200, 24.0), np.linspace(0.5, 25.5, 40)])
MINUTES = 60.0 * CROWDED + np.linspace(-0.6, 0.6, CROWDED.size)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes about midnight above all, a storm that both see, and flashes that one does not."""
    path = tmp_path_factory.mktemp("history") / "lightning.duckdb"
    make_history(path, HOURS, [(0.0, 0.0, 0.0)], "G16", found={5: 0, 7: 90})
    make_history(path, HOURS, [(0.0, 0.0, 0.0)], "G18", found={6: 0, 5: 120, 7: 60})
    random = np.random.default_rng(3)
    with connect(path, read_only=False) as connection:
        connection.execute("DELETE FROM flashes")
        for number, platform in enumerate(("G16", "G18")):
            seen = np.flatnonzero(random.random(MINUTES.size) < 0.8)
            times = np.datetime64(START.replace(tzinfo=None), "us") + (
                (MINUTES[seen] * 60e6).astype("m8[us]")
                + random.integers(0, 60_000, seen.size).astype("m8[us]")
            )
            rows = pa.table(
                {
                    "time": times,
                    "time_end": times + np.timedelta64(300, "ms"),
                    "lat": (30.0 + 0.05 * random.normal(size=seen.size)).astype("f4"),
                    "lon": (-106.0 + 0.2 * random.normal(size=seen.size)).astype("f4"),
                    "flash_id": seen.astype("i4") + 1000 * number,
                }
            )
            connection.register("rows", rows)
            connection.execute(
                f"INSERT INTO flashes BY NAME SELECT '{platform}' AS platform, "
                "time AS granule_start, 0 AS quality_flag, true AS simulated, * FROM rows"
            )
    return path


def select(start: datetime, end: datetime, region: Region | None = None) -> Selection:
    return Selection(find_segments("both", start, end), region)


def read(path: Path, selection: Selection, margin_deg: float = 0.0) -> list[ObservedHour]:
    return list(FlashTable(path).read_hours(selection, margin_deg))


@pytest.mark.parametrize("region", [None, Region(-106.1, 29.0, -105.9, 31.0)])
def test_flashes_are_those_that_count_in_results(path: Path, region: Region | None) -> None:
    """Over midnight, where days are read one by one, and at the bounds of a region."""
    start, end = START + timedelta(hours=8), START + timedelta(hours=HOURS)
    hours = read(path, select(start, end, region))
    assert len(hours) == HOURS - 8
    seen = see_flashes(FlashTable(path), select(start, end, region), ("time", "lat", "lon"))
    assert seen.both is not None
    assert len(seen.both.matches) > 30
    expected = seen.table.to_pandas().sort_values(["time", "lat"])
    lat, lon = (np.concatenate([getattr(one, name) for one in hours]) for name in ("lat", "lon"))
    times = np.concatenate([one.start + (one.minute * 60e6).astype("m8[us]") for one in hours])
    inside = np.ones(lat.size, bool)
    if region is not None:
        inside = (lon >= region.west) & (lon <= region.east)
    order = np.argsort(times[inside], kind="stable")
    assert inside.sum() == len(expected)
    np.testing.assert_array_equal(np.sort(lon[inside][order]), np.sort(expected["lon"]))
    np.testing.assert_array_equal(np.sort(lat[inside][order]), np.sort(expected["lat"]))
    assert np.all(np.diff(times.astype(np.int64)) > -300), "in order of time"


def test_hour_that_one_did_not_observe_is_of_the_other(path: Path) -> None:
    hours = read(path, select(START, START + timedelta(hours=9)))
    shares = [{one.platform: one.share, **one.also} for one in hours]
    assert shares[4] == {"G16": 1.0, "G18": 1.0}
    assert shares[5] == pytest.approx({"G18": 2.0 / 3.0})
    assert shares[6] == {"G16": 1.0}
    assert shares[7] == pytest.approx({"G16": 0.5, "G18": 1.0 / 3.0})
    assert all(one.is_simulated for one in hours)
    with connect(path, read_only=True) as connection:
        query = (
            "SELECT count(*) FROM flashes WHERE platform = ? AND hour(time) = ? AND day(time) = 1"
        )
        of_west = connection.execute(query, ["G18", 5]).fetchone()
        of_east = connection.execute(query, ["G16", 6]).fetchone()
    assert of_west is not None
    assert of_east is not None
    assert (hours[5].lat.size, hours[6].lat.size) == (of_west[0], of_east[0])


def test_spans_are_days_cut_where_a_slot_changes_hands() -> None:
    start = datetime(2025, 4, 6, 12, tzinfo=UTC)
    selection = select(start, start + timedelta(days=2))
    (change,) = {part.end for part in selection.sides[0]} - {start + timedelta(days=2)}
    spans = list_spans(selection)
    midnights = {datetime(2025, 4, day, tzinfo=UTC) for day in (7, 8)}
    assert {end for _, end in spans} == midnights | {change, start + timedelta(days=2)}
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
    assert spans[0][0] == start
