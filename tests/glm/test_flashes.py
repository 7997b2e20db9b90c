"""The reader against netCDF4's raw values, against flashes checked by hand, and against damage."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import (
    FIRST,
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
from lightning_kedro.glm.flashes import MAX_FLASHES, read_flashes
from lightning_kedro.simulation.granule_writer import Era


def raw(dataset: netCDF4.Dataset, variable: str, dtype: type) -> Any:
    """A variable's stored bits, as netCDF4 gives them without scaling or masks."""
    return dataset[variable][:].view(dtype)


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
@pytest.mark.parametrize("in_memory", [False, True])
def test_real_granule_equals_raw_values_put_through_the_rules(path: Path, in_memory: bool) -> None:
    flashes = read_flashes(path.read_bytes() if in_memory else path, name_of(path))
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        rows = len(dataset.dimensions["number_of_flashes"])
        assert len(flashes) == rows
        assert flashes.declared_flash_count == int(dataset["flash_count"][...])
        assert flashes.orbital_slot == dataset.orbital_slot
        for ours, theirs in (("lat", "flash_lat"), ("lon", "flash_lon")):
            assert getattr(flashes, ours).tobytes() == dataset[theirs][:].tobytes()
        np.testing.assert_array_equal(flashes.flash_id, raw(dataset, "flash_id", np.uint16))
        np.testing.assert_array_equal(flashes.quality_flag, dataset["flash_quality_flag"][:])
        for ours, theirs in (
            ("time", "flash_time_offset_of_first_event"),
            ("time_end", "flash_time_offset_of_last_event"),
        ):
            packing = dataset[theirs]
            milliseconds = packing.units.startswith("milliseconds")
            packed = raw(dataset, theirs, np.int16 if milliseconds else np.uint16)
            offset = packed.astype(float) * float(packing.scale_factor) + float(packing.add_offset)
            seconds = offset * (1e-3 if milliseconds else 1.0)
            product_time = np.datetime64("2000-01-01T12:00:00", "us") + np.timedelta64(
                round(float(dataset["product_time"][...]) * 1e6), "us"
            )
            difference = (getattr(flashes, ours) - product_time) / np.timedelta64(1, "us")
            assert np.abs(difference - seconds * 1e6).max(initial=0) <= 2
        for ours, theirs in (("energy_j", "flash_energy"), ("area_km2", "flash_area")):
            packing = dataset[theirs]
            factor = 1e-6 if packing.units == "m2" else 1.0
            packed = raw(dataset, theirs, np.uint16)
            values = packed.astype(float) * float(packing.scale_factor) + float(packing.add_offset)
            expected = np.where(packed == 65_535, np.nan, values * factor)
            np.testing.assert_allclose(getattr(flashes, ours), expected, rtol=1e-6)


@needs_real_granules
@pytest.mark.parametrize(
    ("start", "row", "flash_id", "time", "lat", "lon", "energy_j", "area_km2"),
    [
        # Worked out by hand from ncdump's raw values:
        # 2018-07-02, milliseconds: raw offset -365 x 2 ms = -0.73 s; 261 x 1.52597e-15 J;
        # 3254 x 0.15163901 + 63.095734 km2; id -21092 as 16 bits = 44444
        (
            "20181830433000", 0, 44444, "2018-07-02T04:32:59.270000",
            -32.079243, -57.731506, 3.9827817e-13, 556.52907,
        ),
        # 2025-04-07, seconds: 11378 x 0.0003814756 - 5 = -0.659571 s; 617 x 9.99996e-16
        # + 2.8515e-16 J; 3288 x 152601.86 m2
        (
            "20250971300200", 0, 27809, "2025-04-07T13:00:19.340429",
            31.111858, -84.82529, 6.1728268e-13, 501.75491,
        ),
    ],
)  # fmt: skip
def test_real_flash_equals_one_worked_out_by_hand(
    start: str,
    row: int,
    flash_id: int,
    time: str,
    lat: float,
    lon: float,
    energy_j: float,
    area_km2: float,
) -> None:
    (path,) = (path for path in real_granule_paths() if f"_s{start}_" in path.name)
    flashes = read_flashes(path, name_of(path))
    assert flashes.flash_id[row] == flash_id
    assert abs(flashes.time[row] - np.datetime64(time)) <= np.timedelta64(2, "us")
    assert flashes.lat[row] == np.float32(lat)
    assert flashes.lon[row] == np.float32(lon)
    assert flashes.energy_j[row] == pytest.approx(energy_j, rel=1e-6)
    assert flashes.area_km2[row] == pytest.approx(area_km2, rel=1e-6)


