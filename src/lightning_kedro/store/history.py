"""The flashes of a window that may be years long, hour by hour.

The database is opened anew every few seconds: a run that waits to write gets in between. Memory
holds the flashes of a day.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

import numpy as np

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.analysis.matching import REACH_DEG
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.history_of_both import Columns, list_spans, read_span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Day = tuple[str, datetime, datetime]
"""A satellite, and the start and the end of a day of a window, UTC without time zone."""

OpenDays = Callable[[Sequence[Day]], AbstractContextManager["DuckDBPyConnection"]]


@dataclass(frozen=True, slots=True)
class _PlannedDay:
    """A day of a window, with the satellites whose rows it takes, and how its hours are read."""

    days: tuple[Day, ...]
    read: Callable[["DuckDBPyConnection"], Iterator[ObservedHour]]


_DAY: Final = timedelta(days=1)
_HOUR: Final = np.timedelta64(1, "h")
_HALF_TURN: Final = 180.0
DAYS_AT_ONCE: Final = 31
"""So many days are opened at once at most."""

_HELD_SECONDS: Final = 2.0
"""For how long the database is held at a time, to begin another day: a writer waits for two
minutes."""


_READ_COVERAGE: Final = """
    SELECT hour, (found - corrupt) / expected AS share, simulated
    FROM main.coverage
    WHERE platform = ? AND hour >= date_trunc('hour', ?::TIMESTAMP) AND hour < ?
        AND found > corrupt AND expected > 0
    ORDER BY hour
"""

_READ_FLASHES: Final = """
    SELECT time, time_end, lat, lon FROM main.flashes
    WHERE platform = ? AND time >= ? AND time < ? AND lat IS NOT NULL AND lon IS NOT NULL {where}
    ORDER BY time, granule_start, flash_id
"""


def read_hours(
    open_days: OpenDays, selection: Selection, margin_deg: float
) -> Iterator[ObservedHour]:
    """Read the hours of a selection in order of time, those that were not observed left out.

    Args:
        open_days: Opens what has ``flashes`` and ``coverage`` of some days.
        selection: Satellites, window, region and quality.
        margin_deg: How far around the region flashes are read too, degrees of a great circle.

    Yields:
        Each hour of which a granule could be read, with the flashes that began in it.

    Raises:
        TableError: If there is no database or no table yet.
    """
    days = [*_plan(selection, margin_deg)]
    while days:
        some = days[:DAYS_AT_ONCE]
        with open_days([day for planned in some for day in planned.days]) as connection:
            opened = monotonic()
            while some and monotonic() - opened < _HELD_SECONDS:
                day = some.pop(0)
                del days[0]
                yield from day.read(connection)


def _plan(selection: Selection, margin_deg: float) -> Iterator[_PlannedDay]:
    """How to read each day of a selection, in order of time; of both slots their days together."""
    if selection.is_merged:
        where, values = _choose_rows(selection, margin_deg + REACH_DEG)
        query = _READ_FLASHES.format(where=where)
        for span in list_spans(selection):
            read = partial(_read_both, selection=selection, span=span, query=query, values=values)
            start, end = (time.replace(tzinfo=None) for time in span)
            platforms = {part.platform for part in selection.segments}
            yield _PlannedDay(tuple((name, start, end) for name in sorted(platforms)), read)
        return
    where, values = _choose_rows(selection, margin_deg)
    query = _READ_FLASHES.format(where=where)
    for part in selection.segments:
        for day in _list_days(part):
            read = partial(_read_day, day=day, query=query, values=values)
            yield _PlannedDay((day,), read)


def _read_day(
    connection: "DuckDBPyConnection", day: Day, query: str, values: list[float]
) -> Iterator[ObservedHour]:
    """The hours of a day of one satellite."""
    coverage: Columns = connection.execute(_READ_COVERAGE, day).fetchnumpy()
    flashes: Columns = connection.execute(query, [*day, *values]).fetchnumpy()
    yield from _split_hours(day[0], coverage, flashes)


def _read_both(
    connection: "DuckDBPyConnection",
    selection: Selection,
    span: tuple[datetime, datetime],
    query: str,
    values: list[float],
) -> Iterator[ObservedHour]:
    """The hours of a day of both slots."""
    yield from read_span(
        selection,
        span,
        partial(_ask, connection, _READ_COVERAGE, []),
        partial(_ask, connection, query, values),
    )


def _ask(
    connection: "DuckDBPyConnection",
    query: str,
    values: list[float],
    platform: str,
    start: datetime,
    end: datetime,
) -> Columns:
    """The rows of a satellite from a start to an end, UTC."""
    given = [platform, start.replace(tzinfo=None), end.replace(tzinfo=None), *values]
    return connection.execute(query, given).fetchnumpy()


def _list_days(part: Segment) -> Iterator[Day]:
    """The days of a part of a window."""
    start, end = (time.replace(tzinfo=None) for time in (part.start, part.end))
    while start < end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        yield part.platform, start, min(midnight, end)
        start = midnight


def _choose_rows(selection: Selection, margin_deg: float) -> tuple[str, list[float]]:
    """SQL for the region with its margin and for the quality, and the values in it."""
    where, values = "", list[float]()
    if selection.region is not None:
        where, values = _choose_places(selection.region, margin_deg)
    if selection.good_only:
        where += " AND quality_flag = 0"
    return where, values


def _choose_places(region: Region, margin_deg: float) -> tuple[str, list[float]]:
    """SQL for a region with a margin around it."""
    south, north = region.south - margin_deg, region.north + margin_deg
    where, values = " AND lat BETWEEN ? AND ?", [south, north]
    highest = max(abs(south), abs(north))
    width = (region.east - region.west) % (2.0 * _HALF_TURN) or 2.0 * _HALF_TURN
    stretch = np.cos(np.radians(min(highest, 90.0)))
    aside = margin_deg / stretch if stretch > margin_deg / _HALF_TURN else _HALF_TURN
    if width + 2.0 * aside >= 2.0 * _HALF_TURN:
        return where, values
    west, east = (_wind(side) for side in (region.west - aside, region.west + width + aside))
    both = "OR" if west > east else "AND"
    return f"{where} AND (lon >= ? {both} lon <= ?)", [*values, west, east]


def _wind(lon: float) -> float:
    """A longitude in [-180, 180)."""
    return float((lon + _HALF_TURN) % (2.0 * _HALF_TURN) - _HALF_TURN)


def _split_hours(
    platform: str,
    coverage: Columns,
    flashes: Columns,
) -> Iterator[ObservedHour]:
    """The hours of a day that were observed, with their flashes in order of time."""
    time = flashes["time"].astype("datetime64[us]")
    starts = coverage["hour"].astype("datetime64[us]")
    first, last = np.searchsorted(time, starts), np.searchsorted(time, starts + _HOUR)
    lat, lon = (np.ma.getdata(flashes[name]) for name in ("lat", "lon"))
    for number, start in enumerate(starts):
        mine = slice(first[number], last[number])
        since = (time[mine] - start) / np.timedelta64(1, "m")
        yield ObservedHour(
            platform,
            start,
            float(coverage["share"][number]),
            since.astype(np.float32),
            lat[mine],
            lon[mine],
            bool(coverage["simulated"][number]),
        )
