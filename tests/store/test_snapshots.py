"""Snapshots: what readers get while a run has the database, and that no lock is lost for them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from tests.processes import choose_context

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.exceptions import DatabaseBusyError, TableError
from lightning_kedro.store import snapshots, tables
from lightning_kedro.store.database import connect
from lightning_kedro.store.loaded import CoverageTable, FlashTable
from lightning_kedro.store.snapshots import (
    find_current_snapshot,
    find_snapshot,
    name_snapshot,
    publish_snapshot,
    read_time,
)
from lightning_kedro.store.tables import TableHandle, create_table

FORK = choose_context([__name__, "pandas"])
LARGE = 1e9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "03_primary" / "lightning.duckdb"


def hours(path: Path, **options: Any) -> DuckDBTableDataset:
    return DuckDBTableDataset(path=str(path), table="coverage", snapshot_max_mb=10, **options)


def hour(number: int) -> pd.DataFrame:
    counts = {"expected": 180, "found": 180, "corrupt": 0, "missing": 0}
    at = pd.Timestamp("2023-01-26") + pd.Timedelta(hours=number)
    return pd.DataFrame([{"platform": "G18", "hour": at} | counts])


def hold(path: Path, *, writes: bool) -> None:
    """Keep a database open for writing, as a run does, until the end by a kill."""
    with duckdb.connect(str(path)) as connection:
        if writes:
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            connection.execute("CREATE TABLE late AS SELECT 1 AS one")
        (path.parent / "held").touch()
        time.sleep(30)


@contextmanager
def held(path: Path, *, writes: bool = False) -> Iterator[int]:
    other = FORK.Process(target=hold, args=(path,), kwargs={"writes": writes})
    other.start()
    while not (path.parent / "held").exists():
        assert other.exitcode is None
        time.sleep(0.01)
    (path.parent / "held").unlink()
    assert other.pid is not None
    try:
        yield other.pid
    finally:
        other.kill()
        other.join()


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return len(connection.execute("FROM coverage").fetchall())


def test_each_save_leaves_a_snapshot_of_what_the_database_holds(path: Path) -> None:
    for number in (1, 2):
        hours(path).save(hour(number))
        assert find_current_snapshot(path) == path.with_name("lightning.snapshot.duckdb")
        assert count(name_snapshot(path)) == count(path) == number
    assert sorted(os.listdir(path.parent)) == ["lightning.duckdb", "lightning.snapshot.duckdb"]  # noqa: PTH208


def test_entry_that_does_not_ask_for_a_snapshot_makes_none(path: Path) -> None:
    DuckDBTableDataset(path=str(path), table="coverage").save(hour(1))
    assert find_snapshot(path) is None
    assert not publish_snapshot(path.with_name("other.duckdb"), LARGE)


def test_state_that_is_there_already_is_not_copied_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(path).save(hour(1))
    monkeypatch.setattr(snapshots, "_copy", lambda *_: pytest.fail("copied"))
    assert publish_snapshot(path, LARGE)


def test_larger_database_has_no_snapshot_and_the_log_says_what_reads_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hours(path).save(hour(1))
    assert not publish_snapshot(path, 1000)
    assert find_snapshot(path) is None, "an old one would be read for ever"
    assert "more than snapshot_max_mb (0): no snapshot is made of it. For readers" in caplog.text
    assert "keep so much in the lake (docs/how-to/cluster.md)" in caplog.text


def test_snapshot_is_older_as_soon_as_the_database_has_changed(path: Path) -> None:
    hours(path).save(hour(1))
    DuckDBTableDataset(path=str(path), table="coverage").save(hour(2))
    assert find_snapshot(path) is not None
    assert find_current_snapshot(path) is None
    assert read_time(name_snapshot(path)).timestamp() <= path.stat().st_mtime


def test_rows_that_only_the_log_of_a_killed_run_has_make_it_older(path: Path) -> None:
    hours(path).save(hour(1))
    state = path.stat()
    with held(path, writes=True):
        pass
    assert path.with_name("lightning.duckdb.wal").exists()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert find_current_snapshot(path) is None
    assert not publish_snapshot(path, LARGE), "a copy would lack them"
    hours(path).save(hour(2))
    assert find_current_snapshot(path) is not None


def test_snapshot_of_a_database_that_another_run_has_is_left_to_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshots, "PATIENCE_SECONDS", 0.1)
    hours(path).save(hour(1))
    DuckDBTableDataset(path=str(path), table="coverage").save(hour(2))
    with held(path):
        assert not publish_snapshot(path, LARGE)
    assert count(name_snapshot(path)) == 1
    assert caplog.messages == []


def test_copy_does_not_let_go_of_the_lock_that_readers_of_this_process_have(path: Path) -> None:
    """POSIX drops a process's locks on a file when it closes any handle on it."""
    hours(path).save(hour(1))
    name_snapshot(path).unlink()
    with connect(path, read_only=True):
        assert publish_snapshot(path, LARGE)
        other = FORK.Process(target=fail_to_write, args=(path,))
        other.start()
        other.join()
    assert other.exitcode == 0


