"""A DuckDB file: made whole, opened for one operation, its errors made plain.

A connection lives only as long as an operation, because a DuckDB file that one process writes is
closed to all others: whoever finds it locked waits a while.
"""

import contextlib
import errno
import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning_kedro.exceptions import StorageError, TableError
from lightning_kedro.store.files import (
    explain_disk,
    lock_folder,
    sweep_partials,
    write_whole,
)

if TYPE_CHECKING:
    import duckdb

LOCK_TIMEOUT_SECONDS: Final = 120.0

_LOCKED: Final = ("Could not set lock on file", "Conflicting lock", "different configuration")
"""What DuckDB says while another process has a file, or another connection of this process."""

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
        TableError: If the file does not exist, stays locked, or is no DuckDB file; and for
            whatever DuckDB raises while it is open.
        StorageError: If the disk is full, or the file or its folder may not be written to.
    """
    if read_only and not database_exists(path):
        message = f"There is no database {path} yet: run `kedro run --pipeline ingestion` first."
        raise TableError(message)
    if set(str(path)) & set(_UNUSABLE):
        message = (
            f"Database {path} cannot be opened: DuckDB cannot work below a folder with ? or \\ in "
            f"its name. Set `data` in conf/base/globals.yml to another folder, then run again."
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


def _open(path: Path, *, read_only: bool, timeout: float) -> "duckdb.DuckDBPyConnection":
    """Connect to a file, made if it is to be written; wait while another process has it."""
    import duckdb

    deadline = time.monotonic() + timeout
    while True:
        try:
            if not read_only:
                _make_if_absent(path)
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            # Whoever was making it may have gone since it was looked at: the next look is ours.
            unfinished = path.is_file() and _is_unfinished(path)
            if not (unfinished or any(words in str(error) for words in _LOCKED)):
                raise
            if time.monotonic() >= deadline:
                message = (
                    f"Database {path} cannot be opened: another process has had its lock for "
                    f"{timeout:g} s. Wait for that run to end, or close the program that has the "
                    f"file open, then run again."
                )
                raise TableError(message) from error
        time.sleep(random.uniform(0.05, 0.25))  # noqa: S311  (jitter, not a secret)


def _make_if_absent(path: Path) -> None:
    """Make an empty database that has its name only when it is whole.

    DuckDB itself makes a file of no bytes first: a kill in that moment would leave what neither it
    nor any later run can open, and a second run that came by would fail.
    """
    import duckdb

    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    sweep_partials(path.parent)
    if database_exists(path):
        return
    with lock_folder(path.parent):
        if not path.exists() or _is_abandoned(path):
            with write_whole(path, sync=True) as partial:
                duckdb.connect(str(partial)).close()


def _is_abandoned(path: Path) -> bool:
    """Whether a file is the beginning of a database, and nobody is making it at this moment."""
    if not path.is_file() or not _is_unfinished(path):
        return False
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


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
                f"set `data` in conf/base/globals.yml; then run again."
            )
            raise StorageError(message) from error
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            if os.strerror(number) in text:
                with explain_disk(path):
                    raise OSError(number, text) from error
        message = (
            f"Database {path} cannot be {verb}: {text}. Run again; if that does not help, move "
            f"the file away and `kedro run --pipeline ingestion` makes a new one."
        )
        raise TableError(message) from error
