"""Silhouettes with bounds: never further off than they say, and never more than 1e-4."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from tests.repetitions import repeat

from lightning_kedro.analysis.certified_silhouette import (
    LARGEST_BOUND,
    bound_exact,
    certify_silhouettes,
)
from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.kmeans import find_nearest, fit_all
from lightning_kedro.analysis.silhouette import silhouette_samples

N = 2000


def check(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compare every point with the sums over all others; give the bounds."""
    points = np.asarray(points, dtype=np.float64)
    found = certify_silhouettes(points, labels)
    present = np.unique(labels, return_inverse=True)[1]
    exact = silhouette_samples(points, np.ones(len(points)), [present])[0]
    errors = np.abs(found.coefficients - exact)
    assert (errors <= found.bounds + bound_exact(len(points))).all()
    assert found.bounds.max() <= LARGEST_BOUND
    assert (found.bounds >= 0.0).all()
    return found.bounds


def partition(points: np.ndarray, k: int) -> np.ndarray:
    fit = fit_all(points[::7], np.ones(len(points[::7])), k, 60)[-1]
    return find_nearest(points, fit.centers)[0]


@pytest.mark.parametrize("k", [2, 12])
@pytest.mark.parametrize("west", [-125.0, -200.0], ids=["Americas", "across 180"])
def test_storms_are_scored_as_by_brute_force(
    storms: Callable[..., tuple], k: int, west: float
) -> None:
    points = FeatureSpace().project(*storms(5000, seed=5, west=west, east=west + 95.0))
    bounds = check(points, partition(points, k))
    assert bounds.max() > 1e-6, "something was expanded"


def test_noise_is_scored_as_by_brute_force(noise: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*noise(5000))
    check(points, partition(points, 5))


@pytest.mark.parametrize("coordinates", ["sphere", "degrees"])
def test_time_is_one_more_dimension(storms: Callable[..., tuple], coordinates: str) -> None:
    space = FeatureSpace(coordinates, time_scale_km_per_hour=50.0)
    points = space.project(*storms(4000), np.linspace(0.0, 3.0, 4000))
    check(points, partition(points, 4))


def test_scores_equal_scikit_learn(blobs: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*blobs(4000))
    labels = partition(points, 9)
    found = certify_silhouettes(points, labels).coefficients
    assert found == pytest.approx(metrics.silhouette_samples(points, labels), abs=1e-4)


