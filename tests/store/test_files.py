"""Whole files, locks, retention and tasks by hour."""

import errno
import multiprocessing
import os
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from lightning_kedro.exceptions import StorageError
from lightning_kedro.store.files import (
    explain_disk,
    lock_folder,
    sweep_partials,
    write_whole,
)
from lightning_kedro.store.retention import prune_hours
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import run_hours

NOW = datetime(2024, 7, 20, tzinfo=UTC)
GRANULE = "OR_GLM-L2-LCFA_G16_s20241960900000_e20241960900200_c20241960900220.nc"


def write_half(path: Path) -> None:
    with write_whole(path) as partial_file:
        partial_file.write_text("half")
        message = "in the middle"
        raise RuntimeError(message)


def test_file_is_there_in_full_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.csv"
    with write_whole(path, sync=True) as partial_file:
        partial_file.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(RuntimeError, match="in the middle"):
        write_half(path)
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["file.csv"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "Cannot write .*file. The disk is full: make room"),
        (errno.EROFS, "The file system is read-only"),
        (errno.EACCES, "The folder may not be written to"),
    ],
)
def test_trouble_with_the_disk_is_said_plainly(tmp_path: Path, number: int, message: str) -> None:
    with pytest.raises(StorageError, match=message), explain_disk(tmp_path / "file"):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), explain_disk(tmp_path):
        raise InterruptedError(errno.EINTR, "interrupted")


def test_leftovers_of_processes_that_are_gone_are_swept(tmp_path: Path) -> None:
    ended = multiprocessing.get_context("spawn").Process(target=os.getpid)
    ended.start()
    ended.join()
    stale = tmp_path / f".a.nc.{ended.pid}.part"
    mine = tmp_path / f".a.nc.{os.getpid()}.part"
    others = tmp_path / ".a.nc.1.part"
    for path in (stale, mine, others, tmp_path / "a.part"):
        path.touch()
    sweep_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [mine.name, others.name, "a.part"]
    )


def try_lock(folder: Path, *, shared: bool) -> None:
    with lock_folder(folder, shared=shared):
        pass


