"""The configuration, the command line and the documents: what they name must be there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from lightning_kedro.parameters import check_parameters
from lightning_kedro.schemas import TABLES
from tests.conftest import PROJECT, Project
from tests.test_parameters import NOW

BASE = PROJECT / "conf" / "base"
README = (PROJECT / "README.md").read_text()


def catalog() -> dict[str, dict[str, object]]:
    entries: dict[str, dict[str, object]] = {}
    for path in sorted(BASE.glob("catalog*.yml")):
        entries |= yaml.safe_load(path.read_text())
    return {name: entry for name, entry in entries.items() if not name.startswith("_")}


def kedro(project: Project, *options: str) -> str:
    command = [sys.executable, "-m", "kedro", *options]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_configured_defaults_are_the_models_own() -> None:
    """One place for each fact: the file says what there is, the model what is missing."""
    configured = yaml.safe_load((BASE / "parameters.yml").read_text())
    checked = check_parameters(configured, now=NOW)
    short = {name: configured[name] for name in ("satellite", "window")}
    assert checked == check_parameters(short, now=NOW)
    assert set(configured) == set(checked) - {"run_time", "selection"}
    assert set(configured["clustering"]) == set(checked["clustering"])


@pytest.mark.parametrize("name", sorted(catalog()))
def test_entry_has_a_layer(name: str) -> None:
    metadata = catalog()[name]["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["kedro-viz"]["layer"]


def test_every_dataset_of_the_pipelines_is_in_the_catalog() -> None:
    from lightning_kedro.pipeline_registry import register_pipelines

    used = {
        name
        for pipeline in register_pipelines().values()
        for name in pipeline.datasets()
        if not name.startswith("param")
    }
    assert used == set(catalog())


def test_nodes_bear_their_names() -> None:
    from lightning_kedro.pipeline_registry import register_pipelines

    pipelines = register_pipelines()
    names = {key: {node.name for node in pipeline.nodes} for key, pipeline in pipelines.items()}
    assert names["ingestion"] == {"extract", "transform", "load"}
    assert names["clustering"] == {
        *("preprocessor", "kmeans_candidates", "silhouette_evaluator"),
        *("elbow_evaluator", "kmeans_cluster"),
    }
    assert names["storms"] == {"storm_tracker", "storm_describer"}
    assert names["grids"] == {"granule_selector", "lightning_gridder"}
    assert names["climatology"] == {
        *("climatologist", "thunder_hour_map", "flash_density_map", "diurnal_cycle"),
        "climatology_publisher",
    }
    # Grids read groups and events, a climatology is of months: each is run for itself.
    by_themselves = {"__default__", "grids", "climatology", "overview"}
    parts = set().union(*(value for key, value in names.items() if key not in by_themselves))
    assert names["__default__"] == parts


def test_overview_is_the_whole_job_folded_by_pipeline() -> None:
    from lightning_kedro.pipeline_registry import register_pipelines

    pipelines = register_pipelines()
    overview, whole = pipelines["overview"], pipelines["__default__"]
    folds = {node.namespace for node in overview.nodes}
    assert folds == {"ingestion", "sky", "storms", "clustering", "reporting"}
    assert {node.name.partition(".")[2] for node in overview.nodes} == {
        node.name for node in whole.nodes
    }
    assert overview.datasets() == whole.datasets()


def test_catalog_is_described(project: Project) -> None:
    shown = kedro(project, "catalog", "describe-datasets", "--env", "sample")
    for name in ("glm_archive", "raw_granules", "flash_series", "clustered_flashes"):
        assert f"- {name}" in shown


def test_prune_drops_files_and_leaves_the_database(project: Project) -> None:
    params = "satellite=G18,window.start=2024-07-14T09:20,window.end=2024-07-14T09:30"
    options = ("--env", "sample", "--pipelines", "ingestion", "--params", params)
    project.succeed(*options)
    before = project.query("SELECT count(*) AS n FROM flashes", "sample")["n"].item()
    archive = project.folder / "data" / "sample" / "01_raw" / "glm"
    shutil.copytree(archive, project.folder / "archive")
    command = ("prune", "--env", "sample", "--older-than-days", "2")
    assert "Would drop 185 files" in kedro(project, *command, "--dry-run")
    assert "Dropped 185 files" in kedro(project, *command)
    files = (path for path in (project.folder / "data").rglob("*") if path.is_file())
    left = [path.name for path in files if "reports" not in path.parts]  # those stay for a day
    assert sorted(left) == ["lightning.duckdb", "lightning.snapshot.duckdb"]
    shutil.copytree(project.folder / "archive", archive, dirs_exist_ok=True)
    project.succeed(*options)
    assert project.query("SELECT count(*) AS n FROM flashes", "sample")["n"].item() == before
    assert not list((project.folder / "data").rglob("time_series.csv")), "nothing is read again"


def test_package_runs_as_a_module(project: Project) -> None:
    command = [sys.executable, "-m", "lightning_kedro", "run", "--help"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert "--params" in done.stdout


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_readme_has_the_two_commands() -> None:
    assert "pip install -e . -c constraints.txt && kedro run --env sample" in commands()
    assert (
        'pip install -e ".[test]" -c constraints.txt && pytest -n logical --dist worksteal'
        in commands()
    )


@pytest.mark.parametrize(
    "command", [line for line in commands() if line.startswith("kedro run --params")]
)
def test_parameters_in_the_readme_can_be_used(command: str) -> None:
    given: dict[str, object] = yaml.safe_load((BASE / "parameters.yml").read_text())
    for pair in (
        command.split("#", maxsplit=1)[0].removeprefix("kedro run --params ").strip().split(",")
    ):
        place, _, value = pair.partition("=")
        *branches, leaf = place.split(".")
        branch: dict[str, object] = given
        for name in branches:
            branch = branch[name]  # type: ignore[assignment]
        branch[leaf] = yaml.safe_load(value)
    check_parameters(given, now=NOW)


def test_readme_names_tables_and_columns_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| an? [^|]+\| ([^|]+) \|$", README, re.MULTILINE)
    assert len(rows) >= 8
    for table, columns in rows:
        named = set(columns.replace("...", "").replace(",", " ").split())
        assert named <= set(TABLES[table].columns), table


def test_files_that_the_readme_links_to_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_constraints_pin_what_is_needed_without_an_address() -> None:
    text = (PROJECT / "constraints.txt").read_text()
    assert "://" not in text
    pins = {line.partition("==")[0].lower() for line in text.splitlines() if "==" in line}
    project = (PROJECT / "pyproject.toml").read_text()
    needed = re.findall(r'^    "([A-Za-z0-9_.-]+)(?:\[[^"]*\])?>=', project, re.MULTILINE)
    assert {name.lower() for name in needed} <= pins


def test_telemetry_is_off() -> None:
    assert Path(PROJECT / ".telemetry").read_text().strip() == "consent: false"


def test_every_entry_describes_itself_in_json(project: Project) -> None:
    """Plugins such as kedro-dagster make a model of what each says."""
    for env in ("base", "sample", "stream"):
        catalog = make_context(project, env).catalog
        for name in catalog:
            entry = catalog.get(name)
            if entry is not None and type(entry).__module__.startswith("lightning_kedro."):
                described = entry._describe()
                assert json.loads(json.dumps(described, allow_nan=False)) == described, name


def test_hook_takes_parameters_that_it_has_checked_as_they_are(project: Project) -> None:
    context = make_context(project, "base")
    checked = context.config_loader["parameters"]
    facts = dict(context.config_loader.runtime_params)
    context._hook_manager.hook.after_context_created(context=context)
    assert context.config_loader["parameters"] is checked
    assert context.config_loader.runtime_params == facts, "it is the same session still"


def make_context(project: Project, env: str) -> Any:
    bootstrap_project(project.folder)
    with KedroSession.create(project.folder, env=env) as session:
        return session.load_context()
