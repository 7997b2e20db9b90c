"""What a wheel carries: all modules and files, and the configuration from its one place."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lightning_kedro import __version__
from tests.conftest import PROJECT

SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
OLDEST = 77
"""Of setuptools, as pyproject.toml requires it for a build."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build puts into a wheel, built in a copy of the sources."""
    if int(version("setuptools").split(".")[0]) < OLDEST:
        pytest.skip(f"needs setuptools {OLDEST}: the extra `test` has it")
    tree = tmp_path_factory.mktemp("tree")
    leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info", ".gitkeep")
    for folder in ("conf", "src"):
        shutil.copytree(PROJECT / folder, tree / folder, ignore=leftovers)
    for name in SOURCES:
        shutil.copy(PROJECT / name, tree)
    (tree / "conf" / "local").mkdir(exist_ok=True)
    (tree / "conf" / "local" / "credentials.yml").write_text("glm_archive: {secret: x}\n")
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "built"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tree / "built"


def list_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_has_the_configuration_but_nothing_of_conf_local(built: Path) -> None:
    packaged = built / "lightning_kedro" / "conf"
    ours = {
        name
        for name in list_files(PROJECT / "conf")
        if not name.startswith("local/") and name.endswith(".yml")
    }
    assert list_files(packaged) == ours
    for name in ours:
        assert (packaged / name).read_bytes() == (PROJECT / "conf" / name).read_bytes()


def test_wheel_has_every_file_of_the_package(built: Path) -> None:
    source = PROJECT / "src" / "lightning_kedro"
    assert list_files(source) <= list_files(built / "lightning_kedro")


def test_configuration_has_one_place_in_the_checkout() -> None:
    assert not (PROJECT / "src" / "lightning_kedro" / "conf").exists()


def test_what_is_in_the_wheel_runs_in_an_empty_folder(built: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_kedro", "run", "--env", "smaple"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(built)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ("Error: --env: there is no environment 'smaple'. Did you mean sample?\n")
    assert [*tmp_path.iterdir()] == []


def test_version_has_one_value() -> None:
    assert f'\nversion = "{__version__}"\n' in (PROJECT / "pyproject.toml").read_text()
