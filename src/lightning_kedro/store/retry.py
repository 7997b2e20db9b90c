"""How often an archive is asked again, and when to stop asking: the only layer that retries.

S3 clients retry by themselves, in two layers (botocore's and s3fs's); with one of ours on top the
attempts multiply, and a key that fails for good takes minutes. Theirs are switched off.
"""

import time
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.exceptions import ArchiveError

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, Retrying

ATTEMPTS: Final = 5
"""How often the archive is asked for one thing, at most."""

FIRST_PAUSE_SECONDS: Final = 0.5
"""The pause before the second attempt is random, up to this; the next ones are up to twice as long
each: at most 7.5 s in all."""

LONGEST_PAUSE_SECONDS: Final = 8.0

LAST_ATTEMPT_SECONDS: Final = 20.0
"""After this time no further attempt begins: attempts that time out are fewer."""

DOWN_FOR_SECONDS: Final = 60.0
"""For how long an archive that is down is left alone."""


class RefusedError(ArchiveError):
    """The archive answered, and would answer the same again: asking once more is of no use."""


class DownError(RefusedError):
    """Nothing was asked, because so much failed before."""


def retry_politely() -> "Retrying":
    """A tenacity controller with exponential, fully random pauses between attempts."""
    from tenacity import Retrying

    return Retrying(**_policy())


def retry_politely_async() -> "AsyncRetrying":
    """The same for coroutines."""
    from tenacity import AsyncRetrying

    return AsyncRetrying(**_policy())


def _policy() -> dict[str, Any]:
    from tenacity import (
        retry_if_exception,
        stop_after_attempt,
        stop_after_delay,
        wait_random_exponential,
    )

    return {
        "retry": retry_if_exception(
            lambda error: isinstance(error, ArchiveError) and not isinstance(error, RefusedError)
        ),
        "stop": stop_after_attempt(ATTEMPTS) | stop_after_delay(LAST_ATTEMPT_SECONDS),
        "wait": wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        "reraise": True,
    }


class Breaker:
    """Notices when everything fails, so that thousands of granules do not each run out of patience.

    Several threads may use one: a failure counted twice or not at all makes no difference.

    Args:
        limit: How many things in a row must fail.
    """

    def __init__(self, limit: int) -> None:
        """Begin with trust."""
        self.limit = limit
        self._failures = 0
        self._failed_at = 0.0
        self._reason = ""

    def check(self, what: str) -> None:
        """Let a request pass unless the archive is down.

        Raises:
            DownError: If so many requests in a row failed, the last of them a short time ago.
        """
        down = self._failures >= self.limit
        if down and time.monotonic() - self._failed_at < DOWN_FOR_SECONDS:
            message = (
                f"{what} was not asked for: {self._failures} requests in a row failed. "
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
        self._failed_at = time.monotonic()
        self._reason = str(error)
