"""Tables in a DuckDB file as catalog entries.

Names of tables and columns come from the registry (``lightning_kedro.schemas``) or the catalog,
values only ever as data.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from lightning_kedro.exceptions import TableError
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import (
    LOCK_TIMEOUT_SECONDS,
    connect,
    database_exists,
    transaction,
)
from lightning_kedro.store.tables import create_table, open_table, table_columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PREVIEW_ROWS: Final = 40


class WindowTable:
    """A lazy handle on a table that keeps a history of windows: what a lazy entry loads.

    Args:
        dataset: The catalog entry of the table.
    """

    def __init__(self, dataset: "DuckDBTableDataset") -> None:
        """Hold on to the table; nothing is read yet."""
        self._dataset = dataset

    def read(self, selection: Selection, columns: Sequence[str] | None = None) -> "pa.Table":
        """The rows that a run with this selection saved, in the order of the table's key.

        Raises:
            TableError: If there is no such table yet.
            KeyError: If the table has no such column.
        """
        return self._dataset.read_window(selection, columns)


class DuckDBTableDataset(AbstractDataset["pd.DataFrame | pa.Table", "pd.DataFrame | WindowTable"]):
    """Saves frames to a table of a DuckDB file, replacing by key; loads the table as a frame.

    A save replaces the rows that have the same key as any saved row, in one transaction: a table
    keyed by platform and window keeps the history of all windows, and a re-run changes nothing.

    Example of the YAML API:
        .. code-block:: yaml

            silhouette_scores:
              type: lightning_kedro.datasets.duckdb_table.DuckDBTableDataset
              path: data/03_primary/lightning.duckdb
              table: silhouette_scores
              replace_by: [platform, window_start, window_end]

    Example of the Python API:
        >>> import pandas as pd, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "lightning.duckdb"
        >>> hours = DuckDBTableDataset(path=str(path), table="coverage", replace_by=["hour"])
        >>> hours.save(pd.DataFrame({"hour": [pd.Timestamp("2023-01-26 15:00")], "found": [180]}))
        >>> hours.save(pd.DataFrame({"hour": [pd.Timestamp("2023-01-26 15:00")], "found": [179]}))
        >>> hours.load()["found"].to_list()
        [179]
    """

    def __init__(
        self,
        *,
        path: str,
        table: str,
        replace_by: Sequence[str],
        simulated: bool = False,
        lazy: bool = False,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the table; nothing is opened.

        Args:
            path: The DuckDB file.
            table: A table of the registry.
            replace_by: The columns by which saved rows replace stored ones.
            simulated: Whether what is saved comes from simulated granules; every row says so.
            lazy: Whether to load a handle that reads one window at a time (``WindowTable``), for
                tables with a row for every flash.
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
        self._replace_by = tuple(replace_by)
        self._simulated = simulated
        self._lazy = lazy
        self._lock_timeout = lock_timeout
        self.metadata = metadata

    def load(self) -> "pd.DataFrame | WindowTable":
        """The whole table, in the order of its key; or a handle, if the entry is lazy."""
        if self._lazy:
            return WindowTable(self)
        order = ", ".join(TABLES[self._table].key)
        with open_table(self._path, self._table, timeout=self._lock_timeout) as connection:
            query = f"SELECT * FROM {self._table} ORDER BY {order}"  # noqa: S608
            frame: pd.DataFrame = connection.sql(query).df()
            return frame

    def read_window(self, selection: Selection, columns: Sequence[str] | None = None) -> "pa.Table":
        """The rows of one window; see ``WindowTable.read``."""
        allowed = (*TABLES[self._table].columns, "simulated")
        wanted = tuple(columns or allowed)
        if unknown := set(wanted) - set(allowed):
            message = f"table {self._table} has no columns {sorted(unknown)}"
            raise KeyError(message)
        order = ", ".join(TABLES[self._table].key)
        with open_table(self._path, self._table, timeout=self._lock_timeout) as connection:
            return connection.sql(
                f"SELECT {', '.join(wanted)} FROM {self._table} "  # noqa: S608
                f"WHERE platform = ? AND window_start = ? AND window_end = ? ORDER BY {order}",
                params=[
                    selection.platform,
                    selection.start.replace(tzinfo=None),
                    selection.end.replace(tzinfo=None),
                ],
            ).to_arrow_table()

    def save(self, data: "pd.DataFrame | pa.Table") -> None:
        """Replace the rows with the keys of the saved rows, and add the others."""
        keys = ", ".join(self._replace_by)
        with (
            connect(self._path, read_only=False, timeout=self._lock_timeout) as connection,
            transaction(connection),
        ):
            create_table(connection, self._table)
            connection.register("incoming", data)
            connection.execute(
                f"DELETE FROM {self._table} WHERE ({keys}) IN (SELECT ({keys}) FROM incoming)"  # noqa: S608
            )
            names = [row[0] for row in connection.execute("DESCRIBE incoming").fetchall()]
            flag = "" if "simulated" in names else f", {self._simulated} AS simulated"
            connection.execute(
                f"INSERT INTO {self._table} BY NAME SELECT *{flag} FROM incoming"  # noqa: S608
            )

    def preview(self, nrows: int = PREVIEW_ROWS) -> TablePreview:
        """The first rows, for Kedro-Viz, which goes by the name of the type that is returned."""
        with open_table(self._path, self._table, timeout=self._lock_timeout) as connection:
            query = f"SELECT * FROM {self._table} LIMIT {int(nrows)}"  # noqa: S608
            rows = connection.sql(query).to_arrow_table()
        data = [[_show(value) for value in row.values()] for row in rows.to_pylist()]
        return TablePreview(
            {"columns": rows.column_names, "index": [*range(len(data))], "data": data}
        )

    def _exists(self) -> bool:
        if not database_exists(self._path):
            return False
        with connect(self._path, read_only=True, timeout=self._lock_timeout) as connection:
            return bool(table_columns(connection, self._table))

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path), "table": self._table, "replace_by": self._replace_by}


def _show(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, int | float | str) else str(value)
