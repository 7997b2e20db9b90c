"""Granules written as NOAA writes them, against real ones and against three readers."""

import io
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.granule import GranuleName, parse_granule_name
from lightning_kedro.simulation.granule_template import make_template
from lightning_kedro.simulation.granule_writer import (
    Era,
    Events,
    Flashes,
    GranuleContent,
    Groups,
    encode_granule,
    era_of,
)

GRANULES = Path(__file__).parents[3] / "shared" / "granules"
REAL = sorted(GRANULES.glob("*.nc"))
needs_real_granules = pytest.mark.skipif(
    not REAL, reason=f"no real granules in {GRANULES}: they are handed out apart from the project"
)

# What may differ from a real granule, and why. Anything else is a fault of the layout.
SAYS_WHERE_DATA_COME_FROM = {
    "production_site",
    "institution",
    "title",
    "summary",
    "license",
    "production_data_source",
    "production_environment",
    "LUT_Filenames",
    "id",
    "dataset_name",
    "instrument_type",  # G19's adds "(GLM)"
}
VERSIONS_OF_NOAA_SOFTWARE = {"algorithm_version", "product_version", "L1b_processing_parm_version"}
OF_THE_ROWS = {"input_GLM_L0_data", "percent_good_quality_qf"}
OF_THE_HDF5_LIBRARY = {"_Netcdf4Dimid", "_Netcdf4Coordinates", "DIMENSION_LIST", "REFERENCE_LIST"}
VALUES_OF_THE_DAY = {"yaw_flip_flag", "event_count", "group_count", "flash_count"}

ERA_DAYS = {
    Era.E1: datetime(2018, 7, 2, 4, 33, tzinfo=UTC),
    Era.E2: datetime(2018, 10, 17, 10, 26, 20, tzinfo=UTC),
    Era.E3: datetime(2025, 4, 7, 13, 0, 20, tzinfo=UTC),
}


def make_name(start: datetime, platform: str = "G16", seconds: float = 20.0) -> GranuleName:
    end = start + timedelta(seconds=seconds)
    created = end + timedelta(seconds=2.3)
    return GranuleName(platform=platform, start=start, end=end, created=created, environment="IS")


def make_content(count: int = 300, lon: float = -60.0) -> GranuleContent:
    """Flashes with one group and one event each."""
    rng = np.random.default_rng(count)
    ids = (np.arange(count) + 65_400).astype(np.uint16)
    rows = np.arange(count, dtype=np.uint32)
    first = np.round(rng.uniform(-1.8, 19.0, count), 3)
    lat = rng.uniform(-50, 50, count)
    lon = lon + rng.uniform(-9, 9, count)
    energy = rng.lognormal(np.log(2e-13), 1.0, count)
    area = rng.uniform(64, 9_900, count)
    quality = rng.choice(np.array([0, 0, 0, 1, 3, 5], np.int16), count)
    place = lat.astype(np.float32), ((lon + 180) % 360 - 180).astype(np.float32)
    flashes = Flashes(ids, first, first + 0.5, *place, energy, area, quality)
    groups = Groups(rows + 7, ids, first, *place, energy, area, quality)
    events = Events(rows + 9, rows + 7, first, lat, lon, energy / 5)
    return GranuleContent(flashes, groups, events)


def open_netcdf(data: bytes) -> netCDF4.Dataset:
    dataset = netCDF4.Dataset("memory.nc", memory=data)
    dataset.set_auto_maskandscale(False)
    return dataset


def unpack(variable: netCDF4.Variable, *, signed: bool = False) -> np.ndarray:
    raw = variable[:] if signed else variable[:].view(np.uint16)
    return raw * float(variable.scale_factor) + float(variable.add_offset)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("era", Era)
