"""The one table of levels: what the format stores of flashes, groups and events, and how.

A flash is groups that are near one another in time and space; a group is adjacent events of one
2 ms frame; an event is one lit pixel. Each level names its parent by id. What differs from one
level to another (variables, packings, units, parents, what is believed) stands here and nowhere
else. Places of events are packed (steps of 0.00203128 degrees from the south-western corner of the
field of view), those of flashes and groups are plain float32.

Sources: GOES-R Product Definition and Users' Guide (PUG) volume 5, and granules of 2018 to 2026.

HDF5 is imported where files are read: the table of levels is also that of the parameters.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.glm.fields import (
    AREA,
    ENERGY,
    LAT,
    LON,
    LONG_ID,
    MAX_DECLARED,
    MAX_FLASHES,
    MAX_LON,
    QUALITY,
    SHORT_ID,
    TIME,
    Field,
    Kind,
    Level,
)
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.sparse_image import Source

if TYPE_CHECKING:
    from lightning_kedro.glm.hdf5 import OpenFile

LEVELS: Final[Mapping[str, Level]] = {
    level.name: level
    for level in (
        Level(
            name="flash",
            table="flashes",
            parent=None,
            max_rows=MAX_FLASHES,
            count="flash_count",
            fields=(
                Field("flash_id", "flash_id", Kind.SHORT_ID, SHORT_ID),
                Field("time", "flash_time_offset_of_first_event", Kind.TIME, TIME),
                Field("time_end", "flash_time_offset_of_last_event", Kind.TIME, TIME),
                Field("lat", "flash_lat", Kind.DEGREES, LAT),
                Field("lon", "flash_lon", Kind.DEGREES, LON),
                Field("energy_j", "flash_energy", Kind.AMOUNT, ENERGY),
                Field("area_km2", "flash_area", Kind.AMOUNT, AREA),
                Field("quality_flag", "flash_quality_flag", Kind.QUALITY, QUALITY),
            ),
        ),
        Level(
            name="group",
            table="groups",
            parent="flash",
            max_rows=MAX_DECLARED,
            count="group_count",
            fields=(
                Field("group_id", "group_id", Kind.LONG_ID, LONG_ID),
                Field("parent_flash_id", "group_parent_flash_id", Kind.SHORT_ID, SHORT_ID),
                Field("time", "group_time_offset", Kind.TIME, TIME),
                Field("lat", "group_lat", Kind.DEGREES, LAT),
                Field("lon", "group_lon", Kind.DEGREES, LON),
                Field("energy_j", "group_energy", Kind.AMOUNT, ENERGY),
                Field("area_km2", "group_area", Kind.AMOUNT, AREA),
                Field("quality_flag", "group_quality_flag", Kind.QUALITY, QUALITY),
            ),
        ),
        Level(
            name="event",
            table="events",
            parent="group",
            max_rows=MAX_DECLARED,
            count="event_count",
            fields=(
                Field("event_id", "event_id", Kind.LONG_ID, LONG_ID),
                Field("parent_group_id", "event_parent_group_id", Kind.LONG_ID, LONG_ID),
                Field("time", "event_time_offset", Kind.TIME, TIME),
                Field("lat", "event_lat", Kind.PLACE, LAT),
                Field("lon", "event_lon", Kind.PLACE, LON),
                Field("is_clamped", "event_lon", Kind.EDGE, LON),
                Field("energy_j", "event_energy", Kind.AMOUNT, ENERGY),
            ),
        ),
    )
}
"""Every level by its name, from the top down."""


LEVEL_NAMES: Final = tuple(LEVELS)
"""The names of the levels, from the top down."""


def complete_levels(names: Collection[str]) -> tuple[str, ...]:
    """Add what some levels cannot do without: flashes, and the parents of each.

    Args:
        names: Names of levels.

    Returns:
        The names from the top down, each once.

    Example:
        >>> complete_levels(["event"])
        ('flash', 'group', 'event')
    """
    wanted = {LEVEL_NAMES[0], *names}
    for name in reversed(LEVEL_NAMES):
        parent = LEVELS[name].parent
        if name in wanted and parent is not None:
            wanted.add(parent)
    return tuple(name for name in LEVEL_NAMES if name in wanted)


def list_bounds(level: str) -> dict[str, tuple[float, float]]:
    """The least and the greatest value that a sound row of a level can have, in our units.

    Args:
        level: A level's name.

    Returns:
        By column; times are left out, which have ``TIME_BOUNDS`` instead. Longitudes are those of
        the tables, wound into -180 to 180.
    """
    return {
        field.column: (max(field.quantity.low, -MAX_LON), field.quantity.high)
        if field.quantity is LON
        else (field.quantity.low, field.quantity.high)
        for field in LEVELS[level].fields
        if field.kind not in {Kind.TIME, Kind.EDGE}
    }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GranuleGroups:
    """The groups of one granule, n of them, in the granule's own order (nearly sorted in time).

    Attributes:
        group_id: uint32, shape (n,). Unique within the granule only.
        parent_flash_id: uint16, shape (n,). The ``flash_id`` of its flash; some granules lack the
            flashes of some groups.
        time: datetime64[us], shape (n,). UTC of its frame; may precede the granule's start.
        lat: float32, shape (n,). Degrees north, -90 to 90; energy-weighted centroid.
        lon: float32, shape (n,). Degrees east, -180 to 180.
        energy_j: float64, shape (n,). Radiant energy in joules; NaN where it is missing.
        area_km2: float64, shape (n,). Area in square kilometres; NaN where it is missing.
        quality_flag: int16, shape (n,). 0 good, 1, 3 or 5 degraded; -1 where it is missing.
        declared_count: What the granule says n is; None if it does not say. Rows win.
    """

    group_id: NDArray[np.uint32]
    parent_flash_id: NDArray[np.uint16]
    time: NDArray[np.datetime64]
    lat: NDArray[np.float32]
    lon: NDArray[np.float32]
    energy_j: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    quality_flag: NDArray[np.int16]
    declared_count: int | None

    def __len__(self) -> int:
        """The number of groups."""
        return len(self.group_id)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GranuleEvents:
    """The events of one granule, n of them, in the granule's own order (nearly sorted in time).

    Attributes:
        event_id: uint32, shape (n,). Unique within the granule only.
        parent_group_id: uint32, shape (n,). The ``group_id`` of its group.
        time: datetime64[us], shape (n,). UTC of its frame; may precede the granule's start. In a
            few per cent of groups some milliseconds from the group's own, since the correction for
            the way of light is one of its own.
        lat: float64, shape (n,). Degrees north, -90 to 90; center of the pixel.
        lon: float64, shape (n,). Degrees east, -180 to 180: west of 180 files go below -180.
        is_clamped: bool, shape (n,). Whether ``lon`` is the largest that the file can hold: events
            of GOES-West beyond the 180 degree meridian were written so in 2019 and 2020, so that
            where they really were is not known. Those of other events are right.
        energy_j: float64, shape (n,). Radiant energy in joules; NaN where it is missing.
        declared_count: What the granule says n is; None if it does not say. Rows win.
    """

    event_id: NDArray[np.uint32]
    parent_group_id: NDArray[np.uint32]
    time: NDArray[np.datetime64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    is_clamped: NDArray[np.bool_]
    energy_j: NDArray[np.float64]
    declared_count: int | None

    def __len__(self) -> int:
        """The number of events."""
        return len(self.event_id)


def read_groups(source: Source, name: GranuleName) -> GranuleGroups:
    """Read the groups of a granule.

    Args:
        source: The granule's file, or its bytes.
        name: What the file is called; what is inside must agree with it.

    Returns:
        The groups; with n = 0 for a granule that holds none, which is not an error.

    Raises:
        CorruptGranuleError: If the file is not a whole netCDF-4 file, lacks a variable, disagrees
            with its name, or holds values that no granule can hold. The message is the reason.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    from lightning_kedro.glm.variables import open_granule

    with open_granule(source, name) as file:
        return take_groups(file, name)


