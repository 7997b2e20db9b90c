"""The pipeline ``reporting`` as a person runs it, on simulated granules."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import Project
from tests.made_once import made_once

from lightning_kedro.results import STORM_TABLES
from lightning_kedro.store.database import connect

MINUTES = "satellite=G18,window.start=2024-07-14T22:00,window.end=2024-07-14T22:20"
QUIET = "satellite=G18,window.start=2024-07-15T10:00,window.end=2024-07-15T11:00"
FILES = {
    "cluster_animation.gif",
    "cluster_map.png",
    "density_map.png",
    "density_panels.png",
    "flash_extent_animation.gif",
    "flash_extent_density.png",
    "flash_extent_panels.png",
    "flash_rate.png",
    "k_evaluation.json",
    "k_evaluation.png",
    "report.html",
    "storm_map.png",
    "storm_series.png",
}


_made: dict[Path, Project] = {}


@contextmanager
def reported_project(factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which the whole job has run, once for all tests, and where more runs start."""
    folder = factory.getbasetemp() / "reported"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KEDRO_ENV", raising=False)
        if folder not in _made:
            data = made_once(factory, "reported", partial(_run_whole_job, patch)) / "data"
            _made[folder] = Project(folder)
            shutil.copytree(data, folder / "data")
        patch.chdir(folder)
        yield _made[folder]


def _run_whole_job(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.chdir(folder)
    Project(folder).succeed("--env", "sample", "--params", MINUTES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with reported_project(tmp_path_factory) as made:
        yield made


def reports(project: Project) -> Path:
    return project.folder / "data" / "sample" / "08_reporting"


def read_texts(path: Path) -> dict[str, str]:
    """The texts that a PNG file holds."""
    with Image.open(path) as image:
        return {str(name): str(value) for name, value in image.info.items()}


def test_whole_job_ends_in_pictures_and_a_report(project: Project) -> None:
    names = {path.name for path in reports(project).iterdir() if path.name[0] != "."}
    folder = "G18_20240714T2200_20240714T2220"
    assert names == {*FILES, "index.html", folder}
    own = {path.name: path.read_bytes() for path in (reports(project) / folder).iterdir()}
    assert set(own) == {*FILES, "result.json", "thumbnail.png"}
    for name in FILES:
        assert (reports(project) / name).read_bytes() == own[name]
    title = read_texts(reports(project) / "cluster_map.png")["Title"]
    assert "GOES-18 (West)" in title
    assert "simulated" in title
    page = (reports(project) / "report.html").read_text(encoding="utf-8")
    flashes = project.query("SELECT count(*) AS n FROM clustered_flashes", "sample")["n"].item()
    assert f"{flashes:,} GLM flashes" in page
    assert "archive hour has 180 of 180 expected granules" in page


def test_reporting_again_changes_no_byte_and_uses_no_network(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        message = "pictures must not use the network"
        raise AssertionError(message)

    before = {path.name: path.read_bytes() for path in reports(project).glob("*.[pg]*")}
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    again = f"{MINUTES},unchanged=remake"
    project.succeed("--env", "sample", "--pipelines", "reporting", "--params", again)
    after = {path.name: path.read_bytes() for path in reports(project).glob("*.[pg]*")}
    assert len(before) == 11
    assert before == after


def test_whole_job_shows_the_storms_of_the_window(project: Project) -> None:
    page = (reports(project) / "report.html").read_text(encoding="utf-8")
    n = project.query("SELECT n_storms FROM storm_selection", "sample")["n_storms"].item()
    assert n > 10
    assert f"{n:,} storms with " in page
    title = read_texts(reports(project) / "storm_map.png")["Title"]
    assert title.startswith(f"{n:,} thunderstorms seen by GOES-18 (West)")


def test_database_without_storms_is_still_reported(project: Project) -> None:
    """One of an earlier version, or a run of `--pipelines ingestion,clustering` alone."""
    before = {path: path.read_bytes() for path in reports(project).iterdir() if path.is_file()}
    path = project.folder / "data" / "sample" / "03_primary" / "lightning.duckdb"
    kept = path.read_bytes()
    with connect(path, read_only=False) as connection:
        for table in STORM_TABLES:
            connection.execute(f"DROP TABLE {table}")
    project.succeed("--env", "sample", "--pipelines", "reporting", "--params", MINUTES)
    info = read_texts(reports(project) / "storm_map.png")
    assert "No storms have been looked for in this window. Run `kedro run" in info["Description"]
    page = (reports(project) / "report.html").read_text(encoding="utf-8")
    assert "No storms have been looked for" in page
    path.write_bytes(kept)
    for file, content in before.items():  # other tests look at these
        file.write_bytes(content)


def test_window_without_a_result_leaves_the_last_report_alone(project: Project) -> None:
    before = {path: path.read_bytes() for path in reports(project).rglob("*") if path.is_file()}
    message = project.fail("--env", "sample", "--pipelines", "reporting", "--params", QUIET)
    window = "the window 2024-07-15T10:00:00 to 2024-07-15T11:00:00 of G18"
    assert message.startswith(f"There is no result of {window} yet: run")
    assert message.endswith("The last report is left as it is.")
    after = {path: path.read_bytes() for path in reports(project).rglob("*") if path.is_file()}
    assert before == after


def test_quiet_region_gives_pictures_that_say_so(project: Project) -> None:
    before = {path: path.read_bytes() for path in reports(project).iterdir() if path.is_file()}
    nowhere = "west=-100,south=-50,east=-99,north=-49.5"
    sides = ",".join(f"preprocessing.region.{side}" for side in nowhere.split(","))
    options = ("--env", "sample", "--pipelines", "clustering,reporting")
    run = project.succeed(*options, "--params", f"{MINUTES},{sides}")
    folder = reports(project) / "G18_20240714T2200_20240714T2220_region-100_-50_-99_-49.5"
    assert "Report of 0 flashes in the window: " in run.output
    assert f"{folder.name}/report.html" in run.last_line
    for name in ("cluster_map", "storm_map", "density_map", "flash_rate", "k_evaluation"):
        info = read_texts(folder / f"{name}.png")
        assert "No " in info["Description"], name
        assert "simulated" in info["Title"], name
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "No clustered flashes" in page
    assert "No k was evaluated: there are no flashes in this window." in page
    index = (reports(project) / "index.html").read_text(encoding="utf-8")
    assert "2 results" in index
    for path, content in before.items():  # other tests look at these
        path.write_bytes(content)


def test_nodes_and_entries_of_reporting_have_their_names() -> None:
    from lightning_kedro.pipelines import reporting

    pipeline = reporting.create_pipeline()
    assert {node.name for node in pipeline.nodes} == {
        "cluster_animation",
        "cluster_map",
        "density_map",
        "density_panels",
        "flash_extent_animation",
        "flash_extent_density",
        "flash_extent_panels",
        "flash_rate",
        "k_evaluation",
        "report",
        "select_grids",
        "select_result",
        "storm_map",
        "storm_series",
    }
    assert all(node.func.__doc__ for node in pipeline.nodes)
