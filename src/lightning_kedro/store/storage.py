"""Where granules lie: listing and fetching through fsspec, with its errors made plain.

A root is any fsspec URL or folder laid out like NOAA's buckets
(``GLM-L2-LCFA/YYYY/DDD/HH/*.nc``, see ``layouts`` for what else is read); ``{number}`` in it stands
for the satellite's number, since each satellite has a bucket of its own.
"""

import logging
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lightning_kedro.exceptions import ArchiveError, UnlistableArchiveError, printable
from lightning_kedro.glm.granule import PRODUCT, GranuleName, hour_prefix, parse_granule_name
from lightning_kedro.glm.satellites import SATELLITES
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleReader, GranuleSource
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.concurrently import run_concurrently
from lightning_kedro.store.deadlines import Deadlines
from lightning_kedro.store.errors import (
    client_errors,
    explain_client_failure,
    explain_failure,
    storage_errors,
)
from lightning_kedro.store.fetching import Content, Fetcher
from lightning_kedro.store.flash_reader import FlashReader
from lightning_kedro.store.layouts import FlatFolder, LayoutFinder, root_above_product
from lightning_kedro.store.listing import UNKNOWN_SIZE, Entry, bound, scan_folder
from lightning_kedro.store.remote import S3, WEB, RemoteFiles, open_remote
from lightning_kedro.store.retry import (
    CircuitBreaker,
    ConfigurationError,
    RefusedError,
    retry_with_backoff,
)
from lightning_kedro.store.secrets import drop_secrets

__all__ = ["MAX_GRANULE_BYTES", "Storage", "run_concurrently"]

logger = logging.getLogger(__name__)

MAX_GRANULE_BYTES: Final = 64 << 20
"""Whatever is larger is no granule and never fetched: the largest known ones, of the weeks around
an equinox when the sun shines into the instrument, have 5 MB."""

MAX_FAILED_LISTINGS: Final = 24
"""When so many hours in a row could not be listed, the archive is down."""

MAX_NAMES: Final = 1000
"""How many names are looked at to see how an archive is laid out: one page of S3."""

_LOCAL: Final = ("file", "local")

_opening: Final = threading.RLock()

File = tuple[str, GranuleName | None, int]
"""Where something lies, its name as a granule if it is one, and its size in bytes."""


