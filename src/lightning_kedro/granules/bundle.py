"""What ``load`` hands over for the database: its tables change together or not at all."""

from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from lightning_kedro.granules.ports import SeriesHours


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHours:
    """Archive hours that are to be loaded into the tables that ingestion fills.

    Attributes:
        granules: The record of every granule that is there, with the columns of the table
            ``granules``; several rows for a granule of which a newer creation is corrupt.
        series: The hours whose files hold their flashes.
        coverage: ``platform``, ``hour`` and ``expected`` of the hours that were looked at in full:
            how many granules each should have by now.
        levels: The levels that are loaded, if the hours have them.
    """

    granules: pa.Table
    series: SeriesHours
    coverage: pa.Table
    levels: tuple[str, ...] = ("flash",)

    def __deepcopy__(self, _: object) -> Self:
        """The same: nothing in it changes."""
        return self
