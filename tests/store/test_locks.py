"""Locks on folders: who waits for whom, and what is left when everybody has let go."""

import errno
import os
import platform
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import portalocker
import pytest
from tests.processes import choose_context

from lightning_kedro.exceptions import StorageError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.store import locks, processes
from lightning_kedro.store.locks import lock_folder
from lightning_kedro.store.storage import Storage

CONTEXT = choose_context([__name__])


def try_lock(folder: Path, *, shared: bool) -> None:
    with lock_folder(folder, shared=shared):
        pass


def hold_lock(folder: Path, seconds: float) -> None:
    with lock_folder(folder):
        (folder / "held").touch()
        time.sleep(seconds)


def count_up(path: Path, times: int) -> None:
    """Add to a number in a file, which goes wrong when two do it at once."""
    for _ in range(times):
        with lock_folder(path.parent):
            number = int(path.read_text())
            path.write_text("")
            path.write_text(str(number + 1))


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lock_keeps_others_out(tmp_path: Path) -> None:
    with lock_folder(tmp_path, shared=True):
        reader = CONTEXT.Process(target=try_lock, args=(tmp_path,), kwargs={"shared": True})
        writer = CONTEXT.Process(target=try_lock, args=(tmp_path,), kwargs={"shared": False})
        reader.start()
        writer.start()
        reader.join(30)
        writer.join(1)
        assert reader.exitcode == 0
        assert writer.is_alive()
    writer.join(30)
    assert writer.exitcode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shared", [True, False])
def test_lock_counts_as_no_file_of_an_archive(
    tmp_path: Path,
    shared: bool,
) -> None:
    hour = ArchiveHour("G16", datetime(2018, 7, 2, 4, tzinfo=UTC))
    with lock_folder(tmp_path / hour_prefix(hour.hour), shared=shared):
        assert Storage(str(tmp_path)).list_hour(hour) == ([], 0)


def test_many_take_turns_although_the_file_comes_and_goes(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    counting = [CONTEXT.Process(target=count_up, args=(number, 100)) for _ in range(3)]
    for process in counting:
        process.start()
    count_up(number, 100)
    for process in counting:
        process.join(60)
    assert number.read_text() == "400"
    assert list(tmp_path.iterdir()) == [number]


def test_many_threads_share_and_exclude(tmp_path: Path) -> None:
    inside: list[bool] = []
    wrong: list[list[bool]] = []

    def work(*, shared: bool) -> None:
        for _ in range(20):
            with lock_folder(tmp_path, shared=shared, timeout=60):
                inside.append(shared)
                if len(inside) > 1 and not all(inside):
                    wrong.append(list(inside))
                time.sleep(0.001)
                inside.remove(shared)

    threads = [threading.Thread(target=work, kwargs={"shared": number > 0}) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(tmp_path.iterdir()) == []


def test_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    holder = CONTEXT.Process(target=hold_lock, args=(tmp_path, 60))
    holder.start()
    wait_for((tmp_path / "held").exists)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert (tmp_path / ".lock").exists()
    with lock_folder(tmp_path, timeout=0):
        pass
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize("shared", [True, False])
def test_lock_that_others_keep_is_logged_and_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    shared: bool,
) -> None:
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.1)
    message = r"Folder .* has been in use by another run for 1 s\. Wait until that run has ended"
    with (
        lock_folder(tmp_path, shared=shared),
        pytest.raises(StorageError, match=message) as raised,
        lock_folder(tmp_path, timeout=0.6),
    ):
        pass
    waits = [message for message in caplog.messages if message.startswith("Waiting for")]
    whom = "" if shared else f"process {os.getpid()} on {platform.node()} ("
    assert len(waits) == 1
    assert waits[0].startswith(f"Waiting for another run{', ' if whom else ''}{whom}")
    assert waits[0].endswith(f" that uses {tmp_path}")
    assert f"or stop it{' (' if whom else ', '}{whom}" in str(raised.value)
    since = r", since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert shared or re.search(since, waits[0]), "from when on the lock is held"


