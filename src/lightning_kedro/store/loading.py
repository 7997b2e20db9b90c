"""Loading hours of files into the tables that ingestion fills, all at once.

Either every flash, group and event that the record of the granules tells of is there afterwards, or
nothing has changed: the rows are counted before they are committed.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.creations import settle
from lightning_kedro.granules.level_rows import COUNTS, TABLE_OF, forget_levels
from lightning_kedro.store.bounds import SOUND_ROWS
from lightning_kedro.store.database import transaction
from lightning_kedro.store.files import lock_folder
from lightning_kedro.store.loaded import read_stored
from lightning_kedro.store.loading_rows import find_folders, insert_rows
from lightning_kedro.store.migration import describe_tables, is_ours
from lightning_kedro.store.series_files import SelectedSeries, SeriesFolder, list_tables
from lightning_kedro.store.settling import settle_records
from lightning_kedro.store.tables import create_tables

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

MEMBERS: Final = ("granules", "flashes", "groups", "events", "coverage")
"""The tables that change together, in the order in which ``load`` gives them."""

ROWS: Final = {"flashes": "flash_count", **COUNTS}
"""The tables of rows of granules, each with the column of ``granules`` that counts them."""

HOURS_AT_ONCE: Final = 12
"""How many hours are sorted and inserted at once: memory is bounded by them, not by the window."""

ATTEMPTS: Final = 5
"""How often hours are looked at anew because another run has written them meanwhile."""

_FIND_DIFFERENCES: Final = """
    SELECT DISTINCT accepted.platform, date_trunc('hour', granule_start)
    FROM accepted LEFT JOIN (
        SELECT platform, granule_start, count(*) AS stored, count(*) FILTER ({sound}) AS sound
        FROM main.{table} WHERE granule_start BETWEEN $first AND $last
        GROUP BY platform, granule_start
    ) USING (platform, granule_start)
    WHERE coalesce(stored, 0) <> {count} OR coalesce(sound, 0) <> {count}
"""
"""The hours of granules that do not have as many rows in a table as their record says, or have rows
with values that none can have."""

_COUNT_CHANGED: Final = """
    SELECT count(*) FROM accepted
    SEMI JOIN chosen ON chosen.platform = accepted.platform
        AND chosen.hour = date_trunc('hour', accepted.granule_start)
    ANTI JOIN present ON present.platform = accepted.platform
        AND present.granule_start = accepted.granule_start
        AND present.file_name = accepted.file_name
        AND present.file_bytes = accepted.file_bytes
        AND present.flash_count = accepted.flash_count
        AND (accepted.group_count IS NULL OR present.group_count = accepted.group_count)
        AND (accepted.event_count IS NULL OR present.event_count = accepted.event_count)
    WHERE greatest(flash_count, group_count, event_count) > 0
"""
"""How many accepted granules are not what the files of some hours hold now."""


class _ChangedHoursError(Exception):
    """Another run has written an hour since its granules were chosen."""


class _DamagedHoursError(Exception):
    """The files of some hours do not hold what their record tells of."""

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
        TableError: If files are damaged or do not hold every flash; nothing has changed then,
            and the next run makes their hours again.
    """
    series = loaded.series
    if not isinstance(series, SelectedSeries):
        message = f"hours of files are loaded, not {type(series).__name__}"
        raise TypeError(message)
    granules = series.read_granules()
    try:
        for _ in range(ATTEMPTS):
            try:
                kept = forget_levels(granules, loaded.levels)
                _replace_granules(connection, kept, loaded, series, simulated=simulated)
            except _ChangedHoursError:
                granules = series.read_granules()
            else:
                return
    except _DamagedHoursError as error:
        for hour in error.hours:
            hour.discard()
        more = f" and of {len(error.hours) - 1} more hours" if len(error.hours) > 1 else ""
        kind = "files" if {*loaded.levels} & {*TABLE_OF} else "CSV files"
        message = (
            f"The {kind} in {error.hours[0].folder}{more} are damaged: they do not hold every "
            f"flash of their granules, or values that no flash can have. Nothing was loaded; run "
            f"again, which makes them again."
        )
        raise TableError(message) from error
    message = "Other runs keep writing the hours of this window: run again when they have ended."
    raise TableError(message)


