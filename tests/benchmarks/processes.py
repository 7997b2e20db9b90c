"""Whole processes in pairs: this checkout's beside another one's, or any two commands."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds of the clock and of processors, its children included."""

    wall: float
    cpu: float


def run_kedro(folder: Path, *options: str, tree: Path = HERE) -> Taken:
    """Run ``lightning-kedro run`` of a checkout in a folder of its own.

    Args:
        folder: Where its data are.
        options: What follows ``run``.
        tree: The checkout.
    """
    command = [sys.executable, "-m", "lightning_kedro", "run", *options]
    return take(command, folder, {"PYTHONPATH": str(tree / "src")})


def take(command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end.

    Raises:
        RuntimeError: If it fails, with what it said last.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(more or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nothing compiled: twice as long a start
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2000:])
    spent = after.children_user + after.children_system
    return Taken(wall, spent - before.children_user - before.children_system)


def compare(name: str, pairs: Sequence[tuple[Taken, Taken]]) -> None:
    """Print the medians of both, and of the ratios within the pairs."""
    for kind in ("cpu", "wall"):
        ours, theirs = ([getattr(one, kind) for one in some] for some in zip(*pairs, strict=True))
        ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
        mine, other = statistics.median(ours), statistics.median(theirs)
        print(f"  {name:24} {kind:4} {mine:7.2f} s beside {other:7.2f} s: {ratio:.2f} x the time")
