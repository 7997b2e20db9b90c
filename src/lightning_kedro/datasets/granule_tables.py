"""The three tables that ingestion fills, replaced granule by granule in one transaction.

``granules``, ``flashes`` and ``coverage`` are three catalog entries and three outputs of ``load``,
which Kedro saves one after the other. Were each a transaction of its own, a crash between them
would leave flashes without their granules. So the entries of one database collect what they are
given, and the last of the three commits them all.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lightning_kedro.datasets.duckdb_table import (
    LOCK_TIMEOUT_SECONDS,
    DuckDBTableDataset,
    connect,
    create_table,
    transaction,
)
from lightning_kedro.datasets.flash_series import SelectedSeries, SeriesFolder
from lightning_kedro.datasets.loaded_flashes import FlashTable
from lightning_kedro.datasets.whole_files import lock_folder
from lightning_kedro.schemas import TABLES

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

logger = logging.getLogger(__name__)

MEMBERS: Final = ("granules", "flashes", "coverage")

HOURS_AT_ONCE: Final = 6
"""How many hours are sorted and inserted at once: memory is bounded by them, not by the window."""

_ACCEPT: Final = """
    CREATE TEMP TABLE accepted AS
    SELECT incoming.* FROM incoming LEFT JOIN granules AS stored USING (platform, granule_start)
    WHERE stored.created IS NULL
       OR incoming.created > stored.created
       OR (incoming.created = stored.created AND incoming.status <> 'corrupt' AND (
               stored.status = 'corrupt'
            OR stored.file_bytes <> incoming.file_bytes
            OR stored.flash_count <> incoming.flash_count))
"""
"""Which granules change anything: new ones, newer creations, whole files where a corrupt one was.

What is stored already stays as it is; an older creation, or a damaged copy of the same one, never
displaces it.
"""

_COUNT_COVERAGE: Final = """
    INSERT INTO coverage BY NAME
    SELECT asked.platform, asked.hour, asked.expected, ?::BOOLEAN AS simulated,
           count(granule_start)::INTEGER AS found,
           count(*) FILTER (status = 'corrupt')::INTEGER AS corrupt,
           greatest(asked.expected - count(granule_start), 0)::INTEGER AS missing
    FROM asked LEFT JOIN granules
      ON granules.platform = asked.platform AND date_trunc('hour', granule_start) = asked.hour
    GROUP BY asked.platform, asked.hour, asked.expected
"""


class GranuleTableDataset(DuckDBTableDataset):
    """One of the tables ``granules``, ``flashes`` and ``coverage``.

    ``flashes`` loads as a lazy handle (``FlashTable``), the others as frames. A save is kept until
    the other two tables of the same database have been given theirs, then all three are replaced
    by granule key in one transaction; the newest creation of a granule wins.

    Example of the YAML API:
        .. code-block:: yaml

            flashes:
              type: lightning_kedro.datasets.granule_tables.GranuleTableDataset
              path: data/03_primary/lightning.duckdb
              table: flashes

    Example of the Python API:
        >>> flashes = GranuleTableDataset(path="lightning.duckdb", table="flashes").load()
        >>> flashes.path.name
        'lightning.duckdb'
    """

    _pending: ClassVar[dict[Path, dict[str, Any]]] = {}

    def __init__(
        self,
        *,
        path: str,
        table: str,
        simulated: bool = False,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            path: The DuckDB file.
            table: ``granules``, ``flashes`` or ``coverage``.
            simulated: Whether the granules are simulated; every row says so.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.
        """
        key = TABLES[table].key if table in MEMBERS else ()
        super().__init__(
            path=path,
            table=table,
            replace_by=key,
            simulated=simulated,
            lock_timeout=lock_timeout,
            metadata=metadata,
        )

    def load(self) -> Any:  # noqa: ANN401  (FlashTable or a frame, by the table)
        """A handle on ``flashes``; the whole of ``granules`` or ``coverage``."""
        if self._table == "flashes":
            return FlashTable(self._path, self._lock_timeout)
        return super().load()

    def save(self, data: Any) -> None:  # noqa: ANN401
        """Keep the table's part; the last of the three parts commits them all."""
        pending = self._pending.setdefault(self._path, {})
        pending[self._table] = data
        if set(pending) == set(MEMBERS):
            del self._pending[self._path]
            with connect(self._path, read_only=False, timeout=self._lock_timeout) as connection:
                replace_granules(connection, **pending, simulated=self._simulated)


