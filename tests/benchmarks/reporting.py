"""How long the pictures take and how large they are: ``python -m tests.benchmarks.reporting``."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from tests.pipelines.storm_results import make_stormy

from lightning_kedro.pipelines.reporting import nodes
from lightning_kedro.pipelines.reporting.report import write_html


def measure(name: str, draw: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    drawn = draw()
    size = len(drawn.encode() if isinstance(drawn, str) else drawn)
    print(f"  {name:18} {time.perf_counter() - began:6.2f} s {size / 1e6:6.2f} MB")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flashes", type=int, nargs="+", default=[20_000, 500_000, 1_000_000])
    parser.add_argument("--hours", type=float, default=24.0)
    given = parser.parse_args()
    for n in given.flashes:
        tables = make_stormy(hours=given.hours, n=n, k=14)
        print(f"{n:,} flashes in {given.hours:g} h")
        reported = tables.reported
        drawings: dict[str, Callable[[], Any]] = {
            "cluster_map": lambda given=reported: nodes.map_clusters(given).content,
            "cluster_animation": lambda given=reported: nodes.animate_clusters(given).content,
            "storm_map": lambda given=reported: nodes.map_storms(given).content,
            "storm_series": lambda given=reported: nodes.plot_storm_series(given).content,
            "density_map": lambda given=reported: nodes.map_density(given).content,
            "flash_rate": lambda given=reported: nodes.plot_flash_rate(given).content,
            "k_evaluation": lambda given=reported: nodes.plot_k_evaluation(given)[0].content,
        }
        pictures = {name: measure(name, draw) for name, draw in drawings.items()}
        measure("report", lambda given=reported, drawn=pictures: write_html(given, drawn))


if __name__ == "__main__":
    main()
