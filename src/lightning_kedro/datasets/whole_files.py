"""Files that are there in full or not at all, and folders that one process at a time may change."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import StorageError

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
    """Remove what processes that are gone left half-written in a folder and below."""
    for partial in folder.rglob(".*.part"):
        match = _PARTIAL.fullmatch(partial.name)
        if match is not None and not _is_running(int(match["process"])):
            partial.unlink(missing_ok=True)


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
def lock_folder(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep other processes from changing a folder, or with ``shared`` from changing it meanwhile.

    The lock is on the folder itself: no file is left behind, and it ends with its process.
    """
    with explain_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
