"""How fast clustering is, beside the plain way: ``python tests/benchmarks/clustering.py [--full]``.

The plain way is what most notebooks do: for each k two fits with ``n_init=10`` (one for the elbow,
one for the silhouette) and ``silhouette_score``. All ratios of one run are taken on the same
machine and the same flashes; what is quick is repeated and the median taken. ``--full`` adds what
takes minutes: the plain way at 30,000 flashes, 10,000,000 flashes, and the fits of many data sets.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Places = tuple[FloatArray, FloatArray]

K_RANGE = range(2, 24)
PARAMETERS = {
    "satellite": "G18",
    "window": {"start": "2023-01-26T15:00:00", "end": "2023-01-26T16:00:00"},
    "preprocessing": {
        "region": dict.fromkeys(("west", "south", "east", "north")),
        "min_quality": "all",
    },
    "clustering": {
        "coordinates": "sphere",
        "standardize": False,
        "k_min": K_RANGE[0],
        "k_max": K_RANGE[-1],
        "k": "auto",
        "criterion": "silhouette",
        "max_cells": 20_000,
        "max_certified": 0,
        "random_state": 60,
        "time_scale_km_per_hour": None,
    },
}


def simulate_storms(n: int, seed: int = 0, west: float = -200.0, east: float = -75.0) -> Places:
    """Flashes of 60 storms and 5 % background, across 180 degrees as GOES-West sees them."""
    random = np.random.default_rng(seed)
    shares = random.gamma(0.7, 1.0, 60)
    storm = random.choice(60, n, p=shares / shares.sum())
    width = random.gamma(2.0, 0.5, 60)[storm]
    lat = random.uniform(-40.0, 45.0, 60)[storm] + random.normal(0.0, 1.0, n) * width
    lon = random.uniform(west, east, 60)[storm] + random.normal(0.0, 1.0, n) * width
    alone = random.random(n) < 0.05
    lat[alone] = random.uniform(-50.0, 50.0, alone.sum())
    lon[alone] = random.uniform(west, east, alone.sum())
    return lat, (lon + 180.0) % 360.0 - 180.0


def scatter_noise(n: int, seed: int = 1) -> Places:
    """Flashes spread evenly over the Americas."""
    random = np.random.default_rng(seed)
    return np.degrees(np.arcsin(random.uniform(-0.76, 0.76, n))), random.uniform(-130.0, -20.0, n)


def pack_blobs(n: int, seed: int, n_blobs: int, width: float) -> Places:
    """Flashes in tight blobs."""
    random = np.random.default_rng(seed)
    blob = random.integers(n_blobs, size=n)
    lat = random.uniform(-45.0, 45.0, n_blobs)[blob] + random.normal(0.0, width, n)
    lon = random.uniform(-130.0, -20.0, n_blobs)[blob] + random.normal(0.0, width, n)
    return lat, lon


def measure(task: Callable[[], object], repeats: int = 1) -> float:
    """Median time of a task, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def project(places: Places) -> FloatArray:
    """Places as points on the sphere, km."""
    from lightning_kedro.analysis.features import FeatureSpace

    return FeatureSpace().project(*places)