def test_values_come_back_within_half_a_step(era: Era, compressed: bool) -> None:
    content = make_content()
    data = encode_granule(make_name(ERA_DAYS[era]), content, compressed=compressed)
    flashes = content.flashes
    with open_netcdf(data) as dataset:
        is_e1 = era is Era.E1
        times = dataset["flash_time_offset_of_first_event"]
        seconds = unpack(times, signed=is_e1) * (1e-3 if is_e1 else 1.0)
        assert np.abs(seconds - flashes.first_event_s).max() <= (1.001e-3 if is_e1 else 1.92e-4)
        area = dataset["flash_area"]
        per_km2 = {"km2": 1.0, "m2": 1e-6}[area.units]
        assert np.abs(unpack(area) * per_km2 - flashes.area_km2).max() <= 0.0764
        energy = dataset["flash_energy"]
        assert np.abs(unpack(energy) - flashes.energy_j).max() <= energy.scale_factor * 0.51
        for name in ("lat", "lon"):
            assert (dataset[f"flash_{name}"][:] == getattr(flashes, name)).all()
        assert (dataset["flash_id"][:].view(np.uint16) == flashes.flash_id).all()
        assert (dataset["group_parent_flash_id"][:] == dataset["flash_id"][:]).all()
        assert (dataset["event_parent_group_id"][:] == dataset["group_id"][:]).all()
        assert (dataset["flash_quality_flag"][:] == flashes.quality_flag).all()
        assert int(dataset["flash_count"][...]) == len(dataset.dimensions["number_of_flashes"])
        assert np.abs(unpack(dataset["event_lon"]) - content.events.lon).max() <= 0.00102
        assert ("flash_frame_time_offset_of_first_event" in dataset.variables) is not is_e1


@pytest.mark.parametrize(("era", "trusting_is_right"), [(Era.E2, False), (Era.E3, True)])
def test_unsigned_times_mislead_in_the_era_that_does_not_say_so(
    era: Era, trusting_is_right: bool
) -> None:
    content = make_content()
    with open_netcdf(encode_granule(make_name(ERA_DAYS[era]), content)) as dataset:
        dataset.set_auto_maskandscale(True)
        seconds = dataset["flash_time_offset_of_first_event"][:]
    assert np.allclose(seconds, content.flashes.first_event_s, atol=2e-4) is trusting_is_right


def read_layout(file: h5py.File) -> dict[str, dict[str, object]]:
    """All that readers can see of variables but the rows themselves."""
    layout = {}
    for name, variable in file.items():
        plist = variable.id.get_create_plist()
        layout[name] = {
            "dtype": variable.dtype,
            "rank": variable.ndim,
            "max": variable.maxshape,
            "chunks": variable.chunks,
            "filters": plist.get_nfilters(),
            "fill": variable.fillvalue,
            "dimensions": [scale.name for d in variable.dims for scale in d.values()],
        }
    return layout


def read_attributes(owner: h5py.HLObject, allowed: set[str]) -> list[tuple[str, str, object]]:
    """Name, stored type and value of attributes, in no order."""
    found = []
    for name in set(owner.attrs) - OF_THE_HDF5_LIBRARY:
        stored = owner.attrs.get_id(name)
        value = None if name in allowed else np.array(owner.attrs[name]).tolist()
        kind = "text" if stored.get_type().get_class() == h5py.h5t.STRING else str(stored.dtype)
        found.append((name, f"{kind} {stored.shape}", value))
    return sorted(found)


@needs_real_granules
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name[16:31])
def test_layout_is_that_of_the_real_granule(path: Path) -> None:
    name = parse_granule_name(path.name)
    assert name is not None
    data = encode_granule(name, make_content(3))
    allowed = SAYS_WHERE_DATA_COME_FROM | VERSIONS_OF_NOAA_SOFTWARE | OF_THE_ROWS
    with h5py.File(path) as real, h5py.File(io.BytesIO(data)) as ours:
        # The place of dimensions is no fact: the real granule without rows has them elsewhere.
        assert [n for n in ours if n[:7] != "number_"] == [n for n in real if n[:7] != "number_"]
        assert read_layout(ours) == read_layout(real)
        assert read_attributes(ours, allowed) == read_attributes(real, allowed)
        for variable in real:
            percents = {key for key in real[variable].attrs if key.startswith("percent_")}
            free = allowed | percents
            assert read_attributes(ours[variable], free) == read_attributes(real[variable], free)
            if real[variable].shape in {(), (2,)} and variable not in VALUES_OF_THE_DAY:
                # Names have tenths of a second, so an end of 20.47 s comes back as 20.4.
                atol = 0.1 if variable == "product_time_bounds" else 0.0
                assert np.allclose(ours[variable][()], real[variable][()], 0, atol), variable


