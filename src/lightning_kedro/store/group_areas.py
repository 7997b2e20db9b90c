"""The largest group of each flash: no flash is smaller than a part of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.glm.granule import MAX_LENGTH
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import connect
from lightning_kedro.store.migration import is_ours
from lightning_kedro.store.tables import table_columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_LARGEST_AREAS: Final = """
    SELECT platform, granule_start, parent_flash_id AS flash_id, max(area_km2) AS area_km2
    FROM {source} WHERE granule_start >= $first AND granule_start < $last
        AND platform IN (SELECT unnest($platforms::VARCHAR[])) AND parent_flash_id IS NOT NULL
    GROUP BY ALL
"""

_NO_GROUPS: Final = """(
    SELECT '' AS platform, NULL::TIMESTAMP AS granule_start, NULL::INTEGER AS parent_flash_id,
           NULL::DOUBLE AS area_km2 LIMIT 0
)"""
"""Where the table has not been asked for."""


def read_largest_areas(path: Path, selection: Selection, lock_timeout: float) -> "pa.Table":
    """Read the area of the largest group of each flash of a window, as far as groups were read.

    Args:
        path: The DuckDB file.
        selection: Which satellites and when.
        lock_timeout: How long to wait for the file, in seconds.

    Returns:
        ``platform``, ``granule_start``, ``flash_id`` and ``area_km2``; no rows if the database has
        no table ``groups``.
    """
    with connect(path, read_only=True, timeout=lock_timeout) as connection:
        is_there = is_ours("groups", table_columns(connection, "groups"))
        return select_largest_areas(connection, selection, is_there=is_there)


def select_largest_areas(
    connection: "duckdb.DuckDBPyConnection", selection: Selection, *, is_there: bool
) -> "pa.Table":
    """The same of a database that is open, and has the table ``groups`` or not."""
    query, values = query_largest_areas(selection, is_there=is_there)
    return connection.sql(query, params=values).to_arrow_table()


def query_largest_areas(selection: Selection, *, is_there: bool) -> tuple[str, dict[str, Any]]:
    """The query for the same, with its values."""
    first, last = selection.start - MAX_LENGTH, selection.end + MAX_LENGTH
    values = {
        "first": first.replace(tzinfo=None),
        "last": last.replace(tzinfo=None),
        "platforms": sorted({part.platform for part in selection.segments}),
    }
    return _LARGEST_AREAS.format(source="main.groups" if is_there else _NO_GROUPS), values
