import numpy as np
import pytest
from tests.planted import NOISE_KINDS, Planted, plant_blobs, scatter_noise

from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.kmeans import fit_all
from lightning_kedro.analysis.recommendation import Recommendation, recommend_k
from lightning_kedro.analysis.resampling import Resampled, resample_partitions
from lightning_kedro.analysis.silhouette import silhouette_scores

INERTIA = {k: 100.0 / k**2 for k in range(1, 9)}  # elbow at 2
SCORES = {2: 0.3, 3: 0.4, 4: 0.7, 5: 0.7, 6: 0.5}
STRAIGHT = {k: 100.0 - k for k in range(1, 9)}


def test_silhouette_takes_the_k_not_its_index() -> None:
    choice = recommend_k(SCORES, INERTIA, "silhouette", None)
    assert (choice.k, choice.criterion, choice.at_range_end) == (4, "silhouette", False)
    assert (choice.k_silhouette, choice.k_elbow) == (4, 2)
    assert choice.reason == (
        "the silhouette is highest, 0.7000, at k = 4; the inertia has its elbow at k = 2"
    )


def test_elbow_decides_when_asked_to() -> None:
    choice = recommend_k(SCORES, INERTIA, "elbow", None)
    assert (choice.k, choice.criterion) == (2, "elbow")
    assert choice.at_range_end
    assert choice.reason.endswith("k = 2 is an end of the range 2 to 6")


def test_elbow_below_the_range_counts_as_its_end() -> None:
    choice = recommend_k(dict.fromkeys(range(4, 9), 0.1), INERTIA, "elbow", None)
    assert (choice.k, choice.k_elbow, choice.at_range_end) == (4, 2, True)


def test_silhouette_decides_where_there_is_no_elbow() -> None:
    choice = recommend_k(SCORES, STRAIGHT, "elbow", None)
    assert (choice.k, choice.criterion, choice.k_elbow) == (4, "silhouette", None)
    assert "the inertia has no elbow" in choice.reason


def test_fixed_k_is_taken_and_recommendations_are_kept() -> None:
    choice = recommend_k(SCORES, INERTIA, "silhouette", 6)
    assert (choice.k, choice.criterion, choice.k_silhouette) == (6, "fixed", 4)
    assert not choice.at_range_end
    assert choice.reason.startswith("k = 6 was asked for; ")


@pytest.mark.parametrize("best", [2, 6])
def test_best_k_at_an_end_of_the_range_is_marked(best: int) -> None:
    choice = recommend_k({**SCORES, best: 0.9}, INERTIA, "silhouette", None)
    assert choice.at_range_end
    assert f"k = {best} is an end of the range 2 to 6" in choice.reason


def test_numpy_numbers_are_welcome() -> None:
    scores = {np.int32(k): np.float64(v) for k, v in SCORES.items()}
    assert recommend_k(scores, INERTIA, "silhouette", None).k == 4


# All scales

PEAKED = {2: 0.70, 3: 0.52, 4: 0.55, 5: 0.66, 6: 0.60, 7: 0.55}
STABLE = dict.fromkeys(range(1, 8), 1.0)
RISING = {k: 0.2 * k for k in range(1, 8)}
SAMPLES = Resampled(STABLE, PEAKED, RISING, n_flashes=500, isolated_share=0.1)


def test_finest_supported_scale_is_taken_before_the_highest_silhouette() -> None:
    choice = recommend_k(PEAKED, INERTIA, "multiscale", None, SAMPLES, 10_000)
    assert (choice.k, choice.criterion, choice.at_range_end) == (5, "multiscale", False)
    assert choice.reason == (
        "k = 5 is the finest scale that is supported: the silhouette peaks (prominence 0.110), "
        "samples agree (adjusted Rand index 1.00); coarse scales: k = 2; the silhouette is "
        "highest, 0.7000, at k = 2, and the inertia has its elbow at k = 2"
    )
    assert [candidate.k for candidate in choice.candidates] == [*PEAKED]


