from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from kedro.io import DatasetError

from lightning_kedro.columns import COLUMNS
from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.tables import TableHandle
from lightning_kedro.store.views import VIEWS

KEY = ["platform", "window_start", "window_end"]
START = datetime(2023, 1, 26, 15, tzinfo=UTC)
END = datetime(2023, 1, 26, 16, tzinfo=UTC)


def scores(values: list[float], platform: str = "G18") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "platform": platform,
            "window_start": pd.Timestamp(START).tz_localize(None),
            "window_end": pd.Timestamp(END).tz_localize(None),
            "k": range(2, 2 + len(values)),
            "silhouette_coefficient": values,
        }
    )


def dataset(folder: Path, **options: object) -> DuckDBTableDataset:
    path = str(folder / "new" / "lightning.duckdb")
    return DuckDBTableDataset(path=path, table="silhouette_scores", **options)  # type: ignore[arg-type]


def test_save_replaces_what_has_the_same_key_and_keeps_the_rest(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1, 0.2, 0.3]))
    table.save(scores([0.9], platform="G16"))
    table.save(scores([0.4, 0.5]))
    loaded = table.load()
    assert isinstance(loaded, pd.DataFrame)
    assert loaded["silhouette_coefficient"].to_list() == [0.9, 0.4, 0.5]
    assert loaded["platform"].to_list() == ["G16", "G18", "G18"]
    assert not loaded["simulated"].any()


def test_lazy_entry_reads_one_window(tmp_path: Path) -> None:
    table = dataset(tmp_path, lazy=True, simulated=True)
    table.save(scores([0.1, 0.2]))
    table.save(scores([0.9], platform="G16"))
    handle = table.load()
    assert isinstance(handle, TableHandle)
    assert len(handle) == 3
    selection = Selection((Segment("G18", START, END),))
    rows = handle.read(selection).to_pydict()
    assert rows["silhouette_coefficient"] == [0.1, 0.2]
    assert rows["simulated"] == [True, True]
    assert handle.read(selection, ["k"]).to_pydict() == {"k": [2, 3]}
    with pytest.raises(KeyError, match=r"has no columns \['colour'\]"):
        handle.read(selection, ["colour"])


def test_older_table_is_given_the_columns_it_lacks(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    (tmp_path / "new").mkdir()
    with duckdb.connect(str(tmp_path / "new" / "lightning.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE silhouette_scores (platform VARCHAR, window_start TIMESTAMP, "
            "window_end TIMESTAMP, k INTEGER)"
        )
    table.save(scores([0.5]))
    loaded = table.load()
    assert isinstance(loaded, pd.DataFrame)
    assert loaded["silhouette_coefficient"].to_list() == [0.5]


def test_columns_say_what_they_mean(tmp_path: Path) -> None:
    dataset(tmp_path).save(scores([0.5]))
    with duckdb.connect(str(tmp_path / "new" / "lightning.duckdb")) as connection:
        sql = "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal"
        comments = dict(connection.execute(sql).fetchall())
    assert comments["k"] == "number of clusters"
    assert all(comments.values())


def test_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    assert not table.exists()
    with pytest.raises(TableError, match="There is no database"):
        table.read_window(Selection((Segment("G18", START, END),)))
    path = str(tmp_path / "new" / "lightning.duckdb")
    other = DuckDBTableDataset(path=path, table="elbow_curve", replace_by=KEY)
    curve = scores([1.0]).rename(columns={"silhouette_coefficient": "inertia"})
    other.save(curve.assign(rms_distance_km=2.5))
    assert other.exists()
    assert not table.exists()
    match = r"has no table silhouette_scores yet: run .* `kedro run --pipelines clustering`\.$"
    with pytest.raises(TableError, match=match):
        table.read_window(Selection((Segment("G18", START, END),)))


def test_failed_save_changes_nothing(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1, 0.2]))
    with pytest.raises(DatasetError, match=r"have besides colour\. They need .* nothing was saved"):
        table.save(scores([0.3]).assign(colour="red"))
    loaded = table.load()
    assert isinstance(loaded, pd.DataFrame)
    assert loaded["silhouette_coefficient"].to_list() == [0.1, 0.2]


def test_save_of_what_was_loaded_changes_nothing(tmp_path: Path) -> None:
    for lazy in (False, True):
        table = dataset(tmp_path, lazy=lazy, simulated=True)
        table.save(scores([0.1, float("nan"), 0.3]))
        before = handle_of(table).df()
        table.save(table.load())
        table.save(handle_of(table).df())
        pd.testing.assert_frame_equal(handle_of(table).df(), before)
        assert before["simulated"].all(), "whether rows are simulated is kept"


