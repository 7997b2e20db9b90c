"""Granules from a remote archive: many at a time, with retries, in bounded memory and time."""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final, Protocol, TypeAlias

from lightning_kedro.exceptions import ArchiveError, printable
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.deadlines import PREFETCHED_BYTES
from lightning_kedro.store.prefetch import prefetch
from lightning_kedro.store.remote import RemoteFiles
from lightning_kedro.store.retry import (
    CircuitBreaker,
    Turn,
    retry_with_backoff,
    retry_with_backoff_async,
)

logger = logging.getLogger(__name__)

MAX_PREFETCHED_BYTES = PREFETCHED_BYTES
"""How many bytes of granules are fetched before they are used, at most."""

PREFETCHED_BATCHES: Final = 4
"""How many times ``max_concurrency`` granules are on their way, at most."""

MAX_FAILED_BATCHES: Final = 3
"""When so many times ``max_concurrency`` granules in a row failed, the archive is down."""

Content: TypeAlias = bytes | ArchiveError


class Explain(Protocol):
    """What turns the errors of a file system into an ``ArchiveError``."""

    def __call__(self, place: str, *, to_fetch: bool) -> AbstractContextManager[None]:
        """Explain what happens to a place inside the block."""
        ...


class Fetcher:
    """Fetches granules, and stops asking when nothing comes any more.

    Each request has a deadline, and no more of a body is read than was listed. With its retries a
    granule takes ``retry.LAST_ATTEMPT_SECONDS`` and one deadline at most, once it is its turn.

    Args:
        files: Where they lie.
        max_concurrency: How many requests may be under way at once.
        explain: What explains the file system's errors.
    """

    def __init__(self, files: RemoteFiles, max_concurrency: int, explain: Explain) -> None:
        """Begin with a circuit breaker that lets requests pass."""
        self._files = files
        self._max_concurrency = max_concurrency
        self._explain = explain
        self._breaker = CircuitBreaker(MAX_FAILED_BATCHES * max_concurrency)

    def fetch(self, granule: StoredGranule) -> Content:
        """A granule's bytes, or why they cannot be had."""
        with self._begin() as begin:
            return begin(granule).result()

    def fetch_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules in order, each with its bytes or with why they cannot be had."""
        with self._begin() as begin:
            fetched = prefetch(
                granules,
                begin,
                cost=lambda granule: granule.file_bytes,
                max_items=PREFETCHED_BATCHES * self._max_concurrency,
                max_bytes=MAX_PREFETCHED_BYTES,
            )
            with closing(fetched):
                for granule, content in fetched:
                    if isinstance(content, ArchiveError):
                        logger.error("%s", content)
                    yield granule, content

    @contextmanager
    def _begin(self) -> Iterator[Callable[[StoredGranule], Future[Content]]]:
        """What begins to fetch a granule: in the file system's own event loop, or in threads.

        Threads around a client that has an event loop spend more on switching than on requests.
        """
        if not self._files.is_async:
            with ThreadPoolExecutor(self._max_concurrency) as pool:
                yield lambda granule: pool.submit(self._fetch_blocking, granule)
            return
        slots = asyncio.Semaphore(self._max_concurrency)
        loop = self._files.file_system.loop
        yield lambda granule: asyncio.run_coroutine_threadsafe(
            self._fetch_async(slots, granule), loop
        )

    def _fetch_blocking(self, granule: StoredGranule) -> Content:
        """A granule's bytes, asked for by this thread."""
        with self._note_outcome() as outcome:
            for attempt in retry_with_backoff():
                with attempt, self._explain(granule.url, to_fetch=True):
                    self._breaker.check(printable(granule.url))
                    content = self._files.read(granule.url, granule.file_bytes + 1)
                    outcome.append(_check_size(granule, content))
        return outcome[0]

    async def _fetch_async(self, slots: asyncio.Semaphore, granule: StoredGranule) -> Content:
        """The same as a coroutine; it holds none of the slots while it pauses."""
        turn = Turn()
        with self._note_outcome() as outcome:
            async for attempt in retry_with_backoff_async(turn):
                with attempt, self._explain(granule.url, to_fetch=True):
                    with turn.wait():
                        await slots.acquire()
                    try:
                        self._breaker.check(printable(granule.url))
                        content = await self._files.read_async(granule.url, granule.file_bytes + 1)
                    finally:
                        slots.release()
                    outcome.append(_check_size(granule, content))
        return outcome[0]

    @contextmanager
    def _note_outcome(self) -> Iterator[list[Content]]:
        """Tell the circuit breaker how it ended; an error takes the place of the content."""
        outcome: list[Content] = []
        try:
            yield outcome
        except ArchiveError as error:
            self._breaker.fail(error)
            outcome.append(error)
        else:
            self._breaker.succeed()


def _check_size(granule: StoredGranule, content: bytes) -> bytes:
    """The content if it is whole."""
    if len(content) > granule.file_bytes:
        message = (
            f"{printable(granule.url)}: more bytes came than the {granule.file_bytes} that were "
            f"listed; the rest was not read."
        )
        raise ArchiveError(message)
    if len(content) < granule.file_bytes:
        message = (
            f"{printable(granule.url)}: {len(content)} bytes came, {granule.file_bytes} were "
            f"listed."
        )
        raise ArchiveError(message)
    return content
