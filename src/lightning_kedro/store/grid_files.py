"""Gridded lightning as files that follow the CF conventions, netCDF or Zarr, written step by step.

Only the chunks of a variable in which something was seen are written: the others hold the fill
value, 0, and take no room. The same grids give the same bytes.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.grids.building import Steps
from lightning_kedro.analysis.grids.products import PER_CELL, PRODUCTS, Product
from lightning_kedro.analysis.grids.sums import CellSums
from lightning_kedro.analysis.grids.target import STEP_RAD, FixedGrid, LatLonGrid, TargetGrid
from lightning_kedro.analysis.grids.window import BOTH_SLOTS, FinishedStep, GriddedWindow
from lightning_kedro.exceptions import StorageError
from lightning_kedro.file_formats import NETCDF, ZARR
from lightning_kedro.glm.field_of_view import EARTH_RADIUS_KM, ORBIT_RADIUS_KM
from lightning_kedro.glm.lightning_ellipsoid import POLAR_RADIUS_KM
from lightning_kedro.store import zarr_files
from lightning_kedro.store.files import write_atomic
from lightning_kedro.store.folders import write_folder

if TYPE_CHECKING:
    import netCDF4
    import zarr

logger = logging.getLogger(__name__)

SUFFIXES: Final = {NETCDF: ".nc", ZARR: zarr_files.SUFFIX}
"""What the names of files and stores end in, by format."""

_GRANULE_COUNT: Final = "granule_count"

EPOCH: Final = np.datetime64("2000-01-01T12:00:00", "us")
"""What times count from: as in GLM's files, noon."""

FIELD_OF_VIEW: Final = "field_of_view"
"""The variable that says which cells are seen."""

_CHUNK: Final = 250
"""Rows and columns of a chunk, at most."""

_CACHE_BYTES: Final = 1 << 20
"""Of chunks that HDF5 keeps in memory for a variable: each is written once, and as a whole."""

_LEVEL: Final = 4  # zlib's: higher ones take longer for nothing

_Target = tuple[Mapping[str, "netCDF4.Variable[Any] | zarr.Array[Any]"], int]
"""Where values go: variables by name, and rows and columns of their chunks, at most."""

_SCENES: Final = {"conus": "CONUS", "full_disk": "Full Disk"}


def write_grids(folder: Path, window: GriddedWindow) -> tuple[Path, ...]:
    """Write the grids of a window into a file, a store or both, each there when it is whole.

    Args:
        folder: Where.
        window: The grids; granules are read while it goes on.

    Returns:
        The files, in the order of the window's formats.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to.
    """
    paths = {name: folder / f"{window.name}{SUFFIXES[name]}" for name in window.formats}
    writers: dict[str, Callable[[Path], AbstractContextManager[Path]]]
    writers = {NETCDF: write_atomic, ZARR: write_folder}
    shown = " and ".join(str(path) for path in paths.values())
    try:
        with ExitStack() as stack:
            partials = {
                name: stack.enter_context(writers[name](path)) for name, path in paths.items()
            }
            n_granules = _write_files(partials, window)
    except RuntimeError as error:  # what netCDF says of a disk that is full
        message = (
            f"{shown} cannot be written ({error}): see that there is room on the disk and that the "
            f"folder may be written to."
        )
        raise StorageError(message) from error
    logger.info("Grids of %d steps from %d granules: %s", len(window.steps), n_granules, shown)
    return tuple(paths.values())


def _write_files(paths: Mapping[str, Path], window: GriddedWindow) -> int:
    """Write a window by path of each format; returns how many granules were read for it.

    A store takes what describes it from the netCDF file, which without netCDF is in memory and
    has no values.
    """
    import netCDF4

    path = paths.get(NETCDF)
    with netCDF4.Dataset(path or SUFFIXES[NETCDF], "w", diskless=path is None) as file:
        _write_header(file, window)
        targets: list[_Target] = [] if path is None else [(file.variables, _CHUNK)]
        if ZARR in paths:
            store = zarr_files.create_store(paths[ZARR], file, window.products)
            targets.append((dict(store.arrays()), zarr_files.CHUNK))
        counts = np.zeros(len(window.steps), np.int32)
        for step in window.make():
            counts[step.number] = step.granule_count
            for name in window.products:
                _write_values(targets, PRODUCTS[name], step, window.grid)
        for variables, _ in targets:
            variables[_GRANULE_COUNT][:] = counts
    return int(counts.sum())


def _write_header(file: "netCDF4.Dataset", window: GriddedWindow) -> None:
    """All but what the steps bring."""
    file.setncatts(_describe_file(window))
    dimensions = _write_coordinates(file, window.grid, window.steps)
    counts = file.createVariable(_GRANULE_COUNT, "i4", ("time",))
    each = " of each satellite" if BOTH_SLOTS in window.facts else ""
    counts.long_name = f"granules that could be read, of one every 20 s{each}"
    counts.units = "1"
    if window.see is not None:
        _write_view(file, window.see(), dimensions)
    for name in window.products:
        _create_variable(file, PRODUCTS[name], window, dimensions)