def test_handle_of_another_database_is_copied(tmp_path: Path) -> None:
    here, there = dataset(tmp_path / "a", lazy=True), dataset(tmp_path / "b", lazy=True)
    here.save(scores([0.1, 0.2]))
    there.save(here.load())
    pd.testing.assert_frame_equal(handle_of(there).df(), handle_of(here).df())


def handle_of(table: DuckDBTableDataset) -> TableHandle:
    return TableHandle(table._path, table._table)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"k": None}, None),
        ({"drop": "silhouette_coefficient"}, "lack silhouette_coefficient"),
        ({"k": "two"}, r"as another type k \(VARCHAR, expected INTEGER\)"),
        ({"window_start": "yesterday"}, r"window_start \(VARCHAR, expected TIMESTAMP\)"),
        ({"silhouette_coefficient": "good"}, r"silhouette_coefficient \(VARCHAR, expected DOUBLE"),
        ({"k": 2.5}, "k 2.5 is no whole number"),
        ({"k": 2**40}, "cannot hold a value that it was given"),
        ({"k": True}, r"k \(BOOLEAN, expected INTEGER\)"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, object], match: str | None
) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1]))
    dropped = change.pop("drop", None)
    rows = scores([0.9]).assign(**change)  # type: ignore[arg-type]
    rows = rows if dropped is None else rows.drop(columns=str(dropped))
    if match is None:
        table.save(rows)
        return
    with pytest.raises(DatasetError, match=match):
        table.save(rows)
    assert handle_of(table).df()["silhouette_coefficient"].to_list() == [0.1]


def test_key_columns_that_have_a_default_may_be_left_out(tmp_path: Path) -> None:
    table = dataset(tmp_path, lazy=True)
    table.save(scores([0.1]))
    table.save(scores([0.7]).assign(label="other"))
    assert handle_of(table).df()["label"].to_list() == ["default", "other"]
    row = handle_of(table).df().iloc[0]
    assert (row["region"], row["min_quality"]) == ("all", "all")


def test_stored_column_of_another_type_is_refused(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1]))
    with duckdb.connect(str(table._path)) as connection:
        connection.execute("ALTER TABLE silhouette_scores ALTER k TYPE VARCHAR")
    match = r"has VARCHAR in column k of table silhouette_scores, instead of INTEGER. Rename it"
    with pytest.raises(DatasetError, match=match):
        table.load()
    with pytest.raises(DatasetError, match=match):
        table.save(scores([0.2]))


def test_other_schemas_are_the_users_own(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table._path.parent.mkdir()
    with duckdb.connect(str(table._path)) as connection:
        connection.execute("CREATE SCHEMA mine; CREATE TABLE mine.silhouette_scores (k VARCHAR)")
        connection.execute("CREATE TABLE mine.elbow_curve (platform INTEGER)")
        connection.execute("INSERT INTO mine.silhouette_scores VALUES ('mine')")
    assert not table.exists()
    table.save(scores([0.1]))
    assert table.exists()
    assert handle_of(table).df()["silhouette_coefficient"].to_list() == [0.1]
    with duckdb.connect(str(table._path), read_only=True) as connection:
        assert connection.sql("FROM mine.silhouette_scores").fetchall() == [("mine",)]


def test_unknown_table_is_refused() -> None:
    with pytest.raises(TableError, match="Table strikes is not in the registry; it has granules"):
        DuckDBTableDataset(path="x.duckdb", table="strikes", replace_by=[])


def test_preview_shows_the_first_rows_as_json_can(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1, float("nan"), 0.3]))
    shown = table.preview(nrows=2)
    assert shown["columns"][:2] == ["platform", "window_start"]
    assert shown["data"][0][:3] == ["G18", "2023-01-26 15:00:00", "2023-01-26 16:00:00"]
    assert shown["data"][0][6:8] == [2, 0.1]
    assert shown["data"][1][7] is None


def test_registry_knows_every_column_of_every_table() -> None:
    for table in TABLES.values():
        assert set(table.columns) <= set(COLUMNS)
        assert set(table.key) <= set(table.columns)
    used = {name for table in (*TABLES.values(), *VIEWS.values()) for name in table.columns}
    assert used == set(COLUMNS), "the registry has columns that no table or view has"
