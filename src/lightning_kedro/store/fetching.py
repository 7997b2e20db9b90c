"""Granules from a remote archive: many at a time, patiently, in bounded memory."""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final, Protocol, TypeAlias

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.prefetch import work_ahead
from lightning_kedro.store.retry import Breaker, retry_politely, retry_politely_async

logger = logging.getLogger(__name__)

BYTES_AHEAD: Final = 64 << 20
"""How many bytes of granules are fetched before they are used, at most."""

BATCHES_AHEAD: Final = 4
"""How many times ``max_concurrency`` granules are on their way, at most."""

HOPELESS: Final = 3
"""When so many times ``max_concurrency`` granules in a row failed, the archive is down."""

Content: TypeAlias = bytes | ArchiveError


class Explain(Protocol):
    """What turns the errors of a file system into an ``ArchiveError``."""

    def __call__(self, place: str, *, to_fetch: bool) -> AbstractContextManager[None]:
        """Explain what happens to a place inside the block."""
        ...


class Fetcher:
    """Fetches granules, and stops asking when nothing comes any more.

    Args:
        file_system: Where they lie.
        max_concurrency: How many requests may be under way at once.
        explain: What explains the file system's errors.
    """

    def __init__(self, file_system: Any, max_concurrency: int, explain: Explain) -> None:  # noqa: ANN401
        """Begin with trust in the archive."""
        self._file_system = file_system
        self._max_concurrency = max_concurrency
        self._explain = explain
        self._breaker = Breaker(HOPELESS * max_concurrency)

    def fetch_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules in order, each with its bytes or with why they cannot be had."""
        with self._begin() as begin:
            fetched = work_ahead(
                granules,
                begin,
                cost=lambda granule: granule.file_bytes,
                max_items=BATCHES_AHEAD * self._max_concurrency,
                max_bytes=BYTES_AHEAD,
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
        if not getattr(self._file_system, "async_impl", False):
            with ThreadPoolExecutor(self._max_concurrency) as pool:
                yield lambda granule: pool.submit(self.fetch, granule)
            return
        slots = asyncio.Semaphore(self._max_concurrency)
        loop = self._file_system.loop
        yield lambda granule: asyncio.run_coroutine_threadsafe(
            self._fetch_async(slots, granule), loop
        )

    def fetch(self, granule: StoredGranule) -> Content:
        """A granule's bytes, or why they cannot be had."""
        with self._note_outcome() as outcome:
            for attempt in retry_politely():
                with attempt, self._explain(granule.url, to_fetch=True):
                    self._breaker.check(granule.url)
                    content = self._file_system.cat_file(granule.url)
                    outcome.append(_check_size(granule, content))
        return outcome[0]

    async def _fetch_async(self, slots: asyncio.Semaphore, granule: StoredGranule) -> Content:
        """The same as a coroutine; it holds none of the slots while it pauses."""
        with self._note_outcome() as outcome:
            async for attempt in retry_politely_async():
                with attempt, self._explain(granule.url, to_fetch=True):
                    async with slots:
                        self._breaker.check(granule.url)
                        content = await self._file_system._cat_file(granule.url)  # noqa: SLF001
                    outcome.append(_check_size(granule, content))
        return outcome[0]

    @contextmanager
    def _note_outcome(self) -> Iterator[list[Content]]:
        """Tell the breaker how it ended, and keep an error in the place of the content."""
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
    if len(content) != granule.file_bytes:
        message = f"{granule.url}: {len(content)} bytes came, {granule.file_bytes} were listed."
        raise ArchiveError(message)
    return content
