"""Folders that are expensive to make: one process of a test session makes each, and all copy it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_kedro.store.locks import lock_folder


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is not to be changed, made by whichever process of a session comes first.

    Args:
        factory: Where the session's temporary folders are.
        name: What is made.
        make: Makes it in an empty folder; one that fails is left to the next to come.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each worker has a folder of its own in that of the session
    place = root / f"made-{name}"
    place.mkdir(exist_ok=True)
    made = place / "made"
    with lock_folder(place):
        if not made.exists():
            partial = place / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(made)
    return made
