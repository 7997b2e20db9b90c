"""Lightning for the tests of grids: flashes made of events where a test wants them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from lightning_kedro.analysis.grids.building import GridBuilder, Lightning, Steps
from lightning_kedro.analysis.grids.fixed_grid import locate
from lightning_kedro.analysis.grids.sums import CellSums
from lightning_kedro.analysis.grids.target import TargetGrid
from lightning_kedro.glm.flashes import GranuleFlashes
from lightning_kedro.glm.levels import GranuleEvents, GranuleGroups
from lightning_kedro.glm.lightning_ellipsoid import LOWERED, Ellipsoid

START = datetime(2024, 7, 14, 22, tzinfo=UTC)
END = datetime(2024, 7, 14, 22, 1, tzinfo=UTC)
ONE_STEP = Steps(START, END, 1.0)
EAST = -75.0

Place = tuple[float, float]


def make_lightning(
    flashes: Sequence[Sequence[Place]],
    *,
    satellite_lon: float = EAST,
    ellipsoid: Ellipsoid = LOWERED,
    areas: Sequence[float] | None = None,
    energy_j: float = 1e-14,
) -> Lightning:
    """Flashes of one group each, by the angles (rad) of their events on the fixed grid.

    A flash's centroid is its first event.
    """
    n = len(flashes)
    ids, time = np.arange(n), np.full(n, np.datetime64("2024-07-14T22:00:30", "us"))
    of_event = np.repeat(ids, [len(places) for places in flashes])
    angles = np.array([place for places in flashes for place in places], float).reshape(-1, 2)
    lat, lon = locate(angles[:, 0], angles[:, 1], satellite_lon, ellipsoid)
    first = np.searchsorted(of_event, ids)
    lon = np.where(lon > 180, lon - 360, np.where(lon <= -180, lon + 360, lon))
    where = {"lat": lat[first].astype(np.float32), "lon": lon[first].astype(np.float32)}
    area_km2 = np.asarray([70.0 * len(places) for places in flashes] if areas is None else areas)
    quality = np.zeros(n, np.int16)
    known = {"energy_j": np.full(n, 1e-13), "area_km2": area_km2.astype(float)}
    return Lightning(
        flashes=GranuleFlashes(
            flash_id=ids.astype(np.uint16),
            time=time,
            time_end=time,
            quality_flag=quality,
            declared_flash_count=n,
            orbital_slot="GOES-East",
            **where,
            **known,
        ),
        groups=GranuleGroups(
            group_id=(100 + ids).astype(np.uint32),
            parent_flash_id=ids.astype(np.uint16),
            time=time,
            quality_flag=quality,
            declared_count=n,
            **where,
            **known,
        ),
        events=GranuleEvents(
            event_id=np.arange(of_event.size, dtype=np.uint32),
            parent_group_id=(100 + of_event).astype(np.uint32),
            time=time[of_event],
            lat=lat,
            lon=lon,
            is_clamped=np.zeros(of_event.size, np.bool_),
            energy_j=np.full(of_event.size, energy_j),
            declared_count=of_event.size,
        ),
        steps=np.zeros(n, np.int64),
        satellite_lon=satellite_lon,
        ellipsoid=ellipsoid,
    )


def grid(target: TargetGrid, *lightning: Lightning) -> CellSums:
    """All of it in one step."""
    builder = GridBuilder(target, ONE_STEP)
    for granule in lightning:
        builder.add(granule)
    return builder.pop(0)
