"""How long pictures and report take, and how large they are.

By picture, of made-up results; ``--against PATH`` compares whole runs of the pipeline ``reporting``
with those of another checkout (a former commit), in pairs, on one database: of the simulated hour,
and with ``--day`` of a simulated day of 500,000 flashes, which takes two minutes to cluster first.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import compare, run_kedro
from tests.pipelines.storm_results import make_stormy

from lightning_kedro.pipelines.reporting import nodes
from lightning_kedro.pipelines.reporting.report import write_html

DAY = "satellite=G19,window.start=2024-07-14T00:00,window.end=2024-07-15T00:00"


def measure(name: str, draw: Callable[[], Any]) -> Any:
    began, spent = time.perf_counter(), time.process_time()
    drawn = draw()
    size = len(drawn.encode() if isinstance(drawn, str) else drawn)
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    print(f"  {name:18} {wall:6.2f} s {cpu:6.2f} CPU-s {size / 1e6:6.2f} MB")
    return drawn


def measure_pictures(n: int, hours: float) -> None:
    tables = make_stormy(hours=hours, n=n, k=14)
    print(f"{n:,} flashes in {hours:g} h")
    reported = tables.reported
    drawings: dict[str, Callable[[], Any]] = {
        "cluster_map": lambda: nodes.map_clusters(reported).content,
        "cluster_animation": lambda: nodes.animate_clusters(reported).content,
        "storm_map": lambda: nodes.map_storms(reported).content,
        "storm_series": lambda: nodes.plot_storm_series(reported).content,
        "density_map": lambda: nodes.map_density(reported).content,
        "flash_rate": lambda: nodes.plot_flash_rate(reported).content,
        "k_evaluation": lambda: nodes.plot_k_evaluation(reported)[0].content,
    }
    pictures = {name: measure(name, draw) for name, draw in drawings.items()}
    measure("report", lambda: write_html(reported, pictures))


def measure_runs(former: Path, pairs: int, parameters: list[str]) -> None:
    """Whole runs of ``reporting`` on one database, now and formerly in turn."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--env", "sample", *(["--params", *parameters] if parameters else [])]
        name = "a day" if parameters else "the sample hour"
        run_kedro(Path(folder), *options)
        options += ["--pipelines", "reporting"]
        taken = [
            (run_kedro(Path(folder), *options), run_kedro(Path(folder), *options, tree=former))
            for _ in range(pairs)
        ]
        compare(f"reports of {name}", taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flashes", type=int, nargs="+", default=[20_000, 500_000, 1_000_000])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--day", action="store_true", help="compare a day, not the sample hour")
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    if given.against:
        measure_runs(given.against.resolve(), given.pairs, [DAY] if given.day else [])
        return
    for n in given.flashes:
        measure_pictures(n, given.hours)


if __name__ == "__main__":
    main()
