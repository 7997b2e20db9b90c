"""Granules fetched by ranges: only the bytes that their flashes need.

On a slow line this takes less than half of the time of whole granules. Whatever is unlike what it
should be makes a granule be fetched as a whole, by one request as ever: a server that does not
answer ranges or names no version, an object replaced between two ranges, a layout that differs too
much from those before, damage. What is called corrupt was therefore always looked at as a whole.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from lightning_kedro.exceptions import printable
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.sparse_image import Span, SparseImage, join_spans
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.store.layout_learning import GAP_BYTES, LearntLayout, is_worth_while
from lightning_kedro.store.range_answers import RangeAnswer, UnusableRangeError
from lightning_kedro.store.retry import Turn

logger = logging.getLogger(__name__)

MAX_ROUNDS: Final = 6
"""So often is asked for what reading a granule has shown to be missing."""

MAX_TRIALS: Final = 4
"""So many attempts are made one after the other before the rest is begun, at most."""

MAX_FAILED: Final = 8
"""When ranges were of no use so often, and more often than not, they are given up."""


class Requests(Protocol):
    """What a granule can be asked for."""

    async def ask_whole(self) -> bytes:
        """All bytes of it."""
        ...

    async def ask_range(self, span: Span, version: str | None) -> RangeAnswer:
        """Some bytes, of a version if one is named."""
        ...


class RangedLot:
    """The granules of one lot, usually of an hour, which are laid out alike.

    The first one is fetched as a whole and shows what is needed, the second one shows whether that
    is of use. Only then are the others begun, many at a time.

    Attributes:
        granules: How many were fetched.
        whole_granules: How many of them as a whole.
        fetched_bytes: Bytes of all of them that came.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.granules = 0
        self.whole_granules = 0
        self.fetched_bytes = 0
        self._layout = LearntLayout()
        self._trial = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._succeeded = 0
        self._failed = 0

    @property
    def is_given_up(self) -> bool:
        """Whether granules are fetched as a whole from now on."""
        is_enough = self._failed >= (MAX_FAILED if self._succeeded else MAX_TRIALS)
        return is_enough and self._failed > self._succeeded

    @asynccontextmanager
    async def attempt(self, turn: Turn) -> AsyncIterator[None]:
        """Attempt to fetch a granule, alone as long as it is not known whether ranges are of use.

        An attempt that fails counts too: an archive that is down is not asked for one thing after
        the other.
        """
        if self._is_decided():
            yield
            return
        with turn.wait():
            await self._trial.acquire()
        if self._is_decided():
            self._trial.release()
            yield
            return
        try:
            yield
        except Exception:
            self._failed += 1
            raise
        finally:
            self._trial.release()

    async def fetch(self, granule: "RangedGranule", requests: Requests) -> bytes | SparseImage:
        """Fetch a granule; may be called again after a failure, and keeps what has come."""
        self.granules += not granule.was_tried
        granule.was_tried = True
        if not (granule.is_whole or self.is_given_up):
            why = "too much of it is needed, or in too many places"
            try:
                if await self._complete(granule, requests):
                    self._succeeded += 1
                    self.fetched_bytes += granule.image.known_bytes
                    return granule.image
            except UnusableRangeError as error:
                why = str(error)
            granule.is_whole = True
            self._note_failure(granule, why)
        content = await requests.ask_whole()
        self.whole_granules += 1
        self.fetched_bytes += len(content)
        if not self.is_given_up:
            await self._learn(granule.name, SparseImage.of(content))
        return content

    async def _complete(self, granule: "RangedGranule", requests: Requests) -> bool:
        """Ask for what a granule needs, until its flashes can be read; whether they can.

        Raises:
            UnusableRangeError: If it has to be fetched as a whole.
        """
        image = granule.image
        spans = self._layout.expect(image.size)
        for _ in range(MAX_ROUNDS):
            lacking = image.find_lacking(spans)
            if not spans or not is_worth_while(image.size, lacking, image.known_bytes):
                return False
            await granule.ask_all(lacking, requests)
            spans = join_spans(await self._read(granule.name, image), GAP_BYTES)
            if not spans:
                self._layout.learn(image.size, image.touched)
                return True
        return False

    async def _read(self, name: GranuleName, image: SparseImage) -> list[Span]:
        """Read a granule as far as it is known: what is missing, if anything is.

        In a thread, one granule at a time, as HDF5 would have it: meanwhile others come.

        Raises:
            UnusableRangeError: If it cannot be trusted: the whole of it will tell why.
        """
        from lightning_kedro.glm.needed_bytes import find_missing

        async with self._reading:
            try:
                return await asyncio.to_thread(find_missing, image, name)
            except Exception as error:
                raise UnusableRangeError(str(error)) from error

    async def _learn(self, name: GranuleName, image: SparseImage) -> None:
        """Learn from a whole granule what flashes need, unless it cannot be trusted."""
        try:
            await self._read(name, image)
        except UnusableRangeError:
            return
        self._layout.learn(image.size, image.touched)

    def _note_failure(self, granule: "RangedGranule", why: str) -> None:
        """Count a granule that is fetched as a whole; the first one is so in any case."""
        was_given_up = self.is_given_up
        self._failed += 1
        self.fetched_bytes += granule.image.known_bytes
        if self.is_given_up and not was_given_up:
            place = printable(granule.place)
            logger.info("Granules are fetched as a whole from now on: of %s %s", place, why)

    def _is_decided(self) -> bool:
        """Whether it is known whether ranges are of use."""
        return self._succeeded > 0 or self.is_given_up


class RangedGranule:
    """A granule of which some ranges have come.

    Args:
        granule: The granule.

    Attributes:
        image: What has come.
        is_whole: Whether it has to be fetched as a whole.
        was_tried: Whether it was asked for before.
    """

    def __init__(self, granule: StoredGranule) -> None:
        """Begin with nothing."""
        self.name: Final = granule.name
        self.place: Final = granule.url
        self.image: Final = SparseImage(granule.file_bytes)
        self.is_whole = False
        self.was_tried = False
        self._version: str | None = None

    async def ask_all(self, spans: Sequence[Span], requests: Requests) -> None:
        """Ask for some ranges at once; what comes is kept, whatever becomes of the others.

        Raises:
            UnusableRangeError: If they are of no use.
            Exception: What else went wrong with one of them.
        """
        asked = (requests.ask_range(span, self._version) for span in spans)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        errors.sort(key=lambda error: not isinstance(error, UnusableRangeError))
        for span, answer in zip(spans, answers, strict=True):
            if isinstance(answer, RangeAnswer):
                self._take(span, answer)
        if errors:
            raise errors[0]

    def _take(self, span: Span, answer: RangeAnswer) -> None:
        """Keep a range.

        Raises:
            UnusableRangeError: If it is of another version than those before.
        """
        if self._version not in (None, answer.version):
            raise UnusableRangeError("it was replaced meanwhile")
        self._version = answer.version
        self.image.add(span[0], answer.content)
