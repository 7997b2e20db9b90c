"""A DuckDB file while it comes into being, while others have it, and on a disk that fails."""

import errno
import os
import platform
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from kedro.io import DatasetError
from tests.ingesting import Ingestion, make_granules, put
from tests.processes import choose_context
from tests.repetitions import repeat

from lightning_kedro.exceptions import StorageError, TableError
from lightning_kedro.store import database
from lightning_kedro.store.database import connect, database_exists, transaction

PROCESSES = choose_context([__name__])
KILLS = repeat(10, 25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "03_primary" / "lightning.duckdb"


def store(path: Path, number: int = 1) -> None:
    """Add a row to a table, as a run does in a process of its own."""
    with connect(path, read_only=False, timeout=30) as connection, transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)")
        connection.execute("INSERT INTO numbers VALUES (?)", [number])


def stored(path: Path) -> list[int]:
    with connect(path, read_only=True, timeout=30) as connection:
        rows = connection.execute("SELECT number FROM numbers ORDER BY number").fetchall()
    return [number for (number,) in rows]


def hold(path: Path, seconds: float) -> None:
    """Keep a database open for writing, as another run or program does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)):
        (path.parent / "held").touch()
        time.sleep(seconds)


def start_holding(path: Path, seconds: float) -> Any:
    other = PROCESSES.Process(target=hold, args=(path, seconds))
    other.start()
    while not (path.parent / "held").exists():
        assert other.exitcode is None, "the other program could not start"
        time.sleep(0.01)
    return other


@pytest.mark.parametrize("size", [0, 1000, 4096, 8192])
@pytest.mark.parametrize("content", ["headers", "zeros"])
def test_beginning_of_a_database_counts_as_none(path: Path, size: int, content: str) -> None:
    store(path)
    head = path.read_bytes()[:size]
    path.write_bytes(head if content == "headers" else bytes(size))
    assert not database_exists(path)
    with pytest.raises(TableError, match="There is no database"), connect(path, read_only=True):
        pass
    store(path, 2)
    assert stored(path) == [2]


def test_short_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my notes")
    with (
        pytest.raises(TableError, match=r"lightning\.duckdb cannot be opened: .* move it away"),
        connect(path, read_only=False),
    ):
        pass
    assert path.read_text() == "my notes"


def test_database_that_another_program_is_making_is_not_replaced(path: Path) -> None:
    """Between its first bytes and its headers the file is locked already."""
    path.parent.mkdir()
    path.touch()
    other = PROCESSES.Process(target=lock_file, args=(path, 1.0))
    other.start()
    while not (path.parent / "held").exists():
        time.sleep(0.01)
    inode = path.stat().st_ino
    began = threading.Timer(0.3, lambda: inodes.append(path.stat().st_ino))
    inodes: list[int] = []
    began.start()
    store(path)
    began.join()
    other.join()
    assert inodes == [inode]
    assert stored(path) == [1]


def test_database_whose_maker_goes_just_before_it_is_opened_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.touch()
    looks = [False, True]
    monkeypatch.setattr(database, "_is_abandoned", lambda _: looks.pop(0))
    store(path)
    assert looks == []
    assert stored(path) == [1]


def lock_file(path: Path, seconds: float) -> None:
    import fcntl

    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        (path.parent / "held").touch()
        time.sleep(seconds)


def test_run_killed_while_the_database_comes_into_being_leaves_no_trace(path: Path) -> None:
    randomly = random.Random(60)
    killed = 0
    for number in range(10 * KILLS):
        folder = path.parent.with_name(str(number))
        run = PROCESSES.Process(target=store, args=(folder / path.name,))
        run.start()
        wait_for(folder)
        time.sleep(randomly.uniform(0, 0.02))
        assert run.pid is not None
        os.kill(run.pid, signal.SIGKILL)
        run.join()
        killed += run.exitcode == -signal.SIGKILL
        store(folder / path.name, 2)
        assert stored(folder / path.name)[-1] == 2
        assert [file.name for file in folder.iterdir()] == [path.name]
        if killed == KILLS:
            break
    assert killed == KILLS


def wait_for(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while not folder.exists() and time.monotonic() < deadline:
        pass


def test_runs_that_start_at_once_make_one_database(path: Path) -> None:
    runs = [PROCESSES.Process(target=store, args=(path, number)) for number in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 4
    assert stored(path) == [0, 1, 2, 3]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_whole_ingestion_waits_for_a_database_that_is_locked(tmp_path: Path) -> None:
    for name, content in make_granules():
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    other = start_holding(ingestion.database, 3)
    began = time.monotonic()
    ingestion.run()
    assert time.monotonic() - began > 1.5, "the database was not locked"
    other.join()
    assert ingestion.query("SELECT count(*) FROM granules") == [(3,)]


def told(process: int) -> str:
    """What is said of another process of this machine: host, command, and since when."""
    host = re.escape(platform.node())
    return rf"PID {process} on {host}, python[^,]*, .*running since [0-9-]+ [0-9:]+ UTC"


def test_database_that_stays_locked_is_named_with_what_to_do(path: Path) -> None:
    other = start_holding(path, 30)
    whom = rf"another process \(python[0-9.]*, {told(other.pid)}\)"
    for read_only in (False, True):
        began = time.monotonic()
        with (
            pytest.raises(TableError, match=rf"cannot be opened: {whom} has had its lock"),
            connect(path, read_only=read_only, timeout=0.5),
        ):
            pass
        assert 0.5 <= time.monotonic() - began < 5
    other.terminate()
    other.join()


def test_wait_for_a_database_says_within_two_seconds_for_whom(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = start_holding(path, 3)
    store(path)
    other.join()
    assert len(caplog.messages) == 1
    whom = rf"another process \(python[0-9.]*, {told(other.pid)}\)"
    words = rf"Waiting for {whom}, which has database "
    assert re.match(words + re.escape(f"{path} open"), caplog.messages[0])


@pytest.mark.parametrize(
    ("text", "whom"),
    [
        (
            r"being used by another process. File is already open in C:\My\python.exe (PID 12)",
            "another process (python.exe, PID 12)",
        ),
        ("Could not set lock: Conflicting lock is held in PID 0 elsewhere", "another process"),
        ("Conflicting lock is held in  (PID 7)", "another process (unknown, PID 7)"),
        (
            "Can't open a connection to same database file with a different configuration",
            "another connection of this process",
        ),
    ],
)
def test_holder_is_named_as_far_as_duckdb_knows(
    text: str, whom: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "describe_other", lambda process: f"PID {process}")
    error = duckdb.IOException(text)
    assert database._is_locked(error)
    assert database._name_holder(error) == whom


def test_database_that_a_notebook_has_open_in_the_same_process_can_be_read(path: Path) -> None:
    """Its connection has not our options, and DuckDB takes no others for the same file."""
    store(path)
    with duckdb.connect(str(path), read_only=True) as notebook:
        assert stored(path) == [1]
        message = "another connection of this process has had its lock"
        with pytest.raises(TableError, match=message), connect(path, read_only=False, timeout=0.1):
            pass
        assert notebook.execute("SELECT count(*) FROM numbers").fetchall() == [(1,)]


WANTS_EXTENSION = "FROM 'http://127.0.0.1:1/flashes.parquet'"


def requests_of(path: Path, home: Path, *, ours: bool) -> list[str]:
    """What DuckDB asks a server for when a query wants an extension; in a home of its own."""
    code = EXTENSIONS.format(path=str(path), ours=ours, query=WANTS_EXTENSION)
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


EXTENSIONS = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
import duckdb
from lightning_kedro.store.database import connect

class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        self.send_error(404)
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
path = Path({path!r})
try:
    with connect(path, read_only=False) if {ours} else duckdb.connect(str(path)) as connection:
        address = f"http://127.0.0.1:{{server.server_port}}"
        connection.execute(f"SET custom_extension_repository = '{{address}}'")
        connection.execute({query!r})
except Exception as error:
    assert "httpfs" in str(error), error
else:
    raise SystemExit("there is such an extension already")
"""