@needs_real_granules
def test_times_of_october_2018_are_unsigned_although_not_declared() -> None:
    """Read as declared, they reach from -17.4 s to +7.5 s: netCDF4 and xarray do that."""
    (path,) = (path for path in real_granule_paths() if "_s20182901026200_" in path.name)
    flashes = read_flashes(path, name_of(path))
    offsets = (flashes.time - np.datetime64("2018-10-17T10:26:20")) / np.timedelta64(1, "s")
    assert -1 < offsets.min() < offsets.max() < 20
    assert (flashes.time_end >= flashes.time).all()
    with netCDF4.Dataset(path) as dataset:
        assert dataset["flash_time_offset_of_first_event"][:].min() < -17


@pytest.mark.parametrize("era", list(Era))
@pytest.mark.parametrize("compressed", [False, True])
def test_every_era_and_layout_gives_what_was_written(
    granule: Callable[..., Path], era: Era, compressed: bool
) -> None:
    written = content().flashes
    flashes = read_flashes(granule(era=era, compressed=compressed), NAME)
    np.testing.assert_array_equal(flashes.flash_id, written.flash_id)
    np.testing.assert_array_equal(flashes.lat, written.lat)
    np.testing.assert_array_equal(flashes.lon, written.lon)
    np.testing.assert_array_equal(flashes.quality_flag, written.quality_flag)
    half_step_s = 0.0011 if era is Era.E1 else 0.0002
    start = np.datetime64(START.replace(tzinfo=None), "us")
    for read, expected in (
        (flashes.time, written.first_event_s),
        (flashes.time_end, written.last_event_s),
    ):
        seconds = (read - start) / np.timedelta64(1, "s")
        np.testing.assert_allclose(seconds, expected, atol=half_step_s)
    np.testing.assert_array_equal(np.isnan(flashes.energy_j), np.isnan(written.energy_j))
    np.testing.assert_array_equal(np.isnan(flashes.area_km2), np.isnan(written.area_km2))
    sound = ~np.isnan(written.area_km2)
    np.testing.assert_allclose(flashes.area_km2[sound], written.area_km2[sound], atol=0.08)


def test_granule_without_flashes_is_not_an_error(granule: Callable[..., Path]) -> None:
    flashes = read_flashes(granule(count=0), NAME)
    assert len(flashes) == 0
    assert flashes.time.dtype == np.dtype("datetime64[us]")


def test_rows_win_over_the_declared_count(granule: Callable[..., Path]) -> None:
    def declare_more(file: h5py.File) -> None:
        file["flash_count"][...] = 308

    flashes = read_flashes(granule(declare_more), NAME)
    assert len(flashes) == 300
    assert flashes.declared_flash_count == 308


@pytest.mark.parametrize("value", [-1, None])
def test_declared_count_may_be_missing(granule: Callable[..., Path], value: int | None) -> None:
    def change(file: h5py.File) -> None:
        if value is None:
            del file["flash_count"]
        else:
            file["flash_count"][...] = value

    assert read_flashes(granule(change), NAME).declared_flash_count is None


def test_scale_and_units_are_read_from_the_file(granule: Callable[..., Path]) -> None:
    def rescale(file: h5py.File) -> None:
        file["flash_area"].attrs["units"] = np.bytes_("km2")
        file["flash_area"].attrs["scale_factor"] = np.float32(0.125)
        file["flash_area"].attrs["add_offset"] = np.float32(7.0)
        file["flash_area"][:] = np.int16(-2)  # 65534, the largest value that is not the fill
        file["flash_energy"].attrs["units"] = "J"  # a text of variable length, as h5py writes it

    flashes = read_flashes(granule(rescale), NAME)
    assert (flashes.area_km2 == 65_534 * 0.125 + 7.0).all()


def test_quality_flag_may_be_missing(granule: Callable[..., Path]) -> None:
    def mask(file: h5py.File) -> None:
        file["flash_quality_flag"][0] = -1

    assert read_flashes(granule(mask), NAME).quality_flag[0] == -1


PACKED = ("flash_id", "flash_energy", "flash_area", "flash_quality_flag")


