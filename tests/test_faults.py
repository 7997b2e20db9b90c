"""Ingestion when the archive, the disk or another run misbehaves: nothing good is ever lost."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from lightning_kedro.datasets.duckdb_table import connect
from lightning_kedro.datasets.simulated_archive import Simulation
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.selection import ArchiveHour
from lightning_kedro.simulation.hour import Faults, simulate_hour
from tests.conftest import Project
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
WINDOW = "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T10:00"
COUNT = 40


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 simulated granules in the bucket of GOES-17, called as real ones are."""
    root = tmp_path_factory.mktemp("buckets")
    folder = root / "noaa-goes17" / "GLM-L2-LCFA" / f"{HOUR:%Y/%j/%H}"
    folder.mkdir(parents=True)
    for name, content in simulate_hour("G17", HOUR, numbers=range(0, 180, 180 // COUNT)):
        if len(list(folder.iterdir())) < COUNT:
            (folder / f"OR{name.file_name[2:]}").write_bytes(content)
    return root


@pytest.fixture
def remote(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[LoopbackS3], None]:
    """Point a project at a server, with a time-out that a test can wait for."""
    catalog = project.folder / "conf" / "base" / "catalog.yml"
    text = catalog.read_text().replace("read_timeout: 20", "read_timeout: 1")
    catalog.write_text(text)

    def point(server: LoopbackS3) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    return point


def dump(project: Project) -> dict[str, pd.DataFrame]:
    return {
        table: project.query(f"SELECT * FROM {table} ORDER BY ALL")
        for table in ("granules", "flashes", "coverage")
    }


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    for table, rows in left.items():
        pd.testing.assert_frame_equal(rows, right[table], obj=table)


@pytest.fixture(scope="session")
def reference(buckets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables that an undisturbed run gives."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project = Project(folder)
        params = f"archive={buckets}/noaa-goes17,{WINDOW}"
        project.succeed("--pipelines", "ingestion", "--params", params)
    return dump(project)


@pytest.mark.parametrize("seed", [1, 2])
def test_archive_that_fails_now_and_then_is_asked_again(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    seed: int,
) -> None:
    with serve_folder(buckets, Schedule(seed, share=0.4, stall_s=1.5)) as server:
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert len(server.faults) >= 4, "most kinds of trouble"
        assert server.faults.total() >= 10
    assert_same(dump(project), reference)
    assert not list(project.folder.rglob("*.part"))


def test_what_still_fails_is_named_and_the_rest_loaded(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lightning_kedro.datasets.patience.ATTEMPTS", 1)
    doomed = sorted(path.name for path in buckets.rglob("*.nc"))[3:5]
    with serve_folder(buckets, Schedule(doomed=frozenset(doomed))) as server:
        remote(server)
        run = project.run("--pipelines", "ingestion", "--params", WINDOW)
        assert run.exit_code == 1
        assert "The run is incomplete, everything else is loaded" in run.output
        assert all(name in run.output for name in doomed)
        granules = project.query("SELECT file_name FROM granules")["file_name"].to_list()
        assert len(granules) == COUNT - 2
        assert not set(doomed) & set(granules)

        server.schedule = Schedule()
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert server.requests["GET"] == 2, "only what was missing is fetched"
    assert_same(dump(project), reference)


def test_second_run_only_lists(
    project: Project, buckets: Path, remote: Callable[[LoopbackS3], None]
) -> None:
    with serve_folder(buckets) as server:
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert server.requests["GET"] == COUNT
        assert set(server.requests) == {"LIST", "GET"}
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert set(server.requests) == {"LIST"}
        # Nor is anything fetched again when the copies are gone: the database has them.
        shutil.rmtree(project.folder / "data" / "01_raw")
        shutil.rmtree(project.folder / "data" / "02_intermediate")
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert set(server.requests) == {"LIST"}


def test_late_and_newer_granules_are_picked_up(
    project: Project,
    buckets: Path,
    tmp_path: Path,
    reference: dict[str, pd.DataFrame],
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(buckets / "noaa-goes17", archive)
    paths = sorted(archive.rglob("*.nc"))
    late = paths[7].rename(tmp_path / paths[7].name)
    params = ("--pipelines", "ingestion", "--params", f"archive={archive},{WINDOW}")
    project.succeed(*params)
    assert len(project.query("SELECT * FROM granules")) == COUNT - 1
    late.rename(paths[7])
    project.succeed(*params)
    assert_same(dump(project), reference)

    # The granule is made again, with the flashes of another.
    start, _, rest = paths[7].name.partition("_c")
    newer = paths[7].with_name(f"{start}_c{int(rest[:14]) + 100:014d}.nc")
    newer.write_bytes(paths[7].read_bytes())
    project.succeed(*params)
    granules = project.query("SELECT * FROM granules")
    assert len(granules) == COUNT
    assert newer.name in granules["file_name"].to_list()
    assert paths[7].name not in granules["file_name"].to_list()
    pd.testing.assert_frame_equal(dump(project)["flashes"], reference["flashes"])

    # An older creation that turns up afterwards displaces nothing.
    newer.unlink()
    project.succeed(*params)
    assert newer.name in project.query("SELECT file_name FROM granules")["file_name"].to_list()


def test_streaming_gives_the_same_tables_without_a_copy(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
) -> None:
    with serve_folder(buckets, Schedule(3, share=0.1, kinds=("503", "cut"))) as server:
        remote(server)
        project.succeed("--env", "stream", "--pipelines", "ingestion", "--params", WINDOW)
    assert_same(dump(project), reference)
    assert not list(project.folder.rglob("*.nc"))


HOSTILE = (
    "../../../../etc/OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc\n.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc'; DROP TABLE flashes;--",
    "OR_GLM-L2-LCFA_G17_s20241961200000_e20241961200200_c20241961200220.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220" + "x" * 1000 + ".nc",
    "ОR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc",  # noqa: RUF001
    "/absolute.nc",
)


def test_hostile_names_are_ignored_and_counted(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    caplog: pytest.LogCaptureFixture,
) -> None:
    prefix = f"GLM-L2-LCFA/{HOUR:%Y/%j/%H}"
    before = {path for path in project.folder.parent.rglob("*") if path.is_file()}
    with serve_folder(buckets) as server:
        server.extra_keys = {f"{prefix}/{name}": 7 for name in HOSTILE}
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
    assert_same(dump(project), reference)
    assert f"{len(HOSTILE)} names in s3://noaa-goes{{number}} are no granules" in caplog.text
    written = {path for path in project.folder.parent.rglob("*") if path.is_file()} - before
    allowed = (project.folder / "data", project.folder / ".viz")  # Kedro-Viz notes each run
    assert all(any(path.is_relative_to(folder) for folder in allowed) for path in written)


def test_gap_is_an_error_on_request(project: Project, buckets: Path) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW},ingestion.gaps=error"
    run = project.run("--pipelines", "ingestion", "--params", params)
    assert run.exit_code == 1
    assert "140 missing and 0 corrupt in 2024-07-14 09:00" in run.output
    assert len(project.query("SELECT * FROM granules")) == COUNT


def test_summary_says_what_was_loaded(
    project: Project, buckets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    project.succeed("--pipelines", "ingestion", "--params", params)
    flashes = project.query("SELECT count(*) AS n FROM flashes")["n"].item()
    assert f"40 of 180 granules, {flashes:,} flashes" in caplog.text


def test_folder_that_may_not_be_written_to_is_named(project: Project, buckets: Path) -> None:
    (project.folder / "data").mkdir()
    full = project.folder / "data" / "02_intermediate"
    full.symlink_to("/dev/full")
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    error = project.fail("--pipelines", "ingestion", "--params", params)
    assert "Cannot write" in error
    assert "A part of the path is no folder" in error


def hold_database(path: str, seconds: float) -> None:
    """Keep a database open for writing, as another run does."""
    with duckdb.connect(path):
        time.sleep(seconds)


def start_other_run(path: Path, seconds: float) -> Any:
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=hold_database, args=(str(path), seconds))
    other.start()
    while not path.exists():
        assert other.exitcode is None, "the other run could not start"
        time.sleep(0.01)
    return other


def test_database_that_another_run_has_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    other = multiprocessing.get_context("spawn").Process(
        target=hold_database, args=(str(path), 1.5)
    )
    other.start()
    while not path.exists():
        pass
    with connect(path, read_only=False, timeout=30) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    other.join()


def test_database_that_stays_locked_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    other = start_other_run(path, 4)
    with (
        pytest.raises(TableError, match=r"lightning\.duckdb cannot be opened: .*lock"),
        connect(path, read_only=False, timeout=0.5),
    ):
        pass
    other.terminate()
    other.join()


def test_file_that_is_no_database_is_named(project: Project, buckets: Path) -> None:
    project.database().parent.mkdir(parents=True)
    project.database().write_text("not a database, but long enough to look like one" * 100)
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    error = project.fail("--pipelines", "ingestion", "--params", params)
    assert "lightning.duckdb cannot be opened" in error


def test_two_runs_at_once_both_end_right(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    for number in range(2):
        hour = ArchiveHour("G17", HOUR + timedelta(hours=number))
        Simulation(archive, 60, Faults()).make(hour)
    windows = ("T09:00,window.end=2024-07-14T10:30", "T09:30,window.end=2024-07-14T11:00")
    runs = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "kedro", "run", "--env", "sample"),
                *("--pipelines", "ingestion", "--params"),
                f"archive={archive},satellite=G17,window.start=2024-07-14{window}",
            ],
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for window in windows
    ]
    for run in runs:
        output, _ = run.communicate()
        assert run.returncode == 0, output.decode()
    alone = Project(tmp_path / "alone")
    monkeypatch.chdir(alone.folder)
    whole = "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T11:00"
    params = f"archive={archive},{whole}"
    alone.succeed("--env", "sample", "--pipelines", "ingestion", "--params", params)
    for table in ("granules", "flashes", "coverage"):
        rows = f"SELECT * FROM {table} ORDER BY ALL"
        both = project.query(rows, "sample")
        pd.testing.assert_frame_equal(both, alone.query(rows, "sample"), obj=table)
    assert not [path for path in project.folder.rglob("*.part") if path.is_file()]
    assert os.listdir(project.folder / "data" / "sample" / "03_primary") == ["lightning.duckdb"]  # noqa: PTH208
