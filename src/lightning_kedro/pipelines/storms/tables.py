"""The tables of storms: what they are, minute by minute, flash by flash, and their jumps."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.finding import find_lives
from lightning_kedro.analysis.storms.jumps import (
    ALGORITHMS,
    FOOTPRINT_PERIODS,
    PERIOD_MINUTES,
    find_jumps,
)
from lightning_kedro.analysis.storms.motion import (
    find_centroids,
    find_pixels,
    fit_motion,
    measure_footprints,
)
from lightning_kedro.analysis.storms.pixels import IntArray, number_keys
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.pipelines.storms.flashes import FoundStorms, to_minutes
from lightning_kedro.pipelines.storms.rows import StormPart, StormRows, split_groups
from lightning_kedro.results import STORM_TABLES, Result, make_table
from lightning_kedro.selected_flashes import fingerprint_flashes

_LEAST_FLASHES: Final = PERIOD_MINUTES * min(algorithm.least_rate for algorithm in ALGORITHMS)
"""Flashes in a period without which there is no jump."""

_MINUTE: Final = np.timedelta64(1, "m")


def collect_result(found: FoundStorms, request: Mapping[str, Any]) -> Result:
    """Put all tables of a result together.

    Args:
        found: The flashes and their storms.
        request: What was asked for: ``satellite`` and ``run_time`` of the parameters.
    """
    rows = StormRows(found)
    storms, series = [], []
    for part in rows.split():
        storms.append(list_storms(part))
        series.append(list_series(part))
    jumps, chosen = list_jumps(rows), list_selection(rows, request)
    ranks, names = rows.ranks.astype(np.int32), rows.name(rows.storms)
    del part, rows  # what they hold of millions of flashes is not needed any more
    columns = {
        "storms": sort_columns(join_columns(storms), "storm_id"),
        "storm_series": sort_series(join_columns(series), names),
        "storm_flashes": list_flashes(found, ranks, names),
        "lightning_jumps": jumps,
        "storm_selection": chosen,
    }
    tables = {
        name: make_table(name, found.selection, mine, coded=name == "storm_flashes")
        for name, mine in columns.items()
    }
    return Result(found.selection, tables, STORM_TABLES)


def list_storms(part: StormPart) -> dict[str, Any]:
    """One row a storm."""
    rows, storms, groups, times = part.all_rows, part.storms, part.groups, part.times
    n, lat, lon = storms.size, part.take("lat"), part.take("lon")
    centers = find_centroids(groups, lat, lon, n)
    motion = fit_motion(groups, to_minutes(times), lat, lon, centers)
    lives = find_lives(groups)
    first, last = times[lives.first], times[lives.last]
    _, _, counts, storm = count_minutes(groups, times, 1)
    peaks = np.zeros(n, dtype=np.int64)
    np.maximum.at(peaks, storm, counts)
    tracks = rows.found.tracks
    return {
        "storm_id": rows.name(storms),
        "storm": np.arange(n) + part.ranks.start,
        "born": rows.times[rows.lives.first[storms]],
        "first_time": first,
        "last_time": last,
        "duration_minutes": (last - first) / _MINUTE,
        "continues": rows.lives.last[storms] >= rows.found.window.stop,
        "flash_count": np.bincount(groups, minlength=n),
        "peak_rate_per_minute": peaks,
        "footprint_km2": measure_footprints(groups, part.find_pixels(), n),
        "energy_j": sum_known(groups, part.take("energy_j"), n)[0],
        "mean_flash_area_km2": average_known(groups, part.take("area_km2"), n),
        "lat": centers[0],
        "lon": centers[1],
        "speed_m_s": motion.speed_m_s,
        "direction_deg": motion.direction_deg,
        "track_r_squared": motion.r_squared,
        "split_from": rows.name(tracks.split_from[storms]),
        "merged_into": rows.name(tracks.merged_into[storms]),
    }


def list_series(part: StormPart) -> dict[str, Any]:
    """One row a storm and minute."""
    lat, lon = part.take("lat"), part.take("lon")
    index, minutes, counts, storm = count_minutes(part.groups, part.times, 1)
    n = counts.size
    follows = (np.diff(storm, prepend=-1) == 0) & (np.diff(minutes, prepend=minutes[:1]) == 1)
    before = np.where(follows, np.concatenate([[0], counts[:-1]]) if n else counts, 0)
    centers = find_centroids(index, lat, lon, n)
    return {
        "storm_id": part.ranks.start + storm,  # sort_series makes identifiers of them
        "minute": to_times(minutes, 1),
        "flash_count": counts,
        "rate_per_minute": (counts + before) / 2.0,
        "footprint_km2": measure_footprints(index, part.find_pixels(), n),
        "lat": centers[0],
        "lon": centers[1],
        "mean_flash_area_km2": average_known(index, part.take("area_km2"), n),
        "energy_j": sum_known(index, part.take("energy_j"), n)[0],
    }


def sort_series(columns: dict[str, Any], names: Sequence[str | None]) -> dict[str, Any]:
    """The series in the order of their key, with identifiers, dictionary-coded, for numbers."""
    import pyarrow as pa

    order = np.argsort(np.array(names, dtype=np.str_), kind="stable")
    place = np.empty(order.size, dtype=np.int32)
    place[order] = np.arange(order.size)
    columns = sort_columns(columns | {"storm_id": place[columns["storm_id"]]}, "storm_id", "minute")
    sorted_names = pa.array([names[number] for number in order.tolist()], pa.string())
    coded = pa.DictionaryArray.from_arrays(pa.array(columns["storm_id"]), sorted_names)
    return columns | {"storm_id": coded}


def list_flashes(
    found: FoundStorms, ranks: npt.NDArray[np.int32], names: Sequence[str | None]
) -> dict[str, Any]:
    """One row a flash of the window, noise included.

    Args:
        found: The flashes.
        ranks: Storm of each flash of the window, shape (n,); -1 for noise.
        names: Identifiers of the storms.
    """
    import pyarrow as pa

    table = found.table.slice(found.window.start, ranks.size)
    columns = ("granule_start", "flash_id", "time", "lat", "lon")
    known = pa.array(ranks, mask=ranks < 0)
    return {
        "flash_platform": table.column("platform"),
        **{name: table.column(name) for name in columns},
        "storm": known,
        "storm_id": pa.DictionaryArray.from_arrays(known, pa.array(names, pa.string())),
    }


def list_jumps(rows: StormRows) -> dict[str, Any]:
    """One row a jump; the storm's flashes before the window count too."""
    names = ("storm_id", "algorithm", "jump_time", "jump_rate_per_minute", "dfrdt", "sigma")
    found: list[dict[str, Any]] = []
    window = [rows.found.selection.start, rows.found.selection.end]
    start, end = (np.datetime64(time.replace(tzinfo=None), "us") for time in window)
    for storm, first, counts, areas in list_histories(rows):
        for algorithm in ALGORITHMS:
            for jump in find_jumps(counts, areas, algorithm):
                time = to_times(np.array([first + jump.period]), PERIOD_MINUTES)[0]
                if start <= time < end:
                    values = (rows.names[storm], algorithm.name, time)
                    numbers = (jump.rate, jump.dfrdt, jump.sigma)
                    row = dict(zip(names, (*values, *numbers), strict=True))
                    found.append(row | {"threshold": jump.threshold})
    columns: dict[str, Any] = {name: [row[name] for row in found] for name in (*names, "threshold")}
    columns["jump_time"] = np.array(columns["jump_time"], dtype="datetime64[us]")
    return sort_columns(columns, "storm_id", "algorithm", "jump_time")