@needs_real_granules
@pytest.mark.parametrize("path", REAL[:1] + REAL[-1:], ids=lambda path: path.name[16:31])
def test_attributes_stand_in_the_order_of_the_real_granule(path: Path) -> None:
    name = parse_granule_name(path.name)
    assert name is not None
    with netCDF4.Dataset(path) as real, open_netcdf(encode_granule(name, make_content(3))) as ours:
        assert list(ours.variables) == list(real.variables)
        packed = [v for v in real.variables.values() if "scale_factor" in v.ncattrs()]
        assert len(packed) > 10
        for variable in packed:
            assert ours[variable.name].ncattrs() == variable.ncattrs()


@pytest.mark.parametrize("compressed", [False, True])
def test_netcdf4_xarray_and_h5py_agree(compressed: bool, tmp_path: Path) -> None:
    content = make_content()
    path = tmp_path / "granule.nc"
    path.write_bytes(encode_granule(make_name(ERA_DAYS[Era.E3]), content, compressed=compressed))
    with (
        h5py.File(path) as low,
        netCDF4.Dataset(path) as scaled,
        open_netcdf(path.read_bytes()) as raw,
    ):
        assert scaled.data_model == "NETCDF4"
        for name, variable in raw.variables.items():
            assert np.array_equal(low[name][()], variable[...]), name
        with xarray.open_dataset(path, engine="netcdf4") as decoded:
            assert dict(decoded.sizes) == {k: len(v) for k, v in scaled.dimensions.items()}
            energy = decoded["flash_energy"].to_numpy()
            assert np.allclose(energy, scaled["flash_energy"][:], rtol=1e-5)
            assert np.allclose(energy, content.flashes.energy_j, atol=6e-16)
            first = decoded["flash_time_offset_of_first_event"].to_numpy()
            start = np.datetime64("2025-04-07T13:00:20", "ns")
            offsets = (first - start) / np.timedelta64(1, "s")
            assert np.allclose(offsets, content.flashes.first_event_s, atol=2e-4)


def test_file_says_what_it_is() -> None:
    name = make_name(datetime(2023, 12, 31, 23, 59, 40, tzinfo=UTC), "G18")
    with open_netcdf(encode_granule(name, make_content())) as dataset:
        assert dataset.dataset_name == name.file_name
        assert dataset.dataset_name == (
            "IS_GLM-L2-LCFA_G18_s20233652359400_e20240010000000_c20240010000023.nc"
        )
        assert dataset.title.startswith("SIMULATED")
        assert (dataset.platform_ID, dataset.orbital_slot) == ("G18", "GOES-West")
        assert (dataset.instrument_ID, dataset.production_environment) == ("FM3", "IS")
        assert dataset.time_coverage_start == "2023-12-31T23:59:40.0Z"
        assert dataset.time_coverage_end == "2024-01-01T00:00:00.0Z"
        assert dataset.date_created == "2024-01-01T00:00:02.3Z"
        units = dataset["event_time_offset"].units
        assert units == "seconds since 2023-12-31 23:59:40.000"
        start = dataset["product_time"]
        assert netCDF4.num2date(start[...], start.units).isoformat() == "2023-12-31T23:59:40"
        assert dataset["product_time_bounds"][:].tolist() == [start[...], start[...] + 20]


def test_granule_without_rows_has_empty_arrays() -> None:
    name = make_name(ERA_DAYS[Era.E3], "G19", seconds=11)
    with open_netcdf(encode_granule(name, make_content(0))) as dataset:
        rows = [v for v in dataset.variables.values() if v.dimensions[:1] > ("number_of_f",)]
        assert {variable.shape for variable in rows if "bounds" not in variable.name} == {(0,)}
        assert int(dataset["flash_count"][...]) == 0
        assert dataset["flash_quality_flag"].percent_good_quality_qf == 0
        assert np.diff(dataset["product_time_bounds"][:]) == [11]


def test_quality_percentages_are_parts_of_one() -> None:
    content = make_content()
    with open_netcdf(encode_granule(make_name(ERA_DAYS[Era.E3]), content)) as dataset:
        variable = dataset["flash_quality_flag"]
        parts = [variable.getncattr(a) for a in variable.ncattrs() if a.startswith("percent_")]
    expected = [np.mean(content.flashes.quality_flag == flag) for flag in (0, 1, 3, 5)]
    assert parts == pytest.approx(expected, abs=1e-6)


