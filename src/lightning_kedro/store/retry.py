"""How often an archive is asked again, and when to stop asking: the only layer that retries.

S3 clients retry by themselves, in two layers (botocore's and s3fs's); with one of ours on top the
attempts multiply, and a key that fails for good takes minutes. Theirs are switched off.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.exceptions import ArchiveError, UnlistableArchiveError
from lightning_kedro.store.deadlines import DeadlineError

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState, Retrying

ATTEMPTS: Final = 5
"""How often the archive is asked for one thing, at most."""

FIRST_PAUSE_SECONDS: Final = 0.5
"""The pause before the second attempt is random, up to this; the next ones are up to twice as long
each: at most 7.5 s in all."""

LONGEST_PAUSE_SECONDS: Final = 8.0

LAST_ATTEMPT_SECONDS: Final = 20.0
"""After this time no further attempt begins: attempts that time out are fewer. One thing therefore
takes this and the deadline of a single request at most, however often it is asked for."""

DOWN_FOR_SECONDS: Final = 60.0
"""For how long an archive that is down is left alone."""


class RefusedError(ArchiveError):
    """The archive answered, and would answer the same again: asking once more is of no use."""


class DownError(RefusedError):
    """Nothing was asked, because so much failed before."""


class ConfigurationError(RefusedError):
    """The user's own configuration keeps every request from being made."""


class Turn:
    """The time that a request waits for its turn, which is no fault of the archive.

    Several parts of it may wait at once: the time counts once.
    """

    def __init__(self) -> None:
        """Begin with no wait."""
        self.waited_seconds = 0.0
        self._waiting = 0
        self._began = 0.0

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count the time inside the block as waiting."""
        if not self._waiting:
            self._began = time.monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.waited_seconds += time.monotonic() - self._began


def retry_with_backoff() -> "Retrying":
    """A tenacity controller with exponential, fully random pauses between attempts."""
    from tenacity import Retrying

    return Retrying(**_policy(Turn()))


def retry_with_backoff_async(turn: Turn) -> "AsyncRetrying":
    """The same for coroutines.

    Args:
        turn: What measures how long they wait for their turn.
    """
    from tenacity import AsyncRetrying

    return AsyncRetrying(**_policy(turn))


def _policy(turn: Turn) -> dict[str, Any]:
    from tenacity import retry_if_exception, stop_after_attempt, wait_random_exponential

    def is_too_late(state: "RetryCallState") -> bool:
        spent = (state.seconds_since_start or 0.0) - turn.waited_seconds
        return spent + state.upcoming_sleep >= LAST_ATTEMPT_SECONDS

    enough = stop_after_attempt(ATTEMPTS)
    return {
        "retry": retry_if_exception(_is_worth_another_attempt),
        "stop": lambda state: enough(state) or is_too_late(state),
        "wait": wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        "reraise": True,
    }


def _is_worth_another_attempt(error: BaseException) -> bool:
    """Whether the archive may answer otherwise the next time."""
    for_good = (RefusedError, UnlistableArchiveError)
    return isinstance(error, ArchiveError) and not isinstance(error, for_good)


class CircuitBreaker:
    """Notices when everything fails, so that thousands of granules do not each use up all attempts.

    What is not answered before its deadline counts even if other things are answered in between:
    each costs minutes, and a day of them hours. Several threads may use one: a failure counted
    twice or not at all makes no difference.

    Args:
        limit: How many things in a row must fail, or come too late in all.
    """

    def __init__(self, limit: int) -> None:
        """Let requests pass."""
        self.limit = limit
        self._failures = 0
        self._late = 0
        self._failed_at = 0.0
        self._reason = ""

    def check(self, what: str) -> None:
        """Let a request pass unless the archive is down.

        Raises:
            DownError: If so many requests in a row failed, or got no answer in time, the last of
                them a short time ago.
        """
        is_down = self._failures >= self.limit or self._late >= self.limit
        if is_down and time.monotonic() - self._failed_at < DOWN_FOR_SECONDS:
            failed = f"{self._failures} requests in a row failed"
            late = f"{self._late} requests got no whole answer in time"
            message = (
                f"{what} was not asked for: {failed if self._failures >= self.limit else late}. "
                f"The last one: {self._reason}"
            )
            raise DownError(message)

    def succeed(self) -> None:
        """Something was answered."""
        self._failures = 0

    def fail(self, error: ArchiveError) -> None:
        """Something failed for good."""
        if isinstance(error, DownError):
            return
        self._failures += 1
        self._late += isinstance(error.__cause__, DeadlineError)
        self._failed_at = time.monotonic()
        self._reason = str(error)
