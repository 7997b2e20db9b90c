"""Groups and events of a granule to rows of the tables ``groups`` and ``events``.

They are made granule by granule and never joined into one array: an hour of events takes hundreds
of megabytes, and is held once.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightning_kedro.glm.fields import MISSING_QUALITY
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.levels import LEVELS, GranuleEvents, GranuleGroups
from lightning_kedro.glm.reader import GranuleLevels

TABLE_OF: Final = {name: level.table for name, level in LEVELS.items() if level.parent}
"""The table of each level that is kept as Parquet beside the CSV files of flashes."""

COUNTS: Final = {"groups": "group_count", "events": "event_count"}
"""The column of a granule's record that says how many rows it has in each of these tables."""


def forget_levels(granules: pa.Table, levels: Collection[str]) -> pa.Table:
    """A record of granules as if only some levels had been read.

    Args:
        granules: The record, with the columns of the table ``granules``.
        levels: The levels that are kept.
    """
    for level, table in TABLE_OF.items():
        if level not in levels:
            at = granules.schema.get_field_index(COUNTS[table])
            field = granules.schema.field(at)
            granules = granules.set_column(at, field, pa.nulls(granules.num_rows, field.type))
    return granules


def make_group_rows(name: GranuleName, read: GranuleLevels, schema: pa.Schema) -> pa.Table:
    """The rows of the table ``groups`` of one granule; none if groups were not read."""
    groups, events = read.groups, read.events
    if groups is None:
        return schema.empty_table()
    n_rows = len(groups)
    columns = {
        **_key_columns(name, n_rows),
        "group_id": groups.group_id,
        "parent_flash_id": groups.parent_flash_id,
        "time": groups.time,
        "lat": groups.lat,
        "lon": groups.lon,
        "energy_j": _with_nulls(groups.energy_j),
        "area_km2": _with_nulls(groups.area_km2),
        "quality_flag": pa.array(groups.quality_flag, mask=groups.quality_flag == MISSING_QUALITY),
        "event_count": pa.nulls(n_rows) if events is None else _count_events(groups, events),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def make_event_rows(name: GranuleName, read: GranuleLevels, schema: pa.Schema) -> pa.Table:
    """The rows of the table ``events`` of one granule; none if events were not read."""
    groups, events = read.groups, read.events
    if events is None:
        return schema.empty_table()
    n_rows = len(events)
    columns = {
        **_key_columns(name, n_rows),
        "event_id": events.event_id,
        "parent_group_id": events.parent_group_id,
        "parent_flash_id": pa.nulls(n_rows) if groups is None else _find_flashes(groups, events),
        "time": events.time,
        "lat": events.lat.astype(np.float32),
        "lon": events.lon.astype(np.float32),
        "is_clamped": events.is_clamped,
        "energy_j": _with_nulls(events.energy_j),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def find_parents(parent_ids: NDArray[np.uint32], ids: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Where the parents of some rows are.

    Args:
        parent_ids: The id of the parent of each row, shape (n,).
        ids: The ids of the level above, unique, in any order.

    Returns:
        The index of each row's parent, shape (n,); -1 where the granule lacks the parent.
    """
    if not len(ids):
        return np.full(len(parent_ids), -1, np.intp)
    order = np.argsort(ids)
    places = np.searchsorted(ids, parent_ids, sorter=order)
    parents = order[np.minimum(places, len(ids) - 1)]
    return np.where(ids[parents] == parent_ids, parents, -1)


def _key_columns(name: GranuleName, n_rows: int) -> dict[str, pa.Array]:
    """The columns that name the granule."""
    start = pa.scalar(name.start.replace(tzinfo=None), pa.timestamp("us"))
    return {
        "platform": pa.repeat(name.platform, n_rows),
        "granule_start": pa.repeat(start, n_rows),
    }


def _count_events(groups: GranuleGroups, events: GranuleEvents) -> NDArray[np.intp]:
    """How many events each group has."""
    parents = find_parents(events.parent_group_id, groups.group_id)
    return np.bincount(parents[parents >= 0], minlength=len(groups))


def _find_flashes(groups: GranuleGroups, events: GranuleEvents) -> pa.Array:
    """The ``flash_id`` of the group of each event; null where the granule lacks the group."""
    parents = find_parents(events.parent_group_id, groups.group_id)
    if not len(groups):
        return pa.nulls(len(events))
    return pa.array(groups.parent_flash_id[parents], mask=parents < 0)


def _with_nulls(values: NDArray[np.float64]) -> pa.Array:
    """An array in which what is missing is null."""
    return pa.array(values, mask=np.isnan(values))
