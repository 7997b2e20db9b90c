"""What ingestion needs of the outside world, an abstract class for each thing.

The classes of ``lightning_kedro.store`` implement them with fsspec, files and DuckDB. Nodes and the
other modules of this package know no more than this.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from lightning_kedro.granules.creations import KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import Content, StoredGranule
from lightning_kedro.granules.series import arrow_schema


class GranuleReader(ABC):
    """The means to read granules; picklable, for other processes."""

    @abstractmethod
    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules with their content, in order; what cannot be had comes as its error."""

    def without_secrets(self) -> "GranuleReader":
        """The same means without this user's credentials, for workers that have their own.

        Raises:
            ArchiveError: If credentials cannot be left out.
        """
        return self

    def choose_reader(self, levels: Collection[str]) -> "GranuleReader":  # noqa: ARG002
        """The means to read granules of which only some levels are wanted: fewer bytes may do."""
        return self


class GranuleSource(GranuleReader):
    """Where granules come from: one root, laid out like NOAA's buckets.

    Attributes:
        root: URL or folder.
        max_concurrency: How many requests may be under way at once.
    """

    root: str
    max_concurrency: int

    @property
    @abstractmethod
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine, which is read in place."""

    @abstractmethod
    def list_hour(self, hour: ArchiveHour) -> tuple[list[StoredGranule], int]:
        """The granules of an archive hour, unsorted, and how many other things lie there.

        Raises:
            ArchiveError: If it cannot be listed.
        """

    @abstractmethod
    def root_exists(self, platform: str) -> bool:
        """Whether there is anything at all at a satellite's root."""

    @abstractmethod
    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's file where it is local, else its bytes.

        Raises:
            ArchiveError: If it cannot be had.
        """


class RawGranules(ABC):
    """The granules of a run as ``transform`` gets them: copied, in their place, or on their way."""

    @property
    @abstractmethod
    def reader(self) -> GranuleReader:
        """The means to read them."""

    @abstractmethod
    def find_missed(self, granules: Sequence[StoredGranule]) -> Mapping[str, str]:
        """Why some of them are known not to have come, by file name."""


class LoadedStore(ABC):
    """What the database holds already."""

    @abstractmethod
    def among(self, hours: Sequence[ArchiveHour], levels: Sequence[str]) -> KnownGranules:
        """What is known of the granules of some hours, of which some levels are asked for."""

    @abstractmethod
    def has_platforms(self, hours: Sequence[ArchiveHour]) -> bool:
        """Whether there are granules of every satellite of some hours."""


class SeriesHours(ABC):
    """Some hours of time series and geo series."""

    @abstractmethod
    def list_records(self) -> Iterator[pa.Table]:
        """The record of the granules of each, with the columns of the table ``granules``.

        It has several rows for a granule of which a newer creation is corrupt.
        """

    def read_granules(self) -> pa.Table:
        """The record of the granules of all of them."""
        return pa.concat_tables([arrow_schema("granules").empty_table(), *self.list_records()])


class SeriesStore(ABC):
    """Time series and geo series by archive hour."""

    @abstractmethod
    def select(self, hours: Sequence[ArchiveHour]) -> SeriesHours:
        """Those of some hours that are there."""
