"""Databases of earlier versions: made like today's on first use, without losing a row.

Version 0.1 kept a result by platform and window alone. Its rows are given the rest of the key by
what they hold: where the clustered flashes are the very flashes of the window, the region and the
quality were ``all``; elsewhere they were chosen by a region or a quality that nobody wrote down,
and ``unknown`` is what the key says.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from lightning_kedro.columns import COLUMNS, SIMULATED, Column
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import DEFAULT_LABEL, EVERYWHERE

if TYPE_CHECKING:
    import duckdb

UNKNOWN: Final = "unknown"

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


def is_older(connection: "duckdb.DuckDBPyConnection") -> bool:
    """Whether a database has tables that lack a column of today's registry."""
    return bool(_find_lacking(connection))


def migrate(connection: "duckdb.DuckDBPyConnection") -> None:
    """Give tables of an earlier version the columns and the key that they have today.

    Call it inside a transaction: then it is done in full or not at all.
    """
    lacking = _find_lacking(connection)
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


def _find_lacking(connection: "duckdb.DuckDBPyConnection") -> dict[str, dict[str, Column]]:
    """The tables that are there, with the columns that each of them lacks."""
    present = _find_present(connection)
    lacking = {}
    for table in sorted(present):
        wanted = {name: COLUMNS[name] for name in TABLES[table].columns} | {"simulated": SIMULATED}
        missing = {name: column for name, column in wanted.items() if name not in present[table]}
        if missing and is_ours(table, present[table]):
            lacking[table] = missing
    return lacking


def _find_present(connection: "duckdb.DuckDBPyConnection") -> dict[str, set[str]]:
    """The columns of the registry's tables that are there; views are none of ours."""
    present: dict[str, set[str]] = {}
    if _is_read_only(connection):
        rows = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
            "AND database_name = current_database()"
        ).fetchall()
        tables = {name for (name,) in rows} & TABLES.keys()
        return {name: {*find_columns(connection, name)} for name in sorted(tables)}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' "
        "AND database_name = current_database() AND NOT internal AND table_name IN "
        "(SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
        "AND database_name = current_database())"
    ).fetchall():
        present.setdefault(table, set()).add(column)
    return {name: present[name] for name in sorted(present.keys() & TABLES.keys())}


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
    present = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
            "AND database_name = current_database()"
        ).fetchall()
    }
    if not {"flashes", "clustered_flashes"} <= present:
        return False
    values = dict(zip(("platform", "start", "end"), key, strict=True))
    return connection.execute(_DIFFERENCES, values).fetchall() == [(0,)]
