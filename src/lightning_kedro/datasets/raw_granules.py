"""The granules of a run on this machine's disk: copied from a remote archive, or read in place."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from kedro.io import AbstractDataset

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.granules.series import StoredGranule
from lightning_kedro.store.archive import GranuleArchive, GranuleSelection
from lightning_kedro.store.files import sweep_partials, write_whole
from lightning_kedro.store.prefetch import prefetch
from lightning_kedro.store.storage import Storage

logger = logging.getLogger(__name__)

WRITERS: Final = 8
"""How many copies are on their way to the disk at once: each waits for it most of the time."""

BYTES_BEHIND: Final = 32 << 20
"""How many bytes of granules have come and are not on the disk yet, at most."""


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
        self.reads_in_place = local is not None
        self._storage = Storage(local or path, may_be_absent=local is None)
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

        What cannot be fetched is left out and noted in ``failures``: it counts as missing, the
        rest goes on, and the run says so at its end. Nor does it stop a run that nothing at all
        could be fetched: what was loaded before may be all that the next nodes need.

        Raises:
            StorageError: If the disk is full or cannot be written to.
        """
        self.failures, self._unlisted = data.failures, data.unlisted
        for folder in {self._folder_of(hour.hour) for hour in data.hours}:
            sweep_partials(folder)
        if data.storage.is_local:
            return
        wanted = [granule for granule in data.granules if not self._holds(granule)]
        missed = self._fetch(data.storage, wanted)
        self.failures += missed
        logger.info(
            "Fetched %d of %d granules, %.1f MB in all; %d new ones were here already",
            len(wanted) - len(missed),
            len(wanted),
            sum(granule.file_bytes for granule in wanted) / 1e6,
            len(data) - len(wanted),
        )

    def _fetch(self, storage: Storage, wanted: Sequence[StoredGranule]) -> tuple[str, ...]:
        """Copy granules to the folder; returns what could not be had, and why.

        Each copy is on the disk before it is visible: a name that outlives a power cut without its
        content would be trusted for ever. Threads wait for the disk, meanwhile others are fetched.
        """
        from tqdm import tqdm

        bar = partial(tqdm, total=len(wanted), desc="Fetching", unit="granule", disable=None)
        with closing(storage.read_all(wanted)) as contents, ThreadPoolExecutor(WRITERS) as pool:
            kept = prefetch(
                contents,
                lambda item: pool.submit(self._keep, *item),
                cost=lambda item: item[0].file_bytes,
                max_items=2 * WRITERS,
                max_bytes=BYTES_BEHIND,
            )
            return tuple(failure for _, failure in bar(kept) if failure is not None)

    def _keep(self, granule: StoredGranule, content: Path | bytes | ArchiveError) -> str | None:
        """Write a granule that came; returns why it did not, if so."""
        if isinstance(content, ArchiveError):
            return str(content)
        if isinstance(content, bytes):
            with write_whole(self._path_of(granule), sync=True) as partial_file:
                partial_file.write_bytes(content)
        return None

    def _folder_of(self, hour: datetime) -> Path:
        """Where the granules of an archive hour lie."""
        return self.folder / hour_prefix(hour)

    def _path_of(self, granule: StoredGranule) -> Path:
        """Where a granule lies: made from its parsed name alone, never from its key."""
        return self._folder_of(granule.name.hour) / granule.name.file_name

    def _holds(self, granule: StoredGranule) -> bool:
        """Whether the whole granule is here already."""
        path = self._path_of(granule)
        return path.is_file() and path.stat().st_size == granule.file_bytes

    def _exists(self) -> bool:
        return Path(self._storage.locate(PLATFORMS[0])).is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.folder), "archive": self._storage.root}
