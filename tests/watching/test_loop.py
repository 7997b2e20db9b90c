"""The watch's schedule, its loop and its numbers, with a clock of the tests' own."""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from lightning_kedro.commands.errors import explain_error
from lightning_kedro.exceptions import ArchiveError, ParameterError
from lightning_kedro.watching import loop
from lightning_kedro.watching.health import (
    FAILED,
    INCOMPLETE,
    NEW,
    OUTCOMES,
    UNCHANGED,
    Health,
    Lap,
)
from lightning_kedro.watching.loop import (
    Stop,
    StopRequestedError,
    Watch,
    begin_anew,
    handle_signals,
)
from lightning_kedro.watching.metrics import MetricsError, serve_metrics, write_metrics
from lightning_kedro.watching.schedule import Schedule, parse_length, wait_until

NOON = datetime(2024, 7, 14, 12, 0, 7, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that goes on only while somebody sleeps or works."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeJob:
    """A job whose laps take some time and end as they are told to."""

    clock: FakeClock
    laps: list[Lap | Exception]
    stop: Stop
    seconds: float = 5.0
    began: list[datetime] = field(default_factory=list)

    def run(self, now: datetime) -> Lap:
        self.began.append(now)
        self.clock.sleep(self.seconds)
        lap = self.laps.pop(0)
        if not self.laps:
            self.stop.is_set = True
        if isinstance(lap, Exception):
            raise lap
        return lap


def run(*laps: Lap | Exception, seconds: float = 5.0, every: float = 60.0) -> FakeJob:
    watch = make_watch(*laps, seconds=seconds, every=every)
    assert not watch.run()
    assert isinstance(watch.job, FakeJob)
    return watch.job


def make_watch(*laps: Lap | Exception, seconds: float = 5.0, every: float = 60.0) -> Watch:
    clock, stop = FakeClock(), Stop()
    job = FakeJob(clock, [*laps], stop, seconds)
    return Watch(job, Schedule(timedelta(seconds=every)), clock, stop, explain_error)


def seconds_of(times: list[datetime]) -> list[float]:
    return [round((time - NOON.replace(second=0)).total_seconds()) for time in times]


def test_first_lap_is_at_once_and_the_others_do_not_drift() -> None:
    assert seconds_of(run(*[Lap(NEW)] * 4).began) == [7, 60, 120, 180]


def test_laps_never_overlap_and_what_a_long_one_misses_is_left_out() -> None:
    assert seconds_of(run(*[Lap(NEW)] * 3, seconds=130).began) == [7, 180, 360]


def test_failed_laps_are_said_and_come_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = [ArchiveError(f"Archive s3://x cannot be\nreached ({n}).") for n in range(6)]
    caplog.set_level("INFO")
    job = run(*errors, Lap(NEW), Lap(NEW))
    gaps = [round((b - a).total_seconds()) for a, b in zip(job.began, job.began[1:], strict=False)]
    assert gaps == [53, 120, 240, 480, 900, 900, 60]
    failed = [line for line in caplog.messages if "failed" in line]
    assert failed[2].startswith("Lap 3: failed (3 in a row) in ")
    assert failed[2].endswith(r"Archive s3://x cannot be\nreached (2).")
    assert all(record.exc_info is None for record in caplog.records)


def test_lap_that_fails_for_a_reason_nobody_foresaw_is_logged_in_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = run(ZeroDivisionError("division by zero\nmore"), Lap(NEW))
    assert len(job.began) == 2
    assert "Lap 1: failed (1 in a row)" in caplog.text
    assert "ZeroDivisionError: division by zero" in caplog.messages[1]
    assert caplog.records[0].exc_info is not None


def test_lap_that_was_told_to_stop_ends_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run(Lap(NEW), StopRequestedError())
    assert caplog.messages[-1] == "Ended after 1 laps"


def test_process_begins_anew_after_so_many_laps() -> None:
    watch = make_watch(*[Lap(NEW)] * 9)
    watch.restart_after = 3
    assert watch.run(waits_first=True)
    assert isinstance(watch.job, FakeJob)
    assert seconds_of(watch.job.began) == [60, 120, 180]


def test_metrics_that_cannot_be_written_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    watch = make_watch(Lap(NEW), Lap(NEW))
    told: list[int] = []

    def fail(health: Health) -> None:
        told.append(health.n_laps)
        raise MetricsError("No room.")

    watch.report = fail
    watch.run()
    assert told == [1, 2]
    warned = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warned == ["No room.", "No room."]


def test_wait_ends_when_told_to_and_when_the_clock_is_set_back() -> None:
    clock, stop = FakeClock(), Stop()
    stop.is_set = True
    wait_until(clock, NOON + timedelta(hours=1), stop)
    assert clock.time == NOON

    class SetBack(FakeClock):
        slept = 0.0

        def sleep(self, seconds: float) -> None:
            self.slept += seconds
            self.time -= timedelta(hours=1)

    back = SetBack()
    wait_until(back, NOON + timedelta(seconds=10), Stop())
    assert back.slept == pytest.approx(10)


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("5 m", 300), ("1H", 3600), ("2d", 172_800)]
)
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    assert parse_length("--every", text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "60", "soon", "-5m", "1.5h"])
def test_length_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"Option --every: .* is no length of time; give 60s"):
        parse_length("--every", text)


