import copy

import numpy as np
import pytest
from tests.planted import Planted, plant_blobs, scatter_noise

from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.resampling import Resampled, resample_partitions


def resample(planted: Planted, k_max: int = 10, **options: int) -> Resampled:
    points = FeatureSpace().project(planted.lat, planted.lon)
    return resample_partitions(points, np.ones(len(points)), k_max, 60, 2, **options)


def test_planted_clusters_are_found_again_and_have_the_highest_bic() -> None:
    found = resample(plant_blobs(1, n_blobs=6, n_flashes=400, background=0.05))
    assert found.stability[6] == pytest.approx(1.0, abs=0.01)
    assert found.stability[9] < 0.95
    assert max(found.bic_gain, key=found.bic_gain.__getitem__) == 6
    assert max(found.silhouette, key=found.silhouette.__getitem__) == 6
    assert found.bic_gain[1] == 0.0
    assert min(found.silhouette) == 2


def test_isolated_flashes_are_left_out() -> None:
    assert resample(plant_blobs(1, n_flashes=400, background=0.1)).isolated_share == pytest.approx(
        0.09, abs=0.03
    )
    assert resample(scatter_noise(1, "square", 400)).isolated_share < 0.01


def test_noise_is_not_found_again_and_has_no_better_bic() -> None:
    found = resample(scatter_noise(2, "disc", 500))
    assert np.mean([*found.stability.values()][1:]) < 0.8
    assert max(found.bic_gain, key=found.bic_gain.__getitem__) == 1


def test_scores_do_not_depend_on_threads() -> None:
    planted = plant_blobs(3, n_flashes=300)
    assert resample(planted, n_threads=1).stability == resample(planted, n_threads=4).stability


def test_weights_count_as_flashes() -> None:
    planted = plant_blobs(1, n_blobs=5, n_flashes=300, background=0.0)
    points = FeatureSpace().project(planted.lat, planted.lon)
    found = resample_partitions(points, np.full(len(points), 50.0), 8, 60, 2)
    assert found.n_flashes == pytest.approx(600, abs=10), "halves of a sample of all flashes"
    assert found.stability[5] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 12])
def test_few_flashes_give_what_they_can(n: int) -> None:
    points = np.random.default_rng(0).normal(size=(n, 3))
    found = resample_partitions(points, np.ones(n), 10, 60, 2)
    assert all(k < n for k in found.stability)
    assert all(-1.0 <= value <= 1.0 for value in found.stability.values())


def test_flashes_at_few_places_give_what_they_can() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0], [51.0, 3.0]])
    found = resample_partitions(points, np.array([500.0, 400.0, 300.0, 2.0]), 3, 60, 2)
    assert set(found.stability) >= {1, 2}
    assert found.stability[2] == 1.0


def test_scores_are_never_copied() -> None:
    found = resample(plant_blobs(1, n_flashes=300), 3)
    assert copy.deepcopy(found) is found