def run_plainly(points: FloatArray) -> None:
    """The plain way."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    for k in K_RANGE:
        KMeans(k, n_init=10, random_state=60).fit(points)
        labels = KMeans(k, n_init=10, random_state=60).fit_predict(points)
        silhouette_score(points, labels)


def run_ours(places: Places, max_cells: int) -> tuple[float, float]:
    """All fits and all silhouettes: seconds for each."""
    from lightning_kedro.analysis.features import FeatureSpace, make_features
    from lightning_kedro.analysis.kmeans import fit_all
    from lightning_kedro.analysis.silhouette import silhouette_scores

    start = time.perf_counter()
    features = make_features(FeatureSpace(), *places, None, max_cells)
    fits = fit_all(features.points, features.weights, K_RANGE[-1], 60)
    fitted = time.perf_counter()
    labels = [fit.labels for fit in fits[1:]]
    silhouette_scores(features.points, features.weights, labels, features.scatter)
    return fitted - start, time.perf_counter() - fitted


def compare_exact(n: int, repeats: int) -> None:
    """Print the times of both ways on n flashes, none merged."""
    places = simulate_storms(n)
    times = [run_ours(places, max_cells=n) for _ in range(repeats)]
    fit, score = (statistics.median(column) for column in zip(*times, strict=True))
    ours = statistics.median(map(sum, times))
    plain = measure(lambda: run_plainly(project(places)))
    print(
        f"{n:>10,} flashes, exact: plain {plain:7.1f} s, ours {ours:5.2f} s "
        f"(fits {fit:.2f}, silhouettes {score:.2f}): {plain / ours:5.1f} x faster (aim 25)"
    )


def show_curve(sizes: list[int]) -> None:
    """Print what fitting and scoring cost above max_cells."""
    print("  cost of fitting and scoring 22 values of k on at most 20,000 cells:")
    for n in sizes:
        places = simulate_storms(n)
        fit, score = run_ours(places, max_cells=20_000)
        print(f"{n:>10,} flashes: merging and fits {fit:5.2f} s, silhouettes {score:5.2f} s")


def write_flashes(path: Path, n: int) -> None:
    """Make a database that holds n flashes of one window."""
    import pyarrow as pa

    from lightning_kedro.store.database import connect
    from lightning_kedro.store.tables import create_table

    lat, lon = simulate_storms(n)
    start = np.datetime64("2023-01-26T15:00:00", "us")
    steps = np.sort(np.random.default_rng(1).integers(0, 3_600_000_000, n))
    times = start + steps.astype("timedelta64[us]")
    granule = start + (steps // 20_000_000 * 20_000_000).astype("timedelta64[us]")
    rows = pa.table(
        {
            "platform": pa.repeat(pa.scalar("G18"), n),
            "granule_start": granule,
            "flash_id": np.arange(n, dtype=np.int32),
            "time": times,
            "time_end": times,
            "lat": lat.astype(np.float32),
            "lon": lon.astype(np.float32),
            "energy_j": np.full(n, 1e-14),
            "area_km2": np.full(n, 200.0),
            "quality_flag": np.zeros(n, dtype=np.int16),
        }
    )
    with connect(path, read_only=False) as connection:
        create_table(connection, "flashes")
        connection.register("incoming", rows)
        connection.execute("INSERT INTO flashes BY NAME SELECT * FROM incoming")


def read_parameters(max_certified: int = 0) -> dict[str, Any]:
    """The parameters as a run gives them to the nodes."""
    from lightning_kedro.parameters import check_parameters

    given = PARAMETERS | {
        "clustering": {**PARAMETERS["clustering"], "max_certified": max_certified}
    }
    return check_parameters(given, now=datetime(2023, 1, 27, tzinfo=UTC))


def cluster_database(path: Path, max_certified: int = 0) -> dict[str, float]:
    """Run the pipeline's nodes from the table of flashes to the stored result."""
    from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
    from lightning_kedro.datasets.granule_tables import GranuleTableDataset
    from lightning_kedro.pipelines.clustering import nodes

    parameters = read_parameters(max_certified)
    options = parameters["clustering"]
    start = time.perf_counter()
    prepared = nodes.preprocess_flashes(
        GranuleTableDataset(path=str(path), table="flashes").load(),
        parameters["selection"],
        options["coordinates"],
        options["standardize"],
        options["max_cells"],
        options["time_scale_km_per_hour"],
    )
    fits = nodes.fit_candidates(prepared, options["k_max"], options["random_state"])
    (result, *_) = nodes.cluster_flashes(
        prepared,
        fits,
        nodes.evaluate_silhouette(prepared, fits, options["k_min"], options["random_state"]),
        nodes.evaluate_elbow(prepared, fits),
        *(parameters[name] for name in ("selection", "clustering", "satellite", "run_time")),
    )
    DuckDBTableDataset(path=str(path), table="k_selection").save(result)
    seconds = time.perf_counter() - start
    peak = read_peak_gb()
    selection = result.row
    errors = ("inertia_error", "silhouette_error", "cell_size_km")
    return {"seconds": seconds, "peak": peak, **{name: float(selection[name]) for name in errors}}