def _replace_granules(
    connection: "duckdb.DuckDBPyConnection",
    granules: pa.Table,
    loaded: LoadedHours,
    series: SelectedSeries,
    *,
    simulated: bool,
) -> None:
    """What ``load_hours`` does, once.

    Raises:
        _ChangedHoursError: If another run has written an hour meanwhile.
        _DamagedHoursError: If hours do not hold what their record tells of.
    """
    with transaction(connection):
        create_tables(connection, [table for table in MEMBERS if table not in COUNTS])
        settlement = settle(granules, _read_standing(connection, granules, loaded.levels))
        levels = list_tables(settlement.accepted)
        if levels:  # nobody who does not ask for them needs to have tables of these names
            create_tables(connection, levels)
        settle_records(
            connection,
            settlement,
            loaded.coverage,
            simulated=simulated,
            replace_rows=partial(
                _replace_rows, connection, series, ("flashes", *levels), simulated=simulated
            ),
        )
    accepted = settlement.accepted
    logger.info("Loaded %d new granules", accepted.num_rows)


def _read_standing(
    connection: "duckdb.DuckDBPyConnection", granules: pa.Table, levels: Sequence[str]
) -> pa.Table:
    """What the database has for the starts of some granules, and for those between them."""
    if granules.num_rows == 0:
        return read_stored(connection, datetime.min, datetime.min)  # noqa: DTZ901
    edges = pc.min_max(granules["granule_start"]).as_py()
    return read_stored(connection, edges["min"], edges["max"] + timedelta(microseconds=1), levels)


def _replace_rows(
    connection: "duckdb.DuckDBPyConnection",
    series: SelectedSeries,
    tables: Sequence[str],
    *,
    simulated: bool,
) -> None:
    """Put the rows of the accepted granules in the place of what stood for their starts.

    Raises:
        _ChangedHoursError: If another run has written an hour meanwhile.
        _DamagedHoursError: If hours do not hold what their record tells of.
    """
    present = describe_tables(connection)
    for table in ROWS:
        if is_ours(table, present.get(table, ())):
            connection.execute(
                f"DELETE FROM main.{table} USING accepted "  # noqa: S608
                f"WHERE {table}.platform = accepted.platform "
                f"AND {table}.granule_start = accepted.granule_start"
            )
    _insert_rows(connection, series, simulated=simulated)
    for table in tables:
        _check_rows(connection, series, table)


def _insert_rows(
    connection: "duckdb.DuckDBPyConnection", series: SelectedSeries, *, simulated: bool
) -> None:
    """Read the files of each hour and keep the flashes, groups and events of accepted granules.

    Only hours that hold an accepted granule are read; no other run changes them meanwhile.
    """
    hours = connection.execute(
        "SELECT DISTINCT platform, date_trunc('hour', granule_start) FROM accepted "
        "WHERE greatest(flash_count, group_count, event_count) > 0"
    ).fetchall()
    chosen = find_folders(series.hours, hours)
    for first in range(0, len(chosen), HOURS_AT_ONCE):
        _insert_hours(connection, chosen[first : first + HOURS_AT_ONCE], simulated=simulated)


def _insert_hours(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], *, simulated: bool
) -> None:
    """Insert the flashes, groups and events of a few hours, flashes in order of time."""
    import duckdb

    with ExitStack() as locks:
        for hour in hours:
            locks.enter_context(lock_folder(hour.folder, shared=True))
        _check_unchanged(connection, hours)
        try:
            insert_rows(connection, hours, simulated=simulated)
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


def _check_rows(
    connection: "duckdb.DuckDBPyConnection", series: SelectedSeries, table: str
) -> None:
    """See whether each accepted granule has as many rows in a table as its record says.

    Raises:
        _DamagedHoursError: If one has not.
    """
    count = ROWS[table]
    first, last = connection.execute(
        f"SELECT min(granule_start), max(granule_start) FROM accepted WHERE {count} > 0"  # noqa: S608
    ).fetchall()[0]
    if first is None:
        return
    query = _FIND_DIFFERENCES.format(table=table, count=count, sound=SOUND_ROWS[table])
    found = connection.execute(query, {"first": first, "last": last}).fetchall()
    if found:
        raise _DamagedHoursError(find_folders(series.hours, found))
