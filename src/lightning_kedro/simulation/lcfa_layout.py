"""The GLM L2 LCFA file format as data: dimensions, and the variables with a value a row.

The scalars are in ``lcfa_globals``. What changed from era to era (packing, units, ``_Unsigned``)
is in ``lcfa_eras``; these tables are what stayed. Source: granules of GOES-16, -17 and -19 from
2018 to 2025, attribute by attribute; product definition: GOES-R PUG volume 5, section on GLM L2+
Lightning Detection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

FLASHES: Final = "number_of_flashes"
GROUPS: Final = "number_of_groups"
EVENTS: Final = "number_of_events"
TIME_BOUNDS: Final = "number_of_time_bounds"
VIEW_BOUNDS: Final = "number_of_field_of_view_bounds"
WAVELENGTH_BOUNDS: Final = "number_of_wavelength_bounds"

DIMENSIONS: Final[Mapping[str, int | None]] = {
    FLASHES: None,
    GROUPS: None,
    EVENTS: None,
    TIME_BOUNDS: 2,
    VIEW_BOUNDS: 2,
    WAVELENGTH_BOUNDS: 2,
}
"""Length by name; None is unlimited."""

CHUNK: Final = 256
"""Rows of a chunk in NOAA's own files, which use no filter."""

COMPRESSED_CHUNK: Final = 2048
"""Rows of a chunk in rewritten files (gzip level 1 and shuffle), which readers meet too."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the format.

    Attributes:
        name: Its name in the file.
        dtype: Its numpy type code on disk.
        dimension: Its dimension; None for a scalar.
        attributes: What does not depend on era, platform or time.
        quantity: What it measures where its packing or units depend on the era, else None; a key
            of ``lcfa_eras.packings``.
        is_optional: Absent from the oldest era.
    """

    name: str
    dtype: str
    dimension: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    quantity: str | None = None
    is_optional: bool = False


def describe(
    long_name: str, standard_name: str | None = None, **others: object
) -> dict[str, object]:
    """Collect a variable's attributes: the names that nearly every one has, then the others."""
    names = {"long_name": long_name, "standard_name": standard_name}
    return {key: value for key, value in {**names, **others}.items() if value is not None}


def valid_range(low: float, high: float, dtype: str = "i2") -> np.ndarray[Any, Any]:
    """A ``valid_range``; -6 as int16 is 65530 unsigned."""
    return np.array([low, high], dtype)


_GLM: Final = "GLM L2+ Lightning Detection: "
_ENERGY: Final = "lightning_radiant_energy"
_WEIGHTED: Final = "(mean constituent event latitude weighted by their energies)"
_COVERAGE: Final = "area coverage (pixels containing at least one constituent event only)"
LATITUDE: Final[dict[str, Any]] = {"units": "degrees_north", "axis": "Y"}
LONGITUDE: Final[dict[str, Any]] = {"units": "degrees_east", "axis": "X"}
_ID: Final[dict[str, Any]] = {"_Unsigned": "true", "units": "1"}
GRID: Final = "goes_lat_lon_projection"

