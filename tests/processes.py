"""Runs in processes of their own, without waiting each time until Kedro has been imported.

They are forked from one process that has imported what a run needs; where there is no fork server
they start like any other. A run can be prepared first: as one that dies at a certain moment, say.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Any

PRELOADED = ("tests.processes", "lightning_kedro.cli", "kedro.framework.cli.cli", "duckdb", "s3fs")
"""What is imported before a run is forked. None of it may start a thread."""

Prepare = Callable[[], None]

_asked_for: list[str] = []


def choose_context(more: Sequence[str] = ()) -> Any:
    """Where processes come from: forked from one that has imported much, if that can be.

    Args:
        more: Modules to import besides, of tests that need no others.
    """
    _asked_for.extend(one for one in more if one not in _asked_for)
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([*PRELOADED, *_asked_for])
    return context


@dataclass(frozen=True)
class Started:
    """A command that has been started."""

    process: Any
    log: Path

    def finish(self, timeout_s: float = 300) -> tuple[int, str]:
        """Wait for its end: the exit status, negative for a signal, and all that it said."""
        self.process.join(timeout_s)
        assert self.process.exitcode is not None, "the command does not end"
        said = self.log.read_text(encoding="utf-8")
        self.log.unlink()
        return self.process.exitcode, said


def start_kedro(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    prepare: Prepare | None = None,
) -> Started:
    """Start ``kedro`` with arguments in a folder.

    Args:
        folder: Where it works.
        arguments: What follows ``kedro``.
        environment: Its variables; those of this process by default.
        prepare: What it does first; a function of a module.
    """
    number, name = mkstemp(suffix=".log")
    os.close(number)
    variables = dict(os.environ if environment is None else environment)
    process = choose_context().Process(
        target=_call_kedro, args=(folder, Path(name), arguments, variables, prepare)
    )
    process.start()
    return Started(process, Path(name))


def _call_kedro(
    folder: Path,
    log: Path,
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    prepare: Prepare | None,
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    if prepare is not None:
        prepare()
    call_kedro(log, *arguments)


def call_kedro(log: Path, *arguments: str) -> None:
    """What ``python -m kedro`` does, with all output in a file; it ends this process."""
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["kedro", *arguments]
    from kedro.framework.cli.cli import main

    main()
