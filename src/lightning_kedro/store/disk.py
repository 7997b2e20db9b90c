"""What goes wrong with a disk, in words that say what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import StorageError

QUOTA_ERROR: Final[int | None] = getattr(errno, "EDQUOT", None)
"""The error number of a disk quota that is used up; not every system has one."""

_ADVICE: Final = {
    errno.ENOSPC: "The disk is full: make room (`kedro prune` drops old granules and CSVs)",
    QUOTA_ERROR: "The disk quota is used up: make room",
    errno.EROFS: "The file system is read-only: set `data` in conf/local/globals.yml",
    errno.ENOTDIR: "A part of the path is no folder: move it away",
    errno.EEXIST: "A file has the name of the folder: move it away",
    errno.EISDIR: "A folder has the name of the file: move it away",
    errno.EACCES: (
        "The folder may not be written to, or another program has the file open: change its "
        "permissions, or close that program"
    ),
}


@contextmanager
def explain_disk(path: Path) -> Iterator[None]:
    """Say plainly what is wrong with the disk.

    Args:
        path: What was to be written.

    Raises:
        StorageError: If there is something that a person can do about an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        advice = None if error.errno is None else _ADVICE.get(error.errno)
        if advice is None:
            raise
        message = f"Cannot write {path}. {advice}; then run again, nothing is lost."
        raise StorageError(message) from error
