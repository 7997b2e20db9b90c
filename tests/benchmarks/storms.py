"""How good and how fast storms are: ``python tests/benchmarks/storms.py [--full] [--scores-only]``.

Methods are scored side by side against the simulation's truth, on the hour and the day that
defaults were tuned on and on dates, satellites and seeds that they were not. Speed is measured
beside scikit-learn's DBSCAN and beside DuckDB alone, in one run on the same machine. ``--full``
adds 10,000,000 flashes.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Case(NamedTuple):
    """A window of a simulation."""

    platform: str
    start: str
    hours: int
    seed: int

    def __str__(self) -> str:
        return f"{self.platform} {self.start} {self.hours:2d} h seed {self.seed}"


AIMS = (Case("G19", "2024-07-14T22:00", 1, 60), Case("G19", "2024-07-14T00:00", 24, 60))
TUNED = (
    *AIMS,
    Case("G18", "2024-07-14T22:00", 1, 60),
    Case("G16", "2023-01-15T22:00", 1, 1),
    Case("G17", "2022-09-03T22:00", 1, 7),
    Case("G18", "2024-07-14T00:00", 24, 60),
    Case("G16", "2023-01-15T00:00", 24, 1),
    Case("G17", "2022-09-03T00:00", 24, 7),
)
UNSEEN = (
    Case("G19", "2025-06-21T22:00", 1, 3),
    Case("G18", "2024-02-10T22:00", 1, 11),
    Case("G16", "2020-04-05T22:00", 1, 42),
    Case("G18", "2023-10-30T22:00", 1, 5),
    Case("G19", "2025-06-21T00:00", 24, 3),
    Case("G18", "2024-02-10T00:00", 24, 11),
    Case("G16", "2020-04-05T00:00", 24, 42),
    Case("G18", "2023-10-30T00:00", 24, 5),
)
UNSEEN_HOURS = tuple(
    Case(platform, start, 1, seed)
    for platform, start, seed in (
        ("G16", "2018-05-17T03:00", 101),
        ("G16", "2019-08-02T20:00", 102),
        ("G16", "2021-12-11T15:00", 103),
        ("G16", "2022-03-30T09:00", 104),
        ("G16", "2024-09-05T21:00", 105),
        ("G17", "2019-03-14T02:00", 106),
        ("G17", "2020-07-28T05:00", 107),
        ("G17", "2021-10-09T19:00", 108),
        ("G17", "2022-06-18T11:00", 109),
        ("G17", "2020-01-22T23:00", 110),
        ("G18", "2023-04-12T01:00", 111),
        ("G18", "2024-11-23T08:00", 112),
        ("G18", "2025-08-15T20:00", 113),
        ("G18", "2023-07-07T16:00", 114),
        ("G18", "2025-02-01T04:00", 115),
        ("G19", "2025-05-10T22:00", 116),
        ("G19", "2025-09-19T17:00", 117),
        ("G19", "2024-12-25T13:00", 118),
        ("G19", "2025-07-30T00:00", 119),
        ("G19", "2025-10-28T07:00", 120),
        ("G16", "2023-06-26T18:00", 121),
        ("G19", "2025-04-21T21:00", 122),
        ("G18", "2024-05-30T12:00", 123),
        ("G17", "2021-08-19T14:00", 124),
    )
)
"""Hours that nothing was tuned on, one of them at every hour of the day."""

LONGEST_FOR_SKLEARN = 60_000
REQUEST = {"satellite": "G19", "run_time": "2024-07-20T00:00:00"}
"""DBSCAN by a ball tree takes minutes and gigabytes for more flashes than this."""

LEAST_FLASHES = 10
"""Storms with fewer flashes are not counted among those to be found."""


@dataclass(frozen=True, eq=False)
class Flashes:
    """Simulated flashes in order of time, and their true storms (-1: isolated)."""

    lat: FloatArray
    lon: FloatArray
    minutes: FloatArray
    storm: IntArray


def simulate(case: Case) -> Flashes:
    """The flashes of a window."""
    from lightning_kedro.simulation.observation import observe_hour
    from lightning_kedro.simulation.truth import simulate_truth

    start = datetime.fromisoformat(case.start).replace(tzinfo=UTC)
    parts = []
    for number in range(case.hours):
        hour = start + timedelta(hours=number)
        flashes = observe_hour(case.platform, hour, case.seed).content.flashes
        storm = simulate_truth(case.platform, hour, seed=case.seed)["storm"].to_numpy()
        minutes = hour.timestamp() / 60.0 + flashes.first_event_s / 60.0
        parts.append((flashes.lat, flashes.lon, minutes, storm))
    lat, lon, minutes, storm = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(minutes, kind="stable")
    return Flashes(lat[order].astype(float), lon[order].astype(float), minutes[order], storm[order])


def list_hours() -> list[Case]:
    """Five hours of each of the days above."""
    days = [case for case in (*TUNED, *UNSEEN) if case.hours > 1]
    return [
        case._replace(start=f"{case.start[:11]}{hour:02d}:00", hours=1)
        for case in days
        for hour in (0, 6, 12, 18, 22)
    ]


def make_options() -> Any:
    """The defaults of the parameters."""
    from lightning_kedro.parameters import Storms
    from lightning_kedro.pipelines.storms.options import StormOptions

    return StormOptions.from_parameters(Storms().model_dump())


def run_kmeans(flashes: Flashes) -> IntArray:
    """K-means with the recommended k, as the pipeline ``clustering`` has it."""
    from lightning_kedro.analysis.features import FeatureSpace, make_features
    from lightning_kedro.analysis.kmeans import fit_all
    from lightning_kedro.analysis.recommendation import recommend_k
    from lightning_kedro.analysis.silhouette import silhouette_scores

    features = make_features(FeatureSpace(), flashes.lat, flashes.lon, None, 20_000)
    fits = fit_all(features.points, features.weights, 23, 60)
    partitions = [fit.labels for fit in fits[1:]]
    scores = silhouette_scores(features.points, features.weights, partitions, features.scatter)
    by_k = {fit.n_clusters: float(score) for fit, score in zip(fits[1:], scores, strict=True)}
    inertia = {fit.n_clusters: fit.inertia for fit in fits}
    k = recommend_k(by_k, inertia, "silhouette", None).k
    return np.asarray(fits[k - 1].labels[features.index], dtype=np.int64)


def run_sklearn(flashes: Flashes, eps_km: float = 20.0, min_flashes: int = 5) -> IntArray:
    """scikit-learn's DBSCAN: haversine, ball tree, no time."""
    from sklearn.cluster import DBSCAN

    places = np.radians(np.stack([flashes.lat, flashes.lon], axis=1))
    fit = DBSCAN(
        eps=eps_km / 6371.0088,
        min_samples=min_flashes,
        metric="haversine",
        algorithm="ball_tree",
    ).fit(places)
    return np.asarray(fit.labels_, dtype=np.int64)


