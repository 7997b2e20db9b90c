"""Lazy handles on what ingestion has loaded: the flashes of a selection, the granules of hours."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.granule import HOUR, MAX_LENGTH
from lightning_kedro.glm.orbital_slot import find_segments
from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.level_rows import COUNTS, TABLE_OF
from lightning_kedro.granules.ports import LoadedStore
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.coverage_summary import CoverageSummary
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS, connect, database_exists
from lightning_kedro.store.group_areas import read_largest_areas
from lightning_kedro.store.history import read_hours
from lightning_kedro.store.migration import describe_tables, is_ours, list_tables
from lightning_kedro.store.tables import TableHandle, open_table, read_where

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

MAX_PLACES: Final = 4  # hours with gaps that a summary names

_READ_STORED: Final = """
    SELECT platform, granule_start, created, file_bytes, file_name, status, reason,
           {counts}, flash_count AS recorded_count
    FROM main.granules {joins}
    WHERE granule_start >= $first AND granule_start < $last
"""

_JOIN_STORED: Final = """
    LEFT JOIN (
        SELECT platform, granule_start, count(*) AS stored_{table} FROM {source}
        WHERE granule_start >= $first AND granule_start < $last GROUP BY platform, granule_start
    ) USING (platform, granule_start)
"""

_SUM_GRANULES: Final = """
    SELECT coalesce(sum(file_bytes), 0)::BIGINT
    FROM main.granules SEMI JOIN asked ON granules.platform = asked.platform
        AND date_trunc('hour', granule_start) = asked.hour
    WHERE granule_start >= ? AND granule_start < ?
"""

_OF_GOOD_FLASHES: Final = """
    (platform, granule_start, parent_flash_id) IN (
        SELECT (platform, granule_start, flash_id) FROM main.flashes
        WHERE granule_start >= ? AND granule_start < ? AND quality_flag = 0
    )
