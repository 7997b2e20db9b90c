"""The first page: the calendar, the day that is chosen, the latest results."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from lightning_kedro.dashboard.coverage import (
    HOURS,
    MONTHS_SHOWN,
    Counted,
    Coverage,
    Month,
    add_up,
    count_coverage,
    fill_month,
    list_days,
)
from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.stored import StoredResult, list_results

MOST_RESULTS: Final = 100
"""So many results a list has at most."""

LATEST_RESULTS: Final = 10

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a day that one satellite has."""

    platform: str
    hours: list[Coverage]

    @property
    def total(self) -> Coverage:
        """All of them together."""
        return add_up(self.hours)


@dataclass(frozen=True, slots=True)
class Bar:
    """A result's window on a day: its left side and width in per cent of the day."""

    stored: StoredResult
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class DayDetails:
    """A day: its hours by satellite, and the results whose windows have a part of it."""

    date: date
    satellites: list[Hours]
    bars: list[Bar]
    n_results: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """What the first page shows.

    Attributes:
        known: The satellites that there are.
        chosen: Those that are shown.
        months: The months that are shown, the latest first.
        earlier: The month to go on with before them; None if there is none.
        later: The month to go on with after them; None if there is none.
        day: The day that is chosen; None if none is.
        latest: The results that were made last.
        n_results: Number of results of the chosen satellites.
        simulated: Whether anything that is there is simulated.
        real: Whether anything that is there is not.
    """

    known: list[str]
    chosen: list[str]
    months: list[Month]
    earlier: date | None
    later: date | None
    day: DayDetails | None
    latest: list[StoredResult]
    n_results: int
    simulated: bool
    real: bool


@dataclass(frozen=True, slots=True)
class CalendarRows:
    """What the first page is made from, once the database is closed again.

    Attributes:
        results: All results, those that were made last first.
        days: Coverage by satellite and day.
        hours: Coverage by satellite and hour of the chosen day.
        kinds: Whether there is something that is simulated, and something that is not.
    """

    results: list[StoredResult]
    days: Counted
    hours: Counted
    kinds: set[bool]


def read_rows(tables: Tables, day: date | None) -> CalendarRows:
    """Read what the first page needs; ``day`` is the day to show in detail."""
    results = list_results(tables)
    hours: Counted = {}
    if day is not None:
        start = datetime.combine(day, time.min)
        hours = count_coverage(tables, "hour", (start, start + _DAY))
    query = f"SELECT DISTINCT coalesce(simulated, false) FROM {tables.source('coverage')}"  # noqa: S608
    kinds = {bool(kind) for (kind,) in tables.rows(query)} | {one.simulated for one in results}
    return CalendarRows(results, count_coverage(tables, "day"), hours, kinds)


def arrange_calendar(
    rows: CalendarRows, platforms: Sequence[str], month: date | None, day: date | None
) -> Calendar:
    """Make the first page of what was read.

    Args:
        rows: What was read.
        platforms: The satellites to show; all that there are if empty.
        month: The latest month to show; that of the day, or the latest that has something, if None.
        day: The day to show in detail.
    """
    known = {platform for platform, _ in rows.days}
    known.update(*(one.key.platform.split("+") for one in rows.results))
    chosen = [*dict.fromkeys(platforms)] or sorted(known)
    mine = [one for one in rows.results if one.is_of({*chosen})]
    n_results = Counter(one_day for one in mine for one_day in list_days(one))
    days = {since.date() for platform, since in rows.days if platform in chosen} | {*n_results}
    months = sorted({one_day.replace(day=1) for one_day in days}, reverse=True)
    shown = pick_months(months, month or (None if day is None else day.replace(day=1)))
    after = [one for one in months if shown and one > shown[0]]
    before = [one for one in months if shown and one < shown[-1]]
    return Calendar(
        sorted(known),
        chosen,
        [fill_month(one, chosen, rows.days, n_results) for one in shown],
        before[0] if before else None,
        after[-MONTHS_SHOWN:][0] if after else None,
        None if day is None else _arrange_day(day, chosen, rows.hours, mine),
        mine[:LATEST_RESULTS],
        len(mine),
        any(rows.kinds),
        not all(rows.kinds),
    )


def pick_months(months: Sequence[date], month: date | None) -> list[date]:
    """The months to show, the latest first: one, even if it has nothing, and those before it."""
    if month is None:
        return [*months[:MONTHS_SHOWN]]
    return [month, *(one for one in months if one < month)][:MONTHS_SHOWN]


def _arrange_day(
    day: date, platforms: Sequence[str], covered: Counted, results: Sequence[StoredResult]
) -> DayDetails:
    """A day with its hours and results."""
    start = datetime.combine(day, time.min)
    moments = [start + timedelta(hours=hour) for hour in range(HOURS)]
    satellites = [
        Hours(platform, [covered.get((platform, moment), Coverage()) for moment in moments])
        for platform in platforms
    ]
    mine = sorted(
        (one for one in results if one.overlaps(start, start + _DAY)),
        key=lambda one: (one.key.window_start, one.key.window_end, one.key),
    )
    bars = [_place(one, start) for one in mine[:MOST_RESULTS]]
    return DayDetails(day, satellites, bars, len(mine))


def _place(stored: StoredResult, start: datetime) -> Bar:
    """Where a result's window is on a day, cut at its ends."""
    left = max((stored.key.window_start - start) / _DAY, 0.0)
    right = min((stored.key.window_end - start) / _DAY, 1.0)
    return Bar(stored, 100.0 * left, max(100.0 * (right - left), 0.4))
