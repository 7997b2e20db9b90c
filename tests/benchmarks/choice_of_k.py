"""Which criterion finds the planted number of clusters: ``python -m tests.benchmarks.choice_of_k``.

Planted blobs of known number, noise without any, and hours of the simulated archive, whose true
storms are many more than any k here: of those it prints what each criterion takes, and how well
these clusters agree with the storms (adjusted Rand index). The thresholds of the multiscale
criterion were chosen on seeds 0 to 49; 1000 to 2099 have been looked at since, and 3000 to 3099 are
what docs/choice_of_k.md counts. Give others with ``--first``.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tests.planted import Planted, plant_blobs, scatter_noise

K_MAX = 23
HARD = {"spread_ratio": 4.0, "size_ratio": 20.0}
HOURS = (
    ("G18", "2024-07-14T22:00"),
    ("G19", "2024-07-14T22:00"),
    ("G16", "2024-07-03T04:00"),
    ("G17", "2024-07-20T18:00"),
    ("G18", "2024-07-14T10:00"),
    ("G19", "2024-07-01T00:00"),
)


def choose_by_all(lat: npt.ArrayLike, lon: npt.ArrayLike) -> dict[str, Any]:
    """The k that each criterion takes (0: no scale is supported), the fits, and the times."""
    from lightning_kedro.analysis.bic import measure_bic
    from lightning_kedro.analysis.features import FeatureSpace, make_features
    from lightning_kedro.analysis.kmeans import fit_all
    from lightning_kedro.analysis.recommendation import MULTISCALE, recommend_k
    from lightning_kedro.analysis.resampling import resample_partitions
    from lightning_kedro.analysis.scales import LEAST_STABILITY
    from lightning_kedro.analysis.silhouette import silhouette_scores
    from lightning_kedro.analysis.sums import sum_groups

    features = make_features(FeatureSpace(), np.asarray(lat), np.asarray(lon), None, 20_000)
    points, weights, scatter = features.points, features.weights, features.scatter
    times = [time.process_time()]
    fits = fit_all(points, weights, K_MAX, 60)
    times.append(time.process_time())
    partitions = [fit.labels for fit in fits[1:]]
    found = silhouette_scores(points, weights, partitions, scatter)
    times.append(time.process_time())
    resampled = resample_partitions(points, weights, K_MAX, 60, 2)
    times.append(time.process_time())
    scores = {fit.n_clusters: float(score) for fit, score in zip(fits[1:], found, strict=True)}
    inertia = {fit.n_clusters: fit.inertia + float(scatter.sum()) for fit in fits}
    choice = recommend_k(scores, inertia, MULTISCALE, None, resampled, features.n_flashes)
    ratios = {c.k: c.calinski_harabasz or 0.0 for c in choice.candidates}
    bic = {}
    for fit in fits[1:]:
        squares = weights * ((points - fit.centers[fit.labels]) ** 2).sum(axis=1) + scatter
        groups = [sum_groups(fit.labels, values, fit.n_clusters) for values in (weights, squares)]
        bic[fit.n_clusters] = measure_bic(groups[0], groups[1], 2)
    stable = [k for k, value in resampled.stability.items() if value >= LEAST_STABILITY]
    chosen = {
        "silhouette": choice.k_silhouette,
        "elbow (Kneedle)": choice.k_elbow or 0,
        "variance ratio": max(ratios, key=ratios.__getitem__),
        "BIC, all flashes": max(bic, key=bic.__getitem__),
        "BIC, samples": max(resampled.bic_gain, key=resampled.bic_gain.__getitem__),
        "stability": max(stable, default=0),
        "multiscale": choice.k if choice.criterion == MULTISCALE else 0,
    }
    return {"chosen": chosen, "fits": fits, "index": features.index, "times": np.diff(times)}


def try_planted(make: Callable[[int], Planted], seed: int) -> tuple[Planted, dict[str, int], Any]:
    """Make a set and let all criteria choose."""
    planted = make(seed)
    result = choose_by_all(planted.lat, planted.lon)
    return planted, result["chosen"], result["times"]


def compare(name: str, make: Callable[[int], Planted], seeds: range, processes: int) -> None:
    """Print how often each criterion finds the truth."""
    hits: Mapping[str, list[bool]] = defaultdict(list)
    times, missed = [], []
    with ProcessPoolExecutor(processes) as pool:
        for planted, chosen, mine in pool.map(partial(try_planted, make), seeds):
            times.append(mine)
            for criterion, k in chosen.items():
                # On noise a criterion is right that takes no k, or a single cluster.
                hits[criterion].append(k == planted.n_blobs or max(k, planted.n_blobs) == 1)
            if chosen["multiscale"] != planted.n_blobs:
                missed.append(f"{planted.kind}: {chosen['multiscale']}")
    print(f"{name}, seeds {seeds[0]} to {seeds[-1]}:")
    for criterion, found in hits.items():
        print(f"{criterion:>20}: {sum(found):4d} of {len(found)}")
    fit, score, sample = np.median(times, axis=0)
    print(
        f"{'processor time':>20}: fits {fit:.2f} s, silhouettes {score:.2f}, samples {sample:.2f}"
    )
    for text in missed:
        print(f"{'missed':>20}: {text}", flush=True)


def show_hour(platform: str, hour: str) -> None:
    """Print what each criterion takes in an hour of the simulated archive."""
    from sklearn.metrics import adjusted_rand_score

    from lightning_kedro.simulation.observation import observe_hour

    observed = observe_hour(platform, datetime.fromisoformat(hour).replace(tzinfo=UTC), 60)
    flashes = observed.content.flashes
    result = choose_by_all(flashes.lat, flashes.lon)
    storms = observed.storm >= 0
    fit, score, sample = result["times"]
    print(
        f"{platform} {hour}: {len(storms):,} flashes, {len(np.unique(observed.storm[storms]))} "
        f"storms; processor time: fits {fit:.2f} s, silhouettes {score:.2f}, samples {sample:.2f}"
    )
    for criterion, k in result["chosen"].items():
        if k:
            labels = result["fits"][k - 1].labels[result["index"]]
            agreement = adjusted_rand_score(observed.storm[storms], labels[storms])
            print(
                f"{criterion:>20}: k = {k:2d}, agrees with the storms {agreement:.3f}", flush=True
            )
        else:
            print(f"{criterion:>20}: none")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="sets of each kind")
    parser.add_argument("--first", type=int, default=3000, help="first seed")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", choices=("planted", "small", "hard", "noise", "hours"))
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.cases)
    sets = {
        "planted": ("5 to 15 planted blobs", plant_blobs),
        "small": ("5 to 15 planted blobs of 20 flashes or so", partial(plant_blobs, n_flashes=240)),
        "hard": ("blobs of very different sizes", partial(plant_blobs, **HARD)),
        "noise": ("noise (truth: nothing is supported)", scatter_noise),
    }
    for key, (name, make) in sets.items():
        if given.only in (None, key):
            compare(name, make, seeds, given.processes)
    if given.only in (None, "hours"):
        for platform, hour in HOURS:
            show_hour(platform, hour)


if __name__ == "__main__":
    main()
