"""Gridded lightning as a catalog entry: a folder of netCDF files, one for each window and grid."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from lightning_kedro.analysis.grids.window import GriddedWindow
from lightning_kedro.store.files import remove_stale_partials
from lightning_kedro.store.grid_files import SUFFIX, write_grids

if TYPE_CHECKING:
    import xarray


class GridsDataset(AbstractDataset[GriddedWindow, "dict[str, Callable[..., xarray.Dataset]]"]):
    """Saves the grids of a window to a file of their own; loads all files, each when it is called.

    A file is replaced at once, so that no one ever sees half of it. Granules are read while it is
    written: a window may be as long as the disk allows.

    Example of the YAML API:
        .. code-block:: yaml

            grids:
              type: lightning_kedro.datasets.grids.GridsDataset
              path: data/07_model_output/grids

    Example of the Python API:
        >>> import tempfile
        >>> GridsDataset(path=tempfile.mkdtemp()).load()
        {}
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Describe the folder; nothing is made.

        Args:
            path: The folder.
            metadata: For plugins such as Kedro-Viz.
        """
        self._folder = Path(path)
        self.metadata = metadata

    def load(self) -> "dict[str, Callable[..., xarray.Dataset]]":
        """How to open the grids of each window, by name, with xarray."""
        files = sorted(self._folder.glob(f"*{SUFFIX}"))
        return {file.stem: partial(_open, file) for file in files if file.name[0] != "."}

    def save(self, data: GriddedWindow) -> None:
        """Read the window's granules, and write their grids.

        Raises:
            StorageError: If the disk is full or the folder cannot be written to.
        """
        remove_stale_partials(self._folder)
        write_grids(self._folder, data)

    def _exists(self) -> bool:
        """Whether there are any grids."""
        return any(self._folder.glob(f"*{SUFFIX}"))

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._folder)}


def _open(file: Path, **options: Any) -> "xarray.Dataset":  # noqa: ANN401
    """Open a file with xarray, by the options of its ``open_dataset``."""
    import xarray as xr

    return xr.open_dataset(file, engine="netcdf4", **options)
