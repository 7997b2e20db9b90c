"""Table macros: what they answer, and whose they are."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.flash_history import make_history

from lightning_kedro.analysis.climatology.seen import cell_area_km2
from lightning_kedro.analysis.grids.target import make_lat_lon_grid
from lightning_kedro.store.macros import MACROS, MARK
from lightning_kedro.store.views import open_for_writing

PLACE = (29.76, -95.37)
FLASHES = [(0.0, 29.8, -95.4), (10.0, 29.7, -95.3), (20.0, 29.76, -95.6), (30.0, 10.0, 179.99)]
"""Two near, one 22 km away, one elsewhere."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 hours, of which the first was not observed and the second by half."""
    folder = tmp_path_factory.mktemp("macros")
    return make_history(folder / "lightning.duckdb", 30, FLASHES, found={0: 0, 1: 90})


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_thunder_hours_of_a_place(path: Path) -> None:
    lat, lon = PLACE
    rows = query(path, f"SELECT platform, flash_count FROM thunder_hours({lat}, {lon})")
    assert rows == [("G19", 2)] * 30
    within = f"SELECT flash_count FROM thunder_hours({lat}, {lon}, within_km := 25)"
    assert query(path, within) == [(3,)] * 30
    assert query(path, f"FROM thunder_hours({lat}, {lon}, least := 3)") == []
    assert len(query(path, "FROM thunder_hours(10, -179.99, least := 1)")) == 30, "across 180"


def test_window_is_half_open(path: Path) -> None:
    lat, lon = PLACE
    window = "since := TIMESTAMP '2024-07-01 02:00', until := TIMESTAMP '2024-07-01 04:00'"
    assert len(query(path, f"FROM thunder_hours({lat}, {lon}, {window})")) == 2
    assert query(path, f"SELECT sum(flash_count) FROM flash_density({window})") == [(8,)]
    assert query(path, f"SELECT sum(observed_hours) FROM diurnal_cycle({window})") == [(2.0,)]


def test_density_is_of_the_hours_observed(path: Path) -> None:
    rows = query(
        path,
        "SELECT flash_count, observed_hours, density_per_km2_year FROM flash_density() "
        "WHERE lat > 20",
    )
    grid = make_lat_lon_grid(-96.0, 29.0, -95.0, 30.0, 1.0)
    expected = 87 / cell_area_km2(grid)[0] / 28.5 * 8766.0
    assert rows == [(87, 28.5, pytest.approx(expected))]


def test_cycle_has_every_hour_and_null_for_those_not_observed(path: Path) -> None:
    window = "until := TIMESTAMP '2024-07-01 12:00'"
    rows = query(
        path,
        "SELECT hour_of_day, flash_count, observed_hours, flashes_per_hour, solar_flash_count "
        f"FROM diurnal_cycle({window})",
    )
    assert [row[0] for row in rows] == [*range(24)]
    assert rows[0][1:4] == (0, 0.0, None), "its flashes are of an hour that was not observed"
    assert rows[1][1:4] == (4, 0.5, 8.0)
    assert rows[2][1:4] == (4, 1.0, 4.0)
    assert rows[20][1:4] == (0, 0.0, None)
    assert sum(row[4] for row in rows) == 44
    # 95.4 W is 6 h 22 min behind, 179.99 E 12 h ahead: 01:00 UTC is 18:38 there, 06:30 is 18:30.
    assert rows[18][4] == 3 + 1


def test_macro_says_what_it_answers(path: Path) -> None:
    rows = dict(
        query(
            path,
            f"SELECT function_name, comment FROM duckdb_functions() WHERE comment LIKE '%{MARK}%'",
        )
    )
    assert rows == {name: macro.comment for name, macro in MACROS.items()}


def test_macro_of_a_persons_own_stays(tmp_path: Path) -> None:
    own = tmp_path / "own.duckdb"
    with duckdb.connect(str(own)) as connection:
        connection.execute("CREATE MACRO thunder_hours(a) AS TABLE SELECT a AS mine")
    make_history(own, 1, FLASHES)
    assert query(own, "FROM thunder_hours(42)") == [(42,)]
    assert query(own, "SELECT count(*) FROM diurnal_cycle()") == [(24,)]


def test_former_macro_is_made_anew(tmp_path: Path) -> None:
    path = make_history(tmp_path / "lightning.duckdb", 1, FLASHES)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE OR REPLACE MACRO flash_density() AS TABLE SELECT 1")
        connection.execute(f"COMMENT ON MACRO TABLE flash_density IS 'old ({MARK} 0)'")
    with open_for_writing(path):
        pass
    assert len(query(path, "FROM flash_density()")) == 2