def _describe_file(window: GriddedWindow) -> dict[str, Any]:
    """The attributes of a file."""
    grid, bounds = window.grid, np.datetime_as_string(window.steps.bounds, unit="s")
    simulated = window.facts.get("simulated") == "true"
    is_fixed = isinstance(grid, FixedGrid)
    return {
        "Conventions": "CF-1.8",
        "title": f"{'SIMULATED ' if simulated else ''}GLM L2 Lightning Detection Gridded Product",
        "summary": "Fields on a grid made from the events, groups and flashes of the Geostationary "
        "Lightning Mapper (GLM L2 LCFA).",
        "source": f"{'simulated' if simulated else 'NOAA'} GLM L2 LCFA granules",
        "references": "Bruning et al. 2019, doi 10.1029/2019JD030874",
        "program": f"lightning_kedro {__version__}",
        "instrument_type": "GOES R Series Geostationary Lightning Mapper",
        "scene_id": _SCENES[grid.sector] if isinstance(grid, FixedGrid) else "Custom",
        "spatial_resolution": "2km at nadir"
        if is_fixed
        else f"{getattr(grid, 'degrees', 0.0):g} degrees",
        "time_coverage_start": f"{bounds[0, 0]}Z",
        "time_coverage_end": f"{bounds[-1, 1]}Z",
        "result": window.name,
        **window.facts,
    }


def _write_coordinates(
    file: "netCDF4.Dataset", grid: TargetGrid, steps: Steps
) -> tuple[str, str, str]:
    """Times, axes and projection; returns the dimensions of the products' variables."""
    file.createDimension("time", len(steps))
    file.createDimension("bounds", 2)
    since = {"units": "seconds since 2000-01-01 12:00:00", "calendar": "standard"}
    seconds = (steps.bounds - EPOCH) / np.timedelta64(1, "s")
    time = {"standard_name": "time", "long_name": "start of the step", "axis": "T"}
    of_start = {**time, **since, "bounds": "time_bounds"}
    write_variable(file, "time", ("time",), seconds[:, 0], of_start)
    write_variable(file, "time_bounds", ("time", "bounds"), seconds, {})
    if isinstance(grid, FixedGrid):
        return _write_fixed_grid(file, grid)
    assert isinstance(grid, LatLonGrid)  # noqa: S101  (there are two kinds)
    return write_lat_lon(file, grid)


def _write_fixed_grid(file: "netCDF4.Dataset", grid: FixedGrid) -> tuple[str, str, str]:
    """The axes of the fixed grid and its projection, as in the imager's files."""
    for name, axis, values, side in (
        ("y", "Y", grid.center_y, "projection_y_coordinate"),
        ("x", "X", grid.center_x, "projection_x_coordinate"),
    ):
        file.createDimension(name, len(values))
        text = f"GOES fixed grid projection {name}-coordinate"
        attributes = {"units": "rad", "axis": axis, "long_name": text, "standard_name": side}
        write_variable(file, name, (name,), values, attributes)
    projection = {
        "long_name": "GOES-R ABI fixed grid projection",
        "grid_mapping_name": "geostationary",
        "perspective_point_height": (ORBIT_RADIUS_KM - EARTH_RADIUS_KM) * 1e3,
        "semi_major_axis": EARTH_RADIUS_KM * 1e3,
        "semi_minor_axis": POLAR_RADIUS_KM * 1e3,
        "inverse_flattening": 298.2572221,
        "latitude_of_projection_origin": 0.0,
        "longitude_of_projection_origin": grid.satellite_lon,
        "sweep_angle_axis": "x",
    }
    mapping = file.createVariable("goes_imager_projection", "i4")
    mapping.setncatts(projection)
    mapping[...] = 0
    for name, standard, units, value in (
        ("nominal_satellite_subpoint_lat", "latitude", "degrees_north", 0.0),
        ("nominal_satellite_subpoint_lon", "longitude", "degrees_east", grid.satellite_lon),
    ):
        text = f"nominal satellite subpoint {standard} (platform {standard})"
        attributes = {"long_name": text, "standard_name": standard, "units": units}
        write_variable(file, name, (), np.float64(value), attributes)
    return "time", "y", "x"


def write_lat_lon(file: "netCDF4.Dataset", grid: LatLonGrid) -> tuple[str, str, str]:
    """The axes of a grid of latitude and longitude, with the bounds of its cells."""
    for name, axis, values, standard, units in (
        ("lat", "Y", grid.center_lat, "latitude", "degrees_north"),
        ("lon", "X", grid.center_lon, "longitude", "degrees_east"),
    ):
        file.createDimension(name, len(values))
        attributes = {
            "units": units,
            "axis": axis,
            "long_name": standard,
            "standard_name": standard,
        }
        write_variable(file, name, (name,), values, {**attributes, "bounds": f"{name}_bounds"})
        half = 0.5 * grid.degrees
        write_variable(
            file,
            f"{name}_bounds",
            (name, "bounds"),
            np.stack([values - half, values + half], 1),
            {},
        )
    mapping = file.createVariable("crs", "i4")
    mapping.setncatts(
        {
            "grid_mapping_name": "latitude_longitude",
            "long_name": "where GLM's files place lightning: on the lightning ellipsoid"
            if grid.raised is None
            else "where lines of sight come down to the ground, or to cloud tops above it",
            "semi_major_axis": EARTH_RADIUS_KM * 1e3,
            "semi_minor_axis": POLAR_RADIUS_KM * 1e3,
        }
    )
    mapping[...] = 0
    return "time", "lat", "lon"