def test_first_signal_asks_and_the_second_ends_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    former, stop = signal.getsignal(signal.SIGTERM), Stop()
    with handle_signals(stop):
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is former
    assert caplog.messages == [
        "SIGTERM: this ends after the node that is at work; once more ends at once"
    ]


@pytest.mark.parametrize("name", ["posix", "nt"])
def test_process_is_replaced_or_where_that_cannot_be_followed_by_another(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begun: list[list[str]] = []

    def replace(program: str, command: list[str]) -> None:
        assert program == sys.executable
        begun.append(command)
        raise SystemExit(0)

    monkeypatch.setattr(loop.os, "name", name)
    monkeypatch.setattr(loop.logging, "shutdown", lambda: None)
    monkeypatch.setattr(os, "execv", replace)
    monkeypatch.setattr(subprocess, "Popen", begun.append)
    with pytest.raises(SystemExit) as ended:
        begin_anew(["watch", "--every", "60s"])
    assert ended.value.code == 0
    assert begun == [[sys.executable, "-m", "lightning_kedro", "watch", "--every", "60s"]]


@pytest.fixture
def health() -> Health:
    made = Health(NOON)
    newest = NOON - timedelta(seconds=35)
    made.add(Lap(NEW, 180, 12_345, newest), NOON, 14.04)
    made.add(Lap(UNCHANGED, 0, 12_345, newest), NOON + timedelta(minutes=1), 0.61)
    made.add(Lap(FAILED, error="The disk is full."), NOON + timedelta(minutes=2), 0.1)
    return made


def test_health_is_a_line_a_lap(health: Health) -> None:
    line = health.describe(NOON)
    assert line.startswith("Lap 3: failed (1 in a row) in 0.1 s; ")
    assert line.endswith(" MB. The disk is full.")
    newest = NOON - timedelta(hours=5)
    health.add(Lap(INCOMPLETE, 1, 2, newest, "The run is incomplete"), NOON, 3.0)
    assert "Lap 4: incomplete, 1 new granules, published in 3.0 s; 2 flashes" in health.describe(
        NOON
    )
    assert "newest granule ended 5 h ago" in health.describe(NOON)
    health.add(Lap(UNCHANGED, 0, 2, newest), NOON, 0.6)
    assert "Lap 5: nothing new in 0.6 s" in health.describe(NOON + timedelta(days=9))
    assert "newest granule ended 9 days ago" in health.describe(NOON + timedelta(days=9))


SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"\\\n]*"\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)')


def test_numbers_are_in_the_text_format_of_prometheus(health: Health) -> None:
    text = health.to_prometheus()
    assert text.endswith("\n")
    prefix, values, kinds, named = "lightning_kedro_watch_", {}, {}, []
    for line in text.splitlines():
        if line.startswith("# "):
            word, name, rest = line[2:].split(" ", 2)
            assert word == ("TYPE" if name in named else "HELP"), "HELP first, each once"
            named.append(name)
            kinds[name.removeprefix(prefix)] = rest
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] == named[-1], "the samples of a number follow its type"
        values[match[1].removeprefix(prefix) + (match[2] or "")] = float(match[3])
    assert {*kinds.values()} == {"counter", "gauge"}
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    expected = {NEW: 1, UNCHANGED: 1, INCOMPLETE: 0, FAILED: 1}
    assert [*expected] == [*OUTCOMES]
    for outcome, count in expected.items():
        assert values[f'laps_total{{outcome="{outcome}"}}'] == count
    assert values["granules_total"] == 180
    assert values["failures_in_a_row"] == 1
    minute = timedelta(minutes=1)
    assert values["last_lap_timestamp_seconds"] == (NOON + 2 * minute).timestamp()
    assert values["last_success_timestamp_seconds"] == (NOON + minute).timestamp()
    assert values["published_timestamp_seconds"] == NOON.timestamp()
    assert values["resident_memory_bytes"] > 1e6
    assert "window_flashes" not in values, "a failed lap has counted none"


def test_metrics_are_served_on_this_machine_only(health: Health, tmp_path: Path) -> None:
    with serve_metrics(0, health.to_prometheus) as address:
        assert address.startswith("http://127.0.0.1:")
        port = int(address.split(":")[2].split("/")[0])
        for path, status, text in (
            ("/metrics", 200, 'laps_total{outcome="new"} 1'),
            ("/", 404, "The numbers are at /metrics."),
        ):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == status
            assert answer.getheader("Content-Type", "").startswith("text/plain; version=0.0.4")
            assert text in answer.read().decode()
            connection.close()
        message = r"Metrics cannot be served at 127\.0\.0\.1 port .* Give another --metrics-port"
        taken = pytest.raises(MetricsError, match=message)
        with taken, serve_metrics(port, str):
            pass
    write_metrics(tmp_path / "folder" / "watch.prom", "a 1\n")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["watch.prom"]


def test_memory_is_kept_from_growing_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    class Library:
        mallopt: Callable[[int, int], None] = staticmethod(lambda *given: asked.append(given))

    monkeypatch.setattr(loop.ctypes, "CDLL", lambda _: Library)
    for name in ("glibc", ""):
        monkeypatch.setattr(loop.platform, "libc_ver", lambda name=name: (name, ""))
        loop.limit_arenas()
    assert asked == [(-8, 2)]