def test_coarse_scale_is_taken_where_there_is_no_other() -> None:
    scores = {k: 0.9 - 0.1 * k for k in range(2, 8)}
    samples = Resampled(STABLE, scores, RISING, n_flashes=500, isolated_share=0.0)
    choice = recommend_k(scores, INERTIA, "multiscale", None, samples, 10_000)
    assert (choice.k, choice.criterion, choice.at_range_end) == (2, "multiscale", True)
    assert choice.reason.endswith("k = 2 is an end of the range 2 to 7")


def test_silhouette_decides_where_no_scale_is_supported() -> None:
    samples = Resampled(dict.fromkeys(STABLE, 0.5), PEAKED, RISING, 500, 0.0)
    choice = recommend_k(PEAKED, INERTIA, "multiscale", None, samples, 10_000)
    assert (choice.k, choice.criterion) == (2, "silhouette")
    assert choice.reason.startswith(
        "no scale is supported (at k = 2 the silhouette peaks (prominence 0.180), but samples "
        "disagree (adjusted Rand index 0.50 < 0.9)); the silhouette is highest, 0.7000, at k = 2; "
    )
    flat = dict.fromkeys(PEAKED, 0.4)
    samples = Resampled(STABLE, flat, RISING, 500, 0.0)
    choice = recommend_k(flat, INERTIA, "multiscale", None, samples, 10_000)
    assert choice.reason.startswith(
        "no scale is supported, as the silhouette has no prominent peak; the silhouette is highest"
    )


@pytest.mark.parametrize("criterion", ["silhouette", "elbow"])
def test_plain_criteria_take_no_notice_of_scales(criterion: str) -> None:
    plain = recommend_k(PEAKED, INERTIA, criterion, None)
    with_samples = recommend_k(PEAKED, INERTIA, criterion, None, SAMPLES, 10_000)
    assert (with_samples.k, with_samples.reason) == (plain.k, plain.reason)
    assert with_samples.candidates[3].is_supported


def test_fixed_k_comes_with_all_candidates() -> None:
    choice = recommend_k(PEAKED, INERTIA, "multiscale", 4, SAMPLES, 10_000)
    assert (choice.k, choice.criterion) == (4, "fixed")
    assert [c.k for c in choice.candidates if c.is_supported] == [2, 5]


def recommend_for(planted: Planted, k_min: int = 2, k_max: int = 18) -> Recommendation:
    points = FeatureSpace().project(planted.lat, planted.lon)
    weights = np.ones(len(points))
    fits = fit_all(points, weights, k_max, 60)
    scored = fits[k_min - 1 :]
    found = silhouette_scores(points, weights, [fit.labels for fit in scored])
    scores = {fit.n_clusters: float(score) for fit, score in zip(scored, found, strict=True)}
    inertia = {fit.n_clusters: fit.inertia for fit in fits}
    resampled = resample_partitions(points, weights, k_max, 60, 2)
    return recommend_k(scores, inertia, "multiscale", None, resampled, len(points))


# Seeds on which no threshold was chosen; tests/benchmarks/choice_of_k.py tries hundreds.
@pytest.mark.parametrize("seed", range(500, 506))
def test_planted_number_is_found(seed: int) -> None:
    planted = plant_blobs(seed, n_flashes=400)
    choice = recommend_for(planted)
    assert (choice.k, choice.criterion) == (planted.n_blobs, "multiscale"), planted.kind


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_supports_nothing(kind: str) -> None:
    choice = recommend_for(scatter_noise(500, kind, 400))
    assert choice.criterion == "silhouette"
    assert choice.k == choice.k_silhouette
    assert choice.reason.startswith("no scale is supported")
    assert not any(candidate.is_supported for candidate in choice.candidates)


def test_planted_number_outside_the_range_is_not_claimed() -> None:
    planted = plant_blobs(500, n_blobs=5, n_flashes=400, background=0.0)
    choice = recommend_for(planted, k_min=8, k_max=14)
    assert not any(candidate.is_bic_best for candidate in choice.candidates)
    assert choice.reason.startswith("no scale is supported")
