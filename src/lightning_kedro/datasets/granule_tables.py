"""The three tables that ingestion fills, replaced granule by granule in one transaction.

``granules``, ``flashes`` and ``coverage`` are three catalog entries and three outputs of ``load``,
which Kedro saves one after the other. Were each a transaction of its own, a crash between them
would leave flashes without their granules. So the entries of one database collect what they are
given, and the last of the three commits them all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS, connect
from lightning_kedro.store.loaded import FlashTable
from lightning_kedro.store.loading import MEMBERS, load_granules


class GranuleTableDataset(DuckDBTableDataset):
    """One of the tables ``granules``, ``flashes`` and ``coverage``.

    ``flashes`` loads as a lazy handle (``FlashTable``), the others as frames. A save is kept until
    the other two tables of the same database have been given theirs, then all three are replaced
    by granule key in one transaction; the newest creation that could be read wins.

    Example of the YAML API:
        .. code-block:: yaml

            flashes:
              type: lightning_kedro.datasets.granule_tables.GranuleTableDataset
              path: data/03_primary/lightning.duckdb
              table: flashes

    Example of the Python API:
        >>> flashes = GranuleTableDataset(path="lightning.duckdb", table="flashes").load()
        >>> flashes.path.name
        'lightning.duckdb'
    """

    _pending: ClassVar[dict[Path, dict[str, Any]]] = {}

    def __init__(
        self,
        *,
        path: str,
        table: str,
        simulated: bool = False,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            path: The DuckDB file.
            table: ``granules``, ``flashes`` or ``coverage``.
            simulated: Whether the granules are simulated; every row says so.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.
        """
        key = TABLES[table].key if table in MEMBERS else ()
        super().__init__(
            path=path,
            table=table,
            replace_by=key,
            simulated=simulated,
            lock_timeout=lock_timeout,
            metadata=metadata,
        )

    def load(self) -> Any:  # noqa: ANN401  (FlashTable or a frame, by the table)
        """A handle on ``flashes``; the whole of ``granules`` or ``coverage``."""
        if self._table == "flashes":
            return FlashTable(self._path, self._lock_timeout)
        return super().load()

    def save(self, data: Any) -> None:  # noqa: ANN401
        """Keep the table's part; the last of the three parts commits them all."""
        pending = self._pending.setdefault(self._path, {})
        pending[self._table] = data
        if set(pending) == set(MEMBERS):
            del self._pending[self._path]
            with connect(self._path, read_only=False, timeout=self._lock_timeout) as connection:
                load_granules(connection, **pending, simulated=self._simulated)
