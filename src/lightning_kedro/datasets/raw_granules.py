"""The granules of a run on this machine's disk: copied from a remote archive, or read in place."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from lightning_kedro.datasets.granule_archive import GranuleArchive, GranuleSelection
from lightning_kedro.datasets.storage import Storage
from lightning_kedro.datasets.whole_files import sweep_partials, write_whole
from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.glm.series import StoredGranule

logger = logging.getLogger(__name__)


class RawGranulesDataset(AbstractDataset[GranuleSelection, GranuleArchive]):
    """Saves a selection of granules to a folder and loads a handle on that folder.

    The folder is laid out like the archive. What is there already is not fetched again; what is
    fetched becomes visible only when it is whole, so that a run may be stopped at any moment. A
    selection from a folder of this machine is not copied: the handle then is on that folder.

    Example of the YAML API:
        .. code-block:: yaml

            raw_granules:
              type: lightning_kedro.datasets.raw_granules.RawGranulesDataset
              path: data/01_raw/glm
              archive: s3://noaa-goes{number}

    Example of the Python API:
        >>> dataset = RawGranulesDataset(path="data/01_raw/glm", archive="s3://noaa-goes{number}")
        >>> dataset.load().storage.root
        'data/01_raw/glm'
    """

    def __init__(
        self,
        *,
        path: str,
        archive: str | None,
        simulated: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the folder; nothing is made.

        Args:
            path: The folder.
            archive: The root that selections come from: if it is local, it is read in place. None
                if granules come into being in ``path``.
            simulated: Whether the granules are simulated.
            metadata: For plugins such as Kedro-Viz.
        """
        local = archive if archive is not None and Storage(archive).is_local else None
        self.folder = Path(path)
        self._storage = Storage(local or path)
        self._simulated = simulated
        self.failures: tuple[str, ...] = ()
        self._unlisted: frozenset[Any] = frozenset()
        self.metadata = metadata

    def load(self) -> GranuleArchive:
        """A handle on the folder."""
        return GranuleArchive(
            self._storage,
            simulated=self._simulated,
            may_be_empty=True,
            unlisted=self._unlisted,
        )

    def save(self, data: GranuleSelection) -> None:
        """Fetch what is not there yet.

        What cannot be fetched while the rest can is left out and noted in ``failures``: it counts
        as missing, and the run says so at its end.

        Raises:
            ArchiveError: If there is something to fetch and nothing at all can be.
            StorageError: If the disk is full or cannot be written to.
        """
        self.failures, self._unlisted = data.failures, data.unlisted
        if data.storage.is_local:
            return
        sweep_partials(self.folder)
        wanted = [granule for granule in data.granules if not self._holds(granule)]
        from tqdm import tqdm

        contents = data.storage.read_all(wanted)
        failures: list[ArchiveError] = []
        bar = tqdm(contents, total=len(wanted), desc="Fetching", unit="granule", disable=None)
        for granule, content in bar:
            if isinstance(content, bytes):
                with write_whole(self._path_of(granule)) as partial:
                    partial.write_bytes(content)
            elif isinstance(content, ArchiveError):
                failures.append(content)
        self.failures += tuple(str(failure) for failure in failures)
        logger.info(
            "Fetched %d of %d granules, %.1f MB in all; %d new ones were here already",
            len(wanted) - len(failures),
            len(wanted),
            sum(granule.file_bytes for granule in wanted) / 1e6,
            len(data) - len(wanted),
        )
        if failures and len(failures) == len(data):
            raise failures[0]

    def _path_of(self, granule: StoredGranule) -> Path:
        """Where a granule lies: made from its parsed name alone, never from its key."""
        return self.folder / hour_prefix(granule.name.hour) / granule.name.file_name

    def _holds(self, granule: StoredGranule) -> bool:
        """Whether the whole granule is here already."""
        path = self._path_of(granule)
        return path.is_file() and path.stat().st_size == granule.file_bytes

    def _exists(self) -> bool:
        return Path(self._storage.locate("G16")).is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.folder), "archive": self._storage.root}
