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
        if not check_table(connection, table):
            message = (
                f"Database {path} has no table {table} yet: run the pipeline that makes it first, "
                f"`kedro run --pipeline ingestion` or `kedro run --pipeline clustering`."
            )
            raise TableError(message)
        yield connection


def create_table(connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Make a table of the registry, with comments, or add the columns that it lacks."""
    columns = {name: COLUMNS[name] for name in TABLES[table].columns} | {"simulated": SIMULATED}
    present = check_table(connection, table)
    if not present:
        listed = ", ".join(f"{name} {column.type}" for name, column in columns.items())
        connection.execute(f"CREATE TABLE main.{table} ({listed})")
        connection.execute(f"COMMENT ON TABLE main.{table} IS {_quote(TABLES[table].meaning)}")
    for name, column in columns.items():
        if present and name not in present:
            connection.execute(f"ALTER TABLE main.{table} ADD COLUMN {name} {column.type}")
        if name not in present:
            connection.execute(f"COMMENT ON COLUMN main.{table}.{name} IS {_quote(column.meaning)}")


def table_columns(connection: "duckdb.DuckDBPyConnection", table: str) -> list[str]:
    """The columns that a table has, in order; none if there is no such table."""
    return list(column_types(connection, table))


def column_types(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, str]:
    """The type of each column that a table has, in order; none if there is no such table.

    Only the project's own tables count, which are in the schema ``main`` of the open file: in a
    schema of their own people may call theirs as they like.
    """
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? "
        "AND schema_name = 'main' AND database_name = current_database() ORDER BY column_index",
        [table],
    ).fetchall()
    return dict(rows)


def check_table(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, str]:
    """The type of each column of a table of the registry, which must be as the registry has it.

    Columns that the registry does not know are a person's own: they may be of any type.

    Raises:
        TableError: If something else has the table's name, or a column has another type.
    """
    present = column_types(connection, table)
    if present and _is_view(connection, table):
        fault = f"has a view called {table}, which is the name of a table of this project"
        raise TableError(_advise_rename(connection, table, fault, "VIEW"))
    for name, expected in (TABLES[table].types | {"simulated": SIMULATED.type}).items():
        found = present.get(name, expected)
        if found != expected:
            fault = f"has {found} in column {name} of table {table}, instead of {expected}"
            raise TableError(_advise_rename(connection, table, fault, "TABLE"))
    return present


def _is_view(connection: "duckdb.DuckDBPyConnection", table: str) -> bool:
    """Whether what has the name of a table is a view."""
    rows = connection.execute(
        "SELECT 1 FROM duckdb_views() WHERE view_name = ? AND schema_name = 'main' "
        "AND database_name = current_database()",
        [table],
    ).fetchall()
    return bool(rows)


def _advise_rename(
    connection: "duckdb.DuckDBPyConnection", table: str, fault: str, kind: str
) -> str:
    """The message for something that has a table's name and is not that table."""
    ((path,),) = connection.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return (
        f"Database {path} {fault}. Rename it with DuckDB (ALTER {kind} {table} RENAME TO "
        f"my_{table}), then run again."
    )


def _quote(text: str) -> str:
    """An SQL literal; used for the registry's own texts, which DuckDB takes no parameter for."""
    return "'" + text.replace("'", "''") + "'"
