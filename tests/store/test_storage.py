"""Listing and fetching from archives that are slow, large, unlike S3 or out of order."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder

from lightning_kedro.exceptions import ArchiveError, UnlistableArchiveError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.store import retry
from lightning_kedro.store.prefetch import prefetch
from lightning_kedro.store.retry import CircuitBreaker, DownError
from lightning_kedro.store.storage import MAX_GRANULE_BYTES, Storage

HOUR = ArchiveHour("G17", datetime(2024, 7, 14, 9, tzinfo=UTC))
PREFIX = hour_prefix(HOUR.hour)
QUICKLY = {"connect_timeout": 2, "read_timeout": 1}


def granule_file_name(number: int) -> str:
    start = HOUR.hour + timedelta(seconds=number)
    return (
        f"OR_GLM-L2-LCFA_G17_s{start:%Y%j%H%M%S}0_e{start + timedelta(seconds=20):%Y%j%H%M%S}0"
        f"_c{start + timedelta(seconds=22):%Y%j%H%M%S}0.nc"
    )


def fill(folder: Path, count: int, size: int = 100) -> None:
    """Files called like granules, each with content of its own."""
    (folder / PREFIX).mkdir(parents=True)
    for number in range(count):
        (folder / PREFIX / granule_file_name(number)).write_bytes(bytes([number]) * size)


def storage_of(server: LoopbackS3, *, max_concurrency: int = 4) -> Storage:
    fs_args = {"anon": True, "endpoint_url": server.endpoint, "config_kwargs": QUICKLY}
    return Storage("s3://noaa-goes{number}", fs_args, max_concurrency=max_concurrency)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackS3]:
    """An S3 with 20 granules of 100 bytes."""
    fill(tmp_path / "noaa-goes17", 20)
    with serve_folder(tmp_path) as server:
        yield server


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("no_pauses")
def test_listing_in_pages_survives_seeded_faults(
    server: LoopbackS3, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 50)
    names = {granule_file_name(number) for number in range(250)}
    server.page_size = 100
    server.extra_keys = {f"{PREFIX}/{name}": 7 for name in sorted(names)[20:]}
    server.schedule = Schedule(seed, list_share=0.4, kinds=("503", "500", "reset", "html", "cut"))
    for _ in range(3):
        granules, ignored = storage_of(server).list_hour(HOUR)
        assert {granule.name.file_name for granule in granules} == names
        assert ignored == 0
    assert server.faults.total() >= 3
    assert server.requests["LIST"] > 3 * 3, "three pages each, and attempts that failed"


@pytest.mark.usefixtures("no_pauses")
def test_page_in_the_place_of_a_listing_is_not_an_empty_hour(server: LoopbackS3) -> None:
    server.schedule = Schedule(list_share=1.0, kinds=("html",))
    with pytest.raises(ArchiveError, match="the answer is no listing of a bucket"):
        storage_of(server).list_hour(HOUR)


def test_listing_that_always_fails_ends_soon(server: LoopbackS3) -> None:
    server.schedule = Schedule(doomed=frozenset({"LIST"}))
    began = time.monotonic()
    with pytest.raises(ArchiveError, match=r"Cannot read s3://noaa-goes17/GLM-L2-LCFA/2024/196/09"):
        storage_of(server).list_hour(HOUR)
    assert server.requests == {"LIST": retry.ATTEMPTS}
    assert time.monotonic() - began < 15


@pytest.mark.usefixtures("no_pauses")
def test_hours_of_an_archive_that_is_down_do_not_each_use_up_all_attempts(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning_kedro.store.storage.MAX_FAILED_LISTINGS", 3)
    server.schedule = Schedule(doomed=frozenset({"LIST"}))
    storage = storage_of(server)
    for _ in range(40):
        with pytest.raises(ArchiveError):
            storage.list_hour(HOUR)
    assert server.requests["LIST"] == 3 * retry.ATTEMPTS


def test_granule_that_always_fails_is_asked_for_five_times(server: LoopbackS3) -> None:
    storage = storage_of(server)
    granules, _ = storage.list_hour(HOUR)
    server.schedule = Schedule(doomed=frozenset({granules[3].name.file_name}))
    server.requests.clear()
    began = time.monotonic()
    contents = dict(storage.read_all(granules))
    assert time.monotonic() - began < 15
    assert server.requests == {"GET": 19 + 5}
    assert str(contents.pop(granules[3])).startswith(f"Cannot read s3://{granules[3].url}")
    for granule, content in contents.items():
        assert content == (server.root / granule.url).read_bytes()


def test_what_is_refused_is_asked_for_once(server: LoopbackS3) -> None:
    storage = storage_of(server)
    granules, _ = storage.list_hour(HOUR)
    server.requests.clear()
    server.schedule = Schedule(denied=True)
    with pytest.raises(ArchiveError, match="Cannot read"):
        storage.read(granules[0])
    assert server.requests == {"GET": 1}
    server.schedule = Schedule()
    (server.root / granules[1].url).unlink()
    with pytest.raises(ArchiveError, match=r"is gone from s3://.* since it was listed"):
        storage.read(granules[1])
    assert server.requests == {"GET": 2}


@pytest.mark.usefixtures("no_pauses")
def test_archive_that_is_down_is_not_asked_for_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "noaa-goes17", 100)
    with serve_folder(tmp_path) as server:
        storage = storage_of(server, max_concurrency=2)
        granules, _ = storage.list_hour(HOUR)
        server.requests.clear()
        server.schedule = Schedule(share=1.0, kinds=("503",))
        contents = list(storage.read_all(granules))
        # Six in a row are enough; eight were on their way.
        assert server.requests["GET"] <= 8 * retry.ATTEMPTS
    assert [granule for granule, _ in contents] == granules
    assert all(isinstance(content, ArchiveError) for _, content in contents)
    reasons = [str(content) for _, content in contents]
    assert all(granule.url in reason for granule, reason in zip(granules, reasons, strict=True))
    assert sum("was not asked for: " in reason for reason in reasons) >= 100 - 8
    assert "SlowDown" in reasons[-1] or "reduce" in reasons[-1] or "Not now" in reasons[-1]
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == reasons, "each is said when it happens"


def test_archive_that_was_down_is_trusted_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaker = CircuitBreaker(2)
    breaker.fail(ArchiveError("first"))
    breaker.check("a")
    breaker.fail(ArchiveError("second"))
    with pytest.raises(DownError, match=r"a was not asked for: 2 requests.*second") as caught:
        breaker.check("a")
    breaker.fail(caught.value)
    with pytest.raises(
        DownError, match=r"^b was not asked for: 2 requests in a row failed. The last one: second$"
    ):
        breaker.check("b")
    monkeypatch.setattr(retry, "DOWN_FOR_SECONDS", 0.0)
    breaker.check("a")
    monkeypatch.undo()
    breaker.succeed()
    breaker.check("a")


def test_granules_on_their_way_are_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "noaa-goes17", 30, size=100)
    monkeypatch.setattr("lightning_kedro.store.fetching.MAX_PREFETCHED_BYTES", 350)
    with serve_folder(tmp_path) as server:
        storage = storage_of(server, max_concurrency=8)
        granules, _ = storage.list_hour(HOUR)
        contents = storage.read_all(granules)
        for number in range(5):
            next(contents)
            time.sleep(0.1)
            assert server.requests["GET"] <= number + 3, "three of 100 bytes at a time"
        assert len(list(contents)) == 25
        monkeypatch.setattr("lightning_kedro.store.fetching.MAX_PREFETCHED_BYTES", 10)
        assert len(list(storage.read_all(granules))) == 30, "one at a time at least"


def test_fetching_that_is_given_up_stops(server: LoopbackS3) -> None:
    storage = storage_of(server, max_concurrency=1)
    granules, _ = storage.list_hour(HOUR)
    server.requests.clear()
    server.schedule = Schedule(share=1.0, kinds=("stall",), stall_s=0.2)
    contents = storage.read_all(granules)
    next(contents)
    contents.close()
    time.sleep(0.5)
    assert server.requests["GET"] <= 3


def test_object_far_too_large_is_ignored_counted_and_named(
    server: LoopbackS3, caplog: pytest.LogCaptureFixture
) -> None:
    huge = f"{PREFIX}/{granule_file_name(100)}"
    server.extra_keys = {huge: MAX_GRANULE_BYTES + 1}
    granules, ignored = storage_of(server).list_hour(HOUR)
    assert len(granules) == 20
    assert ignored == 1
    assert f"noaa-goes17/{huge} has 67108865 bytes, too many for a granule" in caplog.text


def test_bucket_and_prefix_that_do_not_exist_are_told_from_empty_ones(server: LoopbackS3) -> None:
    (server.root / "noaa-goes18").mkdir()
    storage = storage_of(server)
    assert [storage.root_exists(platform) for platform in ("G17", "G18", "G19")] == [
        True,
        True,
        False,
    ]
    assert storage.list_hour(ArchiveHour("G18", HOUR.hour)) == ([], 0)
    with pytest.raises(UnlistableArchiveError, match="noaa-goes19 does not exist"):
        storage.list_hour(ArchiveHour("G19", HOUR.hour))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server that lists folders, and answers every third request with a 503."""
    fill(tmp_path / "mirror" / "17", 6)
    (tmp_path / "mirror" / "17" / PREFIX / "README.txt").touch()
    counter = iter(range(10**6))
    lock = threading.Lock()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def send_head(self) -> None:  # type: ignore[override]
            with lock:
                number = next(counter)
            if number % 3 == 2:
                self.send_error(503)
                return None
            return super().send_head()  # type: ignore[return-value]

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mirror/{{number}}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def memory() -> Iterator[str]:
    """The same in the memory of this process."""
    file_system = fsspec.filesystem("memory")
    for number in range(6):
        file_system.pipe(f"/mirror/17/{PREFIX}/{granule_file_name(number)}", bytes([number]) * 100)
    file_system.pipe(f"/mirror/17/{PREFIX}/README.txt", b"")
    yield "memory://mirror/{number}"
    file_system.rm("/mirror", recursive=True)


