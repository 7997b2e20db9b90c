import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from tests.analysis.reference_inertias import find_inertias
from tests.repetitions import repeat
from threadpoolctl import threadpool_limits

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import KMeansFit, find_nearest, fit_all, merge_equal_points
from lightning_kedro.analysis.seeding import CenterSearch
from lightning_kedro.analysis.silhouette import silhouette_samples, silhouette_scores

K_MAX = 23


def fit(points: np.ndarray, k_max: int = K_MAX, **options: object) -> list[KMeansFit]:
    return fit_all(points, np.ones(len(points)), k_max, 60, **options)


def check_against_scikit_learn(
    points: np.ndarray, fits: list[KMeansFit], weights: np.ndarray | None = None
) -> None:
    """Every k at most 1 % worse than the best of ten starts, and the mean no worse at all."""
    expected = find_inertias(points, weights, len(fits))
    ratios = [fit.inertia / best for fit, best in zip(fits[1:], expected, strict=True)]
    assert max(ratios) <= 1.01
    assert np.mean(ratios) <= 1.0


def test_inertia_is_as_good_as_ten_starts_of_scikit_learn(
    points: np.ndarray, fits: list[KMeansFit]
) -> None:
    check_against_scikit_learn(points, fits)


@pytest.mark.parametrize("width", [1e-3, 1e-5])
def test_inertia_inside_blobs_of_metres_is_as_good(
    blobs: Callable[..., tuple], width: float
) -> None:
    points = FeatureSpace().project(*blobs(1200, 22, 3, width))
    check_against_scikit_learn(points, fit(points))


def test_inertia_of_many_even_flashes_is_as_good(noise: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*noise(10_000, 5))
    check_against_scikit_learn(points, fit(points))


def test_inertia_of_weighted_points_is_as_good(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(1500, 14))
    weights = np.random.default_rng(14).zipf(1.7, len(points)).clip(max=1000).astype(float)
    check_against_scikit_learn(points, fit_all(points, weights, K_MAX, 60), weights)


@pytest.mark.parametrize(
    "space", [FeatureSpace("degrees"), FeatureSpace(time_scale_km_per_hour=300.0)]
)
def test_inertia_in_other_spaces_is_as_good(
    storms: Callable[..., tuple], space: FeatureSpace
) -> None:
    hours = np.random.default_rng(15).uniform(0.0, 6.0, 1500)
    points = space.project(*storms(1500, 15), hours)
    check_against_scikit_learn(points, fit(points))


def test_fits_are_what_they_say(points: np.ndarray, fits: list[KMeansFit]) -> None:
    assert [each.n_clusters for each in fits] == list(range(1, K_MAX + 1))
    for each in fits:
        assert np.array_equal(np.unique(each.labels), np.arange(each.n_clusters))
        assert np.array_equal(each.labels, pairwise_distances(points, each.centers).argmin(axis=1))
        by_hand = ((points - each.centers[each.labels]) ** 2).sum()
        assert each.inertia == pytest.approx(by_hand, rel=1e-9)
        means = [points[each.labels == label].mean(axis=0) for label in range(each.n_clusters)]
        assert each.centers == pytest.approx(np.array(means), abs=1e-6)


def test_inertia_falls_with_every_k(fits: list[KMeansFit]) -> None:
    assert (np.diff([each.inertia for each in fits]) < 0).all()


def test_inertia_falls_until_every_point_is_a_cluster() -> None:
    points = np.random.default_rng(5).normal(size=(12, 3))
    inertia = [each.inertia for each in fit(points, 11)]
    assert (np.diff(inertia) < 0).all()
    nearest = pairwise_distances(points)[~np.eye(12, dtype=bool)].min()
    assert inertia[-1] == pytest.approx(nearest**2 / 2)


def test_far_blobs_of_neighbours_are_taken_apart() -> None:
    # So far apart that the thinned points cannot tell neighbours from each other.
    random = np.random.default_rng(6)
    blobs = np.repeat([[0.0, 0.0], [1e7, 0.0], [0.0, 1e7]], 600, axis=0)
    points = blobs + random.normal(0.0, 1e-3, (1800, 2))
    fits = fit(points, 8)
    assert (np.diff([each.inertia for each in fits]) < 0).all()
    assert fits[2].inertia < 1.0


def test_threads_do_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(3000))
    one, many = fit(points, n_threads=1), fit(points, n_threads=4)
    for a, b in zip(one, many, strict=True):
        assert a.inertia == b.inertia
        assert a.centers.tobytes() == b.centers.tobytes()
        assert a.labels.tobytes() == b.labels.tobytes()


def test_threads_of_libraries_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only from some 12,000 points on do the libraries share out the work.
    random = np.random.default_rng(4)
    places = random.uniform(-40, 40, 12000), random.uniform(-120, -40, 12000)
    points, weights = FeatureSpace().project(*places), np.ones(12000)
    search = CenterSearch.run
    digests = set()
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            searched = fit(points, 8)
            # Where the search has nothing for a k, its fit comes from the k before: another path.
            monkeypatch.setattr(
                CenterSearch,
                "run",
                lambda *args: [
                    starts if k <= 4 else [] for k, starts in enumerate(search(*args), start=1)
                ],
            )
            fallen_back = fit(points, 8)
            monkeypatch.setattr(CenterSearch, "run", search)
            labels = [searched[1].labels, searched[-1].labels]
            samples = silhouette_samples(points, weights, labels)
        digests.add((digest_of(searched), digest_of(fallen_back), samples.tobytes()))
    ((one, other, _),) = digests
    assert one != other


