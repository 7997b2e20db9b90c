"""Hours of history: which are read, with which flashes, and how much of them was observed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.flash_history import START, make_history

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store import history
from lightning_kedro.store.database import connect
from lightning_kedro.store.loaded import FlashTable

FLASHES = [(0.0, 10.0, -75.0), (30.0, -20.0, 179.95), (59.99, 40.0, -179.95)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 hours, of which the third was not observed and the fifth by half."""
    folder = tmp_path_factory.mktemp("history")
    return make_history(folder / "lightning.duckdb", 50, FLASHES, found={2: 0, 4: 90})


def select(
    first: int = 0, last: int = 50, region: Region | None = None, quality: str = "all"
) -> Selection:
    start = START.replace(tzinfo=UTC)
    part = Segment("G19", start + timedelta(hours=first), start + timedelta(hours=last))
    return Selection((part,), region, quality)


def read(path: Path, selection: Selection, margin_deg: float = 0.0) -> list[ObservedHour]:
    return list(FlashTable(path).read_hours(selection, margin_deg))


def test_hours_come_in_order_with_their_own_flashes(path: Path) -> None:
    hours = read(path, select(1, 30))
    numbers = [
        int((one.start - np.datetime64(START, "us")) / np.timedelta64(1, "h")) for one in hours
    ]
    assert numbers == [1, *range(3, 30)], "the third hour was not observed"
    assert {one.lat.size for one in hours} == {3}
    np.testing.assert_allclose(hours[0].minute, [0.0, 30.0, 59.99], atol=1e-3)
    np.testing.assert_allclose(hours[0].lat, [10.0, -20.0, 40.0])
    assert all(one.is_simulated for one in hours)


def test_share_is_that_of_the_granules_that_could_be_read(path: Path) -> None:
    assert [one.share for one in read(path, select(3, 6))] == [1.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("region", "margin", "count"),
    [
        (Region(-80, 0, -70, 20), 0.0, 1),
        (Region(179, -90, -179, 90), 0.0, 2),
        (Region(-74.9, 0, -70, 20), 0.0, 0),
        (Region(-74.9, 0, -70, 20), 0.2, 1),
        (Region(-80, 10.1, -70, 20), 0.2, 1),
        (Region(179, -30, 179.9, 45), 0.2, 2),
        (Region(179, -90, 179.9, 90), 0.2, 3),
        (Region(-180, -90, 180, 90), 0.2, 3),
    ],
)
def test_region_has_a_margin_everywhere(
    path: Path, region: Region, margin: float, count: int
) -> None:
    (hour,) = read(path, select(0, 1, region), margin)
    assert hour.lat.size == count


def test_flagged_flashes_are_left_out_if_asked_for(tmp_path: Path) -> None:
    path = make_history(tmp_path / "lightning.duckdb", 1, FLASHES)
    with connect(path, read_only=False) as connection:
        connection.execute("UPDATE flashes SET quality_flag = 3 WHERE flash_id = 1")
    (hour,) = read(path, select(0, 1, quality="good"))
    assert hour.lat.size == 2


def test_database_is_let_go_of_between_days(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_HELD_SECONDS", 0.0)
    days = []
    monkeypatch.setattr(history, "monotonic", lambda: days.append(1) or float(len(days)))
    monkeypatch.setattr(history, "_HELD_SECONDS", 1.5)  # by this clock: one day each
    assert len(read(path, select())) == 49
    assert len(days) == 3 * 3 - 1


def test_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="There is no database"):
        read(tmp_path / "none.duckdb", select())


def test_quiet_hour_has_no_flash(path: Path) -> None:
    with_region = select(0, 1, Region(0, 0, 1, 1))
    (hour,) = read(path, with_region)
    assert (hour.lat.size, hour.share) == (0, 1.0)
    assert datetime.fromisoformat(str(hour.start)) == START
