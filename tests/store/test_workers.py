"""Workers that read hours: what they load, and that they end with their run however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LONG_RUN = """
import time
from functools import partial
from lightning_kedro.store.workers import run_hours

if __name__ == "__main__":
    run_hours([partial(time.sleep, 120)] * 6, progress="", workers=2)
"""


def processes_of(session: int) -> list[int]:
    """The living processes of a session; /proc has its number after the name in brackets."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(folder.name))
    return found


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("wait_s", [0.0, 2.0], ids=["starting", "working"])
def test_workers_of_a_killed_run_are_gone_in_seconds(tmp_path: Path, wait_s: float) -> None:
    script = tmp_path / "run.py"
    script.write_text(LONG_RUN)
    run = subprocess.Popen([sys.executable, script], start_new_session=True)
    try:
        # The run, its two workers and the process that tracks what they share.
        assert wait_for(lambda: len(processes_of(run.pid)) >= 3, 60), "workers were started"
        time.sleep(wait_s)
        run.kill()
        run.wait()
        assert wait_for(lambda: not processes_of(run.pid), 10), processes_of(run.pid)
    finally:
        for process in processes_of(run.pid):
            os.kill(process, signal.SIGKILL)


ARRAYS = """
import sys
from functools import partial
from lightning_kedro.store.workers import run_hours

def make_array(number):
    import pyarrow as pa
    return pa.array([number]).to_pylist(), "pandas" in sys.modules

if __name__ == "__main__":
    print(run_hours([partial(make_array, number) for number in range(4)], progress=""))
"""


def test_workers_make_arrays_without_pandas(tmp_path: Path) -> None:
    script = tmp_path / "arrays.py"
    script.write_text(ARRAYS)
    command = [sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([([number], False) for number in range(4)])
