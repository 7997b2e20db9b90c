"""An empty granule of each kind, made once in memory: what the writer fills again and again.

Making a netCDF-4 file with its 50 variables and 500 attributes takes some 50 ms; filling a copy
takes a few. Every attribute that changes from granule to granule has a fixed length, so it stands
here with a placeholder of that length.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import h5py
import numpy as np
from h5py import h5f, h5p

from lightning_kedro.glm.hdf5 import Handle, name_image
from lightning_kedro.glm.satellites import SATELLITES, FieldOfView
from lightning_kedro.simulation.lcfa_eras import Era, Packing, file_attributes, packings, yaw_flip
from lightning_kedro.simulation.lcfa_globals import (
    FIXED_VALUES,
    GLOBAL_ATTRIBUTES,
    GLOBAL_VARIABLES,
)
from lightning_kedro.simulation.lcfa_layout import (
    CHUNK,
    COMPRESSED_CHUNK,
    DIMENSIONS,
    ROW_VARIABLES,
    Variable,
)

SINCE_FORMAT: Final = "%Y-%m-%d %H:%M:%S.000"
"""The product time in the units of times (23 characters)."""

TIME_PLACEHOLDER: Final = "2000-01-01T12:00:00.0Z"
SINCE_PLACEHOLDER: Final = "2000-01-01 12:00:00.000"
_NAME_TIMES: Final = "s20000011200000_e20000011200200"

NETCDF_FILL: Final[Mapping[str, float]] = {
    "i1": -127,
    "i2": -32767,
    "i4": -2147483647,
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
}
"""What the netCDF library fills with where a variable has no ``_FillValue``, by type code."""

# Readers see attributes in the order of their making: this is that of NOAA's files.
_ORDER: Final = (
    "_FillValue",
    "long_name",
    "standard_name",
    "_Unsigned",
    "valid_range",
    "scale_factor",
    "add_offset",
    "units",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKey:
    """What makes one template differ from another.

    Attributes:
        platform: The satellite, one of ``PLATFORMS``.
        view: Where it stands and what it sees.
        era: The era of the format.
        fine_energy: Whether energies have a scale for each level.
        compressed: Whether rows are in chunks of 2,048 with gzip and shuffle, as in rewritten
            files, instead of 256 and plain, as in NOAA's own.
    """

    platform: str
    view: FieldOfView
    era: Era
    fine_energy: bool
    compressed: bool

    @property
    def packings(self) -> dict[str, Packing]:
        """The packing of every packed quantity."""
        return packings(self.era, self.view.center_lon, fine_energy=self.fine_energy)

    @property
    def row_variables(self) -> tuple[Variable, ...]:
        """The variables with a value a row that the era has."""
        is_first = self.era is Era.E1
        return tuple(v for v in ROW_VARIABLES if not (is_first and v.is_optional))


@lru_cache(maxsize=32)
def make_template(key: TemplateKey) -> bytes:
    """Make the file image of a granule without rows.

    It is made with h5py, after the netCDF-4 conventions for HDF5 (dimension scales, order of
    creation tracked): the netCDF library cannot make a file in memory whose variables keep their
    order, and writes the time of day into it.

    Args:
        key: What kind of granule.

    Returns:
        A whole netCDF-4 file: no flashes, groups or events, all times placeholders.
    """
    with h5py.File(_create_file()) as file:
        for name, text in _file_attributes(key).items():
            _create_attribute(file, name, text)
        unlimited = {name for name, length in DIMENSIONS.items() if length is None}
        _create_dimensions(file, unlimited)
        for variable in key.row_variables:
            _create_variable(file, variable, key)
        # NOAA's files have the short dimensions between the rows and the scalars.
        _create_dimensions(file, DIMENSIONS.keys() - unlimited)
        values = _global_values(key)
        for variable in GLOBAL_VARIABLES:
            created = _create_variable(file, variable, key)
            created[...] = np.asarray(values[variable.name], variable.dtype)
        h5f.flush(file.id)
        return bytes(file.id.get_file_image())


def _create_file() -> Handle:
    """Create a file in memory as the netCDF library does, but without the time of day."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_V18)
    creation = h5p.create(h5p.FILE_CREATE)
    tracked = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
    creation.set_link_creation_order(tracked)
    creation.set_attr_creation_order(tracked)
    creation.set_obj_track_times(False)
    return h5f.create(name_image(), h5f.ACC_TRUNC, fcpl=creation, fapl=access)


