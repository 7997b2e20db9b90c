"""What a lap does, on an archive to which granules are added between laps."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from tests.conftest import Project
from tests.dashboard.stored_results import save_result
from tests.ingesting import HOUR, make_granules, put

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.datasets.report import ReportDataset
from lightning_kedro.exceptions import ArchiveError, ParameterError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.publication import Publication
from lightning_kedro.results import RESULT_TABLES, STORM_TABLES
from lightning_kedro.selection import ResultKey
from lightning_kedro.store.reports import publish, withdraw
from lightning_kedro.watching.health import INCOMPLETE, NEW, UNCHANGED
from lightning_kedro.watching.job import WindowJob
from lightning_kedro.watching.loop import StopRequestedError
from lightning_kedro.watching.results import drop_former, span

Made = list[tuple[GranuleName, bytes]]


@pytest.fixture(scope="module")
def made() -> Made:
    return make_granules(HOUR, range(9)) + make_granules(HOUR - timedelta(hours=1), (90, 178))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("kedro").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("kedro").setLevel(logging.INFO)


@pytest.fixture
def job(project: Project, tmp_path: Path) -> WindowJob:
    bootstrap_project(project.folder)
    clustering = {"k_max": 2, "max_cells": 50}
    params = {"satellite": "G17", "archive": str(tmp_path / "archive"), "clustering": clustering}
    return WindowJob(None, params, "10m", pipelines=("ingestion", "clustering"), keep=2)


def at(minutes: float) -> datetime:
    return HOUR + timedelta(minutes=minutes)


def add(job: WindowJob, made: Made, *numbers: int) -> None:
    for number in numbers:
        put(Path(job.params["archive"]), *made[number])


def test_laps_follow_the_archive_and_rest_when_nothing_is_new(
    job: WindowJob, made: Made, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(job, made, 0, 1, 2)
    first = job.run(at(2))
    assert (first.outcome, first.n_granules) == (NEW, 3)
    assert first.newest == at(1)
    ran = count_runs(monkeypatch)
    rest = job.run(at(2.5))
    assert (rest.outcome, rest.n_granules, rest.n_flashes) == (UNCHANGED, 0, first.n_flashes)
    assert ran == [["ingestion"]]
    add(job, made, 3, 9)  # the next one, and a late one of the hour before
    late = job.run(at(2.8))
    assert (late.outcome, late.n_granules) == (NEW, 2)
    assert late.n_flashes is not None
    assert first.n_flashes is not None
    assert late.n_flashes > first.n_flashes, "09:01:00 to 09:01:20 is in the window"
    assert project.query("SELECT label, window_end FROM k_selection").to_dict("records") == [
        {"label": "watch", "window_end": at(2).replace(tzinfo=None)}
    ]
    assert project.database().with_name("lightning.snapshot.duckdb").exists()


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    ran: list[list[str]] = []
    run = WindowJob._run

    def note(self: WindowJob, names: list[str], *given: datetime) -> Any:
        ran.append([*names])
        return run(self, names, *given)

    monkeypatch.setattr(WindowJob, "_run", note)
    return ran


def test_results_of_windows_left_behind_are_dropped_with_their_reports(tmp_path: Path) -> None:
    path, root = tmp_path / "lightning.duckdb", tmp_path / "reports"
    stored = [
        *(save_result(path, n=40, hours=1, label=label) for label in ("watch", "default")),
        save_result(path, n=40, hours=2, label="watch"),
        save_result(path, n=40, hours=1, label="watch", satellite="G19"),
    ]
    entries: dict[str, Any] = {
        name: DuckDBTableDataset(path=str(path), table=name, lazy=True)
        for name in ("k_selection", "storm_selection", "sky_selection")
    }
    entries["report"] = ReportDataset(path=str(root / "report.html"))
    catalog = DataCatalog(entries)
    for result in stored:
        name = result.selection.name
        publish(root, Publication(name, {"report.html": name.encode()}, {}, {"title": name}))
    key = stored[0].selection.key
    minute = timedelta(minutes=1)
    last = span(stored[0].selection, key.window_start + minute, key.window_end + minute)
    assert drop_former(catalog, last, 0) == 0, "all are kept"
    assert drop_former(catalog, last, 2) == 0
    assert drop_former(catalog, span(stored[1].selection, *last.key[1:3]), 1) == 0, "not ours"
    assert drop_former(catalog, last, 1) == 1
    with duckdb.connect(str(path), read_only=True) as connection:
        for table in (*RESULT_TABLES, *STORM_TABLES):
            keys = f"SELECT DISTINCT {', '.join(key._fields)} FROM {table}"
            found = {ResultKey(*row) for row in connection.execute(keys).fetchall()}
            assert key not in found, table
            assert found <= {one.selection.key for one in stored[1:]}
            assert len(found) == 3 or table == "lightning_jumps"
    left = {one.selection.name for one in stored[1:]}
    assert {one.name for one in root.iterdir() if one.is_dir()} == left
    index = (root / "index.html").read_text()
    assert f"{stored[0].selection.name}/" not in index
    assert all(name in index for name in left)
    assert (root / "report.html").read_text() == stored[-1].selection.name
    withdraw(tmp_path / "none", ["x"])
    withdraw(root, ["x", *left])
    assert [one.name for one in root.iterdir() if one.is_dir()] == []


def test_result_that_somebody_else_has_removed_is_made_again(
    job: WindowJob, made: Made, project: Project
) -> None:
    add(job, made, 0, 1, 2)
    WindowJob(None, job.params, "10m", pipelines=("ingestion",)).run(at(2))
    job.pipelines = ("clustering",)  # another process ingests
    job.run(at(2))
    with duckdb.connect(str(project.database())) as connection:
        connection.execute("DELETE FROM k_selection")
    assert job.run(at(2.2)).outcome == NEW
    resumed = WindowJob(None, job.params, "10m", pipelines=job.pipelines, state=job.state)
    assert resumed.run(at(2.8)).outcome == UNCHANGED, "a process that begins anew knows"


def test_storms_are_made_again_when_a_flash_before_the_window_comes_late(
    job: WindowJob, made: Made
) -> None:
    job.pipelines = ("ingestion", "storms")
    add(job, made, 3, 4, 5)
    job.params = {**job.params, "window": {"start": at(1).isoformat(), "end": at(5).isoformat()}}
    assert job.run(at(6)).outcome == NEW
    assert job.run(at(7)).outcome == UNCHANGED
    add(job, made, 0)
    assert job.run(at(8)).outcome == NEW
    assert job.run(at(9)).outcome == UNCHANGED


def test_what_failed_laps_have_missed_is_ingested_by_the_next(job: WindowJob, made: Made) -> None:
    job.pipelines, job.late = ("ingestion",), timedelta(0)
    add(job, made, 0)
    job.run(at(2))
    assert job._find_first(at(50), at(60)) == at(2)
    assert job._find_first(at(5000), at(5010)) == at(5010 - 1440)
    job.late = timedelta(hours=1)
    assert job._find_first(at(50), at(60)) == at(-58)
    add(job, made, 3)
    assert job.run(at(70)).n_granules == 1


def test_lap_of_an_archive_with_nothing_fails_and_the_next_one_goes_on(
    job: WindowJob, made: Made
) -> None:
    with pytest.raises(ArchiveError, match="does not exist"):
        job.run(at(2))
    add(job, made, 0)
    assert job.run(at(3)).outcome == NEW


def test_incomplete_lap_publishes_what_there_is(job: WindowJob, made: Made) -> None:
    job.pipelines = ("ingestion",)
    add(job, made, 0, 1)
    job.params = {**job.params, "ingestion": {"gaps": "error"}}
    lap = job.run(at(30))
    assert lap.outcome == INCOMPLETE
    assert lap.error.startswith("The run is incomplete")
    assert lap.n_granules == 2


def test_run_is_left_between_two_nodes_when_told_to_stop(job: WindowJob, made: Made) -> None:
    add(job, made, 0)
    asked = iter([False, False, True])
    job.is_stopped = lambda: next(asked)
    with pytest.raises(StopRequestedError):
        job.run(at(2))
    job.is_stopped = lambda: False
    assert job.run(at(2)).n_granules == 1, "what a node had not done yet is done"


def test_parameters_are_checked_before_the_first_lap(job: WindowJob) -> None:
    job.check(at(2))
    job.params = {**job.params, "clustering": {"k_max": "many"}}
    with pytest.raises(ParameterError, match=r"clustering\.k_max"):
        job.check(at(2))
    job.params = {"window": {"start": "soon"}}
    with pytest.raises(ParameterError, match=r"window\.start: 'soon' is not a time"):
        job.find_window(at(2))


def test_window_ends_with_the_minute_unless_the_parameters_have_another(job: WindowJob) -> None:
    assert job.find_window(at(2.9)) == (at(-8), at(2))
    job.params = {"window": {"start": "now-30m"}}
    assert job.find_window(at(2.9)) == (at(-28), at(2))
    fixed = {"start": "2024-07-14T22:00", "end": "2024-07-14T23:00"}
    job.params = {"window": fixed}
    assert job.find_window(at(2))[0] == datetime(2024, 7, 14, 22, tzinfo=UTC)
