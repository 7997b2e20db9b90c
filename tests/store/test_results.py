"""Results in the database: replaced whole, read whole, told apart by their key, migrated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from kedro.io import DatasetError
from tests.pipelines.reported_results import make_selection
from tests.pipelines.storm_results import make_stormy

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.exceptions import NoResultError, TableError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.results import RESULT_TABLES, STORM_TABLES, Result, make_table
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import Region, ResultKey, Selection
from lightning_kedro.store import results as results_module
from lightning_kedro.store.database import connect
from lightning_kedro.store.migration import UNKNOWN
from lightning_kedro.store.results import ResultTable, replace_result

START = datetime(2023, 1, 26, 15, tzinfo=UTC)
END = START + timedelta(hours=1)
WHOLE = Selection((Segment("G18", START, END),))


def make_rows(table: str, selection: Selection, count: int, **columns: Any) -> pa.Table:
    """Rows that are sound but for what they say."""
    schema = arrow_schema(table)
    fill = {"VARCHAR": "x", "TIMESTAMP": START.replace(tzinfo=None), "BOOLEAN": False}
    values = {
        name: [fill.get(kind, number) for number in range(count)]
        for name, kind in TABLES[table].types.items()
    }
    key = {name: [value] * count for name, value in selection.key._asdict().items()}
    return pa.table({**values, **key, **columns}, schema=schema)


def make_result(selection: Selection = WHOLE, k: int = 3, **row: Any) -> Result:
    tables = {name: make_rows(name, selection, k) for name in RESULT_TABLES}
    chosen = {name: [value] for name, value in row.items()}
    tables["k_selection"] = make_rows("k_selection", selection, 1, k=[k], **chosen)
    return Result(selection, tables)


def save(path: Path, result: Result, **options: Any) -> None:
    """Hand a result to the entries of its tables, as Kedro does."""
    for table in RESULT_TABLES:
        DuckDBTableDataset(path=str(path), table=table, **options).save(result)


def handle(path: Path) -> ResultTable:
    loaded = DuckDBTableDataset(path=str(path), table="k_selection", lazy=True).load()
    assert isinstance(loaded, ResultTable)
    return loaded


def count_rows(path: Path) -> dict[str, int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in RESULT_TABLES
        }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lightning.duckdb"


def test_key_has_the_columns_of_the_registry() -> None:
    assert ResultKey._fields == RESULT_KEY
    assert all(TABLES[name].key[: len(RESULT_KEY)] == RESULT_KEY for name in RESULT_TABLES)


def test_result_is_read_as_it_was_saved(path: Path) -> None:
    result = make_result()
    save(path, result, simulated=True)
    stored = handle(path).read_result(WHOLE)
    for table in RESULT_TABLES:
        assert stored.tables[table].drop_columns("simulated").equals(result.tables[table])
        assert stored.tables[table]["simulated"].to_pylist() == [True] * len(result.tables[table])
    assert stored.row["k"] == 3
    assert stored.tables["granules"].num_rows == stored.tables["coverage"].num_rows == 0


def test_nothing_changes_before_the_last_table_is_saved(path: Path) -> None:
    save(path, make_result(k=3))
    for table in RESULT_TABLES[:-1]:
        DuckDBTableDataset(path=str(path), table=table).save(make_result(k=5))
        assert count_rows(path) == dict.fromkeys(RESULT_TABLES, 3) | {"k_selection": 1}
    DuckDBTableDataset(path=str(path), table="k_selection").save(make_result(k=5))
    assert count_rows(path) == dict.fromkeys(RESULT_TABLES, 5) | {"k_selection": 1}


@pytest.mark.parametrize("failing", RESULT_TABLES)
def test_error_at_any_table_leaves_the_former_result(
    path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, make_result(k=3))
    check = results_module.select_checked

    def fail(connection: Any, table: str, *, simulated: bool) -> str:
        if table == failing:
            raise TableError(table)
        return check(connection, table, simulated=simulated)

    monkeypatch.setattr(results_module, "select_checked", fail)
    with pytest.raises(DatasetError, match=failing):
        save(path, make_result(k=5))
    assert count_rows(path) == dict.fromkeys(RESULT_TABLES, 3) | {"k_selection": 1}
    assert handle(path).read_result(WHOLE).row["k"] == 3


@pytest.mark.parametrize(
    "other",
    [
        Selection((Segment("G17", START, END),)),
        Selection((Segment("G18", START, END + timedelta(seconds=1)),)),
        Selection((Segment("G18", START + timedelta(microseconds=1), END),)),
        Selection((Segment("G18", START, END),), Region(-100, 20, -80, 45)),
        Selection((Segment("G18", START, END),), min_quality="good"),
        Selection((Segment("G18", START, END),), label="fine"),
    ],
    ids=["satellite", "end", "start", "region", "quality", "label"],
)
def test_results_of_other_selections_live_side_by_side(path: Path, other: Selection) -> None:
    save(path, make_result(k=3))
    save(path, make_result(other, k=4))
    save(path, make_result(k=5))
    assert handle(path).read_result(WHOLE).row["k"] == 5
    assert handle(path).read_result(other).row["k"] == 4
    assert count_rows(path)["k_selection"] == 2
    assert count_rows(path)["clustered_flashes"] == 9
    assert other.name != WHOLE.name


def test_selection_without_a_result_is_named(path: Path) -> None:
    save(path, make_result())
    other = Selection((Segment("G18", START, END),), label="fine")
    with pytest.raises(
        NoResultError,
        match=r"^There is no result of the window 2023-01-26T15:00:00 to .*, clustering.label fine "
        r"yet: run `kedro run --pipelines clustering` .* The last report is left as it is\. "
        r"Of this window there are results of region all, min_quality all, label default\.$",
    ):
        handle(path).read_result(other)
    elsewhen = Selection((Segment("G18", START, START + timedelta(minutes=1)),))
    with pytest.raises(NoResultError, match=r"The last report is left as it is\.$"):
        handle(path).read_result(elsewhen)


def test_result_comes_with_its_window_of_granules_and_coverage(path: Path) -> None:
    save(path, make_result())
    hour = timedelta(hours=1)
    starts = [START - hour, START - timedelta(seconds=20), START, END - timedelta(seconds=20), END]
    naive = [time.replace(tzinfo=None) for time in starts]
    granules = make_rows("granules", WHOLE, 5).to_pandas()
    granules = granules.assign(
        platform="G18",
        granule_start=naive,
        granule_end=[time + timedelta(seconds=20) for time in naive],
    )
    DuckDBTableDataset(path=str(path), table="granules").save(granules)
    hours = [time.replace(tzinfo=None) for time in (START - hour, START, END)]
    coverage = pd.DataFrame({"platform": "G18", "hour": hours}).assign(
        expected=180, found=180, corrupt=0, missing=0
    )
    DuckDBTableDataset(path=str(path), table="coverage").save(coverage)
    stored = handle(path).read_result(WHOLE).tables
    assert stored["granules"]["granule_start"].to_pylist() == naive[2:4]
    assert stored["coverage"]["hour"].to_pylist() == hours[1:2]


def test_identity_differs_from_run_to_run() -> None:
    first = make_result(run_time=datetime(2024, 1, 1), flashes_fingerprint="ab")  # noqa: DTZ001
    later = make_result(run_time=datetime(2024, 1, 2), flashes_fingerprint="ab")  # noqa: DTZ001
    assert first.identity.startswith("G18_20230126T1500_20230126T1600@20240101T000000-")
    assert later.identity != first.identity
    other = make_result(run_time=datetime(2024, 1, 1), flashes_fingerprint="ab", k_max=7)  # noqa: DTZ001
    assert other.identity != first.identity, "other options in the same second"


# Databases of version 0.1


ADDED = {
    *("region", "min_quality", "label", "satellite", "west", "south", "east", "north"),
    *("requested_k", "requested_criterion", "flashes_fingerprint", "code_version", "run_time"),
    *("silhouette_error_bound", "max_certified"),
}


def make_old_database(path: Path, *, dropped: int = 0) -> None:
    """A database of version 0.1: three flashes, of which some were not clustered."""
    with duckdb.connect(str(path)) as connection:
        for table in ("flashes", *RESULT_TABLES):
            if table == "k_candidates":
                continue  # version 0.1 had none
            columns = {
                name: kind
                for name, kind in TABLES[table].types.items()
                if name not in ADDED and (table, name) != ("clustered_flashes", "quality_flag")
            }
            listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE {table} ({listed}, simulated BOOLEAN)")
        naive = START.replace(tzinfo=None)
        for number in range(3):
            row = ["G18", naive, number, naive + timedelta(seconds=number)]
            connection.execute(
                "INSERT INTO flashes (platform, granule_start, flash_id, time) VALUES (?, ?, ?, ?)",
                row,
            )
        key = ["G18", naive, END.replace(tzinfo=None)]
        for number in range(3 - dropped):
            connection.execute(
                "INSERT INTO clustered_flashes (platform, window_start, window_end, "
                "flash_platform, granule_start, flash_id, cluster) VALUES (?, ?, ?, ?, ?, ?, 0)",
                [*key, "G18", naive, number],
            )
        for table in ("silhouette_scores", "elbow_curve", "k_selection"):
            connection.execute(
                f"INSERT INTO {table} (platform, window_start, window_end, k) VALUES (?, ?, ?, 7)",
                key,
            )


def test_old_result_of_all_flashes_is_known_to_be_so(path: Path) -> None:
    make_old_database(path)
    row = handle(path).df().iloc[0]
    assert (row["region"], row["min_quality"], row["label"]) == ("all", "all", "default")
    stored = handle(path).read_result(WHOLE)
    assert stored.row["k"] == 7
    assert stored.row["flashes_fingerprint"] is None
    assert stored.tables["clustered_flashes"].num_rows == 3
    assert stored.tables["k_candidates"].num_rows == 0
    assert stored.tables["k_candidates"].column_names == [
        *TABLES["k_candidates"].columns,
        "simulated",
    ]
    assert stored.identity.startswith(f"{WHOLE.name}@unknown-")


def test_old_result_of_chosen_flashes_says_that_the_choice_is_unknown(path: Path) -> None:
    make_old_database(path, dropped=1)
    row = handle(path).df().iloc[0]
    assert (row["region"], row["min_quality"], row["label"]) == (UNKNOWN, UNKNOWN, "default")
    with pytest.raises(NoResultError):
        handle(path).read_result(WHOLE)


def test_old_rows_survive_a_new_result_of_the_window(path: Path) -> None:
    make_old_database(path, dropped=1)
    save(path, make_result(k=4))
    rows = handle(path).df()
    assert rows["region"].to_list() == ["all", UNKNOWN]
    assert rows["k"].to_list() == [4, 7]
    assert count_rows(path)["clustered_flashes"] == 2 + 4


def test_migration_that_is_killed_is_done_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_kedro.store import migration

    make_old_database(path)

    def stop(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_is_whole", stop)
        with pytest.raises(KeyboardInterrupt):
            handle(path).df()
    row = handle(path).df().iloc[0]
    assert (row["region"], row["label"]) == ("all", "default")


def test_result_is_found_where_there_is_one(tmp_path: Path) -> None:
    """Storms may never have been looked for, in this window or in this database at all."""
    path = tmp_path / "lightning.duckdb"
    tables = make_stormy(n=40)
    storms, selection = tables.storms, tables.selection
    assert storms is not None
    handle = ResultTable(path, "storm_selection")
    with connect(path, read_only=False) as connection:
        connection.execute("CREATE TABLE other (a INTEGER)")
    assert handle.find_result(selection) is None
    full = complete(storms)
    with connect(path, read_only=False) as connection:
        replace_result(connection, full, simulated=True)
    found = handle.find_result(selection, {"storm_flashes": ("time", "storm")})
    assert found is not None
    assert set(found.tables) == set(STORM_TABLES)
    assert found.tables["storm_flashes"].column_names == ["time", "storm"]
    assert found.tables["storms"].num_rows == storms.tables["storms"].num_rows
    assert found.identity == handle.read_identity(selection)
    assert handle.find_result(make_selection(hours=3.0)) is None


def complete(storms: Result) -> Result:
    """With the columns of ``storm_flashes`` that pictures do not read."""
    flashes = storms.tables["storm_flashes"]
    n = flashes.num_rows
    columns = {one: flashes[one] for one in flashes.column_names} | {
        "flash_platform": pa.array(["G18"] * n),
        "granule_start": flashes["time"],
        "flash_id": pa.array(range(n), pa.int32()),
        "storm_id": pa.nulls(n, pa.string()),
    }
    made = make_table("storm_flashes", storms.selection, columns)
    return Result(storms.selection, {**storms.tables, "storm_flashes": made}, storms.kind)
