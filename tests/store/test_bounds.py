"""Servers in bad faith: whatever they send, a request ends in time and takes no memory."""

import asyncio
import pickle
import re
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Self

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tests.loopback_s3 import LoopbackS3, Schedule, serve_folder
from tests.store.test_storage import HOUR, PREFIX, fill, granule_file_name

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import parse_granule_name
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store import deadlines, listing, retry
from lightning_kedro.store.bodies import MAX_PAGE_BYTES, read_anything
from lightning_kedro.store.deadlines import DeadlineError, Deadlines, call_within, within
from lightning_kedro.store.storage import Storage

SECONDS = 0.6
IN_TIME = 8.0
"""Seconds in which whatever a server does is over: five attempts at most, and their pauses."""

TIMEOUTS = {"connect_timeout": 5, "read_timeout": 5}


pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackS3]:
    fill(tmp_path / "noaa-goes17", 3)
    with serve_folder(tmp_path) as server:
        yield server


def storage_of(server: LoopbackS3, kind: str = "s3", seconds: float | None = SECONDS) -> Storage:
    if kind == "http":
        return Storage(f"{server.endpoint}/noaa-goes{{number}}", {"max_request_seconds": seconds})
    fs_args = {
        "anon": True,
        "endpoint_url": server.endpoint,
        "config_kwargs": TIMEOUTS,
        "max_request_seconds": seconds,
    }
    return Storage("s3://noaa-goes{number}", fs_args, max_concurrency=4)


def stored(storage: Storage, number: int = 0, size: int = 100) -> StoredGranule:
    name = parse_granule_name(granule_file_name(number))
    assert name is not None
    return StoredGranule(name, f"{storage.locate('G17')}/{PREFIX}/{name.file_name}", size)


@pytest.mark.parametrize("kind", ["s3", "http"])
@pytest.mark.parametrize("fault", ["trickle", "headers"])
def test_request_that_trickles_ends_at_its_deadline(
    server: LoopbackS3, fault: str, kind: str
) -> None:
    server.schedule = Schedule(share=1.0, kinds=(fault,))
    storage = storage_of(server, kind)
    began = time.monotonic()
    with pytest.raises(ArchiveError, match=r"no whole answer within 0\.6 s, the longest that such"):
        storage.read(stored(storage))
    assert time.monotonic() - began < IN_TIME
    contents = [content for _, content in storage.read_all([stored(storage, 1)])]
    assert "fs_args.max_request_seconds of glm_archive" in str(contents[0])
    assert time.monotonic() - began < 2 * IN_TIME


@pytest.mark.parametrize("fault", ["trickle", "headers"])
def test_listing_that_trickles_ends_at_its_deadline(server: LoopbackS3, fault: str) -> None:
    server.schedule = Schedule(list_share=1.0, kinds=(fault,))
    began = time.monotonic()
    with pytest.raises(
        ArchiveError, match=r"Cannot read s3://noaa-goes17/.*no whole answer within"
    ):
        storage_of(server).list_hour(HOUR)
    assert time.monotonic() - began < IN_TIME


