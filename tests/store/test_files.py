"""Whole files, locks, retention and tasks by hour."""

import errno
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import Project
from tests.processes import choose_context
from tests.test_full_disk import UNSHARE

from lightning_kedro.cli import cli
from lightning_kedro.exceptions import StorageError
from lightning_kedro.store import files, processes
from lightning_kedro.store.disk import explain_disk
from lightning_kedro.store.files import is_stale, name_partial, remove_stale_partials, write_atomic
from lightning_kedro.store.locks import lock_folder
from lightning_kedro.store.retention import prune_hours
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import run_hours

NOW = datetime(2024, 7, 20, tzinfo=UTC)
GRANULE = "OR_GLM-L2-LCFA_G16_s20241960900000_e20241960900200_c20241960900220.nc"


def write_half(path: Path) -> None:
    with write_atomic(path) as partial_file:
        partial_file.write_text("half")
        message = "in the middle"
        raise RuntimeError(message)


def test_file_is_there_in_full_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.csv"
    with write_atomic(path, sync=True) as partial_file:
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


def partial_of(process: int | None, path: Path, *, elsewhere: bool = False) -> Path:
    """The partial file of some process, of this machine or of another one."""
    mine = name_partial(path).name
    name = mine.replace(f"-{os.getpid()}-", f"-{process}-")
    return path.with_name(name.replace(processes.pid_domain(), "0123456789") if elsewhere else name)


def end_process() -> int | None:
    """The number of a process that is gone."""
    ended = choose_context().Process(target=os.getpid)
    ended.start()
    ended.join()
    return ended.pid


def test_leftovers_of_processes_that_are_gone_are_swept(tmp_path: Path) -> None:
    path, gone = tmp_path / "a.nc", end_process()
    stale = partial_of(gone, path)
    mine, again = name_partial(path), name_partial(path)
    others = partial_of(1, path)
    of_a_container = partial_of(gone, path, elsewhere=True)
    of_an_old_version = tmp_path / f".a.nc.{gone}.part"
    kept = {mine, again, others, of_a_container, of_an_old_version, tmp_path / "a.part"}
    for each in {stale, *kept}:
        each.touch()
    remove_stale_partials(tmp_path)
    assert set(tmp_path.iterdir()) == kept
    assert len(kept) == 6, "two writers of one file do not share a name"


def test_who_holds_the_lock_sweeps_what_a_dying_process_of_this_machine_left(
    tmp_path: Path,
) -> None:
    path = tmp_path / "granules.csv"
    dying, elsewhere = partial_of(os.getppid(), path), partial_of(1, path, elsewhere=True)
    for each in (dying, elsewhere):
        each.touch()
    remove_stale_partials(tmp_path)
    assert set(tmp_path.iterdir()) == {dying, elsewhere}
    remove_stale_partials(tmp_path, locked=True)
    assert set(tmp_path.iterdir()) == {elsewhere}


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="zombies are Unix's")
def test_process_that_ended_but_was_not_waited_for_is_not_running() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_running(ended.pid)
    ended.wait()


def test_partial_file_of_anyone_is_stale_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    names = [
        name_partial(path),
        partial_of(1, path, elsewhere=True),
        path.with_name(".a.nc.1.part"),
        path.with_name("a.part"),
        path.with_name(".a.part"),
    ]
    for name in names:
        name.touch()
        assert not is_stale(name)
        os.utime(name, (time.time() - 86_000,) * 2)
        assert not is_stale(name)
        os.utime(name, (time.time() - 86_500,) * 2)
    assert [is_stale(name) for name in names] == [True, True, True, False, False]
    names[0].unlink()
    assert not is_stale(names[0]), "another run has swept it meanwhile"


@pytest.mark.parametrize("number", [2**31, 2**63])
def test_number_that_no_process_can_have_is_not_running(number: int) -> None:
    assert not processes.is_running(number)


