"""Locks on folders: one process at a time changes a folder, or many read it.

A lock is on a hidden file in the folder, because not every system can lock the folder itself. The
system lets go of it when its process ends, however it ends. Whoever is the last to let go removes
the file; one that was killed leaves an empty file, which the next to come takes over.
"""

import logging
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from lightning_kedro.exceptions import StorageError
from lightning_kedro.store.disk import explain_disk
from lightning_kedro.store.processes import describe_process

logger = logging.getLogger(__name__)

LOCK_NAME: Final = ".lock"

LOCK_TIMEOUT_SECONDS: Final = 600.0
"""Longer than any run keeps a folder: decoding an hour takes a second, loading hours a few."""

SILENT_SECONDS: Final = 1.5
"""Log a wait that takes longer than this: within two seconds people know for whom they wait."""

MOST_SIGNED: Final = 400
"""Characters of a signature that are read, at most."""

FIRST_PAUSE_SECONDS: Final = 0.005

LONGEST_PAUSE_SECONDS: Final = 0.25


class Wait:
    """A wait for others: bounded by a deadline, and logged once when it gets long.

    Args:
        timeout: The deadline, in seconds from now.
    """

    def __init__(self, timeout: float) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._timeout = timeout
        self._pause = FIRST_PAUSE_SECONDS
        self._is_logged = False

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._began

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.seconds >= self._timeout

    def pause(self, whom: str) -> None:
        """Sleep for a moment, longer each time.

        Args:
            whom: For whom the wait is; logged once, after ``SILENT_SECONDS``.
        """
        if not self._is_logged and self.seconds >= SILENT_SECONDS:
            self._is_logged = True
            logger.warning("Waiting for %s", whom)
        time.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, not a secret)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


@contextmanager
def lock_folder(
    folder: Path, *, shared: bool = False, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator[None]:
    """Keep other processes from changing a folder, or with ``shared`` from changing it meanwhile.

    Args:
        folder: The folder; made if it is not there.
        shared: Whether others may have a shared lock at the same time.
        timeout: How long to wait for others, in seconds.

    Raises:
        StorageError: If others keep the folder for longer, if it cannot be made or written to, or
            if its file system has no locks.
    """
    file = _acquire(folder, shared=shared, timeout=timeout)
    try:
        yield
    finally:
        _release(file, folder / LOCK_NAME)


def _acquire(folder: Path, *, shared: bool, timeout: float) -> IO[bytes]:
    """Wait for the lock; the open file keeps it."""
    path, wait = folder / LOCK_NAME, Wait(timeout)
    while True:
        file = _open(path)
        if file is not None:
            if _try_lock(file, folder, shared=shared) and _is_same(file, path):
                _sign(file, shared=shared)
                return file
            file.close()
        if wait.is_over:
            message = (
                f"Folder {folder} has been in use by another run for {wait.seconds:.0f} s. Wait "
                f"until that run has ended, or stop it{_name_holder(path, ' ({})')}, then run "
                f"again."
            )
            raise StorageError(message)
        wait.pause(f"another run{_name_holder(path, ', {},')} that uses {folder}")


def _open(path: Path) -> IO[bytes] | None:
    """Open a lock file, made with its folder if need be; None if it is going at this moment."""
    with explain_disk(path.parent):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+b", buffering=0)
        except FileNotFoundError:
            return None
        except PermissionError:
            if os.access(path.parent, os.W_OK):  # Windows says so of a file that is being removed
                return None
            raise


def _try_lock(file: IO[bytes], folder: Path, *, shared: bool) -> bool:
    """Take a lock if it can be had at once."""
    import portalocker

    flags = portalocker.LOCK_SH if shared else portalocker.LOCK_EX
    try:
        portalocker.lock(file, flags | portalocker.LOCK_NB)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException as error:
        file.close()
        message = (
            f"Folder {folder} cannot be locked: {error}. Its file system has no locks: set `data` "
            f"in conf/local/globals.yml to a folder on another one, then run again."
        )
        raise StorageError(message) from error
    return True


def _is_same(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one of that name.

    Whoever had the lock before may have removed it, or somebody the whole folder.
    """
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: IO[bytes], *, shared: bool) -> None:
    """Write into a lock file who has it; those that share it do not sign.

    Others only read it to say for whom they wait, so a full disk does no harm.
    """
    with suppress(OSError):
        if os.fstat(file.fileno()).st_size:  # ext4 waits for the disk after it truncates a file
            file.truncate(0)
        if not shared:
            file.write(describe_process().encode())


def _name_holder(path: Path, form: str) -> str:
    """Who has signed a lock file, put into a form; nothing if nobody has, or it cannot be read."""
    try:
        text = path.read_text("utf-8", errors="replace")[:MOST_SIGNED]
    except OSError:
        return ""
    return form.format(text) if text.isprintable() and text else ""


def _release(file: IO[bytes], path: Path) -> None:
    """Let go, and remove the file unless others share the lock."""
    import portalocker

    with file:
        portalocker.unlock(file)
        try:
            portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.LockException:
            return
        if not _is_same(file, path):
            return
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            # Windows does not remove what is open, by whomever: so it must be closed before, and
            # stays if another has opened it meanwhile.
            file.close()
            with suppress(OSError):
                path.unlink()
