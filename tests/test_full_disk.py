"""Ingestion on disks that are full or read-only, on real file systems of a few megabytes."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import COUNT, WINDOW, Project, assert_same, dump
from tests.loopback_s3 import LoopbackS3, serve_folder

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
SMALL_DISK = Path(__file__).with_name("small_disk.py")


@dataclass(frozen=True)
class TwoRuns:
    """How a run on a bad disk ended, and the next one on a good disk."""

    first_status: int
    first_log: str
    left: str
    second_status: int
    second_log: str


@pytest.fixture
def run_twice(project: Project) -> Callable[..., TwoRuns]:
    """Run ingestion on a disk of its own, with a mount that ends with its process."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], check=False).returncode
    ):
        pytest.skip(
            "mounting a small file system needs user namespaces, which are not allowed here"
        )

    def run(folder: str, options: str, *, env: str, params: str) -> TwoRuns:
        arguments = ("run", "--env", env, "--pipelines", "ingestion", "--params", params)
        command = [sys.executable, str(SMALL_DISK), folder, options, *arguments]
        subprocess.run([*UNSHARE, *command], cwd=project.folder, check=True)
        shutil.rmtree(project.folder / "data")
        (project.folder / "out").rename(project.folder / "data")
        read = {name: (project.folder / name).read_text() for name in NAMES}
        return TwoRuns(
            int(read["first.status"]),
            read["first.log"],
            read["left.log"],
            int(read["second.status"]),
            read["second.log"],
        )

    return run


NAMES = ("first.status", "first.log", "left.log", "second.status", "second.log")


def error_of(log: str) -> str:
    """The message that ends a run, which the terminal may have wrapped."""
    assert "Traceback" not in log, log
    _, _, error = log.rpartition("Error: ")
    return " ".join(error.split())


@pytest.mark.parametrize(
    ("layer", "size", "file"),
    [("01_raw", "4m", "nc"), ("02_intermediate", "100k", "csv|arrow")],
    ids=["extract", "transform"],
)
def test_full_disk_is_said_and_the_next_run_is_right(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    run_twice: Callable[..., TwoRuns],
    layer: str,
    size: str,
    file: str,
) -> None:
    with serve_folder(buckets) as server:
        remote(server)
        runs = run_twice(f"data/{layer}", f"size={size}", env="base", params=WINDOW)
    assert runs.first_status == 1, runs.first_log
    error = error_of(runs.first_log)
    assert error.startswith(f"Cannot write {project.folder}/data/{layer}/"), error
    assert re.search(rf"\.({file})\. The disk is full: make room", error), error
    assert runs.left == ""
    assert runs.second_status == 0, runs.second_log
    assert_same(dump(project), reference)


@pytest.mark.parametrize("size", ["8k", "60k"])
def test_disk_that_is_full_while_loading_leaves_a_database_that_the_next_run_completes(
    project: Project,
    buckets: Path,
    reference: dict[str, pd.DataFrame],
    run_twice: Callable[..., TwoRuns],
    size: str,
) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    runs = run_twice("data/03_primary", f"size={size}", env="base", params=params)
    assert runs.first_status == 1, runs.first_log
    assert runs.second_status == 0, runs.second_log
    assert_same(dump(project), reference)


def test_full_disk_under_the_sample_archive_is_said_and_the_next_run_is_right(
    project: Project, run_twice: Callable[..., TwoRuns]
) -> None:
    window = "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T10:00"
    runs = run_twice("data/sample", "size=10m", env="sample", params=window)
    assert runs.first_status == 1, runs.first_log
    assert "The disk is full: make room" in error_of(runs.first_log)
    assert runs.left == ""
    assert runs.second_status == 0, runs.second_log
    coverage = project.query("SELECT expected, found FROM coverage", "sample")
    assert coverage["found"].to_list() == coverage["expected"].to_list() == [180]


def test_read_only_disk_is_said_and_the_next_run_is_right(
    project: Project,
    buckets: Path,
    reference: dict[str, pd.DataFrame],
    run_twice: Callable[..., TwoRuns],
) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    runs = run_twice("data", "ro", env="base", params=params)
    assert runs.first_status == 1, runs.first_log
    error = error_of(runs.first_log)
    assert error.startswith(f"Cannot write {project.folder}/data/"), error
    assert "The file system is read-only: set `data` in conf/local/globals.yml" in error
    assert runs.second_status == 0, runs.second_log
    assert_same(dump(project), reference)
    assert len(project.query("SELECT * FROM granules")) == COUNT
