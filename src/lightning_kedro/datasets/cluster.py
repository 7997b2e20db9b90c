"""The workers of a Dask cluster, as a catalog entry (``conf/dask``)."""

from collections.abc import Mapping
from typing import Any

from lightning_kedro.analysis.workers import Workers
from lightning_kedro.datasets.read_only import ReadOnlyDataset
from lightning_kedro.datasets.workers import NOTHING_KEPT
from lightning_kedro.store.cluster_workers import ClusterWorkers


class ClusterDataset(ReadOnlyDataset[Workers]):
    """Loads the workers of the Dask cluster that the environment names, for work that is worth it.

    Example of the YAML API:
        .. code-block:: yaml

            workers:
              type: lightning_kedro.datasets.cluster.ClusterDataset
              from_seconds: 10

    Example of the Python API:
        >>> ClusterDataset(from_seconds=10).load()
        ClusterWorkers(from_seconds=10)
    """

    REFUSAL = NOTHING_KEPT

    def __init__(self, *, from_seconds: float, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the entry; nothing is connected.

        Args:
            from_seconds: Work that takes one core longer than this goes to the cluster, s.
            metadata: For plugins such as Kedro-Viz.
        """
        self.metadata = metadata
        self._from_seconds = from_seconds

    def load(self) -> Workers:
        """The workers; this process connects to them when there is work for them."""
        return ClusterWorkers(self._from_seconds)

    def _describe(self) -> dict[str, Any]:
        return {"from_seconds": self._from_seconds}