def test_lock_keeps_others_out(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with lock_folder(tmp_path, shared=True):
        reader = context.Process(target=try_lock, args=(tmp_path,), kwargs={"shared": True})
        writer = context.Process(target=try_lock, args=(tmp_path,), kwargs={"shared": False})
        reader.start()
        writer.start()
        reader.join(30)
        writer.join(1)
        assert reader.exitcode == 0
        assert writer.is_alive()
    writer.join(30)
    assert writer.exitcode == 0


def hours_of_files(root: Path) -> None:
    for day in ("196", "200"):
        hour = root / "GLM-L2-LCFA" / "2024" / day / "09"
        hour.mkdir(parents=True)
        (hour / GRANULE).write_bytes(bytes(100))
        (hour / "granules.csv").write_bytes(bytes(10))
    (root / "GLM-L2-LCFA" / "2024" / "196" / "09" / "notes.txt").touch()
    (root / "lightning.duckdb").touch()


def test_retention_drops_old_hours_and_nothing_else(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    would = prune_hours([tmp_path], older_than_days=3, now=NOW, dry_run=True)
    assert str(would) == "2 files, 0.0 MB"
    assert len(list(tmp_path.rglob("*.nc"))) == 2
    assert prune_hours([tmp_path], older_than_days=3, now=NOW) == would
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert left == [
        f"GLM-L2-LCFA/2024/{day}/09/{name}"
        for day, name in (("196", "notes.txt"), ("200", GRANULE), ("200", "granules.csv"))
    ] + ["lightning.duckdb"]
    assert prune_hours([tmp_path], older_than_days=3, now=NOW).files == 0


def test_retention_removes_folders_that_become_empty(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    next(tmp_path.rglob("notes.txt")).unlink()
    prune_hours([tmp_path], older_than_days=0, now=NOW.replace(month=8))
    assert [path.name for path in tmp_path.iterdir()] == ["lightning.duckdb"]


def test_retention_never_follows_links(tmp_path: Path) -> None:
    elsewhere, data = tmp_path / "elsewhere", tmp_path / "data"
    hours_of_files(elsewhere)
    (data / "GLM-L2-LCFA").mkdir(parents=True)
    (data / "GLM-L2-LCFA" / "2024").symlink_to(elsewhere / "GLM-L2-LCFA" / "2024")
    hour = data / "GLM-L2-LCFA" / "2023" / "001" / "00"
    hour.mkdir(parents=True)
    (hour / GRANULE).symlink_to(next(elsewhere.rglob("*.nc")))
    (hour.parent / "01").symlink_to(next(elsewhere.rglob("*.nc")).parent)
    assert prune_hours([data], older_than_days=0, now=NOW.replace(month=8)).files == 0
    assert len(list(elsewhere.rglob("*.nc"))) == 2
    assert (hour / GRANULE).is_symlink()


def test_retention_works_in_a_folder_that_is_itself_a_link(tmp_path: Path) -> None:
    hours_of_files(tmp_path / "big disk")
    (tmp_path / "data").symlink_to(tmp_path / "big disk")
    assert prune_hours([tmp_path / "data"], older_than_days=3, now=NOW).files == 2


def test_retention_leaves_partial_files_of_living_processes(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    folder = next(tmp_path.rglob("notes.txt")).parent
    living, dead = (folder / f".{GRANULE}.{number}.part" for number in (os.getpid(), 2**22 + 1))
    living.touch()
    dead.touch()
    prune_hours([tmp_path], older_than_days=3, now=NOW)
    assert living.exists()
    assert not dead.exists()


def test_retention_waits_for_a_run_and_then_says_that_it_is_under_way(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    with (
        lock_folder(tmp_path, shared=True),
        pytest.raises(StorageError, match=r"has been in use by another run for .* Wait until"),
    ):
        prune_hours([tmp_path], older_than_days=0, now=NOW.replace(month=8), timeout=0.1)
    assert len(list(tmp_path.rglob("*.nc"))) == 2
    assert prune_hours([tmp_path], older_than_days=3, now=NOW, timeout=0.1).files == 2


def test_retention_counts_while_a_run_is_under_way(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    with lock_folder(tmp_path, shared=True):
        assert prune_hours([tmp_path], older_than_days=3, now=NOW, dry_run=True).files == 2


def test_retention_makes_no_folder_that_is_not_there(tmp_path: Path) -> None:
    assert prune_hours([tmp_path / "no"], older_than_days=3, now=NOW).files == 0
    assert not (tmp_path / "no").exists()


def test_lock_that_others_keep_is_said_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lightning_kedro.store.files.SILENT_SECONDS", 0.1)
    with (
        lock_folder(tmp_path),
        pytest.raises(StorageError, match=r"Folder .* has been in use by another run for 1 s\."),
        lock_folder(tmp_path, timeout=0.6),
    ):
        pass
    waits = [message for message in caplog.messages if message.startswith("Waiting for")]
    assert waits == [f"Waiting for another run that uses {tmp_path}"]


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
        folder.rmdir()
    assert held.wait(20)
    with pytest.raises(StorageError), lock_folder(folder, timeout=0.1):
        pass
    release.set()
    waiting.join()


@pytest.mark.parametrize("count", [1, 9])
def test_tasks_by_hour_keep_their_order(count: int) -> None:
    tasks = [partial(divmod, number, 4) for number in range(count)]
    assert run_hours(tasks, progress="") == [divmod(number, 4) for number in range(count)]


def test_storage_finds_each_satellite() -> None:
    assert Storage("s3://noaa-goes{number}").locate("G19") == "noaa-goes19"
    assert Storage("s3://mirror/goes/").locate("G19") == "mirror/goes"
    assert Storage("/data/{number}").locate("G19") == "/data/19"
    assert Storage("file:///data").locate("G19") == "/data"
    assert Storage("memory://x").is_local is False
