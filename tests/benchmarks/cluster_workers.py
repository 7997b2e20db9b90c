"""Clustering's cells and labels, and storms: threads against the workers of a Dask cluster.

    PYTHONPATH=. python tests/benchmarks/cluster_workers.py [--flashes 1000000] [--workers 2]

Flashes that are nobody's, in storms that come and go. Both are run in pairs, one after the other,
and must agree to the bit. On one machine both have the same cores: what the cluster takes longer is
what the way to its workers costs. `work` is what the parts take on one core, from which it follows
with how many cores elsewhere it would pay.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dask
import numpy as np
import psutil
from tests.benchmarks.dask_day import start_workers

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import fit_all
from lightning_kedro.analysis.labelling import label_flashes
from lightning_kedro.analysis.storms.finding import find_storms
from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.storms.options import StormOptions
from lightning_kedro.store.cluster_workers import ClusterWorkers

PER_HOUR = 10_000
STORMS_PER_HOUR = 20


class OneCore(Workers):
    """Measures what the parts take, one after the other."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def run(self, tasks: Sequence[Callable[[], Any]], seconds: float, what: str) -> Iterator[Any]:  # noqa: ARG002
        for task in tasks:
            began = time.process_time()
            result = task()
            self.seconds += time.process_time() - began
            yield result


def make_flashes(n: int) -> tuple[Any, Any, Any]:
    """Latitudes, longitudes and minutes of flashes, in order of time."""
    chance = np.random.default_rng(60)
    hours = max(n // PER_HOUR, 1)
    n_storms = hours * STORMS_PER_HOUR
    storm = chance.integers(0, n_storms, n)
    minutes = chance.uniform(0, 60 * hours, n_storms)[storm] + chance.normal(0, 30, n)
    lat = chance.uniform(-50, 50, n_storms)[storm] + chance.normal(0, 0.2, n)
    lon = chance.uniform(-150, -40, n_storms)[storm] + chance.normal(0, 0.2, n)
    order = np.argsort(minutes)
    return lat[order].astype(np.float32), lon[order].astype(np.float32), minutes[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flashes", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    lat, lon, minutes = make_flashes(options.flashes)
    window = {"satellite": "G18", "window": {"start": "2024-07-14", "end": "2024-07-15"}}
    storms = StormOptions.from_parameters(check_parameters(window, now=datetime.now(UTC))["storms"])
    space = FeatureSpace()
    features = make_features(space, lat, lon, None, 20_000)
    fit = fit_all(features.points[::20], features.weights[::20], 12, 60)[-1]

    def find_cells(workers: Workers) -> list[Any]:
        made = make_features(space, lat, lon, None, 20_000, workers)
        return [made.points, made.scatter, made.index]

    def label(workers: Workers) -> list[Any]:
        full = type(fit)(fit.n_clusters, fit.centers, _nearest(features.points, fit.centers), 1.0)
        made = label_flashes(features, full, lat, lon, None, workers)
        return [made.labels, made.rms_radius_km]

    def track(workers: Workers) -> list[Any]:
        made = find_storms(lat, lon, minutes, storms.density, storms.track, workers)
        return [made.labels, made.merged_into, made.split_from]

    with (
        start_workers(options.workers) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        sent = ClusterWorkers(0.0)
        label(sent)  # workers import
        for name, task in {"cells": find_cells, "labels": label, "storms": track}.items():
            alone = OneCore()
            expected = task(alone)
            for _ in range(options.pairs):
                times, there = [], 0.0
                for workers in (THREADS, sent):
                    began, cpu, there = time.perf_counter(), time.process_time(), add_up()
                    found = task(workers)
                    times += [time.perf_counter() - began, time.process_time() - cpu]
                    for mine, theirs in zip(found, expected, strict=True):
                        np.testing.assert_array_equal(mine, theirs)
                there = add_up() - there
                print(
                    f"{name:7} work {alone.seconds:5.2f} s   threads {times[0]:5.2f} s "
                    f"({times[1]:.2f} CPU)   cluster {times[2]:5.2f} s "
                    f"({times[3]:.2f} CPU here, {there:.2f} there)",
                    flush=True,
                )


def add_up() -> float:
    """The CPU time of the workers, s."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(time_.user + time_.system for time_ in times)


def _nearest(points: Any, centers: Any) -> Any:
    return ((points[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1).astype(np.int32)


if __name__ == "__main__":
    main()
