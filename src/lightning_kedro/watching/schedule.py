"""When the next lap is: on a grid of time, so that laps neither drift nor overlap."""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from lightning_kedro.exceptions import ParameterError

_LENGTH: Final = re.compile(r"(?P<count>\d{1,6})\s*(?P<unit>[smhd])", re.IGNORECASE)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

LONGEST_PAUSE: Final = timedelta(minutes=15)
"""After laps that failed the next one comes after at most so long, however many they were."""

SLICE_SECONDS: Final = 0.2
"""How soon a wait notices that it has been told to stop."""


class Clock(Protocol):
    """What time it is, and waiting; tests have their own."""

    def now(self) -> datetime:
        """The time, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def parse_length(option: str, text: str) -> timedelta:
    """Read a length of time as an option has it.

    Args:
        option: Its name, for the message.
        text: ``60s``, ``10m``, ``1h`` or ``2d``.

    Raises:
        ParameterError: If it is none.
    """
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        message = f"Option {option}: {text!r} is no length of time; give 60s, 10m, 1h or 2d."
        raise ParameterError(message)
    return timedelta(**{_UNITS[match["unit"].lower()]: int(match["count"])})


@dataclass(frozen=True, slots=True)
class Schedule:
    """Laps at the full multiples of a period since 1970.

    Attributes:
        every: The period; more than zero.
    """

    every: timedelta

    def find_next(self, after: datetime, failures: int = 0) -> datetime:
        """When the next lap begins.

        Args:
            after: The present: when the last lap has ended. What it has missed is left out.
            failures: How many laps have failed one after the other: each doubles the pause.

        Returns:
            A multiple of the period, later than ``after``.
        """
        pause = timedelta(0)
        if failures:
            doubled = self.every * 2 ** min(failures - 1, 20)
            pause = max(min(doubled, LONGEST_PAUSE), self.every) - self.every
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        count = math.floor((after + pause - epoch) / self.every) + 1
        return epoch + count * self.every


def wait_until(clock: Clock, time: datetime, is_stopped: Callable[[], bool]) -> None:
    """Wait for a time, or until told to stop; a clock that is set back does not make it longer."""
    left = (time - clock.now()).total_seconds()
    while left > 0 and not is_stopped():
        clock.sleep(min(left, SLICE_SECONDS))
        left = min(left - min(left, SLICE_SECONDS), (time - clock.now()).total_seconds())
