"""Loading hours of CSV files into ``granules``, ``flashes`` and ``coverage``, all at once.

Either every flash that the record of the granules tells of is there afterwards, or nothing has
changed: the rows are counted before they are committed.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.creations import settle
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.bounds import IS_SOUND
from lightning_kedro.store.database import transaction
from lightning_kedro.store.files import lock_folder
from lightning_kedro.store.loaded import read_stored
from lightning_kedro.store.series_files import SelectedSeries, SeriesFolder
from lightning_kedro.store.tables import create_table

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

MEMBERS: Final = ("granules", "flashes", "coverage")
"""The tables that change together, in the order in which ``load`` gives them."""

HOURS_AT_ONCE: Final = 12
"""How many hours are sorted and inserted at once: memory is bounded by them, not by the window."""

ATTEMPTS: Final = 5
"""How often hours are looked at anew because another run has written them meanwhile."""

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

_FIND_DIFFERENCES: Final = f"""
    SELECT DISTINCT accepted.platform, date_trunc('hour', granule_start)
    FROM accepted LEFT JOIN (
        SELECT platform, granule_start, count(*) AS stored, count(*) FILTER ({IS_SOUND}) AS sound
        FROM main.flashes WHERE granule_start BETWEEN $first AND $last
        GROUP BY platform, granule_start
    ) USING (platform, granule_start)
    WHERE coalesce(stored, 0) <> flash_count OR coalesce(sound, 0) <> flash_count
"""  # noqa: S608
"""The hours of granules that do not have as many rows in ``flashes`` as their record says, or have
rows with values that no flash can have."""

_COUNT_CHANGED: Final = """
    SELECT count(*) FROM accepted
    SEMI JOIN chosen ON chosen.platform = accepted.platform
        AND chosen.hour = date_trunc('hour', accepted.granule_start)
    ANTI JOIN present USING (platform, granule_start, file_name, file_bytes, flash_count)
    WHERE flash_count > 0
