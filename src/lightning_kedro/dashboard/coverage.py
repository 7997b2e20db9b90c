"""The calendar: what part of the expected granules each day and hour has."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.stored import StoredResult
from lightning_kedro.pipelines.reporting.window import name_share

MONTHS_SHOWN: Final = 6
"""So many months are on a page, the latest first."""

HOURS: Final = 24

LEVELS: Final = (0.5, 0.9, 0.99, 1.0)
"""Shares from which on a day has the next color."""

LEVEL_NAMES: Final = ("under 50 %", "50 to 90 %", "90 to 99 %", "99 % and more", "all")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of one or more archive hours there is.

    Attributes:
        hours: Number of hours that were ingested, of all satellites together.
        expected: Granules that they should have.
        found: Granules that were found, corrupt ones included.
        corrupt: Granules that are corrupt.
        missing: Granules that were not found.
    """

    hours: int = 0
    expected: int = 0
    found: int = 0
    corrupt: int = 0
    missing: int = 0

    @property
    def share(self) -> float:
        """Share of the granules found of those expected, 0 to 1; 0 if none are expected."""
        return min(self.found / self.expected, 1.0) if self.expected else 0.0

    @property
    def level(self) -> int:
        """Which of the colors it has: 0 for less than half to 4 for all."""
        return sum(self.share >= level for level in LEVELS)

    @property
    def text(self) -> str:
        """The coverage in words."""
        if not self.hours:
            return "nothing ingested"
        hours = "1 hour" if self.hours == 1 else f"{self.hours} hours"
        corrupt = f", {self.corrupt:,} corrupt" if self.corrupt else ""
        return (
            f"{self.found:,} of {self.expected:,} granules of {hours} "
            f"({name_share(self.share)}){corrupt}"
        )


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar.

    Attributes:
        date: The day, UTC.
        coverage: What there is of it, of all chosen satellites together.
        n_results: Number of results whose windows have a part of it.
    """

    date: date
    coverage: Coverage
    n_results: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of it."""
        return not self.coverage.hours and not self.n_results

    @property
    def text(self) -> str:
        """The day in words."""
        results = {0: "no result", 1: "1 result"}.get(self.n_results, f"{self.n_results} results")
        named = f"{self.date:%d %B %Y}".lstrip("0")
        return f"{named}: {self.coverage.text}, {results}"


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar: its weeks from Monday on, None where another month's days are."""

    first: date
    weeks: list[list[Day | None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """``July 2024``."""
        return f"{self.first:%B %Y}"


def list_platforms(tables: Tables, results: Sequence[StoredResult]) -> list[str]:
    """The satellites of which there is coverage or a result."""
    query = f"SELECT DISTINCT platform FROM {tables.source('coverage')}"  # noqa: S608
    known = {str(platform) for (platform,) in tables.rows(query) if platform is not None}
    known.update(*(one.key.platform.split("+") for one in results))
    return sorted(known)


def count_coverage(
    tables: Tables, platforms: Sequence[str], unit: str, first: datetime, last: datetime
) -> dict[tuple[str, datetime], Coverage]:
    """The coverage of some satellites by hour or day.

    Args:
        tables: The open database.
        platforms: The satellites.
        unit: ``hour`` or ``day``.
        first: From when on, UTC, without time zone.
        last: Until when, exclusive.

    Returns:
        By satellite and start of the hour or day; what was not ingested has no entry.
    """
    query = (
        f"SELECT platform, date_trunc(?, hour)::TIMESTAMP AS since, count(*), "  # noqa: S608
        f"sum(expected), sum(found), sum(corrupt), sum(missing) FROM {tables.source('coverage')} "
        f"WHERE hour >= ? AND hour < ? AND list_contains(?, platform) GROUP BY 1, 2"
    )
    rows = tables.rows(query, [unit, first, last, [*platforms]])
    return {
        (platform, since): Coverage(hours, *(int(count or 0) for count in counts))
        for platform, since, hours, *counts in rows
    }


def list_months(
    tables: Tables, platforms: Sequence[str], results: Sequence[StoredResult]
) -> list[date]:
    """The first days of the months that have coverage or a result, the latest first."""
    query = (
        f"SELECT DISTINCT date_trunc('month', hour)::DATE FROM {tables.source('coverage')} "  # noqa: S608
        f"WHERE list_contains(?, platform)"
    )
    months = {month for (month,) in tables.rows(query, [[*platforms]]) if month is not None}
    for one in results:
        month, last = one.key.window_start.date().replace(day=1), one.key.window_end
        while datetime.combine(month, time.min) < last:
            months.add(month)
            month = next_month(month)
    return sorted(months, reverse=True)


def next_month(month: date) -> date:
    """The first day of the month after one."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def fill_month(
    tables: Tables, first: date, platforms: Sequence[str], results: Sequence[StoredResult]
) -> Month:
    """A month with all that there is of its days."""
    start, end = (datetime.combine(one, time.min) for one in (first, next_month(first)))
    covered = count_coverage(tables, platforms, "day", start, end)
    mine = [one for one in results if one.overlaps(start, end)]
    weeks = [
        [
            _fill_day(one, covered, platforms, mine) if one.month == first.month else None
            for one in week
        ]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    return Month(first, weeks)


def _fill_day(
    day: date,
    covered: dict[tuple[str, datetime], Coverage],
    platforms: Sequence[str],
    results: Sequence[StoredResult],
) -> Day:
    """A day with all that there is of it."""
    start = datetime.combine(day, time.min)
    parts = [covered[platform, start] for platform in platforms if (platform, start) in covered]
    n_results = sum(one.overlaps(start, start + timedelta(days=1)) for one in results)
    return Day(day, add_up(parts), n_results)


def add_up(parts: Sequence[Coverage]) -> Coverage:
    """The coverage of several hours or satellites together."""
    names = ("hours", "expected", "found", "corrupt", "missing")
    return Coverage(*(sum(getattr(part, name) for part in parts) for name in names))
