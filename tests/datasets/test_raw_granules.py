"""Copies of granules on disk: whole before they are visible, and never the end of a run."""

import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DatasetError
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder
from tests.processes import choose_context
from tests.store.test_storage import HOUR, fill

from lightning_kedro.datasets.raw_granules import WRITERS, RawGranulesDataset
from lightning_kedro.datasets.simulated_archive import Simulation
from lightning_kedro.exceptions import ArchiveError, StorageError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.granules.archive import GranuleArchive, GranuleSelection
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import HourRecord, HourReport
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.store import retry
from lightning_kedro.store.files import name_partial
from lightning_kedro.store.storage import Storage

COUNT = 64
SIZE = 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackS3]:
    fill(tmp_path / "buckets" / "noaa-goes17", COUNT, SIZE)
    with serve_folder(tmp_path / "buckets") as server:
        yield server


@pytest.fixture
def selection(server: LoopbackS3) -> GranuleSelection:
    """All granules of the server."""
    fs_args = {"anon": True, "endpoint_url": server.endpoint}
    storage = Storage("s3://noaa-goes{number}", fs_args, max_concurrency=4)
    return GranuleArchive(storage).select([HOUR])


@pytest.fixture
def raw(tmp_path: Path) -> RawGranulesDataset:
    return RawGranulesDataset(path=str(tmp_path / "raw"))


def files_below(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_copy_is_on_the_disk_before_its_name(
    raw: RawGranulesDataset, selection: GranuleSelection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    synced: dict[str, int] = {}
    unsafe: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def record_fsync(descriptor: int) -> None:
        fsync(descriptor)
        with lock:
            name = Path(f"/proc/self/fd/{descriptor}").readlink().name
            synced[name] = os.fstat(descriptor).st_size

    def record_replace(path: Path, target: Path) -> Any:
        with lock:
            if synced.get(path.name) != SIZE:
                unsafe.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    raw.save(selection)
    assert len(synced) == COUNT
    assert unsafe == []
    assert files_below(raw.load().folder) == {
        item.name.file_name: SIZE for item in selection.granules
    }


def test_copies_wait_for_the_disk_together(
    raw: RawGranulesDataset, selection: GranuleSelection, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(WRITERS, timeout=20)
    monkeypatch.setattr(os, "fsync", lambda _: together.wait())
    raw.save(selection)
    assert len(files_below(raw.load().folder)) == COUNT


def test_full_disk_ends_fetching_at_once_and_leaves_nothing_half_written(
    raw: RawGranulesDataset,
    selection: GranuleSelection,
    server: LoopbackS3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.requests.clear()
    write_bytes = Path.write_bytes
    count = iter(range(COUNT))

    def fill_disk(path: Path, content: bytes) -> int:
        if next(count) >= 5:
            write_bytes(path, content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    full = r"Cannot write .*\.nc\. The disk is full: make room"
    with pytest.raises(DatasetError, match=full) as caught:
        raw.save(selection)
    assert isinstance(caught.value.__cause__, StorageError)
    assert server.requests["GET"] < COUNT
    assert set(files_below(raw.load().folder).values()) == {SIZE}
    monkeypatch.undo()
    raw.save(selection)
    assert len(files_below(raw.load().folder)) == COUNT


@pytest.mark.parametrize("doomed", [3, COUNT])
def test_what_cannot_be_fetched_is_noted_and_does_not_end_the_run(
    raw: RawGranulesDataset,
    selection: GranuleSelection,
    server: LoopbackS3,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    doomed: int,
) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE_SECONDS", 0.001)
    names = [item.name.file_name for item in selection.granules[:doomed]]
    server.schedule = Schedule(doomed=frozenset(names))
    raw.save(selection)
    missed = raw.load().find_missed(selection.granules)
    assert list(missed) == names
    assert all(name in reason for name, reason in missed.items())
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == list(missed.values())
    contents = dict(raw.load().read_all(selection.granules))
    assert [str(contents[item]) for item in selection.granules[:doomed]] == errors
    notes = {f".{name}.missed" for name in names}
    assert set(files_below(raw.load().folder)) == copies(selection, doomed) | notes
    server.schedule = Schedule()
    raw.save(selection)
    assert raw.load().find_missed(selection.granules) == {}
    assert set(files_below(raw.load().folder)) == copies(selection)


def copies(selection: GranuleSelection, without: int = 0) -> set[str]:
    return {item.name.file_name for item in selection.granules[without:]}


def test_note_of_another_run_goes_with_the_granule_that_is_here(
    raw: RawGranulesDataset, selection: GranuleSelection
) -> None:
    raw.save(selection)
    raw.load().note_missed(selection.granules[0], ArchiveError("503 for\nthe other run"))
    (note,) = raw.load().folder.rglob(".*.missed")
    assert note.read_text() == "503 for\\nthe other run\n"
    raw.save(selection)
    assert not note.exists()


def test_copy_that_was_found_corrupt_is_fetched_anew(
    raw: RawGranulesDataset, selection: GranuleSelection, server: LoopbackS3
) -> None:
    raw.save(selection)
    doubted = selection.granules[0]
    path = raw.load().path_of(doubted)
    whole = path.read_bytes()
    path.write_bytes(bytes(SIZE))
    server.requests.clear()
    raw.save(selection)
    assert server.requests["GET"] == 0, "its size is right"
    raw.save(replace(selection, doubted=frozenset({doubted})))
    assert server.requests["GET"] == 1
    assert path.read_bytes() == whole


def test_copy_that_is_gone_or_another_is_named(
    raw: RawGranulesDataset, selection: GranuleSelection
) -> None:
    raw.save(selection)
    gone, cut, *_ = selection.granules
    raw.load().path_of(gone).unlink()
    raw.load().path_of(cut).write_bytes(b"")
    for granule, content in raw.load().read_all([gone, cut]):
        assert f"{granule.name.file_name} is not there as it was listed" in str(content)
        assert "Run again" in str(content)


def dead_process() -> int:
    ended = choose_context().Process(target=os.getpid)
    ended.start()
    ended.join()
    assert ended.pid is not None
    return ended.pid


def test_leftovers_of_dead_processes_leave_the_sample_archive(tmp_path: Path) -> None:
    hour = ArchiveHour("G17", datetime(2024, 7, 14, 9, tzinfo=UTC), "first")
    folder = tmp_path / hour_prefix(hour.hour)
    folder.mkdir(parents=True)
    mine = name_partial(folder / "IS_b.nc")
    left = folder / mine.name.replace(f"-{os.getpid()}-", f"-{dead_process()}-")
    left.touch()
    mine.touch()
    Simulation(tmp_path, 60, Faults()).make(hour)
    assert not left.exists()
    assert mine.exists()

    # Another run may have finished the hour: then the archive is not made, but still read.
    left.touch()
    raw = RawGranulesDataset(path=str(tmp_path))
    raw.save(GranuleSelection(HourReport((HourRecord(hour),)), Storage(str(tmp_path))))
    assert not left.exists()
    assert mine.exists()