def test_wait_is_logged_within_two_seconds() -> None:
    assert locks.SILENT_SECONDS + locks.LONGEST_PAUSE_SECONDS < 2


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/usr/bin/python3.11", "/home/me/.venv/bin/kedro", "run"], "kedro run"),
        (
            ["/usr/bin/python3", "/lib/lightning_kedro/__main__.py", "watch"],
            "lightning_kedro watch",
        ),
        (["/usr/bin/python3", "-m", "kedro", "run"], "python3 -m kedro run"),
        (["duckdb", "a\nb"], "duckdb a b"),
        (["kedro", "archive=s3://me:secret@host/x"], "kedro archive=s3://...@host/x"),
        (["kedro", "x" * 500], f"kedro {'x' * 111}..."),
        ([], ""),
    ],
)
def test_command_is_named_as_people_write_it(arguments: list[str], command: str) -> None:
    assert processes.name_command(arguments) == command


def test_process_that_cannot_be_seen_is_named_by_its_number() -> None:
    assert processes.describe_other(2**30) == f"PID {2**30}"


def test_reader_forgets_who_was_killed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".lock").write_text("process 1 on elsewhere")
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0.0)
    with (
        lock_folder(tmp_path, shared=True),
        pytest.raises(StorageError, match="or stop it, then"),
        lock_folder(tmp_path, timeout=0.1),
    ):
        pass
    assert caplog.messages == [f"Waiting for another run that uses {tmp_path}"]


def test_control_characters_in_a_lock_file_are_not_printed(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\x1b[2J\xff")
    assert locks._name_holder(tmp_path / ".lock", "({})") == ""
    assert locks._name_holder(tmp_path / "no", "({})") == ""


def test_lock_is_on_the_folder_that_is_there_now(tmp_path: Path) -> None:
    """Who waited for a folder that was removed meanwhile must not hold what others cannot see."""
    folder = tmp_path / "hour"
    held = threading.Event()
    release = threading.Event()

    def wait_and_hold() -> None:
        with lock_folder(folder, timeout=20):
            held.set()
            release.wait(20)

    waiting = threading.Thread(target=wait_and_hold)
    with lock_folder(folder):
        waiting.start()
        time.sleep(0.2)
        shutil.rmtree(folder)
        assert held.wait(20)
    with pytest.raises(StorageError), lock_folder(folder, timeout=0.1):
        pass
    release.set()
    waiting.join()
    assert list(folder.iterdir()) == []


def test_folder_that_goes_before_its_lock_is_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hour"
    reach = Path.open
    gone = [FileNotFoundError(errno.ENOENT, "gone"), PermissionError(errno.EACCES, "going")]

    def open_late(self: Path, *args: object, **options: object) -> object:
        if self.name == ".lock" and gone:
            raise gone.pop()
        return reach(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_late)
    with lock_folder(folder, timeout=5):
        assert folder.is_dir()
    assert gone == []


def test_folder_that_may_not_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match="The folder may not be written to"):
        try_lock(tmp_path, shared=True)


def test_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise portalocker.LockException(OSError(errno.ENOLCK, "No locks available"))

    monkeypatch.setattr(portalocker, "lock", fail)
    with pytest.raises(StorageError, match=r"cannot be locked: .*No locks.* set `data` in conf"):
        try_lock(tmp_path, shared=False)


def test_open_lock_file_is_removed_after_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not remove what is open; the law is kept with one try before and one after."""
    unlink = Path.unlink
    tries: list[Path] = []

    def refuse_once(self: Path, *, missing_ok: bool = False) -> None:
        tries.append(self)
        if len(tries) == 1:
            raise PermissionError(errno.EACCES, "in use")
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_once)
    try_lock(tmp_path, shared=False)
    assert tries == [tmp_path / ".lock"] * 2
    assert list(tmp_path.iterdir()) == []
