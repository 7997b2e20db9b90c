"""A climatology as files: fields and cycle as CF netCDF or Zarr, the cycle as CSV, its pictures.

All of them lie in one folder, which is replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.climatology.fields import DiurnalCycle
from lightning_kedro.analysis.climatology.published import PublishedClimatology
from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM
from lightning_kedro.file_formats import NETCDF, ZARR
from lightning_kedro.store.folders import write_folder
from lightning_kedro.store.grid_files import EPOCH, write_lat_lon, write_variable
from lightning_kedro.store.zarr_files import create_store

if TYPE_CHECKING:
    import netCDF4

FIELDS: Final = {NETCDF: "climatology.nc", ZARR: "climatology.zarr"}
"""The file or store of the fields, by format."""

TABLE: Final = "diurnal_cycle.csv"

_CHUNK: Final = 500
_LEVEL: Final = 4  # zlib's


@dataclass(frozen=True, slots=True)
class Field:
    """A variable of a file: its type, its attributes, and the value that stands for none."""

    kind: str
    attributes: Mapping[str, str]
    fill: float | None = None


_OBSERVED: Final = "Hours that no granule was read of do not count."

_FIELDS: Final = {
    "thunder_hours": Field(
        "i4",
        {
            "long_name": "thunder hours",
            "units": "h",
            "cell_methods": "time: sum",
            "comment": "Hours of UTC in which enough flashes were within earshot of the grid "
            "point, which is the center of the cell; see the attributes thunder_*.",
        },
    ),
    "thunder_hours_per_year": Field(
        "f4",
        {
            "long_name": "thunder hours per year of observation",
            "units": "h yr-1",
            "cell_methods": "time: mean",
            "comment": "thunder_hours / observed_hours * 8766 h",
        },
        np.nan,
    ),
    "flash_count": Field(
        "i4",
        {
            "long_name": "flashes whose centroid is in the cell",
            "units": "1",
            "cell_methods": "time: sum area: sum",
        },
    ),
    "flash_density": Field(
        "f4",
        {
            "standard_name": "frequency_of_lightning_flashes_per_unit_area",
            "long_name": "flashes per area and year of observation",
            "units": "km-2 yr-1",
            "cell_methods": "time: mean area: mean",
            "comment": "flash_count / area of the cell / observed_hours * 8766 h",
        },
        np.nan,
    ),
    "observed_hours": Field(
        "f4",
        {
            "long_name": "hours observed",
            "units": "h",
            "cell_methods": "time: sum",
            "comment": f"{_OBSERVED} 0 where no satellite of the window sees.",
        },
    ),
}

_CYCLE: Final = {
    "flash_count_utc": ("utc_count", "flashes by hour of UTC", "1"),
    "observed_hours_utc": ("utc_hours", "hours observed, mean over the area seen", "h"),
    "flash_rate_utc": ("utc_rate", "flashes per observed hour by hour of UTC", "h-1"),
    "flash_count_solar": ("solar_count", "flashes by hour of local mean solar time", "1"),
    "observed_hours_solar": ("solar_hours", "hours observed, mean over the area seen", "h"),
    "flash_rate_solar": (
        "solar_rate",
        "flashes per observed hour by hour of local mean solar time (UTC + longitude / 15)",
        "h-1",
    ),
}


def write_climatology(root: Path, published: PublishedClimatology) -> Path:
    """Write a climatology into a folder of its own, which is replaced as a whole.

    Args:
        root: The folder of all climatologies.
        published: The climatology.

    Returns:
        Its folder.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to.
    """
    with write_folder(root / published.name) as prepared:
        for name, content in published.files.items():
            (prepared / name).write_bytes(content)
        (prepared / TABLE).write_text(format_cycle(published.climatology.cycle), encoding="utf-8")
        _write_fields(prepared, published)
    return root / published.name


def format_cycle(cycle: DiurnalCycle) -> str:
    """The diurnal cycle as CSV: a row for each hour of the day."""
    columns = {name: getattr(cycle, attribute) for name, (attribute, *_) in _CYCLE.items()}
    rows = [",".join(["hour", *columns])]
    rows += [
        ",".join([str(hour), *(_format(values[hour]) for values in columns.values())])
        for hour in range(len(cycle.utc_count))
    ]
    return "\n".join(rows) + "\n"


def _format(value: np.integer | np.floating) -> str:
    """A number as CSV has it; nothing where there is none."""
    if isinstance(value, np.integer):
        return str(int(value))
    return "" if np.isnan(value) else f"{float(value):.6g}"


def _write_fields(folder: Path, published: PublishedClimatology) -> None:
    """The fields and the diurnal cycle, in the formats asked for."""
    import netCDF4

    climatology, in_memory = published.climatology, NETCDF not in published.formats
    with netCDF4.Dataset(folder / FIELDS[NETCDF], "w", diskless=in_memory) as file:
        file.setncatts(_describe_file(published))
        _write_time(file, published)
        dimensions = write_lat_lon(file, climatology.grid)[1:]
        for name, described in _FIELDS.items():
            _write_field(file, name, described, getattr(climatology, name), dimensions)
        _write_cycle(file, climatology.cycle)
        if ZARR in published.formats:
            (folder / FIELDS[ZARR]).mkdir()
            create_store(folder / FIELDS[ZARR], file)


def _describe_file(published: PublishedClimatology) -> dict[str, Any]:
    """The attributes of a file."""
    climatology = published.climatology
    simulated = climatology.is_simulated
    return {
        "Conventions": "CF-1.8",
        "title": f"{'SIMULATED ' if simulated else ''}GLM lightning climatology",
        "summary": "Thunder hours, flash density and diurnal cycle of the flashes of the "
        "Geostationary Lightning Mapper (GLM L2 LCFA).",
        "source": f"{'simulated' if simulated else 'NOAA'} GLM L2 LCFA granules",
        "references": "DiGangi et al. 2022, doi 10.1175/BAMS-D-20-0198.1 (thunder hours)",
        "program": f"lightning_kedro {__version__}",
        "spatial_resolution": f"{climatology.grid.degrees:g} degrees",
        "time_coverage_start": f"{published.start}Z",
        "time_coverage_end": f"{published.end}Z",
        "hours_observed": climatology.hour_count,
        "flashes": climatology.flash_total,
        "hours_per_year": 8766.0,
        "sphere_radius_km": EARTH_RADIUS_KM,
        "simulated": "true" if simulated else "false",
        "result": published.name,
        **published.facts,
    }


def _write_time(file: "netCDF4.Dataset", published: PublishedClimatology) -> None:
    """The window: its start, with start and end as bounds."""
    file.createDimension("bounds", 2)
    since = {"units": "seconds since 2000-01-01 12:00:00", "calendar": "standard"}
    edges = np.array([published.start, published.end], "datetime64[us]")
    seconds = (edges - EPOCH) / np.timedelta64(1, "s")
    attributes = {"standard_name": "time", "long_name": "start of the window", "axis": "T"}
    attributes |= since | {"bounds": "time_bounds"}
    write_variable(file, "time", (), np.float64(seconds[0]), attributes)
    write_variable(file, "time_bounds", ("bounds",), seconds, {})


def _write_field(
    file: "netCDF4.Dataset",
    name: str,
    described: Field,
    values: npt.NDArray[Any],
    dimensions: tuple[str, ...],
) -> None:
    """A field, in chunks."""
    variable = file.createVariable(
        name,
        described.kind,
        dimensions,
        zlib=True,
        complevel=_LEVEL,
        shuffle=True,
        chunksizes=tuple(min(_CHUNK, size) for size in values.shape),
        fill_value=described.fill,
    )
    variable.setncatts({**described.attributes, "grid_mapping": "crs", "coordinates": "time"})
    variable[...] = values


def _write_cycle(file: "netCDF4.Dataset", cycle: DiurnalCycle) -> None:
    """The diurnal cycle."""
    file.createDimension("hour", len(cycle.utc_count))
    hours = np.arange(len(cycle.utc_count), dtype=np.float64)
    attributes = {"long_name": "start of the hour of the day", "units": "h"}
    write_variable(file, "hour", ("hour",), hours, attributes)
    for name, (attribute, long_name, units) in _CYCLE.items():
        values = getattr(cycle, attribute).astype(np.float64)
        write_variable(file, name, ("hour",), values, {"long_name": long_name, "units": units})
