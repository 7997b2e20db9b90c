from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset, WindowTable
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.schemas import COLUMNS, TABLES
from lightning_kedro.selection import Selection

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
    return DuckDBTableDataset(path=path, table="silhouette_scores", replace_by=KEY, **options)  # type: ignore[arg-type]


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
    assert isinstance(handle, WindowTable)
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
    other.save(scores([1.0]).rename(columns={"silhouette_coefficient": "inertia"}))
    assert other.exists()
    assert not table.exists()
    with pytest.raises(TableError, match="has no table silhouette_scores yet: run the pipeline"):
        table.read_window(Selection((Segment("G18", START, END),)))


def test_failed_save_changes_nothing(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1, 0.2]))
    with pytest.raises(Exception, match="colour"):
        table.save(scores([0.3]).assign(colour="red"))
    loaded = table.load()
    assert isinstance(loaded, pd.DataFrame)
    assert loaded["silhouette_coefficient"].to_list() == [0.1, 0.2]


def test_unknown_table_is_refused() -> None:
    with pytest.raises(TableError, match="Table strikes is not in the registry; it has granules"):
        DuckDBTableDataset(path="x.duckdb", table="strikes", replace_by=[])


def test_preview_shows_the_first_rows_as_json_can(tmp_path: Path) -> None:
    table = dataset(tmp_path)
    table.save(scores([0.1, float("nan"), 0.3]))
    shown = table.preview(nrows=2)
    assert shown["columns"][:2] == ["platform", "window_start"]
    assert shown["data"][0][:4] == ["G18", "2023-01-26 15:00:00", "2023-01-26 16:00:00", 2]
    assert shown["data"][1][4] is None


def test_registry_knows_every_column_of_every_table() -> None:
    for table in TABLES.values():
        assert set(table.columns) <= set(COLUMNS)
        assert set(table.key) <= set(table.columns)
    used = {name for table in TABLES.values() for name in table.columns}
    assert used == set(COLUMNS), "the registry has columns that no table has"
