"""Dropping old granules and CSV files, hour by hour; never the database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lightning_kedro.datasets.whole_files import lock_folder

_HOUR_FOLDERS: Final = "**/[12][0-9][0-9][0-9]/[0-9][0-9][0-9]/[0-9][0-9]"
_OURS: Final = re.compile(
    r"(OR|OT|IR|IT|IP|IS)_GLM-L2-LCFA_.*\.nc|(time_series|geo_series|granules)\.csv"
    r"|\..+\.(part|simulated)"
)
"""What the project writes: nothing else is ever dropped."""


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
) -> Pruned:
    """Drop the files of old archive hours.

    Args:
        folders: Folders with hours below them as ``.../YYYY/DDD/HH``.
        older_than_days: Hours that began more than so many days ago are dropped.
        now: What the days are counted from; the present, if None.
        dry_run: Only count.

    Returns:
        How much it was.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=older_than_days)
    sizes: list[int] = []
    for folder in folders:
        for hour_folder in sorted(folder.glob(_HOUR_FOLDERS)):
            if _read_hour(hour_folder) < limit:
                sizes += _prune_hour(hour_folder, dry_run=dry_run)
                if not dry_run:
                    _remove_empty(hour_folder, folder)
    return Pruned(len(sizes), sum(sizes))


def _prune_hour(folder: Path, *, dry_run: bool) -> list[int]:
    """Drop the files of one hour; their sizes in bytes."""
    sizes = []
    with lock_folder(folder):
        # granules.csv first: without it an hour counts as unfinished, never as whole.
        for path in sorted(folder.iterdir(), key=lambda path: path.name != "granules.csv"):
            if path.is_file() and _OURS.fullmatch(path.name):
                sizes.append(path.stat().st_size)
                if not dry_run:
                    path.unlink()
    return sizes


def _read_hour(folder: Path) -> datetime:
    """The archive hour that a folder ``.../YYYY/DDD/HH`` is called after, UTC."""
    year, day, hour = (int(part) for part in folder.parts[-3:])
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, up to a root, as long as they are empty."""
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
