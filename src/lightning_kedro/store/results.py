"""Results in the database: replaced as a whole, read as a whole."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.exceptions import NoResultError
from lightning_kedro.results import KINDS, MAKERS, RESULT_TABLES, Result, find_kind
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import ResultKey, Selection
from lightning_kedro.store.database import connect, transaction
from lightning_kedro.store.fingerprints import FINGERPRINTS, record_result
from lightning_kedro.store.loaded import CoverageTable, GranuleTable, StoredTable
from lightning_kedro.store.migration import list_tables
from lightning_kedro.store.replacing import select_checked
from lightning_kedro.store.tables import (
    TableHandle,
    check_table,
    create_tables,
    read_key,
    table_columns,
)

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


OTHERS_NAMED: Final = 3
"""How many other results of a window a message names."""


class ResultTable(TableHandle):
    """A lazy handle on the table with a row for every result of a kind."""

    def read_result(self, selection: Selection) -> Result:
        """Read all tables of a result, and the granules and coverage of its window, at once.

        Raises:
            NoResultError: If there is no result of this selection.
        """
        with self.open() as connection, transaction(connection):
            kind = find_kind(self.table) or RESULT_TABLES
            result = read_result(connection, selection, kind, self.read_window)
            others = [] if result else _describe_others(connection, self.table, selection)
        if result is None:
            maker = MAKERS[find_kind(self.table) or RESULT_TABLES]
            message = (
                f"There is no result of {selection} yet: run `kedro run --pipelines {maker}` "
                f"with the same parameters first. The last report is left as it is."
            )
            if others:
                message += f" Of this window there are results of {'; '.join(others)}."
            raise NoResultError(message)
        return result

    def read_window(
        self, connection: "duckdb.DuckDBPyConnection", selection: Selection
    ) -> "dict[str, pa.Table]":
        """The granules and the coverage of a result's window."""
        return read_window(connection, selection)

    def find_result(
        self, selection: Selection, columns: Mapping[str, Sequence[str]] | None = None
    ) -> Result | None:
        """Read the tables of a result if there is one, without granules and coverage.

        Args:
            selection: What it is of.
            columns: The columns that are wanted of some tables; of others all are read.

        Returns:
            None also if the database has no such table yet.
        """
        with (
            connect(self.path, read_only=True, timeout=self.lock_timeout) as connection,
            transaction(connection),
        ):
            if not check_table(connection, self.table):
                return None
            kind = find_kind(self.table) or RESULT_TABLES
            return _read_kind(connection, selection, kind, columns or {})

    def find_row(self, selection: Selection) -> dict[str, Any] | None:
        """Read the row of a result; None if there is none, or no such table yet."""
        with connect(self.path, read_only=True, timeout=self.lock_timeout) as connection:
            if not check_table(connection, self.table):
                return None
            rows = read_key(connection, self.table, selection).to_pylist()
        return rows[0] if rows else None

    def read_identity(self, selection: Selection) -> str | None:
        """What names the result that is stored now of a selection; None if there is none."""
        row = self.read(selection)
        kind = find_kind(self.table) or RESULT_TABLES
        return Result(selection, {self.table: row}, kind).identity if row.num_rows else None


def _describe_others(
    connection: "duckdb.DuckDBPyConnection", table: str, selection: Selection
) -> list[str]:
    """What else of a selection's window there are results of, in the words of their keys."""
    if not table_columns(connection, table):
        return []
    rows = connection.execute(
        f"SELECT DISTINCT region, min_quality, label FROM main.{table} "  # noqa: S608
        "WHERE platform = ? AND window_start = ? AND window_end = ? ORDER BY ALL",
        [*selection.key[:3]],
    ).fetchall()
    named = [
        f"region {region}, min_quality {quality}, label {label}" for region, quality, label in rows
    ]
    return [*named[:OTHERS_NAMED], "others"] if len(named) > OTHERS_NAMED else named


def read_result(
    connection: "duckdb.DuckDBPyConnection",
    selection: Selection,
    kind: tuple[str, ...] = RESULT_TABLES,
    read_about: Callable[..., Mapping[str, "pa.Table"]] | None = None,
) -> Result | None:
    """Read a result of a kind; None if there is none. Call it inside a transaction.

    Args:
        connection: The open database.
        selection: What it is of.
        kind: Its tables.
        read_about: Reads the granules and the coverage of its window; of the same database if None.
    """
    result = _read_kind(connection, selection, kind, {})
    if result is None:
        return None
    about = (read_about or read_window)(connection, selection)
    return Result(selection, {**result.tables, **about}, kind)


