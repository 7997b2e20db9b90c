"""Archives of other layouts, and archives that cannot be listed: never an hour without granules."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest
from tests.loopback_s3 import PAGE, LoopbackS3, Schedule, serve_folder
from tests.store.test_storage import HOUR, PREFIX, fill, granule_file_name

from lightning_kedro.exceptions import ArchiveError, UnlistableArchiveError
from lightning_kedro.glm.granule import hour_prefix, parse_granule_name
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store import layouts, retry
from lightning_kedro.store.storage import Storage

COUNT = 3
QUIET = replace(HOUR, hour=HOUR.hour + timedelta(hours=5))
NEXT_YEAR = replace(HOUR, hour=HOUR.hour + timedelta(days=400))


pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A bucket with a few granules."""
    fill(tmp_path / "noaa-goes17", COUNT)
    return tmp_path / "noaa-goes17"


@pytest.fixture
def server(archive: Path) -> Iterator[LoopbackS3]:
    with serve_folder(archive.parent) as server:
        yield server


def on_s3(server: LoopbackS3, root: str) -> Storage:
    return Storage(root, {"anon": True, "endpoint_url": server.endpoint})


def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with a handler until the generator is closed; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def web(archive: Path) -> Iterator[str]:
    """A web server that lists its folders."""
    yield from serve(partial(Silent, directory=archive.parent))


def assert_reads(storage: Storage) -> None:
    __tracebackhide__ = True
    granules, ignored = storage.list_hour(HOUR)
    assert (len(granules), ignored) == (COUNT, 0)
    contents = dict(storage.read_all(granules))
    for granule, content in contents.items():
        found = content.read_bytes() if isinstance(content, Path) else content
        assert isinstance(found, bytes)
        assert len(found) == granule.file_bytes == 100
    assert storage.list_hour(QUIET) == ([], 0)
    assert storage.list_hour(NEXT_YEAR) == ([], 0)
    assert len(storage.list_hour(HOUR)[0]) == COUNT


@pytest.mark.parametrize("given", ["noaa-goes17/GLM-L2-LCFA", "noaa-goes17/GLM-L2-LCFA/", ""])
@pytest.mark.parametrize("kind", ["local", "file", "s3", "web"])
def test_product_itself_and_folder_of_goes2go_are_read(
    archive: Path, server: LoopbackS3, web: str, kind: str, given: str
) -> None:
    if kind == "s3":
        if not given:
            shutil.copytree(archive, archive.parent / "mirror" / "mine" / "noaa-goes17")
        assert_reads(on_s3(server, f"s3://{given or 'mirror/mine'}"))
    elif kind == "web":
        assert_reads(Storage(f"{web}/{given}"))
    else:
        start = "file://" if kind == "file" else ""
        assert_reads(Storage(f"{start}{archive.parent}/{given}"))


def test_product_below_the_number_of_a_satellite_is_read(archive: Path) -> None:
    storage = Storage(f"{archive.parent}/noaa-goes{{number}}/GLM-L2-LCFA")
    assert storage.locate("G17") == str(archive)
    assert_reads(storage)


def test_memory_is_read_in_all_layouts() -> None:
    file_system = fsspec.filesystem("memory")
    for number in range(COUNT):
        path = f"/down/noaa-goes17/{PREFIX}/{granule_file_name(number)}"
        file_system.pipe(path, bytes(100))
    try:
        assert_reads(Storage("memory://down"))
        assert_reads(Storage("memory://down/noaa-goes17/GLM-L2-LCFA"))
        with pytest.raises(UnlistableArchiveError, match="memory://up does not exist"):
            Storage("memory://up").list_hour(HOUR)
        with pytest.raises(UnlistableArchiveError, match="not laid out as GLM-L2-LCFA/YYYY/DDD/HH"):
            Storage("memory://down/noaa-goes17/GLM-L2-LCFA/2024").list_hour(HOUR)
    finally:
        file_system.rm("/down", recursive=True)


