"""What could tell touching storms apart: ``python tests/benchmarks/storms_bound.py``.

Hours that are looked at alone score worse where storms touch from the first. Here each hour is cut
into the basins of the density of its flashes, finer than storms are, and two things are asked: how
good labels would be if someone who knows the truth put basins, or the storms that are found,
together (an upper bound); and how well what can be measured of two touching basins says whether
they are of one storm. Rules are fitted on some hours and judged on others.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from storms import (
    UNSEEN_HOURS,
    Case,
    Flashes,
    FloatArray,
    IntArray,
    list_hours,
    run_tracked,
    simulate,
)

RATIO = 1.25
"""A basin's peak is so many times as high as the saddle to a higher one, or is a part of that."""

LINK_KM = 15.0
LEAST_FLASHES = 40
"""Basins with fewer flashes are not asked about."""

MEASURES = (
    "peak over saddle",
    "distance",
    "flashes of the lesser one",
    "difference of velocity",
    "the same in its errors",
    "correlation of rates",
)
RULES = {
    "density": (0, 1, 2),
    "density and motion": (0, 1, 2, 3, 4),
    "all, rates too": (0, 1, 2, 3, 4, 5),
}


def find_basins(heights: FloatArray, first: IntArray, second: IntArray) -> IntArray:
    """Basins of pixels by their peaks: ToMATo (Chazal et al. 2013, doi:10.1145/2535927).

    Args:
        heights: Density at each pixel, shape (n,).
        first: Pixels, shape (pairs,).
        second: Pixels near these, shape (pairs,); each pair both ways.

    Returns:
        The basin of each pixel, shape (n,), from 0.
    """
    about: list[list[int]] = [[] for _ in heights]
    for one, two in zip(first.tolist(), second.tolist(), strict=True):
        about[one].append(two)
    root = np.full(heights.size, -1)

    def find(pixel: int) -> int:
        while root[pixel] != pixel:
            root[pixel] = root[root[pixel]]
            pixel = int(root[pixel])
        return pixel

    for pixel in np.argsort(-heights, kind="stable").tolist():
        higher = [other for other in about[pixel] if root[other] >= 0]
        root[pixel] = pixel
        if not higher:
            continue
        roots = sorted({find(other) for other in higher}, key=lambda peak: -heights[peak])
        root[pixel] = find(max(higher, key=lambda other: heights[other]))
        for peak in roots[1:]:
            if heights[peak] < RATIO * heights[pixel]:
                root[peak] = roots[0]
    return np.unique([find(pixel) for pixel in range(heights.size)], return_inverse=True)[1]


def measure_velocity(points: FloatArray, minutes: FloatArray) -> tuple[FloatArray, float]:
    """Velocity of flashes, km/min, shape (3,), and the square of its error."""
    time = minutes - minutes.mean()
    offsets = points - points.mean(axis=0)
    spread = float((time**2).sum())
    velocity = time @ offsets / spread
    scatter = ((offsets - np.outer(time, velocity)) ** 2).sum() / (2.0 * time.size)
    return velocity, float(scatter / spread)


def compare_pair(points: FloatArray, minutes: FloatArray, one: Any, two: Any) -> list[float]:
    """What can be measured of two basins but their density."""
    places = [points[mine].mean(axis=0) for mine in (one, two)]
    (first, error), (second, other) = (
        measure_velocity(points[mine], minutes[mine]) for mine in (one, two)
    )
    change = float(np.linalg.norm(first - second))
    rates = [np.sqrt(np.histogram(minutes[mine], 12, (0.0, 60.0))[0]) for mine in (one, two)]
    alike = np.corrcoef(*rates)[0, 1]
    return [
        float(np.linalg.norm(places[0] - places[1])),
        float(np.log(min(one.sum(), two.sum()))),
        change,
        change / np.sqrt(error + other),
        0.0 if np.isnan(alike) else float(alike),
    ]


def label_by_truth(pieces: IntArray, storm: IntArray) -> IntArray:
    """The commonest true storm of each piece's flashes, shape (n,)."""
    votes = np.zeros((pieces.max() + 1, storm.max() + 1))
    np.add.at(votes, (pieces, storm), 1)
    return np.asarray(votes.argmax(axis=1)[pieces])


class Basins(NamedTuple):
    """The basins of some flashes.

    Attributes:
        of_flash: The basin of each flash, shape (n,).
        of_pixel: The basin of each pixel that has flashes, shape (pixels,).
        heights: Density at each pixel, shape (pixels,).
        ends: Pixels near each other, each pair both ways, shape (2, pairs).
    """

    of_flash: IntArray
    of_pixel: IntArray
    heights: FloatArray
    ends: IntArray


