"""What ``load`` hands over for the database: its tables change together or not at all."""

from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from lightning_kedro.granules.ports import SeriesHours


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHours:
    """Archive hours that are to be loaded into the tables that ingestion fills.

    Attributes:
        series: The hours, whose files hold their flashes and the record of their granules.
        coverage: ``platform``, ``hour`` and ``expected`` of the hours that were looked at in full:
            how many granules each should have by now.
        levels: The levels that are loaded, if the hours have them.
    """

    series: SeriesHours
    coverage: pa.Table
    levels: tuple[str, ...] = ("flash",)

    def __deepcopy__(self, _: object) -> Self:
        """The same: nothing in it changes."""
        return self
