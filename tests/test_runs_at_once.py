"""Ingestion when another run, or ``kedro prune``, is at work on the same data."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from lightning_kedro.cli import cli
from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.datasets.raw_granules import RawGranulesDataset
from lightning_kedro.datasets.simulated_archive import Simulation
from lightning_kedro.exceptions import TableError
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.store.database import connect
from lightning_kedro.store.files import lock_folder
from tests.conftest import COUNT, HOUR, WINDOW, Project, assert_same, dump
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder
from tests.processes import choose_context, start_kedro


def hold_database(path: str, seconds: float) -> None:
    """Keep a database open for writing, as another run does."""
    with duckdb.connect(path):
        time.sleep(seconds)


def start_other_run(path: Path, seconds: float) -> Any:
    other = choose_context().Process(target=hold_database, args=(str(path), seconds))
    other.start()
    while not path.exists():
        assert other.exitcode is None, "the other run could not start"
        time.sleep(0.01)
    return other


def test_database_that_another_run_has_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    other = start_other_run(path, 1.5)
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


def run_at_once(project: Project, envs: Sequence[str], params: Sequence[str]) -> None:
    """Start a run of ingestion for each environment at the same time; all must succeed."""
    runs = [
        start_kedro(
            *(project.folder, "run", "--env", env, "--pipelines", "ingestion", "--params", param)
        )
        for env, param in zip(envs, params, strict=True)
    ]
    for run in runs:
        status, output = run.finish()
        assert status == 0, output


@pytest.mark.parametrize("envs", [("base", "base"), ("stream", "stream"), ("base", "stream")])
def test_two_runs_at_once_of_one_window_from_a_remote_archive_both_end_right(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    envs: tuple[str, str],
) -> None:
    with serve_folder(buckets, Schedule(5, share=0.1, kinds=("503", "reset", "cut"))) as server:
        remote(server)
        run_at_once(project, envs, [WINDOW, WINDOW])
    assert_same(dump(project), reference)
    assert not list(project.folder.rglob("*.part"))
    files = [path.name for path in project.folder.rglob("*.nc")]
    assert len(files) == (0 if envs == ("stream", "stream") else COUNT)


def test_prune_during_a_run_waits_and_says_that_a_run_is_under_way(
    project: Project, buckets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning_kedro.store.retention.LOCK_TIMEOUT_SECONDS", 0.05)
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    refused: list[str] = []

    def prune_before(dataset: type[Any]) -> None:
        save = dataset.save

        def save_after_prune(self: Any, data: Any) -> None:
            refused.append(CliRunner().invoke(cli, ["prune", "--older-than-days", "0"]).output)
            save(self, data)

        monkeypatch.setattr(dataset, "save", save_after_prune)

    for dataset in (RawGranulesDataset, FlashSeriesDataset, GranuleTableDataset):
        prune_before(dataset)
    project.succeed("--pipelines", "ingestion", "--params", params)
    assert len(refused) == 7  # granules, series, and each of the five tables
    assert all("has been in use by another run" in text for text in refused)
    assert all("Error: Folder " in text for text in refused)
    pruned = CliRunner().invoke(cli, ["prune", "--older-than-days", "0"])
    assert "Dropped 4 files" in pruned.output


@pytest.mark.parametrize("window", ["ok", "bad"])
def test_run_lets_go_of_the_data_however_it_ends(
    project: Project, buckets: Path, window: str
) -> None:
    archive = f"archive={buckets}/noaa-goes17" if window == "ok" else "archive=/nowhere"
    project.run("--pipelines", "ingestion", "--params", f"{archive},{WINDOW}")
    with lock_folder(project.folder / "data" / "02_intermediate" / "glm", timeout=0.0):
        pass


def test_two_runs_at_once_both_end_right(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive"
    for number in range(2):
        hour = ArchiveHour("G17", HOUR + timedelta(hours=number))
        Simulation(archive, 60, Faults()).make(hour)
    windows = ("T09:00,window.end=2024-07-14T10:30", "T09:30,window.end=2024-07-14T11:00")
    start = f"archive={archive},satellite=G17,window.start=2024-07-14"
    run_at_once(project, ["sample", "sample"], [f"{start}{window}" for window in windows])
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
    assert sorted(os.listdir(project.database("sample").parent)) == [  # noqa: PTH208
        "lightning.duckdb",
        "lightning.snapshot.duckdb",
    ]
