"""The first page: the calendar, the day that is chosen, the latest results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from lightning_kedro.dashboard.coverage import (
    HOURS,
    MONTHS_SHOWN,
    Coverage,
    Month,
    add_up,
    count_coverage,
    fill_month,
    list_months,
    list_platforms,
)
from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.stored import StoredResult, list_results

MOST_RESULTS: Final = 100
"""So many results a list has at most."""

LATEST_RESULTS: Final = 10


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


def read_calendar(
    tables: Tables, platforms: Sequence[str], month: date | None, day: date | None
) -> Calendar:
    """Read the first page.

    Args:
        tables: The open database.
        platforms: The satellites to show; all that there are if empty.
        month: The latest month to show; that of the day, or the latest that has something, if None.
        day: The day to show in detail.
    """
    results = list_results(tables)
    known = list_platforms(tables, results)
    chosen = [*dict.fromkeys(platforms)] or known
    mine = [one for one in results if one.is_of({*chosen})]
    months = list_months(tables, chosen, mine)
    month = month or (None if day is None else day.replace(day=1))
    shown = pick_months(months, month)
    after = [one for one in months if shown and one > shown[0]]
    before = [one for one in months if shown and one < shown[-1]]
    kinds = {*(one.simulated for one in results), *_list_kinds(tables)}
    return Calendar(
        known,
        chosen,
        [fill_month(tables, one, chosen, mine) for one in shown],
        before[0] if before else None,
        after[-MONTHS_SHOWN:][0] if after else None,
        None if day is None else _read_day(tables, day, chosen, mine),
        mine[:LATEST_RESULTS],
        len(mine),
        any(kinds),
        not all(kinds),
    )


def pick_months(months: Sequence[date], month: date | None) -> list[date]:
    """The months to show, the latest first: one, even if it has nothing, and those before it."""
    if month is None:
        return [*months[:MONTHS_SHOWN]]
    return [month, *(one for one in months if one < month)][:MONTHS_SHOWN]


def _list_kinds(tables: Tables) -> list[bool]:
    """Whether there are hours that are simulated, and hours that are not."""
    query = f"SELECT DISTINCT coalesce(simulated, false) FROM {tables.source('coverage')}"  # noqa: S608
    return [bool(kind) for (kind,) in tables.rows(query)]


def _read_day(
    tables: Tables, day: date, platforms: Sequence[str], results: Sequence[StoredResult]
) -> DayDetails:
    """Read a day."""
    start = datetime.combine(day, time.min)
    end = start + timedelta(days=1)
    covered = count_coverage(tables, platforms, "hour", start, end)
    moments = [start + timedelta(hours=hour) for hour in range(HOURS)]
    satellites = [
        Hours(platform, [covered.get((platform, moment), Coverage()) for moment in moments])
        for platform in platforms
    ]
    mine = sorted(
        (one for one in results if one.overlaps(start, end)),
        key=lambda one: (one.key.window_start, one.key.window_end, one.name),
    )
    return DayDetails(
        day, satellites, [_place(one, start) for one in mine[:MOST_RESULTS]], len(mine)
    )


def _place(stored: StoredResult, start: datetime) -> Bar:
    """Where a result's window is on a day, cut at its ends."""
    day = timedelta(days=1)
    left = max((stored.key.window_start - start) / day, 0.0)
    right = min((stored.key.window_end - start) / day, 1.0)
    return Bar(stored, 100.0 * left, max(100.0 * (right - left), 0.4))
