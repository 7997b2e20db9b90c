"""All ratios of all benchmarks as one table, of this checkout and of another one beside it.

    python tests/benchmarks/run_all.py [--against PATH] [--only ingestion storms ...]

Runs each benchmark as its own command does, one after the other, and picks the ratios from what it
prints; with ``--against`` each also in the other checkout (a former commit), right before. It takes
about half an hour on two cores, twice that beside another checkout. A ratio that a benchmark does
not print, because the checkout is too old or the benchmark failed, is a dash.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "h5py", "duckdb", "pyarrow", "scikit-learn", "matplotlib", "kedro")
MISSING = "-"


@dataclass(frozen=True)
class Ratio:
    """One line of the table.

    Attributes:
        what: What is compared with what.
        pattern: Finds it in what the benchmark prints; the first group is the number.
        unit: What follows the number.
        aim: What is wanted.
    """

    what: str
    pattern: str
    unit: str
    aim: str


@dataclass(frozen=True)
class Benchmark:
    """A command, and the ratios that it prints."""

    name: str
    options: tuple[str, ...]
    ratios: tuple[Ratio, ...]


BENCHMARKS = (
    Benchmark(
        "ingestion",
        (),
        (
            Ratio("granule to arrays, bare h5py", r"rate / h5py = ([\d.]+)", "x the rate", "1.0"),
            Ratio("granule to arrays, netCDF4", r"rate / netCDF4 = ([\d.]+)", "x the rate", "4"),
            Ratio("granule to arrays, xarray", r"rate / xarray = ([\d.]+)", "x the rate", "12"),
            Ratio(
                "a day to DuckDB, bare h5py reads on all cores",
                r"ours / bare reads = ([\d.]+)",
                "x the time",
                "at most 1.5",
            ),
            Ratio("a day, the plain way", r"plain / ours = ([\d.]+)", "x faster", "20"),
            Ratio(
                "peak memory, two days beside one", r"aim: < 1,000\)\s+ratio = ([\d.]+)", "x", "1.2"
            ),
            Ratio(
                "an hour from S3 at 50 ms, one request after the other",
                r"one after the other [\d.]+ s\s+ratio = ([\d.]+)",
                "x faster",
                "15",
            ),
        ),
    ),
    Benchmark(
        "clustering",
        ("--full",),
        (
            Ratio(
                "22 values of k, 10,000 flashes exact, scikit-learn",
                r" 10,000 flashes, exact: .* ([\d.]+) x faster",
                "x faster",
                "40",
            ),
            Ratio(
                "the same, 30,000 flashes",
                r" 30,000 flashes, exact: .* ([\d.]+) x faster",
                "x faster",
                "100",
            ),
            Ratio(
                "1,000,000 flashes, table to result, one KMeans fit",
                r"ours takes ([\d.]+) x that",
                "x the time",
                "at most 2",
            ),
            Ratio(
                "certified silhouettes of 1,000,000, without",
                r"s, ([\d.]+) x the whole clustering",
                "x the time",
                "at most 5",
            ),
        ),
    ),
    Benchmark(
        "storms",
        ("--speed-only",),
        (
            Ratio(
                "space-time DBSCAN, 50,000 flashes, scikit-learn's",
                r"([\d.]+) x faster",
                "x faster",
                "20",
            ),
            Ratio(
                "storms of 1,000,000 flashes, DuckDB's reads and writes",
                r"\): ([\d.]+) x \(aim 1.5\)",
                "x the time",
                "at most 1.5",
            ),
        ),
    ),
    Benchmark(
        "grids",
        (),
        (
            Ratio(
                "gridding on one core, CONUS",
                r"conus +gridding +([\d,]+) events/s",
                "events/s",
                "500,000",
            ),
            Ratio(
                "gridding on one core, full disk",
                r"full_disk +gridding +([\d,]+) events/s",
                "events/s",
                "500,000",
            ),
            Ratio(
                "a minute to a file, glmtools as published",
                r"([\d,]+) x glmtools",
                "x the rate",
                "20",
            ),
        ),
    ),
    Benchmark(
        "startup",
        (),
        (
            Ratio(
                "a run of what is there already, an empty project's run",
                r"This checkout[^:]*:\s+ingestion, all there +cpu .*: ([\d.]+) x",
                "x the processor time",
                "at most 1.5",
            ),
        ),
    ),
)


def run(benchmark: Benchmark, tree: Path) -> str:
    """What a benchmark of a checkout prints; nothing where it fails."""
    command = [sys.executable, "-m", f"tests.benchmarks.{benchmark.name}", *benchmark.options]
    paths = os.pathsep.join((str(tree / "src"), str(tree)))
    environment = {**os.environ, "PYTHONPATH": paths}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{benchmark.name} of {tree.name} failed:\n{done.stderr[-1000:]}", file=sys.stderr)
        return ""
    return done.stdout


def pick(ratio: Ratio, printed: str) -> str:
    found = re.search(ratio.pattern, printed)
    return f"{found[1]} {ratio.unit}" if found else MISSING


def describe(tree: Path) -> str:
    """The commit of a checkout."""
    command = ["git", "-C", str(tree), "log", "-1", "--format=%h of %cs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def describe_machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} processors, "
        f"{platform.system()}; Python {platform.python_version()}, {versions}"
    )


def print_rows(benchmark: Benchmark, trees: Mapping[str, Path]) -> None:
    printed = [run(benchmark, tree) for tree in trees.values()]
    for ratio in benchmark.ratios:
        numbers = " | ".join(pick(ratio, each) for each in printed)
        command = " ".join((f"{benchmark.name}.py", *benchmark.options))
        print(f"| {ratio.what} | {numbers} | {ratio.aim} | `{command}` |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    given = parser.parse_args()
    trees = {"before": given.against.resolve()} if given.against else {}
    trees["now"] = HERE
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe_machine()}")
    print(*(f"{name}: {describe(tree)}" for name, tree in trees.items()), sep="; ", end="\n\n")
    print(f"| what, beside what | {' | '.join(trees)} | aim | command |")
    print(f"|---|{'---|' * len(trees)}---|---|", flush=True)
    for benchmark in BENCHMARKS:
        if benchmark.name in given.only:
            print_rows(benchmark, trees)


if __name__ == "__main__":
    main()
