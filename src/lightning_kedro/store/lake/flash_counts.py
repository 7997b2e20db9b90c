"""How many groups and events each flash of an hour has, as far as they were read."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lightning_kedro.granules.series import arrow_schema

_IDS: Final = 1 << 32
"""More than there are ids of flashes."""


def count_by_flash(flashes: pa.Table, granules: pa.Table, groups: pa.Table | None) -> pa.Table:
    """Give flashes the numbers of their groups and events.

    Args:
        flashes: The flashes of an hour, with the columns of both series.
        granules: The record of its granules; what was not read of one is not known of its flashes.
        groups: The groups of those of which they were read; None if that is none.

    Returns:
        The flashes with ``group_count`` and ``event_count``. A flash without groups, in a granule
        of which they were read, has none.
    """
    schema = arrow_schema("flashes")
    for name in ("group_count", "event_count"):
        kind = schema.field(name).type
        column = pa.nulls(flashes.num_rows, kind)
        if groups is not None:
            counts = _count(flashes, groups, name)
            is_unknown = ~_find_read(flashes, granules, name)
            column = pa.array(counts, kind, mask=is_unknown)
        flashes = flashes.append_column(schema.field(name), column)
    return flashes


def _count(flashes: pa.Table, groups: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Groups or events of each flash, shape (n,)."""
    of_flash = groups["parent_flash_id"].is_valid()
    groups = groups.filter(of_flash)
    weights = None
    if name == "event_count":
        weights = groups[name].fill_null(0).to_numpy().astype(np.float64)
    _, index = np.unique(
        np.concatenate([_take_starts(flashes), _take_starts(groups)]), return_inverse=True
    )
    ids = np.concatenate([flashes["flash_id"].to_numpy(), groups["parent_flash_id"].to_numpy()])
    keys = index * _IDS + ids.astype(np.int64)
    mine, theirs = keys[: flashes.num_rows], keys[flashes.num_rows :]
    found, where = np.unique(mine, return_inverse=True)
    if not found.size:
        return np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(found, theirs), found.size - 1)
    is_here = found[at] == theirs
    sums = np.bincount(
        at[is_here], None if weights is None else weights[is_here], minlength=found.size
    )
    return sums.astype(np.int64)[where]


def _find_read(flashes: pa.Table, granules: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    """Of which flashes it is known how many groups or events they have, shape (n,)."""
    read = _take_starts(granules.filter(granules[name].is_valid()))
    return np.isin(_take_starts(flashes), read)


def _take_starts(rows: pa.Table) -> npt.NDArray[np.int64]:
    """When the granules of rows start, microseconds since 1970."""
    return np.asarray(rows["granule_start"].cast(pa.int64()).to_numpy(), dtype=np.int64)
