"""The sample environment: the whole job on simulated granules, without a network."""

import socket
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lightning_kedro.datasets.simulated_archive import Simulation
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.results import RESULT_TABLES
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Region, Selection
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store import workers
from lightning_kedro.store.loaded import FlashTable
from tests.conftest import PROJECT, Project
from tests.stand_ins import stand_in_for

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
KEY = ["platform", "granule_start", "flash_id"]


def window(start: datetime, end: datetime, satellite: str = "G16") -> str:
    return (
        f"satellite={satellite},window.start={start:%Y-%m-%dT%H:%M:%S},"
        f"window.end={end:%Y-%m-%dT%H:%M:%S}"
    )


def refuse_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        message = "the sample environment must not use the network"
        raise AssertionError(message)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("satellite", PLATFORMS)
def test_whole_job_runs_offline_for_every_satellite(
    project: Project, monkeypatch: pytest.MonkeyPatch, satellite: str
) -> None:
    refuse_connections(monkeypatch)
    end = HOUR + timedelta(minutes=20)
    pipelines = ("--pipelines", "ingestion,clustering")
    params = f"{window(HOUR, end, satellite)},clustering.k_max=4"
    project.succeed("--env", "sample", *pipelines, "--params", params)
    clustered = project.query("SELECT * FROM clustered_flashes", "sample")
    assert len(clustered) > 500
    assert clustered["time"].between("2024-07-14 09:00", "2024-07-14 09:20", "left").all()
    if satellite in {"G17", "G18"}:
        assert (clustered["lon"] < -170).any()
        assert (clustered["lon"] > 160).any()
    assert len(project.query("SELECT * FROM granules", "sample")) == 181
    coverage = project.query("SELECT expected, found, corrupt, missing FROM coverage", "sample")
    assert coverage.to_numpy().tolist() == [[180, 180, 0, 0]]


