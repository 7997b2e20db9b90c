"""Dropping old granules and CSV files, hour by hour; never the database."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lightning_kedro.store.disk import explain_disk
from lightning_kedro.store.files import is_stale
from lightning_kedro.store.locks import lock_folder

LOCK_TIMEOUT_SECONDS: Final = 30.0
"""How long a run that is under way is waited for."""

_HOUR_FOLDER: Final = re.compile(r".*/[12][0-9]{3}/[0-3][0-9]{2}/[0-2][0-9]")
_OURS: Final = re.compile(
    r"(OR|OT|IR|IT|IP|IS)_GLM-L2-LCFA_.*\.nc|(time_series|geo_series|granules)\.csv"
    r"|(groups|events)\.parquet|flashes\.arrow"
    r"|\..+\.(simulated|missed|truth\.parquet)"
)
"""What the project writes: nothing else is ever dropped, but what a dead process left of it."""

_STAYS: Final = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was dropped, or would be."""

    files: int
    file_bytes: int

    def __str__(self) -> str:
        """The numbers in a few words."""
        return f"{self.files:,} files, {self.file_bytes / 1e6:,.1f} MB"


def prune_hours(
    folders: Iterable[Path],
    *,
    older_than_days: int,
    now: datetime | None = None,
    dry_run: bool = False,
    timeout: float | None = None,
) -> Pruned:
    """Drop the files of old archive hours, while no run of ingestion is under way.

    A folder may itself be a link to another disk; links below it are not the project's, and what
    they lead to is never touched.

    Args:
        folders: Folders with hours below them as ``.../YYYY/DDD/HH``.
        older_than_days: Hours that began more than so many days ago are dropped.
        now: What the days are counted from; the present, if None.
        dry_run: Only count.
        timeout: How long to wait for a run that is under way, in seconds; half a minute if None.

    Returns:
        How much it was.

    Raises:
        StorageError: If a run goes on for longer, or a file cannot be dropped.
    """
    longest = LOCK_TIMEOUT_SECONDS if timeout is None else timeout
    limit = _find_limit(now or datetime.now(UTC), older_than_days)
    present = [folder for folder in folders if folder.is_dir()]
    sizes: list[int] = []
    with ExitStack() as locks:
        if not dry_run:
            for folder in present:
                locks.enter_context(lock_folder(folder, timeout=longest))
        for folder in present:
            for hour_folder in list(_find_hours(folder)):
                if _read_hour(hour_folder) < limit:
                    sizes += _measure(hour_folder) if dry_run else _drop(hour_folder, folder)
    return Pruned(len(sizes), sum(sizes))


def _find_limit(now: datetime, days: int) -> datetime:
    """The time some days ago; the beginning of the calendar if that is not so long ago."""
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _find_hours(folder: Path) -> Iterator[Path]:
    """The folders of hours below a folder, without following links."""
    with os.scandir(folder) as entries:
        below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in below:
        if _HOUR_FOLDER.fullmatch((folder / name).as_posix()):
            yield folder / name
        else:
            yield from _find_hours(folder / name)


def _drop(hour_folder: Path, root: Path) -> list[int]:
    """Drop the files of one hour, and the folders that become empty; their sizes in bytes."""
    with lock_folder(hour_folder), explain_disk(hour_folder):
        sizes = _measure(hour_folder)
        for path in _list_ours(hour_folder):
            path.unlink(missing_ok=True)
    _remove_empty(hour_folder, root)
    return sizes


def _list_ours(hour_folder: Path) -> list[Path]:
    """The project's own files in the folder of an hour.

    ``granules.csv`` comes first: without it an hour counts as unfinished, never as whole.
    """
    ours = [
        path
        for path in hour_folder.iterdir()
        if (_OURS.fullmatch(path.name) or is_stale(path))
        and path.is_file()
        and not path.is_symlink()
    ]
    return sorted(ours, key=lambda path: path.name != "granules.csv")


def _measure(hour_folder: Path) -> list[int]:
    """Sizes of the project's own files in the folder of an hour, in bytes."""
    sizes = []
    for path in _list_ours(hour_folder):
        with suppress(FileNotFoundError):  # only counting, while a run goes on
            sizes.append(path.stat().st_size)
    return sizes


def _read_hour(folder: Path) -> datetime:
    """The archive hour that a folder ``.../YYYY/DDD/HH`` is called after, UTC."""
    year, day, hour = (int(part) for part in folder.parts[-3:])
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, up to a root, as long as they are empty.

    One that is locked or open at this moment, or that may not be removed, stays.
    """
    while folder != root:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno in _STAYS:
                return
            raise
        folder = folder.parent
