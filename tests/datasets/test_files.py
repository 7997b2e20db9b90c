"""Whole files, locks, retention and tasks by hour."""

import errno
import multiprocessing
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from lightning_kedro.datasets.hours import run_hours
from lightning_kedro.datasets.retention import prune_hours
from lightning_kedro.datasets.storage import Storage
from lightning_kedro.datasets.whole_files import (
    explain_disk,
    lock_folder,
    sweep_partials,
    write_whole,
)
from lightning_kedro.exceptions import StorageError

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
