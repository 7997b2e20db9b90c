"""Creations of a granule: which of them is read, and which need not be read again.

A granule may be made more than once: same platform and start, another time of creation. The newest
creation that can be read stands for its start, so that a newer one that is corrupt never takes
flashes away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.granules.series import CORRUPT, HourSeries, StoredGranule, arrow_schema


@dataclass(frozen=True, slots=True, order=True)
class KnownGranule:
    """What is known of a granule's start; of two, the greater one stands for it.

    Attributes:
        is_read: Whether this creation could be read; if not, it is corrupt.
        created: When it was made, UTC, without time zone.
        file_bytes: Its size in bytes.
    """

    is_read: bool
    created: datetime
    file_bytes: int


class KnownGranules:
    """The granules that were read before, by platform and start.

    Args:
        known: What stands for each (platform, start); starts are UTC without time zone.
    """

    def __init__(self, known: Mapping[tuple[str, datetime], KnownGranule]) -> None:
        """Hold on to what is known."""
        self._known = known

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, datetime, datetime, int, str]]) -> "KnownGranules":
        """Take in rows of ``platform, granule_start, created, file_bytes, status``."""
        known: dict[tuple[str, datetime], KnownGranule] = {}
        for platform, start, created, file_bytes, status in rows:
            granule = KnownGranule(status != CORRUPT, created, file_bytes)
            key = (platform, start)
            known[key] = max(granule, known.get(key, granule))
        return cls(known)

    @classmethod
    def from_table(cls, granules: pa.Table) -> "KnownGranules":
        """Take in a record of granules, with the columns of the table ``granules``."""
        names = ("platform", "granule_start", "created", "file_bytes", "status")
        columns = (granules[name].to_pylist() for name in names)
        return cls.from_rows(zip(*columns, strict=True))

    def wants(self, granule: StoredGranule) -> bool:
        """Whether a granule has to be read.

        That is so if no creation of it could be read yet: a file that was corrupt may have been
        completed since. Also if it was made later than what was read, or has another size.
        """
        start = granule.name.start.replace(tzinfo=None)
        known = self._known.get((granule.name.platform, start))
        if known is None or not known.is_read:
            return True
        created = granule.name.created.replace(tzinfo=None)
        if created == known.created:
            return granule.file_bytes != known.file_bytes
        return created > known.created


def rank_creations(granules: Iterable[StoredGranule]) -> list[StoredGranule]:
    """Granules in order of platform and start, and of each start the newest creation first.

    Of two with the same creation time the larger one comes first: the other is a copy cut short.
    """
    newest_first = sorted(granules, key=_rank, reverse=True)
    return sorted(newest_first, key=lambda granule: (granule.name.platform, granule.name.start))


def _rank(granule: StoredGranule) -> tuple[Any, ...]:
    """What decides between creations; after time and size the names, which differ in this order."""
    name = granule.name
    return name.created, granule.file_bytes, name.environment, name.end


def readable_starts(series: HourSeries) -> set[tuple[str, datetime]]:
    """The (platform, start) of the granules that could be read; starts without time zone."""
    read = series.granules.filter(pc.not_equal(series.granules["status"], CORRUPT))
    return set(zip(read["platform"].to_pylist(), read["granule_start"].to_pylist(), strict=True))


def join_series(parts: Iterable[HourSeries]) -> HourSeries:
    """Several readings of one hour's granules as one, in order of their starts."""
    parts = list(parts)

    def join(table: str) -> pa.Table:
        empty = arrow_schema(table).empty_table()
        joined = pa.concat_tables([empty, *(getattr(part, table) for part in parts)])
        return joined.sort_by("granule_start") if len(parts) > 1 else joined

    failures = tuple(failure for part in parts for failure in part.failures)
    return HourSeries(join("flashes"), join("granules"), failures)
