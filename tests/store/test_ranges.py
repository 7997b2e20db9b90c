"""Granules fetched by ranges: the same flashes as of whole granules, whatever a server does."""

import itertools
import logging
import pickle
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from tests.conftest import lay_out, name_of, needs_real_granules, real_granule_paths
from tests.ingesting import Ingestion, assert_same_tables
from tests.loopback_s3 import RANGES, LoopbackS3, Schedule, serve_folder

from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.glm.sparse_image import SparseImage
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import HourSeries, StoredGranule
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.simulation.granule_writer import Era
from lightning_kedro.simulation.hour import NO_FAULTS, Faults, simulate_hour
from lightning_kedro.store import retry
from lightning_kedro.store.storage import Storage

HOUR = ArchiveHour("G16", datetime(2024, 7, 14, 22, tzinfo=UTC))
COUNT = 6
LEVELS = ("flash",)
WHY = {
    "ignored": "the server sends all instead of a range",
    "unversioned": "the server does not say of which version",
    "weak": "the server does not say of which version",
    "shifted": r"bytes=\d+-\d+ of \d+ were asked for, the answer says bytes",
    "short": "fewer bytes came than",
    "longer": "more bytes came than",
}

pytestmark = pytest.mark.usefixtures("no_pauses")


def make_bucket(root: Path, faults: Faults = NO_FAULTS, count: int = COUNT) -> Path:
    """A bucket with the first granules of an hour."""
    folder = root / "noaa-goes16" / hour_prefix(HOUR.hour)
    folder.mkdir(parents=True)
    for name, content in simulate_hour("G16", HOUR.hour, numbers=range(count), faults=faults):
        (folder / replace(name, environment="OR").file_name).write_bytes(content)
    return root


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Buckets with ten simulated granules."""
    return make_bucket(tmp_path_factory.mktemp("buckets"))


@pytest.fixture
def buckets(simulated: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed."""
    return Path(shutil.copytree(simulated, tmp_path / "buckets"))


@pytest.fixture
def server(buckets: Path) -> Iterator[LoopbackS3]:
    with serve_folder(buckets) as server:
        yield server


def storage_of(server: LoopbackS3, kind: str = "http", *, max_concurrency: int = 4) -> Storage:
    if kind == "http":
        root = f"{server.endpoint}/noaa-goes{{number}}"
        return Storage(root, max_concurrency=max_concurrency, ranges=True)
    quickly = {"connect_timeout": 2, "read_timeout": 1}
    fs_args = {"anon": True, "endpoint_url": server.endpoint, "config_kwargs": quickly}
    root = "s3://noaa-goes{number}"
    return Storage(root, fs_args, max_concurrency=max_concurrency, ranges=True)


def list_granules(server: LoopbackS3) -> list[StoredGranule]:
    """What an archive's listing says of them."""
    return [
        StoredGranule(name_of(path), str(path.relative_to(server.root)), path.stat().st_size)
        for path in sorted(server.root.rglob("*.nc"), key=lambda path: path.name)
    ]


def read_whole(
    server: LoopbackS3, granules: Sequence[StoredGranule], hour: ArchiveHour = HOUR
) -> HourSeries:
    """What a run without ranges makes of them as they are now, read in place."""
    here = [replace(item, url=str(server.root / item.url), is_local=True) for item in granules]
    return ReadHour(hour, tuple(here), Storage(str(server.root)))()


def read_ranges(
    server: LoopbackS3,
    granules: Sequence[StoredGranule],
    kind: str = "http",
    levels: Sequence[str] = LEVELS,
) -> HourSeries:
    """What a run with ranges makes of them."""
    if kind == "http":
        granules = [
            replace(item, url=f"{server.endpoint}/{item.url}", is_local=False) for item in granules
        ]
    storage = storage_of(server, kind)
    server.requests.clear()
    server.range_numbers = itertools.count(1)
    server.object_bytes = 0
    return ReadHour(HOUR, tuple(granules), storage.choose_reader(levels), tuple(levels))()


