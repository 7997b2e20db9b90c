"""A granule with flashes of all sorts, and the ways in which tests change its file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import h5py
import numpy as np

from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.simulation.granule_writer import Events, Flashes, GranuleContent, Groups

FIRST = "flash_time_offset_of_first_event"
LAST = "flash_time_offset_of_last_event"
FLASH_VARIABLES = (
    *("flash_id", FIRST, LAST, "flash_lat", "flash_lon"),
    *("flash_energy", "flash_area", "flash_quality_flag"),
)
PACKING = ("units", "scale_factor", "add_offset", "_FillValue")
START = datetime(2020, 7, 1, 12, 0, 20, tzinfo=UTC)
NAME = GranuleName(
    platform="G16",
    start=START,
    end=START + timedelta(seconds=20),
    created=START + timedelta(seconds=22),
)
Change = Callable[[h5py.File], None]


def content(count: int = 300) -> GranuleContent:
    """Flashes of all sorts: before the granule's start, large, missing values, flags."""
    order = np.arange(count)
    flashes = Flashes(
        flash_id=((65_500 + order) % 65_536).astype(np.uint16),
        first_event_s=np.linspace(-1.7, 18.0, count),
        last_event_s=np.linspace(-0.4, 19.8, count),
        lat=np.linspace(-54.0, 54.0, count).astype(np.float32),
        lon=np.linspace(-140.0, -10.0, count).astype(np.float32),
        energy_j=np.where(order == 3, np.nan, np.linspace(0.0, 6.0e-11, count)),
        area_km2=np.where(order == 5, np.nan, np.linspace(64.0, 9_900.0, count)),
        quality_flag=np.choose(order % 4, [0, 0, 3, 5]).astype(np.int16),
    )
    groups = Groups(
        group_id=order.astype(np.uint32),
        parent_flash_id=flashes.flash_id,
        time_s=flashes.first_event_s,
        lat=flashes.lat,
        lon=flashes.lon,
        energy_j=np.full(count, 1e-14),
        area_km2=np.full(count, 64.0),
        quality_flag=np.zeros(count, np.int16),
    )
    events = Events(
        event_id=order.astype(np.uint32),
        parent_group_id=groups.group_id,
        time_s=flashes.first_event_s,
        lat=flashes.lat.astype(np.float64),
        lon=flashes.lon.astype(np.float64),
        energy_j=np.full(count, 1e-15),
    )
    return GranuleContent(flashes=flashes, groups=groups, events=events)


def remove(variable: str) -> Change:
    def change(file: h5py.File) -> None:
        file.move(variable, f"old_{variable}")

    return change


def put(variable: str, row: int, value: float) -> Change:
    def change(file: h5py.File) -> None:
        file[variable][row] = value

    return change


def set_attribute(variable: str, attribute: str, value: Any) -> Change:
    def change(file: h5py.File) -> None:
        owner = file[variable] if variable else file
        owner.attrs[attribute] = value

    return change


def shorten(variable: str) -> Change:
    def change(file: h5py.File) -> None:
        file[variable].resize((299,))

    return change


def store_as(variable: str, dtype: str) -> Change:
    def change(file: h5py.File) -> None:
        attributes = dict(file[variable].attrs)
        values = file[variable][:]
        file.move(variable, f"old_{variable}")
        new = file.create_dataset(variable, data=values.astype(dtype))
        for key in ("units", "scale_factor", "add_offset"):
            if key in attributes:
                new.attrs[key] = attributes[key]

    return change


def drop_attribute(variable: str, attribute: str) -> Change:
    def change(file: h5py.File) -> None:
        del file[variable].attrs[attribute]

    return change


def make_anew(variable: str, make: Callable[[h5py.File, Any], h5py.Dataset]) -> Change:
    """Another dataset in the place of a variable's, made of its values; same attributes."""

    def change(file: h5py.File) -> None:
        old = file[variable]
        attributes = {key: old.attrs[key] for key in PACKING if key in old.attrs}
        values = old[()]
        file.move(variable, f"old_{variable}")
        new = make(file, values)
        new.attrs.update(attributes)

    return change
