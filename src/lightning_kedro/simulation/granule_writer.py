"""Granules written as NOAA writes them: arrays in physical units to the bytes of an LCFA file.

The reader's counterpart, for the simulated archive and for tests. A copy of an empty granule
(``granule_template``) is opened in memory, its rows, counts and times are filled in through
HDF5's low-level interface, and its bytes are returned: some milliseconds a granule.
"""

import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Self

import numpy as np
from h5py import h5a, h5d, h5f, h5p, h5s
from numpy.typing import NDArray

from lightning_kedro.glm.field_of_view import field_of_view, wrap_lon
from lightning_kedro.glm.granule import GranuleName, format_time
from lightning_kedro.glm.hdf5 import name_image
from lightning_kedro.glm.hdf5_attributes import Handle
from lightning_kedro.simulation.granule_template import (
    SINCE_FORMAT,
    SOURCE_ATTRIBUTE,
    TemplateKey,
    make_template,
)
from lightning_kedro.simulation.lcfa import Era, Packing, Variable, era_of, format_of

__all__ = ["Era", "Events", "Flashes", "GranuleContent", "Groups", "encode_granule", "era_of"]

PRODUCT_EPOCH: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""Zero of ``product_time``: noon, not midnight."""

FRAME_DELAY_S: Final = 0.125
"""How much later a flash's light is framed at the satellite than it left the cloud (s), about.

