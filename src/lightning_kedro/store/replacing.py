"""Rows that take the place of those with their key, checked before they do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning_kedro.exceptions import TableError
from lightning_kedro.schemas import KEY_DEFAULTS, TABLES
from lightning_kedro.store.tables import create_table, quote
from lightning_kedro.store.value_kinds import cast, fits

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa


def replace_rows(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    rows: "pd.DataFrame | pa.Table",
    replace_by: Sequence[str],
    *,
    simulated: bool,
) -> None:
    """Replace the rows that have the key of any of some rows, and add the others.

    Call it inside a transaction.

    Raises:
        TableError: If the rows lack a column of the table, have one that it has not, or hold values
            that do not fit its type.
    """
    import duckdb

    create_table(connection, table)
    connection.register("incoming", rows)
    selected = select_checked(connection, table, simulated=simulated)
    keys = ", ".join(replace_by)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE checked AS {selected}")
    except (
        duckdb.ConversionException,
        duckdb.OutOfRangeException,
        duckdb.InvalidInputException,
    ) as error:
        message = f"Table {table} cannot hold a value that it was given: {error}".splitlines()[0]
        raise TableError(message) from error
    connection.execute(
        f"DELETE FROM main.{table} WHERE ({keys}) IN (SELECT ({keys}) FROM checked)"  # noqa: S608
    )
    connection.execute(f"INSERT INTO main.{table} BY NAME SELECT * FROM checked")  # noqa: S608
    connection.execute("DROP TABLE checked")
    connection.unregister("incoming")


def select_checked(connection: "duckdb.DuckDBPyConnection", table: str, *, simulated: bool) -> str:
    """SQL for the rows ``incoming`` with the columns and types of the registry.

    Raises:
        TableError: If columns are missing, unknown or of another kind.
    """
    types = TABLES[table].types
    described = connection.execute("DESCRIBE incoming").fetchall()
    found: dict[str, str] = {row[0]: row[1] for row in described}
    wrong = [
        f"{name} ({found[name]}, expected {kind})"
        for name, kind in types.items()
        if name in found and not fits(found[name], kind)
    ]
    problems = {
        "lack": [name for name in types if name not in found and name not in KEY_DEFAULTS],
        "have besides": [name for name in found if name not in types and name != "simulated"],
        "have as another type": wrong,
    }
    told = [f"{what} {', '.join(names)}" for what, names in problems.items() if names]
    if told:
        message = (
            f"Rows for table {table} {' and '.join(told)}. They need the columns "
            f"{', '.join(types)}; nothing was saved."
        )
        raise TableError(message)
    parts = [
        f"{cast(name, found[name], kind)} AS {name}"
        if name in found
        else f"{quote(KEY_DEFAULTS[name])} AS {name}"
        for name, kind in types.items()
    ]
    flag = "simulated" if "simulated" in found else str(simulated)
    return f"SELECT {', '.join(parts)}, {flag}::BOOLEAN AS simulated FROM incoming"  # noqa: S608
