"""The project's tables among what else people keep in the same file."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from kedro.io import DatasetError
from tests.ingesting import Ingestion, assert_same_tables, make_granules, put

from lightning_kedro.columns import COLUMNS, SIMULATED
from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.exceptions import TableError
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import connect
from lightning_kedro.store.tables import create_table, open_table, table_columns

FRAME = pd.DataFrame(
    {
        "platform": ["G18"],
        "hour": [pd.Timestamp("2023-01-26 15:00")],
        "expected": [180],
        "found": [180],
        "corrupt": [0],
        "missing": [0],
    }
)

OURS_AND_TEMPORARY = (
    *TABLES,
    *("incoming", "asked", "accepted", "recounted", "chosen", "present"),
)
"""Every name that a query of the project uses without a schema."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lightning.duckdb"


def coverage_of(path: Path) -> DuckDBTableDataset:
    return DuckDBTableDataset(path=str(path), table="coverage", replace_by=["hour"])


def make(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def test_table_of_the_same_name_in_another_schema_is_not_ours(path: Path) -> None:
    make(path, "CREATE SCHEMA mine; CREATE TABLE mine.coverage AS SELECT 42 AS found")
    coverage = coverage_of(path)
    assert not coverage.exists()
    with pytest.raises(DatasetError, match="has no table coverage yet"):
        coverage.load()
    coverage.save(FRAME)
    coverage.save(FRAME)
    assert coverage.load()["found"].to_list() == [180]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("FROM mine.coverage").fetchall() == [(42,)]


def test_table_of_the_same_name_in_an_attached_database_is_not_ours(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.duckdb"
    make(other, "CREATE TABLE coverage AS SELECT 42 AS found")
    with connect(path, read_only=False) as connection:
        connection.execute(f"ATTACH '{other}' AS other")
        assert table_columns(connection, "coverage") == []
        create_table(connection, "coverage")
        assert "hour" in table_columns(connection, "coverage")


@pytest.mark.parametrize("schema", ["mine", "main"])
def test_tables_of_people_do_no_harm_and_come_to_none(tmp_path: Path, schema: str) -> None:
    """In a schema of their own they may have any name; in ours, any that is no table of ours."""
    for name, content in make_granules():
        put(tmp_path / "archive", name, content)
    alone = Ingestion(tmp_path / "alone", str(tmp_path / "archive"))
    shared = Ingestion(tmp_path / "shared", str(tmp_path / "archive"))
    shared.database.parent.mkdir(parents=True)
    names = [name for name in OURS_AND_TEMPORARY if schema == "mine" or name not in TABLES]
    make(
        shared.database,
        f"CREATE SCHEMA IF NOT EXISTS {schema};"
        + ";".join(f"CREATE TABLE {schema}.{name} AS SELECT 42 AS mine" for name in names),
    )
    for ingestion in (alone, shared):
        ingestion.run()
        ingestion.run(satellite="G17")
    assert_same_tables(alone, shared)
    for name in names:
        assert shared.query(f"FROM {schema}.{name}") == [(42,)]


def test_view_of_a_tables_name_is_refused_with_what_to_do(path: Path) -> None:
    make(path, "CREATE VIEW coverage AS SELECT 42 AS found")
    with pytest.raises(DatasetError, match=r"a view called coverage.*ALTER VIEW coverage RENAM"):
        coverage_of(path).save(FRAME)
    with (
        pytest.raises(TableError, match=r"lightning\.duckdb has a view called coverage, which"),
        open_table(path, "coverage"),
    ):
        pass
    make(path, "ALTER VIEW coverage RENAME TO my_coverage")
    coverage_of(path).save(FRAME)
    assert coverage_of(path).load()["found"].to_list() == [180]


def test_column_of_another_type_is_refused_with_what_to_do(path: Path) -> None:
    coverage_of(path).save(FRAME)
    make(path, "ALTER TABLE coverage ALTER found TYPE VARCHAR")
    message = (
        r"lightning\.duckdb has VARCHAR in column found of table coverage, instead of INTEGER\. "
        r"Rename it with DuckDB \(ALTER TABLE coverage RENAME TO my_coverage\), then run again\."
    )
    with pytest.raises(DatasetError, match=message):
        coverage_of(path).save(FRAME)
    with pytest.raises(DatasetError, match=message):
        coverage_of(path).load()
    make(path, "ALTER TABLE coverage RENAME TO my_coverage")
    coverage_of(path).save(FRAME)
    assert coverage_of(path).load()["found"].to_list() == [180]


def test_columns_that_people_add_stay(path: Path) -> None:
    coverage_of(path).save(FRAME)
    make(path, "ALTER TABLE coverage ADD COLUMN lat VARCHAR DEFAULT 'mine'")
    coverage_of(path).save(FRAME)
    assert coverage_of(path).load()["found"].to_list() == [180]


def test_types_of_the_registry_are_called_as_duckdb_calls_them(path: Path) -> None:
    with connect(path, read_only=False) as connection:
        for column in (*COLUMNS.values(), SIMULATED):
            query = f"SELECT typeof(NULL::{column.type})"
            assert connection.execute(query).fetchall() == [(column.type,)]


@pytest.mark.parametrize("read", ["coverage", "granules"])
def test_table_of_a_person_is_never_given_columns(path: Path, read: str) -> None:
    make(path, "CREATE OR REPLACE TABLE coverage AS SELECT 'Ulm' AS town, 118.7 AS km2")
    if read == "coverage":
        words = r"has a table called coverage without the key .* RENAME TO my_coverage"
        with pytest.raises(DatasetError, match=words):
            DuckDBTableDataset(path=str(path), table=read).load()
    else:
        with pytest.raises(DatasetError, match="no table granules yet"):
            DuckDBTableDataset(path=str(path), table=read).load()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("FROM coverage").fetchall() == [("Ulm", Decimal("118.7"))]