def write_variable(
    file: "netCDF4.Dataset",
    name: str,
    dimensions: tuple[str, ...],
    values: npt.NDArray[np.float64] | np.float64,
    attributes: Mapping[str, Any],
) -> None:
    """A variable of float64 with its values."""
    variable = file.createVariable(name, "f8", dimensions)
    variable.setncatts(attributes)
    variable[...] = values


def _write_view(
    file: "netCDF4.Dataset", seen: npt.NDArray[np.bool_], dimensions: tuple[str, str, str]
) -> None:
    """Which cells are seen: in the others the products' 0 does not mean that there was nothing."""
    rows, columns = seen.shape
    variable = file.createVariable(
        FIELD_OF_VIEW,
        "i1",
        dimensions[1:],
        zlib=True,
        complevel=_LEVEL,
        shuffle=True,
        chunksizes=(min(_CHUNK, rows), min(_CHUNK, columns)),
    )
    is_fixed = dimensions[1] == "y"
    variable.setncatts(
        {
            "long_name": "whether the cell's middle is in the field of view",
            "flag_values": np.array([0, 1], np.int8),
            "flag_meanings": "not_seen seen",
            "grid_mapping": "goes_imager_projection" if is_fixed else "crs",
            "comment": "A model of the view, close to the published coverage maps. Where it is 0, "
            "cells are missing, not without lightning: mask products with it.",
        }
    )
    variable[...] = seen.view(np.int8)


def _create_variable(
    file: "netCDF4.Dataset",
    product: Product,
    window: GriddedWindow,
    dimensions: tuple[str, str, str],
) -> None:
    """The variable of a product, in which nothing was seen yet."""
    grid = window.grid
    variable = file.createVariable(
        product.name,
        "f4",
        dimensions,
        zlib=True,
        complevel=_LEVEL,
        shuffle=True,
        chunksizes=(1, min(_CHUNK, grid.rows), min(_CHUNK, grid.columns)),
        fill_value=0.0,
    )
    variable.set_var_chunk_cache(size=_CACHE_BYTES)
    units = product.units
    if units == PER_CELL:
        units = f"Count per {_name_cell(grid)} per {window.steps.minutes:.1f} min"
    is_fixed = isinstance(grid, FixedGrid)
    variable.setncatts(
        {
            "standard_name": product.name,
            "long_name": product.long_name,
            "units": units,
            "grid_mapping": "goes_imager_projection" if is_fixed else "crs",
            "cell_methods": product.cell_methods,
            **({} if window.see is None else {"ancillary_variables": FIELD_OF_VIEW}),
            "comment": f"{product.comment} Where nothing was seen it is 0, the fill value.",
        }
    )


def _name_cell(grid: TargetGrid) -> str:
    """What densities are per."""
    if isinstance(grid, LatLonGrid):
        return f"{grid.degrees:g} degree grid cell"
    return f"nominal {round(STEP_RAD * STEP_RAD * 1e12):7d} microradian^2 pixel"


def _write_values(
    targets: Iterable["_Target"], product: Product, step: FinishedStep, grid: TargetGrid
) -> None:
    """The values of a step, chunk by chunk."""
    values = product.compute(step.sums)
    for variables, most in targets:
        variable = variables[product.name]
        for row, column, block in _list_blocks(values, step.sums, grid, most):
            high, wide = block.shape
            variable[step.number, row : row + high, column : column + wide] = block


def _list_blocks(
    values: npt.NDArray[np.floating], sums: CellSums, grid: TargetGrid, most: int
) -> Iterator[tuple[int, int, npt.NDArray[np.float32]]]:
    """The chunks in which something was seen: first row, first column and values.

    Args:
        values: Of each lit cell.
        sums: The lit cells.
        grid: Their grid.
        most: Rows and columns of a chunk, at most.
    """
    lit = np.flatnonzero(values)
    row, column = np.divmod(sums.cell[lit], grid.columns)
    wide, high = min(most, grid.columns), min(most, grid.rows)
    across = -(-grid.columns // wide)
    chunk = row // high * across + column // wide
    order = np.argsort(chunk, kind="stable")
    edges = np.flatnonzero(np.diff(chunk[order], prepend=-1, append=-1))
    for start, stop in itertools.pairwise(edges):
        mine = order[start:stop]
        down, right = divmod(int(chunk[mine[0]]), across)
        first_row, first_column = down * high, right * wide
        shape = min(high, grid.rows - first_row), min(wide, grid.columns - first_column)
        block = np.zeros(shape, np.float32)
        block[row[mine] - first_row, column[mine] - first_column] = values[lit[mine]]
        yield first_row, first_column, block
