"""Where granules lie: listing and fetching through fsspec, with its errors made plain.

A root is any fsspec URL or folder laid out like NOAA's buckets
(``GLM-L2-LCFA/YYYY/DDD/HH/*.nc``); ``{number}`` in it stands for the satellite's number, since each
satellite has a bucket of its own.
"""

import logging
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName, hour_prefix, parse_granule_name
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleSource
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.fetching import Content, Fetcher
from lightning_kedro.store.listing import (
    UNKNOWN_SIZE,
    Entry,
    list_anywhere,
    list_s3,
    scan_folder,
)
from lightning_kedro.store.retry import Breaker, RefusedError, retry_politely

logger = logging.getLogger(__name__)

MAX_GRANULE_BYTES: Final = 64 << 20
"""Whatever is larger is no granule and never fetched: the largest known ones, of the weeks around
an equinox when the sun shines into the instrument, have 5 MB."""

HOPELESS_LISTINGS: Final = 24
"""When so many hours in a row could not be listed, the archive is down."""

_LOCAL: Final = ("file", "local")
_S3: Final = ("s3", "s3a")

_opening: Final = threading.Lock()


class Storage(GranuleSource):
    """One root and the file system it lies in.

    Args:
        root: fsspec URL or folder; ``{number}`` stands for the satellite's number.
        fs_args: Options for the file system, as in any Kedro dataset.
        max_concurrency: How many requests may be under way at once.

    Example:
        >>> Storage("s3://noaa-goes{number}").locate("G18")
        'noaa-goes18'
    """

    def __init__(
        self,
        root: str,
        fs_args: Mapping[str, Any] | None = None,
        *,
        max_concurrency: int = 32,
    ) -> None:
        """Remember the root; nothing is opened before the first use."""
        self.root = root
        self.max_concurrency = max_concurrency
        self._fs_args = dict(fs_args or {})
        self._file_system: Any = None
        self._listings = Breaker(HOPELESS_LISTINGS)

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
    def file_system(self) -> Any:  # noqa: ANN401  (fsspec has no types)
        """The fsspec file system, made at the first use; several threads may ask for it."""
        with _opening:
            if self._file_system is None:
                self._file_system = self._open()
            return self._file_system

    def _open(self) -> Any:  # noqa: ANN401
        """Make the file system; an S3 one asks once, since patience is ours alone."""
        from fsspec.core import url_to_fs

        options = self._s3_options() if self.protocol in _S3 else {}
        try:
            file_system, _ = url_to_fs(self.root, **options, skip_instance_cache=True)
        except (ValueError, ImportError) as error:
            message = (
                f"Parameter archive: {self.root!r} cannot be opened, {error}. Give a folder, "
                f"or a URL of a file system that fsspec knows such as s3://bucket."
            )
            raise ArchiveError(message) from error
        if self.protocol in _S3:
            file_system.retries = 1
        return file_system

    def _s3_options(self) -> dict[str, Any]:
        """The options of an S3 file system: one attempt, and one GET a granule without a HEAD."""
        config = {"retries": {"total_max_attempts": 1}, **self._fs_args.get("config_kwargs", {})}
        return {"max_concurrency": 1, **self._fs_args, "config_kwargs": config}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file system behind: another process opens its own."""
        return {**self.__dict__, "_file_system": None}

    def locate(self, platform: str) -> str:
        """The root of a satellite, as the file system wants it."""
        root = self.root.replace("{number}", platform[1:])
        if self.is_local:
            return str(Path(root.removeprefix("file://").removeprefix("local://")).expanduser())
        return str(self.file_system._strip_protocol(root)).rstrip("/")  # noqa: SLF001  (fsspec's)

    def list_hour(self, hour: ArchiveHour) -> tuple[list[StoredGranule], int]:
        """List an archive hour: one request, or a few where it holds over 1,000 keys.

        Returns:
            The hour's granules of the satellite, in no particular order and with duplicates, and
            how many other things lay there. A hostile or foreign name is counted, never used, and
            so is a file that is far too large for a granule.

        Raises:
            ArchiveError: If the archive cannot be reached, after several attempts with growing,
                random pauses between them.
        """
        prefix = f"{self.locate(hour.platform)}/{hour_prefix(hour.hour)}"
        granules: list[StoredGranule] = []
        ignored = 0
        files = self._patiently(partial(self._list_files, prefix), prefix)
        for place, name, size in self._measure(files):
            if name is None or name.hour != hour.hour or size > MAX_GRANULE_BYTES:
                ignored += 1
                if size > MAX_GRANULE_BYTES:
                    logger.warning("%s has %d bytes, too many for a granule: ignored", place, size)
            elif name.platform == hour.platform:
                granules.append(StoredGranule(name, place, size, self.is_local))
        return granules, ignored

    def _list_files(self, prefix: str) -> list[tuple[str, GranuleName | None, int]]:
        """What is directly below a prefix: place, name as a granule if it is one, size in bytes."""
        try:
            entries = list(self._list_entries(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return []
        found: list[tuple[str, GranuleName | None, int]] = []
        for place, size in entries:
            folder, _, file_name = place.rpartition("/")
            name = parse_granule_name(file_name) if size is not None and folder == prefix else None
            if name is not None or not (file_name.startswith(".") or place == f"{prefix}/"):
                found.append((place, name, size or 0))
        return found

    def _list_entries(self, prefix: str) -> Iterable[Entry]:
        """Everything below a prefix, in the quickest way that its file system has."""
        if self.is_local:
            return scan_folder(prefix)
        return (list_s3 if self.protocol in _S3 else list_anywhere)(self.file_system, prefix)

    def _measure(
        self, found: list[tuple[str, GranuleName | None, int]]
    ) -> list[tuple[str, GranuleName | None, int]]:
        """Ask for the sizes of granules that came without, as in the folders of web servers."""
        places = [place for place, name, size in found if name and size == UNKNOWN_SIZE]
        if not places:
            return found
        sizes = run_together(self._ask_size, places, workers=self.max_concurrency)
        for answer in sizes:
            if isinstance(answer, ArchiveError):
                raise answer
        known = dict(zip(places, sizes, strict=True))
        return [(place, name, known.get(place, size)) for place, name, size in found]

    def _ask_size(self, place: str) -> int:
        """The size of one file in bytes."""
        size = self._patiently(partial(self.file_system.size, place), place)
        if size is None:
            message = f"{self._name(place)}: the server does not say how large it is."
            raise ArchiveError(message)
        return int(size)

    def root_exists(self, platform: str) -> bool:
        """Whether there is anything at all at a satellite's root."""
        root = self.locate(platform)
        return bool(self._patiently(partial(self._is_there, root), root))

    def _is_there(self, root: str) -> bool:
        """Whether a folder or bucket is there; a prefix of a bucket is if something is below it.

        Not ``exists`` of the file system: some take an archive that does not answer for none.
        """
        try:
            found = any(True for _ in self._list_entries(root))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return found or self.protocol not in _S3 or "/" not in root

    def _patiently(self, ask: Callable[[], Any], place: str) -> Any:  # noqa: ANN401
        """Ask the archive for something, several times if need be."""
        try:
            for attempt in retry_politely():
                with attempt, self.explain_errors(place):
                    self._listings.check(place)
                    answer = ask()
        except ArchiveError as error:
            self._listings.fail(error)
            logger.error("%s", error)  # noqa: TRY400  (a line for a person, not a traceback)
            raise
        self._listings.succeed()
        return answer

    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's own file where it is local, else its bytes, all of them.

        Raises:
            ArchiveError: If it cannot be fetched, or fewer or more bytes came than were listed,
                after several attempts with growing, random pauses between them.
        """
        if self.is_local:
            return Path(granule.url)
        content = self._fetcher().fetch(granule)
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
        yield from self._fetcher().fetch_all(granules)

    def _fetcher(self) -> Fetcher:
        """What fetches granules; each lot of them starts with new trust in the archive."""
        return Fetcher(self.file_system, self.max_concurrency, self.explain_errors)

    @contextmanager
    def explain_errors(self, place: str, *, to_fetch: bool = False) -> Iterator[None]:
        """Turn what file systems raise into one sentence that says what to do.

        Args:
            place: What is read.
            to_fetch: Whether it was listed and must be there.
        """
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if to_fetch:
                message = f"{place} is gone from {self.root} since it was listed."
                raise RefusedError(message) from error
            raise ArchiveError(self._explain(place, error)) from error
        except _storage_errors() as error:
            kind = RefusedError if isinstance(error, PermissionError) else ArchiveError
            raise kind(self._explain(place, error)) from error

    def _explain(self, place: str, error: BaseException) -> str:
        """What went wrong at a place, and what to do."""
        if self.is_local:
            return f"Cannot read {place}: {error}. Check the folder and its permissions."
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        where = f" at {endpoint}" if endpoint and self.protocol in _S3 else ""
        return (
            f"Cannot read {self._name(place)}{where}: {str(error) or type(error).__name__}. Check "
            f"the network, or work offline with `kedro run --env sample`."
        )

    def _name(self, place: str) -> str:
        """A place as a URL."""
        return place if self.is_local or "://" in place else f"{self.protocol}://{place}"


def run_together(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    workers: int,
) -> list[Any]:
    """Do something for many items at once; used for requests, which mostly wait.

    Args:
        work: What to do; called in threads.
        items: For what.
        workers: How many at a time, at most.

    Returns:
        The results in the order of the items; an ``ArchiveError`` stands in the place of its
        result.
    """

    def attempt(item: Any) -> Any:  # noqa: ANN401
        try:
            return work(item)
        except ArchiveError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(items)))) as pool:
        return list(pool.map(attempt, items))


def _storage_errors() -> tuple[type[BaseException], ...]:
    """What fsspec and its S3 client raise when an archive cannot be read."""
    try:
        from aiohttp import ClientError as HttpError
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:  # pragma: no cover  (s3fs brings both; another file system may do without)
        return (OSError, ValueError)
    return (OSError, ValueError, BotoCoreError, ClientError, HttpError)
