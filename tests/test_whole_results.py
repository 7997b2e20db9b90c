"""Results and reports change as a whole: runs that are killed, and runs at the same time."""

import os
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog

from lightning_kedro.results import RESULT_TABLES
from tests.conftest import Project, lay_out, needs_real_granules, real_granule_paths
from tests.processes import Started, start_kedro
from tests.stand_ins import stand_in, stand_in_for

JULY = "satellite=G16,window.start=2018-07-02T04:33,window.end=2018-07-02T04:34"
SEPTEMBER = "satellite=G17,window.start=2019-09-26T23:59:30,window.end=2019-09-27T00:01"
BOX = ",".join(
    f"preprocessing.region.{side}={value}"
    for side, value in (("west", -100), ("south", 20), ("east", -80), ("north", 45))
)
BOTH = "clustering,reporting"
PUBLISHED = ("report.html", "cluster_map.png", "k_evaluation.png", "index.html")


def die_before(entry: str) -> None:
    """Kill this process before it saves an entry of the catalog; pictures have stand-ins."""
    stand_in()
    save = DataCatalog.save

    def save_or_die(self: DataCatalog, name: str, data: Any, *more: Any) -> None:
        if name == entry:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, name, data, *more)

    DataCatalog.save = save_or_die


def start(project: Project, *options: str, kill_before: str = "") -> Started:
    """Start a run in a process of its own, killed before an entry is saved."""
    return start_kedro(project.folder, "run", *options, prepare=partial(die_before, kill_before))


def read_all(project: Project) -> dict[str, pd.DataFrame]:
    tables = {
        table: project.query(f"SELECT * FROM {table} ORDER BY ALL") for table in RESULT_TABLES
    }
    del tables["k_selection"]["run_time"]
    return tables


