import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lightning_kedro.analysis.bic import measure_bic


def test_bic_is_that_of_round_normal_clusters() -> None:
    random = np.random.default_rng(0)
    clusters = [random.normal(0.0, 1.0, (30, 2)), random.normal(9.0, 3.0, (70, 2))]
    squares = np.array([((points - points.mean(axis=0)) ** 2).sum() for points in clusters])
    likelihood = 0.0
    for points, sum_of_squares in zip(clusters, squares, strict=True):
        variance = sum_of_squares / (2 * len(points))
        normal = multivariate_normal(points.mean(axis=0), variance * np.eye(2))
        likelihood += normal.logpdf(points).sum() + len(points) * np.log(len(points) / 100)
    # One share is free, two centers have two coordinates each, and there are two variances.
    expected = 2.0 * likelihood - 7 * np.log(100)
    assert measure_bic(np.array([30.0, 70.0]), squares, 2) == pytest.approx(expected)


def test_unit_shifts_every_bic_alike() -> None:
    sizes, squares = np.array([20.0, 30.0]), np.array([11.0, 70.0])
    one, whole = np.array([50.0]), np.array([400.0])
    gain = measure_bic(sizes, squares, 2) - measure_bic(one, whole, 2)
    in_meters = measure_bic(sizes, squares * 1e6, 2) - measure_bic(one, whole * 1e6, 2)
    assert in_meters == pytest.approx(gain)


def test_cluster_of_one_flash_does_not_win_without_bound() -> None:
    before = measure_bic(np.array([50.0, 50.0]), np.array([100.0, 100.0]), 2)
    after = measure_bic(np.array([50.0, 49.0, 1.0]), np.array([100.0, 90.0, 0.0]), 2)
    assert np.isfinite(after)
    assert after < before


def test_empty_cluster_costs_its_parameters() -> None:
    sizes, squares = np.array([50.0, 50.0]), np.array([100.0, 100.0])
    loss = measure_bic(sizes, squares, 2) - measure_bic(
        np.append(sizes, 0.0), np.append(squares, 0.0), 2
    )
    assert loss == pytest.approx(4 * np.log(100))


def test_flashes_that_all_coincide_have_none() -> None:
    assert np.isnan(measure_bic(np.array([5.0, 5.0]), np.zeros(2), 2))