def list_histories(rows: StormRows) -> Iterator[tuple[int, int, IntArray, FloatArray]]:
    """Storms with their first period, and flashes and footprints by period, from their births on.

    Those that could not have a jump, as they never had flashes enough, are left out.
    """
    labels, n = rows.found.tracks.labels, rows.lives.first.size
    wanted = np.zeros(n + 1, dtype=np.bool_)  # the last one is for noise
    wanted[rows.storms] = True
    wanted[:n] &= np.bincount(labels + 1, minlength=n + 1)[1:] >= _LEAST_FLASHES
    mine = np.flatnonzero(wanted[labels])
    mine = mine[np.argsort(labels[mine], kind="stable")]
    edges = np.flatnonzero(np.diff(labels[mine], prepend=-1, append=-1))
    for _, flashes in split_groups(np.diff(edges)):
        part = mine[flashes]
        _, _, counts, storm = count_minutes(labels[part], rows.times[part], PERIOD_MINUTES)
        strong = np.zeros(n, dtype=np.bool_)
        strong[storm[counts >= _LEAST_FLASHES]] = True
        yield from _list_part(rows, part[strong[labels[part]]])


def _list_part(rows: StormRows, mine: IntArray) -> Iterator[tuple[int, int, IntArray, FloatArray]]:
    """The histories of some storms; ``mine`` are their flashes, storm by storm."""
    if mine.size == 0:
        return
    labels = rows.found.tracks.labels[mine]
    periods = count_periods(rows.times[mine], PERIOD_MINUTES)
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    storms, firsts, lasts = labels[edges[:-1]], periods[edges[:-1]], periods[edges[1:] - 1]
    starts = np.concatenate([[0], np.cumsum(lasts - firsts + 1)])
    slots = periods + np.repeat(starts[:-1] - firsts, np.diff(edges))
    history = np.bincount(slots, minlength=starts[-1])
    areas = _spread(rows, mine, slots, np.repeat(starts[1:], np.diff(edges)))
    spans = pairwise(starts.tolist())
    for storm, first, (low, high) in zip(storms.tolist(), firsts.tolist(), spans, strict=True):
        yield storm, first, history[low:high], areas[low:high]


