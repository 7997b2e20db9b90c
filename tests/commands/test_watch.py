"""`kedro watch` on the command line, and as a process that is told to stop."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from tests.conftest import HOUR, Project
from tests.ingesting import make_granules, put

from lightning_kedro.cli import cli
from lightning_kedro.commands import watch as command
from lightning_kedro.packaged import PACKAGE

NAMES = ("kedro", PACKAGE, f"{PACKAGE}.watching")


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in NAMES}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--every", "soon"], "Option --every: 'soon' is no length of time"),
        (["--every", "0s"], "Option --every: '0s' is no time at all; give 60s"),
        (["--window", "90s"], "Option --window: '90s' is no number of minutes; give 10m"),
        (["--late", "x"], "Option --late: 'x' is no length of time"),
        (["--pipelines", "ingesting"], "there is no pipeline 'ingesting'. Did you mean ingestion?"),
        (["--env", "nowhere"], "there is no environment 'nowhere'"),
        (["--params", "satellite=G99"], "Parameter satellite: 'G99'"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_first_lap(
    project: Project, options: list[str], message: str
) -> None:
    bootstrap_project(project.folder)
    done = CliRunner().invoke(cli, ["watch", *options])
    assert done.exit_code == 1
    assert message in done.output
    assert len(done.output.splitlines()) == 1


def test_process_that_begins_anew_is_given_the_same_options(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_kedro.watching import loop

    bootstrap_project(project.folder)
    begun: list[list[str]] = []
    monkeypatch.setattr(loop.Watch, "run", lambda *_, **__: True)
    monkeypatch.setattr(loop, "begin_anew", begun.append)
    given = ["--params", "satellite=G17", "--metrics-port", "0", "--restart-after", "1", "-v"]
    done = CliRunner().invoke(cli, ["watch", *given])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Metrics: http://127.0.0.1:")
    again = command.watch.make_context("watch", begun[0][1:]).params
    first = command.watch.make_context("watch", given).params
    assert again == {**first, "resumed": ""}


def test_watch_begins_anew_by_itself_and_ends_cleanly_when_told_to(
    project: Project, tmp_path: Path
) -> None:
    for name, content in make_granules():
        put(tmp_path / "archive", name, content)
    window = f"window.start={HOUR:%Y-%m-%dT%H:%M},window.end={HOUR:%Y-%m-%dT%H}:10"
    params = f"satellite=G17,archive={tmp_path / 'archive'},{window}"
    options = ["--pipelines", "ingestion", "--every", "1s", "--restart-after", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lightning_kedro", "watch", *options, "--params", params,
         "--metrics-file", "watch.prom"],
        cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if sum("Lap 1:" in one for one in lines) == 2:
            process.send_signal(signal.SIGTERM)
            break
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, [*lines, rest]
    assert "Lap 1: 3 new granules, published" in lines[0]
    assert "Lap 2: nothing new" in lines[1]
    assert "Lap 1: nothing new" in lines[2], "it begins anew under the same number"
    assert "SIGTERM: this ends after the node that is at work; once more ends at once" in rest
    assert "Ended after " in rest
    assert "Traceback" not in rest
    assert 'laps_total{outcome="unchanged"} 1' in (project.folder / "watch.prom").read_text()


def test_log_of_a_watch_is_a_line_a_lap_unless_asked_for_more() -> None:
    command.quieten()
    assert not logging.getLogger(f"{PACKAGE}.store").isEnabledFor(logging.INFO)
    assert logging.getLogger(f"{PACKAGE}.watching.loop").isEnabledFor(logging.INFO)


def written(**options: Any) -> list[str]:
    return command.write_arguments(options, "abc")


def test_arguments_are_written_as_they_were_given() -> None:
    assert written(every="60s", env=None, verbose=True, keep=3) == [
        *("watch", "--every", "60s", "--verbose", "--keep", "3", "--resumed", "abc")
    ]
    assert written(metrics_port=0, verbose=False) == [
        "watch",
        "--metrics-port",
        "0",
        "--resumed",
        "abc",
    ]
