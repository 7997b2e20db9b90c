"""Workers that read hours: what they load, and that they end with their run however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lightning_kedro.exceptions import IncompleteRunError, StorageError
from lightning_kedro.store.workers import _run_in_pool, choose_start_method, count_cores, run_hours

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


def test_workers_of_an_interrupted_run_are_gone_at_once_and_quiet(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of a terminal."""
    script = tmp_path / "run.py"
    script.write_text(LONG_RUN.replace("[partial(time.sleep, 120)]", "[partial(work, 120)]"))
    script.write_text(WORK.format(begun=str(tmp_path / "begun")) + script.read_text())
    run = subprocess.Popen(
        [sys.executable, script], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    try:
        assert wait_for((tmp_path / "begun").exists, 60)
        time.sleep(0.5)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=60)
        assert run.returncode == -signal.SIGINT
        assert errors.count("Traceback") == 1, errors
        assert errors.strip().endswith("KeyboardInterrupt")
        assert wait_for(lambda: not processes_of(run.pid), 10), processes_of(run.pid)
    finally:
        for process in processes_of(run.pid):
            os.kill(process, signal.SIGKILL)


WORK = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
def work(seconds):
    open({begun!r}, "w").close()
    time.sleep(seconds)
"""


def fail_at(number: int, wanted: int, folder: Path) -> int:
    """Work for a moment, and leave a file; one of them fails."""
    if number == wanted:
        message = f"Cannot write {number}."
        raise StorageError(message)
    time.sleep(0.1)
    (folder / str(number)).touch()
    return number


def test_error_of_an_hour_ends_the_run_and_the_rest_is_not_begun(tmp_path: Path) -> None:
    tasks = [partial(fail_at, number, 1, tmp_path) for number in range(40)]
    with pytest.raises(StorageError, match=r"^Cannot write 1\.$"):
        run_hours(tasks, progress="", workers=2)
    done = len(list(tmp_path.iterdir()))
    assert done < 20
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == done, "nothing goes on behind the run's back"


def end_at(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_worker_that_is_killed_ends_the_run_in_one_sentence() -> None:
    tasks = [partial(end_at, number) for number in range(8)]
    with pytest.raises(IncompleteRunError, match=r"was ended from outside, perhaps because memory"):
        run_hours(tasks, progress="", workers=2)


class Handed(list[Callable[[], int]]):
    """Tasks that know how many of them were handed out."""

    count = 0

    def __iter__(self) -> Iterator[Callable[[], int]]:
        for task in super().__iter__():
            self.count += 1
            yield task


def test_few_tasks_wait_in_the_queue_at_once() -> None:
    tasks = Handed([partial(divmod, number, 1) for number in range(30)])  # type: ignore[list-item]
    for done, _ in enumerate(_run_in_pool(tasks, 2)):
        assert tasks.count <= done + 4
    assert tasks.count == 30


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert count_cores() == 1


@pytest.mark.parametrize(
    ("methods", "chosen"),
    [(["fork", "spawn", "forkserver"], "forkserver"), (["spawn"], "spawn")],
)
def test_fork_server_is_used_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, methods: list[str], chosen: str
) -> None:
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: methods)
    assert choose_start_method() == chosen


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
