"""What the dashboard shows of a lake: the coverage of its hours, and its granules."""

import threading
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.reading import EVER

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SHOWN: Final = ("coverage", "granules")
"""The tables that a lake has in the place of the database."""


class ShownLake:
    """A lake as pages read it.

    Objects never change: coverage, of which the calendar shows all days, is read once of each.

    Args:
        lake: Where it is.
    """

    def __init__(self, lake: Place) -> None:
        """Read nothing."""
        self._lake = lake
        self._known: dict[str, pa.Table] = {}
        self._lock = threading.Lock()

    def has_coverage(self) -> bool:
        """Whether anything was ingested."""
        return LakeTable(self._lake, "coverage").open() is not None

    def register(self, connection: "duckdb.DuckDBPyConnection", table: str) -> bool:
        """Make a table known to a connection, with ``lake_`` before its name.

        Returns:
            Whether the lake has it.

        Raises:
            StorageError: If storage refuses.
            TableError: If the table's log is damaged.
            ClusterError: If deltalake is not installed.
        """
        stored = LakeTable(self._lake, table)
        delta = stored.open()
        if delta is None:
            return False
        rows: Any = stored.read_dataset(delta, PLATFORMS, *EVER)
        if table == "coverage":
            rows = self._read_all(rows)
        connection.register(f"lake_{table}", rows)
        return True

    def _read_all(self, dataset: Any) -> "pa.Table":  # noqa: ANN401  (pyarrow has no types)
        """All rows, of which most were read before."""
        import pyarrow as pa

        with self._lock:
            known = {
                one.path: self._known.get(one.path) or one.to_table(schema=dataset.schema)
                for one in dataset.get_fragments()
            }
            self._known = known
        return pa.concat_tables([dataset.schema.empty_table(), *known.values()])