def run_plain(flashes: Flashes) -> IntArray:
    """Our DBSCAN in space and time, with the parameters that served it best: 20 km, 20 min, 5."""
    from lightning_kedro.analysis.storms.dbscan import Density, cluster_dense

    density = Density(20.0, 20.0, 5)
    return cluster_dense(flashes.lat, flashes.lon, flashes.minutes, density).labels


def run_tracked(flashes: Flashes) -> IntArray:
    """Our storms as the pipeline finds them."""
    from lightning_kedro.analysis.storms.finding import find_storms

    options = make_options()
    return find_storms(
        flashes.lat, flashes.lon, flashes.minutes, options.density, options.tracking
    ).labels


METHODS: dict[str, Callable[[Flashes], IntArray]] = {
    "K-means, auto k": run_kmeans,
    "scikit-learn DBSCAN": run_sklearn,
    "ours, plain": run_plain,
    "ours, tracked": run_tracked,
}


def score(truth: IntArray, labels: IntArray) -> dict[str, float]:
    """Scores against the truth; noise is one class on either side.

    ``found`` is the share of true storms with at least 10 flashes of which a storm has an
    intersection over union of 0.5 or more; ``noise`` the share of isolated flashes called noise.
    """
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    true, of_true, true_sizes = np.unique(truth, return_inverse=True, return_counts=True)
    mine, of_mine, my_sizes = np.unique(labels, return_inverse=True, return_counts=True)
    pairs, both = np.unique(of_true * mine.size + of_mine, return_counts=True)
    one, two = np.divmod(pairs, mine.size)
    union = true_sizes[one] + my_sizes[two] - both
    hit = (both >= 0.5 * union) & (true[one] >= 0) & (mine[two] >= 0)
    found = np.zeros(true.size, dtype=bool)
    found[one[hit]] = True
    wanted = (true >= 0) & (true_sizes >= LEAST_FLASHES)
    lone = truth < 0
    return {
        "ari": float(adjusted_rand_score(truth, labels)),
        "v": float(v_measure_score(truth, labels)),
        "found": float(found[wanted].mean()),
        "noise": float((labels[lone] < 0).mean()),
        "storms": float((my_sizes[mine >= 0] >= LEAST_FLASHES).sum()),
        "wanted": float(wanted.sum()),
    }


