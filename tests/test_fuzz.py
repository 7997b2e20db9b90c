"""Granules with bytes flipped and cut: loaded or corrupt, never a crash, never silently wrong."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import h5py
import netCDF4
import pytest

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.simulation.hour import simulate_hour
from tests.conftest import name_of, real_granule_paths

CASES = 1000
VARIABLES = (
    *("flash_id", "flash_time_offset_of_first_event", "flash_time_offset_of_last_event"),
    *("flash_lat", "flash_lon", "flash_energy", "flash_area", "flash_quality_flag"),
)


def damage(content: bytes, randomly: random.Random) -> bytes:
    """Cut it short, flip bits anywhere or in the head, or overwrite a stretch."""
    data = bytearray(content)
    kind = randomly.choice(("cut", "flip", "flips", "head", "zeros", "noise"))
    if kind == "cut":
        return bytes(data[: randomly.randrange(len(data))])
    if kind in {"zeros", "noise"}:
        start, length = randomly.randrange(len(data)), randomly.randrange(1, 5000)
        length = min(length, len(data) - start)
        data[start : start + length] = (
            bytes(length) if kind == "zeros" else randomly.randbytes(length)
        )
        return bytes(data)
    count = 1 if kind == "flip" else randomly.randrange(2, 60)
    reach = min(len(data), 90_000) if kind == "head" else len(data)
    for _ in range(count):
        data[randomly.randrange(reach)] ^= 1 << randomly.randrange(8)
    return bytes(data)


def read_with_h5py(path: Path) -> None:
    with h5py.File(path) as file:
        for variable in VARIABLES:
            file[variable][...]


def read_with_netcdf4(path: Path) -> None:
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        for variable in VARIABLES:
            dataset[variable][:]


def can(read: Callable[[Path], None], path: Path) -> bool:
    try:
        read(path)
    except Exception:  # noqa: BLE001  (whatever it raises, it rejects the file)
        return False
    return True


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_granule_is_loaded_or_corrupt(tmp_path: Path) -> None:
    hour = datetime(2024, 7, 14, 9, tzinfo=UTC)
    whole = list(simulate_hour("G17", hour, numbers=[0, 90]))
    whole += [(name_of(path), path.read_bytes()) for path in real_granule_paths()]
    randomly = random.Random(60)
    outcomes = {"loaded": 0, "corrupt": 0}
    path = tmp_path / "granule.nc"
    for number in range(CASES):
        name, content = randomly.choice(whole)
        damaged = damage(content, randomly)
        path.write_bytes(damaged)
        try:
            flashes = read_flashes(path if number % 2 else damaged, name)
        except CorruptGranuleError:
            outcomes["corrupt"] += 1
            continue
        outcomes["loaded"] += 1
        assert (abs(flashes.lat) <= 90).all()
        assert (abs(flashes.lon) <= 180).all()
        readable = can(read_with_h5py, path) or can(read_with_netcdf4, path)
        assert readable, f"case {number}: loaded what h5py and netCDF4 both reject"
    assert min(outcomes.values()) > CASES // 10, "both outcomes must occur"
