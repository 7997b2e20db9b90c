"""A climatology as a catalog entry: a folder with fields, table and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from lightning_kedro.analysis.climatology.published import PublishedClimatology
from lightning_kedro.file_formats import NETCDF, ZARR
from lightning_kedro.store.climatology_files import FIELDS, write_climatology
from lightning_kedro.store.folders import finish_folder
from lightning_kedro.store.zarr_files import open_store

if TYPE_CHECKING:
    import xarray


class ClimatologyDataset(AbstractDataset[PublishedClimatology, "xarray.Dataset"]):
    """Saves a climatology with its table and pictures, all at once; loads its fields with xarray.

    The entry of the last output of the node that gathers them: until it saves, the former files of
    the same window and grid stand.

    Example of the YAML API:
        .. code-block:: yaml

            climatology:
              type: lightning_kedro.datasets.climatology.ClimatologyDataset
              path: data/08_reporting/climatology
              name: G19_20260101T0000_20260201T0000_0.05deg

    Example of the Python API:
        >>> import tempfile
        >>> ClimatologyDataset(path=tempfile.mkdtemp(), name="none").exists()
        False
    """

    def __init__(self, *, path: str, name: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the folder; nothing is made.

        Args:
            path: The folder of all climatologies.
            name: The name of this one's.
            metadata: For plugins such as Kedro-Viz.
        """
        self._root = Path(path)
        self._name = name
        self.metadata = metadata

    @property
    def folder(self) -> Path:
        """The folder with the files."""
        return self._root / self._name

    @property
    def _file(self) -> Path:
        """The fields as netCDF."""
        return self.folder / FIELDS[NETCDF]

    def load(self) -> "xarray.Dataset":
        """The fields and the diurnal cycle, from netCDF if there is such a file, else from Zarr.

        Raises:
            StorageError: If they are there as Zarr only, and the package zarr is not installed.
        """
        import xarray as xr

        finish_folder(self.folder)
        if (store := self.folder / FIELDS[ZARR]).is_dir() and not self._file.exists():
            return open_store(store)
        return xr.open_dataset(self._file, engine="netcdf4")

    def save(self, data: PublishedClimatology) -> None:
        """Write all files.

        Raises:
            StorageError: If the disk is full or the folder cannot be written to.
        """
        write_climatology(self._root, data)

    def _exists(self) -> bool:
        return any((self.folder / name).exists() for name in FIELDS.values())

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.folder)}