def test_missing_values_are_written_as_fill_and_large_ones_clipped() -> None:
    content = make_content(3)
    content.flashes.area_km2[:] = np.nan, 25_000.0, 100.0
    content.flashes.energy_j[:] = 0.0, np.nan, 1.0
    with open_netcdf(encode_granule(make_name(ERA_DAYS[Era.E3]), content)) as dataset:
        assert dataset["flash_area"][:].tolist() == [-1, -6, 655]
        assert dataset["flash_energy"][:].tolist() == [0, -1, -6]


@pytest.mark.parametrize("lon", [-184.0, 176.0])
def test_event_longitudes_run_on_below_minus_180(lon: float) -> None:
    content = make_content(50, lon)
    name = make_name(datetime(2020, 1, 1, tzinfo=UTC), "G17")
    with open_netcdf(encode_granule(name, content)) as dataset:
        wound = unpack(dataset["event_lon"])
        assert np.abs(dataset["flash_lon"][:]).max() <= 180
    assert -203.56 <= wound.min() < -180 < wound.max() < -170
    assert np.allclose(wound, (content.events.lon + 360) % 360 - 360, atol=2e-3)


def test_same_arguments_give_the_same_bytes_at_any_time() -> None:
    name, content = make_name(ERA_DAYS[Era.E3]), make_content()
    before = encode_granule(name, content)
    make_template.cache_clear()
    # HDF5 would note whole seconds: this is the shortest wait that shows it.
    time.sleep(1.1)
    assert encode_granule(name, content) == before


@pytest.mark.parametrize(
    ("platform", "start", "era"),
    [
        ("G16", datetime(2018, 2, 13, tzinfo=UTC), Era.E1),
        ("G17", datetime(2018, 10, 10, tzinfo=UTC), Era.E1),
        ("G16", datetime(2018, 10, 17, tzinfo=UTC), Era.E2),
        ("G16", datetime(2018, 10, 25, tzinfo=UTC), Era.E2),
        ("G16", datetime(2018, 11, 6, tzinfo=UTC), Era.E3),
        ("G17", datetime(2019, 9, 27, tzinfo=UTC), Era.E3),
        ("G19", datetime(2040, 1, 1, tzinfo=UTC), Era.E3),
    ],
)
def test_era_follows_the_date(platform: str, start: datetime, era: Era) -> None:
    assert era_of(platform, start) is era


@pytest.mark.parametrize("era", Era)
def test_era_can_be_chosen_against_the_date(era: Era) -> None:
    name = make_name(datetime(2024, 5, 1, tzinfo=UTC))
    with open_netcdf(encode_granule(name, make_content(), era=era)) as dataset:
        times = dataset["flash_time_offset_of_first_event"]
        assert times.units.startswith("milliseconds" if era is Era.E1 else "seconds")
        assert ("_Unsigned" in times.ncattrs()) is (era is Era.E3)
        assert dataset["flash_area"].units == ("m2" if era is Era.E3 else "km2")
        assert bool(dataset["flash_energy"].add_offset > 0) is (era is Era.E3)


def test_compressed_rows_are_in_large_chunks() -> None:
    name = make_name(ERA_DAYS[Era.E3])
    with open_netcdf(encode_granule(name, make_content(), compressed=True)) as dataset:
        filters = dataset["flash_lat"].filters()
        assert (filters["zlib"], filters["shuffle"], filters["complevel"]) == (True, True, 1)
        assert dataset["flash_lat"].chunking() == [2048]


def test_unknown_platform_is_refused() -> None:
    name = make_name(ERA_DAYS[Era.E3], "G15")
    with pytest.raises(ParameterError, match="No satellite is called 'G15'"):
        encode_granule(name, make_content(1))


def test_writing_takes_milliseconds() -> None:
    name, content = make_name(ERA_DAYS[Era.E3]), make_content()
    encode_granule(name, content)
    began = time.process_time()
    for _ in range(20):
        encode_granule(name, content)
    # 5 ms on two cores of 2024; an hour of 180 granules has 5 s on a slow and busy machine.
    assert (time.process_time() - began) / 20 < 0.025