def digest_of(fits: list[KMeansFit]) -> str:
    digest = hashlib.sha256()
    for each in fits:
        digest.update(each.centers.tobytes() + each.labels.tobytes())
        digest.update(np.float64(each.inertia).tobytes())
    return digest.hexdigest()


def test_order_of_points_does_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(2000))
    order = np.random.default_rng(1).permutation(len(points))
    for a, b in zip(fit(points, 9), fit(points[order], 9), strict=True):
        assert a.centers.tobytes() == b.centers.tobytes()
        assert np.array_equal(a.labels[order], b.labels)


@settings(deadline=None, max_examples=repeat(5, 15))
@given(st.integers(0, 2**32 - 1))
def test_weight_of_three_equals_three_equal_points(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(40, 3)) * 100.0
    weights = random.integers(1, 4, 40)
    merged = fit_all(points, weights.astype(float), 6, 60)
    split = fit_all(np.repeat(points, weights, axis=0), np.ones(weights.sum()), 6, 60)
    for a, b in zip(merged, split, strict=True):
        assert a.centers.tobytes() == b.centers.tobytes()
        assert a.inertia == b.inertia
        assert np.array_equal(np.repeat(a.labels, weights), b.labels)


@settings(deadline=None, max_examples=repeat(4, 10))
@given(st.integers(0, 2**32 - 1))
def test_rotating_the_sphere_rotates_the_result(seed: int) -> None:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(-40, 40, 6)[:, None], random.uniform(-120, -40, 6)[:, None]
    spread = random.normal(0.0, 0.5, (2, 6, 20))
    points = FeatureSpace().project((lat + spread[0]).ravel(), (lon + spread[1]).ravel())
    turn = Rotation.random(rng=random)
    for a, b in zip(fit(points, 6), fit(turn.apply(points), 6), strict=True):
        assert b.inertia == pytest.approx(a.inertia, rel=1e-6)
        assert adjusted_rand_score(a.labels, b.labels) == pytest.approx(1.0)
        turned = turn.apply(a.centers)
        assert cdist(turned, b.centers).min(axis=1) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(("kind", "seed"), [("storms", 8), ("noise", 3), ("one storm", 3)])
def test_cells_lose_next_to_nothing_of_thousands_of_flashes(
    storms: Callable[..., tuple], noise: Callable[..., tuple], kind: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    n = repeat(9_000, 30_000)
    lat, lon = {
        "storms": lambda: storms(n, seed),
        "noise": lambda: noise(n, seed),
        "one storm": lambda: tuple(random.normal([[10.0], [-80.0]], 0.4, (2, n))),
    }[kind]()
    points = FeatureSpace().project(lat, lon)
    features = make_features(FeatureSpace(), lat, lon, None, max_cells=2 * n // 3)
    merged = fit_all(features.points, features.weights, 12, 60)
    for a, b in zip(merged, fit(points, 12), strict=True):
        _, squared = find_nearest(points, a.centers)
        assert squared.sum() <= 1.005 * b.inertia
        assert a.inertia + features.scatter.sum() == pytest.approx(squared.sum(), rel=0.005)
    # The same clusters, scored on cells and flash by flash: of some k, as each looks at all pairs.
    scored = merged[1::5]
    cells = silhouette_scores(
        features.points,
        features.weights,
        [each.labels for each in scored],
        features.scatter,
    )
    of_flashes = [find_nearest(points, each.centers)[0] for each in scored]
    exact = silhouette_scores(points, np.ones(len(points)), of_flashes)
    assert np.abs(cells - exact).max() <= 0.005


def test_points_that_straddle_180_are_one_cluster() -> None:
    random = np.random.default_rng(7)
    lon = np.concatenate([random.normal(180.0, 1.0, 200), random.normal(-90.0, 1.0, 200)])
    points = FeatureSpace().project(random.normal(0.0, 1.0, 400), (lon + 180.0) % 360.0 - 180.0)
    two = fit(points, 2)[1]
    assert np.unique(two.labels[:200]).size == np.unique(two.labels[200:]).size == 1


def test_nearest_of_equally_near_centers_is_the_first() -> None:
    labels, squared = find_nearest(np.array([[0.0]]), np.array([[2.0], [-1.0], [1.0]]))
    assert labels.tolist() == [1]
    assert squared.tolist() == [1.0]


def test_equal_points_are_merged() -> None:
    points = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0]])
    distinct, weights, index = merge_equal_points(points, np.array([1.0, 2.0, 4.0]))
    assert distinct.tolist() == [[0.0, 5.0], [1.0, 2.0]]
    assert weights.tolist() == [2.0, 5.0]
    assert index.tolist() == [1, 0, 1]
