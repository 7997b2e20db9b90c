"""Time series and geo series by archive hour, as a catalog entry."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from lightning_kedro.datasets.hour_folder import HourFolder
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.store.series_files import FlashSeries, save_hour
from lightning_kedro.store.workers import run_hours

logger = logging.getLogger(__name__)


class FlashSeriesDataset(
    AbstractDataset[Mapping[str, ReadHour] | FlashSeries, FlashSeries], HourFolder
):
    """Saves time series and geo series by archive hour as CSV; loads a lazy handle on them.

    What is saved is a mapping of an hour's key to a task that reads the hour when it is called. An
    hour whose files already hold the granules that are wanted is not read again, and granules that
    it holds besides are kept. A granule that could not be fetched or read for now is on the hour's
    record with the status ``failed`` and the reason.

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
        self._series = FlashSeries(Path(path))
        self.metadata = metadata

    def load(self) -> FlashSeries:
        """The handle."""
        return self._series

    def save(self, data: Mapping[str, ReadHour] | FlashSeries) -> None:
        """Write the hours that are not there yet, on all cores if they are many.

        A handle from ``load`` stands for what is on disk: to save it changes nothing.
        """
        if isinstance(data, FlashSeries):
            return
        tasks = [
            partial(save_hour, self._series.hour(task.hour.platform, task.hour.hour), task)
            for task in data.values()
        ]
        decoded = run_hours(tasks, progress="Decoding")
        logger.info("Decoded %d granules of %d hours", sum(decoded), len(tasks))

    def hour_folders(self) -> list[Path]:
        """The folder, whether it is there yet or not."""
        return [self._series.folder]

    def _exists(self) -> bool:
        return self._series.folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._series.folder)}
