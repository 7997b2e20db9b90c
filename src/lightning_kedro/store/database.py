"""A DuckDB file: made whole, opened for one operation, its errors made plain.

A connection lives only as long as an operation, because a DuckDB file that one process writes is
closed to all others: whoever finds it locked waits a while.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning_kedro.exceptions import DatabaseBusyError, StorageError, TableError
from lightning_kedro.store.disk import QUOTA_ERROR, explain_disk
from lightning_kedro.store.files import remove_stale_partials, write_atomic
from lightning_kedro.store.locks import Wait, lock_folder
from lightning_kedro.store.processes import describe_other

if TYPE_CHECKING:
    import duckdb

LOCK_TIMEOUT_SECONDS: Final = 120.0

_OTHER_CONNECTION: Final = "different configuration"
"""What DuckDB says while this process has the file open otherwise."""

_LOCKED: Final = (
    "Could not set lock on file",
    "Conflicting lock",
    "File is already open in",
    "being used by another process",
    _OTHER_CONNECTION,
)
"""What DuckDB says while another process has a file; the last but one are Windows' words."""

_HOLDER: Final = re.compile(r"(?P<program>[^\s\"/\\]*)\"? ?\(PID (?P<process>\d+)\)")
"""How DuckDB names the process that has a file."""

_CONFIG: Final = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""DuckDB would fetch and load code by itself, even for a file that only looks like SQLite's."""

_HEADER_BYTES: Final = 3 * 4096
"""A new DuckDB file is made of three headers; before they are all there it holds nothing."""

_MAGIC: Final = b"DUCK"

_UNUSABLE: Final = "?\\"
"""DuckDB takes what follows ``?`` for options, and a backslash for a slash."""


def database_exists(path: Path) -> bool:
    """Whether there is a database; the beginning of one, left by a power cut, is none."""
    return path.is_file() and not _is_unfinished(path)


def _is_unfinished(path: Path) -> bool:
    """Whether a file is what DuckDB has written of a new one before its headers are whole."""
    if path.stat().st_size >= _HEADER_BYTES:
        return False
    head = path.read_bytes()
    return not head.strip(b"\0") or head[8 : 8 + len(_MAGIC)] == _MAGIC


