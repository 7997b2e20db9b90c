"""``climatology``: its options, whole runs, and memory that does not grow with the window."""

import tracemalloc
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from click.testing import CliRunner, Result
from tests.flash_history import START, make_history

from lightning_kedro import file_formats
from lightning_kedro.cli import cli
from lightning_kedro.commands.climatology import read_parameters
from lightning_kedro.exceptions import NoFlashesError, ParameterError
from lightning_kedro.glm.orbital_slot import Segment, find_segments
from lightning_kedro.pipelines.climatology.nodes import add_up_hours
from lightning_kedro.pipelines.reporting.climatology import gather_climatology
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.loaded import FlashTable

FLASHES = [(20.0, 28.01, -81.01), (40.0, 28.02, -81.02), (50.0, 12.0, -70.0)]
OPTIONS = {"degrees": 0.05, "thunder_km": 15.0, "thunder_flashes": 2}
REGION = "-83,26,-80,29"


def select(days: float, region: Region | None = None) -> dict[str, Any]:
    start = START.replace(tzinfo=UTC)
    part = Segment("G19", start, start + timedelta(days=days))
    return Selection((part,), region or Region(-83, 26, -80, 29)).to_plain()


def test_options_are_parameters_of_a_run() -> None:
    out = Path("/somewhere")
    made = read_parameters("G19", "2026-01-01", "now", REGION, 0.1, "good", out, "zarr")
    sides = dict(zip(("west", "south", "east", "north"), REGION.split(","), strict=True))
    assert made == {
        "satellite": "G19",
        "window": {"start": "2026-01-01", "end": "now"},
        "preprocessing": {"region": sides, "min_quality": "good"},
        "climatology": {"degrees": 0.1, "folder": str(out.resolve()), "format": "zarr"},
    }
    assert read_parameters("east", "a", "b", "all") == {
        "satellite": "east",
        "window": {"start": "a", "end": "b"},
    }


def test_region_that_is_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="Option --region: '1,2,3' is no region"):
        read_parameters("G19", "now-2d", "now", "1,2,3")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two days of history."""
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "data" / "03_primary" / "lightning.duckdb"
    make_history(database, 48, FLASHES, found={47: 90})
    return tmp_path


def run(*options: str, end: str = "2024-07-03") -> Result:
    window = ["--satellite", "goes-19", "--start", "2024-07-01", "--end", end]
    return CliRunner().invoke(cli, ["climatology", *window, *options], prog_name="lightning-kedro")


def test_command_writes_fields_table_and_pictures(folder: Path) -> None:
    done = run("--region", REGION, "--out", "maps", "--format", "both")
    assert done.exit_code == 0, done.output
    name = "G19_20240701T0000_20240703T0000_region-83_26_-80_29_0.05deg"
    made = folder / "maps" / name
    assert sorted(path.name for path in made.iterdir()) == [
        "climatology.nc",
        "climatology.zarr",
        "diurnal_cycle.csv",
        "diurnal_cycle.png",
        "flash_density.png",
        "thunder_hours.png",
    ]
    assert "Wrote climatology.nc, climatology.zarr, diurnal_cycle.csv, " in done.output
    assert str(made) in done.output
    with xr.open_dataset(made / "climatology.nc") as fields:
        assert int(fields.thunder_hours.max()) == 48
        assert float(fields.observed_hours.max()) == 47.5
        assert fields.attrs["flashes"] == 96
        assert fields.attrs["simulated"] == "true"
        assert fields.attrs["time_coverage_end"] == "2024-07-03T00:00:00Z"
        with xr.open_zarr(made / "climatology.zarr", chunks=None) as store:
            xr.testing.assert_identical(store, fields)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2024-07-01T00:59", "Parameter window: there is no whole hour of UTC from"),
        ("x", "Parameter window.end: 'x' is not a time"),
    ],
)
def test_window_that_cannot_be_used_is_said(folder: Path, end: str, words: str) -> None:
    done = run(end=end)
    assert done.exit_code == 1
    assert words in done.output
    assert not (folder / "data" / "08_reporting").exists()


def test_window_that_was_not_loaded_is_said(tmp_path: Path) -> None:
    path = make_history(tmp_path / "lightning.duckdb", 1, FLASHES, platform="G18")
    with pytest.raises(NoFlashesError, match=r"No granule of the window .* has been loaded"):
        add_up_hours(FlashTable(path), select(1), OPTIONS)


def test_flash_beyond_the_region_is_heard_in_it(tmp_path: Path) -> None:
    path = make_history(tmp_path / "lightning.duckdb", 1, FLASHES)
    made = add_up_hours(FlashTable(path), select(1, Region(-83, 26, -81.05, 29)), OPTIONS)
    assert made.flash_total == 0
    assert made.thunder_hours[:, -1].sum() > 0


def test_both_slots_are_added_up_as_one(tmp_path: Path) -> None:
    """What both satellites saw counts once, and the files say so."""
    path = tmp_path / "lightning.duckdb"
    make_history(path, 3, FLASHES, "G16")
    make_history(path, 3, [*FLASHES[:1], (30.0, 28.0, -81.0)], "G18", found={2: 0})
    start = START.replace(tzinfo=UTC)
    selection = Selection(find_segments("both", start, start + timedelta(hours=3)))
    made = add_up_hours(FlashTable(path), selection.to_plain(), {**OPTIONS, "degrees": 1.0})
    assert made.flash_total == 3 * len(FLASHES) + 2
    assert made.observed_hours.max() == 3.0
    published, *_ = gather_climatology(
        made, selection.to_plain(), {**OPTIONS, "degrees": 1.0}, b"", b"", b""
    )
    assert published.facts["platform_ID"] == "G16+G18"
    assert "counts once" in published.facts["both_slots"]


def test_format_that_cannot_be_written_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_formats, "find_spec", lambda _: None)
    path = FlashTable(tmp_path / "none.duckdb")
    with pytest.raises(ParameterError, match=r"climatology\.format: zarr needs the package zarr"):
        add_up_hours(path, select(1), {**OPTIONS, "format": "zarr"})


def test_memory_does_not_grow_with_the_window(tmp_path: Path) -> None:
    """Of twelve days no more than of one, but for what the loop itself keeps."""
    path = make_history(tmp_path / "lightning.duckdb", 12 * 24, FLASHES * 5)
    peaks = []
    for days in (1, 12):
        selection = select(days)
        tracemalloc.start()
        made = add_up_hours(FlashTable(path), selection, OPTIONS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert made.thunder_hours.max() == days * 24
    assert peaks[1] < 1.05 * peaks[0] + 20_000
