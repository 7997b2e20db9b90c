"""Pictures as catalog entries: the bytes of a PNG or GIF file."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import ImagePreview  # Kedro-Viz goes by this annotation's name

from lightning_kedro.publication import Publication
from lightning_kedro.store.files import write_atomic
from lightning_kedro.store.reports import finish_publication
from lightning_kedro.unchanged import Unchanged

_SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")


class PictureDataset(AbstractDataset[bytes | Publication | Unchanged, bytes]):
    """Saves and loads a picture as its file's bytes; Kedro-Viz shows it.

    Drawing libraries stay where pictures are drawn: neither this entry nor a run that only looks
    at the catalog imports them. A file is replaced at once, so that no one ever sees half of it.
    A picture that is part of a publication is published with it, by the entry of the report.

    Example of the YAML API:
        .. code-block:: yaml

            cluster_map:
              type: lightning_kedro.datasets.picture.PictureDataset
              path: data/08_reporting/cluster_map.png

    Example of the Python API:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "nothing.gif"
        >>> picture = PictureDataset(path=str(path))
        >>> picture.save(b"GIF89a")
        >>> picture.load()
        b'GIF89a'
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the picture; nothing is opened.

        Args:
            path: The file, PNG or GIF.
            metadata: For plugins such as Kedro-Viz.
        """
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> bytes:
        """The file's bytes."""
        finish_publication(self._path.parent)
        return self._path.read_bytes()

    def save(self, data: bytes | Publication | Unchanged) -> None:
        """Write the file; of a publication nothing, because the report's entry publishes it whole.

        Raises:
            DatasetError: If these are not the bytes of a PNG or GIF file.
            StorageError: If the disk is full or the folder cannot be written to.
        """
        if isinstance(data, Publication | Unchanged):
            return
        if not data.startswith(_SIGNATURES):
            message = (
                f"Picture {self._path} takes the bytes of a PNG or GIF file, but was given bytes "
                f"that begin with {data[:8]!r}: encode the picture first."
            )
            raise DatasetError(message)
        with write_atomic(self._path) as partial:
            partial.write_bytes(data)

    def preview(self) -> ImagePreview:
        """The picture, for Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.load()).decode("ascii"))

    def _exists(self) -> bool:
        return self._path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
