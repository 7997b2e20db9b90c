"""The data of the interactive map of a result, by cluster or by storm."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.details import (
    CLUSTERED,
    count_flashes,
    flash_table,
    read_granules,
)
from lightning_kedro.dashboard.stored import OF_KEY, StoredResult
from lightning_kedro.dashboard.storms import (
    MOST_NUMBERED,
    read_largest,
    read_series,
    trace_tracks,
)
from lightning_kedro.pipelines.reporting.cluster_map import (
    MAP_ASPECT,
    ClusteredWindow,
    read_clustered,
)
from lightning_kedro.pipelines.reporting.flash_rate import find_gaps
from lightning_kedro.pipelines.reporting.frames import choose_frames
from lightning_kedro.pipelines.reporting.interactive_map import MOST_FLASHES, gather_map_data
from lightning_kedro.pipelines.reporting.maps import Extent, choose_extent
from lightning_kedro.pipelines.reporting.window import Times, Window

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HASHES: Final = 2**64
"""DuckDB's hashes are below this, evenly spread."""

_OTHER_COLOR: Final = "#6B7987"
"""Of flashes in no storm, or in one without a number."""


def describe_sample(n_flashes: int) -> str:
    """Say that the map shows fewer flashes than there are; "" if it shows all."""
    if n_flashes <= MOST_FLASHES:
        return ""
    return (
        f"The map draws about {MOST_FLASHES:,} of the {n_flashes:,} flashes, always the same ones, "
        f"chosen evenly by a hash of their identifiers; all numbers and bars count all flashes."
    )


@dataclass(frozen=True, slots=True, eq=False)
class MapParts:
    """What the map of a result is made from, once the database is closed again.

    Attributes:
        clustered: The flashes that are drawn, by cluster or storm.
        gaps: Start and end of each gap in coverage, shape (g, 2), UTC.
        counts: All flashes by step of time.
        tracks: Where each numbered storm came along; None for clusters.
        other: The flashes that are drawn of a result that this one is compared with.
    """

    clustered: ClusteredWindow
    gaps: Times
    counts: list[int]
    tracks: list[list[list[float]]] | None
    other: ClusteredWindow | None

    def gather(self) -> dict[str, Any]:
        """All that the map needs but for the basemap."""
        extent = None if self.other is None else _fit_both(self.clustered, self.other)
        data = gather_map_data(self.clustered, self.gaps, extent)
        data |= {"counts": self.counts, "total": sum(self.counts)}
        return data if self.tracks is None else data | _number_storms(data, self.tracks)


def read_map(
    tables: Tables, stored: StoredResult, by: str, other: StoredResult | None = None
) -> MapParts:
    """Read what the map of a result needs.

    Args:
        tables: The open database.
        stored: The result.
        by: ``cluster`` or ``storm``; the other where the result has only that.
        other: A result that it is compared with: the map then shows what has room for both.
    """
    clustered, gaps = _read_flashes(tables, stored, by)
    table = flash_table(stored, by)
    edges = choose_frames(clustered.window.start, clustered.window.end)
    (counts,) = count_flashes(tables, table, stored, edges)
    beside = None if other is None else _read_flashes(tables, other, by)[0]
    tracks = None if table == CLUSTERED else _read_tracks(tables, stored)
    return MapParts(clustered, gaps, counts.tolist(), tracks, beside)


def _read_flashes(tables: Tables, stored: StoredResult, by: str) -> tuple[ClusteredWindow, Times]:
    """The flashes of a result that are drawn, and the gaps in its coverage."""
    granules = read_granules(tables, stored)
    window = Window.read(stored.selection, granules)
    table = flash_table(stored, by)
    centers = (
        tables.select("cluster_centers", (), OF_KEY, [*stored.key]).to_pandas()
        if table == CLUSTERED
        else _make_centers(read_largest(tables, stored, MOST_NUMBERED))
    )
    flashes = sample_flashes(tables, stored, table, len(centers))
    clustered = read_clustered(flashes, centers, window, simulated=stored.simulated)
    return replace(clustered, total=stored.n_flashes), find_gaps(granules, window)


def sample_flashes(
    tables: Tables, stored: StoredResult, table: str, n_groups: int = 0, most: int = MOST_FLASHES
) -> "pa.Table":
    """The flashes of a result, or about so many of them: always the same ones.

    Args:
        tables: The open database.
        stored: The result.
        table: ``clustered_flashes`` or ``storm_flashes``.
        n_groups: Number of storms that have a number of their own; the others share the next.
        most: How many flashes, about, at most.

    Returns:
        Columns ``time``, ``lat``, ``lon`` and ``cluster``, in order of time.
    """
    names = ("flash_platform", "granule_start", "flash_id")
    group = "cluster"
    if table != CLUSTERED:
        group = f"(CASE WHEN storm BETWEEN 0 AND {n_groups - 1} THEN storm ELSE {n_groups} END)"
    ((total,),) = tables.rows(
        f"SELECT count(*) FROM {tables.source(table)} WHERE {OF_KEY}",  # noqa: S608
        [*stored.key],
    )
    highest = HASHES - 1 if total <= most else HASHES * most // total
    return tables.select(
        table,
        ("time", "lat", "lon", f"{group}::INTEGER AS cluster"),
        f"{OF_KEY} AND hash({', '.join(names)}) <= ?::UBIGINT",
        [*stored.key, highest],
        f"ORDER BY time, {', '.join(names)}",
    )


def _make_centers(storms: "pd.DataFrame") -> "pd.DataFrame":
    """Storms as the map takes clusters; their radius is that of a circle as large as they are."""
    columns = {"storm": "cluster", "lat": "lat", "lon": "lon", "flash_count": "flash_count"}
    centers = storms[[*columns]].rename(columns=columns)
    footprint = storms["footprint_km2"].fillna(0.0).to_numpy()
    return centers.assign(rms_radius_km=np.sqrt(footprint / np.pi))


def _read_tracks(tables: Tables, stored: StoredResult) -> list[list[list[float]]]:
    """Where each numbered storm came along, in the order of their numbers."""
    largest = read_largest(tables, stored, MOST_NUMBERED)
    return trace_tracks(read_series(tables, stored, largest["storm_id"].tolist()), largest)


def _number_storms(data: dict[str, Any], tracks: list[list[list[float]]]) -> dict[str, Any]:
    """What maps of storms have besides: tracks, and a color for flashes without a number."""
    other = {"lat": 0.0, "lon": 0.0, "count": 0, "radius": 0.0, "colour": len(data["colours"])}
    lines = [
        {"colour": one["colour"], "line": line}
        for one, line in zip(data["clusters"], tracks, strict=True)
    ]
    return {
        "noun": "storm",
        "tracks": lines,
        "colours": [*data["colours"], _OTHER_COLOR],
        "clusters": [*data["clusters"], {"number": None, **other}],
    }


def _fit_both(left: ClusteredWindow, right: ClusteredWindow) -> Extent:
    """What part of the Earth has room for two results."""
    points = [one.window.show_points(one.lat, one.lon) for one in (left, right)]
    lat, lon = (np.concatenate([one[axis] for one in points]) for axis in range(2))
    return choose_extent(lat, lon, MAP_ASPECT)