def _spread(rows: StormRows, flashes: IntArray, slots: IntArray, ends: IntArray) -> FloatArray:
    """Footprints of the flashes of the last periods, km2, for each period of each storm.

    Args:
        rows: The flashes.
        flashes: Some of them, shape (n,).
        slots: Period of each, counted through all periods of all storms, shape (n,).
        ends: The end of its storm's periods, shape (n,).
    """
    pixels = find_pixels(rows.take("lat", flashes), rows.take("lon", flashes))
    groups, seen = [], []
    for shift in range(FOOTPRINT_PERIODS):
        kept = slots + shift < ends
        groups.append(slots[kept] + shift)
        seen.append(pixels[kept])
    return measure_footprints(np.concatenate(groups), np.concatenate(seen), int(ends.max()))


def list_selection(rows: StormRows, request: Mapping[str, Any]) -> dict[str, Any]:
    """Of what the result is, how it was made, and how much was found: one row."""
    found = rows.found
    n_flashes = int(rows.ranks.size)
    row = {
        "satellite": request["satellite"],
        **found.options.to_columns(),
        "n_flashes": n_flashes,
        "n_storms": int(rows.storms.size),
        "n_noise": int(np.count_nonzero(rows.ranks < 0)),
        "n_surrounding": int(rows.times.size) - n_flashes,
        "look_start": found.looked_at.start.replace(tzinfo=None),
        "look_end": found.looked_at.end.replace(tzinfo=None),
        "flashes_fingerprint": fingerprint_flashes(found.table),
        "code_version": __version__,
        "run_time": datetime.fromisoformat(request["run_time"]),
    }
    return {name: [value] for name, value in row.items()}


def count_periods(times: npt.NDArray[np.datetime64], length_minutes: int) -> IntArray:
    """The period since 1970 in which each time lies, shape (n,)."""
    return times.view(np.int64) // (length_minutes * 60_000_000)


def to_times(periods: IntArray, length_minutes: int) -> npt.NDArray[np.datetime64]:
    """When periods since 1970 begin, datetime64[us], shape (n,)."""
    return np.asarray((periods * (length_minutes * 60_000_000)).astype("datetime64[us]"))


def count_minutes(
    groups: IntArray, times: npt.NDArray[np.datetime64], length_minutes: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Count flashes by storm and period.

    Args:
        groups: Storm of each flash, shape (n,).
        times: Times, datetime64[us], shape (n,).
        length_minutes: Length of a period, minutes.

    Returns:
        The storm's period that each flash is in, shape (n,); and the periods since 1970, the
        flashes in each, and the storms, shape (periods that have flashes,).
    """
    periods = count_periods(times, length_minutes)
    base, last = (int(periods.min()), int(periods.max())) if periods.size else (0, 0)
    stride = last - base + 1
    keys, counts, index = number_keys(groups * stride + (periods - base))
    storm, period = np.divmod(keys, stride)
    return index, period + base, counts, storm


def sum_known(groups: IntArray, values: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Sums by group of the values that are known, NaN where none is; and how many are."""
    known = np.isfinite(values)
    counts = np.bincount(groups[known], minlength=n).astype(np.float64)
    sums = sum_groups(groups[known], values[known], n)
    return np.where(counts > 0.0, sums, np.nan), counts


def average_known(groups: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Means by group of the values that are known, NaN where none is."""
    sums, counts = sum_known(groups, values, n)
    return np.asarray(sums / np.maximum(counts, 1.0))


def join_columns(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The columns of parts, one after the other."""
    joined: dict[str, Any] = {}
    for name, first in parts[0].items():
        columns = [part[name] for part in parts]
        is_list = isinstance(first, list)
        joined[name] = [*chain(*columns)] if is_list else np.concatenate(columns)
    return joined


def sort_columns(columns: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The rows in the order of some columns, as the table's key has it."""
    arrays = [np.asarray(columns[key]) for key in keys]
    order = np.lexsort(arrays[::-1]) if arrays[0].size else np.empty(0, dtype=np.int64)
    sorted_columns = {}
    for name, values in columns.items():
        if isinstance(values, list):
            sorted_columns[name] = [values[row] for row in order.tolist()]
        else:
            sorted_columns[name] = values[order]
    return sorted_columns
