"""Databases of earlier versions: made like today's on first use, without losing a row.

Version 0.1 kept a result by platform and window alone. Its rows are given the rest of the key by
what they hold: where the clustered flashes are the very flashes of the window, the region and the
quality were ``all``; elsewhere they were chosen by a region or a quality that nobody wrote down,
and ``unknown`` is what the key says.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final, TypeAlias

from lightning_kedro.columns import COLUMNS, SIMULATED, Column
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import DEFAULT_LABEL, EVERYWHERE

if TYPE_CHECKING:
    import duckdb

UNKNOWN: Final = "unknown"

TableColumns: TypeAlias = dict[str, dict[str, str]]
"""The type of each column of each table."""

_ADDED_TO_KEYS: Final = {"region", "min_quality", "label"}
"""What the keys of version 0.1 lack."""

_FLASHES_OF_WINDOW: Final = """
    SELECT platform, granule_start, flash_id FROM main.flashes
    WHERE time >= $start AND time < $end AND list_contains(string_split($platform, '+'), platform)
"""

_CLUSTERED: Final = """
    SELECT flash_platform, granule_start, flash_id FROM main.clustered_flashes
    WHERE platform = $platform AND window_start = $start AND window_end = $end
"""

_DIFFERENCES: Final = (
    f"SELECT (SELECT count(*) FROM ({_FLASHES_OF_WINDOW} EXCEPT {_CLUSTERED})) "  # noqa: S608
    f"+ (SELECT count(*) FROM ({_CLUSTERED} EXCEPT {_FLASHES_OF_WINDOW}))"
)


def is_older(present: TableColumns) -> bool:
    """Whether a database has tables that lack a column of today's registry."""
    return bool(_find_lacking(present))


def migrate(connection: "duckdb.DuckDBPyConnection") -> TableColumns:
    """Give tables of an earlier version the columns and the key that they have today.

    Call it inside a transaction: then it is done in full or not at all.

    Returns:
        The tables as they are then.
    """
    present = describe_tables(connection)
    lacking = _find_lacking(present)
    for table, columns in lacking.items():
        for name, column in columns.items():
            connection.execute(f"ALTER TABLE main.{table} ADD COLUMN {name} {column.type}")
            meaning = column.meaning.replace("'", "''")
            connection.execute(f"COMMENT ON COLUMN main.{table}.{name} IS '{meaning}'")
    older = [table for table, columns in lacking.items() if "label" in columns]
    for key in _list_windows(connection, older):
        chosen = EVERYWHERE if _is_whole(connection, key) else UNKNOWN
        for table in older:
            connection.execute(
                f"UPDATE main.{table} SET region = ?, min_quality = ?, label = ? "  # noqa: S608
                f"WHERE platform = ? AND window_start = ? AND window_end = ? AND label IS NULL",
                [chosen, chosen, DEFAULT_LABEL, *key],
            )
    return describe_tables(connection) if lacking else present


def describe_tables(connection: "duckdb.DuckDBPyConnection") -> TableColumns:
    """The type of each column, in order, of each table that is there; views are none.

    Only the project's own schema counts, ``main`` of the open file. One look at all tables takes
    DuckDB as long as a look at one.
    """
    present: TableColumns = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND database_name = current_database() AND NOT internal "
        "AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
        "AND database_name = current_database()) ORDER BY table_name, column_index"
    ).fetchall():
        present.setdefault(table, {})[column] = kind
    return present


def find_columns(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, str]:
    """The type of each column of a table, or view, in the schema ``main`` of the open file.

    Of a file that is only read DuckDB is asked for this one alone: to list all columns, it looks at
    those of its own views too, which takes twenty times as long.

    Returns:
        The columns in order; none if there is no such table.
    """
    found = _ask_for(connection, table) if _is_read_only(connection) else None
    if found is not None:
        return found
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? "
        "AND schema_name = 'main' AND database_name = current_database() ORDER BY column_index",
        [table],
    ).fetchall()
    return dict(rows)


def _is_read_only(connection: "duckdb.DuckDBPyConnection") -> bool:
    """Whether nothing can be written to the open file, by this connection or another one."""
    query = "SELECT current_setting('access_mode')"
    return bool(connection.execute(query).fetchall() == [("read_only",)])


def _ask_for(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, str] | None:
    """The columns of a table of a file in which nothing is written; None if that is no answer.

    A cursor has a transaction of its own, which the error for a table that is not there ends.
    """
    import duckdb

    ((database,),) = connection.execute("SELECT current_database()").fetchall()
    name = f"{_quote(database)}.main.{_quote(table)}"
    with connection.cursor() as cursor:
        try:
            rows = cursor.execute("SELECT name, type FROM pragma_table_info(?)", [name]).fetchall()
        except duckdb.Error as error:
            return {} if f"Table with name {table} does not exist" in str(error) else None
    return dict(rows)


def _quote(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def list_tables(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """The tables that are there; views are none."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
        "AND database_name = current_database()"
    ).fetchall()
    return {name for (name,) in rows}


def _find_lacking(present: TableColumns) -> dict[str, dict[str, Column]]:
    """The tables that are there, with the columns that each of them lacks."""
    lacking = {}
    for table in sorted(present.keys() & TABLES.keys()):
        wanted = {name: COLUMNS[name] for name in TABLES[table].columns} | {"simulated": SIMULATED}
        missing = {name: column for name, column in wanted.items() if name not in present[table]}
        if missing and is_ours(table, present[table]):
            lacking[table] = missing
    return lacking


def is_ours(table: str, present: Collection[str]) -> bool:
    """Whether what has the name of a table is one of this project's: it has the table's first key.

    A table of a person's own must not be given columns.

    Args:
        table: A table of the registry.
        present: The columns that it has.
    """
    return {*TABLES[table].key} - _ADDED_TO_KEYS <= {*present}


def _list_windows(
    connection: "duckdb.DuckDBPyConnection", tables: list[str]
) -> list[tuple[object, ...]]:
    """The platforms and windows of which there are results."""
    if not tables:
        return []
    keys = " UNION ".join(
        f"SELECT platform, window_start, window_end FROM main.{table}"  # noqa: S608
        for table in tables
    )
    return connection.execute(keys).fetchall()


def _is_whole(connection: "duckdb.DuckDBPyConnection", key: tuple[object, ...]) -> bool:
    """Whether the clustered flashes of a window are all of its flashes, and no others."""
    if not {"flashes", "clustered_flashes"} <= list_tables(connection):
        return False
    values = dict(zip(("platform", "start", "end"), key, strict=True))
    return connection.execute(_DIFFERENCES, values).fetchall() == [(0,)]