def fail_to_write(path: Path) -> None:
    with pytest.raises(DatabaseBusyError), connect(path, read_only=False, timeout=0.2):
        pass


@pytest.mark.parametrize("fails", ["process", "disk"])
def test_copy_that_fails_is_said_and_the_run_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    if fails == "process":
        monkeypatch.setattr(snapshots, "_COPY", "raise OSError('the disk is gone')")
    else:
        monkeypatch.setattr(snapshots, "_copy", lambda *_: (path / "no").touch())
    hours(path).save(hour(1))
    assert count(path) == 1
    assert "There is no new snapshot of " in caplog.text
    assert ("it cannot be copied (OSError: the disk is gone)" in caplog.text) == (
        fails == "process"
    )
    assert [one.name for one in path.parent.iterdir()] == ["lightning.duckdb"]


def test_people_read_the_snapshot_while_a_run_has_the_database(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tables, "PEEK_SECONDS", 0.1)
    with connect(path, read_only=False) as connection:
        create_table(connection, "flashes")
    hours(path).save(hour(1))
    with held(path) as pid:
        assert len(hours(path).load()) == 1
        assert len(CoverageTable(path)) == 1
        window = ("G18", "2023-01-26T00:00", "2023-01-26T03:00")
        assert len(CoverageTable(path).window(*window)) == 1
        assert len(FlashTable(path).window(*window)) == 0
        assert hours(path).preview()["data"][0][0] == "G18"
        handle = CoverageTable(path).snapshot
        assert (type(handle), handle.path) == (CoverageTable, name_snapshot(path))
        with handle.open() as connection:
            assert len(connection.execute("FROM coverage").fetchall()) == 1
    words = f"Database {path} is kept by another process (python"
    assert all(message.startswith(words) for message in caplog.messages)
    assert all(f", PID {pid} on " in message for message in caplog.messages)
    assert all(": this is its snapshot of " in message for message in caplog.messages)
    assert len(caplog.messages) == 5


def test_runs_never_read_the_snapshot(path: Path) -> None:
    hours(path).save(hour(1))
    with (
        held(path),
        pytest.raises(DatabaseBusyError, match="cannot be opened") as raised,
        TableHandle(path, "coverage", 0.1).open(),
    ):
        pass
    assert "has had its lock" in str(raised.value)


def test_people_wait_where_there_is_no_snapshot(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PEEK_SECONDS", 0.05)
    DuckDBTableDataset(path=str(path), table="coverage").save(hour(1))
    with held(path), pytest.raises(TableError, match="has had its lock for"):
        TableHandle(path, "coverage", 0.2).df()


def test_reader_of_a_snapshot_keeps_what_it_opened(path: Path) -> None:
    hours(path).save(hour(1))
    with connect(name_snapshot(path), read_only=True) as reader:
        hours(path).save(hour(2))
        assert len(reader.execute("FROM coverage").fetchall()) == 1
    assert count(name_snapshot(path)) == 2
