"""What workers have written of a run's hours, as ``transform`` leaves it for ``load``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Self

import pyarrow as pa

from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import SeriesHours, SeriesStore
from lightning_kedro.store.lake.log import ROW_TABLES, LakeObject
from lightning_kedro.store.lake.tasks import WrittenHour

_HOURS: Final = pa.schema(
    {
        "platform": pa.string(),
        "hour": pa.timestamp("us"),
        "decoded": pa.int32(),
        "record": pa.binary(),
    }
)

_OBJECTS: Final = pa.schema(
    {
        "number": pa.int32(),
        "table": pa.string(),
        "former": pa.string(),
        "path": pa.string(),
        "platform": pa.string(),
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

    def list_records(self) -> Iterator[pa.Table]:
        """The record of the granules of each, with the columns of the table ``granules``."""
        return (hour.granules for hour in self.hours)


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
        """Two tables: of the hours and of their objects."""
        return {
            "hours": pa.Table.from_pylist([*map(_to_row, self.hours)], schema=_HOURS),
            "objects": pa.Table.from_pylist(_list_objects(self.hours), schema=_OBJECTS),
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, pa.Table]) -> Self:
        """Build it from ``pack``'s tables."""
        objects: dict[int, dict[str, LakeObject]] = {}
        former: dict[int, dict[str, str]] = {}
        for row in packed["objects"].to_pylist():
            number, table, before = (row.pop(name) for name in ("number", "table", "former"))
            if before is not None:
                former.setdefault(number, {})[table] = before
            if row["path"] is not None:
                objects.setdefault(number, {})[table] = LakeObject(**row)
        return cls(
            tuple(
                WrittenHour(
                    row["platform"],
                    row["hour"],
                    objects.get(number, {}),
                    former.get(number, {}),
                    row["record"],
                    row["decoded"],
                )
                for number, row in enumerate(packed["hours"].to_pylist())
            )
        )


def _to_row(hour: WrittenHour) -> dict[str, Any]:
    """An hour without its objects."""
    return {
        "platform": hour.platform,
        "hour": hour.hour,
        "decoded": hour.decoded,
        "record": hour.record,
    }


def _list_objects(hours: Sequence[WrittenHour]) -> list[dict[str, Any]]:
    """The objects of hours, those that there are and those whose place they take."""
    return [
        {"number": number, "table": table, "former": hour.former.get(table)}
        | (asdict(hour.objects[table]) if table in hour.objects else {})
        for number, hour in enumerate(hours)
        for table in ROW_TABLES
        if table in hour.objects or table in hour.former
    ]


def list_days(hours: Sequence[ArchiveHour]) -> list[tuple[str, date]]:
    """The satellites and UTC days of some archive hours."""
    return sorted({(hour.platform, hour.hour.date()) for hour in hours})
