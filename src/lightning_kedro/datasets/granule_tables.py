"""The tables that ingestion fills, replaced granule by granule in one transaction.

``granules``, ``flashes``, ``groups``, ``events`` and ``coverage`` are catalog entries and outputs
of ``load``, which Kedro saves one after the other. Were each a transaction of its own, a crash
between them would leave flashes without their granules. So ``load`` hands the same hours to all of
them, and the save of the last one commits them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset, Rows
from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS
from lightning_kedro.store.loaded import HANDLES, StoredTable
from lightning_kedro.store.loading import MEMBERS, load_hours

if TYPE_CHECKING:
    from lightning_kedro.results import Result
    from lightning_kedro.store.tables import TableHandle

LAST: Final = MEMBERS[-1]
"""The table whose save commits all of them: ``load`` names it last, so that it is saved last."""


class GranuleTableDataset(DuckDBTableDataset):
    """One of the tables ``granules``, ``flashes``, ``groups``, ``events`` and ``coverage``.

    Each loads as a lazy handle, which reads the rows of a window. What ``load`` saves is committed
    with the last table, all in one transaction; the newest creation that could be read wins.
    Rows that are saved otherwise replace those of the same key.

    Example of the YAML API:
        .. code-block:: yaml

            flashes:
              type: lightning_kedro.datasets.granule_tables.GranuleTableDataset
              path: data/03_primary/lightning.duckdb
              table: flashes

    Example of the Python API:
        >>> flashes = GranuleTableDataset(path="lightning.duckdb", table="flashes").load()
        >>> flashes
        FlashTable(flashes of lightning.duckdb)
    """

    def __init__(
        self,
        *,
        path: str,
        table: str,
        simulated: bool = False,
        snapshot_max_mb: float = 0.0,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            path: The DuckDB file.
            table: ``granules``, ``flashes``, ``groups``, ``events`` or ``coverage``.
            simulated: Whether the granules are simulated; every row says so.
            snapshot_max_mb: Up to this size of the database, in megabytes, each load leaves a
                snapshot for readers beside it; 0: none.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.

        Raises:
            TableError: If it is another table.
        """
        if table not in MEMBERS:
            message = f"Table {table} is not filled by ingestion; that are {', '.join(MEMBERS)}."
            raise TableError(message)
        super().__init__(
            path=path,
            table=table,
            replace_by=TABLES[table].key,
            simulated=simulated,
            snapshot_max_mb=snapshot_max_mb,
            lock_timeout=lock_timeout,
            metadata=metadata,
        )

    def load(self) -> StoredTable:
        """A handle on the table."""
        return HANDLES[self._table](self._path, self._lock_timeout)

    def save(self, data: "LoadedHours | Result | Rows | TableHandle") -> None:
        """Commit what ``load`` gives with the last table; or replace rows by the table's key."""
        if isinstance(data, LoadedHours):
            self._save_hours(data)
        else:
            super().save(data)

    def _save_hours(self, loaded: LoadedHours) -> None:
        """Load hours if this is the last table; before that nothing may change."""
        if self._table == LAST:
            with self._open_to_write() as connection:
                load_hours(connection, loaded, simulated=self._simulated)
