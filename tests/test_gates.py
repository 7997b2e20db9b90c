"""The gates that every change passes, with ``pytest -m gates`` or in continuous integration."""

import subprocess
import sys

import pytest

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
