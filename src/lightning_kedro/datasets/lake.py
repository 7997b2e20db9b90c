"""The tables of ingestion in a lake (``conf/dask``), as catalog entries; the nodes are the same."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from lightning_kedro.datasets.duckdb_table import PREVIEW_ROWS, DuckDBTableDataset, show_rows
from lightning_kedro.datasets.intermediate import IntermediateDataset
from lightning_kedro.datasets.read_only import GRANULES_REFUSAL, ReadOnlyDataset
from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.results import find_kind
from lightning_kedro.selection import Selection
from lightning_kedro.store.cluster import run_on_cluster
from lightning_kedro.store.lake.committing import commit_hours, list_hours
from lightning_kedro.store.lake.log import LAKE_TABLES, LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.reading import (
    LAKE_HANDLES,
    LakeCoverageTable,
    LakeGranules,
    LakeGranuleTable,
)
from lightning_kedro.store.lake.series import LakeSeries
from lightning_kedro.store.lake.sweeping import sweep_lake
from lightning_kedro.store.lake.tasks import WriteHour
from lightning_kedro.store.results import ResultTable

if TYPE_CHECKING:
    import pyarrow as pa

    from lightning_kedro.store.loaded import StoredTable

logger = logging.getLogger(__name__)

LAST: Final = "coverage"
"""The table whose save commits all of them: ``load`` names it last."""

_T = TypeVar("_T")


class LoadedLakeDataset(ReadOnlyDataset[LakeGranules]):
    """Loads a handle that says which granules a lake holds already.

    Example of the YAML API:
        .. code-block:: yaml

            loaded_granules:
              type: lightning_kedro.datasets.lake.LoadedLakeDataset
              lake: s3://my-bucket/lake

    Example of the Python API:
        >>> LoadedLakeDataset(lake="s3://my-bucket/lake").load().lake.url
        's3://my-bucket/lake'
    """

    REFUSAL = GRANULES_REFUSAL

    def __init__(self, *, lake: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the lake; it need not exist yet.

        Args:
            lake: Folder or URL.
            metadata: For plugins such as Kedro-Viz.
        """
        self._lake = Place.of(lake)
        self.metadata = metadata

    def load(self) -> LakeGranules:
        """The handle."""
        return LakeGranules(self._lake)

    def _describe(self) -> dict[str, Any]:
        return {"lake": self._lake.url}


