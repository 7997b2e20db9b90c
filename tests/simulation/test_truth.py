"""The truth beside a simulated hour: which storm each flash came from."""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightning_kedro.datasets.simulated_archive import SimulatedArchiveDataset, Simulation
from lightning_kedro.exceptions import CorruptGranuleError, ParameterError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.simulation.faults import NO_FAULTS, Faults
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.simulation.observation import observe_hour
from lightning_kedro.simulation.storms import NO_STORM, make_storms, simulate_flashes
from lightning_kedro.simulation.truth import simulate_truth

HOUR = datetime(2024, 7, 14, 22, tzinfo=UTC)
NEXT = HOUR + timedelta(hours=1)
FAULTS = Faults(missing=2, truncated=3, duplicated=4, empty=1)
QUIET = datetime(2025, 7, 15, 9, tzinfo=UTC)


def read_storms(table: pa.Table) -> set[int]:
    return set(table["storm"].to_pylist()) - {NO_STORM}


def read_keys(files: Mapping[GranuleName, bytes]) -> list[tuple[str, datetime, int]]:
    """The keys of the flashes of the newest creations that can be read."""
    newest: dict[object, list[tuple[str, datetime, int]]] = {}
    for name, data in files.items():
        try:
            flashes = read_flashes(data, name)
        except CorruptGranuleError:
            continue
        start = name.start.replace(tzinfo=None)
        newest[name.key] = [(name.platform, start, int(one)) for one in flashes.flash_id]
    return [key for keys in newest.values() for key in keys]


@pytest.mark.parametrize("faults", [NO_FAULTS, FAULTS], ids=["whole", "faulty"])
def test_every_flash_that_can_be_read_has_one_row(faults: Faults) -> None:
    files = dict(simulate_hour("G18", QUIET, faults=faults))
    table = simulate_truth("G18", QUIET, faults=faults)
    rows = table.select(["platform", "granule_start", "flash_id"]).to_pylist()
    keys = [tuple(row.values()) for row in rows]
    assert keys == read_keys(files)
    assert len(set(keys)) == len(keys) > 4_000
    assert table.schema.types == [pa.string(), pa.timestamp("us"), pa.int32(), pa.int64()]
    assert table.schema.metadata == {b"seed": b"60"}


def test_storms_keep_their_identifiers_over_hours_and_satellites() -> None:
    """More than that sets meet: flashes of an identifier lie in the same storm's place."""
    east, later, west = (
        simulate_truth(platform, hour)
        for platform, hour in (("G19", HOUR), ("G19", NEXT), ("G18", HOUR))
    )
    assert len(read_storms(east) & read_storms(later)) > 0.7 * len(read_storms(east))
    assert len(read_storms(east) & read_storms(west)) > 50
    assert east.equals(simulate_truth("G19", HOUR))
    places = [
        {
            storm: np.median(observed.content.flashes.lat[observed.storm == storm])
            for storm in read_storms(east) & read_storms(later) & read_storms(west)
            if (observed.storm == storm).sum() >= 10
        }
        for observed in (
            observe_hour(platform, hour, 60)
            for platform, hour in (("G19", HOUR), ("G19", NEXT), ("G18", HOUR))
        )
    ]
    shared = set.intersection(*(set(place) for place in places))
    assert len(shared) > 20
    # A storm moves some 30 km an hour at most, and has a length of some 50.
    assert max(abs(places[0][one] - places[1][one]) for one in shared) < 2.0
    assert max(abs(places[0][one] - places[2][one]) for one in shared) < 1.0


def test_storms_of_the_day_before_keep_their_identifiers_over_midnight() -> None:
    before, after = (
        read_storms(simulate_truth("G16", datetime(2025, 7, day, hour, tzinfo=UTC)))
        for day, hour in ((14, 23), (15, 0))
    )
    assert len(before & after) > 0.7 * len(before)
    born_later = set(make_storms(datetime(2025, 7, 15, tzinfo=UTC).toordinal(), 60).storm_id)
    assert not before & born_later
    assert after & born_later


def test_identifiers_of_all_storms_differ() -> None:
    days = range(datetime(2025, 7, 1, tzinfo=UTC).toordinal(), 739_500)
    ids = np.concatenate([make_storms(day, 7).storm_id for day in days])
    assert len(np.unique(ids)) == len(ids) > 500
    assert ids.dtype == np.int64
    assert ids.min() > 0


