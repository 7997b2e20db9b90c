import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
from kedro.io import DatasetError
from tests.conftest import name_of, needs_real_granules, real_granule_paths

from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.loaded_granules import LoadedGranulesDataset
from lightning_kedro.datasets.simulated_archive import SimulatedArchiveDataset, Simulation
from lightning_kedro.glm.granule import GRANULE_LENGTH, GranuleName, hour_prefix
from lightning_kedro.granules.archive import GranuleArchive
from lightning_kedro.granules.creations import Creation, KnownGranules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import run_hours

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
SIMULATED = next(iter(simulate_hour("G16", HOUR, numbers=[0])))[0]


@needs_real_granules
def test_file_that_goes_while_its_folder_is_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / hour_prefix(HOUR)
    folder.mkdir(parents=True)
    (folder / SIMULATED.file_name).write_bytes(b"whole")
    (folder / ".renamed.part").write_bytes(b"part")
    scan = os.scandir

    @contextmanager
    def scan_and_rename(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with scan(path) as entries:
            found = list(entries)
        (folder / ".renamed.part").unlink()
        yield found

    monkeypatch.setattr("lightning_kedro.store.listing.os.scandir", scan_and_rename)
    granules, ignored = Storage(str(tmp_path)).list_hour(ArchiveHour("G16", HOUR))
    assert [granule.file_bytes for granule in granules] == [len(b"whole")]
    assert ignored == 0


def test_choosing_looks_at_each_granule_once_however_long_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    pick = ArchiveHour.pick

    def count(self: ArchiveHour, granules: Iterable[GranuleName]) -> list[GranuleName]:
        mine = list(granules)
        looked_at.append(len(mine))
        return pick(self, mine)

    monkeypatch.setattr(ArchiveHour, "pick", count)
    hours = [ArchiveHour("G16", HOUR + timedelta(hours=number)) for number in range(48)]
    ends = [hour.hour + GRANULE_LENGTH for hour in hours]
    stored = [
        StoredGranule(replace(SIMULATED, start=hour.hour, end=end, created=end), "", 1)
        for hour, end in zip(hours, ends, strict=True)
    ]
    monkeypatch.setattr(Storage, "list_hour", lambda *_: (stored, 0))
    source = Storage("anywhere")
    selection = GranuleArchive(source, simulated=True).select(hours)
    assert list(selection.granules) == stored
    assert sum(looked_at) == len(stored)


@pytest.mark.parametrize("protocol", ["", "memory://"])
def test_granule_opens_as_xarray_dataset(tmp_path: Path, protocol: str) -> None:
    path = next(path for path in real_granule_paths() if "_G19_" in path.name)
    hour = name_of(path).hour
    root = f"{protocol}{'/archive' if protocol else tmp_path}"
    file_system = fsspec.filesystem(protocol.removesuffix("://") or "file")
    folder = f"{root.removeprefix('memory://')}/{hour_prefix(hour)}"
    file_system.makedirs(folder, exist_ok=True)
    file_system.pipe_file(f"{folder}/{path.name}", path.read_bytes())
    archive = GranuleArchiveDataset(root=root).load()
    selection = archive.select([ArchiveHour("G19", hour)])
    assert repr(selection) == f"GranuleSelection(1 granules of {root})"
    with selection.open_dataset(selection.granules[0]) as dataset:
        assert dataset.sizes["number_of_flashes"] == 115
        assert dataset.attrs["platform_ID"] == "G19"
        assert np.isclose(float(dataset["flash_lat"][0]), 31.111858)


def test_simulated_archive_makes_what_it_is_asked_for(tmp_path: Path) -> None:
    dataset = SimulatedArchiveDataset(
        path=str(tmp_path / "glm"), faults={"missing": 5, "era": "E1"}
    )
    selection = dataset.load().select([ArchiveHour("G17", HOUR)])
    assert len(selection) == 175
    assert len(selection.without(KnownGranules({}))) == 175
    known = {
        (item.name.platform, item.name.start.replace(tzinfo=None)): Creation.expect(item)
        for item in selection.granules[:100]
    }
    assert len(selection.without(KnownGranules(known))) == 75


def test_day_of_simulated_granules_is_made_on_all_cores(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 60, Faults())
    hours = [ArchiveHour("G18", HOUR + timedelta(hours=number), "first") for number in range(5)]
    run_hours([partial(simulation.make, hour) for hour in hours], progress="")
    assert len(list(tmp_path.rglob("IS_*.nc"))) == 5


@pytest.mark.parametrize(
    "dataset",
    [
        GranuleArchiveDataset(root="s3://noaa-goes{number}"),
        SimulatedArchiveDataset(path="glm"),
        LoadedGranulesDataset(path="lightning.duckdb"),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_entry_that_is_read_only_says_so(dataset: GranuleArchiveDataset) -> None:
    assert dataset.exists()
    assert type(dataset).__name__ in str(dataset)
    with pytest.raises(DatasetError, match=r"read-only|nothing is saved"):
        dataset.save("anything")  # type: ignore[arg-type]
