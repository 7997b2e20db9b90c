"""The tables of storms: what they are, minute by minute, flash by flash, and their jumps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.sphere import FloatArray, to_lat_lon
from lightning_kedro.analysis.storms.motion import fit_motion, measure_footprints
from lightning_kedro.analysis.storms.pixels import IntArray
from lightning_kedro.analysis.sums import sum_runs
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
    tasks: list[Callable[[], Any]] = [partial(_describe, part) for part in rows.split()]
    tasks.append(partial(list_selection, rows, request))
    *described, chosen = map_threads(lambda task: task(), tasks)
    storms, series, jumps = zip(*described, strict=True)
    ranks, names = rows.ranks.astype(np.int32), rows.name(rows.storms)
    del tasks, rows  # what it holds of millions of flashes is not needed any more
    columns = {
        "storms": sort_columns(join_columns(storms), "storm_id"),
        "storm_series": sort_series(join_columns(series), names),
        "storm_flashes": list_flashes(found, ranks, names),
        "lightning_jumps": sort_columns(join_columns(jumps), "storm_id", "algorithm", "jump_time"),
        "storm_selection": chosen,
    }
    tables = {
        name: make_table(name, found.selection, mine, coded=name == "storm_flashes")
        for name, mine in columns.items()
    }
    return Result(found.selection, tables, STORM_TABLES)


def _describe(part: StormPart) -> tuple[dict[str, Any], ...]:
    """The rows of some storms, their series and their jumps."""
    part = replace(part)  # what this one finds goes with it
    minutes = MinuteSums.of(part)
    return list_storms(part, minutes), list_series(part, minutes), list_jumps(part)


@dataclass(frozen=True, slots=True, eq=False)
class MinuteSums:
    """Flashes of storms minute by minute, storm by storm.

    Attributes:
        minutes: Minutes since 1970 that have flashes, shape (rows,).
        counts: Flashes in each, shape (rows,).
        storm: The storm of each, from 0, rising, shape (rows,).
        index: The row that each flash is in, shape (n,).
        vectors: Sums of their places as unit vectors, shape (3, rows).
        energy: Sums of their energies, J, and how many of these are known, shape (2, rows).
        area: Sums of their areas, km2, and how many of these are known, shape (2, rows).
    """

    minutes: IntArray
    counts: IntArray
    storm: IntArray
    index: IntArray
    vectors: FloatArray
    energy: FloatArray
    area: FloatArray

    @classmethod
    def of(cls, part: StormPart) -> Self:
        """Sum the flashes of a part."""
        index, minutes, counts, storm = count_minutes(part.groups, part.times, 1)
        starts = np.cumsum(counts) - counts
        return cls(
            minutes=minutes,
            counts=counts,
            storm=storm,
            index=index,
            vectors=sum_runs(starts, np.ascontiguousarray(part.vectors.T)),
            energy=sum_known(starts, part.take("energy_j")),
            area=sum_known(starts, part.take("area_km2")),
        )


def list_storms(part: StormPart, sums: MinuteSums) -> dict[str, Any]:
    """One row a storm."""
    rows, storms, groups, times = part.all_rows, part.storms, part.groups, part.times
    n = storms.size
    starts = np.flatnonzero(np.diff(sums.storm, prepend=-1))  # those of its minutes
    vectors, energy, area = (
        sum_runs(starts, values) for values in (sums.vectors, sums.energy, sums.area)
    )
    centers = to_lat_lon(vectors.T)
    motion = fit_motion(groups, to_minutes(times), part.vectors, centers)
    counts = sum_runs(starts, sums.counts).astype(np.int64)
    ends = np.cumsum(counts)
    first, last = times[ends - counts], times[ends - 1]
    tracks = rows.found.tracks
    return {
        "storm_id": rows.name(storms),
        "storm": np.arange(n) + part.ranks.start,
        "born": rows.times[rows.lives.first[storms]],
        "first_time": first,
        "last_time": last,
        "duration_minutes": (last - first) / _MINUTE,
        "continues": rows.lives.last[storms] >= rows.found.window.stop,
        "flash_count": counts,
        "peak_rate_per_minute": np.maximum.reduceat(sums.counts, starts) if n else starts,
        "footprint_km2": measure_footprints(groups, part.pixels, n),
        "energy_j": drop_unknown(energy),
        "mean_flash_area_km2": drop_unknown(area) / np.maximum(area[1], 1.0),
        "lat": centers[0],
        "lon": centers[1],
        "speed_m_s": motion.speed_m_s,
        "direction_deg": motion.direction_deg,
        "track_r_squared": motion.r_squared,
        "split_from": rows.name(tracks.split_from[storms]),
        "merged_into": rows.name(tracks.merged_into[storms]),
    }


def list_series(part: StormPart, sums: MinuteSums) -> dict[str, Any]:
    """One row a storm and minute."""
    minutes, counts, storm, n = sums.minutes, sums.counts, sums.storm, sums.counts.size
    follows = (np.diff(storm, prepend=-1) == 0) & (np.diff(minutes, prepend=minutes[:1]) == 1)
    before = np.where(follows, np.concatenate([[0], counts[:-1]]) if n else counts, 0)
    centers = to_lat_lon(sums.vectors.T)
    return {
        "storm_id": part.ranks.start + storm,  # sort_series makes identifiers of them
        "minute": to_times(minutes, 1),
        "flash_count": counts,
        "rate_per_minute": (counts + before) / 2.0,
        "footprint_km2": measure_footprints(sums.index, part.pixels, n),
        "lat": centers[0],
        "lon": centers[1],
        "mean_flash_area_km2": drop_unknown(sums.area) / np.maximum(sums.area[1], 1.0),
        "energy_j": drop_unknown(sums.energy),
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


def sum_known(starts: IntArray, values: FloatArray) -> FloatArray:
    """Sums by run of the values that are known, and how many these are, shape (2, runs)."""
    known = np.isfinite(values)
    return sum_runs(starts, np.stack([np.where(known, values, 0.0), known]))


def drop_unknown(sums: FloatArray) -> FloatArray:
    """Sums as ``sum_known`` gives them, NaN where no value is known, shape (runs,)."""
    return np.where(sums[1] > 0.0, sums[0], np.nan)


def join_columns(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The columns of parts, one after the other."""
    joined: dict[str, Any] = {}
    for name, first in parts[0].items():
        columns = [part[name] for part in parts]
        is_list = isinstance(first, list)
        joined[name] = [*chain(*columns)] if is_list else np.concatenate(columns)
    return joined