def test_everything_simulated_says_so_and_stays_apart(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for(monkeypatch)
    project.succeed("--env", "sample", "--params", window(HOUR, HOUR + timedelta(minutes=5)))
    tables = project.query("SELECT table_name FROM duckdb_tables()", "sample")["table_name"]
    assert {"granules", "flashes", "coverage", *RESULT_TABLES} <= {*tables}
    for table in tables:
        query = f"SELECT count(*) AS n FROM {table} WHERE simulated IS NOT TRUE"
        assert project.query(query, "sample")["n"].item() == 0
    files = [path for path in (project.folder / "data").rglob("*") if path.is_file()]
    assert all(path.is_relative_to(project.folder / "data" / "sample") for path in files)
    granules = [path.name for path in files if path.suffix == ".nc"]
    assert len(granules) == 181
    assert all(name.startswith("IS_GLM-L2-LCFA_G16_") for name in granules)


def test_flashes_of_the_archive_are_all_in_the_table(project: Project) -> None:
    params = window(HOUR, HOUR + timedelta(hours=1))
    project.succeed("--env", "sample", "--pipelines", "ingestion", "--params", params)
    simulated = [(name, read_flashes(data, name)) for name, data in simulate_hour("G16", HOUR)]
    stored = project.query(
        "SELECT granule_start, count(*) AS n FROM flashes GROUP BY ALL", "sample"
    )
    counts = dict(zip(stored["granule_start"], stored["n"], strict=True))
    assert len(counts) == 182
    for name, flashes in simulated:
        assert counts[pd.Timestamp(name.start.replace(tzinfo=None))] == len(flashes)
    before = HOUR.replace(tzinfo=None)
    early = project.query(
        f"SELECT * FROM flashes WHERE granule_start = '{before}' AND time < '{before}'", "sample"
    )
    assert len(early) > 0, "some flashes of the first granule began in the hour before"


def test_archive_with_faults_loads_what_is_sound(project: Project, tmp_path: Path) -> None:
    faults = Faults(missing=3, truncated=2, duplicated=4, empty=1, compressed=True)
    Simulation(tmp_path / "ugly", 7, faults).make(ArchiveHour("G18", HOUR))
    params = f"archive={tmp_path}/ugly,{window(HOUR, HOUR + timedelta(hours=1), 'G18')}"
    project.succeed("--env", "sample", "--pipelines", "ingestion", "--params", params)
    coverage = project.query("SELECT expected, found, corrupt, missing FROM coverage", "sample")
    assert coverage.to_numpy().tolist() == [[180, 177, 2, 3]]
    granules = project.query("SELECT * FROM granules", "sample")
    assert granules["status"].value_counts().to_dict() == {"loaded": 174, "corrupt": 2, "empty": 1}
    assert granules.loc[granules["status"] == "corrupt", "reason"].notna().all()
    latency = granules["created"] - granules["granule_end"]
    assert (latency > pd.Timedelta(seconds=25)).sum() == 4, "the newer creations stand"
    flashes = project.query("SELECT count(*) AS n FROM flashes", "sample")["n"].item()
    assert flashes == granules["flash_count"].sum()


def test_windows_in_any_order_give_the_same_flashes_as_one(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adjacent and overlapping windows never lose or double a flash."""
    monkeypatch.setattr(workers, "PARALLEL_FROM", 9)
    end = HOUR + timedelta(hours=2)
    cuts = [HOUR, HOUR + timedelta(minutes=59, seconds=59), HOUR + timedelta(minutes=90), end]
    parts = [*pairwise(cuts), (cuts[0] + timedelta(minutes=3), cuts[2])]
    for start, stop in reversed(parts):
        command = ("--env", "sample", "--pipelines", "ingestion", "--params", window(start, stop))
        project.succeed(*command)
    other = Project(tmp_path / "other")
    monkeypatch.chdir(other.folder)
    archive = project.folder / "data" / "sample" / "01_raw" / "glm"
    params = f"archive={archive},{window(HOUR, end)}"
    other.succeed("--env", "sample", "--pipelines", "ingestion", "--params", params)
    for table in ("flashes", "granules", "coverage"):
        rows = f"SELECT * FROM {table} ORDER BY ALL"
        in_parts, at_once = project.query(rows, "sample"), other.query(rows, "sample")
        pd.testing.assert_frame_equal(in_parts, at_once, obj=table)
    assert not project.query("SELECT * FROM flashes", "sample").duplicated(KEY).any()


@pytest.fixture(scope="module")
def flash_table(tmp_path_factory: pytest.TempPathFactory) -> FlashTable:
    """The table ``flashes`` of two simulated hours of a West satellite, ingested once."""
    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(workers, "PARALLEL_FROM", 9)
        project = Project(folder)
        end = HOUR + timedelta(hours=2)
        params = window(HOUR, end, "G18")
        project.succeed("--env", "sample", "--pipelines", "ingestion", "--params", params)
    return FlashTable(project.database("sample"), lock_timeout=10)


def read_keys(table: FlashTable, start: datetime, end: datetime) -> pa.Table:
    return table.read(Selection((Segment("G18", start, end),)), KEY)


@settings(max_examples=20)
@given(
    st.lists(
        st.integers(0, 7_200_000_000).map(lambda micros: HOUR + timedelta(microseconds=micros)),
        max_size=6,
        unique=True,
    )
)
def test_union_of_any_partition_is_the_whole_once_each(
    flash_table: FlashTable, cuts: list[datetime]
) -> None:
    end = HOUR + timedelta(hours=2)
    edges = sorted({HOUR, *cuts, end})
    parts = pa.concat_tables(read_keys(flash_table, *edge) for edge in pairwise(edges))
    whole = read_keys(flash_table, HOUR, end)
    assert len(whole) > 1000
    assert parts.equals(whole)


def test_window_is_one_line_and_holds_what_a_read_holds(flash_table: FlashTable) -> None:
    selection = Selection((Segment("G18", HOUR, HOUR + timedelta(hours=2)),))
    whole = flash_table.read(selection, ["time", "lat"])
    frame = flash_table.window("G18", "2024-07-14T09:00", "2024-07-14T11:00", ["time", "lat"])
    assert frame["time"].to_list() == sorted(whole["time"].to_pylist())
    assert frame["lat"].to_list() == whole["lat"].to_pylist()
    west = flash_table.window("west", HOUR, HOUR + timedelta(hours=2), region=(-180, -60, -100, 60))
    assert list(west) == [*TABLES["flashes"].columns, "simulated"]
    assert 0 < len(west) < len(frame)
    assert west["lon"].between(-180, -100).all()


def test_region_across_180_degrees_is_one_box(flash_table: FlashTable) -> None:
    whole = (Segment("G18", HOUR, HOUR + timedelta(hours=2)),)
    crossing = Selection(whole, Region(west=160, south=-40, east=-170, north=40))
    lon = flash_table.read(crossing, ["lon"])["lon"].to_numpy()
    assert len(lon) > 0
    assert ((lon >= 160) | (lon <= -170)).all()
    outside = Selection(whole, Region(west=-170, south=-40, east=160, north=40))
    north_of_it = Selection(whole, Region(west=-180, south=-40, east=180, north=40))
    both = flash_table.read(outside, ["lon"]).num_rows + len(lon)
    assert both == flash_table.read(north_of_it, ["lon"]).num_rows


def test_good_flashes_have_flag_zero(flash_table: FlashTable) -> None:
    whole = (Segment("G18", HOUR, HOUR + timedelta(hours=2)),)
    flags = flash_table.read(Selection(whole, min_quality="good"), ["quality_flag"])
    every = flash_table.read(Selection(whole), ["quality_flag"])
    assert set(flags["quality_flag"].to_pylist()) == {0}
    assert flags.num_rows < every.num_rows


def test_unknown_column_is_refused(flash_table: FlashTable) -> None:
    with pytest.raises(KeyError, match=r"no columns \['brightness'\]"):
        flash_table.read(Selection((Segment("G18", HOUR, HOUR),)), ["brightness"])


def test_hours_are_made_once_and_only_as_much_as_is_wanted(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 60, Faults())
    folder = tmp_path / hour_prefix(HOUR)
    simulation.make(ArchiveHour("G16", HOUR, "last"))
    (only,) = folder.glob("*.nc")
    assert "_s20241960959400_" in only.name
    simulation.make(ArchiveHour("G16", HOUR))
    first = {path.name: path.read_bytes() for path in folder.glob("*.nc")}
    assert len(first) == 180
    changed = min(folder.glob("*.nc"))
    changed.write_bytes(b"")
    simulation.make(ArchiveHour("G16", HOUR))
    assert changed.read_bytes() == b"", "an hour that is there is left as it is"


def test_first_command_of_the_readme_makes_its_picture(project: Project) -> None:
    """Not byte for byte: processors round differently, and a dot may move by a pixel."""
    run = project.succeed("--env", "sample")
    page = "data/sample/08_reporting/G18_20240714T2200_20240714T2300/report.html"
    assert run.last_line == f"Report of 22,968 flashes in the window: {page}"
    assert (project.folder / page).is_file()
    for name in ("cluster_map.png", "storm_map.png"):  # the latter with 96 colors, to be small
        made = Image.open(project.folder / "data" / "sample" / "08_reporting" / name)
        shown = Image.open(PROJECT / "docs" / name)
        assert made.text["Title"] == shown.text["Title"]
        one, other = (np.asarray(image.convert("RGB"), dtype=float) for image in (made, shown))
        assert np.abs(one - other).mean() < 1.0, "of 255"
    assert (PROJECT / "docs" / "storm_map.png").stat().st_size < 200_000