def assert_same(found: HourSeries, expected: HourSeries) -> None:
    assert found.granules.equals(expected.granules)
    assert found.time_series.equals(expected.time_series)
    assert found.geo_series.equals(expected.geo_series)


def share_fetched(server: LoopbackS3, granules: Sequence[StoredGranule]) -> float:
    return server.object_bytes / sum(granule.file_bytes for granule in granules)


@pytest.mark.parametrize("kind", ["s3", "http"])
def test_ranges_give_the_same_series_of_fewer_bytes(server: LoopbackS3, kind: str) -> None:
    granules = list_granules(server)
    expected = read_whole(server, granules)
    assert_same(read_ranges(server, granules, kind), expected)
    assert len(expected.flashes) > 100 * COUNT
    assert server.requests["RANGE"] > 2 * (COUNT - 1)
    assert server.requests["GET"] == server.requests["RANGE"] + 1, "the first one as a whole"
    assert share_fetched(server, granules) < 0.6
    assert set(server.requests) == {"GET", "RANGE"}


@needs_real_granules
def test_real_granules_of_all_eras_in_one_lot_give_the_same_series(tmp_path: Path) -> None:
    for platform in ("G16", "G17", "G18", "G19"):
        paths = [path for path in real_granule_paths() if f"_{platform}_" in path.name]
        lay_out(tmp_path / f"noaa-goes{platform[1:]}", paths)
    with serve_folder(tmp_path) as server:
        granules = list_granules(server)[::-1]
        expected = read_whole(server, granules)
        assert_same(read_ranges(server, granules), expected)
        assert server.requests["RANGE"] > 5
        assert set(expected.granules["status"].to_pylist()) == {"loaded", "empty"}


