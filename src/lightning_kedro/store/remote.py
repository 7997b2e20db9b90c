"""A remote file system of fsspec, each request to which is bounded in time and in bytes."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.store.configuration import explain_client
from lightning_kedro.store.deadlines import Deadlines, call_within, within
from lightning_kedro.store.listing import Entry, describe_entries, list_s3
from lightning_kedro.store.range_answers import RangeAnswer, RangeRequest
from lightning_kedro.store.retry import ConfigurationError

S3: Final = ("s3", "s3a")
WEB: Final = ("http", "https")


def open_remote(root: str, fs_args: Mapping[str, Any], deadlines: Deadlines) -> "RemoteFiles":
    """Open the file system of a remote root; nothing is asked yet.

    Args:
        root: fsspec URL.
        fs_args: Options for S3.
        deadlines: How long requests may last.

    Raises:
        ArchiveError: If there is no such file system.
    """
    from fsspec.core import url_to_fs

    protocol = root.partition("://")[0]
    options: dict[str, Any] = {}
    if protocol in S3:
        options = _s3_options(fs_args)
    elif protocol in WEB:
        options = _web_options()
    try:
        file_system, _ = url_to_fs(root, **options, skip_instance_cache=True)
    except (ValueError, ImportError) as error:
        message = (
            f"Parameter archive: {root!r} cannot be opened, {error}. Give a folder, or a URL of a "
            f"file system that fsspec knows such as s3://bucket."
        )
        raise ArchiveError(message) from error
    except OSError as error:  # some file systems connect at once
        message = f"Archive {root!r} cannot be reached, {error}: check the parameter archive."
        raise ArchiveError(message) from error
    except (KeyError, TypeError) as error:
        raise ConfigurationError(explain_client(error)) from error
    if protocol in S3:
        file_system.retries = 1
    return RemoteFiles(file_system, protocol, deadlines)


def _s3_options(fs_args: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an S3 file system: one attempt, and one GET a granule without a HEAD."""
    from lightning_kedro.store.bodies import BoundedSession

    config = {
        "retries": {"total_max_attempts": 1},
        "http_session_cls": BoundedSession,
        **fs_args.get("config_kwargs", {}),
    }
    return {"max_concurrency": 1, **fs_args, "config_kwargs": config}


def _web_options() -> dict[str, Any]:
    """The options of a web server's file system: the same time-outs as S3 has, and short pages."""
    from aiohttp import ClientTimeout

    from lightning_kedro.store.bodies import CONNECT_SECONDS, SILENCE_SECONDS, BoundedResponse

    silence = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
    return {"client_kwargs": {"response_class": BoundedResponse, "timeout": silence}}


class RemoteFiles:
    """Bounded requests to a file system that is not this machine's own.

    Args:
        file_system: An fsspec file system, with an event loop or without.
        protocol: Its kind: ``s3``, ``https`` ...
        deadlines: How long requests may last.
    """

    def __init__(self, file_system: Any, protocol: str, deadlines: Deadlines) -> None:  # noqa: ANN401
        """Wrap a file system; nothing is asked."""
        self.file_system = file_system
        self.protocol = protocol
        self.deadlines = deadlines

    @property
    def is_async(self) -> bool:
        """Whether the file system has an event loop."""
        return bool(getattr(self.file_system, "async_impl", False))

    @property
    def has_ranges(self) -> bool:
        """Whether its server may be asked for ranges of a file, each of a version that is told."""
        return self.is_async and self.protocol in (*S3, *WEB)

    def connect(self) -> None:
        """Make the client of S3, which reads the user's configuration; others need none."""
        if self.protocol in S3:
            self._run(self.file_system.set_session)

    def list_entries(self, prefix: str) -> Iterator[Entry]:
        """Everything directly below a prefix."""
        if self.protocol in S3:
            bucket, key, _ = self.file_system.split_path(prefix)
            ask = partial(self._ask, "call_s3", "list_objects_v2")
            return list_s3(ask, bucket, key, self.deadlines.for_listing)
        entries = self._ask("ls", prefix, detail=True, refresh=True)
        return describe_entries(entries, self.file_system._strip_protocol)  # noqa: SLF001

    def size(self, path: str) -> int | None:
        """The size of a file in bytes, or None if the server does not say."""
        size = self._ask("size", path)
        return None if size is None else int(size)

    def read(self, path: str, limit: int) -> bytes:
        """At most so many bytes of a file; not for use in an event loop."""
        from lightning_kedro.store.bodies import read_blocking

        seconds = self.deadlines.for_body(limit)
        ask = partial(read_blocking, self.file_system, path, limit, seconds)
        return call_within(seconds, ask)

    async def read_async(self, path: str, limit: int) -> bytes:
        """At most so many bytes of a file, in the file system's own event loop."""
        from lightning_kedro.store import bodies

        reader: Callable[[Any, str, int], Awaitable[bytes]] = bodies.read_anything
        if self.protocol in S3:
            reader = bodies.read_s3_object
        elif self.protocol in WEB:
            reader = bodies.read_web_file
        seconds = self.deadlines.for_body(limit)
        return await within(seconds, partial(reader, self.file_system, path, limit))

    async def read_range_async(self, path: str, request: RangeRequest) -> RangeAnswer:
        """A range of a file, in the file system's own event loop.

        Raises:
            UnusableRangeError: If the answer is not that range of that version.
        """
        from lightning_kedro.store import bodies

        reader = bodies.read_s3_range if self.protocol in S3 else bodies.read_web_range
        seconds = self.deadlines.for_body(request.limit)
        return await within(seconds, partial(reader, self.file_system, path, request))

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        """Call a method of the file system and wait for it."""
        if self.is_async:
            return self._run(
                partial(getattr(self.file_system, f"_{method}"), *arguments, **options)
            )
        request = partial(getattr(self.file_system, method), *arguments, **options)
        return call_within(self.deadlines.for_page, request)

    def _run(self, request: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        """Run a coroutine in the file system's own event loop and wait for it."""
        from fsspec.asyn import sync

        return sync(self.file_system.loop, within, self.deadlines.for_page, request)
