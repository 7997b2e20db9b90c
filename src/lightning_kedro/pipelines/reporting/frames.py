"""A window cut into frames: what the animation and the interactive map show one after the other."""

from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.window import Times, describe_span

MOST_FRAMES: Final = 96
_HOUR: Final = 60
_FEWEST_HOURS: Final = 12
_MOST_FINE_FRAMES: Final = 24
_FINE_MINUTES: Final = (1, 2, 5, 10, 15, 20, 30, 60)
_COARSE_HOURS: Final = (1, 2, 3, 6, 12)


def choose_frames(start: datetime, end: datetime) -> Times:
    """Cut a window into frames.

    Args:
        start: Start of the window, UTC.
        end: End of the window, UTC.

    Returns:
        Edges of the frames, shape (f + 1,), datetime64[us]: hours; of windows shorter than 12 h
        minutes, a round number of them; of windows longer than 96 h as many hours or days as give
        at most 96 frames. They lie on round times; the first and last may be shorter.
    """
    minutes = (end - start).total_seconds() / 60.0
    step = _choose_step(minutes)
    length = timedelta(minutes=step)
    origin = datetime(start.year, 1, 1)  # noqa: DTZ001  (tables hold UTC without a zone)
    first = origin + ((start - origin) // length + 1) * length
    inner = np.arange(np.datetime64(first, "us"), np.datetime64(end, "us"), np.timedelta64(length))
    return np.concatenate(
        [[np.datetime64(start, "us")], inner.astype("datetime64[us]"), [np.datetime64(end, "us")]]
    )


def _choose_step(minutes: float) -> int:
    """Length of a frame in minutes for a window of so many minutes."""
    if minutes < _FEWEST_HOURS * _HOUR:
        return next(step for step in _FINE_MINUTES if minutes / step <= _MOST_FINE_FRAMES)
    # One less, because a window that starts at no round time has a part of a frame at each end.
    room = MOST_FRAMES - 1
    hours = minutes / _HOUR
    if hours <= MOST_FRAMES:
        return _HOUR if hours <= room or minutes % _HOUR == 0 else 2 * _HOUR
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
    """The frames' length in words: ``hour by hour``, ``every 5 minutes``."""
    step = int(np.diff(edges).max() / np.timedelta64(60, "s"))
    if step == _HOUR:
        return "hour by hour"
    if step % _HOUR == 0:
        return f"every {step // _HOUR} hours"
    return "minute by minute" if step <= 1 else f"every {step} minutes"