def test_processes_are_told_apart_by_host_and_container(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {processes.pid_domain.__wrapped__()}
    for name, value in (
        ("platform.node", lambda: "another"),
        ("_BOOT_ID", Path(__file__)),
        ("_PID_NAMESPACE", Path("/proc/self/ns/net")),
        ("_PID_NAMESPACE", Path("/nowhere")),
        ("_BOOT_ID", Path("/nowhere")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"lightning_kedro.store.processes.{name}", value)
            seen.add(processes.pid_domain.__wrapped__())
    assert len(seen) == 6


def test_file_that_another_program_has_open_is_replaced_when_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not replace an open file."""
    refusals = [PermissionError(errno.EACCES, "in use")] * 3
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with write_atomic(tmp_path / "file") as partial_file:
        partial_file.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole"
    assert refusals == []


def test_file_that_another_program_keeps_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(files, "OPEN_ELSEWHERE_SECONDS", 0.1)
    with (
        pytest.raises(StorageError, match=r"file\. The folder .* or another program has the file"),
        write_atomic(tmp_path / "file") as partial_file,
    ):
        partial_file.touch()
    assert list(tmp_path.iterdir()) == []


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
    living, dead = (partial_of(number, folder / GRANULE) for number in (os.getpid(), 2**22 + 1))
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


@pytest.mark.parametrize("days", [800_000, 10**9, 10**30])
def test_retention_longer_than_the_calendar_drops_nothing(tmp_path: Path, days: int) -> None:
    hours_of_files(tmp_path)
    assert prune_hours([tmp_path], older_than_days=days, now=NOW).files == 0
    assert len(list(tmp_path.rglob("*.nc"))) == 2


@pytest.mark.parametrize("days", [800_000, 10**12])
def test_prune_longer_than_the_calendar_says_that_nothing_was_dropped(
    project: Project, days: int
) -> None:
    hours_of_files(project.folder / "data" / "01_raw" / "glm")
    result = CliRunner().invoke(cli, ["prune", "--older-than-days", str(days)])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("Dropped 0 files, 0.0 MB.\n")


PRUNE_ON_A_FULL_DISK = """
set -e
mount -t tmpfs -o size=200k tmpfs "$folder"
"$python" -c "$make"
cat /dev/zero >"$folder/full" 2>/dev/null || true
"$python" -c "$prune"
"""


def test_retention_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    """It needs a lock, which is a file."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([*UNSHARE, "true"], check=False).returncode:
        pytest.skip("mounting a small file system needs user namespaces")
    imports = "from pathlib import Path; from tests.store import test_files as these"
    variables = {
        "folder": str(tmp_path),
        "python": sys.executable,
        "make": f"{imports}; these.hours_of_files(Path({str(tmp_path)!r}))",
        "prune": f"{imports}; from lightning_kedro.store.retention import prune_hours;"
        f"print(prune_hours([Path({str(tmp_path)!r})], older_than_days=3, now=these.NOW))",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", PRUNE_ON_A_FULL_DISK],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("2 files, 0.0 MB\n"), done.stderr


def test_retention_removes_the_lock_that_a_killed_run_left(tmp_path: Path) -> None:
    hours_of_files(tmp_path)
    next(tmp_path.rglob("notes.txt")).unlink()
    for folder in (tmp_path, *(path.parent for path in tmp_path.rglob("*.nc"))):
        (folder / ".lock").touch()
    prune_hours([tmp_path], older_than_days=0, now=NOW.replace(month=8))
    assert [path.name for path in tmp_path.iterdir()] == ["lightning.duckdb"]


def test_retention_leaves_the_folder_of_an_hour_that_is_in_use_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours_of_files(tmp_path)
    monkeypatch.setattr(Path, "rmdir", refuse_removal)
    assert prune_hours([tmp_path], older_than_days=3, now=NOW).files == 2


def refuse_removal(*_: object) -> None:
    raise PermissionError(errno.EACCES, "in use")


def test_retention_makes_no_folder_that_is_not_there(tmp_path: Path) -> None:
    assert prune_hours([tmp_path / "no"], older_than_days=3, now=NOW).files == 0
    assert not (tmp_path / "no").exists()


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
