"""What workers do for a lake: read an archive hour and write it, or merge two versions of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.granules.creations import KnownGranules, merge_series
from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.record import FAILED, HourSeries
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.store.lake.hours import pack_record, read_hour, unpack_record, write_hour
from lightning_kedro.store.lake.log import LakeObject
from lightning_kedro.store.lake.places import Place

Paths = Mapping[str, str]
"""By table the path of the object that holds an hour."""


@dataclass(frozen=True, slots=True, eq=False)
class WrittenHour:
    """What a worker gives back of an hour: no flash, but where they are.

    Attributes:
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        objects: By table the object that holds the hour now; none if nothing of it could be read.
        former: By table the path of the object that it takes the place of.
        record: The record of the hour's granules, packed: a month has 130,000.
        decoded: How many granules were decoded.
    """

    platform: str
    hour: datetime
    objects: Mapping[str, LakeObject]
    former: Paths
    record: bytes
    decoded: int = 0

    @property
    def granules(self) -> pa.Table:
        """The record with the columns of ``granules``, also of what could not be had this time."""
        return unpack_record(self.record)

    @property
    def paths(self) -> dict[str, str]:
        """By table where the hour is now."""
        return {table: one.path for table, one in self.objects.items()}


@dataclass(frozen=True, slots=True)
class WriteHour:
    """The task of a worker: read an hour's granules and write the hour's objects.

    Attributes:
        lake: Where the lake is.
        read: How the granules are read.
        former: By table the path of the object that counts for the hour until now, if there is one.
        simulated: Whether the granules are simulated; every row says so.
    """

    lake: Place
    read: ReadHour
    former: Paths
    simulated: bool

    def __call__(self) -> WrittenHour:
        """Read what the former objects do not hold of what is wanted, and write both as one."""
        if "flashes" not in self.former:
            series = self.read()
            return self._write(series, series)
        stored = read_hour(self.lake, self.former)
        known = KnownGranules.from_table(stored.granules, self.read.levels)
        pending = [granule for granule in self.read.granules if known.wants(granule)]
        new = self.read.only(pending)()
        before = stored.granules.to_pylist()
        fresh = _without_failed(new)
        if all(row in before for row in fresh.granules.to_pylist()):
            return self._write(stored, new)
        return self._write(merge_series(stored, fresh), new)

    def _write(self, series: HourSeries, new: HourSeries) -> WrittenHour:
        """Write an hour, and say what of it was new."""
        platform, hour = self.read.hour.platform, self.read.hour.hour.replace(tzinfo=None)
        held = _without_failed(series)
        is_failed = pc.equal(new.granules["status"], FAILED)
        record = pa.concat_tables([held.granules, new.granules.filter(is_failed)])
        decoded = new.granules.num_rows - int(pc.sum(is_failed).as_py() or 0)
        written: dict[str, LakeObject] = {}
        if held.granules.num_rows:
            written = write_hour(
                self.lake, platform, hour, held, simulated=self.simulated, present=self.former
            )
        return WrittenHour(platform, hour, written, self.former, pack_record(record), decoded)


@dataclass(frozen=True, slots=True)
class MergeHour:
    """The task of a worker: bring two versions of an hour together, ours and another client's.

    Attributes:
        lake: Where the lake is.
        platform: The satellite.
        hour: Start of the archive hour, UTC, without time zone.
        ours: By table the object that this run has written.
        theirs: By table the object that counts now.
        simulated: Whether the granules are simulated.
    """

    lake: Place
    platform: str
    hour: datetime
    ours: Paths
    theirs: Paths
    simulated: bool

    def __call__(self) -> WrittenHour:
        """Write the hour with the granules of both; of each the creation that stands."""
        theirs, ours = (read_hour(self.lake, paths) for paths in (self.theirs, self.ours))
        merged = merge_series(theirs, _without_known(ours, theirs.granules))
        written = write_hour(
            self.lake,
            self.platform,
            self.hour,
            merged,
            simulated=self.simulated,
            present=self.theirs,
        )
        record = pack_record(merged.granules)
        return WrittenHour(self.platform, self.hour, written, self.theirs, record)


def join_records(hours: Sequence[WrittenHour]) -> pa.Table:
    """The record of the granules of some hours."""
    empty = arrow_schema("granules").empty_table()
    return pa.concat_tables([empty, *(hour.granules for hour in hours)])


def _without_failed(series: HourSeries) -> HourSeries:
    """An hour without the record of what could not be had: the next run looks for it again."""
    is_had = pc.not_equal(series.granules["status"], FAILED)
    return HourSeries(series.flashes, series.granules.filter(is_had), series.groups, series.events)


def _without_known(ours: HourSeries, theirs: pa.Table) -> HourSeries:
    """An hour without the record of files of which others have read more levels than we have.

    What is not on record is not merged: rows that go with it stay behind.
    """
    levels = dict(zip(theirs["file_name"].to_pylist(), _count_levels(theirs), strict=True))
    mine = zip(ours.granules["file_name"].to_pylist(), _count_levels(ours.granules), strict=True)
    is_kept = pa.array([levels.get(name, 0) <= count for name, count in mine], pa.bool_())
    return HourSeries(ours.flashes, ours.granules.filter(is_kept), ours.groups, ours.events)


def _count_levels(granules: pa.Table) -> list[int]:
    """How many levels besides flashes were read of each granule of a record."""
    columns = [granules[column].is_valid().to_pylist() for column in COUNTS.values()]
    return [sum(known) for known in zip(*columns, strict=True)]
