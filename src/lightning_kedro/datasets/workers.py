"""Who works on parts of a window in clustering and storms, as a catalog entry."""

from collections.abc import Mapping
from typing import Any, Final

from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.datasets.read_only import ReadOnlyDataset

NOTHING_KEPT: Final = "workers is read-only: it says who works, and nothing is kept there."


class ThreadsDataset(ReadOnlyDataset[Workers]):
    """Loads the threads of this process.

    Example of the YAML API:
        .. code-block:: yaml

            workers:
              type: lightning_kedro.datasets.workers.ThreadsDataset

    Example of the Python API:
        >>> type(ThreadsDataset().load()).__name__
        'Threads'
    """

    REFUSAL = NOTHING_KEPT

    def __init__(self, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the entry.

        Args:
            metadata: For plugins such as Kedro-Viz.
        """
        self.metadata = metadata

    def load(self) -> Workers:
        """The threads."""
        return THREADS

    def _describe(self) -> dict[str, Any]:
        return {}
