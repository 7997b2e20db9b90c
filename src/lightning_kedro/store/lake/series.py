"""What workers have written of a run's hours, as ``transform`` leaves it for ``load``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

import pyarrow as pa

from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import SeriesHours, SeriesStore
from lightning_kedro.store.lake.log import LakeObject
from lightning_kedro.store.lake.objects import WrittenHour, join_records

_SCHEMA: Final = pa.schema(
    {
        "platform": pa.string(),
        "hour": pa.timestamp("us"),
        "former": pa.string(),
        "decoded": pa.int32(),
        "n_records": pa.int32(),
        "path": pa.string(),
        "date": pa.date32(),
        "n_rows": pa.int64(),
        "size": pa.int64(),
        "stats": pa.string(),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class LakeHours(SeriesHours):
    """Some hours that have been written.

    Attributes:
        hours: The hours.
    """

    hours: tuple[WrittenHour, ...]

    def read_granules(self) -> pa.Table:
        """The record of all their granules, with the columns of the table ``granules``."""
        return join_records(self.hours)


@dataclass(frozen=True, slots=True, eq=False)
class LakeSeries(SeriesStore):
    """The hours that a run has written: what ``flash_series`` loads.

    Attributes:
        hours: The hours.
    """

    hours: tuple[WrittenHour, ...]

    def __deepcopy__(self, _: object) -> Self:
        """The same: nothing in it changes."""
        return self

    def select(self, hours: Sequence[ArchiveHour]) -> LakeHours:
        """Those of some hours."""
        wanted = {(hour.platform, hour.hour.replace(tzinfo=None)) for hour in hours}
        return LakeHours(tuple(hour for hour in self.hours if (hour.platform, hour.hour) in wanted))

    def pack(self) -> dict[str, pa.Table]:
        """Two tables: of the hours, and of their granules."""
        rows = [_to_row(hour) for hour in self.hours]
        return {
            "hours": pa.Table.from_pylist(rows, schema=_SCHEMA),
            "granules": join_records(self.hours),
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, pa.Table]) -> Self:
        """Build it from ``pack``'s tables."""
        hours, start = [], 0
        for row in packed["hours"].to_pylist():
            granules = packed["granules"].slice(start, row["n_records"])
            start += row["n_records"]
            hours.append(_from_row(row, granules))
        return cls(tuple(hours))


def _to_row(hour: WrittenHour) -> dict[str, Any]:
    """An hour without the record of its granules."""
    one = hour.object
    row: dict[str, Any] = {
        "platform": hour.platform,
        "hour": hour.hour,
        "former": hour.former,
        "decoded": hour.decoded,
        "n_records": hour.granules.num_rows,
    }
    if one is not None:
        row |= {name: getattr(one, name) for name in ("path", "date", "n_rows", "size", "stats")}
    return row


def _from_row(row: Mapping[str, Any], granules: pa.Table) -> WrittenHour:
    """An hour again."""
    one = None
    if row["path"] is not None:
        one = LakeObject(
            row["path"], row["platform"], row["date"], row["n_rows"], row["size"], row["stats"]
        )
    return WrittenHour(row["platform"], row["hour"], one, row["former"], granules, row["decoded"])


def list_days(hours: Sequence[ArchiveHour]) -> list[tuple[str, date]]:
    """The satellites and UTC days of some archive hours."""
    return sorted({(hour.platform, hour.hour.date()) for hour in hours})