"""
"""How many accepted granules are not what the files of some hours hold now."""


class _ChangedHoursError(Exception):
    """Another run has written an hour since its granules were chosen."""


class _DamagedHoursError(Exception):
    """The CSV files of some hours do not hold what their record tells of."""

    def __init__(self, hours: Sequence[SeriesFolder]) -> None:
        super().__init__(f"{len(hours)} hours")
        self.hours = tuple(hours)


def load_hours(
    connection: "duckdb.DuckDBPyConnection", loaded: LoadedHours, *, simulated: bool
) -> None:
    """Replace granules and their flashes, and count the coverage of their hours, all at once.

    Args:
        connection: An open database.
        loaded: The granules, the files that hold their flashes, and the hours to count.
        simulated: Whether the granules are simulated.

    Raises:
        TableError: If CSV files are damaged or do not hold every flash; nothing has changed then,
            and the next run makes their hours again.
    """
    series, granules = loaded.series, loaded.granules
    if not isinstance(series, SelectedSeries):
        message = f"hours of CSV files are loaded, not {type(series).__name__}"
        raise TypeError(message)
    try:
        for _ in range(ATTEMPTS):
            try:
                _replace_granules(connection, granules, series, loaded.coverage, simulated)
            except _ChangedHoursError:
                granules = series.read_granules()
            else:
                return
    except _DamagedHoursError as error:
        for hour in error.hours:
            hour.discard()
        more = f" and of {len(error.hours) - 1} more hours" if len(error.hours) > 1 else ""
        message = (
            f"The CSV files in {error.hours[0].folder}{more} are damaged: they do not hold every "
            f"flash of their granules, or values that no flash can have. Nothing was loaded; run "
            f"again, which makes them again."
        )
        raise TableError(message) from error
    message = "Other runs keep writing the hours of this window: run again when they have ended."
    raise TableError(message)


def _replace_granules(
    connection: "duckdb.DuckDBPyConnection",
    granules: pa.Table,
    series: SelectedSeries,
    coverage: pa.Table,
    simulated: bool,
) -> None:
    """What ``load_hours`` does, once.

    Raises:
        _ChangedHoursError: If another run has written an hour meanwhile.
        _DamagedHoursError: If hours do not hold what their record tells of.
    """
    with transaction(connection):
        for table in MEMBERS:
            create_table(connection, table)
        settlement = settle(granules, _read_standing(connection, granules))
        for name, rows in (
            ("accepted", settlement.accepted),
            ("notes", settlement.notes),
            ("asked", coverage),
        ):
            connection.register(name, rows)
        _delete_accepted(connection)
        connection.execute(
            "INSERT INTO main.granules BY NAME SELECT *, ?::BOOLEAN AS simulated FROM accepted",
            [simulated],
        )
        connection.execute(_ADD_NOTES)
        _insert_flashes(connection, series, simulated=simulated)
        _check_flashes(connection, series)
        _count_coverage(connection, simulated=simulated)
    accepted = settlement.accepted
    logger.info("Loaded %d new granules", accepted.num_rows)


def _read_standing(connection: "duckdb.DuckDBPyConnection", granules: pa.Table) -> pa.Table:
    """What the database has for the starts of some granules, and for those between them."""
    if granules.num_rows == 0:
        return read_stored(connection, datetime.min, datetime.min)  # noqa: DTZ901
    edges = pc.min_max(granules["granule_start"]).as_py()
    return read_stored(connection, edges["min"], edges["max"] + timedelta(microseconds=1))


def _delete_accepted(connection: "duckdb.DuckDBPyConnection") -> None:
    """Remove what stood for the starts of the accepted granules."""
    for table in ("flashes", "granules"):
        connection.execute(
            f"DELETE FROM main.{table} USING accepted "  # noqa: S608
            f"WHERE {table}.platform = accepted.platform "
            f"AND {table}.granule_start = accepted.granule_start"
        )


def _count_coverage(connection: "duckdb.DuckDBPyConnection", *, simulated: bool) -> None:
    """Count the granules of the hours asked for, and of those that a late granule came to."""
    connection.execute(_RECOUNT)
    connection.execute(
        "DELETE FROM main.coverage "
        "WHERE (platform, hour) IN (SELECT (platform, hour) FROM recounted)"
    )
    first, last = connection.execute("SELECT min(hour), max(hour) FROM recounted").fetchall()[0]
    values = {"first": first, "last": last, "simulated": simulated}
    connection.execute(_COUNT_COVERAGE, values)
    connection.execute("DROP TABLE recounted")


def _insert_flashes(
    connection: "duckdb.DuckDBPyConnection", series: SelectedSeries, *, simulated: bool
) -> None:
    """Read the two CSV files of each hour, join them by key and keep the accepted granules.

    Only hours that hold an accepted granule are read; no other run changes them meanwhile.
    """
    hours = connection.execute(
        "SELECT DISTINCT platform, date_trunc('hour', granule_start) FROM accepted "
        "WHERE flash_count > 0"
    ).fetchall()
    chosen = _find_folders(series, hours)
    for first in range(0, len(chosen), HOURS_AT_ONCE):
        _insert_hours(connection, chosen[first : first + HOURS_AT_ONCE], simulated=simulated)


def _find_folders(
    series: SelectedSeries, hours: Sequence[tuple[str, datetime]]
) -> list[SeriesFolder]:
    """The folders of some hours, given by platform and start without time zone."""
    wanted = set(hours)
    return [
        hour for hour in series.hours if (hour.platform, hour.hour.replace(tzinfo=None)) in wanted
    ]


def _insert_hours(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], *, simulated: bool
) -> None:
    """Insert the flashes of a few hours in order of time."""
    import duckdb

    with ExitStack() as locks:
        for hour in hours:
            locks.enter_context(lock_folder(hour.folder, shared=True))
        _check_unchanged(connection, hours)
        try:
            connection.execute(
                f"INSERT INTO main.flashes BY NAME "  # noqa: S608
                f"SELECT {', '.join(TABLES['flashes'].columns)}, $simulated::BOOLEAN AS simulated "
                f"FROM {_scan('time_series')} JOIN {_scan('geo_series')} "
                f"USING (platform, granule_start, flash_id) "
                f"SEMI JOIN accepted USING (platform, granule_start) "
                f"ORDER BY platform, time, granule_start, flash_id",
                {
                    "simulated": simulated,
                    "time_series": [_literal(hour.time_series) for hour in hours],
                    "geo_series": [_literal(hour.geo_series) for hour in hours],
                },
            )
        except duckdb.Error as error:
            damaged = [hour for hour in hours if hour.is_damaged()]
            if not damaged and isinstance(error, duckdb.DataError):
                damaged = list(hours)
            if damaged:
                raise _DamagedHoursError(damaged) from error
            raise


def _check_unchanged(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder]
) -> None:
    """See whether hours, which are locked now, still hold the granules that were chosen.

    Raises:
        _ChangedHoursError: If they do not.
    """
    if not all(hour.is_finished for hour in hours):
        raise _ChangedHoursError
    rows = [(hour.platform, hour.hour.replace(tzinfo=None)) for hour in hours]
    platforms, starts = zip(*rows, strict=True)
    chosen = {"platform": platforms, "hour": pa.array(starts, pa.timestamp("us"))}
    connection.register("chosen", pa.table(chosen))
    connection.register("present", SelectedSeries(tuple(hours)).read_granules())
    if connection.execute(_COUNT_CHANGED).fetchall() != [(0,)]:
        raise _ChangedHoursError


def _check_flashes(connection: "duckdb.DuckDBPyConnection", series: SelectedSeries) -> None:
    """See whether each accepted granule has as many flashes as its record says.

    Raises:
        _DamagedHoursError: If one has not.
    """
    first, last = connection.execute(
        "SELECT min(granule_start), max(granule_start) FROM accepted WHERE flash_count > 0"
    ).fetchall()[0]
    if first is None:
        return
    found = connection.execute(_FIND_DIFFERENCES, {"first": first, "last": last}).fetchall()
    if found:
        raise _DamagedHoursError(_find_folders(series, found))


def _scan(table: str) -> str:
    """SQL that reads the CSV files named by the parameter of the same name.

    Nothing is guessed: looking for the dialect of each file costs more than reading it.
    """
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in TABLES[table].types.items())
    options = (
        f"header = true, auto_detect = false, hive_partitioning = false, columns = {{{columns}}}"
    )
    return f"read_csv(${table}, {options}) AS {table}"


def _literal(path: Path) -> str:
    """A path as DuckDB reads it: what would be a pattern in it stands for itself."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))
