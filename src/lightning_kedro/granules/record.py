"""What is known of granules and hours: the records that the nodes of ingestion take and give.

They are values: nothing in them changes, and whoever has one may keep it. What could not be done is
part of them, so that nothing has to be remembered beside the data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.sparse_image import Source
from lightning_kedro.granules.granule_list import GranuleList, hold_granules, pack_granules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.schemas import TABLES

LOADED: Final = "loaded"
EMPTY: Final = "empty"
CORRUPT: Final = "corrupt"
FAILED: Final = "failed"
"""A granule that could not be fetched or read for now: its record never reaches the database."""

STATUSES: Final = (LOADED, EMPTY, CORRUPT, FAILED)

Content: TypeAlias = Source | ArchiveError
"""A granule's file, its bytes as far as they are needed, or why neither could be had."""


@dataclass(frozen=True, slots=True)
class StoredGranule:
    """A granule somewhere in storage.

    Attributes:
        name: What it is called.
        url: Where it is, for the file system that found it.
        file_bytes: Its size in bytes.
        is_local: Whether ``url`` is a path of this machine: it is read there and needs no copy.
    """

    name: GranuleName
    url: str
    file_bytes: int
    is_local: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HourSeries:
    """What came out of an hour's granules.

    Attributes:
        flashes: Every flash, with the columns of both series; granule by granule.
        granules: Every granule that was looked at, with the columns of the table ``granules``.
        groups: The groups of the granules of which they were read, with the columns of the table
            ``groups``; None if that is none of them.
        events: The same of events.
    """

    flashes: pa.Table
    granules: pa.Table
    groups: pa.Table | None = None
    events: pa.Table | None = None

    @property
    def time_series(self) -> pa.Table:
        """When, how bright and how large: one row a flash."""
        return self.flashes.select(TABLES["time_series"].columns)

    @property
    def geo_series(self) -> pa.Table:
        """Where: one row a flash, with the key that joins it to the time series."""
        return self.flashes.select(TABLES["geo_series"].columns)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why granules could not be fetched or read for now."""
        return tuple(find_failed(self.granules).values())


@dataclass(frozen=True, slots=True)
class HourRecord:
    """What a run knows of one archive hour.

    Attributes:
        hour: The hour.
        is_listed: Whether the archive said what it has in this hour; if not, that is not known.
        found: How many granules it has of those that the window needs, creations counted once.
        wanted: The granules that have to be read; of each the newest creation first.
        failures: What went wrong, each in a sentence.
    """

    hour: ArchiveHour
    is_listed: bool = True
    found: int = 0
    wanted: Sequence[StoredGranule] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HourReport:
    """What a run knows of its archive hours, in order of satellite and time.

    ``extract``, ``transform`` and ``load`` each give one, with what they found out added.

    Attributes:
        records: One for each hour.

    Example:
        >>> from datetime import UTC, datetime
        >>> hour = ArchiveHour("G18", datetime(2024, 7, 14, 22, tzinfo=UTC))
        >>> report = HourReport((HourRecord(hour, is_listed=False, failures=("503",)),))
        >>> report.to_table().to_pylist()[0]["failures"]
        ['503']
    """

    records: tuple[HourRecord, ...]

    def __iter__(self) -> Iterator[HourRecord]:
        """The records."""
        return iter(self.records)

    def __len__(self) -> int:
        """The number of hours."""
        return len(self.records)

    def __deepcopy__(self, _: object) -> Self:
        """The same: nothing in it changes."""
        return self

    @property
    def hours(self) -> tuple[ArchiveHour, ...]:
        """The hours."""
        return tuple(record.hour for record in self.records)

    @property
    def listed_hours(self) -> tuple[ArchiveHour, ...]:
        """The hours of which it is known what the archive has."""
        return tuple(record.hour for record in self.records if record.is_listed)

    @property
    def wanted(self) -> tuple[StoredGranule, ...]:
        """The granules that have to be read, hour by hour."""
        return tuple(granule for record in self.records for granule in record.wanted)

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong, hour by hour."""
        return tuple(failure for record in self.records for failure in record.failures)

    def pack(self) -> pa.Table:
        """The report as a table with a row for each hour; granules as few large values."""
        rows = [
            _to_row(record) | {"wanted": pack_granules(record.wanted)} for record in self.records
        ]
        return pa.Table.from_pylist(rows, schema=_PACKED)

    @classmethod
    def unpack(cls, packed: pa.Table) -> Self:
        """Build a report from ``pack``'s table."""
        return cls(
            tuple(
                HourRecord(
                    ArchiveHour(row["platform"], row["hour"].replace(tzinfo=UTC), row["part"]),
                    is_listed=row["listed"],
                    found=row["found"],
                    wanted=hold_granules(GranuleList(row["wanted"]), packed.num_rows),
                    failures=tuple(row["failures"]),
                )
                for row in packed.to_pylist()
            )
        )

    def keep(self, wanted: Iterable[StoredGranule]) -> "HourReport":
        """The same report, with fewer granules wanted."""
        return self.keep_if(set(wanted).__contains__)

    def keep_if(self, is_wanted: Callable[[StoredGranule], bool]) -> "HourReport":
        """The same report, with those granules wanted only of which something is true."""
        return HourReport(
            tuple(
                replace(
                    record,
                    wanted=hold_granules(filter(is_wanted, record.wanted), len(self.records)),
                )
                for record in self.records
            )
        )

    def add_failed(self, reasons: Mapping[str, str]) -> "HourReport":
        """The same report, with why wanted granules could not be had.

        Args:
            reasons: By file name; files that this run did not want are left out.
        """
        return HourReport(
            tuple(
                replace(record, failures=(*record.failures, *_pick_reasons(record, reasons)))
                for record in self.records
            )
        )

    def to_table(self) -> pa.Table:
        """The report as a table with a row for each hour, for notebooks and orchestrators.

        Returns:
            ``platform``, ``hour`` (UTC), ``part`` (whole, first or last), ``listed``, ``found``,
            ``wanted`` (file names) and ``failures`` (sentences).
        """
        rows = [
            _to_row(record) | {"wanted": [granule.name.file_name for granule in record.wanted]}
            for record in self.records
        ]
        return pa.Table.from_pylist(rows, schema=_SCHEMA)


