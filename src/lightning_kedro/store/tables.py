"""Tables of the registry in a DuckDB file.

Names of tables and columns come from the registry (``lightning_kedro.schemas``), values only ever
as data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_kedro.exceptions import TableError
from lightning_kedro.schemas import COLUMNS, SIMULATED, TABLES
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS, connect

if TYPE_CHECKING:
    import duckdb


@contextmanager
def open_table(
    path: Path, table: str, *, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a DuckDB file to read one of its tables.

    Raises:
        TableError: As ``connect`` does, or if the table is not there yet.
    """
    with connect(path, read_only=True, timeout=timeout) as connection:
        if not table_columns(connection, table):
            message = (
                f"Database {path} has no table {table} yet: run the pipeline that makes it first, "
                f"`kedro run --pipeline ingestion` or `kedro run --pipeline clustering`."
            )
            raise TableError(message)
        yield connection


def create_table(connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Make a table of the registry, with comments, or add the columns that it lacks."""
    columns = {name: COLUMNS[name] for name in TABLES[table].columns} | {"simulated": SIMULATED}
    present = table_columns(connection, table)
    if not present:
        listed = ", ".join(f"{name} {column.type}" for name, column in columns.items())
        connection.execute(f"CREATE TABLE {table} ({listed})")
        connection.execute(f"COMMENT ON TABLE {table} IS {_quote(TABLES[table].meaning)}")
    for name, column in columns.items():
        if present and name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {column.type}")
        if name not in present:
            connection.execute(f"COMMENT ON COLUMN {table}.{name} IS {_quote(column.meaning)}")


def table_columns(connection: "duckdb.DuckDBPyConnection", table: str) -> list[str]:
    """The columns that a table has, in order; none if there is no such table."""
    rows = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
        [table],
    ).fetchall()
    return [name for (name,) in rows]


def _quote(text: str) -> str:
    """An SQL literal; used for the registry's own texts, which DuckDB takes no parameter for."""
    return "'" + text.replace("'", "''") + "'"
