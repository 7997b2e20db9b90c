"""An hour of granules of which some are bad: the others are loaded, and each bad one is noted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import h5py
import pytest
from tests.glm.granule_files import NAME, content, make_anew, put

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules import series
from lightning_kedro.granules.record import HourSeries, StoredGranule
from lightning_kedro.granules.series import read_series
from lightning_kedro.simulation.granule_writer import encode_granule


def next_name(number: int) -> GranuleName:
    later = number * timedelta(seconds=20)
    return replace(
        NAME, start=NAME.start + later, end=NAME.end + later, created=NAME.created + later
    )


def stored(number: int) -> tuple[StoredGranule, bytes]:
    name = next_name(number)
    data = encode_granule(name, content(10))
    return StoredGranule(name, f"archive/{name.file_name}", len(data)), data


def statuses(found: HourSeries) -> list[str]:
    return list(found.granules["status"].to_pylist())


def test_granule_that_cannot_be_read_now_is_a_failure_and_leaves_the_rest(tmp_path: Path) -> None:
    granules = [stored(number) for number in range(3)]
    gone, _ = granules[1]
    contents: list[Any] = [granules[0], (gone, tmp_path / "gone.nc"), granules[2]]
    found = read_series(contents)
    assert statuses(found) == ["loaded", "failed", "loaded"]
    assert found.flashes.num_rows == 20
    (failure,) = found.failures
    assert failure.startswith(f"archive/{gone.name.file_name} could not be read (No such file")
    assert "run again" in failure


def test_granule_that_could_not_be_fetched_is_a_failure() -> None:
    granules = [stored(number) for number in range(2)]
    error = ArchiveError("503")
    found = read_series([(granules[0][0], error), granules[1]])
    assert found.failures == ("503",)
    assert statuses(found) == ["failed", "loaded"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("division by\nzero"), "unexpected ZeroDivisionError: division by zero"),
        (AttributeError("x" * 1000), "unexpected AttributeError: xxx"),
        (RecursionError(), "unexpected RecursionError: "),
    ],
)
def test_unexpected_error_is_a_matter_of_its_granule_alone(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    read = series.read_flashes

    def fail(source: Path | bytes, name: GranuleName) -> Any:
        if name == next_name(1):
            raise error
        return read(source, name)

    monkeypatch.setattr(series, "read_flashes", fail)
    found = read_series([stored(number) for number in range(3)])
    assert statuses(found) == ["loaded", "corrupt", "loaded"]
    assert found.flashes.num_rows == 20
    noted = found.granules["reason"][1].as_py()
    assert noted.startswith(reason)
    assert len(noted) <= 300
    assert found.failures == ()


def test_want_of_memory_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(series, "read_flashes", fail)
    found = read_series([stored(0)])
    assert statuses(found) == ["failed"]
    assert "Cannot allocate memory" in found.failures[0]


def test_run_is_stopped_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(series, "read_flashes", stop)
    with pytest.raises(KeyboardInterrupt):
        read_series([stored(0)])


def test_granule_whose_ids_hold_nothing_leaves_the_rest(granule: Callable[..., Path]) -> None:
    """A null dataspace once ended the run with a TypeError."""

    def empty(file: h5py.File, _: Any) -> h5py.Dataset:
        return file.create_dataset("flash_id", data=h5py.Empty("i2"))

    odd = granule(make_anew("flash_id", empty))
    sound = stored(1)
    found = read_series([(stored(0)[0], odd), sound])
    assert statuses(found) == ["corrupt", "loaded"]


def test_one_absurd_value_makes_the_whole_granule_corrupt(granule: Callable[..., Path]) -> None:
    odd = granule(put("flash_quality_flag", 7, 99))
    found = read_series([(stored(0)[0], odd), stored(1)])
    assert statuses(found) == ["corrupt", "loaded"]
    assert found.flashes["granule_start"].unique().to_pylist() == [
        next_name(1).start.replace(tzinfo=None)
    ]
