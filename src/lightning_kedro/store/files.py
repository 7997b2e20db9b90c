"""Atomic writes: files that are there in full or not at all."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lightning_kedro.store.disk import explain_disk
from lightning_kedro.store.locks import lock_folder
from lightning_kedro.store.processes import is_running, pid_domain

__all__ = ["explain_disk", "is_stale", "lock_folder", "remove_stale_partials", "write_atomic"]

STALE_SECONDS: Final = 86_400.0
"""A partial file that has not changed for so long is stale, whosever it is."""

OPEN_ELSEWHERE_SECONDS: Final = 2.0
"""How long to retry where another program has a file open, which Windows does not replace."""

_PARTIAL: Final = re.compile(
    r"\..+\.((?P<domain>[0-9a-f]{10})-)?(?P<process>\d+)(-[0-9a-f]{8})?\.part"
)
"""Name, where the process number holds, the number, and a random part; once it was without."""


@contextmanager
def write_atomic(path: Path, *, sync: bool = False) -> Iterator[Path]:
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
    partial = name_partial(path)
    try:
        with explain_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            if sync:
                with partial.open("r+b") as file:  # Windows syncs only what it may write
                    os.fsync(file.fileno())
            _replace(partial, path)
    finally:
        with suppress(NotADirectoryError):  # a file has the name of the folder: that was said
            partial.unlink(missing_ok=True)


def _replace(partial: Path, path: Path) -> None:
    """Rename a file onto another one, with retries while another program has that one open."""
    try:
        partial.replace(path)
    except PermissionError:
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

        Retrying(
            retry=retry_if_exception_type(PermissionError),
            stop=stop_after_delay(OPEN_ELSEWHERE_SECONDS),
            wait=wait_random(0.02, 0.2),
            reraise=True,
        )(partial.replace, path)


def name_partial(path: Path) -> Path:
    """A new name for a file while it is written, from which others see whose it is."""
    owner = f"{pid_domain()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.name}.{owner}.part")


def remove_stale_partials(folder: Path, *, locked: bool = False) -> None:
    """Remove the stale partial files of a folder, and the stale partial folders in it.

    Args:
        folder: The folder.
        locked: Whether its files are written under its lock only, and this process has it: then
            every partial file of this machine is stale, even that of a process which has let go of
            the lock by being killed and is not quite gone.
    """
    for partial in folder.glob(".*.part"):
        if is_stale(partial) or (locked and _is_of_here(partial)):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
                continue
            with suppress(PermissionError):  # it is another user's, or open: it can wait
                partial.unlink(missing_ok=True)


def _is_of_here(path: Path) -> bool:
    """Whether a file is a partial one of a process of this machine (and container)."""
    match = _PARTIAL.fullmatch(path.name)
    return match is not None and match["domain"] == pid_domain()


def is_stale(path: Path) -> bool:
    """Whether a file is a stale partial file.

    It is if its process was one of this machine (and container) and is gone. Of another machine's
    process nothing is known: its files are stale when they are a day old.
    """
    match = _PARTIAL.fullmatch(path.name)
    if match is None:
        return False
    if match["domain"] == pid_domain() and not is_running(int(match["process"])):
        return True
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return False
