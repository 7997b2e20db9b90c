"""Zarr stores that hold what a netCDF file holds: the same variables, attributes and fill values.

A store's metadata and small variables come from the netCDF file by way of xarray, so that no fact
is written down twice. Large variables are filled chunk by chunk. The same content gives the same
files, byte for byte: chunks are compressed one by one with Zstandard, which no thread count alters.
"""

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.exceptions import StorageError
from lightning_kedro.file_formats import NEEDS_ZARR, has_zarr

if TYPE_CHECKING:
    import netCDF4
    import xarray
    import zarr

SUFFIX: Final = ".zarr"

CHUNK: Final = 1000
"""Rows and columns of a chunk, at most. Larger than in netCDF: each chunk is a file."""

_LEVEL: Final = 3  # Zstandard's own default

_FILL: Final = "_FillValue"


def create_store(
    folder: Path, file: "netCDF4.Dataset", growing: Collection[str] = ()
) -> "zarr.Group":
    """Make a store of a netCDF file that is open.

    Args:
        folder: The store, which is there and empty.
        file: The file.
        growing: Variables of which only the shape is taken over: their values, now the fill value,
            are still to be written.

    Returns:
        The store, to write those.
    """
    import xarray as xr
    import zarr

    opened = xr.backends.NetCDF4DataStore(file)  # type: ignore[no-untyped-call]
    described = xr.open_dataset(opened, decode_cf=False)
    shapes = {name: described[name].shape for name in growing}
    for variable in described.variables.values():
        _choose_encoding(variable)
    options: dict[str, Any] = {"zarr_format": 3, "consolidated": False}
    # Without a first dimension nothing of them is read or written; then they get their full shape.
    axis = {described[name].dims[0] for name in growing}
    template = described[[*growing]].isel(dict.fromkeys(axis, slice(0, 0)))
    template.drop_vars(list(template.coords)).to_zarr(folder, mode="w", **options)
    store = zarr.open_group(folder, mode="r+", zarr_format=3, use_consolidated=False)
    for name, shape in shapes.items():
        array = store[name]
        assert isinstance(array, zarr.Array)  # noqa: S101  (xarray has just made it)
        array.resize(shape)
    described.drop_vars(list(growing)).to_zarr(folder, mode="a", **options)
    _consolidate(folder)
    return store


def _consolidate(folder: Path) -> None:
    """Put all metadata into one file: without, xarray warns whoever opens the store."""
    import zarr

    with warnings.catch_warnings():  # zarr (3.1): the specification of format 3 does not have it
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(folder, zarr_format=3)


def _choose_encoding(variable: "xarray.Variable") -> None:
    """How a variable is stored: its dtype and fill value as in netCDF, chunks and codec Zarr's."""
    from zarr.codecs import ZstdCodec

    own: dict[str, Any] = {"compressors": (ZstdCodec(level=_LEVEL),)}
    own["fill_value"] = variable.attrs.get(_FILL, 0)  # of chunks that are not there
    if variable.ndim:
        cells = [min(CHUNK, size) or 1 for size in variable.shape[-2:]]
        own["chunks"] = (1,) * (variable.ndim - len(cells)) + tuple(cells)
    if _FILL not in variable.attrs:
        own[_FILL] = None  # else xarray adds NaN to whatever has a decimal point
    variable.encoding = own


def open_store(folder: Path, **options: Any) -> "xarray.Dataset":  # noqa: ANN401
    """Open a store with xarray, by the options of its ``open_dataset``.

    Raises:
        StorageError: If the package zarr is not installed.
    """
    import xarray as xr

    if not has_zarr():
        message = f"Opening {folder} {NEEDS_ZARR}."
        raise StorageError(message)
    return xr.open_dataset(folder, engine="zarr", **options)
