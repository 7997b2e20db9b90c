"""Trouble of the machine against damage of the file, and what reasons look like."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from h5py import h5d, h5f
from tests.glm.granule_files import NAME

from lightning_kedro.exceptions import MAX_REASON, ArchiveError, CorruptGranuleError
from lightning_kedro.glm import hdf5
from lightning_kedro.glm.flashes import read_flashes

Granule = Callable[..., Path]


TRANSIENT = ("EIO", "EMFILE", "ENFILE", "ENOMEM", "EACCES", "EPERM", "ESTALE", "ENOENT")


@pytest.mark.parametrize("name", TRANSIENT)
@pytest.mark.parametrize("place", ["open", "variable"])
def test_trouble_of_the_machine_is_not_corruption(
    granule: Granule, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    number = getattr(errno, name)

    def fail(*_: Any, **__: Any) -> None:
        # As HDF5 words it; opening a variable gives a KeyError without errno.
        text = f"(file read failed: errno = {number}, error message = '{os.strerror(number)}')"
        raise OSError(number, text) if place == "open" else KeyError(text)

    path = granule()
    monkeypatch.setattr(h5f if place == "open" else h5d, "open", fail)
    with pytest.raises(ArchiveError, match=os.strerror(number)):
        read_flashes(path, NAME)


def test_granule_that_is_gone_is_not_corrupt(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"could not be read \(No such file or directory\)"):
        read_flashes(tmp_path / NAME.file_name, NAME)


def test_want_of_file_descriptors_is_not_corruption(granule: Granule) -> None:
    path = granule()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(ArchiveError, match=r"Too many open files"):
            read_flashes(path, NAME)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(read_flashes(path, NAME)) == 300


def test_want_of_memory_is_not_corruption(
    granule: Granule, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(hdf5, "check_layout", fail)
    with pytest.raises(ArchiveError, match="Cannot allocate memory"):
        read_flashes(granule(), NAME)


def test_folder_in_the_place_of_a_granule_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptGranuleError, match="not a whole netCDF-4 file: Is a directory"):
        read_flashes(tmp_path, NAME)


def test_reason_is_one_short_printable_line() -> None:
    reason = str(CorruptGranuleError("a\nb\x00\x1b[2J\u2028" + 60_000 * "x"))
    assert len(reason) == MAX_REASON
    assert reason.startswith("a b  [2J xx")
    assert reason.endswith("x...")
    assert str(CorruptGranuleError("x" * MAX_REASON)) == "x" * MAX_REASON
