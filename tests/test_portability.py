"""Runs on macOS and Windows by construction: what these systems have not is taken away here.

A module that Python imports at each start, also in the processes that a run starts, takes away
what a system has not, or makes it fail as it does there. Only calls from this project's own modules
are concerned where libraries have other ways on these systems.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

OURS = """
import builtins, os, sys

def from_ours(depth=2):
    name = sys._getframe(depth).f_globals.get("__name__", "")
    return name.startswith("lightning_kedro")
"""

MACOS = f"""{OURS}
for name in ("sched_getaffinity", "sched_setaffinity"):
    delattr(os, name)
"""
"""What of Linux is missing on macOS."""

WINDOWS = f"""{MACOS}
import errno, fcntl, multiprocessing, multiprocessing.context, shutil

if hasattr(errno, "EDQUOT"):
    del errno.EDQUOT
del os.killpg

# No fork, no fork server.
multiprocessing.context._concrete_contexts.pop("forkserver")
multiprocessing.context._concrete_contexts.pop("fork")
methods = lambda: ["spawn"]
multiprocessing.get_all_start_methods = methods
multiprocessing.context.DefaultContext.get_all_start_methods = lambda self: methods()
multiprocessing.context.DefaultContext.get_start_method = lambda self, allow_none=False: "spawn"
multiprocessing.get_start_method = lambda allow_none=False: "spawn"
multiprocessing.context._default_context._default_context = (
    multiprocessing.context._concrete_contexts["spawn"])

# Modules of POSIX cannot be imported.
load = builtins.__import__
def refuse_posix(name, *args, **options):
    if name in ("fcntl", "grp", "pwd", "resource", "multiprocessing.forkserver") and from_ours():
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return load(name, *args, **options)
builtins.__import__ = refuse_posix

# os.kill ends a process whatever the signal; folders cannot be opened.
kill, reach = os.kill, os.open
def kill_at_once(process, signal):
    assert not from_ours(), "os.kill ends a process on Windows"
    return kill(process, signal)
def open_no_folder(path, *args, **options):
    if from_ours() and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return reach(path, *args, **options)
os.kill, os.open = kill_at_once, open_no_folder

# Only what may be written to can be synchronised.
fsync = os.fsync
def fsync_writable(file):
    number = file if isinstance(file, int) else file.fileno()
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    return fsync(file)
os.fsync = fsync_writable

# What is open can be neither removed nor replaced.
def is_open(path):
    path = os.path.realpath(path)
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{{number}}") == path:
                return True
        except OSError:
            pass
    return False
def refuse_open(function):
    def call(*paths, **options):
        if options.get("dir_fd") is None and any(is_open(path) for path in paths):
            raise PermissionError(errno.EACCES, "The process cannot access the file", paths[-1])
        return function(*paths, **options)
    return call
for name in ("unlink", "remove", "replace", "rename"):
    setattr(os, name, refuse_open(getattr(os, name)))
shutil._use_fd_functions = False
"""
"""What of Linux is missing or otherwise on Windows."""

SYSTEMS = {"macos": MACOS, "windows": WINDOWS}


@pytest.fixture
def environment(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Variables under which Python is as on another system."""
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SYSTEMS[request.param])
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *before])}


HOURS = """
import os, sys
from functools import partial
from lightning_kedro.store.workers import count_cores, run_hours

def work(number):
    return number, os.getpid(), "pandas" in sys.modules, hasattr(os, "sched_getaffinity")

if __name__ == "__main__":
    results = run_hours([partial(work, number) for number in range(9)], progress="", workers=2)
    assert [number for number, *_ in results] == list(range(9))
    processes = {process for _, process, *_ in results}
    assert os.getpid() not in processes and len(processes) <= 2, processes
    assert not any(has_pandas or has_affinity for *_, has_pandas, has_affinity in results)
    assert count_cores() >= 1
    print("done")
"""


@pytest.mark.parametrize("environment", SYSTEMS, indirect=True)
def test_hours_are_worked_on_by_other_processes(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    script = tmp_path / "hours.py"
    script.write_text(HOURS)
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("environment", "hours"),
    [("macos", 1), ("windows", 2)],
    indirect=["environment"],
    ids=SYSTEMS,
)
def test_sample_runs_and_is_pruned(
    project: Project, environment: dict[str, str], hours: int
) -> None:
    """Two hours and the edges are enough for other processes."""

    def kedro(*options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "kedro", *options],
            cwd=project.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    window = f"window.start=2024-07-14T09:00,window.end=2024-07-14T{9 + hours:02d}:00"
    params = f"satellite=G17,{window},clustering.k_max=4"
    kedro("run", "--env", "sample", "--params", params)
    assert "Dropped" in kedro("prune", "--env", "sample", "--older-than-days", "1")
    found = project.query("SELECT count(*) AS hours FROM coverage WHERE found > 170", "sample")
    assert found["hours"].to_list() == [hours]
    reports = project.folder / "data" / "sample" / "08_reporting"
    assert (reports / "report.html").is_file()
    left = [path.name for path in project.folder.rglob(".*") if path.is_file()]
    assert left == [".telemetry"]
