"""The granules of a run on this machine's disk: copied from a remote archive, or in their place."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from kedro.io import AbstractDataset

from lightning_kedro.datasets.hour_folder import HourFolder
from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.granules.archive import GranuleSelection
from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import Content, StoredGranule
from lightning_kedro.store.copies import GranuleCopies
from lightning_kedro.store.files import lock_folder, remove_stale_partials
from lightning_kedro.store.prefetch import prefetch

logger = logging.getLogger(__name__)

WRITERS: Final = 8
"""How many copies are on their way to the disk at once: each waits for it most of the time."""

BYTES_BEHIND: Final = 32 << 20
"""How many bytes of granules have come and are not on the disk yet, at most."""


class RawGranulesDataset(
    AbstractDataset[GranuleSelection | GranuleCopies, GranuleCopies], HourFolder
):
    """Saves a selection of granules to a folder and loads a handle on that folder.

    The folder is laid out like the archive. What is there already is not fetched again, unless it
    was found corrupt: the copy may be damaged. What is fetched becomes visible only when it is
    whole, so that a run may be stopped at any moment; what cannot be fetched leaves a note. A
    selection from a folder of this machine is not copied: the handle finds it where it is.

    Example of the YAML API:
        .. code-block:: yaml

            raw_granules:
              type: lightning_kedro.datasets.raw_granules.RawGranulesDataset
              path: data/01_raw/glm

    Example of the Python API:
        >>> RawGranulesDataset(path="data/01_raw/glm").load().folder.name
        'glm'
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the folder; nothing is made.

        Args:
            path: The folder.
            metadata: For plugins such as Kedro-Viz.
        """
        self._copies = GranuleCopies(Path(path))
        self.metadata = metadata

    def load(self) -> GranuleCopies:
        """A handle on the folder."""
        return self._copies

    def save(self, data: GranuleSelection | GranuleCopies) -> None:
        """Fetch what is not there yet; a handle from ``load`` stands for what is on disk.

        What cannot be fetched is left out and noted beside the copies: it counts as missing, the
        rest goes on, and the run says so at its end. Nor does it stop a run that nothing at all
        could be fetched: what was loaded before may be all that the next nodes need.

        Raises:
            StorageError: If the disk is full or cannot be written to.
        """
        if isinstance(data, GranuleCopies):
            return
        for folder in {self._copies.folder_of(hour.hour) for hour in data.report.hours}:
            remove_stale_partials(folder)
        if data.source.is_local:
            return
        wanted = [granule for granule in data.granules if self._lacks(granule, data)]
        with lock_folder(self._copies.folder, shared=True):
            missed = self._fetch(data.source, wanted)
        logger.info(
            "Fetched %d of %d granules, %.1f MB in all; %d new ones were here already",
            len(wanted) - missed,
            len(wanted),
            sum(granule.file_bytes for granule in wanted) / 1e6,
            len(data) - len(wanted),
        )

    def hour_folders(self) -> list[Path]:
        """The folder, where there is one: runs that read an archive in place make none."""
        return [self._copies.folder] if self._copies.folder.is_dir() else []

    def _lacks(self, granule: StoredGranule, selection: GranuleSelection) -> bool:
        """Whether a granule is not here, or must not be trusted although it is."""
        if granule in selection.doubted or not self._copies.holds(granule):
            return True
        self._copies.forget_missed(granule)
        return False

    def _fetch(self, reader: GranuleReader, wanted: Sequence[StoredGranule]) -> int:
        """Copy granules to the folder; returns how many could not be had.

        Threads wait for the disk, meanwhile others are fetched.
        """
        from tqdm import tqdm

        bar = partial(tqdm, total=len(wanted), desc="Fetching", unit="granule", disable=None)
        with closing(reader.read_all(wanted)) as contents, ThreadPoolExecutor(WRITERS) as pool:
            kept = prefetch(
                contents,
                lambda item: pool.submit(self._keep, *item),
                cost=lambda item: item[0].file_bytes,
                max_items=2 * WRITERS,
                max_bytes=BYTES_BEHIND,
            )
            return sum(not is_kept for _, is_kept in bar(kept))

    def _keep(self, granule: StoredGranule, content: Content) -> bool:
        """Write a granule that came, or a note why it did not; whether it came."""
        if isinstance(content, ArchiveError):
            self._copies.note_missed(granule, content)
            return False
        if isinstance(content, bytes):
            self._copies.keep(granule, content)
        return True

    def _exists(self) -> bool:
        return self._copies.folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._copies.folder)}
