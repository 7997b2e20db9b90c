"""Groups and events against netCDF4's raw values, against what was written, and against damage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import (
    NAME,
    START,
    Change,
    content,
    drop_attribute,
    put,
    remove,
    set_attribute,
    shorten,
    store_as,
)

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.fields import MAX_DECLARED, Kind
from lightning_kedro.glm.levels import LEVELS, list_bounds, read_events, read_groups
from lightning_kedro.simulation.granule_writer import Era

READERS: dict[str, Callable[..., Any]] = {"group": read_groups, "event": read_events}
LEVEL_NAMES = sorted(READERS)


def decode(dataset: netCDF4.Dataset, variable: str) -> Any:
    """A packed variable's raw values put through the rules, unsigned as all but times are."""
    packing = dataset[variable]
    factor = 1e-6 if packing.units == "m2" else 1.0
    packed = packing[:].view(np.uint16)
    values = packed.astype(float) * float(packing.scale_factor) + float(packing.add_offset)
    is_missing = (packed == 65_535) & ("_FillValue" in packing.ncattrs())
    return np.where(is_missing, np.nan, values * factor)


def decode_times(dataset: netCDF4.Dataset, variable: str) -> Any:
    packing = dataset[variable]
    milliseconds = packing.units.startswith("milliseconds")
    packed = packing[:].view(np.int16 if milliseconds else np.uint16)
    offset = packed.astype(float) * float(packing.scale_factor) + float(packing.add_offset)
    return offset * (1e3 if milliseconds else 1e6)


def since_product_time(dataset: netCDF4.Dataset, times: Any) -> Any:
    """Microseconds."""
    product_time = np.datetime64("2000-01-01T12:00:00", "us") + np.timedelta64(
        round(float(dataset["product_time"][...]) * 1e6), "us"
    )
    return (times - product_time) / np.timedelta64(1, "us")


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
def test_real_groups_equal_raw_values_put_through_the_rules(path: Path) -> None:
    groups = read_groups(path, name_of(path))
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        assert len(groups) == len(dataset.dimensions["number_of_groups"])
        assert groups.declared_count == int(dataset["group_count"][...])
        np.testing.assert_array_equal(groups.group_id, dataset["group_id"][:].view("u4"))
        parents = dataset["group_parent_flash_id"][:].view("u2")
        np.testing.assert_array_equal(groups.parent_flash_id, parents)
        assert groups.lat.tobytes() == dataset["group_lat"][:].tobytes()
        assert groups.lon.tobytes() == dataset["group_lon"][:].tobytes()
        np.testing.assert_array_equal(groups.quality_flag, dataset["group_quality_flag"][:])
        np.testing.assert_allclose(groups.energy_j, decode(dataset, "group_energy"), rtol=1e-6)
        np.testing.assert_allclose(groups.area_km2, decode(dataset, "group_area"), rtol=1e-6)
        times = decode_times(dataset, "group_time_offset")
        assert np.abs(since_product_time(dataset, groups.time) - times).max(initial=0) <= 2


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
def test_real_events_equal_raw_values_put_through_the_rules(path: Path) -> None:
    events = read_events(path.read_bytes(), name_of(path))
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        assert len(events) == len(dataset.dimensions["number_of_events"])
        assert events.declared_count == int(dataset["event_count"][...])
        np.testing.assert_array_equal(events.event_id, dataset["event_id"][:].view("u4"))
        parents = dataset["event_parent_group_id"][:].view("u4")
        np.testing.assert_array_equal(events.parent_group_id, parents)
        np.testing.assert_allclose(events.lat, decode(dataset, "event_lat"), atol=1e-9)
        lon = decode(dataset, "event_lon")
        np.testing.assert_allclose(events.lon, np.where(lon <= -180, lon + 360, lon), atol=1e-9)
        is_clamped = dataset["event_lon"][:].view("u2") == 65_535
        np.testing.assert_array_equal(events.is_clamped, is_clamped)
        np.testing.assert_allclose(events.energy_j, decode(dataset, "event_energy"), rtol=1e-6)
        times = decode_times(dataset, "event_time_offset")
        assert np.abs(since_product_time(dataset, events.time) - times).max(initial=0) <= 2


