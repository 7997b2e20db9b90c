"""Where granules lie: listing and fetching through fsspec, with its errors made plain.

A root is any fsspec URL or folder laid out like NOAA's buckets
(``GLM-L2-LCFA/YYYY/DDD/HH/*.nc``); ``{number}`` in it stands for the satellite's number, since each
satellite has a bucket of its own.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import hour_prefix, parse_granule_name
from lightning_kedro.glm.selection import ArchiveHour
from lightning_kedro.glm.series import StoredGranule

logger = logging.getLogger(__name__)

FETCH_ATTEMPTS: Final = 3
"""How often a granule is asked for, on top of the S3 client's own few attempts."""

BATCHES_AHEAD: Final = 4
"""How many times ``max_concurrency`` granules are held in memory on their way."""

_LOCAL: Final = ("file", "local")


class Storage:
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

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine, which is read in place."""
        protocol, separator, _ = self.root.partition("://")
        return not separator or protocol in _LOCAL

    @property
    def file_system(self) -> Any:  # noqa: ANN401  (fsspec has no types)
        """The fsspec file system, made at the first use."""
        if self._file_system is None:
            import fsspec

            protocol = "file" if self.is_local else self.root.partition("://")[0]
            remote = protocol in {"s3", "s3a"}
            try:
                self._file_system = fsspec.filesystem(
                    protocol, **(self._fs_args if remote else {}), skip_instance_cache=True
                )
            except (ValueError, ImportError) as error:
                message = (
                    f"Parameter archive: {self.root!r} cannot be opened, {error}. Give a folder, "
                    f"or a URL of a file system that fsspec knows such as s3://bucket."
                )
                raise ArchiveError(message) from error
        return self._file_system

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file system behind: another process opens its own."""
        return {**self.__dict__, "_file_system": None}

    def locate(self, platform: str) -> str:
        """The root of a satellite, as the file system wants it."""
        root = self.root.replace("{number}", platform[1:])
        if self.is_local:
            return str(Path(root.removeprefix("file://").removeprefix("local://")).expanduser())
        return root.partition("://")[2].rstrip("/")

    def list_hour(self, hour: ArchiveHour) -> tuple[list[StoredGranule], int]:
        """List an archive hour: one request, or a few where it holds over 1,000 keys.

        Returns:
            The hour's granules of the satellite, in no particular order and with duplicates, and
            how many other things lay there. A hostile or foreign name is counted, never used.

        Raises:
            ArchiveError: If the archive cannot be reached.
        """
        prefix = f"{self.locate(hour.platform)}/{hour_prefix(hour.hour)}"
        with self.explain_errors(prefix):
            try:
                entries = self._scan_folder(prefix) if self.is_local else self._list_keys(prefix)
            except (FileNotFoundError, NotADirectoryError):
                return [], 0
        granules = []
        ignored = 0
        for place, size in entries:
            folder, _, file_name = place.rpartition("/")
            name = parse_granule_name(file_name)
            if name is None or size is None or name.hour != hour.hour or folder != prefix:
                ignored += not file_name.startswith(".")
            elif name.platform == hour.platform:
                granules.append(StoredGranule(name, place, size))
        return granules, ignored

    def _list_keys(self, prefix: str) -> list[tuple[str, int | None]]:
        """What a remote prefix holds: place, and size in bytes or None for what is no file."""
        entries = self.file_system.ls(prefix, detail=True, refresh=True)
        return [
            (entry["name"], int(entry["size"] or 0) if entry["type"] == "file" else None)
            for entry in entries
        ]

    def _scan_folder(self, folder: str) -> list[tuple[str, int | None]]:
        """What a local folder holds, likewise; many times faster than fsspec, which asks more."""
        with os.scandir(folder) as entries:
            return [(f"{folder}/{entry.name}", _measure(entry)) for entry in entries]

    def root_exists(self, platform: str) -> bool:
        """Whether there is anything at all at a satellite's root."""
        root = self.locate(platform)
        with self.explain_errors(root):
            return bool(self.file_system.exists(root))

    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's own file where it is local, else its bytes, all of them.

        Raises:
            ArchiveError: If it cannot be fetched, or fewer or more bytes came than were listed,
                after several attempts with growing, random pauses between them.
        """
        if self.is_local:
            return Path(granule.url)
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_random_exponential,
        )

        for attempt in Retrying(
            retry=retry_if_exception_type(ArchiveError),
            stop=stop_after_attempt(FETCH_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.25, max=10),
            reraise=True,
        ):
            with attempt:
                return self._fetch(granule)
        raise AssertionError  # pragma: no cover  (the last attempt returns or raises)

    def _fetch(self, granule: StoredGranule) -> bytes:
        """One attempt at a granule's bytes."""
        try:
            with self.explain_errors(granule.url):
                content = bytes(self.file_system.cat_file(granule.url))
        except FileNotFoundError as error:
            message = f"{granule.url} is gone from {self.root} since it was listed."
            raise ArchiveError(message) from error
        if len(content) != granule.file_bytes:
            message = f"{granule.url}: {len(content)} bytes came, {granule.file_bytes} were listed."
            raise ArchiveError(message)
        return content

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Iterator[tuple[StoredGranule, Path | bytes | ArchiveError]]:
        """Granules with their content, in order; remote ones are fetched many at a time.

        Memory is bounded by a few times ``max_concurrency`` granules. What does not come at the
        first attempt is asked for again, as in ``read``; what still fails comes as its error.
        """
        if self.is_local:
            yield from ((granule, self.read(granule)) for granule in granules)
            return
        size = BATCHES_AHEAD * self.max_concurrency
        for first in range(0, len(granules), size):
            batch = granules[first : first + size]
            contents = self._fetch_together([granule.url for granule in batch])
            whole = [
                isinstance(content := contents.get(granule.url), bytes)
                and len(content) == granule.file_bytes
                for granule in batch
            ]
            again = [granule for granule, good in zip(batch, whole, strict=True) if not good]
            rest = iter(run_together(self.read, again, workers=self.max_concurrency))
            for granule, good in zip(batch, whole, strict=True):
                yield granule, contents.pop(granule.url) if good else next(rest)

    def _fetch_together(self, urls: Sequence[str]) -> dict[str, Any]:
        """One attempt at many granules, by the file system's own concurrency if it has one."""
        if not getattr(self.file_system, "async_impl", False):
            return {}
        contents: dict[str, Any] = self.file_system.cat(
            list(urls), batch_size=self.max_concurrency, on_error="return"
        )
        return contents

    @contextmanager
    def explain_errors(self, place: str) -> Iterator[None]:
        """Turn what file systems raise into one sentence that says what to do."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise
        except _storage_errors() as error:
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            where = f" at {endpoint}" if endpoint and not self.is_local else ""
            message = (
                f"Cannot read {self.root.partition('://')[0]}://{place}{where}: "
                f"{str(error) or type(error).__name__}. Check the network, or work offline "
                f"with `kedro run --env sample`."
            )
            if self.is_local:
                message = f"Cannot read {place}: {error}. Check the folder and its permissions."
            raise ArchiveError(message) from error


def _measure(entry: os.DirEntry[str]) -> int | None:
    """Size of a file in bytes; None for what is no file, or is gone since its folder was read.

    Another run may be renaming its partial files at this moment: the rest of the hour is there.
    """
    try:
        return entry.stat().st_size if entry.is_file() else None
    except FileNotFoundError:
        return None


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
    from concurrent.futures import ThreadPoolExecutor

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
