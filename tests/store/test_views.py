"""Views for what people ask: made, renewed and left alone."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.ingesting import Ingestion, make_granules, put
from tests.store.test_results import END, START, WHOLE, make_result, make_rows, save

from lightning_kedro.columns import COLUMNS, SIMULATED
from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.results import STORM_TABLES, Result
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store import views
from lightning_kedro.store.database import connect, transaction
from lightning_kedro.store.tables import create_table, open_table
from lightning_kedro.store.views import VIEWS, open_for_writing, renew_views

LATER = Selection((Segment("G18", END, END + timedelta(hours=1)),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lightning.duckdb"


def make_tables(path: Path) -> None:
    with open_for_writing(path) as connection, transaction(connection):
        for table in TABLES:
            if table not in {"time_series", "geo_series"}:
                create_table(connection, table)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def list_views(path: Path) -> dict[str, str]:
    return dict(query(path, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every table and view, and no row."""
    path = tmp_path_factory.mktemp("views") / "lightning.duckdb"
    make_tables(path)
    return path


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_the_names_types_and_meanings_of_the_registry(empty: Path, name: str) -> None:
    described = query(
        empty,
        f"SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = '{name}'",
    )
    columns = {each: COLUMNS[each] for each in VIEWS[name].columns} | {"simulated": SIMULATED}
    assert described == [(each, column.type, column.meaning) for each, column in columns.items()]
    assert list_views(empty)[name].startswith(f"{VIEWS[name].meaning} (a view of lightning_kedro")


def test_view_comes_with_the_last_of_its_tables(path: Path) -> None:
    save(path, make_result())
    assert set(list_views(path)) == {"latest_result", "latest_clusters", "clusters_over_windows"}
    with open_for_writing(path) as connection:
        create_table(connection, "coverage")
    assert "gaps" in list_views(path)
    assert "flashes_by_hour" not in list_views(path)


def test_latest_result_is_the_one_made_last(path: Path) -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    save(path, make_result(WHOLE, 3, run_time=made + timedelta(days=1)))
    save(path, make_result(LATER, 5, run_time=made), simulated=True)
    assert query(path, "SELECT k, window_start, simulated FROM latest_result") == [
        (3, START.replace(tzinfo=None), False)
    ]
    assert query(path, "SELECT cluster FROM latest_clusters") == [(0,), (1,), (2,)]
    assert query(
        path, "SELECT window_start, k, count(*) FROM clusters_over_windows GROUP BY ALL ORDER BY 1"
    ) == [(START.replace(tzinfo=None), 3, 3), (END.replace(tzinfo=None), 5, 5)]


def test_storm_of_two_windows_is_counted_once(path: Path) -> None:
    """Windows that overlap share a flash; both have the storm."""
    for number, selection in enumerate((WHOLE, LATER)):
        tables = {name: make_rows(name, selection, 1) for name in STORM_TABLES}
        tables["storm_flashes"] = make_rows(
            "storm_flashes", selection, 2, flash_id=[number, number + 1]
        )
        for table in STORM_TABLES:
            result = Result(selection, tables, STORM_TABLES)
            DuckDBTableDataset(path=str(path), table=table).save(result)
    rows = query(path, "SELECT storm_id, n_windows, flash_count FROM storms_over_windows")
    assert rows == [("x", 2, 3)]
    assert query(path, "SELECT count(*) FROM latest_storms") == [(1,)]


def test_flashes_gaps_and_biggest_of_what_was_ingested(tmp_path: Path) -> None:
    for name, content in make_granules(numbers=(0, 1)):
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    ingestion.run()
    count = ingestion.query("SELECT count(*) FROM flashes")[0][0]
    hours = ingestion.query("SELECT hour, flash_count, found, missing FROM flashes_by_hour")
    assert sum(flashes for _, flashes, *_ in hours) == count
    assert hours[-1][2:] == (2, 178)
    assert hours[0][0].hour == 8, "the first flashes began in the hour before"
    assert hours[0][2:] == (None, None)
    assert ingestion.query("SELECT found, missing FROM gaps") == [(2, 178)]
    biggest = ingestion.query("SELECT area_km2 FROM biggest_flashes")
    assert biggest == ingestion.query(
        f"SELECT area_km2 FROM flashes ORDER BY 1 DESC LIMIT {min(count, views.MOST_BIGGEST)}"
    )


def test_view_of_another_definition_is_renewed_and_todays_left(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list_views(empty)
    today = VIEWS["gaps"]
    source = today.source.replace("WHERE", "WHERE found < 0 AND")
    changed = views.View(today.meaning, today.columns, today.tables, source)
    monkeypatch.setitem(VIEWS, "gaps", changed)
    made = []
    monkeypatch.setattr(
        views, "_make_view", lambda _, name, view: made.append((name, view.comment))
    )
    with open_for_writing(empty):
        pass
    assert made == [("gaps", changed.comment)]
    assert list_views(empty) == before


@pytest.mark.parametrize("kind", ["VIEW", "TABLE"])
def test_what_a_person_calls_so_stays(path: Path, kind: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE {kind} gaps AS SELECT 42 AS mine")
    with open_for_writing(path) as connection:
        create_table(connection, "coverage")
        create_table(connection, "flashes")
    assert query(path, "FROM gaps") == [(42,)]
    assert "flashes_by_hour" in list_views(path)


def test_database_without_views_is_read_as_it_is(path: Path) -> None:
    with connect(path, read_only=False) as connection:
        create_table(connection, "coverage")
    with open_table(path, "coverage") as connection:
        assert connection.execute("FROM coverage").fetchall() == []
    assert list_views(path) == {}


def test_migration_of_an_older_database_makes_them(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE coverage (platform VARCHAR, hour TIMESTAMP, expected INTEGER, "
            "found INTEGER, corrupt INTEGER, missing INTEGER)"
        )
    with open_table(path, "coverage") as connection:
        assert connection.execute("FROM gaps").fetchall() == []


def test_columns_added_to_a_table_leave_its_views_working(path: Path) -> None:
    with open_for_writing(path) as connection:
        create_table(connection, "coverage")
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE coverage ADD COLUMN mine INTEGER")
    assert query(path, "FROM gaps") == []


def test_two_that_make_them_at_once_do_no_harm(path: Path) -> None:
    with connect(path, read_only=False) as connection:
        for table in ("coverage", "flashes", "k_selection", "cluster_centers"):
            create_table(connection, table)
        others = [connection.cursor() for _ in range(4)]
        threads = [threading.Thread(target=renew_views, args=(other,)) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
        renew_views(connection)
    assert {"gaps", "flashes_by_hour", "latest_result"} <= set(list_views(path))