def replace_granules(
    connection: "duckdb.DuckDBPyConnection",
    *,
    granules: "pa.Table",
    flashes: SelectedSeries,
    coverage: "pa.Table",
    simulated: bool,
) -> None:
    """Replace granules and their flashes, and count the coverage of their hours, all at once.

    Args:
        connection: An open database.
        granules: The record of every granule, with the columns of the table ``granules``.
        flashes: The hours whose CSV files hold the flashes of these granules.
        coverage: ``platform``, ``hour`` and ``expected`` of the hours that were looked at in full.
        simulated: Whether the granules are simulated.
    """
    connection.register("incoming", granules)
    connection.register("asked", coverage)
    with transaction(connection):
        for table in MEMBERS:
            create_table(connection, table)
        connection.execute(_ACCEPT)
        for table in ("flashes", "granules"):
            connection.execute(
                f"DELETE FROM {table} USING accepted "  # noqa: S608
                f"WHERE {table}.platform = accepted.platform "
                f"AND {table}.granule_start = accepted.granule_start"
            )
        connection.execute(
            "INSERT INTO granules BY NAME SELECT *, ?::BOOLEAN AS simulated FROM accepted",
            [simulated],
        )
        _insert_flashes(connection, flashes, simulated=simulated)
        connection.execute(
            "DELETE FROM coverage WHERE (platform, hour) IN (SELECT (platform, hour) FROM asked)"
        )
        connection.execute(_COUNT_COVERAGE, [simulated])
        accepted, loaded = connection.execute(
            "SELECT count(*), coalesce(sum(flash_count), 0)::BIGINT FROM accepted"
        ).fetchall()[0]
        connection.execute("DROP TABLE accepted")
    logger.info("Loaded %d flashes of %d new granules", loaded, accepted)


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
    wanted = {(platform, hour) for platform, hour in hours}
    chosen = [
        hour for hour in series.hours if (hour.platform, hour.hour.replace(tzinfo=None)) in wanted
    ]
    for first in range(0, len(chosen), HOURS_AT_ONCE):
        _insert_hours(connection, chosen[first : first + HOURS_AT_ONCE], simulated=simulated)


def _insert_hours(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[SeriesFolder], *, simulated: bool
) -> None:
    """Insert the flashes of a few hours in order of time."""
    with ExitStack() as locks:
        for hour in hours:
            locks.enter_context(lock_folder(hour.folder, shared=True))
        connection.execute(
            f"INSERT INTO flashes BY NAME "  # noqa: S608
            f"SELECT {', '.join(TABLES['flashes'].columns)}, $simulated::BOOLEAN AS simulated "
            f"FROM {_scan('time_series')} JOIN {_scan('geo_series')} "
            f"USING (platform, granule_start, flash_id) "
            f"SEMI JOIN accepted USING (platform, granule_start) "
            f"ORDER BY platform, time, granule_start, flash_id",
            {
                "simulated": simulated,
                "time_series": [str(hour.time_series) for hour in hours],
                "geo_series": [str(hour.geo_series) for hour in hours],
            },
        )


def _scan(table: str) -> str:
    """SQL that reads the CSV files named by the parameter of the same name.

    Nothing is guessed: looking for the dialect of each file costs more than reading it.
    """
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in TABLES[table].types.items())
    options = f"header = true, auto_detect = false, columns = {{{columns}}}"
    return f"read_csv(${table}, {options}) AS {table}"