_SCHEMA: Final = pa.schema(
    {
        "platform": pa.string(),
        "hour": pa.timestamp("us"),
        "part": pa.string(),
        "listed": pa.bool_(),
        "found": pa.int32(),
        "wanted": pa.list_(pa.string()),
        "failures": pa.list_(pa.string()),
    }
)


_PACKED: Final = pa.schema(
    [pa.field("wanted", pa.binary()) if field.name == "wanted" else field for field in _SCHEMA]
)


def _to_row(record: HourRecord) -> dict[str, Any]:
    """The row of an hour, without its granules."""
    return {
        "platform": record.hour.platform,
        "hour": record.hour.hour.replace(tzinfo=None),
        "part": record.hour.part,
        "listed": record.is_listed,
        "found": record.found,
        "failures": list(record.failures),
    }


def _pick_reasons(record: HourRecord, reasons: Mapping[str, str]) -> list[str]:
    """The reasons that are about the granules that an hour wants."""
    if not reasons:
        return []
    names = (granule.name.file_name for granule in record.wanted)
    return [reasons[name] for name in names if name in reasons]


def find_failed(granules: pa.Table) -> dict[str, str]:
    """Why granules could not be fetched or read, by file name; from a record of granules."""
    failed = granules.filter(pc.equal(granules["status"], FAILED))
    names, reasons = (failed[column].to_pylist() for column in ("file_name", "reason"))
    return dict(zip(names, reasons, strict=True))


def find_readable_starts(series: HourSeries) -> set[tuple[str, datetime]]:
    """The (platform, start) of the granules that could be read; starts without time zone."""
    is_read = pc.is_in(series.granules["status"], value_set=pa.array([LOADED, EMPTY]))
    read = series.granules.filter(is_read)
    return set(zip(read["platform"].to_pylist(), read["granule_start"].to_pylist(), strict=True))
