"""Lightning jumps: the histories of storms from their births on, and the table of their jumps."""

from collections.abc import Iterator
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
from lightning_kedro.analysis.storms.motion import find_pixels, measure_lasting_footprints
from lightning_kedro.analysis.storms.pixels import IntArray, sort_keys
from lightning_kedro.pipelines.storms.periods import (
    count_minutes,
    count_periods,
    sort_columns,
    to_times,
)
from lightning_kedro.pipelines.storms.rows import StormRows, split_groups

_LEAST_FLASHES: Final = PERIOD_MINUTES * min(algorithm.least_rate for algorithm in ALGORITHMS)
"""Flashes in a period without which there is no jump."""


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Some storms period by period, from their births on, one storm after the other.

    Attributes:
        storms: Their numbers, shape (m,).
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


def list_jumps(rows: StormRows) -> dict[str, Any]:
    """One row a jump; the storm's flashes before the window count too."""
    names = ("storm_id", "algorithm", "jump_time", "jump_rate_per_minute", "dfrdt", "sigma")
    found: list[dict[str, Any]] = []
    window = [rows.found.selection.start, rows.found.selection.end]
    start, end = (np.datetime64(time.replace(tzinfo=None), "us") for time in window)
    for part in list_histories(rows):
        for algorithm in ALGORITHMS:
            for number, jump in find_all_jumps(part.counts, part.areas, part.starts, algorithm):
                time = to_times(part.firsts[[number]] + jump.period, PERIOD_MINUTES)[0]
                if start <= time < end:
                    values = (rows.names[part.storms[number]], algorithm.name, time)
                    numbers = (jump.rate, jump.dfrdt, jump.sigma)
                    row = dict(zip(names, (*values, *numbers), strict=True))
                    found.append(row | {"threshold": jump.threshold})
    columns: dict[str, Any] = {name: [row[name] for row in found] for name in (*names, "threshold")}
    columns["jump_time"] = np.array(columns["jump_time"], dtype="datetime64[us]")
    return sort_columns(columns, "storm_id", "algorithm", "jump_time")


def list_histories(rows: StormRows) -> Iterator[Histories]:
    """The histories of the storms of the window, some at a time.

    Those that could not have a jump, as they never had flashes enough, are left out.
    """
    labels, n = rows.found.tracks.labels, rows.lives.first.size
    wanted = np.zeros(n + 1, dtype=np.bool_)  # the last one is for noise
    wanted[rows.storms] = True
    wanted[:n] &= np.bincount(labels + 1, minlength=n + 1)[1:] >= _LEAST_FLASHES
    mine = np.flatnonzero(wanted[labels])
    of_storm, order = sort_keys(labels[mine])
    mine = mine[order]
    edges = np.flatnonzero(np.diff(of_storm, prepend=-1, append=-1))
    for _, flashes in split_groups(np.diff(edges)):
        part, of_part = mine[flashes], of_storm[flashes]
        _, _, counts, storm = count_minutes(of_part, rows.times[part], PERIOD_MINUTES)
        strong = np.zeros(n, dtype=np.bool_)
        strong[storm[counts >= _LEAST_FLASHES]] = True
        kept = np.flatnonzero(strong[of_part])
        if kept.size:
            yield _make_histories(rows, part[kept], of_part[kept])


def _make_histories(rows: StormRows, mine: IntArray, labels: IntArray) -> Histories:
    """The histories of some storms.

    Args:
        rows: The flashes.
        mine: Some of them, storm by storm, shape (n,).
        labels: Their storms, shape (n,).
    """
    periods = count_periods(rows.times[mine], PERIOD_MINUTES)
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    counts = np.diff(edges)
    firsts, lasts = periods[edges[:-1]], periods[edges[1:] - 1]
    starts = np.concatenate([[0], np.cumsum(lasts - firsts + 1)])
    slots = periods + np.repeat(starts[:-1] - firsts, counts)
    pixels = find_pixels(rows.take("lat", mine), rows.take("lon", mine))
    ends = np.repeat(starts[1:], counts)
    return Histories(
        storms=labels[edges[:-1]],
        firsts=firsts,
        starts=starts[:-1],
        counts=np.bincount(slots, minlength=starts[-1]),
        areas=measure_lasting_footprints(slots, pixels, ends, FOOTPRINT_PERIODS),
    )