def compare(case: Case) -> list[str]:
    """Score all methods on a window: lines to print."""
    from lightning_kedro.analysis.storms.quality import score_tracks

    flashes = simulate(case)
    lines = [f"{case}: {flashes.lat.size:,} flashes"]
    for name, method in METHODS.items():
        if method is run_sklearn and flashes.lat.size > LONGEST_FOR_SKLEARN:
            continue
        labels = method(flashes)
        scores = score(flashes.storm, labels)
        tracks = score_tracks(labels, flashes.minutes, flashes.lat, flashes.lon, 10.0)
        lines.append(
            f"  {name:20s} ARI {scores['ari']:.3f}  V {scores['v']:.3f}  "
            f"found {scores['found']:.2f}  noise {scores['noise']:.3f}  "
            f"storms {scores['storms']:4.0f} of {scores['wanted']:4.0f} | tracks: "
            f"{tracks.duration_minutes:4.0f} min, linearity {tracks.linearity_km:5.1f} km, "
            f"size change {tracks.size_change:.2f}"
        )
    return lines


def show_scores() -> None:
    """Print the scores of all methods on all windows."""
    for title, cases in (("Tuned on", TUNED), ("Unseen", UNSEEN)):
        print(f"{title}:")
        tracked = {1: [], 24: []}  # type: dict[int, list[float]]
        for case in cases:
            lines = run_apart(compare, case)
            print("\n".join(lines), flush=True)
            tracked[case.hours].append(float(lines[-1].split("ARI ")[1][:5]))
        for hours, values in tracked.items():
            print(
                f"  tracked, {hours} h: ARI mean {np.mean(values):.3f}, least {min(values):.3f} "
                f"(aim {0.90 if hours == 1 else 0.85:.2f})"
            )


def score_hour(case: Case) -> tuple[float, float]:
    """ARI of the storms of an hour that is looked at alone, and isolated flashes called noise."""
    flashes = simulate(case)
    scores = score(flashes.storm, run_tracked(flashes))
    return scores["ari"], scores["noise"]


def show_hours() -> None:
    """Print how good storms are in many hours, each looked at alone."""
    for title, cases in (("of the days above", list_hours()), ("unseen", UNSEEN_HOURS)):
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            ari, noise = np.array([*pool.map(score_hour, cases)]).T
        print(
            f"{len(cases)} hours {title}, alone: ARI mean {ari.mean():.3f}, median "
            f"{np.median(ari):.3f}, least {ari.min():.3f}, below 0.90: {(ari < 0.9).sum()}; "
            f"noise mean {noise.mean():.3f}, least {noise.min():.3f}",
            flush=True,
        )


# Speed


def measure(task: Callable[[], object], repeats: int = 1) -> float:
    """Least time of a task, s: other work on the machine only ever adds to it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def compare_speed(n: int = 50_000) -> str:
    """Our DBSCAN beside scikit-learn's on n flashes of two hours."""
    flashes = simulate(Case("G19", "2024-07-14T21:00", 2, 60))
    some = Flashes(*(values[:n] for values in vars(flashes).values()))
    plain = measure(lambda: run_plain(some), 5)
    tracked = measure(lambda: run_tracked(some), 5)
    theirs = measure(lambda: run_sklearn(some), 2)
    return (
        f"{some.lat.size:>10,} flashes: scikit-learn {theirs:.2f} s, ours plain {plain:.3f} s: "
        f"{theirs / plain:.0f} x faster (aim 20); tracked {tracked:.3f} s: "
        f"{theirs / tracked:.0f} x"
    )


def write_flashes(path: Path, n: int) -> None:
    """Make a database that holds n flashes, two days of G19 over and over."""
    from lightning_kedro.datasets.granule_tables import GranuleTableDataset
    from lightning_kedro.store.database import connect
    from lightning_kedro.store.tables import create_table

    two_days = simulate(Case("G19", "2024-07-13T00:00", 48, 60))
    with connect(path, read_only=False) as connection:
        for table in ("granules", "flashes"):
            create_table(connection, table)
        for rows in list_parts(two_days, n):
            connection.register("incoming", rows)
            connection.execute("INSERT INTO flashes BY NAME SELECT * FROM incoming")
            connection.unregister("incoming")
    assert (
        len(
            GranuleTableDataset(path=str(path), table="flashes")
            .load()
            .read(make_selection(n), ["flash_id"])
        )
        == n
    )


def list_parts(two_days: Flashes, n: int) -> Iterator[Any]:
    """Tables of flashes, two days each."""
    import pyarrow as pa

    size = two_days.lat.size
    for number, first in enumerate(range(0, n, size)):
        count = min(size, n - first)
        minutes = two_days.minutes[:count] + number * 2880.0
        times = (minutes * 60e6).astype(np.int64).astype("datetime64[us]")
        yield pa.table(
            {
                "platform": pa.repeat("G19", count),
                "granule_start": times.astype("datetime64[m]").astype("datetime64[us]"),
                "flash_id": np.arange(count, dtype=np.int32) % 65536,
                "time": times,
                "time_end": times,
                "lat": two_days.lat[:count].astype(np.float32),
                "lon": two_days.lon[:count].astype(np.float32),
                "energy_j": np.full(count, 1e-14),
                "area_km2": np.full(count, 200.0),
                "quality_flag": np.zeros(count, dtype=np.int16),
                "simulated": pa.repeat(pa.scalar(value=True), count),
            }
        )