@needs_real_granules
def test_events_beyond_180_degrees_are_known_to_be_clamped_in_2019() -> None:
    """24, 98 and 73 of them in three consecutive granules of GOES-17."""
    paths = [path for path in real_granule_paths() if "_G17_s2019" in path.name]
    clamped = [read_events(path, name_of(path)) for path in paths]
    assert [int(events.is_clamped.sum()) for events in clamped] == [24, 98, 73]
    for events in clamped:
        np.testing.assert_allclose(events.lon[events.is_clamped], -70.44, atol=1e-4)


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
def test_real_events_lie_around_the_centroids_of_their_groups(path: Path) -> None:
    """An offset or a sign that is wrong would put them elsewhere."""
    groups, events = read_groups(path, name_of(path)), read_events(path, name_of(path))
    order = np.argsort(groups.group_id)
    parents = order[np.searchsorted(groups.group_id[order], events.parent_group_id)]
    np.testing.assert_array_equal(groups.group_id[parents], events.parent_group_id)
    apart = np.abs(events.lon - groups.lon[parents])
    apart = np.minimum(apart, 360 - apart)[~events.is_clamped]
    assert np.median(apart) < 0.2 if len(apart) else True
    assert apart.max(initial=0) < 10
    assert np.abs(events.lat - groups.lat[parents]).max(initial=0) < 10
    late = np.abs((events.time - groups.time[parents]) / np.timedelta64(1, "ms"))
    assert late.max(initial=0) < 10


@pytest.mark.parametrize("era", list(Era))
@pytest.mark.parametrize("compressed", [False, True])
def test_every_era_and_layout_gives_the_groups_and_events_written(
    granule: Callable[..., Path], era: Era, compressed: bool
) -> None:
    written = content()
    path = granule(era=era, compressed=compressed)
    groups, events = read_groups(path, NAME), read_events(path, NAME)
    for ours, theirs, columns in (
        (groups, written.groups, ("group_id", "parent_flash_id", "lat", "lon", "quality_flag")),
        (events, written.events, ("event_id", "parent_group_id")),
    ):
        for column in columns:
            np.testing.assert_array_equal(getattr(ours, column), getattr(theirs, column))
        half_step_s = 0.0011 if era is Era.E1 else 0.0002
        start = np.datetime64(START.replace(tzinfo=None), "us")
        seconds = (ours.time - start) / np.timedelta64(1, "s")
        np.testing.assert_allclose(seconds, theirs.time_s, atol=half_step_s)
        np.testing.assert_allclose(ours.energy_j, theirs.energy_j, atol=1e-15)
        assert ours.declared_count == len(theirs)
    np.testing.assert_allclose(groups.area_km2, written.groups.area_km2, atol=32)
    np.testing.assert_allclose(events.lat, written.events.lat, atol=0.0011)
    np.testing.assert_allclose(events.lon, written.events.lon, atol=0.0011)


@pytest.mark.parametrize("level", LEVEL_NAMES)
def test_granule_without_rows_is_not_an_error(granule: Callable[..., Path], level: str) -> None:
    rows = READERS[level](granule(count=0), NAME)
    assert len(rows) == 0
    assert rows.time.dtype == np.dtype("datetime64[us]")


def test_fill_value_is_missing_but_no_place_is(granule: Callable[..., Path]) -> None:
    def mask(file: h5py.File) -> None:
        for variable in ("group_energy", "group_area", "event_energy", "event_lon", "event_lat"):
            file[variable][0] = -1
        file["group_quality_flag"][0] = -1
        file["event_energy"][1] = -5  # 65531: beyond the range of groups, but a value of events

    groups, events = (read(granule(mask), NAME) for read in (read_groups, read_events))
    assert np.isnan([groups.energy_j[0], groups.area_km2[0], events.energy_j[0]]).all()
    assert groups.quality_flag[0] == -1
    assert events.is_clamped[0]
    assert not np.isnan([events.lat[0], events.lon[0], events.energy_j[1]]).any()


