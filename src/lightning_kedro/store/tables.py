"""Tables of the registry in a DuckDB file: made, checked, read and replaced by key.

Names of tables and columns come from the registry (``lightning_kedro.schemas``), values only ever
as data. A person may keep tables of the same names in schemas of their own: only the main schema of
the file itself is looked at.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from lightning_kedro.columns import COLUMNS, SIMULATED
from lightning_kedro.exceptions import DatabaseBusyError, TableError
from lightning_kedro.glm.levels import LEVELS
from lightning_kedro.results import MAKERS
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS, connect, transaction
from lightning_kedro.store.migration import (
    describe_tables,
    find_columns,
    is_older,
    is_ours,
    migrate,
)
from lightning_kedro.store.snapshots import find_snapshot, name_snapshot, read_time
from lightning_kedro.store.views import open_for_writing

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

logger = logging.getLogger(__name__)

PEEK_SECONDS: Final = 2.0
"""How long people wait for a run until they are shown the snapshot instead."""


class TableHandle:
    """A lazy handle on a table: nothing is read before it is asked for.

    What runs read is the database itself, for which they wait. What people ask for as frames
    (``df``, ``window``, ``len``) comes from the snapshot while a run has the database; the handle
    ``snapshot`` reads everything from there.

    Args:
        path: The DuckDB file.
        table: A table of the registry.
        lock_timeout: How long to wait for the file, in seconds.
    """

    order: str = ""
    """The columns by which rows are ordered; the table's key if empty."""

    def __init__(self, path: Path, table: str, lock_timeout: float = LOCK_TIMEOUT_SECONDS) -> None:
        """Hold on to the table."""
        self.path = path
        self.table = table
        self.lock_timeout = lock_timeout
        self.order = self.order or ", ".join(TABLES[table].key)

    def __len__(self) -> int:
        """The number of rows."""
        with self.peek() as connection:
            query = f"SELECT count(*) FROM main.{self.table}"  # noqa: S608
            return int(connection.execute(query).fetchall()[0][0])

    def __repr__(self) -> str:
        """Say which table of which file."""
        return f"{type(self).__name__}({self.table} of {self.path})"

    @contextmanager
    def open(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the file to read the table."""
        with open_table(self.path, self.table, timeout=self.lock_timeout) as connection:
            yield connection

    @contextmanager
    def peek(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the file to read the table, or its snapshot while a run has the file."""
        with peek_table(self.path, self.table, timeout=self.lock_timeout) as connection:
            yield connection

    @property
    def snapshot(self) -> Self:
        """The same handle on the snapshot: it never waits for a run, and is a little older.

        Example:
            ``catalog.load("k_selection").snapshot.read_result(selection)``
        """
        other = copy(self)
        other.path = name_snapshot(self.path)
        return other

    def df(self) -> "pd.DataFrame":
        """The whole table, in the order of its key."""
        with self.peek() as connection:
            query = f"SELECT * FROM main.{self.table} ORDER BY {self.order}"  # noqa: S608
            frame: pd.DataFrame = connection.sql(query).df()
            return frame

    def read(self, selection: Selection, columns: Sequence[str] | None = None) -> "pa.Table":
        """The rows of one result, in the order of the table's key.

        Raises:
            TableError: If there is no such table yet.
            KeyError: If the table has no such column.
        """
        with self.open() as connection:
            return read_key(connection, self.table, selection, columns)


@contextmanager
def open_table(
    path: Path, table: str, *, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a DuckDB file to read one of its tables; one of an earlier version is migrated first.

    Raises:
        TableError: As ``connect`` does, or if the table is not there yet.
    """
    with connect(path, read_only=True, timeout=timeout) as connection:
        present = describe_tables(connection)
        if not is_older(present):
            if table in present:
                _check_columns(connection, table, present[table])
            else:
                _check_table(connection, path, table)
            yield connection
            return
    with open_for_writing(path, timeout=timeout) as writing, transaction(writing):
        migrate(writing)
    with connect(path, read_only=True, timeout=timeout) as connection:
        _check_table(connection, path, table)
        yield connection


@contextmanager
def peek_table(
    path: Path, table: str, *, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a DuckDB file for a person to read a table; its snapshot, while a run has the file.

    Raises:
        TableError: As ``open_table`` does.
    """
    patience = min(timeout, PEEK_SECONDS)
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(open_table(path, table, timeout=patience))
        except DatabaseBusyError as error:
            snapshot = find_snapshot(path)
            if snapshot is not None:
                logger.warning(
                    "Database %s is kept by %s: this is its snapshot of %s UTC",
                    path,
                    error.holder,
                    f"{read_time(snapshot):%Y-%m-%d %H:%M:%S}",
                )
            rest = timeout - patience
            connection = stack.enter_context(open_table(snapshot or path, table, timeout=rest))
        yield connection


def _check_table(connection: "duckdb.DuckDBPyConnection", path: Path, table: str) -> None:
    """Make sure that a table is there and stored as the registry says."""
    if not check_table(connection, table):
        message = (
            f"Database {path} has no table {table} yet: run the pipeline that makes it first, "
            f"`kedro run --pipelines {_find_maker(table)}`."
        )
        raise TableError(message)


def _find_maker(table: str) -> str:
    """The pipeline that makes a table, with the parameter that asks for it if there is one."""
    asked = {
        level.table: f"ingestion --params ingestion.levels={level.name}"
        for level in LEVELS.values()
        if level.parent is not None
    }
    makers = {
        **{name: maker for kind, maker in MAKERS.items() for name in kind},
        **asked,
    }
    return makers.get(table, "ingestion")


def read_key(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    selection: Selection,
    columns: Sequence[str] | None = None,
) -> "pa.Table":
    """The rows of one result in one of its tables, in the order of the table's key."""
    condition = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
    return read_where(connection, table, condition, [*selection.key], columns)


def read_where(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    condition: str,
    values: Sequence[object],
    columns: Sequence[str] | None = None,
    *,
    order: str = "",
) -> "pa.Table":
    """Some rows and columns of a table, in the order of its key unless another is given.

    Raises:
        KeyError: If the table has no such column.
    """
    allowed = (*TABLES[table].columns, "simulated")
    wanted = tuple(columns or allowed)
    if unknown := set(wanted) - set(allowed):
        message = f"table {table} has no columns {sorted(unknown)}"
        raise KeyError(message)
    return connection.sql(
        f"SELECT {', '.join(wanted)} FROM main.{table} WHERE {condition} "  # noqa: S608
        f"ORDER BY {order or ', '.join(TABLES[table].key)}",
        params=[*values],
    ).to_arrow_table()


def create_table(connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Make a table of the registry, with comments, or add the columns that one lacks.

    Raises:
        TableError: If a column is there already with another type.
    """
    create_tables(connection, (table,))


def create_tables(connection: "duckdb.DuckDBPyConnection", tables: Iterable[str]) -> None:
    """Make tables of the registry, with comments, or add the columns that one lacks.

    Raises:
        TableError: If a column is there already with another type.
    """
    present = migrate(connection)
    for table in tables:
        if table in present:
            _check_columns(connection, table, present[table])
        elif not check_table(connection, table):  # a view may have the name
            _make_table(connection, table)


def _make_table(connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Make a table of the registry, with comments."""
    columns = {name: COLUMNS[name] for name in TABLES[table].columns} | {"simulated": SIMULATED}
    listed = ", ".join(f"{name} {column.type}" for name, column in columns.items())
    connection.execute(f"CREATE TABLE main.{table} ({listed})")
    connection.execute(f"COMMENT ON TABLE main.{table} IS {quote(TABLES[table].meaning)}")
    for name, column in columns.items():
        meaning = quote(column.meaning)
        connection.execute(f"COMMENT ON COLUMN main.{table}.{name} IS {meaning}")


def table_columns(connection: "duckdb.DuckDBPyConnection", table: str) -> list[str]:
    """The columns that a table has, in order; none if there is no such table."""
    return list(column_types(connection, table))


def column_types(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, str]:
    """The type of each column that a table has, in order; none if there is no such table.

    Only the project's own tables count, which are in the schema ``main`` of the open file: in a
    schema of their own people may call theirs as they like.
    """
    return find_columns(connection, table)


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
    if present:
        _check_columns(connection, table, present)
    return present


def _check_columns(
    connection: "duckdb.DuckDBPyConnection", table: str, present: Mapping[str, str]
) -> None:
    """Make sure that a table that is there is as the registry has it.

    Raises:
        TableError: If it has not its key, or a column has another type.
    """
    if not is_ours(table, present):
        fault = f"has a table called {table} without the key of this project's table of that name"
        raise TableError(_advise_rename(connection, table, fault, "TABLE"))
    for name, expected in (TABLES[table].types | {"simulated": SIMULATED.type}).items():
        found = present.get(name, expected)
        if found != expected:
            fault = f"has {found} in column {name} of table {table}, instead of {expected}"
            raise TableError(_advise_rename(connection, table, fault, "TABLE"))


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


def quote(text: str) -> str:
    """An SQL literal; used for the registry's own texts, which DuckDB takes no parameter for."""
    return "'" + text.replace("'", "''") + "'"