def test_duckdb_fetches_no_extension_by_itself(path: Path, tmp_path: Path) -> None:
    store(path)
    home = tmp_path / "home"
    assert requests_of(path, home, ours=True) == []
    assert list(home.rglob("*")) == [], "nothing is made in the user's home"
    requests = requests_of(path, tmp_path / "control", ours=False)
    assert any("httpfs" in request for request in requests), "DuckDB by itself would fetch it"


def test_file_of_sqlite_is_named_and_fetches_no_extension(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')")
    content = path.read_bytes()
    with (
        pytest.raises(TableError, match=r"cannot be opened: .*sqlite"),
        connect(path, read_only=False),
    ):
        pass
    assert path.read_bytes() == content


def damage_header(path: Path) -> None:
    path.write_bytes(bytes(8192) + path.read_bytes()[8192:])


def damage_wal(path: Path) -> None:
    """Leave a log of a program that was killed, with bytes in its middle that are wrong."""
    code = (
        "import duckdb, os, sys; connection = duckdb.connect(sys.argv[1]);"
        "connection.execute('CREATE TABLE mine AS SELECT range AS number FROM range(100000)');"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    wal = path.with_name(f"{path.name}.wal")
    content = wal.read_bytes()
    wal.write_bytes(content[:200] + b"\xff" * 50 + content[250:])


def damage_both(path: Path) -> None:
    damage_wal(path)
    damage_header(path)


@pytest.mark.parametrize("damage", [damage_header, damage_wal, damage_both])
def test_remedy_for_a_damaged_database_works(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The message is followed to the letter."""
    for name, content in make_granules():
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    ingestion.run()
    before = ingestion.dump()
    damage(ingestion.database)
    with pytest.raises((TableError, DatasetError)) as raised:
        ingestion.run()
    with pytest.raises((TableError, DatasetError)):
        ingestion.run()  # it says: run again
    words = (
        r"Database (\S+) cannot be opened: .* move it away, together with (\S+) if that is beside"
    )
    found = re.search(words, str(raised.value))
    assert found is not None, raised.value
    database_path, wal = Path(found[1]), Path(found[1]).with_name(found[2])
    away = tmp_path / "away"
    away.mkdir()
    for each in (database_path, wal):
        if each.exists():
            each.rename(away / each.name)
    ingestion.run()
    for table, rows in ingestion.dump().items():
        pd.testing.assert_frame_equal(rows, before[table], obj=table)


def test_damaged_database_is_named_at_once(path: Path) -> None:
    """DuckDB speaks of a damaged block, which is no lock."""
    store(path)
    content = bytearray(path.read_bytes())
    content[4096:12288] = bytes(8192)
    path.write_bytes(content)
    began = time.monotonic()
    with (
        pytest.raises(TableError, match=r"lightning\.duckdb cannot be opened: .* Run again"),
        connect(path, read_only=False, timeout=30),
    ):
        pass
    assert time.monotonic() - began < 5


def test_error_that_only_mentions_a_block_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(path)
    attempts = []

    def fail(*_: object, **__: object) -> None:
        attempts.append(1)
        message = "IO Error: Corrupt database file: computed checksum 1 of block 2"
        raise duckdb.IOException(message)

    monkeypatch.setattr(duckdb, "connect", fail)
    with pytest.raises(TableError, match="block 2"), connect(path, read_only=True, timeout=1):
        pass
    assert len(attempts) == 1


def test_full_disk_at_commit_is_said_plainly_and_changes_nothing(path: Path) -> None:
    store(path)
    (path.parent / f"{path.name}.wal").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"Cannot write .*\.duckdb\. The disk is full: make r"):
        store(path, 2)
    (path.parent / f"{path.name}.wal").unlink()
    assert stored(path) == [1]


def test_full_disk_while_an_entry_is_saved_is_said_plainly(tmp_path: Path) -> None:
    for name, content in make_granules():
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    store(ingestion.database)
    wal = ingestion.database.with_name("lightning.duckdb.wal")
    wal.symlink_to("/dev/full")
    with pytest.raises(DatasetError, match=r"Cannot write .*\.duckdb\. The disk is full"):
        ingestion.run()
    wal.unlink()
    ingestion.run()
    assert ingestion.query("SELECT count(*) FROM granules") == [(3,)]


def fail_with(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        message = f'IO Error: Cannot open file "x.duckdb": {os.strerror(number)}\nmore'
        raise duckdb.IOException(message)

    return fail


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"Cannot write .*\.duckdb\. The disk is full: make room"),
        (errno.EROFS, r"Cannot write .*\.duckdb\. The file system is read-only: set `data`"),
        (errno.EACCES, r"Database .*\.duckdb may not be opened: change its permissions"),
    ],
)
def test_trouble_with_the_disk_is_said_plainly(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    store(path)
    monkeypatch.setattr(duckdb, "connect", fail_with(number))
    with pytest.raises(StorageError, match=message), connect(path, read_only=False):
        pass


def test_error_of_a_query_is_one_sentence_and_rolls_back(path: Path) -> None:
    store(path)
    with pytest.raises(TableError, match=r"cannot be written: .*nowhere.* Run again") as raised:
        store_and_fail(path)
    assert "\n" not in str(raised.value)
    assert stored(path) == [1]


def store_and_fail(path: Path) -> None:
    with connect(path, read_only=False) as connection, transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        connection.execute("SELECT * FROM nowhere")


@pytest.mark.parametrize("name", ["why?", "back\\slash"])
def test_folder_that_duckdb_cannot_work_in_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(TableError, match=r"cannot work below a folder with \? or"):
        store(tmp_path / name / "lightning.duckdb")
    assert not (tmp_path / name).exists()