def test_integers_stored_as_unsigned_are_not_clipped(granule: Callable[..., Path]) -> None:
    """Another writer may declare on disk what NOAA's files leave to ``_Unsigned``."""

    def retype(file: h5py.File) -> None:
        for variable in PACKED:
            attributes = dict(file[variable].attrs)
            bits = file[variable][:].view("u2")
            file.move(variable, f"old_{variable}")
            new = file.create_dataset(variable, data=bits)
            for key in ("units", "scale_factor", "add_offset"):
                if key in attributes:
                    new.attrs[key] = attributes[key]
            if "_FillValue" in attributes:
                new.attrs["_FillValue"] = np.uint16(65_535)

    expected, flashes = read_flashes(granule(), NAME), read_flashes(granule(retype), NAME)
    assert expected.flash_id.max() > 32_767
    for field in ("flash_id", "energy_j", "area_km2", "quality_flag"):
        np.testing.assert_array_equal(getattr(flashes, field), getattr(expected, field))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove("flash_lat"), "variable flash_lat is missing"),
        (remove("flash_id"), "variable flash_id is missing"),
        (remove("flash_quality_flag"), "variable flash_quality_flag is missing"),
        (put("flash_lat", 7, 500.0), "flash_lat holds values that are not within -90 to 90"),
        (put("flash_lat", 7, np.nan), "flash_lat holds values that are not within -90 to 90"),
        (put("flash_lon", 7, -181.0), "flash_lon holds values that are not within -180 to 180"),
        (put("flash_id", 7, 0), "flash_id is not unique"),
        (shorten("flash_lon"), r"flash_lon has shape \(299,\), expected \(300,\)"),
        (store_as("flash_lat", "f8"), "flash_lat is stored as float64, expected float32"),
        (store_as("flash_energy", "f4"), "flash_energy is stored as float32, expected int16"),
        (set_attribute("flash_area", "units", "acre"), "flash_area has units 'acre'"),
        (set_attribute("flash_area", "scale_factor", np.nan), "attribute scale_factor is nan"),
        (set_attribute("flash_area", "units", 5), "attribute units cannot be read"),
        (drop_attribute("flash_area", "units"), "attribute units cannot be read"),
        (drop_attribute("flash_energy", "scale_factor"), "attribute scale_factor cannot be read"),
        (set_attribute(FIRST, "units", "days since 2020-07-01"), "has units 'days since"),
        (set_attribute(FIRST, "units", "seconds since noon"), "product time 'noon' is no time"),
        (
            set_attribute(FIRST, "units", "seconds since 1999-07-01 12:00:20.000"),
            "product time is 1999-07-01 12:00:20, but the name says 2020-07-01",
        ),
        (set_attribute("", "platform_ID", "G17"), "platform_ID is 'G17', but the name says G16"),
    ],
)
def test_granule_that_cannot_be_trusted_is_corrupt(
    granule: Callable[..., Path], change: Change, reason: str
) -> None:
    with pytest.raises(CorruptGranuleError, match=reason):
        read_flashes(granule(change), NAME)


def test_granule_that_claims_absurdly_many_flashes_costs_no_memory(
    granule: Callable[..., Path],
) -> None:
    def claim(file: h5py.File) -> None:
        file["flash_id"].resize((10**12,))

    with pytest.raises(CorruptGranuleError, match=f"at most {MAX_FLASHES} flashes"):
        read_flashes(granule(claim), NAME)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda _: b"",
        lambda _: b"<!DOCTYPE html><html>503 Slow Down</html>",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:8] + bytes(1024) + whole[1032:],
    ],
    ids=["zero bytes", "HTML", "half", "a byte short", "zeros", "no header"],
)
@pytest.mark.parametrize("in_memory", [False, True])
def test_file_that_is_not_a_whole_granule_is_corrupt(
    granule: Callable[..., Path], damaged: Callable[[bytes], bytes], in_memory: bool
) -> None:
    path = granule()
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(CorruptGranuleError, match=r"not a whole netCDF-4 file|damaged"):
        read_flashes(path.read_bytes() if in_memory else path, NAME)


def test_name_must_agree_with_the_platform_inside(granule: Callable[..., Path]) -> None:
    with pytest.raises(CorruptGranuleError, match="name says G18"):
        read_flashes(granule(), replace(NAME, platform="G18"))
