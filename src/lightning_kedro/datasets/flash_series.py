"""Time series and geo series by archive hour, as a catalog entry."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from lightning_kedro.store.series_files import FlashSeries, HourTask, parse_hour_key, save_hour
from lightning_kedro.store.workers import run_hours

if TYPE_CHECKING:
    from datetime import datetime

logger = logging.getLogger(__name__)


class FlashSeriesDataset(AbstractDataset[Mapping[str, HourTask], FlashSeries]):
    """Saves time series and geo series by archive hour as CSV; loads a lazy handle on them.

    What is saved is a mapping of an hour's key to a task that reads the hour when it is called. An
    hour whose files already hold the granules that are wanted is not read again, and granules that
    it holds besides are kept.

    Example of the YAML API:
        .. code-block:: yaml

            flash_series:
              type: lightning_kedro.datasets.flash_series.FlashSeriesDataset
              path: data/02_intermediate/glm

    Example of the Python API:
        >>> series = FlashSeriesDataset(path="data/02_intermediate/glm").load()
        >>> series.folder.name
        'glm'
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the folder.

        Args:
            path: The folder; made when something is saved.
            metadata: For plugins such as Kedro-Viz.
        """
        self.folder = Path(path)
        self.failures: tuple[str, ...] = ()
        self._unlisted: frozenset[tuple[str, datetime]] = frozenset()
        self.metadata = metadata

    def load(self) -> FlashSeries:
        """The handle."""
        return FlashSeries(self.folder, self._unlisted)

    def save(self, data: Mapping[str, HourTask]) -> None:
        """Write the hours that are not there yet, on all cores if they are many.

        What went wrong before, and what a task could not fetch, is noted in ``failures``.
        """
        self._unlisted = frozenset(
            parse_hour_key(key) for key, task in data.items() if not task.is_listed
        )
        handle = self.load()
        tasks = [
            partial(save_hour, handle.hour(*parse_hour_key(key)), task)
            for key, task in data.items()
            if task.granules
        ]
        results = run_hours(tasks, progress="Decoding")
        before = [failure for task in data.values() for failure in task.failures]
        missed = [failure for result in results for failure in result.failures]
        self.failures = (*before, *missed)
        decoded = sum(result.decoded for result in results)
        logger.info("Decoded %d granules of %d hours", decoded, len(tasks))

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.folder)}
