"""A window cut into frames: what the animation and the interactive map show one after the other."""

from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.window import Times, describe_span

MOST_FRAMES: Final = 96
_MINUTE: Final = 60
_HOUR: Final = 3600
_FEWEST_HOURS: Final = 12
_MOST_FINE_FRAMES: Final = 24
_SECONDS: Final = (1, 2, 5, 10, 20, 30)
_MINUTES: Final = (1, 2, 5, 10, 15, 20, 30, 60)
_COARSE_HOURS: Final = (1, 2, 3, 6, 12)


def choose_frames(start: datetime, end: datetime) -> Times:
    """Cut a window into frames.

    Args:
        start: Start of the window, UTC.
        end: End of the window, UTC.

    Returns:
        Edges of the frames, shape (f + 1,), datetime64[us]: hours; of windows shorter than 12 h
        minutes, a round number of them, or seconds; of windows longer than 96 h as many hours or
        days as give at most 96 frames. They lie on round times; the first and last may be shorter.
    """
    length = timedelta(seconds=_choose_step(start, end))
    origin = datetime(start.year, 1, 1)  # noqa: DTZ001  (tables hold UTC without a zone)
    first = origin + ((start - origin) // length + 1) * length
    inner = np.arange(np.datetime64(first, "us"), np.datetime64(end, "us"), np.timedelta64(length))
    return np.concatenate(
        [[np.datetime64(start, "us")], inner.astype("datetime64[us]"), [np.datetime64(end, "us")]]
    )


def _choose_step(start: datetime, end: datetime) -> int:
    """Length of a window's frames in seconds."""
    seconds = (end - start).total_seconds()
    if seconds < _FEWEST_HOURS * _HOUR:
        steps = (*_SECONDS, *(minutes * _MINUTE for minutes in _MINUTES))
        return next(step for step in steps if seconds / step <= _MOST_FINE_FRAMES)
    # One less, because a window that starts at no round time has a part of a frame at each end.
    room = MOST_FRAMES - 1
    hours = seconds / _HOUR
    if hours <= MOST_FRAMES:
        whole = start == start.replace(minute=0, second=0, microsecond=0)
        return _HOUR if hours <= room or whole else 2 * _HOUR
    step = next((step for step in _COARSE_HOURS if hours / step <= room), None)
    return _HOUR * (step or int(np.ceil(hours / 24.0 / room)) * 24)


def count_frames(times: Times, edges: Times) -> npt.NDArray[np.int64]:
    """In which frame each time lies.

    Args:
        times: Times within the window, shape (n,), UTC.
        edges: Edges of the frames, shape (f + 1,).

    Returns:
        Frame of each time, shape (n,), from 0.
    """
    frames = np.searchsorted(edges, times, side="right") - 1
    return np.asarray(np.clip(frames, 0, edges.size - 2), dtype=np.int64)


def name_frames(edges: Times) -> list[tuple[str, str]]:
    """Date and clock of each frame: ``("14 Jul 2024", "21:00-22:00")``, UTC."""
    names = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        date, _, clock = describe_span(start, end).partition(", ")
        if not clock:
            date = f"{start:%d %b} \N{EN DASH} {end:%d %b %Y}"
            clock = f"{start:%H:%M}\N{EN DASH}{end:%H:%M}"
        names.append((date, clock))
    return names


def name_step(edges: Times) -> str:
    """The frames' length in words: ``hour by hour``, ``every 5 minutes``, ``every 20 seconds``."""
    step = _choose_step(edges[0].item(), edges[-1].item())
    for length, unit in ((24 * _HOUR, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if step % length == 0:
            count = step // length
            return f"every {count} {unit}s" if count > 1 else f"{unit} by {unit}"
    return f"every {step} seconds" if step > 1 else "second by second"
