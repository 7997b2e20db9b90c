"""One table of satellites: everything agrees with it, and nothing else knows a satellite."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import netCDF4
import pytest
import yaml
from tests.conftest import PROJECT, name_of, needs_real_granules, real_granule_paths

from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.satellites import PLATFORMS, SATELLITES, SLOTS, Satellite

PACKAGE = PROJECT / "src" / "lightning_kedro"
TABLE = PACKAGE / "glm" / "satellites.py"

each_satellite = pytest.mark.parametrize("satellite", SATELLITES.values(), ids=PLATFORMS)


@each_satellite
def test_entry_is_whole_and_in_order(satellite: Satellite) -> None:
    assert SATELLITES[satellite.platform] is satellite
    assert satellite.platform == f"G{satellite.number}"
    assert satellite.name == f"GOES-{satellite.number}"
    assert satellite.stays
    for earlier, later in pairwise(satellite.stays):
        assert earlier.since < later.since
    for earlier, later in pairwise(satellite.tenures):
        assert earlier.since < later.since
    assert {tenure.slot for tenure in satellite.tenures} <= set(SLOTS)
    for stay in satellite.stays:
        view = stay.field_of_view
        assert view.south < 0 < view.north
        assert view.west < view.subpoint_lon < view.east < view.west + 180
        assert view.center_lon == pytest.approx((view.west + view.east) / 2, abs=0.25)


@each_satellite
def test_satellite_stands_in_the_slot_that_it_holds(satellite: Satellite) -> None:
    for tenure in satellite.tenures:
        slot = field_of_view(satellite.platform, tenure.since).orbital_slot
        assert slot == f"GOES-{tenure.slot.capitalize()}"


@each_satellite
def test_archive_of_the_configuration_is_the_satellites_bucket(satellite: Satellite) -> None:
    base = yaml.safe_load((PROJECT / "conf" / "base" / "globals.yml").read_text())
    assert base["archive"].format(number=satellite.number) == f"s3://{satellite.bucket}"


def test_slots_are_handed_over_and_never_shared() -> None:
    for slot in SLOTS:
        days = [
            tenure.since
            for satellite in SATELLITES.values()
            for tenure in satellite.tenures
            if tenure.slot == slot
        ]
        assert days
        assert len(set(days)) == len(days)
        assert all(day == day.replace(hour=0, minute=0, second=0, microsecond=0) for day in days)
        assert all(day.utcoffset() == timedelta(0) for day in days)


@needs_real_granules
@pytest.mark.parametrize("path", real_granule_paths(), ids=lambda path: path.name[16:35])
def test_table_says_what_real_granules_say(path: Path) -> None:
    name = name_of(path)
    view = field_of_view(name.platform, name.start)
    with netCDF4.Dataset(path) as dataset:
        assert dataset.orbital_slot == view.orbital_slot
        assert dataset.platform_ID == name.platform
        assert dataset.instrument_ID == SATELLITES[name.platform].instrument
        subpoint = float(dataset["nominal_satellite_subpoint_lon"][...])
        assert subpoint == pytest.approx(view.subpoint_lon, abs=1e-4)
        assert float(dataset["lon_field_of_view"][...]) == pytest.approx(view.center_lon, abs=1e-4)
        west, east = dataset["lon_field_of_view_bounds"][:]
        assert (west, east) == pytest.approx((view.west, view.east), abs=1e-4)
        north, south = dataset["lat_field_of_view_bounds"][:]
        assert (south, north) == pytest.approx((view.south, view.north), abs=1e-4)


FACT = re.compile(r"\bG\d\d\b|goes-?\d\d|GOES-?\d\d|\bFM\d\b")


def list_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that a program sees: no comments, no docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def test_no_other_module_names_a_satellite() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text[:60]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != TABLE
        for line, text in list_texts(path)
        if FACT.search(text)
    ]
    assert found == []
    assert any(FACT.search(text) for _, text in list_texts(TABLE))


GOES20 = """    Satellite(
        platform="G20",
        number=20,
        instrument="FM9",
        stays=(Stay(_EVER, _EAST_OF_GOES19),),
        tenures=(Tenure("east", _day(2032, 5, 6)),),
    ),
)

SATELLITES: Final = """

USE_GOES20 = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
import h5py
from lightning_kedro.glm import satellites
from lightning_kedro.glm.field_of_view import field_of_view, pixel_area_km2, sees
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import parse_granule_name
from lightning_kedro.glm.orbital_slot import find_segments, name_satellite
from lightning_kedro.parameters import Parameters
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store.storage import Storage

assert Path(satellites.__file__).is_relative_to(Path.cwd())

def day(number):
    return datetime(2032, 5, number, tzinfo=UTC)

segments = find_segments("east", day(5), day(8))
assert [(s.platform, s.start.day, s.end.day) for s in segments] == [("G19", 5, 6), ("G20", 6, 8)]
assert find_segments("G20", day(1), day(2))[0].platform == "G20"
assert field_of_view("G20").orbital_slot == "GOES-East"
assert sees("G20", 0.0, -75.2) and pixel_area_km2("G20", 0.0, -75.2) > 63
assert name_satellite("G20", "GOES-East") == "GOES-20 (East)"
assert Storage("s3://noaa-goes{number}").locate("G20") == "noaa-goes20"
window = {"start": day(6).isoformat(), "end": day(7).isoformat()}
tree = {"satellite": "G20", "window": window}
assert Parameters.model_validate(tree, context={"now": day(9)}).satellite == "G20"
for name, data in simulate_hour("G20", day(6), numbers=[0, 90]):
    assert parse_granule_name(name.file_name) == name
    assert len(read_flashes(data, name)) > 0
    with h5py.File.in_memory(data) as file:
        assert file.attrs["instrument_ID"] == b"FM9" and file.attrs["platform_ID"] == b"G20"
print("all of it")
"""


def test_new_satellite_is_one_entry_of_the_table(tmp_path: Path) -> None:
    """A copy of the sources in which only the table is changed can do all with the new one."""
    copy = tmp_path / "lightning_kedro"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    table = copy / "glm" / "satellites.py"
    text = table.read_text()
    assert text.count(")\n\nSATELLITES: Final = ") == 1
    table.write_text(text.replace(")\n\nSATELLITES: Final = ", GOES20))
    done = subprocess.run(
        [sys.executable, "-c", USE_GOES20],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("all of it", "")
