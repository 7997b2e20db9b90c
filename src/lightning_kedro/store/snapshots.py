"""A snapshot of a small database beside it, for readers while a run has the database itself.

DuckDB lets one writer or many readers in. After each load and each result the file is copied to
``lightning.snapshot.duckdb``, which nobody writes to: a dashboard or a notebook reads that, and
neither waits for a run nor keeps one waiting. It becomes visible whole, by a rename, while no other
process can write to the database, so that it never is an older state than the one before it.

The snapshot has the database's own time of change: as long as time and size are the same and there
is no log of writes (``.wal``) beside the database, both hold the same.
"""

import contextlib
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import DatabaseBusyError, LightningKedroError, StorageError
from lightning_kedro.store.database import connect, database_exists
from lightning_kedro.store.files import write_atomic

logger = logging.getLogger(__name__)

MEGABYTE: Final = 1_000_000

PATIENCE_SECONDS: Final = 2.0
"""How long another writer is waited for: it will make a snapshot of its own."""

COPY_SECONDS: Final = 120.0
"""A copy that takes longer is given up."""

_COPY: Final = "import shutil, sys; shutil.copy2(sys.argv[1], sys.argv[2])"
"""The copy is made by a process of its own: POSIX lets go of all of a process's locks on a file
when it closes the file once, and DuckDB's locks are of that kind."""


def name_snapshot(database: Path) -> Path:
    """Where the snapshot of a database is: ``lightning.snapshot.duckdb`` beside it."""
    return database.with_name(f"{database.stem}.snapshot{database.suffix}")


def find_snapshot(database: Path) -> Path | None:
    """The snapshot of a database, of whatever time; None if there is none."""
    path = name_snapshot(database)
    return path if database_exists(path) else None


def find_current_snapshot(database: Path) -> Path | None:
    """The snapshot of a database if it holds the very same; None otherwise."""
    path = find_snapshot(database)
    with contextlib.suppress(FileNotFoundError):
        if path is not None and _is_current(database, path):
            return path
    return None


def read_time(snapshot: Path) -> datetime:
    """When the state of the database that a snapshot holds was written, UTC."""
    return datetime.fromtimestamp(snapshot.stat().st_mtime, UTC)


def publish_snapshot(database: Path, max_bytes: float) -> bool:
    """Copy a database to its snapshot, unless it is too large; never fail for it.

    Args:
        database: The DuckDB file; no connection of this process may be writing to it.
        max_bytes: Of larger databases no snapshot is made, and one from before is removed; 0 makes
            none and leaves one that is there alone.

    Returns:
        Whether the snapshot holds now what the database does.
    """
    if max_bytes <= 0 or not database_exists(database):
        return False
    path = name_snapshot(database)
    try:
        if database.stat().st_size > max_bytes:
            _say_too_large(database, max_bytes)
            path.unlink(missing_ok=True)
            return False
        if find_current_snapshot(database) is None:
            _copy(database, path)
    except DatabaseBusyError as error:  # it makes a snapshot itself when it has written
        logger.debug("No snapshot of %s: %s", database, error)
        return False
    except (LightningKedroError, OSError) as error:
        logger.warning("There is no new snapshot of %s for readers: %s", database, error)
        return False
    return find_current_snapshot(database) is not None


def _is_current(database: Path, snapshot: Path) -> bool:
    """Whether a snapshot holds what the database does."""
    states = [(one.st_mtime_ns, one.st_size) for one in (database.stat(), snapshot.stat())]
    return states[0] == states[1] and not _name_log(database).exists()


def _name_log(database: Path) -> Path:
    """Where DuckDB writes what is not in the file yet."""
    return database.with_name(f"{database.name}.wal")


def _say_too_large(database: Path, max_bytes: float) -> None:
    """Say what a larger database is read by."""
    logger.info(
        "Database %s has %.0f MB, more than snapshot_max_mb (%.0f): no snapshot is made of it. For "
        "readers while runs write, keep so much in the lake (docs/how-to/cluster.md)",
        database,
        database.stat().st_size / MEGABYTE,
        max_bytes / MEGABYTE,
    )


def _copy(database: Path, path: Path) -> None:
    """Make the copy while no process can write to the database.

    Raises:
        DatabaseBusyError: If another process writes to it.
        StorageError: If it cannot be copied.
    """
    with (
        connect(database, read_only=True, timeout=PATIENCE_SECONDS),
        write_atomic(path) as partial,
    ):
        if _name_log(database).exists():
            message = f"{_name_log(database).name} holds what is not in the file yet"
            raise DatabaseBusyError(message)
        command = [sys.executable, "-I", "-S", "-c", _COPY, str(database), str(partial)]
        done = subprocess.run(  # noqa: S603  (this interpreter, and paths as arguments)
            command, capture_output=True, text=True, check=False, timeout=COPY_SECONDS
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["the copy was ended"])[-1]
            message = f"it cannot be copied ({reason})"
            raise StorageError(message)
