"""The archive of granules as a catalog entry: a lazy handle that lists only what is asked for."""

from collections.abc import Mapping
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lightning_kedro.granules.archive import GranuleArchive
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import prepare_workers


class GranuleArchiveDataset(AbstractDataset[None, GranuleArchive]):
    """Loads a lazy handle on an archive of GLM granules: NOAA's buckets, a mirror or a folder.

    Dates are not the catalog's business: nodes ask the handle for the hours they need. A folder
    is read in place; an archive of simulated granules (names IS_...) is refused.

    Example of the YAML API:
        .. code-block:: yaml

            glm_archive:
              type: lightning_kedro.datasets.granule_archive.GranuleArchiveDataset
              root: s3://noaa-goes{number}
              max_concurrency: 32
              ranges: false
              fs_args:
                anon: true

    Example of the Python API:
        >>> archive = GranuleArchiveDataset(root="s3://noaa-goes{number}").load()
        >>> archive.source.locate("G16")
        'noaa-goes16'
    """

    def __init__(
        self,
        *,
        root: str,
        max_concurrency: int = 32,
        ranges: bool = False,
        fs_args: Mapping[str, Any] | None = None,
        credentials: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the archive; nothing is opened.

        Args:
            root: fsspec URL or folder; ``{number}`` stands for the satellite's number.
            max_concurrency: How many requests may be under way at once.
            ranges: Whether only those bytes of granules are fetched that flashes need, about half
                of them or less: for slow lines. So it is done only where granules are read
                without a copy on disk (``conf/home``), no other level is wanted, and the server
                answers ranges.
            fs_args: Options for the file system of a remote root.
            credentials: More such options, which are not shown: ``anon``, ``key``, ``secret`` ...
            metadata: For plugins such as Kedro-Viz.
        """
        self._root = root
        self._max_concurrency = max_concurrency
        self._fs_args = dict(fs_args or {})
        self._credentials = dict(credentials or {})
        self._ranges = ranges
        self.metadata = metadata

    def load(self) -> GranuleArchive:
        """The handle."""
        storage = Storage(
            self._root,
            self._fs_args,
            credentials=self._credentials,
            max_concurrency=self._max_concurrency,
            ranges=self._ranges,
        )
        return GranuleArchive(storage, prepare=prepare_workers)

    def save(self, data: None) -> NoReturn:  # noqa: ARG002
        """Refuse: archives are read, never written."""
        message = f"Archive {self._root} is read-only."
        raise DatasetError(message)

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {
            "root": self._root,
            "max_concurrency": self._max_concurrency,
            "ranges": self._ranges,
        }
