"""Tables in a DuckDB file as catalog entries."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from lightning_kedro.exceptions import TableError
from lightning_kedro.results import Result, find_kind
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import ResultKey, Selection
from lightning_kedro.store.database import (
    LOCK_TIMEOUT_SECONDS,
    connect,
    database_exists,
    transaction,
)
from lightning_kedro.store.replacing import replace_rows
from lightning_kedro.store.results import ResultTable, drop_results, replace_result
from lightning_kedro.store.snapshots import MEGABYTE, publish_snapshot
from lightning_kedro.store.tables import TableHandle, peek_table, table_columns
from lightning_kedro.store.views import open_for_writing
from lightning_kedro.unchanged import Unchanged

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

Rows: TypeAlias = "pd.DataFrame | pa.Table"

PREVIEW_ROWS: Final = 40


class DuckDBTableDataset(AbstractDataset[Any, Any]):
    """Saves rows to a table of a DuckDB file, replacing by key; loads the table.

    A save replaces the rows that have the same key as any saved row, in one transaction: a table
    keyed by what its results are of keeps the history of all of them, and a re-run changes nothing.
    Rows that lack a column of the registry, have one that it has not, or values of another type are
    refused.

    The tables of a result change together: the node that makes a result hands it to all of their
    entries, and the save of the last table, ``k_selection`` or ``storm_selection``, commits them
    all at once; until then the former result stands.

    Example of the YAML API:
        .. code-block:: yaml

            elbow_curve:
              type: lightning_kedro.datasets.duckdb_table.DuckDBTableDataset
              path: data/03_primary/lightning.duckdb
              table: elbow_curve

    Example of the Python API:
        >>> import pandas as pd, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "lightning.duckdb"
        >>> hours = DuckDBTableDataset(path=str(path), table="coverage")
        >>> counts = {"expected": 180, "found": 180, "corrupt": 0, "missing": 0}
        >>> hour = {"platform": "G18", "hour": pd.Timestamp("2023-01-26 15:00")}
        >>> hours.save(pd.DataFrame([hour | counts]))
        >>> hours.save(pd.DataFrame([hour | counts | {"found": 179, "missing": 1}]))
        >>> hours.load()["found"].to_list()
        [179]
    """

    def __init__(
        self,
        *,
        path: str,
        table: str,
        replace_by: Sequence[str] | None = None,
        simulated: bool = False,
        lazy: bool = False,
        snapshot_max_mb: float = 0.0,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table; nothing is opened.

        Args:
            path: The DuckDB file.
            table: A table of the registry.
            replace_by: The columns by which saved rows replace stored ones; by default what the
                rows are of: the key of a result, or the table's own key.
            simulated: Whether what is saved comes from simulated granules; every row says so.
            lazy: Whether to load a handle (``TableHandle``) that reads what it is asked for, for
                tables that grow with every flash or are read one result at a time.
            snapshot_max_mb: Up to this size of the database, in megabytes, each save that changes
                it leaves a snapshot for readers beside it (``lightning.snapshot.duckdb``); 0: none.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.

        Raises:
            TableError: If the registry has no such table.
        """
        if table not in TABLES:
            message = f"Table {table} is not in the registry; it has {', '.join(TABLES)}."
            raise TableError(message)
        self._path = Path(path)
        self._table = table
        self._replace_by = tuple(replace_by or TABLES[table].replace_by)
        self._simulated = simulated
        self._lazy = lazy
        self._snapshot_bytes = snapshot_max_mb * MEGABYTE
        self._lock_timeout = lock_timeout
        self.metadata = metadata

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self._path

    def load(self) -> "pd.DataFrame | TableHandle":
        """The whole table, in the order of its key; or a handle, if the entry is lazy."""
        handle = self._handle()
        return handle if self._lazy else handle.df()

    def save(self, data: "Rows | Result | TableHandle | Unchanged") -> None:
        """Replace the rows with the keys of the saved rows, and add the others; none if unchanged.

        Raises:
            TableError: If the rows do not fit the table.
        """
        if isinstance(data, Unchanged):
            return
        if isinstance(data, Result):
            self._save_result(data)
        elif isinstance(data, TableHandle):
            if (data.path, data.table) != (self._path, self._table):  # else they are here already
                self.save(data.df())
        else:
            with self._open_to_write() as connection, transaction(connection):
                replace_rows(
                    connection, self._table, data, self._replace_by, simulated=self._simulated
                )

    def _save_result(self, result: Result) -> None:
        """Commit a result if this is its last table; before that nothing may change."""
        if self._table == result.kind[-1]:
            with self._open_to_write() as connection:
                replace_result(connection, result, simulated=self._simulated)

    def drop_results(self, keys: Sequence[ResultKey]) -> None:
        """Remove results of clustering and storms from all of their tables."""
        with self._open_to_write() as connection:
            drop_results(connection, keys)

    @contextmanager
    def _open_to_write(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Open the database; when it is closed again, leave a snapshot of it for readers."""
        with open_for_writing(self._path, timeout=self._lock_timeout) as connection:
            yield connection
        publish_snapshot(self._path, self._snapshot_bytes)

    def _handle(self) -> TableHandle:
        """The handle on the table; that of the last one of a kind reads whole results too."""
        kind = TableHandle if find_kind(self._table) is None else ResultTable
        return kind(self._path, self._table, self._lock_timeout)

    def read_window(self, selection: Selection, columns: Sequence[str] | None = None) -> "pa.Table":
        """The rows of one result; see ``TableHandle.read``."""
        return self._handle().read(selection, columns)

    def preview(self, nrows: int = PREVIEW_ROWS) -> TablePreview:
        """The first rows, for Kedro-Viz, which goes by the name of the type that is returned."""
        with peek_table(self._path, self._table, timeout=self._lock_timeout) as connection:
            query = f"SELECT * FROM main.{self._table} LIMIT {int(nrows)}"  # noqa: S608
            return show_rows(connection.sql(query).to_arrow_table())

    def _exists(self) -> bool:
        if not database_exists(self._path):
            return False
        with connect(self._path, read_only=True, timeout=self._lock_timeout) as connection:
            return bool(table_columns(connection, self._table))

    def _describe(self) -> dict[str, Any]:
        return {
            "path": str(self._path),
            "table": self._table,
            "replace_by": list(self._replace_by),
        }


def show_rows(rows: "pa.Table") -> TablePreview:
    """Rows as Kedro-Viz shows them."""
    data = [[_show(value) for value in row.values()] for row in rows.to_pylist()]
    return TablePreview({"columns": rows.column_names, "index": [*range(len(data))], "data": data})


def _show(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, int | float | str) else str(value)