def read_events(source: Source, name: GranuleName) -> GranuleEvents:
    """Read the events of a granule.

    Args:
        source: The granule's file, or its bytes.
        name: What the file is called; what is inside must agree with it.

    Returns:
        The events; with n = 0 for a granule that holds none, which is not an error.

    Raises:
        CorruptGranuleError: If the file is not a whole netCDF-4 file, lacks a variable, disagrees
            with its name, or holds values that no granule can hold. The message is the reason.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    from lightning_kedro.glm.variables import open_granule

    with open_granule(source, name) as file:
        return take_events(file, name)


def take_groups(file: "OpenFile", name: GranuleName) -> GranuleGroups:
    """The groups of a granule that is open already; as ``read_groups``."""
    from lightning_kedro.glm.variables import read_declared_count, read_level

    level = LEVELS["group"]
    declared = read_declared_count(file, level)
    return GranuleGroups(**read_level(file, level, name), declared_count=declared)


def take_events(file: "OpenFile", name: GranuleName) -> GranuleEvents:
    """The events of a granule that is open already; as ``read_events``."""
    from lightning_kedro.glm.variables import read_declared_count, read_level

    level = LEVELS["event"]
    declared = read_declared_count(file, level)
    return GranuleEvents(**read_level(file, level, name), declared_count=declared)