def make_selection(n: int) -> Any:
    """A window that holds n flashes."""
    from lightning_kedro.glm.orbital_slot import Segment
    from lightning_kedro.selection import Selection

    start = datetime(2024, 7, 12, tzinfo=UTC)
    return Selection((Segment("G19", start, start + timedelta(days=3 + n // 200_000)),))


def find_stored(path: Path, n: int) -> dict[str, float]:
    """Run the pipeline's nodes from the table of flashes to the stored result.

    Clocks begin when the modules are there that a run of Kedro has imported by then.
    """
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401

    from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
    from lightning_kedro.datasets.granule_tables import GranuleTableDataset
    from lightning_kedro.pipelines.storms import flashes as storm_flashes
    from lightning_kedro.pipelines.storms import tables

    start, processor = time.perf_counter(), time.process_time()
    handle = GranuleTableDataset(path=str(path), table="flashes").load()
    found = storm_flashes.find_selected_storms(handle, make_selection(n), make_options())
    tracked = time.perf_counter()
    result = tables.collect_result(found, REQUEST)
    described = time.perf_counter()
    DuckDBTableDataset(path=str(path), table="storm_selection").save(result)
    stored = time.perf_counter()
    return {
        "seconds": stored - start,
        "tracked": tracked - start,
        "described": described - tracked,
        "stored": stored - described,
        "processor": time.process_time() - processor,
        "peak": read_peak_gb(),
        "storms": float(result.row["n_storms"]),
    }


def time_database(path: Path, n: int) -> dict[str, float]:
    """Only read the flashes and write the very same result, which was found before."""
    from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
    from lightning_kedro.datasets.granule_tables import GranuleTableDataset
    from lightning_kedro.pipelines.storms import flashes as storm_flashes
    from lightning_kedro.pipelines.storms import tables

    handle = GranuleTableDataset(path=str(path), table="flashes").load()
    found = storm_flashes.find_selected_storms(handle, make_selection(n), make_options())
    result, looked_at = tables.collect_result(found, REQUEST), found.looked_at
    del found
    start, processor = time.perf_counter(), time.process_time()
    handle.read(looked_at, storm_flashes.STORM_FLASH_COLUMNS)
    read = time.perf_counter()
    DuckDBTableDataset(path=str(path), table="storm_selection").save(result)
    stored = time.perf_counter()
    return {
        "seconds": stored - start,
        "read": read - start,
        "stored": stored - read,
        "processor": time.process_time() - processor,
    }


def read_peak_gb() -> float:
    """Peak resident memory of this process; ``getrusage`` would count that of its parent too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def run_apart(task: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task in a process of its own, so that its peak of memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def show_database(n: int, folder: Path, repeats: int) -> None:
    """Print what n flashes of a database take, beside the reads and writes alone."""
    path = folder / f"{n}.duckdb"
    run_apart(write_flashes, path, n)
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "alone": []}
    for _ in range(repeats):  # by turns, so that other work on the machine is in both
        for name, task in (("ours", find_stored), ("alone", time_database)):
            copy = shutil.copy(path, folder / "copy.duckdb")
            runs[name].append(run_apart(task, copy, n))
    best, alone = (min(each, key=lambda run: run["seconds"]) for each in runs.values())
    processor = {name: min(run["processor"] for run in each) for name, each in runs.items()}
    print(
        f"{n:>10,} flashes, table to stored result: {best['seconds']:.2f} s (read and tracked "
        f"{best['tracked']:.2f}, described {best['described']:.2f}, stored {best['stored']:.2f}), "
        f"DuckDB alone {alone['seconds']:.2f} s (read {alone['read']:.2f}, stored "
        f"{alone['stored']:.2f}): {best['seconds'] / alone['seconds']:.2f} x (aim 1.5); "
        f"processor time {processor['ours']:.2f} s and {processor['alone']:.2f} s: "
        f"{processor['ours'] / processor['alone']:.2f} x; "
        f"peak {max(run['peak'] for run in runs['ours']):.2f} GB; {best['storms']:.0f} storms",
        flush=True,
    )
    path.unlink()


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000,000 flashes too")
    parser.add_argument("--scores-only", action="store_true", help="no speed")
    parser.add_argument("--speed-only", action="store_true", help="no scores")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if not options.speed_only:
        show_scores()
        show_hours()
    if not options.scores_only:
        print(run_apart(compare_speed), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            show_database(1_000_000, Path(folder), repeats=3)
            if options.full:
                show_database(10_000_000, Path(folder), repeats=1)


if __name__ == "__main__":
    main()