class Storage(GranuleSource):
    """One root and the file system it lies in.

    Args:
        root: fsspec URL or folder; ``{number}`` stands for the satellite's number.
        fs_args: Options for the file system, as in any Kedro dataset.
        credentials: More such options, which never go to another machine.
        max_concurrency: How many requests may be under way at once.
        may_be_absent: Whether this project makes the root itself: then nothing may be there yet,
            which in an archive is an error.
        ranges: Whether ``choose_reader`` gives a reader that fetches only those bytes of granules
            that flashes need, where no more than flashes are wanted.

    ``fs_args`` has one option of its own: ``max_request_seconds``, the longest that a request may
    last as a whole; without it that follows from the size of what is asked for (``deadlines``).

    Example:
        >>> Storage("s3://noaa-goes{number}").locate("G18")
        'noaa-goes18'
    """

    def __init__(
        self,
        root: str,
        fs_args: Mapping[str, Any] | None = None,
        *,
        credentials: Mapping[str, Any] | None = None,
        max_concurrency: int = 32,
        may_be_absent: bool = False,
        ranges: bool = False,
    ) -> None:
        """Remember the root; nothing is opened before the first use."""
        self.root = root
        self.max_concurrency = max_concurrency
        self.ranges = ranges
        self._fs_args = {**(fs_args or {}), **(credentials or {})}
        self._credentials = frozenset(credentials or ())
        self._max_seconds = self._fs_args.pop("max_request_seconds", None)
        self._deadlines = Deadlines(max_concurrency, self._max_seconds)
        self._files: RemoteFiles | None = None
        self._is_connected = False
        self._listings = CircuitBreaker(MAX_FAILED_LISTINGS)
        self._flat = FlatFolder()
        self._layouts = LayoutFinder(
            root, self.protocol, self._list_names, may_be_absent=may_be_absent
        )

    @property
    def protocol(self) -> str:
        """The kind of file system: ``file``, ``s3``, ``https`` ..."""
        protocol, separator, _ = self.root.partition("://")
        return protocol if separator else "file"

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine, which is read in place."""
        return self.protocol in _LOCAL

    @property
    def files(self) -> RemoteFiles:
        """The remote file system, opened at the first use; several threads may ask for it."""
        with _opening:
            if self._files is None:
                self._files = open_remote(self.root, self._fs_args, self._deadlines)
            return self._files

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file system behind: another process opens its own."""
        return {**self.__dict__, "_files": None, "_is_connected": False}

    def without_secrets(self) -> "Storage":
        """The same archive for another machine, which has credentials of its own.

        What the catalog has as ``credentials`` is left out but for ``anon``, and so is whatever is
        called like a secret in ``fs_args``.

        Raises:
            ArchiveError: If the archive's address holds a password.
        """
        if urlsplit(self.root).password is not None:
            message = (
                f"The address of the archive at {urlsplit(self.root).hostname} holds a password, "
                f"which would travel to the workers: leave it out, and give each worker "
                f"credentials of its own in its environment."
            )
            raise ArchiveError(message)
        hidden = self._credentials - {"anon"}
        shown = {name: value for name, value in self._fs_args.items() if name not in hidden}
        seconds = {"max_request_seconds": self._max_seconds}
        options = {**drop_secrets(shown), **seconds}
        return Storage(self.root, options, max_concurrency=self.max_concurrency, ranges=self.ranges)

    def locate(self, platform: str) -> str:
        """The root of a satellite, as the file system wants it: what holds ``GLM-L2-LCFA``."""
        root = self.root.replace("{number}", str(SATELLITES[platform].number))
        if self.is_local:
            folder = Path(root.removeprefix("file://").removeprefix("local://")).expanduser()
            return str(folder.parent if folder.name == PRODUCT else folder)
        path = str(self.files.file_system._strip_protocol(root)).rstrip("/")  # noqa: SLF001
        return root_above_product(path)

    def list_hour(self, hour: ArchiveHour) -> tuple[list[StoredGranule], int]:
        """List an archive hour: one request, or a few where it holds over 1,000 keys.

        Returns:
            The hour's granules of the satellite, in no particular order and with duplicates, and
            how many other things lay there. A hostile or foreign name is counted, never used, and
            so is a file that is far too large for a granule.

        Raises:
            ArchiveError: If the archive cannot be reached, after several attempts with growing,
                random pauses between them.
            UnlistableArchiveError: If it does not list its folders, or has other ones. Whether it
                does is not asked before an hour holds no granule.
        """
        usual = self.locate(hour.platform)
        first = self._layouts.root_of(hour.platform, usual)
        files = self._list_granules(first, hour)
        if not any(name is not None for _, name, _ in files or ()):
            root = self._layouts.find(hour.platform, usual)
            if root != first or self.protocol in WEB or self._layouts.is_flat(root):
                files = self._look_again(root, hour)
        return self._take_in(self._measure(files or []), hour)

    def _list_granules(self, root: str, hour: ArchiveHour) -> list[File] | None:
        """What lies in an hour's folder; None if there is no such folder."""
        if self._layouts.is_flat(root):
            found: list[Entry] = self._ask(partial(self._flat.list_hour, root, hour), root)
            return [_describe(place, size or 0) for place, size in found]
        prefix = f"{root}/{hour_prefix(hour.hour)}"
        entries = self._list(prefix)
        if entries is None:
            return None
        files = []
        for place, size in entries:
            folder, _, file_name = place.rpartition("/")
            if folder == prefix and size is not None:
                file = _describe(place, size)
            else:
                file = (place, None, size or 0)
            if file[1] is not None or not (file_name.startswith(".") or place == f"{prefix}/"):
                files.append(file)
        return files

    def _look_again(self, root: str, hour: ArchiveHour) -> list[File] | None:
        """List an hour once more, now that it is known where it lies and that folders are listed.

        Only the indexes of web servers can say that an hour is absent; what else answers in the
        place of an index is told apart by ``LayoutFinder``.
        """
        if self.protocol in WEB and self._layouts.is_hour_absent(root, hour):
            return []
        return self._list_granules(root, hour)

    def _take_in(self, files: Iterable[File], hour: ArchiveHour) -> tuple[list[StoredGranule], int]:
        """The granules of an hour and satellite, and how many files are no granules of the hour."""
        granules: list[StoredGranule] = []
        ignored = 0
        for place, name, size in files:
            if name is None or name.hour != hour.hour or size > MAX_GRANULE_BYTES:
                ignored += 1
                if size > MAX_GRANULE_BYTES:
                    logger.warning(
                        "%s has %d bytes, too many for a granule: ignored", printable(place), size
                    )
            elif name.platform == hour.platform:
                granules.append(StoredGranule(name, place, size, self.is_local))
        return granules, ignored

    def _list(self, prefix: str, first: int | None = None) -> list[Entry] | None:
        """Everything below a prefix, or the first of it; None if there is no such folder."""
        request = partial(self._list_once, prefix, first)
        answer: list[Entry] | None = self._ask(request, prefix)
        return answer

    def _list_once(self, prefix: str, first: int | None) -> list[Entry] | None:
        """The same in one attempt, in the quickest way that its file system has."""
        try:
            entries = scan_folder(prefix) if self.is_local else self.files.list_entries(prefix)
            return list(islice(entries, first)) if first is not None else bound(entries)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _list_names(self, folder: str) -> list[str] | None:
        """The first names directly below a folder; None if there is no such folder."""
        entries = self._list(folder, MAX_NAMES)
        if entries is None:
            return None
        start = len(folder) + 1
        names = (place[start:].split("/", 1)[0] for place, _ in entries)
        return list(dict.fromkeys(name for name in names if name))

    def _measure(self, found: list[File]) -> list[File]:
        """Ask for the sizes of granules that came without, as in the folders of web servers."""
        places = [place for place, name, size in found if name and size == UNKNOWN_SIZE]
        if not places:
            return found
        sizes = run_concurrently(self._ask_size, places, workers=self.max_concurrency)
        for answer in sizes:
            if isinstance(answer, ArchiveError):
                raise answer
        known = dict(zip(places, sizes, strict=True))
        return [(place, name, known.get(place, size)) for place, name, size in found]

    def _ask_size(self, place: str) -> int:
        """The size of one file in bytes."""
        size = self._ask(partial(self.files.size, place), place)
        if size is None or size < 0:
            message = (
                f"{printable(self._name(place))}: the server does not say how large it is, neither "
                f"in its listing nor when it is asked. Give an archive that does."
            )
            raise RefusedError(message)
        return int(size)

    def root_exists(self, platform: str) -> bool:
        """Whether there is anything at all at a satellite's root.

        Not ``exists`` of the file system: some take an archive that does not answer for none. A
        prefix of a bucket is there if something is below it.
        """
        root = self.locate(platform)
        found = self._list(root, 1)
        return found is not None and (bool(found) or self.protocol not in S3 or "/" not in root)

    def _ask(self, request: Callable[[], Any], place: str) -> Any:  # noqa: ANN401
        """Ask the archive for something, several times if need be."""
        try:
            for attempt in retry_with_backoff():
                with attempt, self.explain_errors(place):
                    self._listings.check(printable(place))
                    self._connect()
                    answer = request()
        except UnlistableArchiveError:
            self._listings.succeed()
            raise
        except ArchiveError as error:
            self._listings.fail(error)
            if not isinstance(error, ConfigurationError):
                logger.error("%s", error)  # noqa: TRY400  (a line for a person, not a traceback)
            raise
        self._listings.succeed()
        return answer

    def _connect(self) -> None:
        """Make the client of S3 once: it reads the user's configuration.

        Raises:
            ConfigurationError: If that cannot be used.
        """
        if self.is_local or self._is_connected:
            return
        try:
            self.files.connect()
        except client_errors() as error:
            raise explain_client_failure(error) from error
        self._is_connected = True

    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's own file where it is local, else its bytes, all of them.

        Raises:
            ArchiveError: If it cannot be fetched, or fewer or more bytes came than were listed,
                after several attempts with growing, random pauses between them.
        """
        if self.is_local:
            return Path(granule.url)
        content = self.fetcher().fetch(granule)
        if isinstance(content, ArchiveError):
            raise content
        return content

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Path | Content], None, None]:
        """Granules with their content, in order; remote ones are fetched many at a time.

        Memory is bounded: see ``fetching``. What cannot be fetched, after several attempts as in
        ``read``, comes as its error. When very many in a row fail the rest is not asked for.
        """
        if self.is_local:
            yield from ((granule, Path(granule.url)) for granule in granules)
            return
        yield from self.fetcher().fetch_all(granules)

    def choose_reader(self, levels: Collection[str]) -> GranuleReader:
        """The means to read granules of which only some levels are wanted."""
        is_flash_only = set(levels) <= {"flash"}
        return FlashReader(self) if self.ranges and is_flash_only and not self.is_local else self

    def fetcher(self, *, ranges: bool = False) -> Fetcher:
        """What fetches granules; each lot of them has a circuit breaker of its own."""
        self._connect()
        return Fetcher(self.files, self.max_concurrency, self.explain_errors, ranges=ranges)

    @contextmanager
    def explain_errors(self, place: str, *, to_fetch: bool = False) -> Iterator[None]:
        """Turn what file systems raise into one sentence that says what to do.

        Args:
            place: What is read.
            to_fetch: Whether it was listed and must be there.
        """
        try:
            yield
        except storage_errors() as error:
            raise explain_failure(
                error, self._name(place), self.root, is_local=self.is_local, to_fetch=to_fetch
            ) from error

    def _name(self, place: str) -> str:
        """A place as a URL."""
        return place if self.is_local or "://" in place else f"{self.protocol}://{place}"


def _describe(place: str, size: int) -> File:
    """A file with its name taken apart."""
    return place, parse_granule_name(place.rpartition("/")[2]), size