def cut(lat: FloatArray, lon: FloatArray) -> Basins:
    """Cut flashes into basins."""
    from lightning_kedro.analysis.storms.pixels import PixelGrid, number_keys

    grid = PixelGrid(LINK_KM * np.sqrt(0.5))
    keys, counts, pixel = number_keys(grid.find_keys(lat, lon))
    near, centers = grid.find_near(keys, LINK_KM), grid.find_centers(keys)
    squares = ((centers[near.first] - centers[near.second]) ** 2).sum(axis=1)
    weights = np.exp(-2.0 * squares / LINK_KM**2) * counts[near.second]
    heights = np.bincount(near.first, weights, keys.size) + counts
    of_pixel = find_basins(heights, near.first, near.second)
    return Basins(of_pixel[pixel], of_pixel, heights, np.stack([near.first, near.second]))


def examine(case: Case) -> tuple[list[float], list[list[float]]]:
    """Score an hour as found and with the truth's help; and measure its touching basins."""
    from sklearn.metrics import adjusted_rand_score

    flashes: Flashes = simulate(case)
    labels = run_tracked(flashes)
    kept = np.flatnonzero(labels >= 0)
    basins = cut(flashes.lat[kept], flashes.lon[kept])
    storm = np.unique(flashes.storm, return_inverse=True)[1][kept]
    of_basin = label_by_truth(basins.of_flash, storm)
    scores = []
    for mine in (labels[kept], label_by_truth(labels[kept], storm), of_basin):
        both = labels.copy()
        both[kept] = mine
        scores.append(float(adjusted_rand_score(flashes.storm, both)))
    true = np.zeros(basins.of_pixel.max() + 1, dtype=np.int64)
    true[basins.of_flash] = of_basin
    some = Flashes(*(values[kept] for values in vars(flashes).values()))
    return scores, measure_pairs(some, basins, true)


def measure_pairs(flashes: Flashes, basins: Basins, true: IntArray) -> list[list[float]]:
    """What can be measured of touching basins, and whether they are of one storm."""
    from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, to_unit_vectors

    points = EARTH_RADIUS_KM * to_unit_vectors(flashes.lat, flashes.lon)
    minutes = flashes.minutes - flashes.minutes[0]
    ends, heights = basins.of_pixel[basins.ends], basins.heights
    rows = []
    for one, two in np.unique(ends[:, ends[0] < ends[1]], axis=1).T.tolist():
        masks = [basins.of_flash == one, basins.of_flash == two]
        if min(mask.sum() for mask in masks) < LEAST_FLASHES:
            continue
        border = basins.ends[:, (ends[0] == one) & (ends[1] == two)]
        saddle = heights[border].min(axis=0).max()
        peak = min(heights[basins.of_pixel == basin].max() for basin in (one, two))
        measured = compare_pair(points, minutes, *masks)
        rows.append([float(np.log(peak / saddle)), *measured, float(true[one] == true[two])])
    return rows


def examine_all(title: str, cases: Sequence[Case]) -> FloatArray:
    """Print the scores of some hours, and give the measures of their touching basins."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        scores, rows = zip(*pool.map(examine, cases), strict=True)
    print(f"{title}: {len(cases)} hours, ARI mean, least, below 0.90:")
    names = ("as found", "found storms put together by truth", "basins put together by truth")
    for name, values in zip(names, np.array(scores).T, strict=True):
        print(f"  {name:36s} {values.mean():.3f}  {values.min():.3f}  {(values < 0.9).sum():2d}")
    return np.array([row for each in rows for row in each])


def main() -> None:
    """Print it all."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = examine_all("Fitted on", list_hours())
    judged = examine_all("Judged on", UNSEEN_HOURS)
    same = judged[:, -1]
    print(f"{len(judged)} pairs of touching basins, {same.mean():.3f} of one storm")
    for number, name in enumerate(MEASURES):
        area = roc_auc_score(same, judged[:, number])
        print(f"  {name:28s} area under the ROC curve {max(area, 1.0 - area):.2f}")
    for name, columns in RULES.items():
        rule = make_pipeline(StandardScaler(), LogisticRegression())
        rule.fit(fitted[:, columns], fitted[:, -1])
        right = rule.predict(judged[:, columns]) == same
        print(f"  rule of {name:28s} right {right.mean():.3f}; always one storm {same.mean():.3f}")


if __name__ == "__main__":
    main()