def test_flat_folder_of_this_machine_is_read(archive: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat {folder}"
    shutil.copytree(archive / PREFIX, flat)
    (flat / "README.txt").touch()
    storage = Storage(str(flat))
    assert_reads(storage)
    late = flat / granule_file_name(1000)
    late.write_bytes(b"late")
    assert len(storage.list_hour(HOUR)[0]) == COUNT + 1, "what comes later is seen"
    late.write_bytes(b"later")
    assert {item.file_bytes for item in storage.list_hour(HOUR)[0]} == {100, 5}
    other = replace(HOUR, platform="G16")
    assert storage.list_hour(other) == ([], 0)


def test_flat_folder_is_read_once_while_it_does_not_change(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "SETTLED_NS", -1)
    storage = Storage(str(archive / PREFIX))
    storage.list_hour(HOUR)
    monkeypatch.setattr(layouts, "parse_granule_name", lambda _: pytest.fail("read again"))
    assert len(storage.list_hour(HOUR)[0]) == COUNT
    assert storage.list_hour(QUIET) == ([], 0)


def test_flat_folder_from_which_files_go_is_still_listed(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = archive / PREFIX
    storage = Storage(str(folder))
    storage.list_hour(HOUR)
    monkeypatch.setattr(
        layouts.FlatFolder, "_names_of", lambda *_: ["gone.nc", granule_file_name(0)]
    )
    assert len(storage.list_hour(HOUR)[0]) == 1
    monkeypatch.undo()
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    shutil.rmtree(folder)
    with pytest.raises(ArchiveError, match=r"Cannot read .*/09: .*Check the folder and its permis"):
        storage.list_hour(HOUR)


def test_usual_layout_costs_one_request_an_hour(server: LoopbackS3) -> None:
    storage = on_s3(server, "s3://noaa-goes{number}")
    for _ in range(3):
        storage.list_hour(HOUR)
    assert server.requests == {"LIST": 3}
    for _ in range(3):
        assert storage.list_hour(QUIET) == ([], 0)
    assert server.requests == {"LIST": 3 + 3 + 1}, "once it is asked whether folders are listed"


def test_empty_bucket_has_no_granules_and_an_empty_folder_is_suspicious(
    server: LoopbackS3, tmp_path: Path
) -> None:
    (server.root / "noaa-goes18").mkdir()
    storage = on_s3(server, "s3://noaa-goes{number}")
    assert storage.list_hour(replace(HOUR, platform="G18")) == ([], 0)
    (tmp_path / "mount").mkdir()
    with pytest.raises(UnlistableArchiveError, match=r"mount is not laid out as .*: it is empty\."):
        Storage(str(tmp_path / "mount")).list_hour(HOUR)


@pytest.mark.parametrize("folder", ["nowhere", "mount"])
def test_folder_that_this_project_makes_may_be_absent(tmp_path: Path, folder: str) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / ".gitkeep").touch()
    storage = Storage(str(tmp_path / folder), may_be_absent=True)
    assert storage.list_hour(HOUR) == ([], 0)
    (tmp_path / folder / "GLM-L2-LCFA").mkdir(parents=True)
    assert storage.list_hour(HOUR) == ([], 0), "all was pruned"
    with pytest.raises(UnlistableArchiveError, match="its GLM-L2-LCFA holds no folder of a year"):
        Storage(str(tmp_path / folder)).list_hour(HOUR)
    (tmp_path / folder / "GLM-L2-LCFA").rmdir()
    fill(tmp_path / folder, COUNT)
    assert_reads(storage)


@pytest.mark.parametrize("kind", ["local", "file", "s3", "prefix"])
def test_root_that_is_not_there_is_named(
    archive: Path, server: LoopbackS3, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    storage = {
        "local": lambda: Storage(f"{archive.parent}/nowhere"),
        "file": lambda: Storage(f"file://{archive.parent}/nowhere"),
        "s3": lambda: on_s3(server, "s3://nowhere"),
        "prefix": lambda: on_s3(server, "s3://noaa-goes17/GLM-L2-LCFA/nowhere"),
    }[kind]()
    message = r"nowhere does not exist\. Check the parameter archive: it wants a folder or URL that"
    with caplog.at_level(logging.ERROR), pytest.raises(UnlistableArchiveError, match=message):
        storage.list_hour(HOUR)
    assert not caplog.records, "the run says it at its end"
    requests = server.requests.total()
    with pytest.raises(UnlistableArchiveError, match=message):
        storage.list_hour(QUIET)
    assert server.requests.total() - requests <= 1, "it is not looked for again for each hour"


def test_granules_that_lie_elsewhere_are_named(archive: Path, server: LoopbackS3) -> None:
    shutil.move(archive / "GLM-L2-LCFA", archive / "glm")
    day = PREFIX.removeprefix("GLM-L2-LCFA/")
    wanted = (
        r"Give the folder above GLM-L2-LCFA, GLM-L2-LCFA itself, a folder that goes2go downloaded "
        r"to \(noaa-goes17/GLM-L2-LCFA/YYYY/DDD/HH\), or a folder of this machine in which the"
    )
    there = rf"is not laid out as GLM-L2-LCFA/YYYY/DDD/HH/\*\.nc: there are granules in .*/{day}\. "
    with pytest.raises(UnlistableArchiveError, match=there + wanted):
        Storage(str(archive)).list_hour(HOUR)
    with pytest.raises(UnlistableArchiveError, match=r": it holds glm\. " + wanted):
        on_s3(server, "s3://noaa-goes17").list_hour(HOUR)
    (server.root / "flat").mkdir()
    for path in (archive / "glm" / day).iterdir():
        shutil.copy(path, server.root / "flat")
    with pytest.raises(
        UnlistableArchiveError,
        match=r": it holds OR_GLM[^ ]*, OR_GLM[^ ]*, OR_GLM[^ ]*\. " + wanted,
    ):
        on_s3(server, "s3://flat").list_hour(HOUR)


def test_search_for_misplaced_granules_ends(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "MAX_FOLDERS_SEARCHED", 3)
    deep = tmp_path / "root" / "a" / "b" / "c" / "d" / "e"
    shutil.copytree(archive / PREFIX, deep)
    with pytest.raises(UnlistableArchiveError, match=r"\*\.nc: it holds a\. "):
        Storage(str(tmp_path / "root")).list_hour(HOUR)


@pytest.mark.parametrize("root", ["noaa-goes17", "noaa-goes{number}", "noaa-goes17/GLM-L2-LCFA"])
def test_bucket_by_https_can_be_read_but_is_not_taken_for_silent(
    server: LoopbackS3, root: str
) -> None:
    storage = Storage(f"{server.endpoint}/{root}")
    name = parse_granule_name(granule_file_name(0))
    assert name is not None
    granule = StoredGranule(name, f"{storage.locate('G17')}/{PREFIX}/{name.file_name}", 100)
    assert len(storage.read(granule)) == 100  # type: ignore[arg-type]
    bucket = root.removesuffix("/GLM-L2-LCFA").replace("{", r"\{").replace("}", r"\}")
    message = (
        r"cannot be listed: http://.*/noaa-goes17/GLM-L2-LCFA/ has no index that shows its folders"
        rf".*\. Give the bucket itself: archive=s3://{bucket}\.$"
    )
    for hour in (HOUR, QUIET):
        with pytest.raises(UnlistableArchiveError, match=message):
            storage.list_hour(hour)


def test_bucket_of_a_full_s3_by_https_is_not_taken_for_silent(
    s3_endpoint: str, buckets: Path, put_granules: Callable[[Iterable[Path]], None]
) -> None:
    put_granules(sorted(buckets.rglob("*.nc"))[:COUNT])
    assert len(Storage("s3://noaa-goes{number}", {"anon": True}).list_hour(HOUR)[0]) == COUNT
    storage = Storage(f"{s3_endpoint}/noaa-goes{{number}}")
    for hour in (HOUR, QUIET):
        with pytest.raises(UnlistableArchiveError, match=r"archive=s3://noaa-goes\{number\}\.$"):
            storage.list_hour(hour)


def test_remedy_names_noaas_own_buckets_in_every_kind_of_address() -> None:
    for address in (
        "https://noaa-goes16.s3.amazonaws.com",
        "https://noaa-goes16.s3.us-east-1.amazonaws.com/GLM-L2-LCFA",
        "https://s3.amazonaws.com/noaa-goes16/",
    ):
        finder = layouts.LayoutFinder(address, "https", lambda _: None, may_be_absent=False)
        with pytest.raises(UnlistableArchiveError, match=r"archive=s3://noaa-goes16\.$"):
            finder.find("G16", address)
    finder = layouts.LayoutFinder("https://a.org/b", "https", lambda _: [], may_be_absent=False)
    with pytest.raises(UnlistableArchiveError, match=r"Give its s3:// address, a web server that"):
        finder.find("G16", "https://a.org/b")


class Denying(Silent):
    """A web server that serves files, and answers for folders with a 403."""

    def list_directory(self, _: object) -> None:  # type: ignore[override]
        self.send_error(403)


class Welcoming(Silent):
    """A server that answers everything with the same page: a sign-in, or an application."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.replace("network.", '<a href="about/">network</a>').encode())


@pytest.mark.parametrize("handler", [Denying, Welcoming])
def test_web_server_without_indexes_is_not_taken_for_silent(
    archive: Path, handler: type[Silent]
) -> None:
    for address in serve(partial(handler, directory=archive.parent)):
        storage = Storage(f"{address}/noaa-goes17")
        with pytest.raises(UnlistableArchiveError, match=r"[Cc]annot (be listed|list http)"):
            storage.list_hour(HOUR)


def test_page_in_the_place_of_one_index_is_not_an_hour_without_granules(archive: Path) -> None:
    """The sign-in comes up in the middle of a run: some pages are indexes, some are not."""
    bogus: set[str] = set()

    class Flickering(Silent):
        def list_directory(self, path: str) -> object:  # type: ignore[override]
            if not any(self.path.rstrip("/").endswith(ending) for ending in bogus):
                return super().list_directory(path)
            bogus.discard(self.path.rstrip("/").rpartition("/")[2])
            Welcoming.do_GET(self)  # type: ignore[arg-type]
            return None

    for address in serve(partial(Flickering, directory=archive.parent)):
        storage = Storage(f"{address}/noaa-goes17")
        assert len(storage.list_hour(HOUR)[0]) == COUNT
        bogus.add(HOUR.hour.strftime("%H"))
        assert len(storage.list_hour(HOUR)[0]) == COUNT, "it is asked for again"
        bogus.add(QUIET.hour.strftime("%j"))
        with pytest.raises(UnlistableArchiveError, match=r"/2024/196/ has no index"):
            storage.list_hour(QUIET)


def test_bucket_that_may_not_be_listed_is_not_taken_for_silent(server: LoopbackS3) -> None:
    server.schedule = Schedule(denied=True)
    storage = on_s3(server, "s3://noaa-goes17")
    message = r"Cannot list s3://noaa-goes17/.*Not now.* Its server does not allow it; give an arch"
    with pytest.raises(UnlistableArchiveError, match=message):
        storage.list_hour(HOUR)
    assert server.requests == {"LIST": 1}


def test_what_was_refused_is_looked_at_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(str(tmp_path / "late"))
    with pytest.raises(ArchiveError, match="does not exist"):
        storage.list_hour(QUIET)
    fill(tmp_path / "late", COUNT)
    began = time.monotonic()
    with pytest.raises(ArchiveError, match="does not exist"):
        storage.list_hour(QUIET)
    monkeypatch.setattr(layouts, "REMEMBERED_SECONDS", 0.0)
    assert storage.list_hour(QUIET) == ([], 0)
    assert time.monotonic() - began < 5


def test_hour_prefix_is_what_an_absent_hour_is_looked_for_by() -> None:
    assert hour_prefix(HOUR.hour) == "GLM-L2-LCFA/2024/196/09"
