"""Folders that change as a whole: prepared in full beside their place, then renamed into it.

No system renames a folder onto one that has files. So a new one waits under a second name when it
is whole; what a kill leaves between the renames that follow, whoever comes next puts in place.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_kedro.store.files import (
    explain_disk,
    lock_folder,
    name_partial,
    remove_stale_partials,
)


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Write a folder that becomes visible only when it is whole; until then the former one stands.

    Args:
        folder: The folder.

    Yields:
        Where to write: a hidden folder beside it.

    Raises:
        StorageError: If the disk is full or the folder cannot be written to, or others keep the
            folder that it lies in.
    """
    partial = name_partial(folder)
    try:
        with explain_disk(folder):
            partial.mkdir(parents=True)
            remove_stale_partials(folder.parent)
            yield partial
            with lock_folder(folder.parent):
                _finish(folder)
                partial.rename(_stages(folder)[0])
                _finish(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def finish_folder(folder: Path) -> None:
    """Put in place what a killed run left of a folder; else do nothing, and take no lock."""
    if _stages(folder)[0].is_dir():
        with lock_folder(folder.parent), explain_disk(folder):
            _finish(folder)


def finish_folders(root: Path, suffix: str) -> None:
    """Put in place what killed runs left of the folders of ``root`` whose names end in a suffix."""
    for whole in root.glob(f".*{suffix}.whole"):
        finish_folder(root / whole.name.removeprefix(".").removesuffix(".whole"))


def _stages(folder: Path) -> tuple[Path, Path]:
    """Where a folder waits when it is whole, and where the former one goes."""
    return folder.with_name(f".{folder.name}.whole"), folder.with_name(f".{folder.name}.former")


def _finish(folder: Path) -> None:
    """Rename what is whole into its place; each step may have been made before."""
    whole, former = _stages(folder)
    if whole.is_dir():
        shutil.rmtree(former, ignore_errors=True)
        if folder.exists():
            folder.rename(former)
        whole.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