"""
"""Groups and events go by the flag of their flash."""


def read_stored(
    connection: "duckdb.DuckDBPyConnection",
    first: datetime,
    last: datetime,
    levels: Collection[str] = (),
) -> pa.Table:
    """The granules that start in a span of time (UTC, without time zone), and what there is of it.

    Args:
        connection: An open database with a table ``granules``, perhaps of an earlier version.
        first: Start of the span, inclusive.
        last: End of the span, exclusive.
        levels: The levels that matter: rows of others are not counted.

    Returns:
        Columns of the table ``granules``; ``flash_count`` is the number of rows that ``flashes``
        has now, ``recorded_count`` the number that was loaded: somebody may have deleted some.
        Likewise ``group_count`` and ``event_count`` of levels that matter; null where the level
        was not loaded, or not all of it is there.
    """
    counts, joins = ["coalesce(stored_flashes, 0)::INTEGER AS flash_count"], [_join("flashes")]
    present = describe_tables(connection)
    if "flashes" not in present:
        joins = [_join("flashes", "(SELECT * FROM main.granules LIMIT 0)")]
    recorded = present["granules"]
    for level, table in TABLE_OF.items():
        column = COUNTS[table]
        if column not in recorded:
            counts.append(f"NULL::INTEGER AS {column}")
        elif level not in levels:
            counts.append(column)
        elif not is_ours(table, present.get(table, ())):
            counts.append(f"NULL::INTEGER AS {column}")
        else:
            joins.append(_join(table))
            counts.append(f"if(coalesce(stored_{table}, 0) = {column}, {column}, NULL) AS {column}")
    query = _READ_STORED.format(counts=", ".join(counts), joins=" ".join(joins))
    return connection.sql(query, params={"first": first, "last": last}).to_arrow_table()


def _join(table: str, source: str = "") -> str:
    """SQL that counts the rows that a table has of each granule."""
    return _JOIN_STORED.format(table=table, source=source or f"main.{table}")


class StoredTable(TableHandle, ABC):
    """A lazy handle on a table that ingestion fills: what its catalog entry loads.

    Args:
        path: The DuckDB file.
        lock_timeout: How long to wait for it, in seconds.
    """

    name: ClassVar[str]

    def __init__(self, path: Path, lock_timeout: float = LOCK_TIMEOUT_SECONDS) -> None:
        """Hold on to the table; nothing is read yet."""
        super().__init__(path, self.name, lock_timeout)

    def read(self, selection: Selection, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows that belong to a selection's window.

        Args:
            selection: Which satellites and when; of flashes also where and of what quality.
            columns: The columns wanted; all if None.

        Raises:
            TableError: If there is no such table yet.
            KeyError: If the table has no such column.
        """
        with self.open() as connection:
            return self.read_from(connection, selection, columns)

    @classmethod
    def read_from(
        cls,
        connection: "duckdb.DuckDBPyConnection",
        selection: Selection,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The same of a database that is open already."""
        condition, values = cls.where(selection)
        return read_where(connection, cls.name, condition, values, columns, order=cls.order)

    def window(
        self,
        satellite: str,
        start: "str | datetime",
        end: "str | datetime",
        columns: Sequence[str] | None = None,
        region: "Region | tuple[float, float, float, float] | None" = None,
    ) -> "pd.DataFrame":
        """The rows of a window as a frame, for notebooks.

        Args:
            satellite: G16 to G19, in any usual spelling, or ``east`` or ``west``.
            start: Start of the window, inclusive; ISO 8601, UTC.
            end: End of the window, exclusive.
            columns: The columns wanted; all if None.
            region: West, south, east and north in degrees, of flashes; everywhere if None.

        Raises:
            ParameterError: If there is no such satellite, or the window does not end after its
                start.

        Example:
            ``catalog.load("flashes").window("G18", "2024-07-14T22:00", "2024-07-14T23:00")``
        """
        first, last = _read_utc(start), _read_utc(end)
        if first >= last:
            message = f"The window from {first:%Y-%m-%dT%H:%M:%S} must end after its start."
            raise ParameterError(message)
        box = region if region is None or isinstance(region, Region) else Region(*region)
        segments = find_segments(satellite, first, last)
        with self.peek() as connection:
            rows = self.read_from(connection, Selection(segments, box), columns)
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    @classmethod
    def where(cls, selection: Selection) -> tuple[str, list[Any]]:
        """The SQL condition of a selection, with its values apart."""
        parts, values = [], []
        for segment in selection.segments:
            start, end = (time.replace(tzinfo=None) for time in (segment.start, segment.end))
            condition, edges = cls._within(start, end)
            parts.append(f"(platform = ? AND {condition})")
            values += [segment.platform, *edges]
        return f"({' OR '.join(parts)})" if parts else "false", values

    @classmethod
    @abstractmethod
    def _within(cls, start: datetime, end: datetime) -> tuple[str, list[datetime]]:
        """The SQL condition of a part of a window.

        Each compares a column with both edges, so that DuckDB skips what lies outside without
        reading it: a window takes as long in a database of years as in one of days.
        """


class PlacedTable(StoredTable, ABC):
    """A lazy handle on rows with a time and a place."""

    @classmethod
    def _within(cls, start: datetime, end: datetime) -> tuple[str, list[datetime]]:
        """Rows that begin in it."""
        return "time >= ? AND time < ?", [start, end]

    @classmethod
    def where(cls, selection: Selection) -> tuple[str, list[Any]]:
        """The window, the region and the quality of a selection."""
        condition, values = super().where(selection)
        if selection.region is not None:
            region = selection.region
            both = "OR" if region.west > region.east else "AND"
            condition += f" AND lat BETWEEN ? AND ? AND (lon >= ? {both} lon <= ?)"
            values += [region.south, region.north, region.west, region.east]
        if selection.good_only:
            good, edges = cls._of_good_flashes(selection)
            condition += f" AND {good}"
            values += edges
        return condition, values

    @classmethod
    def _of_good_flashes(cls, selection: Selection) -> tuple[str, list[datetime]]:
        """The SQL condition of rows of flashes with quality flag 0."""
        first = min(segment.start for segment in selection.segments) - MAX_LENGTH
        last = max(segment.end for segment in selection.segments) + MAX_LENGTH
        return _OF_GOOD_FLASHES, [first.replace(tzinfo=None), last.replace(tzinfo=None)]


class FlashTable(PlacedTable):
    """A lazy handle on the flashes. Rows come in order of (time, platform, granule, flash_id)."""

    name = "flashes"
    order = "time, platform, granule_start, flash_id"

    @classmethod
    def _of_good_flashes(cls, selection: Selection) -> tuple[str, list[datetime]]:  # noqa: ARG003
        """Flashes have the flag themselves."""
        return "quality_flag = 0", []

    def read_hours(self, selection: Selection, margin_deg: float = 0.0) -> Iterator[ObservedHour]:
        """The hours of a selection in order of time, each with its flashes; see ``read_hours``."""
        return read_hours(self._open_coverage, selection, margin_deg)

    def _open_coverage(self, _: object) -> AbstractContextManager["duckdb.DuckDBPyConnection"]:
        """Open the database, which has coverage."""
        return open_table(self.path, "coverage", timeout=self.lock_timeout)

    def has_granules(self, selection: Selection) -> bool:
        """Whether any granule of the selection's window has been looked at, sound or not."""
        granules = GranuleTable(self.path, self.lock_timeout)
        return bool(granules.read(selection, ["granule_start"]).num_rows)


class GroupTable(PlacedTable):
    """A lazy handle on the groups. Rows come in order of (time, platform, granule, group_id)."""

    name = "groups"
    order = "time, platform, granule_start, group_id"

    def read_largest_areas(self, selection: Selection) -> pa.Table:
        """The largest group of each flash of a window; see ``group_areas``."""
        return read_largest_areas(self.path, selection, self.lock_timeout)


class EventTable(PlacedTable):
    """A lazy handle on the events. Rows come in order of (time, platform, granule, event_id)."""

    name = "events"
    order = "time, platform, granule_start, event_id"


class GranuleTable(StoredTable):
    """A lazy handle on the granules."""

    name = "granules"
    order = "platform, granule_start"

    @classmethod
    def _within(cls, start: datetime, end: datetime) -> tuple[str, list[datetime]]:
        """Granules that a part of it lies in."""
        condition = "granule_start > ? AND granule_start < ? AND granule_end > ?"
        return condition, [start - MAX_LENGTH, end, start]


class CoverageTable(StoredTable):
    """A lazy handle on the coverage of archive hours."""

    name = "coverage"
    order = "platform, hour"

    @classmethod
    def _within(cls, start: datetime, end: datetime) -> tuple[str, list[datetime]]:
        """Archive hours that a part of it lies in."""
        return "hour > ? AND hour < ?", [start - HOUR, end]


HANDLES: Final[Mapping[str, type[StoredTable]]] = {
    handle.name: handle
    for handle in (GranuleTable, FlashTable, GroupTable, EventTable, CoverageTable)
}
"""The handle on each of the tables that ingestion fills."""


def _read_utc(time: str | datetime) -> datetime:
    """A time in UTC; one without a time zone is UTC already."""
    time = datetime.fromisoformat(time) if isinstance(time, str) else time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class LoadedGranules(LoadedStore):
    """A lazy handle on the granules that a database holds: what ``loaded_granules`` loads.

    Args:
        path: The DuckDB file; it need not exist yet.
        lock_timeout: How long to wait for it, in seconds.
    """

    def __init__(self, path: Path, lock_timeout: float) -> None:
        """Hold on to the database; nothing is read yet."""
        self.path = path
        self.lock_timeout = lock_timeout

    def among(
        self, hours: Sequence[ArchiveHour], levels: Sequence[str] = ("flash",)
    ) -> KnownGranules:
        """What is known of the granules of some hours: which creation stands, and whether read."""
        first, last = min(hour.hour for hour in hours), max(hour.hour for hour in hours) + HOUR
        start, end = first.replace(tzinfo=None), last.replace(tzinfo=None)
        with self._open() as connection:
            if connection is None:
                return KnownGranules({})
            stored = read_stored(connection, start, end, levels)
        whole = pc.equal(stored["flash_count"], stored["recorded_count"])
        return KnownGranules.from_table(stored.filter(whole), levels)

    def has_platforms(self, hours: Sequence[ArchiveHour]) -> bool:
        """Whether the database has granules of every satellite of some hours."""
        with self._open() as connection:
            if connection is None:
                return False
            rows = connection.execute("SELECT DISTINCT platform FROM main.granules").fetchall()
        return {hour.platform for hour in hours} <= {platform for (platform,) in rows}

    @contextmanager
    def _open(self) -> Iterator["duckdb.DuckDBPyConnection | None"]:
        """Open the database; None where there is none, or no table ``granules`` yet."""
        if not database_exists(self.path):
            yield None
            return
        with connect(self.path, read_only=True, timeout=self.lock_timeout) as connection:
            yield connection if "granules" in list_tables(connection) else None

    def summarise(self, hours: Sequence[ArchiveHour]) -> CoverageSummary:
        """Sum up those of some hours that were looked at in full."""
        with open_table(self.path, "coverage", timeout=self.lock_timeout) as connection:
            return sum_up(connection, hours)


def sum_up(
    connection: "duckdb.DuckDBPyConnection", hours: Sequence[ArchiveHour]
) -> CoverageSummary:
    """Sum up those of some hours that were looked at in full.

    Args:
        connection: An open database with the tables ``coverage`` and ``granules``.
        hours: The hours.
    """
    asked = pa.Table.from_pylist(
        [
            {"platform": hour.platform, "hour": hour.hour.replace(tzinfo=None)}
            for hour in hours
            if hour.part == "whole"
        ]
    )
    first, last = min(hour.hour for hour in hours), max(hour.hour for hour in hours) + HOUR
    connection.register("asked", asked)
    rows = connection.execute(
        "SELECT hour, expected, found, missing, corrupt FROM main.coverage "
        "SEMI JOIN asked USING (platform, hour) ORDER BY hour"
    ).fetchall()
    (file_bytes,) = connection.execute(
        _SUM_GRANULES, [first.replace(tzinfo=None), last.replace(tzinfo=None)]
    ).fetchall()[0]
    expected, found, missing, corrupt = (sum(row[at] for row in rows) for at in range(1, 5))
    places = [f"{row[0]:%Y-%m-%d %H:00}" for row in rows if row[3] or row[4]]
    shown = ", ".join(places[:MAX_PLACES]) + (" ..." if len(places) > MAX_PLACES else "")
    gaps = f"{missing} missing and {corrupt} corrupt in {shown}" if places else ""
    return CoverageSummary(expected, found, file_bytes, gaps)