def assert_equal(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    assert left.keys() == right.keys()
    for table, rows in left.items():
        pd.testing.assert_frame_equal(rows, right[table], obj=table)


def read_reports(project: Project) -> dict[str, bytes]:
    folder = project.folder / "data" / "08_reporting"
    return {
        f"{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def windows_of_real_granules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data of a project that has ingested two windows, and the archive that they are from."""
    archive = lay_out(tmp_path_factory.mktemp("real") / "archive", real_granule_paths())
    folder = tmp_path_factory.mktemp("ingested")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project = Project(folder)
        for window in (JULY, SEPTEMBER):
            params = f"archive={archive},{window}"
            project.succeed("--pipelines", "ingestion", "--params", params)
    return folder / "data", f"archive={archive}"


@pytest.fixture
def ingested(
    project: Project,
    windows_of_real_granules: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Project, str]:
    stand_in_for(monkeypatch)
    data, archive = windows_of_real_granules
    shutil.copytree(data, project.folder / "data")
    return project, archive


@needs_real_granules
@pytest.mark.parametrize("table", ["clustered_flashes", "k_selection"])
def test_run_killed_between_saves_leaves_the_former_result_whole(
    ingested: tuple[Project, str], table: str
) -> None:
    project, archive = ingested
    params = f"{archive},{JULY},clustering.k_max=5"
    project.succeed("--pipelines", "clustering", "--params", f"{params},clustering.k=3")
    before = read_all(project)
    options = ("--pipelines", "clustering", "--params", f"{params},clustering.k=4")
    code, output = start(project, *options, kill_before=table).finish()
    assert code == -signal.SIGKILL, output
    assert_equal(read_all(project), before)
    project.succeed(*options)
    assert read_all(project)["k_selection"]["k"].to_list() == [4]


@needs_real_granules
@pytest.mark.parametrize("entry", ["flash_rate", "report"])
def test_run_killed_between_saves_leaves_the_former_report_whole(
    ingested: tuple[Project, str], entry: str
) -> None:
    project, archive = ingested
    params = f"{archive},{JULY},clustering.k_max=5"
    pipelines = ("--pipelines", "clustering,reporting", "--params")
    project.succeed(*pipelines, f"{params},clustering.k=3")
    before = read_reports(project)
    run = start(project, *pipelines, f"{params},clustering.k=4", kill_before=entry)
    code, output = run.finish()
    assert code == -signal.SIGKILL, output
    assert read_reports(project) == before
    project.succeed(*pipelines, f"{params},clustering.k=4")
    assert b"k = 4" in read_reports(project)["report.html"]


@needs_real_granules
def test_report_of_a_former_result_is_not_published_by_a_run_of_its_node(
    ingested: tuple[Project, str],
) -> None:
    project, archive = ingested
    params = f"{archive},{JULY},clustering.k_max=5"
    project.succeed("--pipelines", "clustering,reporting", "--params", f"{params},clustering.k=3")
    project.succeed("--nodes", "report", "--params", f"{params},clustering.k=3")
    project.succeed("--pipelines", "clustering", "--params", f"{params},clustering.k=4")
    error = project.fail("--nodes", "report", "--params", f"{params},clustering.k=4")
    assert "is not the result that is stored now: run `kedro run --pipelines reporting`" in error


def run_in_turn(project: Project, runs: Sequence[Sequence[str]]) -> dict[str, Any]:
    for options in runs:
        project.succeed(*options)
    return {"tables": read_all(project), "reports": sorted(read_reports(project))}


@needs_real_granules
@pytest.mark.parametrize(
    ("pipelines", "other"),
    [
        pytest.param(BOTH, f"{SEPTEMBER},clustering.k_max=5", id="another window"),
        pytest.param("clustering", f"{JULY},clustering.k_max=5,{BOX}", id="another region"),
        pytest.param(
            "clustering", f"{JULY},clustering.k_max=6,clustering.label=six", id="other options"
        ),
        pytest.param(BOTH, f"{JULY},clustering.k_max=5", id="the same"),
    ],
)
def test_runs_at_once_end_as_one_after_the_other(
    ingested: tuple[Project, str], pipelines: str, other: str
) -> None:
    project, archive = ingested
    runs = [
        ("--pipelines", pipelines, "--params", f"{archive},{params}")
        for params in (f"{JULY},clustering.k_max=5", other)
    ]
    wanted = run_in_turn(project, runs)
    for path in (project.folder / "data" / "08_reporting").rglob("report.html"):
        path.unlink()
    ends = [run.finish() for run in [start(project, *options) for options in runs]]
    assert [code for code, _ in ends] == [0, 0], [output for _, output in ends]
    assert_equal(read_all(project), wanted["tables"])
    if pipelines == BOTH:
        assert_one_report(project, wanted["reports"])


def assert_one_report(project: Project, names: list[str]) -> None:
    """The files of those names are there, those at the fixed names all of one report."""
    reports = read_reports(project)
    assert sorted(reports) == names
    latest = {name: content for name, content in reports.items() if "/" not in name}
    folders = {name.partition("/")[0] for name in reports if "/" in name}
    mine = [
        folder
        for folder in folders
        if all(reports[f"{folder}/{name}"] == latest[name] for name in PUBLISHED[:-1])
    ]
    assert len(mine) == 1, "the files at the fixed names are all of one report"


@needs_real_granules
def test_runs_at_once_of_one_key_with_other_options_end_with_one_of_them(
    ingested: tuple[Project, str],
) -> None:
    project, archive = ingested
    runs = [
        (
            *("--pipelines", "clustering", "--params"),
            f"{archive},{JULY},clustering.k_max={k_max},clustering.k={k_max}",
        )
        for k_max in (4, 6)
    ]
    alone = []
    for options in runs:
        project.succeed(*options)
        alone.append(read_all(project))
    ends = [run.finish() for run in [start(project, *options) for options in runs]]
    assert [code for code, _ in ends] == [0, 0], [output for _, output in ends]
    stored = read_all(project)
    k = stored["k_selection"]["k"].item()
    assert_equal(stored, alone[0 if k == 4 else 1])