def _create_dimensions(file: Handle, names: AbstractSet[str]) -> None:
    """Create dimensions that have no variables of their own: scales whose values mean nothing."""
    for number, (name, length) in enumerate(DIMENSIONS.items()):
        if name not in names:
            continue
        is_unlimited = length is None
        layout = {"maxshape": (None,), "chunks": (1,)} if is_unlimited else {}
        scale = file.create_dataset(
            name, shape=(length or 0,), dtype=">f4", track_order=True, **layout
        )
        # The netCDF library knows such a scale by these words, with the length in 10 columns.
        scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{length or 0:10d}")
        _create_attribute(scale, "_Netcdf4Dimid", np.int32(number))


def _create_variable(file: Handle, variable: Variable, key: TemplateKey) -> Handle:
    """Create a variable with its attributes and return it, ready for raw values."""
    attributes = _variable_attributes(variable, key)
    length = DIMENSIONS[variable.dimension] if variable.dimension else None
    layout: dict[str, Any] = {"shape": (length,) if length else ()}
    if variable.dimension and length is None:
        chunk = COMPRESSED_CHUNK if key.compressed else CHUNK
        layout = {"shape": (0,), "maxshape": (None,), "chunks": (chunk,)}
        if key.compressed:
            layout |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    created = file.create_dataset(
        variable.name,
        dtype=variable.dtype,
        fillvalue=attributes.get("_FillValue", NETCDF_FILL[variable.dtype]),
        track_order=True,
        **layout,
    )
    if variable.dimension:
        created.dims[0].attach_scale(file[variable.dimension])
    for name, value in attributes.items():
        _create_attribute(created, name, value)
    return created


def _create_attribute(owner: Handle, name: str, value: object) -> None:
    """Create an attribute as the netCDF library does: text of fixed length, numbers as arrays."""
    if isinstance(value, str):
        owner.attrs.create(name, np.bytes_(value))
    else:
        owner.attrs.create(name, np.atleast_1d(np.asarray(value)))


def _variable_attributes(variable: Variable, key: TemplateKey) -> dict[str, Any]:
    """Join what the layout, the era and the platform say of a variable, in the files' order."""
    attributes = dict(variable.attributes)
    if variable.quantity == "yaw_flip_flag":
        attributes |= yaw_flip(key.era)[1]
    elif variable.quantity is not None:
        attributes |= key.packings[variable.quantity].attributes
    if variable.quantity == "time":
        attributes["units"] = str(attributes["units"]) + SINCE_PLACEHOLDER
    attributes |= _container_attributes(key).get(variable.name, {})
    first = {name: attributes[name] for name in _ORDER if name in attributes}
    return first | attributes


def _container_attributes(key: TemplateKey) -> dict[str, dict[str, str]]:
    """What the variables hold that are only there to bear attributes."""
    return {
        "algorithm_dynamic_input_data_container": {
            "input_GLM_L0_data": f"IS_GLM-L0_{key.platform}_{_NAME_TIMES}_c*.nc",
            "input_GLM_L1b_data": "null",
        },
        "processing_parm_version_container": {"L1b_processing_parm_version": "simulated"},
        "algorithm_product_version_container": {
            "algorithm_version": "simulated",
            "product_version": "v01r00",
        },
    }


def _global_values(key: TemplateKey) -> Mapping[str, Any]:
    """The values of scalars and bounds that hold for every granule of a template."""
    view = key.view
    return {
        **FIXED_VALUES,
        "yaw_flip_flag": yaw_flip(key.era)[0],
        "lon_field_of_view": view.center_lon,
        "lon_field_of_view_bounds": (view.west, view.east),
        "lat_field_of_view_bounds": (view.north, view.south),
        "nominal_satellite_subpoint_lon": view.subpoint_lon,
        "product_time": 0.0,
        "product_time_bounds": (0.0, 20.0),
        **dict.fromkeys(("event_count", "group_count", "flash_count"), 0),
    }


def _file_attributes(key: TemplateKey) -> dict[str, str]:
    """The attributes of the file, with placeholders for those that change."""
    return {
        **GLOBAL_ATTRIBUTES,
        **file_attributes(key.era),
        "orbital_slot": key.view.orbital_slot,
        "platform_ID": key.platform,
        "instrument_ID": SATELLITES[key.platform].instrument,
        "dataset_name": f"IS_GLM-L2-LCFA_{key.platform}_{_NAME_TIMES}_c20000011200220.nc",
        "date_created": TIME_PLACEHOLDER,
        "time_coverage_start": TIME_PLACEHOLDER,
        "time_coverage_end": TIME_PLACEHOLDER,
        "id": "00000000-0000-0000-0000-000000000000",
    }