def test_isolated_flashes_belong_to_no_storm() -> None:
    flashes = simulate_flashes(HOUR, 60)
    isolated = flashes.storm == NO_STORM
    assert isolated.sum() == pytest.approx(900, abs=120)
    # Isolated flashes are spread over the whole domain; a storm's are not.
    assert flashes.lon[isolated].std() == pytest.approx(196 / np.sqrt(12), rel=0.1)
    storms, counts = np.unique(flashes.storm[~isolated], return_counts=True)
    spreads = [flashes.lat[flashes.storm == one].std() for one in storms[counts > 20]]
    assert max(spreads) < 2.0
    seen = simulate_truth("G19", HOUR)["storm"].to_numpy()
    assert 0.005 < np.mean(seen == NO_STORM) < 0.1


def test_another_seed_has_other_storms() -> None:
    one, other = (simulate_truth("G19", HOUR, seed=seed) for seed in (60, 61))
    assert other.schema.metadata == {b"seed": b"61"}
    assert not one["storm"].equals(other["storm"])


def test_what_cannot_be_simulated_has_no_truth() -> None:
    with pytest.raises(ParameterError, match="No satellite is called 'G15'"):
        simulate_truth("G15", HOUR)
    with pytest.raises(ParameterError, match="as many as that at most"):
        simulate_truth("G19", HOUR, faults=Faults(missing=181))


# --- the file beside the hour ---------------------------------------------------------------

TRUTH = f"{hour_prefix(QUIET)}/.G18.truth.parquet"


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_truth_lies_beside_the_hour_and_changes_nothing_else(tmp_path: Path) -> None:
    selections = []
    for truth in (False, True):
        dataset = SimulatedArchiveDataset(
            path=str(tmp_path / str(truth)), faults={"missing": 178}, truth=truth
        )
        selections.append(dataset.load().select([ArchiveHour("G18", QUIET)]))
    without, having = (list_files(tmp_path / str(truth)) for truth in (False, True))
    assert set(having) - set(without) == {TRUTH}
    assert without == {name: data for name, data in having.items() if name != TRUTH}
    # The listing of the archive sees granules only.
    assert [[item.name for item in one.granules] for one in selections] == [
        [item.name for item in selections[0].granules]
    ] * 2
    assert len(selections[1]) == 2
    table = pq.read_table(tmp_path / "True" / TRUTH)
    assert table.equals(simulate_truth("G18", QUIET, faults=Faults(missing=178)))


def test_truth_is_off_by_default(tmp_path: Path) -> None:
    dataset = SimulatedArchiveDataset(path=str(tmp_path), faults={"missing": 179})
    dataset.load().select([ArchiveHour("G18", QUIET)])
    assert not list(tmp_path.rglob("*.parquet"))


def test_truth_is_that_of_the_whole_hour_and_comes_to_one_that_is_there(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 60, Faults(missing=170))
    simulation.make(ArchiveHour("G18", QUIET))
    granules = list_files(tmp_path)
    truthful = replace(simulation, truth=True)
    truthful.make(ArchiveHour("G18", QUIET, "first"))
    made = list_files(tmp_path)
    assert set(made) - set(granules) == {TRUTH}
    expected = simulate_truth("G18", QUIET, faults=simulation.faults)
    assert pq.read_table(tmp_path / TRUTH).equals(expected)
    when = (tmp_path / TRUTH).stat().st_mtime_ns
    truthful.make(ArchiveHour("G18", QUIET))
    assert (tmp_path / TRUTH).stat().st_mtime_ns == when
    assert list_files(tmp_path) == made


def test_truth_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_half_way(_table: pa.Table, path: Path) -> None:
        path.write_bytes(b"PAR1")
        assert path.name.startswith(".")
        raise OSError(5, os.strerror(5))

    simulation = Simulation(tmp_path, 60, Faults(missing=179), truth=True)
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", fail_half_way)
        with pytest.raises(OSError, match="Input/output error"):
            simulation.make(ArchiveHour("G18", QUIET))
    assert list_files(tmp_path) == {}
    simulation.make(ArchiveHour("G18", QUIET))
    assert pq.read_table(tmp_path / TRUTH).num_rows > 0
