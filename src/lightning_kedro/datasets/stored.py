"""What is stored of a result, or published of it, as its makers look at it before they begin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Never

from kedro.io import AbstractDataset, DatasetError

from lightning_kedro.results import MAKERS
from lightning_kedro.store.database import LOCK_TIMEOUT_SECONDS
from lightning_kedro.store.fingerprints import StoredResult
from lightning_kedro.store.kept_reports import StoredReport

_KINDS: Final = {maker: kind for kind, maker in MAKERS.items()}


class StoredResultDataset(AbstractDataset[Never, StoredResult]):
    """Loads a lazy handle by which a run sees that a result is unchanged; it is never saved.

    The tables themselves are entries of their own, which the same pipeline makes.

    Example of the YAML API:
        .. code-block:: yaml

            stored_clusters:
              type: lightning_kedro.datasets.stored.StoredResultDataset
              path: data/03_primary/lightning.duckdb
              kind: clustering

    Example of the Python API:
        >>> StoredResultDataset(path=None, kind="storms").load().path
    """

    def __init__(
        self,
        *,
        path: str | None,
        kind: str,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the entry; nothing is opened.

        Args:
            path: The DuckDB file with flashes and results; None where flashes are kept elsewhere:
                then results are always made again.
            kind: The pipeline that makes the result: ``clustering``, ``storms`` or ``sky``.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.

        Raises:
            DatasetError: If there are no results of such a kind.
        """
        if kind not in _KINDS:
            message = f"There are no results of {kind}; kind must be one of {', '.join(_KINDS)}."
            raise DatasetError(message)
        self._path = None if path is None else Path(path)
        self._kind = kind
        self._lock_timeout = lock_timeout
        self.metadata = metadata

    def load(self) -> StoredResult:
        """The handle."""
        return StoredResult(self._path, _KINDS[self._kind], self._lock_timeout)

    def save(self, data: Never) -> None:  # noqa: ARG002
        """Refuse it: what is stored changes with the tables alone.

        Raises:
            DatasetError: Always.
        """
        message = f"What is stored of {self._kind} is only looked at: save the tables instead."
        raise DatasetError(message)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path), "kind": self._kind}


class StoredReportDataset(AbstractDataset[Never, StoredReport]):
    """Loads a lazy handle by which a run sees that a report is unchanged; it is never saved.

    Example of the YAML API:
        .. code-block:: yaml

            stored_report:
              type: lightning_kedro.datasets.stored.StoredReportDataset
              folder: data/08_reporting
              database: data/03_primary/lightning.duckdb
              grids: data/07_model_output/grids

    Example of the Python API:
        >>> options = {"database": None, "grids": "data/07_model_output/grids"}
        >>> StoredReportDataset(folder="data/08_reporting", **options).load().root.name
        '08_reporting'
    """

    def __init__(
        self,
        *,
        folder: str,
        database: str | None,
        grids: str,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the entry; nothing is opened.

        Args:
            folder: The folder of all reports.
            database: The DuckDB file with all that is reported; None where some of it is kept
                elsewhere: then reports are always made again.
            grids: The folder of grids.
            lock_timeout: How long to wait for the file, in seconds.
            metadata: For plugins such as Kedro-Viz.
        """
        self._folder = Path(folder)
        self._database = None if database is None else Path(database)
        self._grids = Path(grids)
        self._lock_timeout = lock_timeout
        self.metadata = metadata

    def load(self) -> StoredReport:
        """The handle."""
        return StoredReport(self._folder, self._database, self._grids, self._lock_timeout)

    def save(self, data: Never) -> None:  # noqa: ARG002
        """Refuse it: reports are published by the entry ``report``.

        Raises:
            DatasetError: Always.
        """
        message = "What is published is only looked at: save the entry report instead."
        raise DatasetError(message)

    def _describe(self) -> dict[str, Any]:
        return {"folder": str(self._folder), "database": str(self._database)}
