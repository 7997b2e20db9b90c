"""The notebook runs from beginning to end on what the sample environment made."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import PROJECT, Project
from tests.pipelines.test_reporting_run import reported_project

NOTEBOOK = PROJECT / "notebooks" / "explore.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with reported_project(tmp_path_factory) as made:
        yield made


def test_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_notebook_runs(project: Project) -> None:
    pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    folder = project.folder / "notebooks"
    folder.mkdir()
    shutil.copy(NOTEBOOK, folder)
    # In a process of its own: nbclient and the kernel bring event loops and warnings of their own.
    script = (
        "import nbformat, nbclient\n"
        "notebook = nbformat.read('explore.ipynb', 4)\n"
        "nbclient.NotebookClient(notebook, timeout=120, kernel_name='python3').execute()\n"
        "nbformat.write(notebook, 'executed.ipynb')\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    executed = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))
    outputs = [out for cell in executed["cells"] for out in cell.get("outputs", [])]
    kinds = [kind for out in outputs for kind in out.get("data", {})]
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") >= 3
    assert not [out for out in outputs if out["output_type"] == "error"]
