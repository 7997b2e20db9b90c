"""The hours of both slots as one: what both satellites saw counts once.

A part of a window is read with what lies so near to it in time that it decides about matches, so
that the pairs are those of the whole window (``lightning_kedro.analysis.matching``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.climatology.hours import ObservedHour
from lightning_kedro.analysis.matching import REACH_SECONDS, Sighting
from lightning_kedro.analysis.merging import merge_sightings
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.selection import Selection

Columns = dict[str, Any]
"""Masked arrays by name of the column."""

Ask = Callable[[str, datetime, datetime], Columns]
"""Reads rows of a satellite from a start to an end."""

_DAY: Final = timedelta(days=1)
_HOUR: Final = np.timedelta64(1, "h")


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The flashes of one slot, in order of time, each with the longitude of its satellite."""

    seen: Sighting
    stands: FloatArray

    def take(self, rows: npt.NDArray[np.bool_]) -> "_Side":
        """Some of them."""
        seen = (getattr(self.seen, name)[rows] for name in Sighting.__slots__)
        return _Side(Sighting(*seen), self.stands[rows])


def list_spans(selection: Selection) -> list[tuple[datetime, datetime]]:
    """The days of a window, cut where a slot changed hands: start and end, UTC."""
    start, end = selection.start, selection.end
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = range((end - midnight) // _DAY + 1)
    cuts = {midnight + number * _DAY for number in days}
    cuts |= {time for part in selection.segments for time in (part.start, part.end)}
    inside = sorted({start, end} | {time for time in cuts if start < time < end})
    return [*pairwise(inside)]


def read_span(
    selection: Selection, span: tuple[datetime, datetime], ask_hours: Ask, ask_flashes: Ask
) -> Iterator[ObservedHour]:
    """Read the hours of a part of a window that either satellite observed.

    Args:
        selection: Both slots of a window.
        span: Start and end of the part, UTC: whole hours, in which no slot changes hands.
        ask_hours: Reads the observed hours of a satellite: ``hour``, ``share``, ``simulated``.
        ask_flashes: Reads its flashes in order of time: ``time``, ``time_end``, ``lat``, ``lon``.
    """
    observed = {
        part.platform: ask_hours(part.platform, *span)
        for part in selection.segments
        if part.start < span[1] and span[0] < part.end
    }
    reach = timedelta(seconds=REACH_SECONDS)
    wide = selection.stretch(selection.start - reach, selection.end + reach)
    sides = []
    for parts in wide.sides:
        about = [_clip(part, span[0] - reach, span[1] + reach) for part in parts]
        side = _read_side([part for part in about if part.start < part.end], ask_flashes)
        mine = [observed[part.platform] for part in parts if part.platform in observed]
        sides.append(side.take(_is_observed(side.seen.first, span, mine)))
    merged = merge_sightings(sides[0].seen, sides[1].seen, sides[0].stands, sides[1].stands)
    counted = [
        side.take(mine) for side, mine in zip(sides, (merged.left, merged.right), strict=True)
    ]
    yield from _split_hours(observed, [side.seen for side in counted])


def _clip(part: Segment, start: datetime, end: datetime) -> Segment:
    """What of a part lies between two times; it ends before it starts where that is nothing."""
    return replace(part, start=max(part.start, start), end=min(part.end, end))


def _read_side(parts: list[Segment], ask: Ask) -> _Side:
    """The flashes of a slot."""
    found = [(part, ask(part.platform, part.start, part.end)) for part in parts]
    joined = {
        name: np.concatenate(
            [np.zeros(0, kind), *(np.ma.getdata(rows[name]).astype(kind) for _, rows in found)]
        )
        for name, kind in (
            *(("time", "datetime64[us]"), ("time_end", "datetime64[us]")),
            *(("lat", np.float64), ("lon", np.float64)),
        )
    }
    stands = [
        np.full(len(rows["time"]), field_of_view(part.platform, part.start).subpoint_lon)
        for part, rows in found
    ]
    return _Side(Sighting(*joined.values()), np.concatenate([np.zeros(0), *stands]))


def _is_observed(
    times: npt.NDArray[np.datetime64], span: tuple[datetime, datetime], observed: list[Columns]
) -> npt.NDArray[np.bool_]:
    """Which flashes are of hours that their satellite observed; what lies about a span is kept."""
    start, end = (np.datetime64(time.replace(tzinfo=None), "us") for time in span)
    hours = np.concatenate(
        [np.zeros(0, "datetime64[h]"), *(one["hour"].astype("datetime64[h]") for one in observed)]
    )
    inside = (times >= start) & (times < end)
    return np.asarray(~inside | np.isin(times.astype("datetime64[h]"), hours))


def _split_hours(observed: dict[str, Columns], sides: list[Sighting]) -> Iterator[ObservedHour]:
    """The hours that either satellite observed, with the flashes that count, in order of time."""
    time = np.concatenate([side.first for side in sides])
    order = np.argsort(time, kind="stable")
    time = time[order]
    lat, lon = (
        np.concatenate([getattr(side, name) for side in sides])[order].astype(np.float32)
        for name in ("lat", "lon")
    )
    shares: dict[np.datetime64, dict[str, float]] = {}
    simulated: dict[np.datetime64, bool] = {}
    for platform, rows in observed.items():
        starts = rows["hour"].astype("datetime64[us]")
        for start, share, made in zip(starts, rows["share"], rows["simulated"], strict=True):
            shares.setdefault(start, {})[platform] = float(share)
            simulated[start] = simulated.get(start, False) or bool(made)
    for start, of_hour in sorted(shares.items()):
        mine = slice(*np.searchsorted(time, [start, start + _HOUR]))
        (platform, share), *others = of_hour.items()
        since = ((time[mine] - start) / np.timedelta64(1, "m")).astype(np.float32)
        yield ObservedHour(
            *(platform, start, share, since, lat[mine], lon[mine], simulated[start]),
            also=dict(others),
        )
