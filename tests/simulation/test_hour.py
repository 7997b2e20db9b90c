"""The simulated archive: the files of an hour, and their faults."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import h5py
import numpy as np
import pytest

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.granule import GranuleName, parse_granule_name
from lightning_kedro.simulation.faults import FAULT_KINDS, Faults
from lightning_kedro.simulation.granule_writer import Era
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.simulation.observation import observe_hour
from lightning_kedro.simulation.storms import make_storms

NIGHT = datetime(2025, 7, 15, 9, tzinfo=UTC)
Files = list[tuple[GranuleName, bytes]]


@pytest.fixture(scope="module")
def quiet_hour() -> Files:
    return list(simulate_hour("G18", NIGHT))


def read_rows(data: bytes) -> dict[str, np.ndarray]:
    with h5py.File(io.BytesIO(data)) as file:
        return {name: file[name][()] for name in file if file[name].ndim == 1}


# --- an hour of files -----------------------------------------------------------------------


def test_hour_has_180_granules_named_in_order(quiet_hour: Files) -> None:
    names = [name for name, _ in quiet_hour]
    assert [name.start for name in names] == [NIGHT + timedelta(seconds=20 * n) for n in range(180)]
    assert {name.end - name.start for name in names} == {timedelta(seconds=20)}
    latencies = [(name.created - name.end).total_seconds() for name in names]
    assert 1.3 <= min(latencies) < max(latencies) <= 3.0
    assert all(name.is_simulated for name in names)
    assert all(parse_granule_name(name.file_name) == name for name in names)


def test_files_hold_what_was_observed(quiet_hour: Files) -> None:
    observed = observe_hour("G18", NIGHT, 60)
    for number in (0, 77, 179):
        rows = read_rows(quiet_hour[number][1])
        content = observed.granule(number)
        assert (rows["flash_lat"] == content.flashes.lat).all()
        assert (rows["flash_id"].view(np.uint16) == content.flashes.flash_id).all()
        assert len(rows["group_id"]) == len(content.groups)
        assert len(rows["event_id"]) == len(content.events)


def test_same_arguments_give_the_same_bytes(quiet_hour: Files) -> None:
    make_storms.cache_clear()
    assert list(islice(simulate_hour("G18", NIGHT), 20)) == quiet_hour[:20]


def test_some_granules_of_an_hour_are_as_in_the_whole(quiet_hour: Files) -> None:
    files = list(simulate_hour("G18", NIGHT, numbers=[179, 0]))
    assert files == [quiet_hour[0], quiet_hour[179]]
    assert list(simulate_hour("G18", NIGHT, numbers=[])) == []


@pytest.mark.parametrize(
    ("platform", "hour", "era"),
    [
        ("G16", datetime(2018, 7, 2, 4, tzinfo=UTC), Era.E1),
        ("G17", datetime(2018, 10, 20, 23, tzinfo=UTC), Era.E2),
        ("G16", datetime(2020, 12, 31, 23, tzinfo=UTC), Era.E3),
        ("G18", datetime(2024, 2, 29, 0, tzinfo=UTC), Era.E3),
        ("G19", datetime(2051, 1, 1, 0, tzinfo=UTC), Era.E3),
    ],
)
def test_any_date_is_written_in_its_era(platform: str, hour: datetime, era: Era) -> None:
    name, data = next(simulate_hour(platform, hour))
    assert (name.platform, name.start) == (platform, hour)
    with h5py.File(io.BytesIO(data)) as file:
        assert len(file["flash_id"]) > 5
        units = file["event_time_offset"].attrs["units"].decode()
        unsigned = "_Unsigned" in file["event_time_offset"].attrs
    assert units == f"{'milli' * (era is Era.E1)}seconds since {hour:%Y-%m-%d %H}:00:00.000"
    assert unsigned is (era is Era.E3)


# --- faults ---------------------------------------------------------------------------------


def test_faults_by_number_change_only_their_granules(quiet_hour: Files) -> None:
    faults = Faults(missing=(0,), truncated=(5,), duplicated=(7, 179), empty=(9,))
    files = list(simulate_hour("G18", NIGHT, faults=faults))
    newest = {name.key: (name, data) for name, data in files}
    assert len(files) == 181
    assert len(newest) == 179
    whole = {name.key: (name, data) for name, data in quiet_hour}
    keys = [name.key for name, _ in quiet_hour]
    for number in set(range(180)) - {0, 5, 7, 9, 179}:
        assert newest[keys[number]] == whole[keys[number]]

    cut = newest[keys[5]][1]
    assert whole[keys[5]][1].startswith(cut)
    with pytest.raises(OSError, match="truncated"):
        h5py.File(io.BytesIO(cut))

    name, data = newest[keys[9]]
    assert name.end - name.start == timedelta(seconds=11)
    assert name.created - name.end == timedelta(seconds=22.5)
    rows = read_rows(data)
    assert len(rows["flash_id"]) == len(rows["group_id"]) == len(rows["event_id"]) == 0
    assert np.diff(rows["product_time_bounds"]) == [11]


def test_duplicate_is_newer_and_holds_the_whole(quiet_hour: Files) -> None:
    files = simulate_hour("G18", NIGHT, faults=Faults(duplicated=(7,)))
    (old_name, old), (new_name, new) = islice(files, 7, 9)
    assert old_name.key == new_name.key
    assert new_name.created > old_name.created
    half, whole, plain = (read_rows(data) for data in (old, new, quiet_hour[7][1]))
    assert all((whole[name] == plain[name]).all() for name in plain)
    assert len(half["flash_id"]) == len(whole["flash_id"]) // 2 > 0
    assert set(half["group_parent_flash_id"]) == set(half["flash_id"])
    assert set(half["event_parent_group_id"]) == set(half["group_id"])


def test_faults_by_count_fall_on_different_granules() -> None:
    faults = Faults(missing=3, truncated=2, duplicated=4, empty=(0, 1))
    names = [name for name, _ in simulate_hour("G16", NIGHT, faults=faults)]
    starts = Counter(name.start for name in names)
    assert len(starts) == 177
    assert Counter(starts.values()) == {1: 173, 2: 4}
    assert sum(name.end - name.start < timedelta(seconds=20) for name in names) == 2


def test_faults_by_count_follow_the_seed() -> None:
    faults = Faults(missing=176)
    starts = [
        {name.start for name, _ in simulate_hour("G16", NIGHT, seed=seed, faults=faults)}
        for seed in (60, 60, 61)
    ]
    assert starts[0] == starts[1] != starts[2]


def test_whole_hour_can_be_missing() -> None:
    assert list(simulate_hour("G19", NIGHT, faults=Faults(missing=180))) == []


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("era", Era)
def test_format_can_be_chosen(era: Era, compressed: bool) -> None:
    faults = Faults(era=era, compressed=compressed)
    _, data = next(simulate_hour("G19", NIGHT, faults=faults))
    with h5py.File(io.BytesIO(data)) as file:
        assert file["flash_lat"].compression == ("gzip" if compressed else None)
        assert ("group_frame_time_offset" in file) is (era is not Era.E1)


@pytest.mark.parametrize("era", Era)
def test_era_can_be_a_plain_string_as_in_a_catalog(era: Era) -> None:
    plain = Faults(era=era.value)  # type: ignore[arg-type]
    assert plain == Faults(era=era)
    files = [
        next(simulate_hour("G19", NIGHT, faults=faults)) for faults in (plain, Faults(era=era))
    ]
    assert files[0] == files[1]


def test_unknown_era_is_refused() -> None:
    with pytest.raises(ParameterError, match="no era 'E4': choose one of E1, E2, E3, or none"):
        Faults(era="E4")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"platform": "G15"}, "No satellite is called 'G15': choose one of G16, G17, G18, G19"),
        ({"hour": NIGHT + timedelta(minutes=1)}, "whole hours in UTC, but 2025-07-15T09:01:00"),
        ({"hour": NIGHT.replace(tzinfo=None)}, "whole hours in UTC, but 2025-07-15T09:00:00 was"),
        ({"seed": -1}, "seed of a simulation is 0 or more, but -1"),
        ({"faults": Faults(missing=100, empty=81)}, "as many as that at most"),
        ({"faults": Faults(missing=(180,))}, "numbered 0 to 179"),
        ({"faults": Faults(missing=(1,), empty=(1,))}, "must be on different granules"),
        ({"faults": Faults(missing=-1)}, "'missing': -1"),
    ],
)
def test_what_cannot_be_simulated_is_refused(wrong: dict[str, object], message: str) -> None:
    arguments = {"platform": "G19", "hour": NIGHT} | wrong
    with pytest.raises(ParameterError, match=message):
        simulate_hour(**arguments)


def test_every_fault_kind_is_a_field() -> None:
    assert all(getattr(Faults(), kind) == 0 for kind in FAULT_KINDS)
