"""How long a request may last as a whole: connecting, headers and body together.

The time-outs of HTTP clients start anew with each byte that comes: a server that sends one byte a
second would hold a run, and its locks, for hours. Folders of this machine have no deadline, those
of a network file system neither: their reads cannot be given up.
"""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

from lightning_kedro.exceptions import ArchiveError

T = TypeVar("T")

BASE_SECONDS: Final = 60.0
"""For a request whose answer is small: three times the 20 s without a byte that end one anyway."""

SLOWEST_BYTES_PER_SECOND: Final = 100_000
"""The slowest line that is waited for, shared by all requests that are under way. A satellite makes
about 15 kB/s: whoever has less than a few times that cannot keep up with it."""

PREFETCHED_BYTES: Final = 64 << 20
"""How many bytes of granules are fetched before they are used, at most."""

LISTING_PAGES: Final = 10
"""A whole listing may take as long as so many requests; an hour's is one page of 1,000 keys."""

BLOCKING_REQUESTS: Final = 256
"""How many requests to file systems that block may be under way in this process. A thread cannot be
ended: those that outlive their deadline are left alone and count until they end."""

_blocking_slots: Final = threading.BoundedSemaphore(BLOCKING_REQUESTS)


class DeadlineError(OSError):
    """A request was not answered in time. Not a ``TimeoutError``: fsspec would drop the message."""

    def __init__(self, seconds: float) -> None:
        """Say how long it was waited for."""
        super().__init__(
            f"there was no whole answer within {seconds:g} s, the longest that such a request may "
            f"last (fs_args.max_request_seconds of glm_archive sets another limit)"
        )


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the requests to one archive may last, in seconds.

    Attributes:
        max_concurrency: How many requests share the line.
        max_request_seconds: For every request, instead of what follows from its size.

    Example:
        >>> Deadlines(max_concurrency=32).for_body(300_000)  # a granule of the usual size
        156.0
    """

    max_concurrency: int
    max_request_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no time."""
        given = self.max_request_seconds
        if given is None:
            return
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if not (is_number and 0 < given < math.inf):
            message = (
                f"fs_args.max_request_seconds of the archive is {given!r}: give a number of "
                f"seconds above 0, or leave it out."
            )
            raise ArchiveError(message)

    def for_body(self, n_bytes: int) -> float:
        """For a body of a known size.

        The line is shared by ``max_concurrency`` bodies of this size, but never by more than
        ``PREFETCHED_BYTES`` beside this one.
        """
        if self.max_request_seconds is not None:
            return self.max_request_seconds
        shared = min(n_bytes * self.max_concurrency, n_bytes + PREFETCHED_BYTES)
        return BASE_SECONDS + shared / SLOWEST_BYTES_PER_SECOND

    @property
    def for_page(self) -> float:
        """For one page of a listing, or a question about one file."""
        return self.max_request_seconds or BASE_SECONDS

    @property
    def for_listing(self) -> float:
        """For a listing with all its pages."""
        return LISTING_PAGES * self.for_page


async def within(seconds: float, request: Callable[[], Awaitable[T]]) -> T:
    """Wait for a request in an event loop; what is not done in time is cancelled.

    Raises:
        DeadlineError: If there is no whole answer in time.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await request()
    except TimeoutError as error:
        if limit.expired():
            raise DeadlineError(seconds) from error
        raise


def call_within(seconds: float, request: Callable[[], T]) -> T:
    """Wait for a request that blocks its thread.

    The thread is a daemon of its own: one that hangs is left alone, keeps what it has in memory
    until its server lets go of it, and does not keep the process from ending.

    Raises:
        DeadlineError: If there is no whole answer in time.
        OSError: If too many requests hang already.
    """
    slots = _blocking_slots
    if not slots.acquire(timeout=seconds):
        message = f"{BLOCKING_REQUESTS} requests to this kind of archive hang already"
        raise OSError(message)
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(request())
        except BaseException as error:  # noqa: BLE001  (it is raised where it is waited for)
            future.set_exception(error)
        finally:
            slots.release()

    threading.Thread(target=answer, name="archive-request", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError as error:
        if not future.done():
            raise DeadlineError(seconds) from error
        raise