class LakeSeriesDataset(IntermediateDataset):
    """Has workers of a Dask cluster read hours and write their objects; loads what they wrote.

    What is saved is a mapping of an hour's key to a task that reads it. Each worker fetches the
    granules itself, with whatever credentials it finds in its own environment, and writes one
    Parquet object an hour; back come the records of granules alone. Nothing counts before ``load``
    has been saved (``LakeTableDataset``).

    Example of the YAML API:
        .. code-block:: yaml

            flash_series:
              type: lightning_kedro.datasets.lake.LakeSeriesDataset
              lake: s3://my-bucket/lake
              path: data/02_intermediate/lake
              name: flash_series
              made_for: ${runtime_params:made_for.ingestion}
              session: ${runtime_params:session}

    Example of the Python API:
        >>> import tempfile
        >>> lake, path = tempfile.mkdtemp(), tempfile.mkdtemp()
        >>> options = {"name": "flash_series", "made_for": "all", "session": "one"}
        >>> series = LakeSeriesDataset(lake=lake, path=path, **options)
        >>> series.save({})
        >>> series.load().hours
        ()
    """

    def __init__(
        self,
        *,
        lake: str,
        path: str,
        name: str,
        made_for: str,
        session: str,
        simulated: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the entry; nothing is made.

        Args:
            lake: Folder or URL.
            path: The folder on this machine for what passes to ``load``.
            name: The entry's name.
            made_for: What it is made for.
            session: The session, whose own it loads before any other's.
            simulated: Whether the granules are simulated; every row says so.
            metadata: For plugins such as Kedro-Viz.
        """
        super().__init__(
            path=path, name=name, made_for=made_for, session=session, metadata=metadata
        )
        self._lake = Place.of(lake)
        self._simulated = simulated

    def save(self, data: object) -> None:
        """Read and write hours on the cluster, and keep what is known of them."""
        if not isinstance(data, Mapping):  # a handle from ``load``
            super().save(data)
            return
        tasks = self._make_tasks([*data.values()])
        written = run_on_cluster(tasks, what="Decoding", total=len(data))
        if written:
            logger.info(
                "Decoded %d granules of %d hours", sum(hour.decoded for hour in written), len(data)
            )
        super().save(LakeSeries(tuple(written)))

    def _make_tasks(self, reads: Sequence[ReadHour]) -> Iterator[WriteHour]:
        """What the workers do, one after the other."""
        days = sorted({(read.hour.platform, read.hour.hour.date()) for read in reads})
        present = list_hours(self._lake, days)
        for read in reads:
            former = present.get((read.hour.platform, read.hour.hour.replace(tzinfo=None)), {})
            yield WriteHour(self._lake, _prepare(read), former, self._simulated)

    def _describe(self) -> dict[str, Any]:
        return {"lake": self._lake.url, **super()._describe()}


def _prepare(read: ReadHour) -> ReadHour:
    """A task for another process, perhaps on another machine: no secrets, no relative paths."""
    granules = [
        replace(granule, url=str(Path(granule.url).absolute())) if granule.is_local else granule
        for granule in read.granules
    ]
    return replace(read.only(granules), reader=read.reader.without_secrets())


class LakeTableDataset(AbstractDataset[Any, "StoredTable"]):
    """One of the tables of a lake: ``flashes``, ``groups``, ``events``, ``granules``, ``coverage``.

    Each loads as a lazy handle, which reads the rows of a window. What ``load`` saves is committed
    with the last of them, ``coverage``: workers have written the rows, this process commits.

    Example of the YAML API:
        .. code-block:: yaml

            flashes:
              type: lightning_kedro.datasets.lake.LakeTableDataset
              lake: s3://my-bucket/lake
              table: flashes

    Example of the Python API:
        >>> LakeTableDataset(lake="s3://my-bucket/lake", table="flashes").load()
        LakeFlashTable(flashes of s3://my-bucket/lake)
    """

    def __init__(
        self,
        *,
        lake: str,
        table: str,
        simulated: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            lake: Folder or URL.
            table: Its name.
            simulated: Whether the granules are simulated; every row says so.
            metadata: For plugins such as Kedro-Viz.

        Raises:
            TableError: If a lake has no such table.
        """
        if table not in LAKE_TABLES:
            message = f"Table {table} is not in a lake; it has {', '.join(LAKE_TABLES)}."
            raise TableError(message)
        self._lake = Place.of(lake)
        self._table = table
        self._simulated = simulated
        self.metadata = metadata

    def load(self) -> "StoredTable":
        """A handle on the table."""
        return LAKE_HANDLES[self._table](self._lake)

    def save(self, data: LoadedHours) -> None:
        """Commit the hours if this is the last table; before that nothing may change.

        Raises:
            TableError: If it is anything else than what ``load`` gives.
        """
        if not isinstance(data, LoadedHours):
            message = (
                f"Table {self._table} of a lake is filled by the node load alone; it cannot be "
                f"saved as {type(data).__name__}."
            )
            raise TableError(message)
        if self._table == LAST:
            commit_hours(
                self._lake,
                data,
                simulated=self._simulated,
                run_tasks=partial(_run_here_or_there, what="Merging"),
            )

    def sweep(self, *, older_than_days: int, dry_run: bool) -> list[str]:
        """Remove what counts for nothing from the whole lake; see ``sweep_lake``."""
        return sweep_lake(self._lake, older_than_days=older_than_days, dry_run=dry_run)

    @property
    def lake(self) -> str:
        """Where the lake is."""
        return self._lake.url

    def preview(self, nrows: int = PREVIEW_ROWS) -> TablePreview:
        """The first rows, for Kedro-Viz, which goes by the name of the type that is returned."""
        with self.load().open() as connection:
            query = f"SELECT * FROM main.{self._table} LIMIT {int(nrows)}"  # noqa: S608
            return show_rows(connection.sql(query).to_arrow_table())

    def _exists(self) -> bool:
        return LakeTable(self._lake, self._table).open() is not None

    def _describe(self) -> dict[str, Any]:
        return {"lake": self._lake.url, "table": self._table}


def _run_here_or_there(tasks: Sequence[Callable[[], _T]], what: str) -> list[_T]:
    """Run tasks on the cluster: flashes do not come to this process."""
    return run_on_cluster(tasks, what=what, total=len(tasks))


class LakeResultDataset(DuckDBTableDataset):
    """The last table of a kind of results, where granules and coverage are in a lake.

    Results themselves stay in a DuckDB file. What is reported of one is read from both.

    Example of the YAML API:
        .. code-block:: yaml

            k_selection:
              type: lightning_kedro.datasets.lake.LakeResultDataset
              path: data/dask/03_primary/lightning.duckdb
              lake: s3://my-bucket/lake
              table: k_selection
              lazy: true

    Example of the Python API:
        >>> options = {"path": "lightning.duckdb", "table": "k_selection", "lazy": True}
        >>> LakeResultDataset(lake="s3://my-bucket/lake", **options).load()
        LakeResultTable(k_selection of lightning.duckdb)
    """

    def __init__(self, *, lake: str, table: str, **options: Any) -> None:  # noqa: ANN401
        """Describe the table.

        Args:
            lake: Folder or URL of the lake.
            table: ``k_selection`` or ``storm_selection``.
            options: As ``DuckDBTableDataset`` has them.

        Raises:
            TableError: If it is no last table of a kind of results.
        """
        super().__init__(table=table, **options)
        if find_kind(table) is None:
            message = f"Table {table} is not the last one of a kind of results."
            raise TableError(message)
        self._lake = Place.of(lake)

    def _handle(self) -> "LakeResultTable":
        return LakeResultTable(self._path, self._table, self._lock_timeout, self._lake)


class LakeResultTable(ResultTable):
    """A handle on results in a DuckDB file whose windows are in a lake.

    Args:
        path: The DuckDB file.
        table: The last table of a kind of results.
        lock_timeout: How long to wait for the file, in seconds.
        lake: Where the lake is.
    """

    def __init__(self, path: Path, table: str, lock_timeout: float, lake: Place) -> None:
        """Hold on to the table and the lake."""
        super().__init__(path, table, lock_timeout)
        self.lake = lake

    def read_window(self, _: object, selection: Selection) -> "dict[str, pa.Table]":
        """The granules and the coverage of a window."""
        handles = (LakeGranuleTable(self.lake), LakeCoverageTable(self.lake))
        return {handle.name: handle.read(selection) for handle in handles}
