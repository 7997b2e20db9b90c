"""Lazy handles on what ingestion has loaded: the flashes of a selection, the granules of hours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from lightning_kedro.glm.granule import HOUR
from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import connect, database_exists
from lightning_kedro.store.tables import open_table, table_columns

if TYPE_CHECKING:
    import duckdb

MAX_PLACES: Final = 4
"""How many hours with gaps a summary names."""


class FlashTable:
    """A lazy handle on the table ``flashes``: what the catalog entry loads.

    Args:
        path: The DuckDB file.
        lock_timeout: How long to wait for it, in seconds.
    """

    def __init__(self, path: Path, lock_timeout: float) -> None:
        """Hold on to the table; nothing is read yet."""
        self.path = path
        self.lock_timeout = lock_timeout

    def read(self, selection: Selection, columns: Sequence[str]) -> "pa.Table":
        """The flashes of a selection, ordered by time, platform, granule and flash_id.

        Raises:
            TableError: If there is no such table yet.
        """
        with self._query(selection, columns) as relation:
            return relation.to_arrow_table()

    def has_granules(self, selection: Selection) -> bool:
        """Whether any granule of the selection's window has been looked at, sound or not."""
        parts = " OR ".join(
            ["(platform = ? AND granule_start < ? AND granule_end > ?)"] * len(selection.segments)
        )
        values: list[Any] = []
        for segment in selection.segments:
            edges = [time.replace(tzinfo=None) for time in (segment.end, segment.start)]
            values += [segment.platform, *edges]
        with open_table(self.path, "granules", timeout=self.lock_timeout) as connection:
            query = f"SELECT count(*) > 0 FROM main.granules WHERE {parts}"  # noqa: S608
            return bool(connection.execute(query, values).fetchall()[0][0])

    @contextmanager
    def _query(
        self, selection: Selection, columns: Sequence[str]
    ) -> Iterator["duckdb.DuckDBPyRelation"]:
        unknown = set(columns) - set(TABLES["flashes"].columns)
        if unknown:
            message = f"table flashes has no columns {sorted(unknown)}"
            raise KeyError(message)
        condition, values = _where(selection)
        with open_table(self.path, "flashes", timeout=self.lock_timeout) as connection:
            yield connection.sql(
                f"SELECT {', '.join(columns)} FROM flashes WHERE {condition} "  # noqa: S608
                f"ORDER BY time, platform, granule_start, flash_id",
                params=values,
            )


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What a window's archive hours have in the database.

    Attributes:
        expected: Granules that there should be.
        found: Granules that there are, corrupt ones included.
        flash_count: Their flashes.
        file_bytes: Their size.
        gaps: What is missing or corrupt, and in which hours; empty if nothing is.
    """

    expected: int
    found: int
    flash_count: int
    file_bytes: int
    gaps: str

    def __str__(self) -> str:
        """The summary in a line."""
        return (
            f"{self.found} of {self.expected} granules, {self.flash_count:,} flashes, "
            f"{self.file_bytes / 1e6:,.1f} MB, {self.gaps or 'no gaps'}"
        )


class LoadedGranules:
    """A lazy handle on the granules that a database holds: what ``loaded_granules`` loads.

    Args:
        path: The DuckDB file; it need not exist yet.
        lock_timeout: How long to wait for it, in seconds.
    """

    def __init__(self, path: Path, lock_timeout: float) -> None:
        """Hold on to the database; nothing is read yet."""
        self.path = path
        self.lock_timeout = lock_timeout

    def among(self, hours: Sequence[ArchiveHour]) -> KnownGranules:
        """What is known of the granules of some hours: which creation stands, and whether read."""
        first, last = min(hour.hour for hour in hours), max(hour.hour for hour in hours) + HOUR
        rows = self._ask(
            "SELECT platform, granule_start, created, file_bytes, status FROM granules "
            "WHERE granule_start >= ? AND granule_start < ?",
            [first.replace(tzinfo=None), last.replace(tzinfo=None)],
        )
        return KnownGranules.from_rows(rows)

    def has_platforms(self, hours: Sequence[ArchiveHour]) -> bool:
        """Whether the database has granules of every satellite of some hours."""
        rows = self._ask("SELECT DISTINCT platform FROM granules", [])
        return {hour.platform for hour in hours} <= {platform for (platform,) in rows}

    def _ask(self, query: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query on the table ``granules``; none where there is no such table yet."""
        if not database_exists(self.path):
            return []
        with connect(self.path, read_only=True, timeout=self.lock_timeout) as connection:
            if not table_columns(connection, "granules"):
                return []
            return connection.execute(query, values).fetchall()

    def summarise(self, hours: Sequence[ArchiveHour]) -> CoverageSummary:
        """Sum up those of some hours that were looked at in full."""
        asked = pa.Table.from_pylist(
            [
                {"platform": hour.platform, "hour": hour.hour.replace(tzinfo=None)}
                for hour in hours
                if hour.part == "whole"
            ]
        )
        with open_table(self.path, "coverage", timeout=self.lock_timeout) as connection:
            connection.register("asked", asked)
            rows = connection.execute(
                "SELECT hour, expected, found, missing, corrupt FROM coverage "
                "SEMI JOIN asked USING (platform, hour) ORDER BY hour"
            ).fetchall()
            flash_count, file_bytes = connection.execute(
                "SELECT coalesce(sum(flash_count), 0)::BIGINT, "
                "coalesce(sum(file_bytes), 0)::BIGINT FROM granules SEMI JOIN asked "
                "ON granules.platform = asked.platform "
                "AND date_trunc('hour', granule_start) = asked.hour"
            ).fetchall()[0]
        expected, found, missing, corrupt = (sum(row[at] for row in rows) for at in range(1, 5))
        places = [f"{row[0]:%Y-%m-%d %H:00}" for row in rows if row[3] or row[4]]
        shown = ", ".join(places[:MAX_PLACES]) + (" ..." if len(places) > MAX_PLACES else "")
        gaps = f"{missing} missing and {corrupt} corrupt in {shown}" if places else ""
        return CoverageSummary(expected, found, flash_count, file_bytes, gaps)


def _where(selection: Selection) -> tuple[str, list[Any]]:
    """The SQL condition of a selection, with its values apart."""
    conditions, values = [], []
    for segment in selection.segments:
        conditions.append("(platform = ? AND time >= ? AND time < ?)")
        naive = [time.replace(tzinfo=None) for time in (segment.start, segment.end)]
        values += [segment.platform, *naive]
    condition = f"({' OR '.join(conditions)})"
    if selection.region is not None:
        region = selection.region
        both = "OR" if region.west > region.east else "AND"
        condition += f" AND lat BETWEEN ? AND ? AND (lon >= ? {both} lon <= ?)"
        values += [region.south, region.north, region.west, region.east]
    if selection.good_only:
        condition += " AND quality_flag = 0"
    return condition, values