@pytest.mark.parametrize("kind", ["web", "memory"])
@pytest.mark.usefixtures("no_pauses")
def test_archive_in_any_file_system_is_listed_and_read(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 20)
    storage = Storage(request.getfixturevalue(kind))
    granules, ignored = storage.list_hour(HOUR)
    assert ignored == 1
    names = [granule_file_name(number) for number in range(6)]
    assert sorted(granule.name.file_name for granule in granules) == names
    for granule, content in storage.read_all(granules):
        assert content == bytes([names.index(granule.name.file_name)]) * 100
    for quiet in (timedelta(hours=1), timedelta(days=1), timedelta(days=400)):
        assert storage.list_hour(ArchiveHour("G17", HOUR.hour + quiet)) == ([], 0)
    with pytest.raises(UnlistableArchiveError, match=r"does not exist|cannot be listed"):
        storage.list_hour(ArchiveHour("G16", HOUR.hour))
    assert storage.root_exists("G17")
    assert not storage.root_exists("G16")


def test_prefetch_stops_at_an_error_and_cancels_the_rest() -> None:
    futures: list[Future[int]] = []

    def start(number: int) -> Future[int]:
        future: Future[int] = Future()
        if number == 2:
            future.set_exception(OSError("full"))
        elif number < 2:
            future.set_result(number)
        futures.append(future)
        return future

    results = prefetch(range(100), start, cost=lambda _: 1, max_items=5, max_bytes=100)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(OSError, match="full"):
        next(results)
    assert len(futures) <= 8
    assert all(future.cancelled() for future in futures[3:])


def test_file_system_that_connects_at_once_and_cannot_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(111, "Connection refused")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(
        ArchiveError, match=r"Archive 'ftp://a/b' cannot be reached, .*refused: check"
    ):
        Storage("ftp://a/b").locate("G18")
