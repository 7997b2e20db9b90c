"""The flashes of a selection as clustering wants them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.selected_flashes import (
    FLASH_COLUMNS,
    fingerprint_flashes,
    read_flashes,
    take_places,
)
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FLASH_COLUMNS",
    "PreparedFlashes",
    "fingerprint_flashes",
    "read_flashes",
    "take_hours",
    "take_places",
]

_MICROSECONDS_PER_HOUR: Final = 3.6e9


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFlashes:
    """The flashes of a selection, and the points to be clustered.

    They are read once: what is fitted and what is labelled in the end are the same flashes.

    Attributes:
        selection: What they are of.
        table: The flashes in order of time, with the columns ``FLASH_COLUMNS``.
        features: The points.
        fingerprint: Digest of the flashes, 16 hexadecimal digits.
    """

    selection: Selection
    table: "pa.Table"
    features: ClusterFeatures
    fingerprint: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The flashes themselves: they never change."""
        return self


def take_hours(table: "pa.Table", start: datetime, *, wanted: bool) -> FloatArray | None:
    """Times of flashes since a window's start (UTC), h; None if they are not wanted."""
    if not wanted:
        return None
    first = np.datetime64(start.replace(tzinfo=None), "us")
    times = table.column("time").to_numpy().astype("datetime64[us]")
    return np.asarray((times - first).astype(np.int64) / _MICROSECONDS_PER_HOUR, dtype=np.float64)
