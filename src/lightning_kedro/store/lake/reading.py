"""Lazy handles on the tables of a lake: what they read is what the handles of a database read.

Each read takes the tables' logs as they are at that moment, opens the objects of the days asked for
as an Arrow dataset, and lets DuckDB read that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from lightning_kedro.exceptions import ParameterError, TableError
from lightning_kedro.glm.granule import HOUR, MAX_LENGTH
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import LoadedStore
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.coverage_summary import CoverageSummary
from lightning_kedro.store.database import connect_in_memory
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.objects import hour_of
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.series import list_days
from lightning_kedro.store.loaded import (
    CoverageTable,
    FlashTable,
    GranuleTable,
    StoredTable,
    sum_up,
)

if TYPE_CHECKING:
    import duckdb

_EVER: Final = (date(2000, 1, 1), date(2100, 1, 1))

_ON_RECORD: Final = "SEMI JOIN on_record USING (platform, granule_start)"
"""Flashes of granules that are on record: those of others are being committed at this moment."""

_READ_WHOLE: Final = """
    SELECT recorded.* FROM recorded SEMI JOIN (
        SELECT platform, hour FROM (
            SELECT platform, date_trunc('hour', granule_start) AS hour, sum(flash_count) AS told
            FROM recorded GROUP BY ALL
        ) LEFT JOIN held USING (platform, hour)
        WHERE told <= coalesce(n_rows, 0)
    ) AS whole ON whole.platform = recorded.platform
        AND whole.hour = date_trunc('hour', recorded.granule_start)
