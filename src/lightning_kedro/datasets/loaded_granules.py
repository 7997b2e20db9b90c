"""What the database holds already, as a catalog entry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_kedro.datasets.read_only import GRANULES_REFUSAL, ReadOnlyDataset
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS
from lightning_kedro.store.loaded import LoadedGranules


class LoadedGranulesDataset(ReadOnlyDataset[LoadedGranules]):
    """Loads a handle that says which granules a database holds already.

    It is on the table ``granules``, under a name of its own because a pipeline may not read what it
    writes.

    Example of the YAML API:
        .. code-block:: yaml

            loaded_granules:
              type: lightning_kedro.datasets.loaded_granules.LoadedGranulesDataset
              path: data/03_primary/lightning.duckdb

    Example of the Python API:
        >>> LoadedGranulesDataset(path="data/03_primary/lightning.duckdb").load().path.name
        'lightning.duckdb'
    """

    REFUSAL = GRANULES_REFUSAL

    def __init__(
        self,
        *,
        path: str,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the database; it need not exist yet.

        Args:
            path: The DuckDB file.
            lock_timeout: How long to wait for it, in seconds.
            metadata: For plugins such as Kedro-Viz.
        """
        self._path = Path(path)
        self._lock_timeout = lock_timeout
        self.metadata = metadata

    def load(self) -> LoadedGranules:
        """The handle."""
        return LoadedGranules(self._path, self._lock_timeout)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
