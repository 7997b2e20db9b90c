"""The package in any folder: whose configuration holds there, and what the folder may be called."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.project import configure_project

from lightning_kedro.__main__ import main
from lightning_kedro.cli import cli
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.packaged import choose_logging, find_conf
from lightning_kedro.project import (
    FolderConfigLoader,
    FolderSession,
    find_folder,
    list_idle_plugins,
)
from lightning_kedro.settings import CONFIG_LOADER_ARGS
from tests.conftest import PROJECT, Project

ODD = "dätä it's {y} {number} #1 100% [z] 日本 $c %s ~ & ; = , ( ) ! ^ @ + `b`"
"""A name that is no pattern, address, template or option, whatever it looks like."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, from which commands are given."""
    made = tmp_path / "empty"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    return made


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def load(folder: Path, env: str | None = None) -> FolderConfigLoader:
    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    return FolderConfigLoader(folder / "conf", env, **arguments)


def test_empty_folder_has_the_configuration_of_the_package(folder: Path) -> None:
    ours = yaml.safe_load((find_conf() / "base" / "parameters.yml").read_text())
    assert load(folder)["parameters"] == ours
    assert load(folder)["globals"]["data"] == "data"
    assert load(folder, "sample")["globals"] == {
        "data": "data/sample",
        "archive": "s3://noaa-goes{number}",
        "simulated": True,
        "published": None,
        "ranges": False,
        "snapshot_max_mb": 256,
    }


def test_values_of_the_folder_are_laid_over_the_packages(folder: Path) -> None:
    write(folder / "conf" / "local" / "parameters.yml", {"clustering": {"k_max": 9}})
    write(folder / "conf" / "sample" / "globals.yml", {"data": "elsewhere"})
    parameters = load(folder)["parameters"]
    assert (parameters["clustering"]["k_max"], parameters["clustering"]["k_min"]) == (9, 2)
    assert load(folder, "sample")["parameters"]["clustering"]["k_max"] == 23
    assert load(folder, "sample")["globals"]["simulated"] is True
    raw = load(folder, "sample")["catalog"]["raw_granules"]
    assert raw["path"] == "elsewhere/01_raw/glm"
    write(folder / "conf" / "mine" / "parameters.yml", {"satellite": "G16"})
    assert load(folder, "mine")["parameters"]["satellite"] == "G16"


def test_folder_with_a_base_goes_by_its_own_alone(folder: Path) -> None:
    write(folder / "conf" / "base" / "parameters.yml", {"satellite": "G17"})
    assert load(folder)["parameters"] == {"satellite": "G17"}
    with pytest.raises(ParameterError, match="There is no environment sample"):
        load(folder, "sample")


def test_unknown_environment_is_answered_with_those_that_there_are(folder: Path) -> None:
    write(folder / "conf" / "mine" / "parameters.yml", {})
    with pytest.raises(ParameterError) as raised:
        load(folder, "smaple")
    assert str(raised.value) == (
        f"There is no environment smaple ({folder}/conf/smaple is no folder): the environments "
        f"are base, dask, home, local, mine, sample, stream."
    )


@pytest.mark.parametrize("above", ["", ".hidden", ODD])
def test_folder_is_read_whatever_it_is_called(tmp_path: Path, above: str) -> None:
    folder = tmp_path / above / "project"
    write(folder / "conf" / "local" / "parameters" / "some.yml", {"satellite": "G19"})
    write(folder / "conf" / "local" / ".hidden" / "parameters.yml", {"satellite": "G99"})
    assert load(folder)["parameters"]["satellite"] == "G19"
    write(folder / "conf" / "base" / "parameters.yml", {"archive": None})
    assert load(folder)["parameters"] == {"satellite": "G19", "archive": None}


def test_data_of_another_kedro_project_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "theirs" / "below"
    below.mkdir(parents=True)
    described = '[tool.kedro]\npackage_name = "{}"\nproject_name = "x"\n'
    (tmp_path / "theirs" / "pyproject.toml").write_text(described.format("theirs"))
    assert find_folder(below) == below
    (tmp_path / "theirs" / "pyproject.toml").write_text(described.format("lightning_kedro"))
    assert find_folder(below) == tmp_path / "theirs"
    assert find_folder(tmp_path) == tmp_path
    configure_project("lightning_kedro")
    monkeypatch.chdir(below)
    with FolderSession.create(env="sample") as session:
        raw = session.load_context().catalog.get("raw_granules")
    assert str(tmp_path / "theirs" / "data") in str(raw)


def test_nothing_is_sent_and_nothing_warns_outside_of_a_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.exists()
    assert list_idle_plugins() == ("kedro-telemetry", "kedro-viz")
    monkeypatch.chdir(PROJECT)
    assert list_idle_plugins() == ("kedro-telemetry",)


