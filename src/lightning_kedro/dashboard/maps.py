"""The data of the interactive map of a result, by cluster or by storm."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.details import (
    CLUSTERED,
    TRACKED,
    count_flashes,
    flash_table,
    read_granules,
)
from lightning_kedro.dashboard.stored import OF_KEY, StoredResult
from lightning_kedro.pipelines.reporting.cluster_map import (
    MAP_ASPECT,
    ClusteredWindow,
    read_clustered,
)
from lightning_kedro.pipelines.reporting.flash_rate import find_gaps
from lightning_kedro.pipelines.reporting.frames import choose_frames
from lightning_kedro.pipelines.reporting.interactive_map import MOST_FLASHES, gather_map_data
from lightning_kedro.pipelines.reporting.maps import Extent, choose_extent
from lightning_kedro.pipelines.reporting.storm_window import Minutes, StormWindow, read_storms
from lightning_kedro.pipelines.reporting.window import Times, Window
from lightning_kedro.results import STORM_TABLES, Result

if TYPE_CHECKING:
    import pyarrow as pa

HASHES: Final = 2**64
"""DuckDB's hashes are below this, evenly spread."""


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
        clustered: The flashes that are drawn, and the clusters.
        storms: The storms of these flashes.
        gaps: Start and end of each gap in coverage, shape (g, 2), UTC.
        counts: All flashes by step of time.
        by: What is shown at first: ``cluster`` or ``storm``.
        other: The flashes that are drawn of a result that this one is compared with.
    """

    clustered: ClusteredWindow
    storms: StormWindow
    gaps: Times
    counts: list[int]
    by: str
    other: ClusteredWindow | None

    def gather(self) -> dict[str, Any]:
        """All that the map needs but for the basemap."""
        extent = None if self.other is None else _fit_both(self.clustered, self.other)
        data = gather_map_data(self.clustered, self.storms, self.gaps, extent)
        return data | {"counts": self.counts, "total": sum(self.counts), "kind": f"{self.by}s"}


def read_map(
    tables: Tables, stored: StoredResult, by: str, other: StoredResult | None = None
) -> MapParts:
    """Read what the map of a result needs.

    Args:
        tables: The open database.
        stored: The result.
        by: What is shown at first: ``cluster`` or ``storm``.
        other: A result that it is compared with: the map then shows what has room for both.
    """
    flashes = _sample_groups(tables, stored)
    clustered, gaps = _read_clusters(tables, stored, flashes)
    edges = choose_frames(clustered.window.start, clustered.window.end)
    (counts,) = count_flashes(tables, flash_table(stored), stored, edges)
    storms = _read_storms(tables, stored, flashes)
    beside = None
    if other is not None:
        beside, _ = _read_clusters(tables, other, _sample_groups(tables, other))
    return MapParts(clustered, storms, gaps, counts.tolist(), by, beside)


def _sample_groups(tables: Tables, stored: StoredResult) -> "pa.Table":
    """The flashes of a result that are drawn; all in one group where they were not clustered."""
    table = flash_table(stored)
    return sample_flashes(tables, stored, table, "cluster" if table == CLUSTERED else "0")


def _read_clusters(
    tables: Tables, stored: StoredResult, flashes: "pa.Table"
) -> tuple[ClusteredWindow, Times]:
    """A result's flashes and clusters, and the gaps in its coverage."""
    granules = read_granules(tables, stored)
    window = Window.read(stored.selection, granules)
    centers = tables.select("cluster_centers", (), OF_KEY, [*stored.key]).to_pandas()
    clustered = read_clustered(flashes, centers, window, simulated=stored.simulated)
    return replace(clustered, total=stored.n_flashes), find_gaps(granules, window)


def _read_storms(tables: Tables, stored: StoredResult, flashes: "pa.Table") -> StormWindow:
    """The storms of the flashes that are drawn."""
    if stored.n_storms is None:
        return read_storms(None, flashes)
    found = {
        name: tables.select(name, (), OF_KEY, [*stored.key])
        for name in STORM_TABLES
        if name != TRACKED
    }
    found[TRACKED] = sample_flashes(tables, stored, TRACKED, "storm", "storm")
    return keep_drawn(read_storms(Result(stored.selection, found, STORM_TABLES), flashes))


def keep_drawn(storms: StormWindow) -> StormWindow:
    """The storms up to the first of which no flash is drawn; the flashes of others are in none.

    Of a sample the smallest storms may have no flash: there is nothing to draw an outline about.
    """
    drawn = np.bincount(storms.labels[storms.labels >= 0], minlength=len(storms)) > 0
    count = int(np.argmin(np.append(drawn, False)))
    within = storms.minutes.storm < count
    minutes = (getattr(storms.minutes, name)[within] for name in Minutes.__dataclass_fields__)
    return replace(
        storms,
        storms=storms.storms[:count],
        minutes=Minutes(*minutes),
        jumps=storms.jumps[storms.jumps["storm"] < count],
        labels=np.where(storms.labels < count, storms.labels, -1).astype(np.int32),
        colours=storms.colours[:count],
        shapes=None,
    )


def sample_flashes(
    tables: Tables,
    stored: StoredResult,
    table: str,
    group: str,
    name: str = "cluster",
    most: int = MOST_FLASHES,
) -> "pa.Table":
    """The flashes of a result, or about so many of them: always the same ones.

    Args:
        tables: The open database.
        stored: The result.
        table: ``clustered_flashes`` or ``storm_flashes``.
        group: What the flashes are told apart by: a column, or a number for all.
        name: What the column with it is called.
        most: How many flashes, about, at most.

    Returns:
        Columns ``time``, ``lat``, ``lon`` and the group, in order of time. Those of both tables are
        the same flashes in the same order.
    """
    names = "flash_platform, granule_start, flash_id"
    ((total,),) = tables.rows(
        f"SELECT count(*) FROM {tables.source(table)} WHERE {OF_KEY}",  # noqa: S608
        [*stored.key],
    )
    highest = HASHES - 1 if total <= most else HASHES * most // total
    return tables.select(
        table,
        ("time", "lat", "lon", f"{group}::INTEGER AS {name}"),
        f"{OF_KEY} AND hash({names}) <= ?::UBIGINT",
        [*stored.key, highest],
        f"ORDER BY time, {names}",
    )


def _fit_both(left: ClusteredWindow, right: ClusteredWindow) -> Extent:
    """What part of the Earth has room for two results."""
    points = [one.window.show_points(one.lat, one.lon) for one in (left, right)]
    lat, lon = (np.concatenate([one[axis] for one in points]) for axis in range(2))
    return choose_extent(lat, lon, MAP_ASPECT)
