"""The gates that every change passes, with ``pytest -m gates`` or in continuous integration."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_kedro.pipelines.reporting import report
from tests.conftest import PROJECT

pytestmark = pytest.mark.gates


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("importlinter.cli", "lint-imports"),
    ],
    ids=" ".join,
)
def test_gate_is_passed(command: tuple[str, ...]) -> None:
    call = [sys.executable, "-m", *command]
    if command[0].startswith("importlinter"):
        code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
        call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


PAGES = PROJECT / "src" / "lightning_kedro" / "dashboard"
TEMPLATES = PROJECT / "src" / "lightning_kedro" / "pipelines" / "reporting" / "templates"


def scripts_of_report() -> list[Path]:
    return [TEMPLATES / name for name in report.SCRIPTS]


def scripts_of_dashboard() -> list[Path]:
    """In the order in which a page asks for them; the map's are those of the report."""
    page = (PAGES / "templates" / "compare.html.j2").read_text()
    names = re.findall(r'src="/static/(\w+\.js)"', page)
    own = PAGES / "static"
    return [own / name if (own / name).is_file() else TEMPLATES / name for name in names]


def lint(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    page = folder / "page.js"
    page.write_text(script)
    linter = Path(sys.executable).with_name("oxlint")
    call = [linter, "-c", PROJECT / ".oxlintrc.json", page]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def join(scripts: list[Path]) -> str:
    """Scripts as one, as a page has them: a name from another page's script is undefined."""
    strict = '"use strict";\n'
    return strict + "\n".join(script.read_text().removeprefix(strict) for script in scripts)


@pytest.mark.parametrize(
    "scripts", [scripts_of_report(), scripts_of_dashboard()], ids=["report", "dashboard"]
)
def test_scripts_of_pages_are_linted(scripts: list[Path], tmp_path: Path) -> None:
    done = lint(join(scripts), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_linter_of_scripts_finds_a_name_that_no_script_has(tmp_path: Path) -> None:
    done = lint(join(scripts_of_report()) + "drawMaps(document);\n", tmp_path)
    assert done.returncode == 1
    assert "'drawMaps' is not defined" in done.stdout
