"""The flashes of a selection as clustering wants them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import numpy as np

from lightning_kedro.analysis.features import ClusterFeatures
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.exceptions import PartialRunError
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
    "Derived",
    "PreparedFlashes",
    "fingerprint_flashes",
    "read_flashes",
    "take_hours",
    "take_places",
]

_Value = TypeVar("_Value")

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
        measured: Digest of the rows that they were made of, and of the code; "" if not known.
    """

    selection: Selection
    table: "pa.Table"
    features: ClusterFeatures
    fingerprint: str
    measured: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The flashes themselves: they never change."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Derived(Generic[_Value]):
    """What was made of prepared flashes, and of which.

    Options are told apart by where it is kept; the flashes themselves may change between two runs
    of single nodes, because a late granule has come.

    Attributes:
        fingerprint: Digest of the flashes, as in ``PreparedFlashes``.
        value: What was made of them.
    """

    fingerprint: str
    value: _Value

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same: it never changes."""
        return self

    def of(self, prepared: PreparedFlashes) -> _Value:
        """What was made, if it was made of these flashes.

        Only runs of some of the nodes can bring others together.

        Raises:
            PartialRunError: If it was made of other flashes.
        """
        if self.fingerprint != prepared.fingerprint:
            message = (
                f"What is kept of an earlier node was made of other flashes ({self.fingerprint}) "
                f"than the features ({prepared.fingerprint}) of {prepared.selection}: run "
                f"`kedro run --pipelines clustering` from its first node."
            )
            raise PartialRunError(message)
        return self.value


def take_hours(table: "pa.Table", start: datetime, *, wanted: bool) -> FloatArray | None:
    """Times of flashes since a window's start (UTC), h; None if they are not wanted."""
    if not wanted:
        return None
    first = np.datetime64(start.replace(tzinfo=None), "us")
    times = table.column("time").to_numpy().astype("datetime64[us]")
    return np.asarray((times - first).astype(np.int64) / _MICROSECONDS_PER_HOUR, dtype=np.float64)