def test_longitudes_are_wound_into_one_turn(granule: Callable[..., Path]) -> None:
    def move_west(file: h5py.File) -> None:
        file["event_lon"].attrs["add_offset"] = np.float32(-203.56)
        file["event_lon"][0] = 0
        file["event_lon"][1] = 20_000

    events = read_events(granule(move_west), NAME)
    assert events.lon[0] == pytest.approx(156.44, abs=1e-4)
    assert events.lon[1] == pytest.approx(-203.56 + 20_000 * 0.00203128, abs=1e-4)
    assert events.lon.min() > -180


def damages(level: str) -> list[tuple[Change, str]]:
    """Every kind of variable of a level, damaged in each way that it can be."""
    cases = []
    for field in LEVELS[level].fields:
        variable = field.variable
        cases.append((remove(variable), f"variable {variable} is missing"))
        if field is not LEVELS[level].id:
            cases.append((shorten(variable), rf"{variable} has shape \(299,\), expected"))
        if field.kind is Kind.DEGREES:
            cases += [
                (put(variable, 7, np.nan), f"{variable} holds values that are not"),
                (put(variable, 7, 500.0), f"{variable} holds values that are not"),
                (store_as(variable, "f8"), f"{variable} is stored as float64"),
            ]
            continue
        cases.append((store_as(variable, "f4"), f"{variable} is stored as float32"))
        if field.kind in {Kind.TIME, Kind.AMOUNT, Kind.PLACE}:
            cases += [
                (set_attribute(variable, "scale_factor", np.nan), "attribute scale_factor is nan"),
                (set_attribute(variable, "scale_factor", 1e12), f"{variable} has scale_factor"),
                (set_attribute(variable, "add_offset", 1e12), f"{variable} holds values that"),
                (set_attribute(variable, "units", "acre"), "units 'acre'"),
                (drop_attribute(variable, "scale_factor"), "scale_factor cannot be read"),
            ]
        if field.kind is Kind.QUALITY:
            cases.append((put(variable, 7, 9), f"{variable} holds values that are not within 0"))
    return [*cases, (repeat_id(LEVELS[level].id.variable), "is not unique within the granule")]


def repeat_id(variable: str) -> Change:
    def change(file: h5py.File) -> None:
        file[variable][7] = file[variable][8]

    return change


@pytest.mark.parametrize("level", LEVEL_NAMES)
def test_granule_whose_rows_cannot_be_trusted_is_corrupt(
    granule: Callable[..., Path], level: str
) -> None:
    cases = damages(level)
    assert len(cases) > 30
    for change, reason in cases:
        with pytest.raises(CorruptGranuleError, match=reason):
            READERS[level](granule(change), NAME)


@pytest.mark.parametrize("level", LEVEL_NAMES)
def test_granule_that_claims_absurdly_many_rows_costs_no_memory(
    granule: Callable[..., Path], level: str
) -> None:
    def claim(file: h5py.File) -> None:
        file[LEVELS[level].id.variable].resize((10**12,))

    with pytest.raises(CorruptGranuleError, match=f"at most {MAX_DECLARED} {level}s fit"):
        READERS[level](granule(claim), NAME)


@pytest.mark.parametrize("level", LEVEL_NAMES)
def test_file_cut_short_is_corrupt(granule: Callable[..., Path], level: str) -> None:
    path = granule()
    whole = path.read_bytes()
    for cut in (b"", whole[: len(whole) // 2], whole[:-1]):
        with pytest.raises(CorruptGranuleError, match="not a whole netCDF-4 file"):
            READERS[level](cut, NAME)


def test_parents_are_levels_and_bounds_are_of_columns() -> None:
    assert [level.parent for level in LEVELS.values()] == [None, "flash", "group"]
    assert list_bounds("event")["lon"] == (-180, 180)
    assert list_bounds("group")["parent_flash_id"] == list_bounds("flash")["flash_id"]