def check_silhouettes(path: Path, n_sample: int) -> dict[str, float]:
    """Compare stored silhouettes with brute force, half on the flashes with the largest bounds.

    Returns:
        The greatest bound of all flashes, their mean bound, the greatest error of the sample, and
        the largest share of its bound that an error has.
    """
    import duckdb
    from scipy.spatial.distance import cdist

    with duckdb.connect(str(path), read_only=True) as connection:
        table = connection.execute(
            "SELECT lat, lon, cluster, silhouette_coefficient, silhouette_error_bound "
            "FROM clustered_flashes"
        ).fetchnumpy()
    lat, lon, cluster, coefficients, bounds = (np.asarray(column) for column in table.values())
    points, sizes = project((lat, lon)), np.bincount(cluster)
    even = np.random.default_rng(0).choice(len(points), n_sample // 2, replace=False)
    sample = np.union1d(even, np.argsort(bounds)[-n_sample // 2 :])
    errors = []
    for flash in sample:
        means = np.bincount(cluster, cdist(points[flash : flash + 1], points)[0]) / sizes
        own = cluster[flash]
        within, means[own] = means[own] * sizes[own] / max(sizes[own] - 1, 1), np.inf
        exact = (means.min() - within) / max(means.min(), within) if sizes[own] > 1 else 0.0
        errors.append(abs(exact - coefficients[flash]))
    return {
        "bound": float(bounds.max()),
        "mean_bound": float(bounds.mean()),
        "error": max(errors),
        "share": float(np.max(errors / bounds[sample])),
    }


def certify_database(n: int, folder: Path) -> None:
    """Print what certified silhouettes of n flashes cost, and how far off they are."""
    path = folder / "certified.duckdb"
    run_apart(write_flashes, path, n)
    plain = run_apart(cluster_database, path)
    result = run_apart(cluster_database, path, n)
    checked = run_apart(check_silhouettes, path, 400)
    print(
        f"{n:>10,} flashes with certified silhouettes: {result['seconds']:6.2f} s, "
        f"{result['seconds'] / plain['seconds']:.2f} x the whole clustering without (aim 5), "
        f"peak {result['peak']:.2f} GB (aim 1.5)\n"
        f"{'':>10} bound at most {checked['bound']:.1e} (aim 1e-4), mean "
        f"{checked['mean_bound']:.1e}; error of 400 flashes by brute force at most "
        f"{checked['error']:.1e}, {checked['share']:.2f} of its bound"
    )
    path.unlink()


def read_peak_gb() -> float:
    """Peak resident memory of this process; ``getrusage`` would count that of its parent too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def time_database(path: Path) -> dict[str, float]:
    """Only the reads and the writes of the pipeline."""
    import pyarrow as pa

    from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
    from lightning_kedro.datasets.granule_tables import GranuleTableDataset
    from lightning_kedro.pipelines.clustering.flashes import FLASH_COLUMNS
    from lightning_kedro.selection import Selection

    selection = Selection.from_plain(read_parameters()["selection"])
    start = time.perf_counter()
    flashes = GranuleTableDataset(path=str(path), table="flashes").load()
    flashes.read(selection, ["lat", "lon"])
    table = flashes.read(selection, list(FLASH_COLUMNS))
    n = table.num_rows
    table = table.append_column("flash_platform", table["platform"])
    for name, value in selection.key._asdict().items():
        if name != "platform":
            table = table.append_column(name, pa.repeat(pa.scalar(value), n))
    table = table.append_column("cluster", pa.array(np.zeros(n, dtype=np.int32)))
    for name in ("silhouette_coefficient", "silhouette_error_bound"):
        table = table.append_column(name, pa.array(np.zeros(n, dtype=np.float32)))
    DuckDBTableDataset(path=str(path), table="clustered_flashes").save(table)
    return {"seconds": time.perf_counter() - start}


def fit_once(n: int) -> dict[str, float]:
    """One plain fit of n flashes."""
    from sklearn.cluster import KMeans

    points = project(simulate_storms(n))
    return {"seconds": measure(lambda: KMeans(12, n_init=10, random_state=60).fit(points))}


def run_apart(task: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task in a process of its own, so that its peak of memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def run_database(n: int, folder: Path) -> tuple[Mapping[str, float], float]:
    """Cluster n flashes of a database: what it took, and what the reads and writes alone take."""
    path = folder / f"{n}.duckdb"
    run_apart(write_flashes, path, n)
    result = run_apart(cluster_database, path)
    database = run_apart(time_database, path)["seconds"]
    print(
        f"{n:>10,} flashes, table to stored result: {result['seconds']:6.2f} s "
        f"(DuckDB alone {database:.2f} s), peak {result['peak']:.2f} GB, "
        f"cells of {result['cell_size_km']:.1f} km, "
        f"inertia {100 * result['inertia_error']:+.3f} %, "
        f"silhouette {result['silhouette_error']:+.4f}"
    )
    path.unlink()
    return result, database


def compare_fits() -> None:
    """Print the inertia of our fits over the best of ten starts of scikit-learn."""
    from sklearn.cluster import KMeans

    from lightning_kedro.analysis.kmeans import fit_all

    data = {
        "storms, 3,000": simulate_storms(3000, 3, -125.0, -30.0),
        "storms across 180, 10,000": simulate_storms(10_000, 4),
        "noise, 3,000": scatter_noise(3000),
        "noise, 10,000": scatter_noise(10_000, 5),
        "8 blobs, 4,000": pack_blobs(4000, 6, 8, 0.05),
        "20 blobs, 4,000": pack_blobs(4000, 7, 20, 0.1),
        "40 blobs, 4,000": pack_blobs(4000, 8, 40, 0.5),
    }
    print("  inertia over the best of KMeans(n_init=10), k 2 to 23 (aim: mean 1.00, most 1.01):")
    for name, places in data.items():
        points = project(places)
        fits = fit_all(points, np.ones(len(points)), K_RANGE[-1], 60)
        ratios = [
            fit.inertia / KMeans(fit.n_clusters, n_init=10, random_state=0).fit(points).inertia_
            for fit in fits[1:]
        ]
        print(f"{name:>28}: mean {np.mean(ratios):.4f}, most {max(ratios):.4f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="add what takes minutes")
    full = parser.parse_args().full
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    run_ours(simulate_storms(2000), 2000)  # what is imported late is imported now
    compare_exact(10_000, repeats=3)
    if full:
        compare_exact(30_000, repeats=3)
    with tempfile.TemporaryDirectory() as folder:
        one, _ = run_database(1_000_000, Path(folder))
        plain = run_apart(fit_once, 1_000_000)["seconds"]
        print(
            f"{'':>10} one KMeans(n_clusters=12, n_init=10) of them: {plain:.1f} s; "
            f"ours takes {one['seconds'] / plain:.2f} x that (aim 2)"
        )
        if full:
            _, database = run_database(10_000_000, Path(folder))
            limit = 2.0 * one["seconds"] + database
            print(f"{'':>10} aim 2 x the 1,000,000 plus DuckDB: {limit:.1f} s")
        certify_database(1_000_000, Path(folder))
    show_curve([20_000, 50_000, 100_000, 300_000, 1_000_000] + [3_000_000] * full)
    if full:
        compare_fits()


if __name__ == "__main__":
    main()
