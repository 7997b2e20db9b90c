"""A fixture that writes granules as a test wants them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from tests.glm.granule_files import NAME, Change, content

from lightning_kedro.simulation.granule_writer import encode_granule


@pytest.fixture
def granule(tmp_path: Path) -> Callable[..., Path]:
    """Write a granule, then change it as a test wants."""

    def make(change: Change | None = None, count: int = 300, **options: Any) -> Path:
        path = tmp_path / NAME.file_name
        path.write_bytes(encode_granule(NAME, content(count), **options))
        if change is not None:
            with h5py.File(path, "r+") as file:
                change(file)
        return path

    return make
