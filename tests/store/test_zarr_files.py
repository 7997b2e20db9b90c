"""Zarr stores: what the netCDF file holds, byte for byte the same each time, there as a whole."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.store.test_climatology_files import NAME, publish
from tests.store.test_grid_files import CONUS, DEGREES, make_window, write_one

from lightning_kedro import file_formats
from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.analysis.grids.target import TargetGrid
from lightning_kedro.analysis.grids.window import FinishedStep, GriddedWindow
from lightning_kedro.datasets.climatology import ClimatologyDataset
from lightning_kedro.datasets.grids import GridsDataset
from lightning_kedro.exceptions import ParameterError, StorageError
from lightning_kedro.file_formats import check_format
from lightning_kedro.pipelines.reporting.gridded import read_gridded
from lightning_kedro.pipelines.reporting.window import Window
from lightning_kedro.store import folders
from lightning_kedro.store.climatology_files import write_climatology
from lightning_kedro.store.files import name_partial
from lightning_kedro.store.grid_files import write_grids

zarr = pytest.importorskip("zarr")

SOME = ("flash_extent_density",)


def make(grid: TargetGrid, *formats: str, **changes: object) -> GriddedWindow:
    def see() -> np.ndarray:
        return np.tri(grid.rows, grid.columns, dtype=bool)

    return make_window(grid, **{"see": see, "formats": formats, "products": SOME, **changes})  # type: ignore[arg-type]


def list_bytes(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    window = make(CONUS, "netcdf", "zarr")
    return write_grids(tmp_path_factory.mktemp("conus"), window)


@pytest.mark.parametrize("mask_and_scale", [True, False])
def test_store_is_what_the_file_is(both: tuple[Path, ...], *, mask_and_scale: bool) -> None:
    """Values, coordinates, projection, attributes and fill values, as xarray sees them."""
    file, store = both
    assert store.name == "G16_test.zarr"
    with (
        xr.open_dataset(file, mask_and_scale=mask_and_scale) as expected,
        xr.open_zarr(store, mask_and_scale=mask_and_scale, chunks=None) as opened,
    ):
        xr.testing.assert_identical(opened, expected)
        assert "goes_imager_projection" in opened
        assert {"time", "x", "y"} <= set(opened.coords)
        for name in expected.variables:
            assert opened[name].dtype == expected[name].dtype
        assert "_FillValue" not in opened.x.attrs
        assert opened.x.encoding.get("_FillValue") is None


def test_degrees_are_the_same_in_both_too(tmp_path: Path) -> None:
    window = make(DEGREES, "netcdf", "zarr", simulated="true", products=tuple(PRODUCTS))
    file, store = write_grids(tmp_path, window)
    with xr.open_dataset(file) as expected, xr.open_dataset(store) as opened:
        xr.testing.assert_identical(opened, expected)
        assert opened.attrs["simulated"] == "true"


def test_other_readers_of_zarr_see_shapes_and_fill_values(both: tuple[Path, ...]) -> None:
    group = zarr.open_group(both[1], mode="r")
    assert group.attrs["Conventions"] == "CF-1.8"
    for name in SOME:
        array = group[name]
        assert array.shape == (3, 1500, 2500)
        assert array.fill_value == 0
        assert array.metadata.dimension_names == ("time", "y", "x")
    assert group["granule_count"][:].tolist() == [6, 6, 3]


def test_same_grids_are_the_same_bytes(both: tuple[Path, ...], tmp_path: Path) -> None:
    """With a netCDF file beside it or without; only chunks that hold something are there."""
    alone = write_one(tmp_path, make(CONUS, "zarr"))
    assert list_bytes(alone) == list_bytes(both[1])
    assert [path.name for path in tmp_path.iterdir()] == ["G16_test.zarr"]
    chunks = {name for name in list_bytes(alone) if name.startswith("flash_extent_density/c/")}
    assert {name.split("/")[2] for name in chunks} == {"1"}, "the step with lightning"
    assert len(chunks) <= 2, "of six"


def fail() -> Iterator[FinishedStep]:
    raise StorageError("no more room")
    yield


def test_store_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    """What stood there before stays, of a file that is written beside it too."""
    write_grids(tmp_path, make(DEGREES, "netcdf", "zarr", name="one"))
    before = list_bytes(tmp_path)
    for name in ("one", "two"):
        with pytest.raises(StorageError, match="no more room"):
            write_grids(tmp_path, make(DEGREES, "netcdf", "zarr", name=name, make=fail))
    assert list_bytes(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.nc", "one.zarr"]


def test_kill_between_the_renames_is_put_right_by_whoever_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = GridsDataset(path=str(tmp_path))
    entry.save(make(DEGREES, "zarr", name="one"))
    with monkeypatch.context() as patch:
        calls = iter([lambda _: None])

        def stop(folder: Path) -> None:
            call = next(calls, None)
            if call is None:
                raise KeyboardInterrupt
            call(folder)

        patch.setattr(folders, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            entry.save(make(DEGREES, "zarr", name="one", simulated="true"))
    with entry.load()["one"]() as opened:
        assert opened.attrs["simulated"] == "true", "it was whole"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["one.zarr"]


def test_folder_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    name = name_partial(tmp_path / "one.zarr").name
    stale = tmp_path / name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-")
    (stale / "below").mkdir(parents=True)
    (stale / "below" / "zarr.json").write_text("{}")
    entry = GridsDataset(path=str(tmp_path))
    assert entry.load() == {}
    assert not entry.exists()
    entry.save(make(DEGREES, "zarr", name="two"))
    assert [path.name for path in tmp_path.iterdir()] == ["two.zarr"]


def test_of_two_of_one_name_the_newer_is_opened(tmp_path: Path) -> None:
    entry = GridsDataset(path=str(tmp_path))
    for number, (form, simulated) in enumerate([("netcdf", "false"), ("zarr", "true")]):
        entry.save(make(DEGREES, form, name="one", simulated=simulated))
        os.utime(tmp_path / ("one.nc" if form == "netcdf" else "one.zarr"), (number, number))
        with entry.load()["one"](mask_and_scale=False) as opened:
            assert opened.attrs["simulated"] == simulated
    assert list(entry.load()) == ["one"]


@pytest.mark.parametrize("chosen", ["zarr", "both"])
def test_lack_of_the_package_is_said_before_anything_is_read(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_format("grids.format", chosen)
    monkeypatch.setattr(file_formats, "find_spec", lambda _: None)
    check_format("grids.format", "netcdf")
    words = (
        rf'grids\.format: {chosen} needs the package zarr: .*"lightning_kedro\[zarr\]".*netcdf\.'
    )
    with pytest.raises(ParameterError, match=words):
        check_format("grids.format", chosen)


def test_report_leaves_out_a_store_that_cannot_be_opened_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entry = GridsDataset(path=str(tmp_path))
    window = read_selected_window()
    name = f"{window.selection.name}_conus_1min"
    entry.save(make(CONUS, "zarr", name=name))
    assert read_gridded(entry.load(), window).name == name
    monkeypatch.setattr(file_formats, "find_spec", lambda _: None)
    with pytest.raises(StorageError, match=r"Opening .*\.zarr needs the package zarr: install"):
        entry.load()[name]()
    assert not read_gridded(entry.load(), window)
    assert "cannot be read and are left out: Opening" in caplog.text


def read_selected_window() -> Window:
    from tests.test_parameters import NOW

    from lightning_kedro.parameters import check_parameters
    from lightning_kedro.selection import Selection

    window = {"start": "2024-07-14T22:00", "end": "2024-07-14T22:05"}
    checked = check_parameters({"satellite": "G16", "window": window}, now=NOW)
    return Window(Selection.from_plain(checked["selection"]), {"G16": ("East",)})


def test_climatology_is_the_same_as_a_store(tmp_path: Path) -> None:
    published = replace(publish(), formats=("netcdf", "zarr"))
    folder = write_climatology(tmp_path / "a", published)
    with (
        xr.open_dataset(folder / "climatology.nc") as expected,
        xr.open_zarr(folder / "climatology.zarr", chunks=None) as opened,
    ):
        xr.testing.assert_identical(opened, expected)
    alone = replace(published, formats=("zarr",))
    entry = ClimatologyDataset(path=str(tmp_path / "b"), name=NAME)
    entry.save(alone)
    assert entry.exists()
    assert not (entry.folder / "climatology.nc").exists()
    with entry.load() as opened:
        assert opened.attrs["result"] == NAME
    ours = list_bytes(entry.folder)
    theirs = list_bytes(folder)
    assert ours == {name: theirs[name] for name in theirs if name != "climatology.nc"}
