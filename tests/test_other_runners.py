"""Ingestion with Kedro's other runners: the tables are those of an undisturbed sequential run."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import WINDOW, Project, assert_same, dump
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder
from tests.processes import start_kedro

OPTIONS = [
    ("--async",),
    ("--runner", "ThreadRunner"),
    ("--runner", "ParallelRunner"),
    ("--runner", "ParallelRunner", "--async"),
]


def start(project: Project, *options: str) -> tuple[int, str]:
    """Run ingestion in a process of its own."""
    command = ("run", "--pipelines", "ingestion", *options, "--params", WINDOW)
    return start_kedro(project.folder, *command).finish()


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_other_runner_gives_the_same_tables(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    options: tuple[str, ...],
) -> None:
    with serve_folder(buckets) as server:
        remote(server)
        status, log = start(project, *options)
        assert status == 0, log
    assert_same(dump(project), reference)
    assert "40 of 180 granules" in log


@pytest.mark.parametrize("options", OPTIONS[1:3], ids=" ".join)
def test_other_runner_says_what_failed(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    options: tuple[str, ...],
) -> None:
    doomed = min(path.name for path in buckets.rglob("*.nc"))
    with serve_folder(buckets, Schedule(doomed=frozenset({doomed}))) as server:
        remote(server)
        status, log = start(project, *options)
    assert status == 1, log
    error = log[log.rindex("Error: The run is incomplete, everything else is loaded") :]
    assert doomed in error
    assert len(dump(project)["granules"]) == 39
