"""The work that other processes do: reading the granules of an archive hour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightning_kedro.granules.creations import join_series, rank_creations
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import HourSeries, StoredGranule, find_readable_starts
from lightning_kedro.granules.series import read_series


@dataclass(frozen=True, slots=True)
class ReadHour:
    """The task of reading one archive hour: nothing happens before it is called.

    Attributes:
        hour: The hour.
        granules: Its granules that are wanted.
        reader: The means to read them.
        levels: What is read of them.
    """

    hour: ArchiveHour
    granules: Sequence[StoredGranule]
    reader: GranuleReader
    levels: tuple[str, ...] = ("flash",)

    def only(self, granules: Sequence[StoredGranule]) -> "ReadHour":
        """The task of reading some of the hour's granules."""
        return replace(self, granules=tuple(granules))

    def __call__(self) -> HourSeries:
        """Read of each granule what would stand; where it cannot be read, what comes next."""
        waiting: dict[object, list[StoredGranule]] = {}
        for granule in rank_creations(self.granules):
            platform, start = granule.name.key
            waiting.setdefault((platform, start.replace(tzinfo=None)), []).append(granule)
        parts = []
        while waiting:
            best = [creations.pop(0) for creations in waiting.values()]
            parts.append(read_series(self.reader.read_all(best), self.levels))
            read = find_readable_starts(parts[-1])
            waiting = {key: rest for key, rest in waiting.items() if rest and key not in read}
        return join_series(parts)
