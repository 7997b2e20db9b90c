"""The tables of storms: what they are, minute by minute, flash by flash, and their jumps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.motion import (
    find_centroids,
    fit_motion,
    measure_footprints,
)
from lightning_kedro.analysis.storms.pixels import IntArray
from lightning_kedro.analysis.sums import sum_groups
from lightning_kedro.analysis.threads import map_threads
from lightning_kedro.pipelines.storms.flashes import FoundStorms, to_minutes
from lightning_kedro.pipelines.storms.histories import list_jumps
from lightning_kedro.pipelines.storms.periods import count_minutes, sort_columns, to_times
from lightning_kedro.pipelines.storms.rows import StormPart, StormRows
from lightning_kedro.results import STORM_TABLES, Result, make_table
from lightning_kedro.selected_flashes import fingerprint_flashes

_ROWS_PER_BATCH: Final = 8 * 122_880
"""Rows that DuckDB takes at once from a table of millions: whole ones of its row groups.

Batches that end within row groups cost it twice the time, memory and disk."""

_MINUTE: Final = np.timedelta64(1, "m")


def collect_result(found: FoundStorms, request: Mapping[str, Any]) -> Result:
    """Put all tables of a result together.

    Args:
        found: The flashes and their storms.
        request: What was asked for: ``satellite`` and ``run_time`` of the parameters.
    """
    rows = StormRows(found)
    tasks: list[Callable[[], Any]] = [
        partial(list_selection, rows, request),
        partial(list_jumps, rows),
    ]
    tasks += [partial(_describe, part) for part in rows.split()]
    chosen, jumps, *described = map_threads(lambda task: task(), tasks)
    storms, series = zip(*described, strict=True)
    ranks, names = rows.ranks.astype(np.int32), rows.name(rows.storms)
    del tasks, rows  # what it holds of millions of flashes is not needed any more
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


def _describe(part: StormPart) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of some storms, and their series."""
    part = replace(part)  # what this one finds goes with it
    return list_storms(part), list_series(part)


def list_storms(part: StormPart) -> dict[str, Any]:
    """One row a storm."""
    rows, storms, groups, times = part.all_rows, part.storms, part.groups, part.times
    n = storms.size
    centers = find_centroids(groups, part.vectors, n)
    motion = fit_motion(groups, to_minutes(times), part.vectors, centers)
    ends = np.cumsum(part.counts)
    first, last = times[ends - part.counts], times[ends - 1]
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
        "flash_count": part.counts,
        "peak_rate_per_minute": peaks,
        "footprint_km2": measure_footprints(groups, part.pixels, n),
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
    index, minutes, counts, storm = count_minutes(part.groups, part.times, 1)
    n = counts.size
    follows = (np.diff(storm, prepend=-1) == 0) & (np.diff(minutes, prepend=minutes[:1]) == 1)
    before = np.where(follows, np.concatenate([[0], counts[:-1]]) if n else counts, 0)
    centers = find_centroids(index, part.vectors, n)
    return {
        "storm_id": part.ranks.start + storm,  # sort_series makes identifiers of them
        "minute": to_times(minutes, 1),
        "flash_count": counts,
        "rate_per_minute": (counts + before) / 2.0,
        "footprint_km2": measure_footprints(index, part.pixels, n),
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
    table = pa.Table.from_batches(table.to_batches(_ROWS_PER_BATCH), table.schema)
    columns = ("granule_start", "flash_id", "time", "lat", "lon")
    known = pa.array(ranks, mask=ranks < 0)
    return {
        "flash_platform": table.column("platform"),
        **{name: table.column(name) for name in columns},
        "storm": known,
        "storm_id": pa.DictionaryArray.from_arrays(known, pa.array(names, pa.string())),
    }


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