def test_log_is_the_packages_where_the_folder_has_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_LOGGING_CONFIG", "")
    monkeypatch.delenv("KEDRO_LOGGING_CONFIG")
    write(folder / "conf" / "logging.yml", {"version": 1})
    choose_logging()
    assert "KEDRO_LOGGING_CONFIG" not in os.environ
    (folder / "conf" / "logging.yml").unlink()
    choose_logging()
    assert Path(os.environ["KEDRO_LOGGING_CONFIG"]) == find_conf() / "logging.yml"


def test_init_makes_a_project_to_edit_and_to_look_at(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\n")
    assert "Made conf, .telemetry in" in CliRunner().invoke(cli, ["init"]).output
    assert (folder / "pyproject.toml").read_text() == "[project]\n"
    made = CliRunner().invoke(cli, ["init", "new folder"])
    assert made.output == f"Made conf, pyproject.toml, .telemetry in {folder}/new folder.\n"
    new = folder / "new folder"
    for path in (PROJECT / "conf").rglob("*.yml"):
        if "local" not in path.parts:
            assert (new / path.relative_to(PROJECT)).read_bytes() == path.read_bytes()
    assert [*(new / "conf" / "local").iterdir()] == []
    assert find_folder(new) == new
    again = CliRunner().invoke(cli, ["init", "new folder"])
    assert again.exit_code == 1
    assert again.output.startswith(f"Error: Folder {new} has a conf/base already: move it away")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, buckets: Path) -> Path:
    """A few granules below an odd name."""
    # {number} stands for the satellite's, in an archive's address.
    root = tmp_path_factory.mktemp("archive") / ODD.replace("{number}", "")
    hour = next((buckets / "noaa-goes17").rglob("*.nc")).parent
    folder = root / hour.relative_to(buckets / "noaa-goes17")
    folder.mkdir(parents=True)
    for path in sorted(hour.glob("*.nc"))[:4]:
        (folder / path.name).symlink_to(path)
    return root


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("place", ["within", "elsewhere"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses such names itself")
def test_whole_job_runs_in_folders_called_anything(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = tmp_path / (ODD if place == "within" else "plain")
    folder.mkdir()
    monkeypatch.chdir(folder)
    project = Project(folder)
    data = f"data/{ODD}" if place == "within" else str(tmp_path / "elsewhere" / ODD)
    write(folder / "conf" / "local" / "globals.yml", {"data": data})
    write(folder / "conf" / "local" / "parameters.yml", {"archive": str(archive)})
    params = "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T09:01"
    pipelines = () if place == "within" else ("--pipelines", "ingestion,storms")
    run = project.succeed(*pipelines, "--params", f"{params},clustering.k_max=3")
    made = folder / data
    assert (made / "03_primary" / "lightning.duckdb").is_file()
    assert sorted(path.name for path in made.parent.iterdir()) == [ODD]
    if place == "within":
        assert run.last_line.endswith("report.html")
        assert (made / "08_reporting" / "report.html").is_file()
        exported = CliRunner().invoke(cli, ["export", "flashes", "--to", f"{ODD}.csv"])
        assert exported.exit_code == 0, exported.output
        assert (folder / f"{ODD}.csv").stat().st_size > 1000


def test_interpolation_of_nothing_is_answered_in_a_sentence(
    project: Project,
) -> None:
    write(project.folder / "conf" / "local" / "globals.yml", {"data": "data/${d}"})
    message = project.fail("--pipelines", "ingestion")
    assert message == (
        "A file of conf/ asks for what there is not: Interpolation key 'd' not found. Mend the "
        "file; a name that has ${ in it is written with \\${ there."
    )


def test_verbs_are_listed_without_waiting_for_kedro(folder: Path) -> None:
    script = (
        "import sys; from lightning_kedro import __main__ as m\n"
        "try: m._start(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'kedro', 'pandas', 'numpy', 'duckdb', 'pyarrow', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for verb in ("run", "export", "prune", "init"):
        assert f"\n  {verb} " in done.stdout


def test_options_without_a_verb_are_those_of_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kedro's convention for packaged projects; without any option the verbs are listed."""
    monkeypatch.setenv("KEDRO_LOGGING_CONFIG", "kept")
    monkeypatch.setattr(sys, "argv", ["lightning-kedro", "--env", "nowhere"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err == (
        "Error: --env: there is no environment 'nowhere'. There are: base, dask, home, local, "
        "sample, stream.\n"
    )
    (folder / "conf" / "nowhere").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["lightning-kedro", "--env", "nowhere", "--tags", "x"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "--tags: there is no tag 'x'" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["lightning-kedro"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "Commands:" in capsys.readouterr().out


def test_deprecated_spelling_of_pipelines_goes_on_working(project: Project) -> None:
    with pytest.warns(DeprecationWarning, match="--pipelines"):
        message = project.fail("--pipeline", "clustering")
    assert message.startswith("There is no database")