@pytest.mark.parametrize(
    "faults",
    [
        Faults(era=Era.E1, empty=(1, 4)),
        Faults(truncated=(0, 3), duplicated=(2, 5)),
        Faults(compressed=True),
        Faults(empty=tuple(range(COUNT))),
        Faults(truncated=tuple(range(COUNT))),
    ],
    ids=["E1", "faults", "compressed", "empty", "corrupt"],
)
def test_faults_eras_and_other_writers_are_told_in_the_same_words(
    tmp_path: Path, faults: Faults
) -> None:
    with serve_folder(make_bucket(tmp_path, faults)) as server:
        granules = list_granules(server)
        expected = read_whole(server, granules)
        assert_same(read_ranges(server, granules), expected)
        assert share_fetched(server, granules) < 1.7


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        *(("http", way) for way in RANGES if way != "honored"),
        *(("s3", way) for way in ("ignored", "longer")),
    ],
)
def test_server_without_sound_ranges_is_soon_asked_for_whole_granules(
    server: LoopbackS3, way: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    granules = list_granules(server)
    expected = read_whole(server, granules)
    server.ranges = way
    assert_same(read_ranges(server, granules, kind), expected)
    assert 0 < server.requests["RANGE"] <= 3 * 8, "of three granules, one after the other"
    assert server.requests["GET"] == server.requests["RANGE"] + COUNT
    said = [record.getMessage() for record in caplog.records if "from now on" in record.msg]
    assert len(said) == 1
    assert_matches(f"Granules are fetched as a whole from now on: of .*{WHY[way]}", said[0])


def assert_matches(pattern: str, text: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)


@pytest.mark.parametrize(("kind", "at"), [("s3", 5), ("http", 5), ("http", 2)])
def test_granule_replaced_between_two_ranges_is_of_one_version(
    server: LoopbackS3, at: int, kind: str
) -> None:
    """Of the new one: where events were, and in its flashes, other bytes stand from then on."""
    granules = list_granules(server)
    made = simulate_hour("G16", HOUR.hour, numbers=range(COUNT), seed=61)
    others = {name.start: content for name, content in made}

    def replace_object(path: Path, number: int) -> None:
        if number == at:
            content, size = others[name_of(path).start], path.stat().st_size
            path.write_bytes(content[:size].ljust(size, b"x"))

    server.before_range = replace_object
    found = read_ranges(server, granules, kind)
    expected = read_whole(server, granules)
    assert_same(found, expected)
    assert server.requests["GET"] > server.requests["RANGE"] + 1


def test_granule_that_is_longer_or_gone_is_told_as_ever(server: LoopbackS3) -> None:
    granules = list_granules(server)

    def change(path: Path, number: int) -> None:
        if number == 1:
            path.write_bytes(path.read_bytes() + b"more")
        elif number == 8:
            path.unlink()

    server.before_range = change
    rows = read_ranges(server, granules).granules.to_pylist()
    reasons = [row["reason"] for row in rows if row["status"] == "failed"]
    assert len(reasons) == 2
    assert_matches(rf"{granules[1].name.file_name}: more bytes came than the \d+", reasons[0])
    assert_matches(rf"{granules[2].name.file_name} is gone from http.* since it was", reasons[1])


def test_granule_that_is_shorter_is_told_as_ever(server: LoopbackS3) -> None:
    granules = list_granules(server)[:2]
    (server.root / granules[1].url).write_bytes(b"short")
    rows = read_ranges(server, granules).granules.to_pylist()
    assert rows[1]["status"] == "failed"
    assert f"5 bytes came, {granules[1].file_bytes} were listed" in rows[1]["reason"]


@pytest.mark.parametrize(("kind", "seed"), [("s3", 0), ("http", 8)])
def test_ranges_survive_seeded_faults(
    server: LoopbackS3, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 50)
    granules = list_granules(server)
    expected = read_whole(server, granules)
    server.schedule = Schedule(seed, share=0.3, kinds=("503", "500", "reset", "cut", "html"))
    assert_same(read_ranges(server, granules, kind), expected)
    assert server.faults.total() > 5


def test_ranges_that_came_are_not_asked_for_again(server: LoopbackS3) -> None:
    granules = list_granules(server)[:3]
    read_ranges(server, granules)
    asked = server.requests["RANGE"]
    failing = threading.Event()

    def fail_once(_: Path, number: int) -> None:
        share = 0.0 if failing.is_set() or number < 3 else 1.0
        failing.set() if share else None
        server.schedule = Schedule(share=share, kinds=("503",))

    server.before_range = fail_once
    expected = read_whole(server, granules)
    assert_same(read_ranges(server, granules), expected)
    assert server.faults["503"] >= 1
    assert server.requests["RANGE"] == asked + server.faults["503"]


def test_archive_that_is_down_is_not_asked_for_one_thing_after_the_other(
    server: LoopbackS3,
) -> None:
    granules = list_granules(server)
    server.schedule = Schedule(share=1.0, kinds=("503",))
    rows = read_ranges(server, granules, "s3").granules.to_pylist()
    assert {row["status"] for row in rows} == {"failed"}
    assert all("Cannot read s3://noaa-goes16" in row["reason"] for row in rows)
    assert server.requests["GET"] <= COUNT * retry.ATTEMPTS
    assert not server.requests["RANGE"]


@pytest.mark.parametrize("levels", [("group",), ("flash", "event")])
def test_whole_granules_are_fetched_where_more_than_flashes_is_wanted(
    server: LoopbackS3, levels: tuple[str, ...]
) -> None:
    granules = list_granules(server)[:3]
    found = read_ranges(server, granules, levels=levels)
    assert found.groups is not None or found.events is not None
    assert server.requests == {"GET": 3}


def test_archive_of_the_catalog_says_whether_it_has_ranges() -> None:
    for ranges in (False, True):
        dataset = GranuleArchiveDataset(root="s3://noaa-goes{number}", ranges=ranges)
        assert f"ranges={ranges}" in str(dataset)
        source = dataset.load().source
        assert (source.choose_reader(LEVELS) is source) != ranges


def test_reader_is_chosen_by_levels_and_by_what_was_asked_for(tmp_path: Path) -> None:
    for root, ranges in (
        ("s3://bucket", False),
        (str(tmp_path), True),
        (f"file://{tmp_path}", True),
    ):
        storage = Storage(root, ranges=ranges)
        assert storage.choose_reader(LEVELS) is storage
    storage = Storage("s3://bucket", ranges=True)
    assert storage.choose_reader(LEVELS) is not storage
    assert storage.choose_reader(("flash", "group")) is storage


def test_other_file_systems_give_whole_granules(simulated: Path) -> None:
    memory = fsspec.filesystem("memory")
    paths = sorted(simulated.rglob("*.nc"))[:2]
    for path in paths:
        memory.pipe_file(f"/home-line/{path.name}", path.read_bytes())
    storage = Storage("memory://home-line", ranges=True)
    granules = [
        StoredGranule(name_of(path), f"/home-line/{path.name}", path.stat().st_size)
        for path in paths
    ]
    contents = [content for _, content in storage.choose_reader(LEVELS).read_all(granules)]
    assert contents == [path.read_bytes() for path in paths]
    memory.rm("/home-line", recursive=True)


@pytest.mark.parametrize("streams", [True, False])
def test_runs_make_the_same_tables_and_csv_files_byte_for_byte(
    server: LoopbackS3, tmp_path: Path, *, streams: bool
) -> None:
    """Where copies are kept ranges are of no consequence, since those must be whole."""
    quickly = {"connect_timeout": 2, "read_timeout": 1}
    fs_args = {"anon": True, "endpoint_url": server.endpoint, "config_kwargs": quickly}
    runs = [
        Ingestion(tmp_path / name, "s3://noaa-goes{number}", streams, fs_args, ranges=ranges)
        for name, ranges in (("whole", False), ("ranges", True))
    ]
    for run in runs:
        assert not server.requests["RANGE"]
        run.run(HOUR.hour, satellite="G16")
        assert not run.failures
    assert bool(server.requests["RANGE"]) == streams
    assert_same_tables(*runs)
    files = [
        {path.relative_to(run.data): path.read_bytes() for path in run.data.rglob("*.csv")}
        for run in runs
    ]
    assert files[0] == files[1]
    assert {path.name for path in files[0]} >= {"time_series.csv", "geo_series.csv"}
    stored = {path.name: path.read_bytes() for path in server.root.rglob("*.nc")}
    copies = {path.name: path.read_bytes() for path in runs[1].data.rglob("*.nc")}
    assert copies == ({} if streams else stored)


def copy_to_worker(reader: GranuleReader) -> GranuleReader:
    """What another process gets of a reader."""
    copy: GranuleReader = pickle.loads(pickle.dumps(reader))  # noqa: S301  (our own)
    return copy


def test_nothing_is_remembered_from_one_lot_to_the_next(
    server: LoopbackS3, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader = copy_to_worker(storage_of(server, "s3").choose_reader(LEVELS))
    for _ in range(2):
        kinds = [type(content) for _, content in reader.read_all(list_granules(server))]
        assert (kinds.count(bytes), kinds.count(SparseImage)) == (1, COUNT - 1)
    said = [record.getMessage() for record in caplog.records if "were fetched" in record.msg]
    assert len(said) == 2
    assert_matches(
        r"^Of 6 granules \(1\.\d MB\) 0\.\d MB were fetched; 1 of them as a whole$", said[0]
    )


def test_waits_for_its_turn_count_once_however_many_parts_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([10.0, 15.0, 20.0, 21.0])
    monkeypatch.setattr("lightning_kedro.store.retry.time.monotonic", lambda: next(now))
    turn = retry.Turn()
    with turn.wait(), turn.wait():
        pass
    assert turn.waited_seconds == 5.0
    with turn.wait():
        pass
    assert turn.waited_seconds == 6.0
