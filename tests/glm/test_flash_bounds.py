"""What no flash can be: a granule that holds one such value is not believed at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import FIRST, LAST, NAME, START, put, set_attribute

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.simulation.granule_writer import Era

Granule = Callable[..., Path]
ENERGY, AREA, QUALITY = "flash_energy", "flash_area", "flash_quality_flag"
PRODUCT_TIME = np.datetime64(START.replace(tzinfo=None), "us")


def refuse(path: Path, reason: str) -> None:
    with pytest.raises(CorruptGranuleError, match=reason):
        read_flashes(path, NAME)


@pytest.mark.parametrize(
    ("variable", "attribute", "value", "reason"),
    [
        *((FIRST, "scale_factor", value, "scale_factor") for value in (0.0, -3.8e-4, 41.0, 1e300)),
        (FIRST, "scale_factor", 1e-9, "cannot hold the times of a granule"),
        (FIRST, "scale_factor", 1e-3, "not within -10 to 40 s"),
        (FIRST, "add_offset", -11.0, "cannot hold the times of a granule"),
        (FIRST, "add_offset", 36.0, "not within -10 to 40 s"),
        (FIRST, "add_offset", 5.0, "cannot hold the times of a granule"),
        (FIRST, "add_offset", 1e300, "not within -10 to 40 s"),
        (FIRST, "add_offset", -1e300, "not within -10 to 40 s"),
        (FIRST, "add_offset", np.inf, "add_offset is inf"),
        (LAST, "add_offset", -1.0, "does not last 0 to 5 s"),
        *((ENERGY, "scale_factor", value, "scale_factor") for value in (0.0, -1e-15, 1.0, 1e300)),
        (ENERGY, "scale_factor", 1e-13, "not within 0 to 1e-09 J"),
        (ENERGY, "add_offset", -1e-13, "not within 0 to 1e-09 J"),
        (ENERGY, "add_offset", 1.0, "not within 0 to 1e-09 J"),
        *(
            (AREA, "scale_factor", value, "scale_factor")
            for value in (0.0, -1.0, np.float64(1e300))
        ),
        (AREA, "scale_factor", 200_000.0, "not within 0 to 11000 km2"),
        (AREA, "add_offset", -1e9, "not within 0 to 11000 km2"),
        (AREA, "units", np.bytes_("km2"), "scale_factor"),
        *((AREA, "_FillValue", value, "_FillValue") for value in (0.5, 65_536, -32_769, np.nan)),
        (QUALITY, "_FillValue", 1e300, "_FillValue"),
    ],
)
def test_packing_that_no_granule_has_is_corrupt(
    granule: Granule, variable: str, attribute: str, value: Any, reason: str
) -> None:
    def change(file: h5py.File) -> None:
        if attribute == "_FillValue":
            file[variable][3] = -1
        file[variable].attrs[attribute] = value

    refuse(granule(change), reason)


@pytest.mark.parametrize("era", [Era.E2, Era.E3])
@pytest.mark.parametrize("row", [0, 299])
def test_time_far_from_the_other_is_corrupt(granule: Granule, era: Era, row: int) -> None:
    early, late = -32_768, 32_767  # as unsigned 32,768 and 32,767: 7.5 s
    for variable, value in ((FIRST, late), (LAST, early)):
        refuse(granule(put(variable, row, value), era=era), "does not last 0 to 5 s")


@pytest.mark.parametrize("value", [-5_001, 20_001, -32_768, 32_767])
def test_oldest_time_out_of_bounds_is_corrupt(granule: Granule, value: int) -> None:
    """Steps of 2 ms: -10.002 and 40.002 s are beyond, -65.5 and 65.5 s the most that fits."""
    refuse(granule(put(FIRST, 7, value), era=Era.E1), "not within -10 to 40 s")


@pytest.mark.parametrize(("first_s", "last_s"), [(-10.0, -5.0), (35.0, 40.0), (3.0, 3.0)])
def test_oldest_times_at_the_bounds_are_read(
    granule: Granule, first_s: float, last_s: float
) -> None:
    def change(file: h5py.File) -> None:
        file[FIRST][7], file[LAST][7] = first_s * 500, last_s * 500

    flashes = read_flashes(granule(change, era=Era.E1), NAME)
    assert (flashes.time[7] - PRODUCT_TIME) / np.timedelta64(1, "s") == first_s
    assert (flashes.time_end[7] - PRODUCT_TIME) / np.timedelta64(1, "s") == last_s


@pytest.mark.parametrize(("first", "last"), [(0, 2501), (1, 0), (0, 32_767 - 25_000)])
def test_flash_that_is_too_long_or_ends_before_it_begins_is_corrupt(
    granule: Granule, first: int, last: int
) -> None:
    def change(file: h5py.File) -> None:
        file[FIRST][7], file[LAST][7] = first, last

    refuse(granule(change, era=Era.E1), "does not last 0 to 5 s")


@pytest.mark.parametrize("flag", [6, 100, 32_767, -2, -32_768])
def test_quality_flag_out_of_range_is_corrupt(granule: Granule, flag: int) -> None:
    refuse(granule(put(QUALITY, 7, flag)), "not within 0 to 5")


@pytest.mark.parametrize("flag", range(6))
def test_quality_flag_in_range_is_read(granule: Granule, flag: int) -> None:
    assert read_flashes(granule(put(QUALITY, 7, flag)), NAME).quality_flag[7] == flag


def test_quality_flags_stay_as_they_are_beside_missing_ones(granule: Granule) -> None:
    expected = read_flashes(granule(), NAME).quality_flag
    found = read_flashes(granule(put(QUALITY, 2, -1)), NAME).quality_flag
    assert found[2] == -1
    np.testing.assert_array_equal(np.delete(found, 2), np.delete(expected, 2))


@pytest.mark.parametrize("variable", [ENERGY, AREA])
def test_missing_value_may_be_out_of_bounds(granule: Granule, variable: str) -> None:
    """Only what is there counts: 65,535 stands for nothing, whatever it would unpack to."""

    def change(file: h5py.File) -> None:
        scale = file[variable].attrs["scale_factor"]
        file[variable][:] = 1000
        file[variable][7] = -1
        file[variable].attrs["scale_factor"] = scale * (16.0 if variable == ENERGY else 2.0)

    flashes = read_flashes(granule(change), NAME)
    values = flashes.energy_j if variable == ENERGY else flashes.area_km2
    assert np.isnan(values[7])
    assert np.isfinite(np.delete(values, 7)).all()


def test_fill_value_other_than_minus_one_is_heeded(granule: Granule) -> None:
    def change(file: h5py.File) -> None:
        file[AREA].attrs["_FillValue"] = np.int16(-2)
        file[AREA][7] = -2

    assert np.isnan(read_flashes(granule(change), NAME).area_km2[7])


def test_granule_whose_energies_are_all_missing_is_read(granule: Granule) -> None:
    def change(file: h5py.File) -> None:
        file[ENERGY][:] = -1

    assert np.isnan(read_flashes(granule(change), NAME).energy_j).all()


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        *((name, name) for name in ("GOES-East", "GOES-West", "GOES-Test", "GOES-89.5 W")),
        *((text, None) for text in ("", "G" * 60_000, "GOES-" + "E" * 100, "GOES-\x1b[2J", "east")),
        *((value, None) for value in (5, h5py.Empty("S9"), np.bytes_(b"GOES-\xff"))),
        (np.array([b"GOES-East"] * 2), None),
    ],
    ids=range(13),
)
def test_orbital_slot_is_a_short_name_or_none(granule: Granule, slot: Any, expected: Any) -> None:
    flashes = read_flashes(granule(set_attribute("", "orbital_slot", slot)), NAME)
    assert flashes.orbital_slot == expected


@pytest.mark.parametrize(("count", "expected"), [(630_000, 630_000), (630_001, None), (-7, None)])
def test_declared_count_out_of_range_is_none(
    granule: Granule, count: int, expected: int | None
) -> None:
    def change(file: h5py.File) -> None:
        file["flash_count"][...] = count

    assert read_flashes(granule(change), NAME).declared_flash_count == expected


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
def test_real_granule_lies_well_within_the_bounds(path: Path) -> None:
    """The bounds leave room on both sides of all that was ever seen."""
    flashes = read_flashes(path, name_of(path))
    start = np.datetime64(name_of(path).start.replace(tzinfo=None), "us")
    for times in (flashes.time, flashes.time_end):
        seconds = (times - start) / np.timedelta64(1, "s")
        assert ((seconds > -2) & (seconds < 20)).all()
    durations = (flashes.time_end - flashes.time) / np.timedelta64(1, "s")
    assert ((durations > 0) & (durations < 3.1)).all()
    assert ((flashes.energy_j >= 0) & (flashes.energy_j < 1e-10)).all()
    assert ((flashes.area_km2 > 60) & (flashes.area_km2 <= 10_000)).all()
    assert np.isin(flashes.quality_flag, (0, 1, 3, 5)).all()
