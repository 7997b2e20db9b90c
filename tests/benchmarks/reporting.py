"""How long the pictures take and how large they are: ``python -m tests.benchmarks.reporting``."""

import argparse
import time
from collections.abc import Callable

from tests.pipelines.test_reporting import make_tables

from lightning_kedro.pipelines.reporting import nodes


def measure(name: str, draw: Callable[[], bytes | str]) -> bytes | str:
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
        tables = make_tables(hours=given.hours, n=n, k=14)
        print(f"{n:,} flashes in {given.hours:g} h")
        found = (tables.clustered_flashes, tables.cluster_centers, tables.parameters)
        seen = (tables.flashes, tables.granules, tables.parameters)
        evaluated = (tables.silhouette_scores, tables.elbow_curve, tables.k_selection)
        drawings: dict[str, Callable[[], bytes]] = {
            "cluster_map": lambda found=found: nodes.map_clusters(*found),
            "cluster_animation": lambda found=found: nodes.animate_clusters(*found),
            "density_map": lambda seen=seen: nodes.map_density(*seen),
            "flash_rate": lambda seen=seen: nodes.plot_flash_rate(*seen),
            "k_evaluation": lambda given=(*evaluated, tables.parameters): nodes.plot_k_evaluation(
                *given
            )[0],
        }
        pictures = {name: measure(name, draw) for name, draw in drawings.items()}
        arguments = tables.all_but_pictures() | pictures
        measure("report", lambda arguments=arguments: nodes.write_report(**arguments))


if __name__ == "__main__":
    main()