def read_window(
    connection: "duckdb.DuckDBPyConnection", selection: Selection
) -> "dict[str, pa.Table]":
    """The granules and the coverage of a selection's window."""
    handles = (GranuleTable, CoverageTable)
    return {handle.name: _read_window(connection, handle, selection) for handle in handles}


def _read_kind(
    connection: "duckdb.DuckDBPyConnection",
    selection: Selection,
    kind: tuple[str, ...],
    columns: Mapping[str, Sequence[str]],
) -> Result | None:
    """Read the tables of a result alone, of some of them only some columns; None if none is."""
    row = read_key(connection, kind[-1], selection)
    if row.num_rows == 0:
        return None
    tables = {
        table: row
        if table == kind[-1]
        else _read_rows(connection, table, selection, columns.get(table))
        for table in kind
    }
    return Result(selection, tables, kind)


def replace_result(
    connection: "duckdb.DuckDBPyConnection", result: Result, *, simulated: bool
) -> None:
    """Put a result in the place of the former one of the same key, all tables at once."""
    condition = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
    with transaction(connection):
        create_tables(connection, result.kind)
        for table in result.kind:
            connection.execute(
                f"DELETE FROM main.{table} WHERE {condition}",  # noqa: S608
                [*result.selection.key],
            )
            connection.register("incoming", result.tables[table])
            checked = select_checked(connection, table, simulated=simulated)
            connection.execute(f"INSERT INTO main.{table} BY NAME {checked}")
            connection.unregister("incoming")
        record_result(connection, result)


def list_former(handle: TableHandle, selection: Selection) -> list[ResultKey]:
    """The results of windows that ended before a selection's, were as long, and of all else alike.

    Args:
        handle: On the table with a row for every result of a kind.
        selection: The present one.
    """
    key = selection.key
    length = key.window_end - key.window_start
    alike = ("platform", "region", "min_quality", "label")
    condition = " AND ".join(f"{name} = ?" for name in alike)
    with connect(handle.path, read_only=True, timeout=handle.lock_timeout) as connection:
        if not check_table(connection, handle.table):
            return []
        rows = connection.execute(
            f"SELECT DISTINCT {', '.join(RESULT_KEY)} FROM main.{handle.table} "  # noqa: S608
            f"WHERE {condition} AND window_end < ? AND window_end - window_start = ?",
            [
                *(getattr(key, name) for name in alike),
                key.window_end,
                length,
            ],
        ).fetchall()
    return [ResultKey(*row) for row in rows]


def drop_results(connection: "duckdb.DuckDBPyConnection", keys: Sequence[ResultKey]) -> None:
    """Remove results of clustering and storms, all tables of all of them at once."""
    condition = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
    with transaction(connection):
        present = list_tables(connection)
        ours = (*(table for kind in KINDS for table in kind), FINGERPRINTS)
        for table in (table for table in ours if table in present):
            for key in keys:
                connection.execute(
                    f"DELETE FROM main.{table} WHERE {condition}",  # noqa: S608
                    [*key],
                )


def _read_rows(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    selection: Selection,
    columns: Sequence[str] | None = None,
) -> "pa.Table":
    """A result's rows of a table; none in a database of before the table was thought of."""
    if not table_columns(connection, table):
        return _make_empty(connection, table)
    return read_key(connection, table, selection, columns)


def _read_window(
    connection: "duckdb.DuckDBPyConnection", handle: type[StoredTable], selection: Selection
) -> "pa.Table":
    """The window's rows of a table of ingestion; none if it is not there."""
    if not table_columns(connection, handle.name):
        return _make_empty(connection, handle.name)
    return handle.read_from(connection, selection)


def _make_empty(connection: "duckdb.DuckDBPyConnection", table: str) -> "pa.Table":
    """A table of the registry without rows."""
    columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in TABLES[table].types.items())
    return connection.sql(f"SELECT {columns}, false AS simulated LIMIT 0").to_arrow_table()
