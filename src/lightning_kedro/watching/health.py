"""How a watch is doing: a line a lap for people, and numbers for Prometheus."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from lightning_kedro import __version__

NEW: Final = "new"
UNCHANGED: Final = "unchanged"
INCOMPLETE: Final = "incomplete"
FAILED: Final = "failed"

OUTCOMES: Final = (NEW, UNCHANGED, INCOMPLETE, FAILED)
"""How a lap can end: with something new published; with nothing new; published, but granules could
not be had; or not at all."""

_MEGABYTE: Final = 1e6
_LONG_HOURS: Final = 72

_METRICS: Final = {
    "laps_total": ("counter", "Laps by how they ended."),
    "granules_total": ("counter", "Granules that laps have loaded."),
    "failures_in_a_row": ("gauge", "Laps that have failed since one did not."),
    "lap_seconds": ("gauge", "How long the last lap took."),
    "last_lap_timestamp_seconds": ("gauge", "When the last lap ended, Unix time."),
    "last_success_timestamp_seconds": ("gauge", "When a lap last ended without failing."),
    "published_timestamp_seconds": ("gauge", "When a lap last published something new."),
    "newest_granule_timestamp_seconds": ("gauge", "End of the newest granule in the window."),
    "window_flashes": ("gauge", "Flashes in the window."),
    "start_timestamp_seconds": ("gauge", "When this process began to watch."),
    "resident_memory_bytes": ("gauge", "Memory of this process."),
    "info": ("gauge", "The version of lightning_kedro."),
}
"""Kind and meaning of each number, whose names begin with PREFIX."""

PREFIX: Final = "lightning_kedro_watch_"


@dataclass(frozen=True, slots=True)
class Lap:
    """How a lap ended.

    Attributes:
        outcome: One of OUTCOMES.
        n_granules: Granules that it has loaded.
        n_flashes: Flashes in its window; None if nobody has counted them.
        newest: End of the newest granule in the window, UTC; None if there is none.
        error: What went wrong, in a sentence or two; "" if nothing did.
        state: What tells what it has published from anything else; "" if it is not known.
    """

    outcome: str
    n_granules: int = 0
    n_flashes: int | None = None
    newest: datetime | None = None
    error: str = ""
    state: str = ""


@dataclass(slots=True)
class Health:
    """What all laps of a process together have been like.

    Attributes:
        start: When it began to watch.
        counts: Laps by outcome.
        n_granules: Granules that have been loaded.
        failures: Laps that have failed since one did not.
        seconds: How long the last lap took.
        last: The last lap.
        times: When a lap last ended, succeeded and published something, by name of the number.
    """

    start: datetime
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    n_granules: int = 0
    failures: int = 0
    seconds: float = 0.0
    last: Lap = Lap(UNCHANGED)
    times: dict[str, datetime] = field(default_factory=dict)

    @property
    def n_laps(self) -> int:
        """How many laps there were."""
        return sum(self.counts.values())

    def add(self, lap: Lap, ended: datetime, seconds: float) -> None:
        """Take in a lap."""
        self.counts[lap.outcome] += 1
        self.n_granules += lap.n_granules
        self.failures = self.failures + 1 if lap.outcome == FAILED else 0
        self.seconds, self.last = seconds, lap
        self.times["last_lap_timestamp_seconds"] = ended
        if lap.outcome != FAILED:
            self.times["last_success_timestamp_seconds"] = ended
        if lap.outcome in (NEW, INCOMPLETE):
            self.times["published_timestamp_seconds"] = ended

    def describe(self, now: datetime) -> str:
        """The last lap in a line."""
        words = {
            NEW: f"{self.last.n_granules:,} new granules, published",
            UNCHANGED: "nothing new",
            INCOMPLETE: f"incomplete, {self.last.n_granules:,} new granules, published",
            FAILED: f"failed ({self.failures} in a row)",
        }
        parts = [f"Lap {self.n_laps}: {words[self.last.outcome]} in {self.seconds:.1f} s"]
        if self.last.n_flashes is not None:
            parts.append(f"{self.last.n_flashes:,} flashes in the window")
        if self.last.newest is not None:
            parts.append(f"newest granule ended {_describe_age(now - self.last.newest)}")
        parts.append(f"{measure_memory() / _MEGABYTE:,.0f} MB")
        line = "; ".join(parts)
        return f"{line}. {self.last.error}" if self.last.error else line

    def to_prometheus(self) -> str:
        """All numbers in Prometheus' text format, version 0.0.4."""
        values: dict[str, float] = {
            "granules_total": self.n_granules,
            "failures_in_a_row": self.failures,
            "lap_seconds": round(self.seconds, 3),
            "start_timestamp_seconds": self.start.timestamp(),
            "resident_memory_bytes": measure_memory(),
            **{name: time.timestamp() for name, time in self.times.items()},
        }
        if self.last.newest is not None:
            values["newest_granule_timestamp_seconds"] = self.last.newest.timestamp()
        if self.last.n_flashes is not None:
            values["window_flashes"] = self.last.n_flashes
        lines = []
        for name, (kind, meaning) in _METRICS.items():
            full = f"{PREFIX}{name}"
            rows = [f"{full} {values[name]:.15g}"] if name in values else []
            if name == "laps_total":
                rows = [f'{full}{{outcome="{one}"}} {count}' for one, count in self.counts.items()]
            if name == "info":
                rows = [f'{full}{{version="{__version__}"}} 1']
            if rows:
                lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", *rows]
        return "\n".join(lines) + "\n"


def _describe_age(age: timedelta) -> str:
    """How long ago something was."""
    if age < timedelta(hours=2):
        return f"{age.total_seconds():,.0f} s ago"
    hours = age / timedelta(hours=1)
    return f"{hours:,.0f} h ago" if hours < _LONG_HOURS else f"{hours / 24:,.0f} days ago"


def measure_memory() -> int:
    """Resident memory of this process, bytes."""
    import psutil

    return int(psutil.Process(os.getpid()).memory_info().rss)


def as_utc(time: datetime) -> datetime:
    """A time of a table, which is UTC without saying so."""
    return time.replace(tzinfo=UTC)
