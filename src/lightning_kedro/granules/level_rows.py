"""Groups and events of a granule to rows of the tables ``groups`` and ``events``.

They are made granule by granule and never joined into one array: an hour of events takes hundreds
of megabytes, and is held once.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

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


def make_rows(
    name: GranuleName, read: GranuleLevels, schemas: Mapping[str, pa.Schema]
) -> dict[str, pa.Table]:
    """The rows of the tables ``groups`` and ``events`` of one granule.

    Args:
        name: The granule.
        read: What was read of it.
        schemas: The Arrow schema of each of these tables.

    Returns:
        By table; those of which nothing was read are left out.
    """
    groups, events = read.groups, read.events
    if groups is None:
        return {}
    columns = {"groups": _list_group_columns(groups)}
    if events is not None:
        parents = find_parents(events.parent_group_id, groups.group_id)
        counts = np.bincount(parents[parents >= 0], minlength=len(groups))
        columns["groups"]["event_count"] = counts
        flashes = groups.parent_flash_id[parents] if len(groups) else np.zeros(len(events), "u2")
        columns["events"] = _list_event_columns(events)
        columns["events"]["parent_flash_id"] = pa.array(flashes, mask=parents < 0)
    return {table: _make_table(name, made, schemas[table]) for table, made in columns.items()}


def _make_table(name: GranuleName, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A table of some columns, and of those that name the granule."""
    n_rows = len(columns["time"])
    start = pa.scalar(name.start.replace(tzinfo=None), pa.timestamp("us"))
    keys = {
        "platform": pa.repeat(name.platform, n_rows),
        "granule_start": pa.repeat(start, n_rows),
    }
    return pa.table({**keys, **columns}).select(schema.names).cast(schema)


def _list_group_columns(groups: GranuleGroups) -> dict[str, Any]:
    """The columns of groups of which nothing is known of the events."""
    is_missing = groups.quality_flag == MISSING_QUALITY
    return {
        "group_id": groups.group_id,
        "parent_flash_id": groups.parent_flash_id,
        "time": groups.time,
        "lat": groups.lat,
        "lon": groups.lon,
        "energy_j": _with_nulls(groups.energy_j),
        "area_km2": _with_nulls(groups.area_km2),
        "quality_flag": pa.array(groups.quality_flag, mask=is_missing),
        "event_count": pa.nulls(len(groups)),
    }


def _list_event_columns(events: GranuleEvents) -> dict[str, Any]:
    """The columns of events but for their flash."""
    return {
        "event_id": events.event_id,
        "parent_group_id": events.parent_group_id,
        "time": events.time,
        "lat": events.lat.astype(np.float32),
        "lon": events.lon.astype(np.float32),
        "is_clamped": events.is_clamped,
        "energy_j": _with_nulls(events.energy_j),
    }


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


def _with_nulls(values: NDArray[np.float64]) -> pa.Array:
    """An array in which what is missing is null."""
    return pa.array(values, mask=np.isnan(values))