RANDOM = np.random.default_rng(7)
HALVES = np.arange(N) * 2 // N
PLANE = RANDOM.uniform(size=(N, 2))
CLUMP = np.concatenate([RANDOM.normal(size=(N - 2, 3)) * 1e-6 + 6000.0, [[-6e3] * 3, [-6e3, 1, 0]]])
ADVERSARIES = {
    "all in one place": (np.full((N, 3), 6371.0088 / 3.0), RANDOM.integers(3, size=N)),
    "two places, one each": (np.repeat([[1.0, 2.0], [1.0, 2.0001]], N // 2, axis=0), HALVES),
    "two places, mixed": (np.repeat([[1.0, 2.0], [1.0, 2.1]], N // 2, axis=0), np.arange(N) % 3),
    "few places, many times": (RANDOM.integers(0, 6, size=(N, 2)), RANDOM.integers(3, size=N)),
    "touching": (PLANE, (PLANE[:, 0] > 0.5).astype(int)),
    "upon each other": (PLANE, np.arange(N) % 2),
    "in a line": (np.outer(np.sort(RANDOM.uniform(size=N)), [1.0, 2.0, 3.0]), HALVES),
    "in a line, mixed": (np.outer(RANDOM.uniform(size=N), [1.0, 2.0, 3.0]), np.arange(N) % 2),
    "a line of one dimension": (RANDOM.normal(size=(N, 1)), RANDOM.integers(2, size=N)),
    "clusters of one": (PLANE, np.maximum(np.arange(N) - N + 60, 0)),
    "clusters of two": (PLANE, np.maximum(np.arange(N) - N + 60, 0) // 2),
    "all in one cell, two far away": (CLUMP, np.maximum(np.arange(N) - N + 3, 0)),
    "halves of a cell, two far away": (CLUMP, np.where(np.arange(N) < N - 2, HALVES, 2)),
    "heavy tails": (RANDOM.standard_cauchy(size=(N, 2)), RANDOM.integers(3, size=N)),
    "every scale": (
        np.exp(RANDOM.uniform(-40.0, 5.0, size=(N, 1))) * RANDOM.normal(size=(N, 3)),
        np.arange(N) % 2,
    ),
    "too small for powers": (RANDOM.normal(size=(N, 2)) * 1e-60, HALVES),
    "very large": (RANDOM.normal(size=(N, 2)) * 1e40, HALVES),
    "far from the origin": (PLANE * 1e-3 + 6371.0, (PLANE[:, 1] > 0.3).astype(int)),
    "labels with gaps": (PLANE, 5 * (PLANE[:, 0] > 0.2) + 2),
    "two points": (PLANE[:2], np.array([0, 1])),
}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_bound_holds_for(name: str) -> None:
    check(*ADVERSARIES[name])


@settings(deadline=None, max_examples=repeat(10, 25))
@given(
    seed=st.integers(0, 2**32 - 1),
    n_dimensions=st.integers(1, 4),
    n=st.integers(2, 600),
    k=st.integers(2, 6),
    skew=st.floats(0.0, 4.0),
    grid=st.sampled_from([0.0, 0.01, 1.0]),
    is_apart=st.booleans(),
)
def test_bound_always_holds(
    seed: int, n_dimensions: int, n: int, k: int, skew: float, grid: float, *, is_apart: bool
) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], random.integers(k, size=n - 2)])
    points = random.normal(size=(n, n_dimensions)) * np.exp(skew * random.normal(size=(n, 1)))
    points += is_apart * labels[:, np.newaxis] * 10.0 ** random.uniform(-2, 3)
    points = np.round(points / grid) * grid if grid else points
    check(points, labels)


def test_point_alone_in_its_cluster_has_zero() -> None:
    found = certify_silhouettes(np.array([[0.0], [1.0], [10.0]]), np.array([0, 0, 1]))
    assert found.coefficients == pytest.approx([0.9, 1.0 - 1.0 / 9.0, 0.0])
    assert found.bounds[2] == 0.0


def test_single_cluster_has_none() -> None:
    found = certify_silhouettes(PLANE, np.zeros(N, dtype=int))
    assert np.isnan(found.coefficients).all()
    assert np.isnan(found.bounds).all()


def test_threads_do_not_change_a_bit(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(8000))
    labels = partition(points, 5)
    one, many = (certify_silhouettes(points, labels, n_threads=n) for n in (1, 4))
    assert one.coefficients.tobytes() == many.coefficients.tobytes()
    assert one.bounds.tobytes() == many.bounds.tobytes()


def test_order_of_points_does_not_matter_beyond_the_bound(storms: Callable[..., tuple]) -> None:
    points = FeatureSpace().project(*storms(5000))
    labels = partition(points, 5)
    order = np.random.default_rng(0).permutation(5000)
    here, there = (
        certify_silhouettes(points, labels),
        certify_silhouettes(points[order], labels[order]),
    )
    gaps = np.abs(here.coefficients[order] - there.coefficients)
    assert (gaps <= here.bounds[order] + there.bounds).all()


def test_exact_sums_are_within_the_bound_of_their_rounding() -> None:
    points = RANDOM.normal(size=(300, 3))
    labels = np.arange(300) % 4
    wide = points.astype(np.longdouble)
    distances = np.sqrt(((wide[:, None] - wide) ** 2).sum(axis=2))
    sums = np.stack([distances[:, labels == number].sum(axis=1) for number in range(4)])
    at = (labels, np.arange(300))
    within = sums[at] / 74.0
    sums /= 75.0
    sums[at] = np.inf
    beyond = sums.min(axis=0)
    truth = (beyond - within) / np.maximum(within, beyond)
    ours = silhouette_samples(points, np.ones(300), [labels])[0]
    assert np.abs(ours - truth).max() <= bound_exact(300) < 1e-11
