"""The formats of gridded files: netCDF, Zarr, or both. Zarr needs a package that is an extra."""

from importlib.util import find_spec
from typing import Final, Literal

from lightning_kedro.exceptions import ParameterError

FileFormat = Literal["netcdf", "zarr", "both"]
"""What the parameters ``grids.format`` and ``climatology.format`` may be."""

NETCDF: Final = "netcdf"
ZARR: Final = "zarr"

NEEDS_ZARR: Final = (
    'needs the package zarr: install the extra zarr (`pip install "lightning_kedro[zarr]"`, in a '
    'checkout `pip install -e ".[zarr]" -c constraints.txt`)'
)
"""What to say where the extra is not installed."""


def has_zarr() -> bool:
    """Whether Zarr stores can be written and read here."""
    return find_spec("zarr") is not None


def split_formats(chosen: str) -> tuple[str, ...]:
    """The formats that a parameter asks for: ``both`` is two of them."""
    return (NETCDF, ZARR) if chosen == "both" else (chosen,)


def check_format(parameter: str, chosen: str) -> None:
    """Refuse a format that cannot be written here, before anything is read for it.

    Args:
        parameter: The parameter's full name.
        chosen: Its value.

    Raises:
        ParameterError: If it asks for Zarr where the package is not installed.
    """
    if ZARR in split_formats(chosen) and not has_zarr():
        message = f"Parameter {parameter}: {chosen} {NEEDS_ZARR}, or choose netcdf."
        raise ParameterError(message)