_EVENT_COORDINATES: Final = (
    "event_parent_group_id event_id lightning_wavelength event_time_offset event_lat event_lon"
)
_EVENT_METHODS: Final = (
    "lightning_wavelength: sum event_time_offset: point (sensor pixels have 2 ms integration time) "
    "area: sum (interval: 8 km comment: resolution of sensor data at nadir, filtered events only) "
    "where cloud"
)
_GROUP_POSITION: Final = "group_id lightning_wavelength group_time_threshold group_time_offset "
_GROUP_QUALITY_COORDINATES: Final = _GROUP_POSITION + "group_lat group_lon"
_GROUP_COORDINATES: Final = (
    "group_parent_flash_id event_parent_group_id " + _GROUP_QUALITY_COORDINATES
)
_GROUP_TIME_METHODS: Final = (
    "lightning_wavelength: sum group_time_offset: mean (times of occurrence of group's constituent "
    "events defined by variable event_parent_group_id) "
)
_GROUP_AREA_METHODS: Final = _GROUP_TIME_METHODS + (
    "area: sum (interval: 8 km comment: resolution of sensor data at nadir, adjacent pixels only, "
    "including the diagonal, in sensor focal plane array) where cloud"
)
_GROUP_METHODS: Final = _GROUP_TIME_METHODS + (
    "area: mean (centroid location of constituent events defined by variable event_parent_group_id "
    "weighted by their radiant energies) where cloud"
)
_FLASH_QUALITY_COORDINATES: Final = (
    "flash_id lightning_wavelength flash_time_threshold flash_time_offset_of_first_event "
    "flash_time_offset_of_last_event flash_lat flash_lon"
)
_FLASH_COORDINATES: Final = "group_parent_flash_id " + _FLASH_QUALITY_COORDINATES
_FLASH_TIME_METHODS: Final = (
    "lightning_wavelength: sum flash_time_offset_of_first_event: "
    "flash_time_offset_of_last_event: sum "
)
_FLASH_AREA_METHODS: Final = _FLASH_TIME_METHODS + (
    "area: sum (interval: 8 km comment: resolution of sensor data at nadir, area of constituent "
    "groups' areas defined by variable group_parent_flash_id) where cloud"
)
_FLASH_METHODS: Final = _FLASH_TIME_METHODS + (
    "area: mean (centroid location of constituent events defined by variables "
    "group_parent_flash_id and event_parent_group_id weighted by their radiant energies) "
    "where cloud"
)
GROUP_QUALITY_MEANINGS: Final = (
    "good_quality_qf",
    "degraded_due_to_group_constituent_events_out_of_time_order_or_parent_flash_abnormal_qf",
    "degraded_due_to_group_constituent_event_count_exceeds_threshold_qf",
    "degraded_due_to_group_duration_exceeds_threshold_qf",
)
FLASH_QUALITY_MEANINGS: Final = (
    "good_quality_qf",
    "degraded_due_to_flash_constituent_events_out_of_time_order_qf",
    "degraded_due_to_flash_constituent_event_count_exceeds_threshold_qf",
    "degraded_due_to_flash_duration_exceeds_threshold_qf",
)
QUALITY_FLAGS: Final = (0, 1, 3, 5)
"""The flags that the meanings above belong to, in the same order."""


def _quality(level: str, meanings: tuple[str, ...], coordinates: str, methods: str) -> Variable:
    """The quality flag of groups or flashes; its ``percent_`` attributes change per granule."""
    attributes = describe(
        f"{_GLM}{level} data quality flags",
        "status_flag",
        _FillValue=np.int16(-1),
        _Unsigned="true",
        valid_range=valid_range(0, 5),
        units="1",
        coordinates=coordinates,
        grid_mapping=GRID,
        cell_methods=methods,
        flag_values=np.array(QUALITY_FLAGS, "i2"),
        flag_meanings=" ".join(meanings),
        number_of_qf_values=np.int8(len(meanings)),
    )
    attributes |= {f"percent_{meaning}": np.float32(0) for meaning in meanings}
    dimension = {"group": GROUPS, "flash": FLASHES}[level]
    return Variable(f"{level}_quality_flag", "i2", dimension, attributes)


def _level_lat_lon(level: str, dimension: str) -> tuple[Variable, Variable]:
    """The centroids of groups or flashes; NOAA's long name of the longitude says latitude too."""
    lat, lon = (
        f"{_GLM}{level} centroid {_WEIGHTED} {axis} coordinate"
        for axis in ("latitude", "longitude")
    )
    return (
        Variable(f"{level}_lat", "f4", dimension, describe(lat, "latitude", **LATITUDE)),
        Variable(f"{level}_lon", "f4", dimension, describe(lon, "longitude", **LONGITUDE)),
    )


