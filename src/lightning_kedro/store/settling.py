"""Granules that stand from now on, and the coverage of their hours: the SQL for both.

It works on the tables ``granules`` and ``coverage`` of whatever database is open: the one on disk,
or one in memory that holds a few days of a lake.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from lightning_kedro.granules.creations import Settlement

if TYPE_CHECKING:
    import duckdb

_ADD_NOTES: Final = """
    UPDATE main.granules SET reason = notes.text FROM notes
    WHERE granules.platform = notes.platform AND granules.granule_start = notes.granule_start
      AND granules.reason IS DISTINCT FROM notes.text
"""
"""Say of a granule that there is a better creation of it which cannot be read, and why."""

_RECOUNT: Final = """
    CREATE TEMP TABLE recounted AS
    SELECT platform, hour, expected FROM asked
    UNION ALL
    SELECT platform, hour, expected FROM main.coverage
    SEMI JOIN accepted ON accepted.platform = coverage.platform
        AND date_trunc('hour', accepted.granule_start) = coverage.hour
    ANTI JOIN asked ON asked.platform = coverage.platform AND asked.hour = coverage.hour
"""
"""The hours to count: those asked for, and those counted before that a late granule belongs to."""

_COUNT_COVERAGE: Final = """
    INSERT INTO main.coverage BY NAME
    SELECT recounted.platform, recounted.hour, recounted.expected, $simulated::BOOLEAN AS simulated,
           count(granule_start)::INTEGER AS found,
           count(*) FILTER (status = 'corrupt')::INTEGER AS corrupt,
           greatest(recounted.expected - count(granule_start), 0)::INTEGER AS missing
    FROM recounted LEFT JOIN (
        SELECT platform, granule_start, status FROM main.granules
        WHERE granule_start >= $first AND granule_start < $last + INTERVAL 1 HOUR
    ) AS granules
      ON granules.platform = recounted.platform
      AND date_trunc('hour', granule_start) = recounted.hour
    GROUP BY recounted.platform, recounted.hour, recounted.expected
"""


def settle_records(
    connection: "duckdb.DuckDBPyConnection",
    settlement: Settlement,
    asked: pa.Table,
    *,
    simulated: bool,
    replace_rows: Callable[[], None] = lambda: None,
) -> None:
    """Replace granules, say what is to be said of others, and count the coverage of hours.

    Call it inside a transaction, or in a database of one's own.

    Args:
        connection: An open database with the tables ``granules`` and ``coverage``.
        settlement: What becomes of granules that were looked at.
        asked: ``platform``, ``hour`` and ``expected`` of the hours to count.
        simulated: Whether the granules are simulated.
        replace_rows: Replaces the rows of the accepted granules in other tables; it finds them
            under the name ``accepted``.
    """
    for name, rows in (
        ("accepted", settlement.accepted),
        ("notes", settlement.notes),
        ("asked", asked),
    ):
        connection.register(name, rows)
    connection.execute(
        "DELETE FROM main.granules USING accepted WHERE granules.platform = accepted.platform "
        "AND granules.granule_start = accepted.granule_start"
    )
    connection.execute(
        "INSERT INTO main.granules BY NAME SELECT *, ?::BOOLEAN AS simulated FROM accepted",
        [simulated],
    )
    connection.execute(_ADD_NOTES)
    replace_rows()
    _count_coverage(connection, simulated=simulated)


def _count_coverage(connection: "duckdb.DuckDBPyConnection", *, simulated: bool) -> None:
    """Count the granules of the hours asked for, and of those that a late granule came to."""
    connection.execute(_RECOUNT)
    connection.execute(
        "DELETE FROM main.coverage "
        "WHERE (platform, hour) IN (SELECT (platform, hour) FROM recounted)"
    )
    first, last = connection.execute("SELECT min(hour), max(hour) FROM recounted").fetchall()[0]
    if first is not None:
        values = {"first": first, "last": last, "simulated": simulated}
        connection.execute(_COUNT_COVERAGE, values)
    connection.execute("DROP TABLE recounted")