@contextmanager
def connect(
    path: Path, *, read_only: bool, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a DuckDB file for one operation, waiting while another process has it.

    Args:
        path: The file; made, with its folder, unless ``read_only``.
        read_only: Whether nothing is going to be written.
        timeout: How long to wait for the file, in seconds.

    Raises:
        DatabaseBusyError: If the file stays locked.
        TableError: If the file does not exist or is no DuckDB file; and for whatever DuckDB raises
            while it is open.
        StorageError: If the disk is full, or the file or its folder may not be written to.
    """
    if read_only and not database_exists(path):
        message = f"There is no database {path} yet: run `kedro run --pipelines ingestion` first."
        raise TableError(message)
    if set(path.as_posix()) & set(_UNUSABLE):
        message = (
            f"Database {path} cannot be opened: DuckDB cannot work below a folder with ? or \\ in "
            f"its name. Set `data` in conf/local/globals.yml to another folder, then run again."
        )
        raise TableError(message)
    with explain_database(path, "opened"):
        connection = _open(path, read_only=read_only, timeout=timeout)
    try:
        with explain_database(path, "read" if read_only else "written"):
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    finally:
        connection.close()


@contextmanager
def connect_in_memory() -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database that is gone with the connection."""
    import duckdb

    with duckdb.connect(":memory:", config=dict(_CONFIG)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _open(path: Path, *, read_only: bool, timeout: float) -> "duckdb.DuckDBPyConnection":
    """Connect to a file, made if it is to be written; wait while another process has it."""
    import duckdb

    wait = Wait(timeout)
    while True:
        try:
            if not read_only:
                _make_if_absent(path)
            return _connect(path, read_only=read_only)
        except duckdb.Error as error:
            # Whoever was making it may have gone since it was looked at: the next look is ours.
            unfinished = path.is_file() and _is_unfinished(path)
            if not (unfinished or _is_locked(error)):
                raise
            holder = _name_holder(error)
            if wait.is_over:
                message = (
                    f"Database {path} cannot be opened: {holder} has had its lock for "
                    f"{timeout:g} s. Wait for that run to end, or close the program that has the "
                    f"file open, then run again."
                )
                raise DatabaseBusyError(message, holder) from error
        wait.pause(f"{holder}, which has database {path} open")


def _connect(path: Path, *, read_only: bool = False) -> "duckdb.DuckDBPyConnection":
    """Connect to a file, without extensions that come by themselves.

    Where this process has the file open already with other options, as in a notebook, theirs hold
    for all connections: DuckDB refuses any others.
    """
    import duckdb

    name = path.as_posix()
    try:
        return duckdb.connect(name, read_only=read_only, config=dict(_CONFIG))
    except duckdb.Error as error:
        if _OTHER_CONNECTION not in str(error):
            raise
        return duckdb.connect(name, read_only=read_only)


def _is_locked(error: Exception) -> bool:
    """Whether an error means that somebody has the file open."""
    return any(words in str(error) for words in _LOCKED)


def _name_holder(error: Exception) -> str:
    """Who has the file, as far as DuckDB's error says so."""
    match = _HOLDER.search(str(error))
    if match is not None:
        told = describe_other(int(match["process"]))
        return f"another process ({match['program'] or 'unknown'}, {told})"
    if _OTHER_CONNECTION in str(error):
        return "another connection of this process"
    return "another process"


def _make_if_absent(path: Path) -> None:
    """Make an empty database that has its name only when it is whole.

    DuckDB itself makes a file of no bytes first: a kill in that moment would leave what neither it
    nor any later run can open, and a second run that came by would fail.
    """
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_partials(path.parent)
    if database_exists(path):
        return
    with lock_folder(path.parent):
        if not path.exists() or _is_abandoned(path):
            with write_atomic(path, sync=True) as partial:
                _connect(partial).close()


def _is_abandoned(path: Path) -> bool:
    """Whether a file is the beginning of a database, and nobody is making it at this moment.

    DuckDB itself is asked: whoever makes a database has its lock.
    """
    import duckdb

    if not path.is_file() or not _is_unfinished(path):
        return False
    try:
        _connect(path).close()
    except duckdb.Error as error:
        return not _is_locked(error)
    return False


@contextmanager
def transaction(connection: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """All or nothing: what happens inside is kept together, or not at all."""
    import duckdb

    connection.begin()
    try:
        yield
    except BaseException:
        # After some errors DuckDB has rolled back already, and says so with another error.
        with contextlib.suppress(duckdb.Error):
            connection.rollback()
        raise
    connection.commit()


@contextmanager
def explain_database(path: Path, verb: str) -> Iterator[None]:
    """Say plainly what DuckDB cannot do with a file: ``verb`` is opened, read or written.

    Raises:
        StorageError: If the disk is full, or something may not be written to or read.
        TableError: For everything else that DuckDB raises.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        text = str(error).splitlines()[0].rstrip(".!")
        if os.strerror(errno.EACCES) in text:
            message = (
                f"Database {path} may not be {verb}: change its permissions or its folder's, or "
                f"set `data` in conf/local/globals.yml; then run again."
            )
            raise StorageError(message) from error
        for number in (errno.ENOSPC, QUOTA_ERROR, errno.EROFS):
            if number is not None and os.strerror(number) in text:
                with explain_disk(path):
                    raise OSError(number, text) from error
        message = (
            f"Database {path} cannot be {verb}: {text}. Run again; if that does not help, move it "
            f"away, together with {path.name}.wal if that is beside it: the next run of ingestion "
            f"makes a new one."
        )
        raise TableError(message) from error