def _level_area_energy(
    level: str, dimension: str, coordinates: str, area_methods: str, methods: str
) -> tuple[Variable, Variable]:
    """The packed area and energy of groups or flashes."""
    common: dict[str, Any] = {
        "_FillValue": np.int16(-1),
        "valid_range": valid_range(0, -6),
        "coordinates": coordinates,
        "grid_mapping": GRID,
    }
    area = describe(f"{_GLM}{level} {_COVERAGE}", **common, cell_methods=area_methods)
    energy = describe(
        f"{_GLM}{level} radiant energy",
        _ENERGY,
        **common,
        cell_measures=f"area: {level}_area",
        cell_methods=methods,
        ancillary_variables=f"{level}_quality_flag",
    )
    return (
        Variable(f"{level}_area", "i2", dimension, area, "area"),
        Variable(f"{level}_energy", "i2", dimension, energy, f"{level}_energy"),
    )


_EVENT_TIME: Final = describe(f"{_GLM}event's time of occurrence", "time", axis="T")
_GROUP_TIME: Final = describe(
    f"{_GLM}mean time of group's constituent events' times of occurrence", "time", axis="T"
)
_FIRST_TIME: Final = describe(
    f"{_GLM}time of occurrence of first constituent event in flash", "time", axis="T"
)
_LAST_TIME: Final = describe(f"{_GLM}time of occurrence of last constituent event in flash", "time")
_FIRST: Final = "time_offset_of_first_event"
_LAST: Final = "time_offset_of_last_event"

ROW_VARIABLES: Final[tuple[Variable, ...]] = (
    Variable(
        "event_id", "i4", EVENTS, describe("product-unique lightning event identifier", **_ID)
    ),
    Variable("event_time_offset", "i2", EVENTS, _EVENT_TIME, "time"),
    Variable(
        "event_lat",
        "i2",
        EVENTS,
        describe(f"{_GLM}event latitude coordinate", "latitude", **LATITUDE),
        "event_lat",
    ),
    Variable(
        "event_lon",
        "i2",
        EVENTS,
        describe(f"{_GLM}event longitude coordinate", "longitude", **LONGITUDE),
        "event_lon",
    ),
    Variable(
        "event_energy",
        "i2",
        EVENTS,
        describe(
            f"{_GLM}event radiant energy",
            _ENERGY,
            _FillValue=np.int16(-1),
            coordinates=_EVENT_COORDINATES,
            grid_mapping=GRID,
            cell_methods=_EVENT_METHODS,
        ),
        "event_energy",
    ),
    Variable(
        "event_parent_group_id",
        "i4",
        EVENTS,
        describe("product-unique lightning group identifier for one or more events", **_ID),
    ),
    Variable(
        "group_id", "i4", GROUPS, describe("product-unique lightning group identifier", **_ID)
    ),
    Variable("group_time_offset", "i2", GROUPS, _GROUP_TIME, "time"),
    Variable("group_frame_time_offset", "i2", GROUPS, _GROUP_TIME, "time", is_optional=True),
    *_level_lat_lon("group", GROUPS),
    *_level_area_energy("group", GROUPS, _GROUP_COORDINATES, _GROUP_AREA_METHODS, _GROUP_METHODS),
    Variable(
        "group_parent_flash_id",
        "i2",
        GROUPS,
        describe("product-unique lightning flash identifier for one or more groups", **_ID),
    ),
    _quality("group", GROUP_QUALITY_MEANINGS, _GROUP_QUALITY_COORDINATES, _GROUP_METHODS),
    Variable(
        "flash_id", "i2", FLASHES, describe("product-unique lightning flash identifier", **_ID)
    ),
    Variable(f"flash_{_FIRST}", "i2", FLASHES, _FIRST_TIME, "time"),
    Variable(f"flash_{_LAST}", "i2", FLASHES, _LAST_TIME, "time"),
    Variable(f"flash_frame_{_FIRST}", "i2", FLASHES, _FIRST_TIME, "time", is_optional=True),
    Variable(f"flash_frame_{_LAST}", "i2", FLASHES, _LAST_TIME, "time", is_optional=True),
    *_level_lat_lon("flash", FLASHES),
    *_level_area_energy("flash", FLASHES, _FLASH_COORDINATES, _FLASH_AREA_METHODS, _FLASH_METHODS),
    _quality("flash", FLASH_QUALITY_MEANINGS, _FLASH_QUALITY_COORDINATES, _FLASH_METHODS),
)
"""The variables with one value a row: what a granule's writer fills."""
