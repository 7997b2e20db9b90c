"""Lap after lap: what fails is said and tried again, and the end is a clean one."""

import ctypes
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Final, NoReturn, Protocol

from lightning_kedro.watching.health import FAILED, Health, Lap
from lightning_kedro.watching.schedule import Clock, Schedule, wait_until

logger = logging.getLogger(__name__)

_M_ARENA_MAX: Final = -8
"""The option's number in glibc's malloc.h."""


class StopRequestedError(Exception):
    """A lap was left between two nodes, because the process was told to stop."""


class Job(Protocol):
    """What a lap does."""

    def run(self, now: datetime) -> Lap:
        """Do it once."""
        ...


class Stop:
    """Whether the process was told to stop."""

    def __init__(self) -> None:
        """It was not."""
        self.is_set = False

    def __call__(self) -> bool:
        """Whether it was."""
        return self.is_set

    def handle(self, number: int, _: FrameType | None) -> None:
        """Take the first signal as a request; the next one ends the process at once."""
        self.is_set = True
        for one in SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        name = signal.Signals(number).name
        logger.info("%s: this ends after the node that is at work; once more ends at once", name)


SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""Windows has SIGBREAK (Ctrl+Break), and its SIGTERM cannot be caught from another process."""


@contextmanager
def handle_signals(stop: Stop) -> Iterator[None]:
    """Let signals ask for the end, instead of ending the process."""
    former = {one: signal.signal(one, stop.handle) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


@dataclass(slots=True)
class Watch:
    """Laps until the end.

    Attributes:
        job: What a lap does.
        schedule: When laps begin.
        clock: What time it is.
        stop: Whether to stop.
        explain: Says in a sentence or two what went wrong; "" for what nobody foresaw.
        restart_after: After so many laps the process is to begin anew; 0: never.
        report: Told of the health after each lap.
        health: How it is doing.
    """

    job: Job
    schedule: Schedule
    clock: Clock
    stop: Stop
    explain: Callable[[Exception], str]
    restart_after: int = 0
    report: Callable[[Health], None] = field(default=lambda _: None)
    health: Health = field(init=False)

    def __post_init__(self) -> None:
        """Look at the clock."""
        self.health = Health(self.clock.now())

    def run(self, *, waits_first: bool = False) -> bool:
        """Run laps, the first one at once.

        Args:
            waits_first: The first one when the schedule says so, too.

        Returns:
            Whether the process is to begin anew; if not, it was told to stop.
        """
        if waits_first:
            wait_until(self.clock, self.schedule.find_next(self.clock.now()), self.stop)
        while not self.stop():
            self._run_lap()
            if self.stop():
                break
            if self.restart_after and self.health.n_laps >= self.restart_after:
                return True
            following = self.schedule.find_next(self.clock.now(), self.health.failures)
            wait_until(self.clock, following, self.stop)
        logger.info("Ended after %d laps", self.health.n_laps)
        return False

    def _run_lap(self) -> None:
        """Run one lap, and tell how it went."""
        began = time.monotonic()
        try:
            lap = self.job.run(self.clock.now())
        except StopRequestedError:
            return
        except Exception as error:  # noqa: BLE001  (whatever a lap does, the next one comes)
            lap = Lap(FAILED, error=self._describe(error))
        now = self.clock.now()
        self.health.add(lap, now, time.monotonic() - began)
        level = logging.WARNING if lap.error else logging.INFO
        logger.log(level, "%s", self.health.describe(now))
        try:
            self.report(self.health)
        except Exception as error:  # noqa: BLE001  (metrics that cannot be written end nothing)
            logger.warning("%s", self._describe(error))

    def _describe(self, error: Exception) -> str:
        """What went wrong; of what nobody foresaw the log gets everything."""
        told = self.explain(error)
        if not told:
            logger.error("A lap failed for a reason that nobody foresaw", exc_info=error)
            told = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        return " ".join(told.split())


def limit_arenas() -> None:
    """Keep glibc from giving each thread a heap of its own: they grow by 20 to 65 MB a lap.

    With two of them memory stays flat (490 MB over six laps of 12,000 flashes, all published).
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def begin_anew(arguments: Sequence[str]) -> NoReturn:
    """Begin the process anew: libraries keep a few megabytes of each lap.

    On POSIX it keeps its number, so that a service manager sees the same process. Windows cannot do
    that: there a new process goes on, and this one ends.

    Args:
        arguments: What follows ``lightning-kedro``.
    """
    command = [sys.executable, "-m", "lightning_kedro", *arguments]
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606  (the same program again)
    subprocess.Popen(command)  # noqa: S603
    raise SystemExit(0)
