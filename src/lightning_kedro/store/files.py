"""Files that are there in full or not at all, and folders that one process at a time may change."""

import errno
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import StorageError

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS: Final = 600.0
"""Longer than any run keeps a folder: decoding an hour takes a second, loading hours a few."""

SILENT_SECONDS: Final = 2.0
"""A wait that takes longer is said."""

_LONGEST_PAUSE_SECONDS: Final = 0.25

_PARTIAL: Final = re.compile(r"\..+\.(?P<process>\d+)\.part")


@contextmanager
def write_whole(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Write a file that becomes visible only when it is whole.

    Args:
        path: The file.
        sync: Whether its content must be on the disk before its name is, so that not even a power
            cut leaves the one without the other.

    Yields:
        Where to write: a hidden file beside it, which is renamed at the end.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with explain_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            if sync:
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def explain_disk(path: Path) -> Iterator[None]:
    """Say plainly what is wrong with the disk."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "The disk is full: make room (`kedro prune` drops old granules and CSVs)",
            errno.EDQUOT: "The disk quota is used up: make room",
            errno.EROFS: "The file system is read-only: set `data` in conf/base/globals.yml",
            errno.ENOTDIR: "A part of the path is no folder: move it away",
            errno.EEXIST: "A file has the name of the folder: move it away",
            errno.EACCES: "The folder may not be written to: change its permissions",
        }.get(error.errno or 0)
        if advice is None:
            raise
        message = f"Cannot write {path}. {advice}; then run again, nothing is lost."
        raise StorageError(message) from error


def sweep_partials(folder: Path) -> None:
    """Remove what processes that are gone left half-written in a folder."""
    for partial in folder.glob(".*.part"):
        if is_abandoned(partial):
            partial.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Whether a file is what a process that is gone left half-written."""
    match = _PARTIAL.fullmatch(path.name)
    return match is not None and not _is_running(int(match["process"]))


def _is_running(process: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def lock_folder(
    folder: Path, *, shared: bool = False, timeout: float = LOCK_TIMEOUT_SECONDS
) -> Iterator[None]:
    """Keep other processes from changing a folder, or with ``shared`` from changing it meanwhile.

    The lock is on the folder itself: no file is left behind, and it ends with its process.

    Args:
        folder: The folder; made if it is not there.
        shared: Whether others may have a shared lock at the same time.
        timeout: How long to wait for others, in seconds.

    Raises:
        StorageError: If others keep the folder for longer, or it cannot be made.
    """
    while True:
        with explain_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
        try:
            _wait_for_lock(descriptor, folder, shared=shared, timeout=timeout)
            if _is_still(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(descriptor: int, folder: Path) -> bool:
    """Whether a folder is the one that was opened: it may have been removed during the wait."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _wait_for_lock(descriptor: int, folder: Path, *, shared: bool, timeout: float) -> None:
    """Ask for the lock until it is there; waiting in the kernel could be neither said nor ended."""
    began = time.monotonic()
    pause, silent = 0.005, True
    while not _try_lock(descriptor, shared=shared):
        waited = time.monotonic() - began
        if waited >= timeout:
            message = (
                f"Folder {folder} has been in use by another run for {waited:.0f} s. Wait until "
                f"that run has ended, or stop it, then run again."
            )
            raise StorageError(message)
        if silent and waited >= SILENT_SECONDS:
            silent = False
            logger.warning("Waiting for another run that uses %s", folder)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _try_lock(descriptor: int, *, shared: bool) -> bool:
    """Take a lock if it can be had at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
