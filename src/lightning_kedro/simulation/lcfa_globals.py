"""The GLM L2 LCFA file format as data: the scalars and attributes that describe a whole granule.

Source: as for ``lcfa_layout``.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from lightning_kedro.simulation.lcfa_layout import (
    GRID,
    LATITUDE,
    LONGITUDE,
    TIME_BOUNDS,
    VIEW_BOUNDS,
    WAVELENGTH_BOUNDS,
    Variable,
    describe,
    valid_range,
)

_PLACE: Final = "product_time lat_field_of_view lon_field_of_view"
_RATIO: Final[dict[str, Any]] = {
    "_FillValue": np.float32(-999),
    "valid_range": valid_range(0, 1, "f4"),
    "units": "percent",
    "grid_mapping": GRID,
}


def _count(level: str, plural: str, area: str) -> Variable:
    """A declared count of rows. Its valid range starts at 1, so that a true 0 is outside it."""
    attributes = describe(
        f"number of lightning {plural} in product",
        _FillValue=np.int32(-1),
        valid_range=valid_range(1, 630_000, "i4"),
        units="count",
        coordinates=f"lightning_wavelength {_PLACE}",
        grid_mapping=GRID,
        cell_methods=f"lightning_wavelength: sum product_time: sum area: sum {area}where cloud",
    )
    return Variable(f"{level}_count", "i4", None, attributes)


def _nominal(name: str, long_name: str, standard_name: str, units: str) -> Variable:
    """A nominal place of the satellite."""
    attributes = describe(long_name, standard_name, units=units, _FillValue=np.float32(-999))
    return Variable(f"nominal_satellite_{name}", "f4", None, attributes)


GLOBAL_VARIABLES: Final[tuple[Variable, ...]] = (
    Variable(
        "product_time",
        "f8",
        None,
        describe(
            "start time of observations associated with product",
            "time",
            units="seconds since 2000-01-01 12:00:00",
            axis="T",
            bounds="product_time_bounds",
        ),
    ),
    Variable(
        "product_time_bounds",
        "f8",
        TIME_BOUNDS,
        describe("start and end time of observations associated with product"),
    ),
    Variable(
        "lightning_wavelength",
        "f4",
        None,
        describe(
            "central wavelength for lightning data",
            "sensor_band_central_radiation_wavelength",
            units="nm",
            bounds="lightning_wavelength_bounds",
        ),
    ),
    Variable(
        "lightning_wavelength_bounds",
        "f4",
        WAVELENGTH_BOUNDS,
        describe(
            "wavelength range lightning data (full width at half the maximum of the response "
            "function)"
        ),
    ),
    Variable(
        "group_time_threshold",
        "f4",
        None,
        describe(
            "lightning group maximum time difference among lightning events in a group", units="s"
        ),
    ),
    Variable(
        "flash_time_threshold",
        "f4",
        None,
        describe(
            "lightning flash maximum time difference among lightning events in a flash", units="s"
        ),
    ),
    Variable(
        "lat_field_of_view",
        "f4",
        None,
        describe(
            "latitude coordinate for center of field of view",
            "latitude",
            **LATITUDE,
            bounds="lat_field_of_view_bounds",
        ),
    ),
    Variable(
        "lat_field_of_view_bounds",
        "f4",
        VIEW_BOUNDS,
        describe("latitude coordinates for north/south extent of field of view"),
    ),
    Variable(
        GRID,
        "i4",
        None,
        describe(
            "GOES-R latitude / longitude projection",
            grid_mapping_name="latitude_longitude",
            semi_major_axis=6378137.0,
            semi_minor_axis=6356752.31414,
            inverse_flattening=298.2572221,
            longitude_of_prime_meridian=0.0,
        ),
    ),
    _count("event", "events", "(filtered events only) "),
    _count("group", "groups", ""),
    _count("flash", "flashes", ""),
    Variable(
        "percent_navigated_L1b_events",
        "f4",
        None,
        describe(
            "after false event filtering, percent of lightning events navigated by instrument",
            **_RATIO,
            coordinates=f"lightning_wavelength {_PLACE}",
            cell_methods="lightning_wavelength: sum product_time: sum area: sum (filtered, and "
            "filtered and navigated lightning events only) where cloud",
        ),
    ),
    Variable(
        "yaw_flip_flag",
        "i1",
        None,
        describe(
            "Flag indicating spacecraft is operating in yaw flip configuration",
            _Unsigned="true",
            _FillValue=np.int8(-1),
            units="1",
            coordinates="product_time",
            cell_methods="product_time: sum",
        ),
        "yaw_flip_flag",
    ),
    _nominal(
        "subpoint_lat",
        "nominal satellite subpoint latitude (platform latitude)",
        "latitude",
        "degrees_north",
    ),
    _nominal(
        "height",
        "nominal satellite height above GRS 80 ellipsoid (platform altitude)",
        "height_above_reference_ellipsoid",
        "km",
    ),
    _nominal(
        "subpoint_lon",
        "nominal satellite subpoint longitude (platform longitude)",
        "longitude",
        "degrees_east",
    ),
    Variable(
        "lon_field_of_view",
        "f4",
        None,
        describe(
            "longitude coordinate for center of field of view",
            "longitude",
            **LONGITUDE,
            bounds="lon_field_of_view_bounds",
        ),
    ),
    Variable(
        "lon_field_of_view_bounds",
        "f4",
        VIEW_BOUNDS,
        describe("longitude coordinates for west/east extent of field of view"),
    ),
    Variable(
        "percent_uncorrectable_L0_errors",
        "f4",
        None,
        describe(
            "percent data lost due to uncorrectable L0 errors",
            **_RATIO,
            coordinates=_PLACE,
            cell_methods="product_time: sum area: sum (uncorrectable L0 errors only)",
        ),
    ),
    Variable(
        "algorithm_dynamic_input_data_container",
        "i4",
        None,
        describe("container for filenames of dynamic algorithm input data"),
    ),
    Variable(
        "processing_parm_version_container",
        "i4",
        None,
        describe("container for processing parameter filenames"),
    ),
    Variable(
        "algorithm_product_version_container",
        "i4",
        None,
        describe("container for algorithm package filename and product version"),
    ),
)
"""The scalars and bounds that describe a whole granule."""

FIXED_VALUES: Final[Mapping[str, Any]] = {
    "lightning_wavelength": 777.37,
    "lightning_wavelength_bounds": (776.87, 777.87),
    "group_time_threshold": 0.0,
    "flash_time_threshold": 3.33,
    "lat_field_of_view": 0.0,
    "percent_navigated_L1b_events": 1.0,
    "percent_uncorrectable_L0_errors": 0.0,
    "nominal_satellite_subpoint_lat": 0.0,
    "nominal_satellite_height": 35786.023,
    # The containers and the projection hold attributes only: netCDF's default fill stands in them.
    GRID: -2147483647,
    "algorithm_dynamic_input_data_container": -2147483647,
    "processing_parm_version_container": -2147483647,
    "algorithm_product_version_container": -2147483647,
}
"""Values that no granule changes: nm, s, degrees, parts of 1, km."""

GLOBAL_ATTRIBUTES: Final[Mapping[str, str]] = {
    "production_site": "SIMULATED",
    "featureType": "point",
    "naming_authority": "gov.nesdis.noaa",
    "institution": "SIMULATED by lightning_kedro in the format of DOC/NOAA/NESDIS",
    "project": "GOES",
    "iso_series_metadata_id": "f5816f53-fd6d-11e3-a3ac-0800200c9a66",
    "Metadata_Conventions": "Unidata Dataset Discovery v1.0",
    "keywords_vocabulary": "NASA Global Change Master Directory (GCMD) Earth Science Keywords, "
    "Version 7.0.0.0.0",
    "title": "SIMULATED GLM L2 Lightning Detections: Events, Groups, and Flashes",
    "summary": "SIMULATED data in the format of the Lightning Detections: Events, Groups, and "
    "Flashes product, for demonstration and tests. No satellite observed these flashes.",
    "license": "Simulated data: no restriction.",
    "keywords": "ATMOSPHERE > ATMOSPHERIC ELECTRICITY > LIGHTNING, ATMOSPHERE > ATMOSPHERIC "
    "PHENOMENA > LIGHTNING",
    "cdm_data_type": "Point",
    "processing_level": "National Aeronautics and Space Administration (NASA) L2",
    "instrument_type": "GOES-R Series Geostationary Lightning Mapper",
    "spatial_resolution": "8km at nadir",
    "production_data_source": "Simulated",
    "production_environment": "IS",
}
"""Attributes of the file that neither platform, era nor time changes.

Those that say where real data come from say here that these are simulated.
"""
