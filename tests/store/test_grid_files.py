"""Files of grids: as xarray sees them, by the CF conventions, byte for byte."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import cartopy.crs as ccrs
import numpy as np
import pytest
import xarray as xr
from tests.analysis.grid_lightning import EAST, make_lightning

from lightning_kedro.analysis.grids.building import GridBuilder, Steps
from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.analysis.grids.target import TargetGrid, make_fixed_grid, make_lat_lon_grid
from lightning_kedro.analysis.grids.window import FinishedStep, GriddedWindow
from lightning_kedro.datasets.grids import GridsDataset
from lightning_kedro.exceptions import StorageError
from lightning_kedro.store import grid_files
from lightning_kedro.store.grid_files import write_grids

STEPS = Steps(datetime(2024, 7, 14, 22, tzinfo=UTC), datetime(2024, 7, 14, 22, 5, tzinfo=UTC), 2.0)
PLACES = [[(-0.03, 0.09), (-0.0298, 0.09)], [(0.02, 0.05)]]
DENSITIES = [name for name in PRODUCTS if name.endswith("density")]
CONUS = make_fixed_grid("conus", EAST)
DEGREES = make_lat_lon_grid(-100.0, 10.0, -50.0, 60.0, 0.5)


def make_window(grid: TargetGrid, simulated: str = "false", **changes: object) -> GriddedWindow:
    """Lightning in the second of three steps."""

    def make() -> Iterator[FinishedStep]:
        builder = GridBuilder(grid, STEPS)
        builder.add(make_lightning(PLACES))
        for number in range(3):
            sums = builder.pop(0) if number == 1 else builder.pop(9)
            yield FinishedStep(number, sums, 6 if number < 2 else 3)

    facts = {"platform_ID": "G16", "orbital_slot": "GOES-East", "simulated": simulated}
    options = {"name": "G16_test", "products": tuple(PRODUCTS), "make": make, **changes}
    return GriddedWindow(grid=grid, steps=STEPS, facts=facts, **options)  # type: ignore[arg-type]


def write_one(folder: Path, window: GriddedWindow) -> Path:
    """The only file of a window."""
    (path,) = write_grids(folder, window)
    return path


@pytest.fixture(scope="module")
def conus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_one(tmp_path_factory.mktemp("conus"), make_window(CONUS))


def test_xarray_sees_coordinates_and_projection(conus: Path) -> None:
    with xr.open_dataset(conus) as file:
        assert set(file.data_vars) >= {*PRODUCTS, "goes_imager_projection", "granule_count"}
        assert file.flash_extent_density.dims == ("time", "y", "x")
        assert file.sizes == {"time": 3, "y": 1500, "x": 2500, "bounds": 2}
        np.testing.assert_allclose(file.x, CONUS.center_x)
        np.testing.assert_allclose(file.y, CONUS.center_y)
        assert file.x.attrs["standard_name"] == "projection_x_coordinate"
        assert file.y.attrs["units"] == "rad"
        start = np.datetime64("2024-07-14T22:00")
        minutes = (file.time_bounds.values - start) / np.timedelta64(1, "m")
        assert minutes.tolist() == [[0, 2], [2, 4], [4, 5]]
        np.testing.assert_array_equal(file.time, file.time_bounds[:, 0])
        assert file.granule_count.values.tolist() == [6, 6, 3]


def test_projection_is_one_that_libraries_build(conus: Path) -> None:
    """With its attributes cartopy finds the flash where the file has it."""
    with xr.open_dataset(conus) as file:
        projection = file.goes_imager_projection.attrs
        assert projection["grid_mapping_name"] == "geostationary"
        globe = ccrs.Globe(
            ellipse=None,
            semimajor_axis=projection["semi_major_axis"],
            semiminor_axis=projection["semi_minor_axis"],
        )
        geostationary = ccrs.Geostationary(
            central_longitude=projection["longitude_of_projection_origin"],
            satellite_height=projection["perspective_point_height"],
            sweep_axis=projection["sweep_angle_axis"],
            globe=globe,
        )
        row, column = np.argwhere(file.flash_centroid_density[1].values == 1)[0]
        place = np.array([file.x[column], file.y[row]]) * projection["perspective_point_height"]
        lon, lat = ccrs.Geodetic(globe).transform_point(*place, geostationary)
        lightning = make_lightning(PLACES)
        apart = np.hypot(lightning.flashes.lat - lat, lightning.flashes.lon - lon).min()
        assert apart < 0.25, "on the ground, 10 to 20 km beyond the lightning ellipsoid"


def test_values_are_those_of_the_cells(tmp_path: Path) -> None:
    builder = GridBuilder(DEGREES, STEPS)
    builder.add(make_lightning(PLACES))
    sums = builder.pop(0)
    with xr.open_dataset(write_one(tmp_path, make_window(DEGREES))) as file:
        for name, product in PRODUCTS.items():
            values = np.zeros(DEGREES.rows * DEGREES.columns, np.float32)
            values[sums.cell] = product.compute(sums)
            assert file[name].dtype == np.float32
            assert np.isnan(file[name][[0, 2]]).all(), "0 is the fill value, as in glmtools' files"
            np.testing.assert_array_equal(file[name][1].fillna(0).values.ravel(), values)


def test_units_and_names_are_glmtools(conus: Path) -> None:
    with xr.open_dataset(conus) as file:
        for name in PRODUCTS:
            attributes = file[name].attrs
            assert attributes["standard_name"] == name
            assert attributes["grid_mapping"] == "goes_imager_projection"
            assert "cell_methods" in attributes
        for name in DENSITIES:
            expected = "Count per nominal    3136 microradian^2 pixel per 2.0 min"
            assert file[name].attrs["units"] == expected
        assert file.total_energy.attrs["units"] == "nJ"
        assert file.average_flash_area.attrs["units"] == "km^2 per flash"
        assert file.minimum_flash_area.attrs["units"] == "km^2"
        assert file.attrs["Conventions"] == "CF-1.8"
        assert file.attrs["scene_id"] == "CONUS"
        assert file.attrs["time_coverage_start"] == "2024-07-14T22:00:00Z"
        assert file.attrs["time_coverage_end"] == "2024-07-14T22:05:00Z"
        assert file.attrs["platform_ID"] == "G16"


def test_degrees_have_axes_with_bounds(tmp_path: Path) -> None:
    path = write_one(tmp_path, make_window(DEGREES, simulated="true"))
    with xr.open_dataset(path) as file:
        assert file.flash_extent_density.dims == ("time", "lat", "lon")
        np.testing.assert_allclose(file.lon_bounds[0], [-100.0, -99.5])
        np.testing.assert_allclose(file.lat_bounds[-1], [59.5, 60.0])
        assert file.flash_extent_density.attrs["grid_mapping"] == "crs"
        assert file.flash_extent_density.attrs["units"] == (
            "Count per 0.5 degree grid cell per 2.0 min"
        )
        lightning = make_lightning(PLACES)
        for lat, lon in zip(lightning.flashes.lat, lightning.flashes.lon, strict=True):
            cell = file.flash_centroid_density.sel(lat=lat, lon=lon, method="nearest")
            assert cell.values.tolist()[1] == 1
        assert file.attrs["title"].startswith("SIMULATED ")
        assert file.attrs["simulated"] == "true"
        assert file.attrs["spatial_resolution"] == "0.5 degrees"


def test_same_grids_are_the_same_bytes(conus: Path, tmp_path: Path) -> None:
    assert write_one(tmp_path, make_window(CONUS)).read_bytes() == conus.read_bytes()
    assert conus.stat().st_size < 250_000, "only what was seen takes room"


def test_only_the_products_asked_for_are_written(tmp_path: Path) -> None:
    window = make_window(DEGREES, products=("total_energy",))
    with xr.open_dataset(write_one(tmp_path, window)) as file:
        assert set(PRODUCTS) & set(file.data_vars) == {"total_energy"}


def test_dataset_keeps_windows_side_by_side_and_opens_them(tmp_path: Path) -> None:
    entry = GridsDataset(path=str(tmp_path / "grids"))
    assert not entry.exists()
    assert entry.load() == {}
    for name in ("one", "two"):
        entry.save(make_window(DEGREES, name=name))
    assert entry.exists()
    files = entry.load()
    assert list(files) == ["one", "two"]
    with files["two"]() as file:
        assert file.attrs["result"] == "two"


def test_what_the_library_cannot_write_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a RuntimeError to it."""

    def fail(*_: object) -> None:
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(grid_files, "_write_values", fail)
    message = r"G16_test\.nc cannot be written \(NetCDF: HDF error\): .* there is room on the disk"
    with pytest.raises(StorageError, match=message):
        write_grids(tmp_path, make_window(DEGREES))
    assert list(tmp_path.iterdir()) == []


def test_file_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    """What stood there before stays."""

    def fail() -> Iterator[FinishedStep]:
        raise StorageError("no more room")
        yield

    entry = GridsDataset(path=str(tmp_path))
    entry.save(make_window(DEGREES, name="one"))
    before = (tmp_path / "one.nc").read_bytes()
    for name in ("one", "two"):
        with pytest.raises(StorageError, match="no more room"):
            write_grids(tmp_path, make_window(DEGREES, name=name, make=fail))
    assert [path.name for path in tmp_path.iterdir()] == ["one.nc"]
    assert (tmp_path / "one.nc").read_bytes() == before
