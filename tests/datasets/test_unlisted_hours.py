"""Hours that cannot be listed, and hours in which the archive has nothing."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.ingesting import (
    HOUR,
    Ingestion,
    assert_same_tables,
    made_later,
    make_granules,
    put,
)
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder

from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.store import retry
from lightning_kedro.store.storage import Storage

NEXT = HOUR + timedelta(hours=1)
PREFIX = "GLM-L2-LCFA/2024/196/10"
COVERAGE = "SELECT hour(hour), expected, found, missing FROM coverage ORDER BY hour"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackS3]:
    """An archive of two hours behind S3."""
    for name, content in (*make_granules(), *make_granules(NEXT)):
        put(tmp_path / "buckets" / "noaa-goes17", name, content)
    with serve_folder(tmp_path / "buckets") as served:
        yield served


def remote(server: LoopbackS3, data: Path, *, streams: bool) -> Ingestion:
    fs_args = {"anon": True, "endpoint_url": server.endpoint, "max_concurrency": 1}
    return Ingestion(data, "s3://noaa-goes17", streams, fs_args)


def refuse_to_list(patch: pytest.MonkeyPatch, *endings: str) -> None:
    """Let the archive fail for some hours; the copies on disk are listed as ever."""
    list_really = Storage.list_hour

    def list_some(self: Storage, hour: ArchiveHour) -> object:
        place = f"{self.locate(hour.platform)}/{hour_prefix(hour.hour)}"
        if "raw" not in Path(place).parts and place.endswith(endings):
            message = f"Cannot read {place}: 503 Please reduce your rate."
            raise ArchiveError(message)
        return list_really(self, hour)

    patch.setattr(Storage, "list_hour", list_some)


@pytest.mark.parametrize("streams", [False, True])
def test_hour_that_cannot_be_listed_is_named_and_the_rest_loaded(
    server: LoopbackS3, tmp_path: Path, streams: bool
) -> None:
    ingestion = remote(server, tmp_path / "data", streams=streams)
    with pytest.MonkeyPatch.context() as patch:
        refuse_to_list(patch, PREFIX)
        ingestion.run(hours=2)
    (failure,) = ingestion.failures
    assert f"noaa-goes17/{PREFIX}" in failure
    assert "503 Please reduce your rate" in failure
    assert ingestion.query(COVERAGE) == [(9, 180, 3, 177)], "what 10:00 lacks is not known"
    ingestion.run(hours=2)
    assert ingestion.failures == ()
    assert ingestion.query(COVERAGE) == [(9, 180, 3, 177), (10, 180, 3, 177)]


@pytest.mark.parametrize("streams", [False, True])
def test_coverage_of_an_hour_that_cannot_be_listed_stays_as_it_was(
    server: LoopbackS3, tmp_path: Path, streams: bool
) -> None:
    ingestion = remote(server, tmp_path / "data", streams=streams)
    ingestion.run(hours=2)
    before = ingestion.dump()
    with pytest.MonkeyPatch.context() as patch:
        refuse_to_list(patch, PREFIX)
        ingestion.run(hours=2)
    for table, rows in ingestion.dump().items():
        assert rows.equals(before[table])


def test_hour_of_a_local_folder_that_cannot_be_listed_is_named_once(
    server: LoopbackS3, tmp_path: Path
) -> None:
    archive = (server.root / "noaa-goes17").rename(tmp_path / "archive")
    ingestion = Ingestion(tmp_path / "data", str(archive))
    with pytest.MonkeyPatch.context() as patch:
        refuse_to_list(patch, PREFIX)
        ingestion.run(hours=2)
    (failure,) = ingestion.failures
    assert f"Cannot read {archive}/{PREFIX}: " in failure
    assert ingestion.query(COVERAGE) == [(9, 180, 3, 177)]


def test_window_of_which_no_hour_can_be_listed_is_an_error(
    server: LoopbackS3, tmp_path: Path
) -> None:
    ingestion = remote(server, tmp_path / "data", streams=False)
    with pytest.MonkeyPatch.context() as patch:
        refuse_to_list(patch, "08", "09", "10")
        with pytest.raises(ArchiveError, match="503 Please reduce your rate"):
            ingestion.run()
        # Nor is what could be listed, and is empty, taken for the whole truth.
        refuse_to_list(patch, "09")
        with pytest.raises(ArchiveError, match="503 Please reduce your rate"):
            ingestion.run()
    assert not ingestion.database.exists()


@pytest.mark.parametrize("streams", [False, True])
def test_outage_is_counted_as_missing_and_said(
    server: LoopbackS3, tmp_path: Path, streams: bool
) -> None:
    ingestion = Ingestion(tmp_path / "data", str(server.root / "noaa-goes17"), streams)
    outage = HOUR + timedelta(hours=5)
    with pytest.raises(ArchiveError, match=r"holds no granules of G17 .*2024/196/14"):
        ingestion.run(outage)
    assert not ingestion.database.exists(), "nothing tells an outage from a wrong date yet"
    ingestion.run()
    ingestion.run(outage)
    (failure,) = ingestion.failures
    assert "holds no granules of G17 for this window" in failure
    assert ingestion.query(COVERAGE) == [(9, 180, 3, 177), (14, 180, 0, 180)]
    with pytest.raises(ArchiveError, match="G16"):
        ingestion.run(outage, satellite="G16")
    assert ingestion.query(COVERAGE) == [(9, 180, 3, 177), (14, 180, 0, 180)]


def test_creation_that_stays_corrupt_is_fetched_once(server: LoopbackS3, tmp_path: Path) -> None:
    (name, content), *_ = make_granules()
    put(server.root / "noaa-goes17", made_later(name), content[:90_000])
    ingestion = remote(server, tmp_path / "data", streams=False)
    ingestion.run()
    assert server.requests["GET"] == 5, "three granules, one of them twice, and that of 10:00"
    server.requests.clear()
    ingestion.run()
    assert set(server.requests) == {"LIST"}


def test_damaged_copy_of_the_right_size_is_fetched_anew(server: LoopbackS3, tmp_path: Path) -> None:
    ingestion, whole = (
        remote(server, tmp_path / name, streams=False) for name in ("data", "whole")
    )
    whole.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    copy = min((ingestion.data / "raw").rglob("*.nc"))
    shutil.rmtree(ingestion.data / "series")
    sound = copy.read_bytes()
    copy.write_bytes(bytes(len(sound)))
    ingestion.run()
    assert ingestion.query("SELECT count(*) FROM granules WHERE status = 'corrupt'") == [(1,)]
    server.requests.clear()
    ingestion.run()
    assert server.requests["GET"] == 1
    assert copy.read_bytes() == sound
    assert_same_tables(ingestion, whole)


def test_copy_that_cannot_be_fetched_anew_is_said_and_nothing_is_lost(
    server: LoopbackS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE_SECONDS", 0.001)
    (name, content), *_ = make_granules()
    put(server.root / "noaa-goes17", name, content[:90_000])
    ingestion = remote(server, tmp_path / "data", streams=False)
    ingestion.run()
    before = ingestion.dump()
    server.schedule = Schedule(doomed=frozenset({name.file_name}))
    ingestion.run()
    (failure,) = ingestion.failures
    assert name.file_name in failure
    after = ingestion.dump()
    assert all(rows.equals(after[table]) for table, rows in before.items())
    server.schedule = Schedule()
    ingestion.run()
    assert ingestion.failures == ()


def test_streaming_fetches_older_creations_only_where_they_are_needed(
    server: LoopbackS3, tmp_path: Path
) -> None:
    (first, content), (second, _), _ = make_granules()
    bucket = server.root / "noaa-goes17"
    put(bucket, made_later(first), content)
    put(bucket, made_later(second), content[:90_000])
    ingestion = remote(server, tmp_path / "data", streams=True)
    ingestion.run()
    assert server.requests["GET"] == 5, "one more each for the second granule and for 10:00"
    copied = remote(server, tmp_path / "copied", streams=False)
    copied.run()
    assert_same_tables(ingestion, copied)
    server.requests.clear()
    ingestion.run()
    assert server.requests["GET"] == 1, "the corrupt one is looked at again, nothing else"
    assert_same_tables(ingestion, copied)


def test_edge_of_a_window_takes_all_creations_of_its_granule(tmp_path: Path) -> None:
    names = [
        put(tmp_path, made_later(name, later), content).name
        for name, content in make_granules(numbers=[178, 179])
        for later in (0, 60)
    ]
    archive = GranuleArchiveDataset(root=str(tmp_path)).load()
    edge = archive.select([ArchiveHour("G17", HOUR, "last")])
    assert [granule.name.file_name for granule in edge.granules] == [names[3], names[2]]