"""
"""The granules of hours whose objects hold all their flashes: somebody may have removed some."""

Span = tuple[Sequence[str], date, date]
"""Satellites, and the first and the last UTC day."""


class _InLake(StoredTable):
    """What the handles on a lake's tables have in common.

    Args:
        lake: Where the lake is.
    """

    def __init__(self, lake: Place) -> None:
        """Hold on to the table; nothing is read yet."""
        super().__init__(Path(lake.url))
        self.lake = lake

    def __repr__(self) -> str:
        """Say which table of which lake."""
        return f"{type(self).__name__}({self.table} of {self.lake.url})"

    @contextmanager
    def open(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the whole table in a database in memory."""
        with self._open((PLATFORMS, *_EVER)) as connection:
            yield connection

    @contextmanager
    def peek(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the lake: it needs no snapshot, as nobody has it for themselves."""
        with self.open() as connection:
            yield connection

    @property
    def snapshot(self) -> Self:
        """The lake itself: its log is one."""
        return self

    def read(self, selection: Selection, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows that belong to a selection's window, as ``StoredTable.read``."""
        with self._open(_span_of(selection)) as connection:
            return self.read_from(connection, selection, columns)

    @contextmanager
    def _open(self, span: Span) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the rows of some days.

        Raises:
            TableError: If there is no such table yet.
        """
        with connect_in_memory() as connection:
            _register(connection, self.lake, self.table, span)
            yield connection


class LakeFlashTable(_InLake, FlashTable):
    """A lazy handle on the flashes of a lake."""

    def has_granules(self, selection: Selection) -> bool:
        """Whether any granule of the selection's window has been looked at, sound or not."""
        return bool(LakeGranuleTable(self.lake).read(selection, ["granule_start"]).num_rows)


class LakeGranuleTable(_InLake, GranuleTable):
    """A lazy handle on the granules of a lake."""


class LakeCoverageTable(_InLake, CoverageTable):
    """A lazy handle on the coverage of archive hours in a lake."""


LAKE_HANDLES: Final[Mapping[str, type[_InLake]]] = {
    handle.name: handle for handle in (LakeFlashTable, LakeGranuleTable, LakeCoverageTable)
}
"""The handle on each table of a lake."""


def _span_of(selection: Selection) -> Span:
    """Which objects may hold something of a selection: a flash may precede its granule."""
    first = min(segment.start for segment in selection.segments) - HOUR
    last = max(segment.end for segment in selection.segments) + MAX_LENGTH
    platforms = dict.fromkeys(segment.platform for segment in selection.segments)
    return [*platforms], first.astimezone(UTC).date(), last.astimezone(UTC).date()


def _register(connection: "duckdb.DuckDBPyConnection", lake: Place, table: str, span: Span) -> None:
    """Make the rows of some days a table of the registry's name.

    Raises:
        TableError: If there is no such table yet.
    """
    join = ""
    if table == "flashes":
        # Read before the flashes' log: what is on record then is in every later version of it.
        _register_rows(connection, lake, "granules", span)
        connection.execute(
            "CREATE TEMP TABLE on_record AS SELECT platform, granule_start FROM lake_granules"
        )
        join = _ON_RECORD
    _register_rows(connection, lake, table, span)
    columns = ", ".join((*TABLES[table].columns, "simulated"))
    connection.execute(
        f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM lake_{table} {join}"  # noqa: S608
    )


def _register_rows(
    connection: "duckdb.DuckDBPyConnection", lake: Place, table: str, span: Span
) -> None:
    """Register the rows of some days under the table's name, with ``lake_`` before it."""
    stored = LakeTable(lake, table)
    delta = stored.open()
    if delta is None:
        message = (
            f"The lake {lake.url} has no table {table} yet: run `kedro run --env dask --pipelines "
            f"ingestion` first."
        )
        raise TableError(message)
    connection.register(f"lake_{table}", stored.read_dataset(delta, *span))


class LakeGranules(LoadedStore):
    """A lazy handle on the granules that a lake holds: what ``loaded_granules`` loads.

    Args:
        lake: Where the lake is; it need not exist yet.
    """

    def __init__(self, lake: Place) -> None:
        """Hold on to the lake; nothing is read yet."""
        self.lake = lake

    def among(self, hours: Sequence[ArchiveHour], levels: Sequence[str]) -> KnownGranules:
        """What is known of the granules of some hours: which creation stands.

        Raises:
            ParameterError: If groups or events are asked for.
        """
        if {*levels} - {"flash"}:
            message = (
                f"Parameter ingestion.levels: {'+'.join(levels)} cannot be used with --env dask, "
                f"whose lake keeps flashes only: leave it at flash, or run without --env dask."
            )
            raise ParameterError(message)
        return KnownGranules.from_table(self._read_whole(hours), levels)

    def _read_whole(self, hours: Sequence[ArchiveHour]) -> pa.Table:
        """The granules on record of those hours whose objects have as many flashes."""
        days = list_days(hours)
        granules, flashes = (LakeTable(self.lake, name) for name in ("granules", "flashes"))
        recorded, held = granules.open(), flashes.open()
        if recorded is None or held is None:
            return arrow_schema("granules").empty_table()
        objects = flashes.list_objects(held, days).to_pylist()
        with connect_in_memory() as connection:
            rows = granules.read_dataset(recorded, *_span_of_days(days))
            connection.register("recorded", rows)
            connection.register("held", _count_by_hour(objects))
            return connection.sql(_READ_WHOLE).to_arrow_table()

    def has_platforms(self, hours: Sequence[ArchiveHour]) -> bool:
        """Whether the lake has granules of every satellite of some hours."""
        table = LakeTable(self.lake, "granules")
        delta = table.open()
        present: Collection[str] = set() if delta is None else table.list_platforms(delta)
        return {hour.platform for hour in hours} <= {*present}

    def summarise(self, hours: Sequence[ArchiveHour]) -> CoverageSummary:
        """Sum up those of some hours that were looked at in full."""
        span = _span_of_days(list_days(hours))
        with connect_in_memory() as connection:
            for table in ("coverage", "granules"):
                _register(connection, self.lake, table, span)
            return sum_up(connection, hours)


def _span_of_days(days: Sequence[tuple[str, date]]) -> Span:
    """The span of some days."""
    platforms = dict.fromkeys(platform for platform, _ in days)
    return [*platforms], min(day for _, day in days), max(day for _, day in days)


def _count_by_hour(objects: Sequence[Mapping[str, Any]]) -> pa.Table:
    """How many flashes the objects of some hours hold."""
    rows = [
        {
            "platform": row["platform"],
            "hour": datetime.combine(row["date"], time(hour_of(row["path"]))),
            "n_rows": row["num_records"],
        }
        for row in objects
    ]
    kinds = {"platform": pa.string(), "hour": pa.timestamp("us"), "n_rows": pa.int64()}
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))