def test_deadline_of_one_granule_counts_over_its_attempts(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LAST_ATTEMPT_SECONDS", 1.0)
    server.schedule = Schedule(share=1.0, kinds=("trickle",))
    storage = storage_of(server)
    began = time.monotonic()
    with pytest.raises(ArchiveError, match="no whole answer"):
        storage.read(stored(storage))
    assert time.monotonic() - began < 1.0 + SECONDS + 1.5
    assert server.requests["GET"] == 2, "at 0 and 0.6 s, not at 1.2 s"


def test_server_that_is_slow_now_and_then_does_not_hold_a_day(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LAST_ATTEMPT_SECONDS", 0.1)
    fill(server.root / "noaa-goes18", 60)
    for path in (server.root / "noaa-goes18").rglob("*.nc"):
        path.rename(server.root / "noaa-goes17" / PREFIX / path.name)
    storage = storage_of(server)
    granules = [stored(storage, number) for number in range(60)]
    server.schedule = Schedule(2, share=0.6, kinds=("trickle",))
    began = time.monotonic()
    contents = [content for _, content in storage.read_all(granules)]
    assert time.monotonic() - began < IN_TIME
    assert server.faults["trickle"] <= 12 + 4, "twelve are enough; four were on their way"
    reason = r"was not asked for: 1[2-6] requests got no whole answer in time. The last one: Cannot"
    assert re.search(reason, str(contents[-1]))
    assert any(isinstance(content, bytes) for content in contents)


def test_waiting_for_a_turn_uses_up_no_attempts(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LAST_ATTEMPT_SECONDS", 0.2)
    storage = storage_of(server)
    storage.max_concurrency = 1
    server.schedule = Schedule(share=1.0, kinds=("stall",), stall_s=0.15)
    contents = [content for _, content in storage.read_all([stored(storage, n) for n in range(3)])]
    assert [len(content) for content in contents if isinstance(content, bytes)] == [100] * 3
    server.schedule = Schedule(5, share=0.5, kinds=("503",))
    contents = [content for _, content in storage.read_all([stored(storage, n) for n in range(3)])]
    assert [len(content) for content in contents if isinstance(content, bytes)] == [100] * 3


@pytest.mark.parametrize("kind", ["s3", "http"])
@pytest.mark.parametrize("fault", ["endless", "longer"])
def test_no_more_of_a_body_is_read_than_was_listed(
    server: LoopbackS3, fault: str, kind: str
) -> None:
    server.schedule = Schedule(share=1.0, kinds=(fault,))
    storage = storage_of(server, kind, 20.0)
    with pytest.raises(ArchiveError, match=r"more bytes came than the 100 that were listed; the"):
        storage.read(stored(storage))
    assert server.bytes_sent < retry.ATTEMPTS * (8 << 20), "only what fits the sockets' buffers"


@pytest.mark.parametrize("kind", ["s3", "http"])
def test_answer_without_end_in_the_place_of_a_listing_is_bounded(
    server: LoopbackS3, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    server.schedule = Schedule(share=1.0, list_share=1.0, kinds=("endless",))
    storage = storage_of(server, kind, 30.0)
    tracemalloc.start()
    message = "Cannot read" if kind == "s3" else "cannot be listed|Cannot read"
    with pytest.raises(ArchiveError, match=message) as caught:
        storage.list_hour(HOUR)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if kind == "s3":
        assert "longer than 16 MiB, which no listing is" in str(caught.value)
    assert peak < 5 * MAX_PAGE_BYTES


class Hanging(MemoryFileSystem):  # type: ignore[misc]
    """A file system without an event loop that does not answer, or sends for ever."""

    protocol = "hanging"
    let_go = Event()

    def ls(self, *_: object, **__: object) -> list[dict[str, object]]:
        self.let_go.wait(10)
        return []

    def open(self, path: str, *_: object, **__: object) -> "Endless":
        return Endless(hangs="hang" in path)


class Endless:
    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, amount: int) -> bytes:
        if self.hangs:
            time.sleep(0.05)
            return b"x"
        return b"x" * amount


@pytest.fixture
def hanging() -> Iterator[Storage]:
    fsspec.register_implementation("hanging", Hanging, clobber=True)
    Hanging.let_go.clear()
    yield Storage("hanging://root", {"max_request_seconds": 0.3}, max_concurrency=2)
    Hanging.let_go.set()


def test_file_system_without_an_event_loop_is_given_up_too(
    hanging: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    began = time.monotonic()
    with pytest.raises(ArchiveError, match=r"Cannot read hanging://root.*within 0\.3 s"):
        hanging.list_hour(HOUR)
    name = stored(hanging).name
    with pytest.raises(ArchiveError, match=r"within 0\.3 s|bytes came, 1000 were listed"):
        hanging.read(StoredGranule(name, "/root/hang", 1000))
    with pytest.raises(ArchiveError, match="more bytes came than the 1000 that were listed"):
        hanging.read(StoredGranule(name, "/root/endless", 1000))
    assert time.monotonic() - began < 5


def test_threads_that_hang_are_counted_and_no_more_are_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from threading import BoundedSemaphore

    monkeypatch.setattr(deadlines, "_blocking_slots", BoundedSemaphore(1))
    let_go = Event()
    with pytest.raises(DeadlineError):
        call_within(0.05, let_go.wait)
    with pytest.raises(OSError, match="256 requests to this kind of archive hang already"):
        call_within(0.05, lambda: 1)
    let_go.set()
    assert call_within(5, lambda: 1) == 1


def test_errors_of_a_request_pass_through_its_deadline() -> None:
    def fail() -> None:
        raise TimeoutError("the server's own")

    async def fail_async() -> None:
        fail()

    with pytest.raises(TimeoutError, match="the server's own"):
        call_within(5, fail)
    with pytest.raises(TimeoutError, match="the server's own"):
        asyncio.run(within(5, fail_async))


def test_deadline_follows_from_size_and_from_who_shares_the_line() -> None:
    usual = Deadlines(max_concurrency=32)
    assert usual.for_body(0) == usual.for_page == 60
    assert usual.for_body(300_000) == 156, "32 of them at 100 kB/s, and a minute"
    assert usual.for_body(5_000_000) < 800, "never more than is prefetched"
    assert Deadlines(max_concurrency=1).for_body(300_000) == 63
    assert Deadlines(32, 7).for_body(300_000) == Deadlines(32, 7).for_page == 7
    assert Deadlines(32, 7).for_listing == 70


@pytest.mark.parametrize("given", [0, -1, float("nan"), float("inf"), "60", True, [1]])
def test_deadline_that_is_no_time_is_refused(given: object) -> None:
    with pytest.raises(ArchiveError, match=r"max_request_seconds of the archive is .*: give a num"):
        Storage("s3://noaa-goes{number}", {"max_request_seconds": given})


def entries(names: list[str], *, size: str = "<Size>7</Size>") -> str:
    return "".join(f"<Contents><Key>{PREFIX}/{name}</Key>{size}</Contents>" for name in names)


def page(contents: str, token: str = "") -> str:
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f"<ListBucketResult><Name>noaa-goes17</Name><IsTruncated>{str(bool(token)).lower()}"
        f"</IsTruncated>{more}{contents}</ListBucketResult>"
    )


def listing_with_one_token(query: Mapping[str, str]) -> str:
    number = 1 if "continuation-token" in query else 0
    return page(entries([f"{number}.{time.monotonic_ns()}"]), "again")


def listing_in_a_circle(query: Mapping[str, str]) -> str:
    at = query.get("continuation-token", "a")
    return page(entries([f"{at}.{time.monotonic_ns()}"]), {"a": "b", "b": "c", "c": "b"}[at])


def listing_without_keys(query: Mapping[str, str]) -> str:
    return page("", f"{int(query.get('continuation-token', '0')) + 1}")


def listing_of_one_page_for_ever(query: Mapping[str, str]) -> str:
    return page(entries(["a", "b"]), f"{int(query.get('continuation-token', '0')) + 1}")


def listing_of_ever_new_keys(query: Mapping[str, str]) -> str:
    number = int(query.get("continuation-token", "0"))
    names = [f"{number}.{key}" for key in range(1000)]
    return page(entries(names), f"{number + 1}")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (listing_with_one_token, "a continuation token came twice"),
        (listing_in_a_circle, "a continuation token came twice"),
        (listing_without_keys, "a page that says there are more has no keys"),
        (listing_of_one_page_for_ever, "a page came twice"),
        (listing_of_ever_new_keys, "it has more than 5,500 keys"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_listing_without_end_is_refused_at_once(
    server: LoopbackS3, answer: object, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_KEYS", 5500)
    server.answer_listing = answer  # type: ignore[assignment]
    with pytest.raises(ArchiveError, match=rf"has no end: {why} \(no more than .* keys are taken"):
        storage_of(server, seconds=20).list_hour(HOUR)
    assert server.requests["LIST"] <= 6, "and not asked for again"


def test_listing_as_long_as_a_million_keys_is_the_longest() -> None:
    assert listing.MAX_KEYS == 10**6
    with pytest.raises(listing.EndlessListingError, match="more than 1,000,000 keys"):
        listing.bound(("key", 1) for _ in range(10**6 + 1))


def test_listing_of_many_pages_has_a_deadline_as_a_whole(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    monkeypatch.setattr(deadlines, "LISTING_PAGES", 1)

    def answer(query: Mapping[str, str]) -> str:
        time.sleep(0.2)
        return listing_of_ever_new_keys(query)

    server.answer_listing = answer
    began = time.monotonic()
    with pytest.raises(ArchiveError, match=r"the listing was not complete after 1\.5 s"):
        storage_of(server, seconds=1.5).list_hour(HOUR)
    assert time.monotonic() - began < IN_TIME


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (entries(["a"], size=""), "the listing has entries without Size, which every S3 gives"),
        ("<Contents><Size>7</Size></Contents>", "the listing has entries without Key"),
        (entries(["a"], size="<Size>big</Size>"), "Cannot read s3://noaa-goes17"),
    ],
    ids=["no size", "no key", "no number"],
)
def test_listing_that_lacks_what_every_listing_has_is_named(
    server: LoopbackS3, contents: str, message: str
) -> None:
    server.answer_listing = lambda _: page(contents)
    with pytest.raises(ArchiveError, match=message):
        storage_of(server).list_hour(HOUR)


@pytest.mark.parametrize("size", [-5, "many", [7], float("nan")])
def test_listing_of_another_file_system_with_a_size_that_is_none(size: object) -> None:
    found = listing.describe_entries([{"name": "a", "size": size, "type": "file"}], str)
    with pytest.raises(OSError, match=r"the listing has a size that is none: .* for a"):
        list(found)


def test_listing_of_another_file_system_may_lack_sizes_and_types() -> None:
    given = [{"name": "a"}, {"name": "b", "size": None, "type": "file"}, {"name": "c", "size": "3"}]
    given.append({"name": "d", "type": "directory"})
    assert list(listing.describe_entries(given, str)) == [
        ("a", listing.UNKNOWN_SIZE),
        ("b", listing.UNKNOWN_SIZE),
        ("c", 3),
        ("d", None),
    ]
    with pytest.raises(OSError, match="an entry without a name"):
        list(listing.describe_entries([{"size": 3}], str))


def test_file_listed_as_empty_is_not_asked_for_as_a_range() -> None:
    assert asyncio.run(read_anything(None, "anything", 1)) == b""


def test_storage_travels_to_another_process_without_its_connections(server: LoopbackS3) -> None:
    storage = storage_of(server, seconds=20)
    assert len(storage.list_hour(HOUR)[0]) == 3
    again: Storage = pickle.loads(pickle.dumps(storage))  # noqa: S301
    assert len(again.list_hour(HOUR)[0]) == 3
