"""Lazy handles on the tables of a lake: what they read is what the handles of a database read.

Each read takes the tables' logs as they are at that moment, opens the objects of the days asked for
as an Arrow dataset, and lets DuckDB read that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.granule import HOUR, MAX_LENGTH
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.known_hours import KNOWN_BY, know_granules
from lightning_kedro.granules.level_rows import COUNTS, TABLE_OF
from lightning_kedro.granules.ports import LoadedStore
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.coverage_summary import CoverageSummary
from lightning_kedro.store.database import connect_in_memory
from lightning_kedro.store.group_areas import select_largest_areas
from lightning_kedro.store.history import Day, read_hours
from lightning_kedro.store.lake.hours import hour_of
from lightning_kedro.store.lake.log import ROW_TABLES, LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.series import list_days
from lightning_kedro.store.loaded import (
    CoverageTable,
    EventTable,
    FlashTable,
    GranuleTable,
    GroupTable,
    StoredTable,
    sum_up,
)

if TYPE_CHECKING:
    import duckdb

EVER: Final = (date(2000, 1, 1), date(2100, 1, 1))
"""The first and the last day that there may be anything of."""

_ROWS_ON_RECORD: Final = """
    CREATE TEMP TABLE IF NOT EXISTS on_record AS
    SELECT platform AS of_platform, granule_start AS of_start, group_count AS groups_read,
           event_count AS events_read
    FROM lake_granules;
    CREATE TEMP VIEW {table} AS SELECT {columns}
    FROM lake_{table} JOIN on_record ON of_platform = platform AND of_start = granule_start
    WHERE {condition}
"""
"""Rows of granules that are on record only: those of others are being committed at this moment.

Groups and events are those of granules on whose record they are; the same goes for their numbers in
``flashes``: whoever asked for a granule without them has not loaded any."""

_ASKED_BY: Final = {table: level for level, table in TABLE_OF.items()}

_RECORDED_COUNTS: Final = {
    f"{level}_count": f"if({level}s_read IS NULL, NULL, {level}_count) AS {level}_count"
    for level in ("group", "event")
}

_READ_WHOLE: Final = """
    WITH hours AS (
        SELECT platform, date_trunc('hour', granule_start) AS hour,
               sum(flash_count) AS told_flashes, sum(group_count) AS told_groups,
               sum(event_count) AS told_events
        FROM recorded GROUP BY ALL
    ), whole AS (
        SELECT platform, hour, coalesce(told_groups <= held.groups, false) AS has_groups,
               coalesce(told_events <= held.events, false) AS has_events
        FROM hours LEFT JOIN held USING (platform, hour)
        WHERE told_flashes <= coalesce(held.flashes, 0)
    )
    SELECT {columns}, if(has_groups, group_count, NULL) AS group_count,
           if(has_events, event_count, NULL) AS event_count
    FROM recorded JOIN whole ON whole.platform = recorded.platform
        AND whole.hour = date_trunc('hour', recorded.granule_start)
"""
"""The granules of hours whose objects hold all their flashes, as if only those levels of them had
been read of which the objects hold all: somebody may have removed some."""

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
        with self._open((PLATFORMS, *EVER)) as connection:
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

    def read_hours(self, selection: Selection, margin_deg: float = 0.0) -> Iterator[ObservedHour]:
        """The hours of a selection in order of time, each with its flashes; see ``read_hours``."""
        return read_hours(self._open_days, selection, margin_deg)

    @contextmanager
    def _open_days(self, days: Sequence[Day]) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open flashes and coverage of parts of a window."""
        span = (
            sorted({platform for platform, _, _ in days}),
            min(start for _, start, _ in days).date() - timedelta(days=1),
            max(end for _, _, end in days).date() + timedelta(days=1),
        )
        with self._open(span) as connection:
            _register(connection, self.lake, "coverage", span)
            yield connection

    def has_granules(self, selection: Selection) -> bool:
        """Whether any granule of the selection's window has been looked at, sound or not."""
        return bool(LakeGranuleTable(self.lake).read(selection, ["granule_start"]).num_rows)


