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

from lightning_kedro.glm.hdf5 import name_image
from lightning_kedro.glm.hdf5_attributes import Handle
from lightning_kedro.glm.satellites import SATELLITES, FieldOfView
from lightning_kedro.simulation.lcfa import (
    Format,
    Packing,
    Variable,
    dimensions,
    fill_value,
    order_attributes,
    storage,
)

SINCE_FORMAT: Final = "%Y-%m-%d %H:%M:%S.000"
"""The product time in the units of times (23 characters)."""

SOURCE_ATTRIBUTE: Final = "input_GLM_L0_data"
"""Names the files that a granule was made from: its own times are in them."""

TIME_PLACEHOLDER: Final = "2000-01-01T12:00:00.0Z"
SINCE_PLACEHOLDER: Final = "2000-01-01 12:00:00.000"
START_PLACEHOLDER: Final = "20000011200000"
END_PLACEHOLDER: Final = "20000011200200"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKey:
    """What makes one template differ from another.

    Attributes:
        platform: The satellite, one of ``PLATFORMS``.
        view: Where it stands and what it sees.
        format: The revision of the format.
        compressed: Whether rows are in chunks of 2,048 with gzip and shuffle, as in rewritten
            files, instead of 256 and plain, as in NOAA's own.
    """

    platform: str
    view: FieldOfView
    format: Format
    compressed: bool

    @property
    def packings(self) -> dict[str, Packing]:
        """The packing of every packed quantity."""
        center_lon = self.view.center_lon
        return {
            quantity: packing.at_center(center_lon)
            for quantity, packing in self.format.packings.items()
        }

    @property
    def row_variables(self) -> tuple[Variable, ...]:
        """The variables with a value for each flash, group or event."""
        return tuple(one for one in self.format.variables.values() if one.has_rows)


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
        lengths = dimensions()
        unlimited = {name for name, length in lengths.items() if length is None}
        _create_dimensions(file, unlimited)
        for variable in key.row_variables:
            _create_variable(file, variable, key)
        # NOAA's files have the short dimensions between the rows and the scalars.
        _create_dimensions(file, lengths.keys() - unlimited)
        values = _satellite_values(key.view)
        for variable in key.format.variables.values():
            if variable.has_rows:
                continue
            created = _create_variable(file, variable, key)
            value = values.get(variable.name, variable.value)
            created[...] = np.asarray(value, variable.dtype)
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
    for number, (name, length) in enumerate(dimensions().items()):
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
    length = dimensions()[variable.dimension] if variable.dimension else None
    layout: dict[str, Any] = {"shape": (length,) if length else ()}
    if variable.has_rows:
        layout = {"shape": (0,), "maxshape": (None,), **storage(compressed=key.compressed)}
    created = file.create_dataset(
        variable.name,
        dtype=variable.dtype,
        fillvalue=attributes.get("_FillValue", fill_value(variable.dtype)),
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
    """Join what format and packing say of a variable, in the files' order, with placeholders."""
    attributes = dict(variable.attributes)
    if variable.packing is not None:
        attributes |= key.packings[variable.packing].attributes
    if variable.packing == "time":
        attributes["units"] = attributes["units"].format(start=SINCE_PLACEHOLDER)
    if SOURCE_ATTRIBUTE in attributes:
        attributes[SOURCE_ATTRIBUTE] = attributes[SOURCE_ATTRIBUTE].format(
            platform=key.platform, start=START_PLACEHOLDER, end=END_PLACEHOLDER
        )
    return order_attributes(attributes)


def _satellite_values(view: FieldOfView) -> Mapping[str, Any]:
    """The values of scalars and bounds that follow from a satellite's place (degrees)."""
    return {
        "lon_field_of_view": view.center_lon,
        "lon_field_of_view_bounds": (view.west, view.east),
        "lat_field_of_view_bounds": (view.north, view.south),
        "nominal_satellite_subpoint_lon": view.subpoint_lon,
    }


def _file_attributes(key: TemplateKey) -> dict[str, str]:
    """The attributes of the file, with placeholders for those that change."""
    times = f"s{START_PLACEHOLDER}_e{END_PLACEHOLDER}_c20000011200220"
    return {
        **key.format.file_attributes,
        "orbital_slot": key.view.orbital_slot,
        "platform_ID": key.platform,
        "instrument_ID": SATELLITES[key.platform].instrument,
        "dataset_name": f"IS_GLM-L2-LCFA_{key.platform}_{times}.nc",
        "date_created": TIME_PLACEHOLDER,
        "time_coverage_start": TIME_PLACEHOLDER,
        "time_coverage_end": TIME_PLACEHOLDER,
        "id": "00000000-0000-0000-0000-000000000000",
    }
