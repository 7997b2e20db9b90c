import numpy as np
import pytest

from lightning_kedro.analysis.rough import thin_points


def test_few_points_stay_as_they_are() -> None:
    points, weights = np.eye(3), np.ones(3)
    assert thin_points(points, weights, 3)[0] is points


@pytest.mark.parametrize("d", [1, 2, 4])
def test_weight_and_mean_are_kept(d: int) -> None:
    random = np.random.default_rng(d)
    points, weights = random.normal(size=(5000, d)), random.uniform(1.0, 3.0, 5000)
    few, masses = thin_points(points, weights, 300)
    assert 100 < len(few) <= 300
    assert masses.sum() == pytest.approx(weights.sum())
    assert np.average(few, axis=0, weights=masses) == pytest.approx(
        np.average(points, axis=0, weights=weights)
    )


def test_points_in_one_place_become_one() -> None:
    few, masses = thin_points(np.ones((10, 3)), np.ones(10), 4)
    assert few.tolist() == [[1.0, 1.0, 1.0]]
    assert masses.tolist() == [10.0]
