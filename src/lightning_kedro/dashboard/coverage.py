"""The calendar: what part of the expected granules each day and hour has."""

import calendar
from collections.abc import Mapping, Sequence
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


Counted = Mapping[tuple[str, datetime], Coverage]
"""Coverage by satellite and start of an hour or day."""


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


def count_coverage(
    tables: Tables, unit: str, span: tuple[datetime, datetime] | None = None
) -> Counted:
    """The coverage of every satellite by hour or day.

    Args:
        tables: The open database.
        unit: ``hour`` or ``day``.
        span: From when on, and until when, exclusive (UTC, without time zone); all time if None.

    Returns:
        By satellite and start of the hour or day; what was not ingested has no entry.
    """
    condition = "true" if span is None else "hour >= ? AND hour < ?"
    query = (
        f"SELECT platform, date_trunc(?, hour)::TIMESTAMP AS since, count(*), "  # noqa: S608
        f"sum(expected), sum(found), sum(corrupt), sum(missing) FROM {tables.source('coverage')} "
        f"WHERE {condition} AND platform IS NOT NULL AND hour IS NOT NULL GROUP BY 1, 2"
    )
    return {
        (platform, since): Coverage(hours, *(int(count or 0) for count in counts))
        for platform, since, hours, *counts in tables.rows(query, [unit, *(span or ())])
    }


def list_days(result: StoredResult) -> list[date]:
    """The days that a result's window has a part of."""
    first = result.key.window_start.date()
    last = (result.key.window_end - timedelta(microseconds=1)).date()
    return [first + timedelta(days=day) for day in range((last - first).days + 1)]


def fill_month(
    first: date, platforms: Sequence[str], covered: Counted, n_results: Mapping[date, int]
) -> Month:
    """A month with all that there is of its days.

    Args:
        first: Its first day.
        platforms: The satellites that count.
        covered: Coverage by day.
        n_results: Number of results by day.
    """
    weeks = [
        [
            _fill_day(day, platforms, covered, n_results) if day.month == first.month else None
            for day in week
        ]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    return Month(first, weeks)


def _fill_day(
    day: date, platforms: Sequence[str], covered: Counted, n_results: Mapping[date, int]
) -> Day:
    """A day with all that there is of it."""
    start = datetime.combine(day, time.min)
    parts = [covered[platform, start] for platform in platforms if (platform, start) in covered]
    return Day(day, add_up(parts), n_results.get(day, 0))


def add_up(parts: Sequence[Coverage]) -> Coverage:
    """The coverage of several hours or satellites together."""
    names = ("hours", "expected", "found", "corrupt", "missing")
    return Coverage(*(sum(getattr(part, name) for part in parts) for name in names))
