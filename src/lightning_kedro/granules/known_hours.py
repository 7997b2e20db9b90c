"""What is known of the granules of many hours, in little more memory than that of one hour."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.glm.granule import GRANULES_PER_HOUR
from lightning_kedro.granules.creations import (
    KnownGranules,
    find_standing,
    list_creations,
    list_partial,
)
from lightning_kedro.granules.granule_list import HELD_HOURS
from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.record import StoredGranule

if TYPE_CHECKING:
    from datetime import datetime

KNOWN_BY: Final = (
    *("platform", "granule_start", "created", "file_bytes", "file_name", "status"),
    *COUNTS.values(),
)
"""The columns of a record by which it is decided what has to be read."""


def know_granules(granules: pa.Table, levels: Collection[str]) -> KnownGranules:
    """Take in a record of granules, of however many hours.

    Args:
        granules: The record, with the columns ``KNOWN_BY``.
        levels: The levels that are asked for.
    """
    if granules.num_rows > HELD_HOURS * GRANULES_PER_HOUR:
        return KnownByHour(granules, levels)
    return KnownGranules.from_table(granules, levels)


class KnownByHour(KnownGranules):
    """The same of many hours: those of one hour are made of the record when they are asked for.

    Whoever asks goes hour by hour, and a granule takes 1 kB as Python's objects.

    Args:
        granules: The record.
        levels: The levels that are asked for.
    """

    def __init__(self, granules: pa.Table, levels: Collection[str]) -> None:
        """Sort the record by hours."""
        super().__init__({})
        hours = pc.floor_temporal(granules["granule_start"], unit="hour")
        rows = granules.select(KNOWN_BY).append_column("hour", hours)
        self._rows = rows.sort_by([("platform", "ascending"), ("hour", "ascending")])
        keys = self._rows.group_by(["platform", "hour"], use_threads=False).aggregate(
            [([], "count_all")]
        )
        ends = np.cumsum(keys["count_all"].to_numpy())
        pairs = zip(keys["platform"].to_pylist(), keys["hour"].to_pylist(), strict=True)
        self._ends = dict(zip(pairs, ends.tolist(), strict=True))
        self._counts = dict(zip(self._ends, keys["count_all"].to_pylist(), strict=True))
        self._levels = levels
        self._hour: tuple[str, datetime] | None = None

    def wants(self, granule: StoredGranule) -> bool:
        """Whether a granule has to be read."""
        self._look_up(granule)
        return super().wants(granule)

    def has_corrupt(self, granule: StoredGranule) -> bool:
        """Whether just this creation was read, and is corrupt."""
        self._look_up(granule)
        return super().has_corrupt(granule)

    def _look_up(self, granule: StoredGranule) -> None:
        """Make what is known of a granule's hour."""
        hour = (granule.name.platform, granule.name.hour.replace(tzinfo=None))
        if hour == self._hour:
            return
        count = self._counts.get(hour, 0)
        rows = self._rows.slice(self._ends.get(hour, 0) - count, count)
        self._known = find_standing(list_creations(rows))
        self._partial = list_partial(rows, self._levels)
        self._hour = hour
