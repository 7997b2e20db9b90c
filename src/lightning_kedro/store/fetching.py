"""Granules from a remote archive: many at a time, with retries, in bounded memory and time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

from lightning_kedro.exceptions import ArchiveError, printable
from lightning_kedro.glm.sparse_image import Span, SparseImage
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.deadlines import PREFETCHED_BYTES
from lightning_kedro.store.prefetch import prefetch
from lightning_kedro.store.range_answers import RangeAnswer, RangeRequest
from lightning_kedro.store.ranges import RangedGranule, RangedLot
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

Content: TypeAlias = bytes | SparseImage | ArchiveError


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
        ranges: Whether only those bytes are fetched that flashes need, if the server lets it.
    """

    def __init__(
        self,
        files: RemoteFiles,
        max_concurrency: int,
        explain: Explain,
        *,
        ranges: bool = False,
    ) -> None:
        """Begin with a circuit breaker that lets requests pass."""
        self._files = files
        self._ranges = ranges and files.has_ranges
        self._max_concurrency = max_concurrency
        self._explain = explain
        self._breaker = CircuitBreaker(MAX_FAILED_BATCHES * max_concurrency)

    def fetch(self, granule: StoredGranule) -> bytes | ArchiveError:
        """A granule's bytes, all of them, or why they cannot be had."""
        with self._begin(None) as begin:
            return cast("bytes | ArchiveError", begin(granule).result())

    def fetch_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules in order, each with its bytes or with why they cannot be had."""
        lot = RangedLot() if self._ranges else None
        with self._begin(lot) as begin:
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
        if lot is not None and lot.granules > 1:
            logger.info(
                "Of %d granules (%.1f MB) %.1f MB were fetched; %d of them as a whole",
                lot.granules,
                sum(granule.file_bytes for granule in granules) / 1e6,
                lot.fetched_bytes / 1e6,
                lot.whole_granules,
            )

    @contextmanager
    def _begin(self, lot: RangedLot | None) -> Iterator[Callable[[StoredGranule], Future[Content]]]:
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
            self._fetch_async(slots, granule, lot), loop
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

    async def _fetch_async(
        self, slots: asyncio.Semaphore, granule: StoredGranule, lot: RangedLot | None
    ) -> Content:
        """The same as a coroutine; it holds none of the slots while it pauses."""
        turn = Turn()
        requests = _Requests(self._files, self._breaker, slots, turn, granule)
        ranged = RangedGranule(granule)
        with self._note_outcome() as outcome:
            async for attempt in retry_with_backoff_async(turn):
                with attempt, self._explain(granule.url, to_fetch=True):
                    if lot is None:
                        outcome.append(await requests.ask_whole())
                    else:
                        async with lot.attempt(turn):
                            outcome.append(await lot.fetch(ranged, requests))
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


@dataclass(frozen=True, slots=True)
class _Requests:
    """What one granule can be asked for; each request waits for a slot.

    Attributes:
        files: Where it lies.
        breaker: What lets requests pass.
        slots: How many requests may be under way.
        turn: What measures how long they wait for a slot.
        granule: The granule.
    """

    files: RemoteFiles
    breaker: CircuitBreaker
    slots: asyncio.Semaphore
    turn: Turn
    granule: StoredGranule

    async def ask_whole(self) -> bytes:
        """All bytes of it."""
        granule = self.granule
        async with self._take_slot():
            content = await self.files.read_async(granule.url, granule.file_bytes + 1)
        return _check_size(granule, content)

    async def ask_range(self, span: Span, version: str | None) -> RangeAnswer:
        """Some bytes, of a version if one is named; as ``RemoteFiles.read_range_async``."""
        granule = self.granule
        async with self._take_slot():
            request = RangeRequest(span, granule.file_bytes, version)
            return await self.files.read_range_async(granule.url, request)

    @asynccontextmanager
    async def _take_slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and give it back at the end."""
        with self.turn.wait():
            await self.slots.acquire()
        try:
            self.breaker.check(printable(self.granule.url))
            yield
        finally:
            self.slots.release()


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
