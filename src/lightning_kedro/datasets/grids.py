"""Gridded lightning as a catalog entry: a folder of files, one for each window and grid."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from lightning_kedro.analysis.grids.window import GriddedWindow
from lightning_kedro.file_formats import NETCDF, ZARR
from lightning_kedro.store.files import remove_stale_partials
from lightning_kedro.store.folders import finish_folders
from lightning_kedro.store.grid_files import SUFFIXES, write_grids
from lightning_kedro.store.zarr_files import open_store

if TYPE_CHECKING:
    import xarray


class GridsDataset(AbstractDataset[GriddedWindow, "dict[str, Callable[..., xarray.Dataset]]"]):
    """Saves the grids of a window to a file of their own; loads all files, each when it is called.

    The window says whether they are a netCDF file, a Zarr store or both. Each is replaced as a
    whole, so that no one ever sees half of it; of two of one name the newer is opened. Granules are
    read while it is written: a window may be as long as the disk allows.

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
        finish_folders(self._folder, SUFFIXES[ZARR])
        found = sorted(self._find(), key=lambda path: (path.stem, _find_time(path)))
        return {path.stem: partial(_open, path) for path in found}  # the last of a name stands

    def save(self, data: GriddedWindow) -> None:
        """Read the window's granules, and write their grids.

        Raises:
            StorageError: If the disk is full or the folder cannot be written to.
        """
        remove_stale_partials(self._folder)
        write_grids(self._folder, data)

    def _exists(self) -> bool:
        """Whether there are any grids."""
        return any(self._find())

    def _find(self) -> Iterator[Path]:
        """The files and stores that are whole."""
        for suffix in SUFFIXES.values():
            found = self._folder.glob(f"*{suffix}")
            yield from (path for path in found if not path.name.startswith("."))

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._folder)}


def _find_time(path: Path) -> tuple[int, bool]:
    """What grids of one name are told apart by: when they were written; netCDF last."""
    return path.stat().st_mtime_ns, path.suffix == SUFFIXES[NETCDF]


def _open(file: Path, **options: Any) -> "xarray.Dataset":  # noqa: ANN401
    """Open a file or store with xarray, by the options of its ``open_dataset``.

    Raises:
        StorageError: If it is a store, and the package zarr is not installed.
    """
    import xarray as xr

    if file.suffix == SUFFIXES[ZARR]:
        return open_store(file, **options)
    return xr.open_dataset(file, engine="netcdf4", **options)
