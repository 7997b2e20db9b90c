"""What is imported before the first node of a run, and by one that has nothing to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.test_unchanged import ALL, PARAMS, made  # noqa: F401  (a fixture)

HEAVY = {
    *("aiobotocore", "boto3", "botocore", "cartopy", "dask", "deltalake", "duckdb", "fastapi"),
    *("geopandas", "h5py", "hdbscan", "joblib", "matplotlib", "netCDF4"),
    *("numba", "PIL", "plotly", "pyarrow.dataset", "pyarrow.parquet", "pyproj"),
    *("s3fs", "scipy", "shapely", "sklearn", "tenacity", "tqdm", "uvicorn", "xarray"),
}
"""Not pandas and jinja2, which Kedro itself imports where they are; nor pyarrow and numpy, of whose
types nodes and entries are made."""

LOOK = """
import json, sys
from kedro.runner.task import Task

def stop(self, *args, **kwargs):
    print(json.dumps(sorted(sys.modules)))
    raise SystemExit(0)

Task.execute = stop
from lightning_kedro.__main__ import main
main()
"""


def test_no_library_of_a_node_is_imported_before_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOOK, "run", "--env", "sample"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert "lightning_kedro.pipelines.reporting.nodes" in imported
    assert sorted(imported & HEAVY) == []


AT_THE_END = """
import atexit, json, sys

atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
from lightning_kedro.__main__ import main
main()
"""

NEEDED = {"duckdb", "tenacity", "tqdm", "PIL"}
"""The database is looked at; who retries and shows progress may be there."""


def test_run_on_a_window_already_done_imports_nothing_that_makes_results(
    made: Project,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-c", AT_THE_END, "run", *ALL, PARAMS]
    done = subprocess.run(command, cwd=made.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The pictures and the report of this window are unchanged" in done.stderr + done.stdout
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert sorted(imported & HEAVY - NEEDED) == []