Real groups: 0.120 to 0.133 s, longer with distance. One value is near enough for the frame times,
which repeat the others.
"""

SOURCE_CONTAINER: Final = "algorithm_dynamic_input_data_container"
"""The variable that bears the names of the files that a granule was made from."""

_RAW_MAX: Final = 65530
"""Largest packed value in a ``valid_range`` of [0, -6]; 65535 stands for a missing one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Arrays of equal length, one row for each flash, group or event."""

    def __len__(self) -> int:
        """The number of rows."""
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """The same arrays with only some of the rows: a slice, a mask or indices."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Flashes(_Rows):
    """Flashes of a granule in physical units, each array of shape (flashes,).

    Attributes:
        flash_id: uint16, unique within the granule.
        first_event_s: Time of the first event (s after the granule's start, -5 to 20).
        last_event_s: Time of the last event (s after the granule's start, -5 to 20).
        lat: float32, degrees north.
        lon: float32, degrees east, -180 to 180.
        energy_j: Radiant energy (J, 0 to 6.5e-11); NaN is written as missing.
        area_km2: Area (km2, 0 to 10,000); NaN is written as missing.
        quality_flag: 0, 1, 3 or 5.
    """

    flash_id: NDArray[np.uint16]
    first_event_s: NDArray[np.float64]
    last_event_s: NDArray[np.float64]
    lat: NDArray[np.float32]
    lon: NDArray[np.float32]
    energy_j: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    quality_flag: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Groups(_Rows):
    """Groups of a granule in physical units, each array of shape (groups,).

    Attributes:
        group_id: uint32, unique within the granule.
        parent_flash_id: uint16, the ``flash_id`` of the flash that the group belongs to.
        time_s: Time of the group's frame (s after the granule's start, -5 to 20).
        lat: float32, degrees north.
        lon: float32, degrees east, -180 to 180.
        energy_j: Radiant energy (J, 0 to 6.5e-12).
        area_km2: Area (km2, 0 to 10,000).
        quality_flag: 0, 1, 3 or 5.
    """

    group_id: NDArray[np.uint32]
    parent_flash_id: NDArray[np.uint16]
    time_s: NDArray[np.float64]
    lat: NDArray[np.float32]
    lon: NDArray[np.float32]
    energy_j: NDArray[np.float64]
    area_km2: NDArray[np.float64]
    quality_flag: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Events(_Rows):
    """Events of a granule in physical units, each array of shape (events,).

    Attributes:
        event_id: uint32, unique within the granule.
        parent_group_id: uint32, the ``group_id`` of the group that the event belongs to.
        time_s: Time of the event's frame (s after the granule's start, -5 to 20).
        lat: Degrees north.
        lon: Degrees east, any winding.
        energy_j: Radiant energy (J, 0 to 1.2e-12).
    """

    event_id: NDArray[np.uint32]
    parent_group_id: NDArray[np.uint32]
    time_s: NDArray[np.float64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    energy_j: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GranuleContent:
    """All rows of a granule.

    Attributes:
        flashes: Its flashes, in the order in which they are written.
        groups: The groups of its flashes.
        events: The events of its groups.
    """

    flashes: Flashes
    groups: Groups
    events: Events


def encode_granule(
    name: GranuleName,
    content: GranuleContent,
    *,
    era: Era | None = None,
    compressed: bool = False,
) -> bytes:
    """Write a granule in the LCFA format.

    Args:
        name: What the file is to be called: platform and times go into its attributes.
        content: Its rows. Values beyond what a packed variable can hold are clipped.
        era: The era whose format to use; by default the one in which the granule was made.
        compressed: Write rows as in rewritten files (gzip and shuffle, chunks of 2,048) instead of
            as in NOAA's own (plain, chunks of 256).

    Returns:
        The bytes of the file; the same arguments give the same bytes.

    Raises:
        ParameterError: If there is no such platform.
    """
    key = TemplateKey(
        platform=name.platform,
        view=field_of_view(name.platform, name.start),
        format=format_of(name.start, era),
        compressed=compressed,
    )
    values = _row_values(content, key)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(make_template(key))
    file = h5f.open(name_image(), h5f.ACC_RDWR, fapl=access)
    try:
        start = name.start.strftime(SINCE_FORMAT)
        since = key.format.packings["time"].units.format(start=start)
        for variable in key.row_variables:
            is_time = variable.packing == "time"
            _fill_rows(file, variable.name, values[variable.name], since if is_time else "")
        variables = key.format.variables
        _fill_quality(file, variables["flash_quality_flag"], content.flashes)
        _fill_quality(file, variables["group_quality_flag"], content.groups)
        _fill_scalars(file, name, content)
        _fill_attributes(file, name, variables[SOURCE_CONTAINER])
        h5f.flush(file)
        return bytes(file.get_file_image())
    finally:
        file.close()


def _row_values(content: GranuleContent, key: TemplateKey) -> dict[str, NDArray[Any]]:
    """Pack every variable with a value a row, as it stands in the file."""
    flashes, groups, events = content.flashes, content.groups, content.events
    packing = key.packings
    pack_time = packing["time"]
    east_of_offset = wrap_lon(events.lon, packing["event_lon"].add_offset)
    return {
        "event_id": events.event_id.view(np.int32),
        "event_time_offset": _pack(events.time_s, pack_time),
        "event_lat": _pack(events.lat, packing["event_lat"]),
        "event_lon": _pack(east_of_offset, packing["event_lon"]),
        "event_energy": _pack(events.energy_j, packing["event_energy"]),
        "event_parent_group_id": events.parent_group_id.view(np.int32),
        "group_id": groups.group_id.view(np.int32),
        "group_time_offset": _pack(groups.time_s, pack_time),
        "group_frame_time_offset": _pack(groups.time_s + FRAME_DELAY_S, pack_time),
        "group_lat": groups.lat,
        "group_lon": groups.lon,
        "group_area": _pack(groups.area_km2, packing["area"]),
        "group_energy": _pack(groups.energy_j, packing["group_energy"]),
        "group_parent_flash_id": groups.parent_flash_id.view(np.int16),
        "group_quality_flag": groups.quality_flag,
        "flash_id": flashes.flash_id.view(np.int16),
        "flash_time_offset_of_first_event": _pack(flashes.first_event_s, pack_time),
        "flash_time_offset_of_last_event": _pack(flashes.last_event_s, pack_time),
        "flash_frame_time_offset_of_first_event": _pack(
            flashes.first_event_s + FRAME_DELAY_S, pack_time
        ),
        "flash_frame_time_offset_of_last_event": _pack(
            flashes.last_event_s + FRAME_DELAY_S, pack_time
        ),
        "flash_lat": flashes.lat,
        "flash_lon": flashes.lon,
        "flash_area": _pack(flashes.area_km2, packing["area"]),
        "flash_energy": _pack(flashes.energy_j, packing["flash_energy"]),
        "flash_quality_flag": flashes.quality_flag,
    }


def _pack(values: NDArray[np.float64], packing: Packing) -> NDArray[np.int16]:
    """Pack physical values into 16 bits, by the float32 scale and offset that the file has."""
    scale = float(np.float32(packing.scale_factor))
    offset = float(np.float32(packing.add_offset))
    raw = np.rint((values * packing.per_unit - offset) / scale)
    if not packing.is_unsigned:
        return np.clip(raw, -32768, 32767).astype(np.int16)
    filled = np.where(np.isnan(raw), 65535, np.clip(raw, 0, _RAW_MAX))
    return filled.astype(np.uint16).view(np.int16)


def _fill_rows(file: Handle, name: str, values: NDArray[Any], units: str) -> None:
    """Give a variable its rows and, if it is a time, its units."""
    variable = h5d.open(file, name.encode())
    if len(values):
        variable.set_extent((len(values),))
        variable.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values))
    if units:
        _write_text(variable, "units", units)