class _LevelInLake(_InLake):
    """What the handles on groups and events have in common."""

    def read(self, selection: Selection, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows that belong to a selection's window; their quality is that of their flashes."""
        span = _span_of(selection)
        with self._open(span) as connection:
            if selection.good_only:
                _register(connection, self.lake, "flashes", span)
            return self.read_from(connection, selection, columns)


class LakeGroupTable(_LevelInLake, GroupTable):
    """A lazy handle on the groups of a lake."""

    def read_largest_areas(self, selection: Selection) -> pa.Table:
        """The largest group of each flash of a window, as far as groups were read."""
        with connect_in_memory() as connection:
            is_there = LakeTable(self.lake, self.name).open() is not None
            if is_there:
                _register(connection, self.lake, self.name, _span_of(selection))
            return select_largest_areas(connection, selection, is_there=is_there)


class LakeEventTable(_LevelInLake, EventTable):
    """A lazy handle on the events of a lake."""


class LakeGranuleTable(_InLake, GranuleTable):
    """A lazy handle on the granules of a lake."""


class LakeCoverageTable(_InLake, CoverageTable):
    """A lazy handle on the coverage of archive hours in a lake."""


LAKE_HANDLES: Final[Mapping[str, type[_InLake]]] = {
    handle.name: handle
    for handle in (
        LakeFlashTable,
        LakeGroupTable,
        LakeEventTable,
        LakeGranuleTable,
        LakeCoverageTable,
    )
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
    columns = [*TABLES[table].columns, "simulated"]
    if table not in ROW_TABLES:
        _register_rows(connection, lake, table, span)
        listed = ", ".join(columns)
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {listed} FROM lake_{table}")  # noqa: S608
        return
    # Read before the rows' log: what is on record then is in every later version of it.
    _register_rows(connection, lake, "granules", span)
    _register_rows(connection, lake, table, span)
    if table == "flashes":
        columns = [_RECORDED_COUNTS.get(name, name) for name in columns]
    condition = "true" if table == "flashes" else f"{table}_read IS NOT NULL"
    connection.execute(
        _ROWS_ON_RECORD.format(table=table, columns=", ".join(columns), condition=condition)
    )


def _register_rows(
    connection: "duckdb.DuckDBPyConnection", lake: Place, table: str, span: Span
) -> None:
    """Register the rows of some days under the table's name, with ``lake_`` before it."""
    stored = LakeTable(lake, table)
    delta = stored.open()
    if delta is None:
        more = f" --params ingestion.levels={_ASKED_BY[table]}" if table in _ASKED_BY else ""
        message = (
            f"The lake {lake.url} has no table {table} yet: run `kedro run --env dask --pipelines "
            f"ingestion{more}` first."
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
        """What is known of the granules of some hours: which creation stands."""
        return know_granules(self._read_whole(hours), levels)

    def _read_whole(self, hours: Sequence[ArchiveHour]) -> pa.Table:
        """The granules on record of those hours whose objects have as many flashes."""
        days = list_days(hours)
        granules = LakeTable(self.lake, "granules")
        recorded = granules.open()
        if recorded is None:
            return arrow_schema("granules").empty_table()
        with connect_in_memory() as connection:
            rows = granules.read_dataset(recorded, *_span_of_days(days))
            connection.register("recorded", rows)
            connection.register("held", _count_held(self.lake, days))
            columns = [f"recorded.{name}" for name in KNOWN_BY if name not in COUNTS.values()]
            query = _READ_WHOLE.format(columns=", ".join(columns))
            return connection.sql(query).to_arrow_table()

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


def _count_held(lake: Place, days: Sequence[tuple[str, date]]) -> pa.Table:
    """How many rows the objects of the hours of some days hold, a column for each table."""
    counts: dict[tuple[str, datetime], dict[str, int]] = {}
    for name in ROW_TABLES:
        table = LakeTable(lake, name)
        delta = table.open()
        for row in [] if delta is None else table.list_objects(delta, days).to_pylist():
            hour = datetime.combine(row["date"], time(hour_of(name, row["path"])))
            counts.setdefault((row["platform"], hour), {})[name] = row["num_records"]
    rows = [{"platform": key[0], "hour": key[1], **held} for key, held in counts.items()]
    kinds = {"platform": pa.string(), "hour": pa.timestamp("us")}
    return pa.Table.from_pylist(
        rows, schema=pa.schema(kinds | dict.fromkeys(ROW_TABLES, pa.int64()))
    )
