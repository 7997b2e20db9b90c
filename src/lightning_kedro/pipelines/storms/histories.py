"""Lightning jumps: the histories of storms from their births on, and the table of their jumps."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.jumps import (
    ALGORITHMS,
    FOOTPRINT_PERIODS,
    PERIOD_MINUTES,
    find_all_jumps,
)
from lightning_kedro.analysis.storms.motion import measure_lasting_footprints
from lightning_kedro.analysis.storms.pixels import IntArray
from lightning_kedro.pipelines.storms.periods import count_minutes, to_times
from lightning_kedro.pipelines.storms.rows import StormPart

_LEAST_FLASHES: Final = PERIOD_MINUTES * min(algorithm.least_rate for algorithm in ALGORITHMS)
"""Flashes in a period without which there is no jump."""


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Some storms period by period, from their births on, one storm after the other.

    Attributes:
        storms: Which of the part these are, shape (m,).
        firsts: The first period of each since 1970, shape (m,).
        starts: Where the periods of each begin, shape (m,).
        counts: Flashes in each period, shape (periods,).
        areas: Footprint of the flashes of it and of the periods before, shape (periods,), km2.
    """

    storms: IntArray
    firsts: IntArray
    starts: IntArray
    counts: IntArray
    areas: FloatArray


def list_jumps(part: StormPart) -> dict[str, Any]:
    """One row a jump; the storm's flashes before the window count too."""
    rows = part.all_rows
    window = [rows.found.selection.start, rows.found.selection.end]
    start, end = (np.datetime64(time.replace(tzinfo=None), "us") for time in window)
    history = make_histories(part)
    found = [
        (number, history.firsts[number] + jump.period, algorithm.name, jump)
        for algorithm in ALGORITHMS
        for number, jump in find_all_jumps(history.counts, history.areas, history.starts, algorithm)
    ]
    times = to_times(
        np.array([period for _, period, _, _ in found], dtype=np.int64), PERIOD_MINUTES
    )
    inside = (times >= start) & (times < end)
    kept = [row for row, is_inside in zip(found, inside.tolist(), strict=True) if is_inside]
    jumps = [jump for _, _, _, jump in kept]
    storms = part.storms[history.storms[np.array([row[0] for row in kept], dtype=np.int64)]]
    return {
        "storm_id": rows.name(storms),
        "algorithm": [name for _, _, name, _ in kept],
        "jump_time": times[inside],
        "jump_rate_per_minute": [jump.rate for jump in jumps],
        "dfrdt": [jump.dfrdt for jump in jumps],
        "sigma": [jump.sigma for jump in jumps],
        "threshold": [jump.threshold for jump in jumps],
    }


def make_histories(part: StormPart) -> Histories:
    """The histories of the storms of a part.

    Those that could not have a jump, as they never had flashes enough, are left out.
    """
    n = part.every_counts.size
    labels = np.repeat(np.arange(n), part.every_counts)
    _, periods, counts, storms = count_minutes(labels, part.every_time, PERIOD_MINUTES)
    strong = np.zeros(n, dtype=np.bool_)
    strong[storms[counts >= _LEAST_FLASHES]] = True
    mine = np.flatnonzero(strong)
    kept = strong[storms]
    periods, counts, storms = periods[kept], counts[kept], storms[kept]
    edges = np.flatnonzero(np.diff(storms, prepend=-1, append=n))
    firsts, lasts = periods[edges[:-1]], periods[edges[1:] - 1]
    starts = np.concatenate([[0], np.cumsum(lasts - firsts + 1)])
    sizes = np.diff(edges)
    slots = periods + np.repeat(starts[:-1] - firsts, sizes)
    every = np.zeros(int(starts[-1]), dtype=np.int64)
    every[slots] = counts
    of_flash = np.repeat(slots, counts)
    areas = measure_lasting_footprints(
        of_flash,
        part.every_pixel[strong[labels]],
        np.repeat(np.repeat(starts[1:], sizes), counts),
        FOOTPRINT_PERIODS,
    )
    return Histories(mine, firsts, starts[:-1], every, areas)