def _fill_quality(file: Handle, flag: Variable, rows: Flashes | Groups) -> None:
    """Say which parts of 1 of the flashes or groups have each quality flag."""
    variable = h5d.open(file, flag.name.encode())
    for value, meaning in flag.flags.items():
        part = np.count_nonzero(rows.quality_flag == value) / max(len(rows), 1)
        attribute = h5a.open(variable, f"percent_{meaning}".encode())
        attribute.write(np.full(attribute.shape, part, np.float32))


def _fill_scalars(file: Handle, name: GranuleName, content: GranuleContent) -> None:
    """Write the declared counts (rows) and the granule's times (s since the product epoch)."""
    start, end = ((time - PRODUCT_EPOCH).total_seconds() for time in (name.start, name.end))
    scalars = {
        "flash_count": np.array(len(content.flashes), np.int32),
        "group_count": np.array(len(content.groups), np.int32),
        "event_count": np.array(len(content.events), np.int32),
        "product_time": np.array(start),
        "product_time_bounds": np.array((start, end)),
    }
    for variable, value in scalars.items():
        h5d.open(file, variable.encode()).write(h5s.ALL, h5s.ALL, value)


def _fill_attributes(file: Handle, name: GranuleName, container: Variable) -> None:
    """Write the attributes of the file, and of the container of sources, that its name decides."""
    texts = {
        "dataset_name": name.file_name,
        "date_created": _iso(name.created),
        "time_coverage_start": _iso(name.start),
        "time_coverage_end": _iso(name.end),
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name.file_name)),
    }
    for attribute, text in texts.items():
        _write_text(file, attribute, text)
    source = container.attributes[SOURCE_ATTRIBUTE].format(
        platform=name.platform, start=format_time(name.start), end=format_time(name.end)
    )
    _write_text(h5d.open(file, container.name.encode()), SOURCE_ATTRIBUTE, source)


def _iso(time: datetime) -> str:
    """A time as the files' attributes have it, cut to tenths of a second."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 100_000}Z"


def _write_text(owner: Handle, attribute: str, text: str) -> None:
    """Replace a text attribute by one of the same length."""
    stored = h5a.open(owner, attribute.encode())
    kind = stored.get_type()
    stored.write(np.array(text.encode(), f"S{kind.get_size()}"), kind)
