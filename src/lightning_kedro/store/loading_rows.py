"""Inserting the rows of files into ``flashes``, ``groups`` and ``events``, those of some granules.

The granules are those of the table ``accepted``, with the columns of ``granules``: what is loaded
of them is what their counts are not null of.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.series import SERIES_SCHEMA
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.flash_columns import ORDER, read_columns
from lightning_kedro.store.series_files import SeriesFolder

if TYPE_CHECKING:
    import duckdb

_KEY: Final = "platform, granule_start, flash_id"
_COUNTED: Final = ("group_count", "event_count")

_COLUMNS: Final = "columns_of_hours"
"""The name under which DuckDB finds the columns of some hours."""


def _scan(table: str) -> str:
    """SQL that reads the CSV files named by the parameter of the same name.

    Nothing is guessed: looking for the dialect of each file costs more than reading it.
    """
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in TABLES[table].types.items())
    options = (
        f"header = true, auto_detect = false, hive_partitioning = false, columns = {{{columns}}}"
    )
    return f"read_csv(${table}, {options}) AS {table}"


_JOIN_FILES: Final = (
    f"SELECT {', '.join(SERIES_SCHEMA.names)} "  # noqa: S608
    f"FROM {_scan('time_series')} JOIN {_scan('geo_series')} USING ({_KEY})"
)
"""Both CSV files of some hours, joined by key."""

_COUNT_OF_FLASHES: Final = """
    SELECT platform, granule_start, parent_flash_id AS flash_id, count(*)::INTEGER AS group_count,
           sum(event_count)::INTEGER AS event_count
    FROM read_parquet($groups, hive_partitioning = false) GROUP BY ALL
"""
"""How many groups and events each flash has."""


def insert_rows(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], *, simulated: bool
) -> None:
    """Insert the flashes, groups and events of a few hours, flashes in order of time.

    Args:
        connection: An open database, inside a transaction.
        hours: The hours, which are locked.
        simulated: Whether the granules are simulated.
    """
    _insert_flashes(connection, hours, simulated=simulated)
    for table in COUNTS:
        for path in _list_files(connection, hours, table):
            _insert_level(connection, table, path, simulated=simulated)


def _insert_flashes(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], *, simulated: bool
) -> None:
    """Insert the flashes of a few hours in order of time.

    What was read of groups is counted; of a granule of which they were read, a flash without any
    has none, of others it is not known.
    """
    others = [name for name in TABLES["flashes"].columns if name not in _COUNTED]
    files = _list_files(connection, hours, "groups")
    counts, join = "NULL::INTEGER AS group_count, NULL::INTEGER AS event_count", ""
    if files:
        join = f"LEFT JOIN ({_COUNT_OF_FLASHES}) AS counted USING ({_KEY})"
        counts = ", ".join(
            f"if(accepted.{name} IS NULL, NULL, coalesce(counted.{name}, 0)) AS {name}"
            for name in _COUNTED
        )
    series, given = _choose_series(connection, hours)
    if files:
        given["groups"] = [_literal(path) for path in files]
    connection.execute(
        f"INSERT INTO main.flashes BY NAME "  # noqa: S608
        f"SELECT {', '.join(others)}, {counts}, $simulated::BOOLEAN AS simulated "
        f"FROM ({series}) AS series "
        f"JOIN (SELECT platform, granule_start, group_count, event_count FROM accepted) "
        f"AS accepted USING (platform, granule_start) {join} "
        f"ORDER BY {', '.join(ORDER)}",
        {"simulated": simulated, **given},
    )
    connection.unregister(_COLUMNS)


def _choose_series(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder]
) -> tuple[str, dict[str, list[str]]]:
    """SQL that gives the flashes of a few hours, and its parameters.

    Where an hour has columns that are those of its CSV files these are taken; of others both files
    are parsed, and joined by key.
    """
    columns = _read_columns(hours)
    parsed = [hour for hour in hours if hour not in columns]
    parts, given = [], {}
    if columns:
        connection.register(_COLUMNS, pa.concat_tables(columns.values()))
        parts.append(f"FROM {_COLUMNS}")
    if parsed:
        parts.append(_JOIN_FILES)
        for table in ("time_series", "geo_series"):
            given[table] = [_literal(getattr(hour, table)) for hour in parsed]
    return " UNION ALL ".join(parts), given


def _read_columns(hours: Sequence[SeriesFolder]) -> dict[SeriesFolder, pa.Table]:
    """The columns of those hours whose CSV files need not be parsed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = pool.map(read_columns, [hour.flash_columns for hour in hours])
        return {
            hour: columns for hour, columns in zip(hours, read, strict=True) if columns is not None
        }


def _list_files(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], table: str
) -> list[Path]:
    """The Parquet files of some hours that hold rows of accepted granules."""
    told_of = connection.execute(
        f"SELECT DISTINCT platform, date_trunc('hour', granule_start) FROM accepted "  # noqa: S608
        f"WHERE {COUNTS[table]} IS NOT NULL"
    ).fetchall()
    return [hour.level_file(table) for hour in find_folders(hours, told_of)]


def _insert_level(
    connection: "duckdb.DuckDBPyConnection", table: str, path: Path, *, simulated: bool
) -> None:
    """Insert the groups or events of an hour in the order in which they are: nearly that of time.

    An hour at a time, without sorting: memory is bounded by a row group.
    """
    connection.execute(
        f"INSERT INTO main.{table} BY NAME "  # noqa: S608
        f"SELECT {', '.join(TABLES[table].columns)}, $simulated::BOOLEAN AS simulated "
        f"FROM read_parquet($path, hive_partitioning = false) AS rows SEMI JOIN "
        f"(SELECT platform, granule_start FROM accepted WHERE {COUNTS[table]} IS NOT NULL) AS kept "
        f"USING (platform, granule_start)",
        {"simulated": simulated, "path": [_literal(path)]},
    )


def find_folders(
    folders: Sequence[SeriesFolder], hours: Sequence[tuple[str, datetime]]
) -> list[SeriesFolder]:
    """The folders of some hours, given by platform and start without time zone."""
    wanted = set(hours)
    return [hour for hour in folders if (hour.platform, hour.hour.replace(tzinfo=None)) in wanted]


def _literal(path: Path) -> str:
    """A path as DuckDB reads it: what would be a pattern in it stands for itself."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))
