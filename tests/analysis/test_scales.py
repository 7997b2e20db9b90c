"""Peaks of the silhouette, and what makes one of them a scale."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks, peak_prominences
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score

from lightning_kedro.analysis.peaks import find_prominences
from lightning_kedro.analysis.resampling import NOT_RESAMPLED, Resampled
from lightning_kedro.analysis.scales import (
    COARSE,
    FINE,
    STORM_LIKE,
    UNSUPPORTED,
    Candidate,
    choose_scale,
    find_best_bic,
    list_candidates,
    measure_variance_ratios,
)

# A coarse scale at 2, a finer one at 6.
SCORES = {2: 0.70, 3: 0.52, 4: 0.55, 5: 0.58, 6: 0.66, 7: 0.60, 8: 0.56, 9: 0.57, 10: 0.55}
RISING = {k: 0.2 * k for k in range(1, 11)}
INERTIA = {k: 1000.0 / k**2 for k in range(1, 11)}
N_FLASHES = 10_000


def resample(
    stability: Mapping[int, float] | float = 1.0, bic: Mapping[int, float] = RISING, **given: Any
) -> Resampled:
    """What samples say: the same silhouettes, and a stability that is the same for every k."""
    if isinstance(stability, float):
        stability = dict.fromkeys(range(1, 11), stability)
    silhouette = given.get("silhouette", SCORES)
    return Resampled(stability, silhouette, bic, n_flashes=500, isolated_share=0.1)


def judge(
    resampled: Resampled, scores: Mapping[int, float] = SCORES, n_flashes: int = N_FLASHES
) -> dict[int, Candidate]:
    candidates = list_candidates(scores, INERTIA, 3, resampled, n_flashes)
    return {candidate.k: candidate for candidate in candidates}


def peak_at(best: int) -> dict[int, float]:
    """A BIC that is highest at one k."""
    return {k: 2.0 - 0.1 * abs(k - best) for k in range(1, 11)}


@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=30, unique=True))
def test_prominences_inside_are_those_of_scipy(heights: list[float]) -> None:
    found = find_prominences(dict(enumerate(heights)))
    peaks = find_peaks(heights)[0]
    assert [k for k in found if k > 0] == peaks.tolist()
    # scipy lets the curve fall to its end on either side, and so do we.
    expected = peak_prominences(heights, peaks)[0]
    assert [found[k] for k in peaks] == pytest.approx(expected)


def test_first_k_has_one_side_only_and_last_is_no_peak() -> None:
    assert find_prominences({2: 0.7, 3: 0.5, 4: 0.6}) == {2: pytest.approx(0.2)}
    assert find_prominences({2: 0.5, 3: 0.6}) == {}
    assert find_prominences({2: 0.5}) == {}


def test_first_of_equal_neighbours_is_the_peak() -> None:
    found = find_prominences({2: 0.1, 3: 0.5, 4: 0.5, 5: 0.2})
    assert found == {3: pytest.approx(0.3)}
    assert find_prominences({2: 0.5, 3: 0.5, 4: 0.6, 5: 0.6}) == {}


def test_variance_ratio_is_that_of_scikit_learn() -> None:
    points = np.random.default_rng(0).normal(size=(60, 2))
    fits = {k: KMeans(k, n_init=3, random_state=0).fit(points) for k in range(1, 5)}
    ratios = measure_variance_ratios({k: fit.inertia_ for k, fit in fits.items()}, 60)
    expected = {k: calinski_harabasz_score(points, fits[k].labels_) for k in (2, 3, 4)}
    assert ratios == pytest.approx(expected)


def test_variance_ratio_of_exact_fits_is_left_out() -> None:
    assert measure_variance_ratios({1: 5.0, 2: 1.0, 3: 0.0}, 3) == {2: 4.0}


def test_best_bic_must_fall_within_the_range() -> None:
    assert find_best_bic(resample(bic=peak_at(6))) == 6
    assert find_best_bic(resample(bic=RISING)) is None
    nearly_flat = {k: 2.0 - 0.0001 * abs(k - 6) for k in range(1, 11)}
    assert find_best_bic(resample(bic=nearly_flat)) is None
    assert find_best_bic(NOT_RESAMPLED) is None


def test_finest_peak_is_the_scale_and_a_higher_coarser_one_is_named_so() -> None:
    found = judge(resample())
    assert choose_scale([*found.values()]) == found[6]
    assert (found[6].scale, found[6].is_supported) == (STORM_LIKE, True)
    assert (found[2].scale, found[2].is_supported) == (COARSE, True)
    assert found[6].prominence == pytest.approx(0.11)
    assert found[6].why == (
        "the silhouette peaks (prominence 0.110), samples agree (adjusted Rand index 1.00)"
    )
    assert found[9].why == "a peak of too little prominence: 0.010 < 0.025"
    assert found[4].why == "no peak of the silhouette"
    assert [k for k, candidate in found.items() if candidate.scale] == [2, 6]
    assert [k for k, candidate in found.items() if candidate.is_elbow] == [3]


def test_peak_on_which_samples_disagree_is_no_scale() -> None:
    found = judge(resample({k: 0.7 if k == 6 else 1.0 for k in range(1, 11)}), {**SCORES, 5: 0.6})
    assert not found[6].is_supported
    assert found[6].why == (
        "the silhouette peaks (prominence 0.110), but samples disagree (adjusted Rand index 0.70 "
        "< 0.9)"
    )
    assert (found[6].scale, found[2].scale) == (FINE, COARSE)
    assert choose_scale([*found.values()]) == found[2]


def test_low_silhouette_is_no_scale() -> None:
    low = {k: score - 0.3 for k, score in SCORES.items()}
    found = judge(resample(silhouette=low), low)
    assert choose_scale([*found.values()]) is None
    assert found[6].scale == UNSUPPORTED
    assert found[6].why.endswith("but clusters are not apart (silhouette 0.36 < 0.5)")
    assert found[2].why.endswith("but clusters are not apart (silhouette 0.40 < 0.65)")


def test_two_clusters_need_more_as_there_are_no_fewer() -> None:
    falling = {k: 0.66 - 0.02 * k for k in range(2, 11)}
    assert choose_scale([*judge(resample(silhouette=falling), falling).values()]) is None
    apart = {k: 0.9 - 0.05 * k for k in range(2, 11)}
    assert judge(resample(silhouette=apart), apart)[2].is_supported


def test_two_halves_of_a_rectangle_of_noise_are_no_scale() -> None:
    halves = {k: 0.52 - 0.01 * k for k in range(2, 11)}
    found = judge(resample(bic=peak_at(2), silhouette=halves), halves)
    assert found[2].why.endswith("but clusters are not apart (silhouette 0.50 < 0.65)")
    assert choose_scale([*found.values()]) is None


def test_highest_bic_is_a_scale_without_a_peak_and_the_last_one() -> None:
    found = judge(resample(bic=peak_at(5)))
    assert (found[5].scale, found[5].is_bic_best, found[5].is_supported) == (STORM_LIKE, True, True)
    assert found[5].why.startswith("the BIC is highest, samples agree")
    assert not found[6].is_supported
    assert found[6].scale == FINE
    assert found[6].why.endswith(", but more clusters than the 5 of the highest BIC")


def test_two_clusters_of_the_highest_bic_are_not_coarse() -> None:
    found = judge(resample(bic=peak_at(2)))
    assert found[2].scale == STORM_LIKE


def test_nothing_is_a_scale_where_a_single_cluster_does_better() -> None:
    found = judge(resample(bic={k: -0.1 * k for k in range(1, 11)}))
    assert choose_scale([*found.values()]) is None
    assert found[6].why.endswith("but a single cluster describes the flashes better (BIC)")


def test_nothing_is_a_scale_where_fewer_clusters_than_were_scored_do_better() -> None:
    scores = {k: score for k, score in SCORES.items() if k >= 4}
    found = judge(resample(bic=peak_at(3)), scores)
    assert choose_scale([*found.values()]) is None
    assert found[6].why.endswith("but k = 3, below the range, describes the flashes better (BIC)")


def test_most_stable_k_stands_for_a_plateau() -> None:
    flat = {**SCORES, 5: 0.655, 7: 0.655, 8: 0.645}
    stability = {k: 1.0 if k == 5 else 0.92 for k in range(1, 11)}
    found = judge(resample(stability, silhouette=flat), flat)
    assert found[5].is_supported
    assert "from k = 5 to 8, most stable here" in found[5].why
    for k in (6, 7, 8):
        assert found[k].why == "part of the plateau for which k = 5 stands"
    assert found[9].why != found[8].why
    assert judge(resample(silhouette=flat), flat)[6].is_supported, "of equally stable the highest"


def test_prominence_of_few_flashes_is_taken_for_noise() -> None:
    scores = {**SCORES, 6: 0.60, 7: 0.56}
    assert judge(resample(silhouette=scores), scores)[6].is_supported
    assert not judge(resample(silhouette=scores), scores, n_flashes=200)[6].is_supported


def test_without_samples_nothing_is_supported() -> None:
    found = judge(NOT_RESAMPLED)
    assert choose_scale([*found.values()]) is None
    assert found[6].why.endswith("but there are too few flashes for samples")
    assert found[6].stability is found[6].bic_gain is found[6].dense_silhouette is None


def test_samples_show_peaks_that_isolated_flashes_hide() -> None:
    hidden = {k: min(score, 0.58) for k, score in SCORES.items()}
    assert judge(resample(), hidden)[6].is_supported


@given(
    st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=9),
    st.lists(st.floats(-1.0, 1.0), min_size=9, max_size=9),
    st.lists(st.floats(-3.0, 3.0), min_size=10, max_size=10),
)
def test_end_is_never_taken_while_a_scale_lies_inside(
    heights: list[float], stabilities: list[float], gains: list[float]
) -> None:
    scores = dict(enumerate(heights, start=2))
    stability = dict(enumerate(stabilities, start=2))
    resampled = resample(stability, dict(enumerate(gains, start=1)), silhouette=scores)
    candidates = list_candidates(scores, INERTIA, None, resampled, N_FLASHES)
    assert [candidate.k for candidate in candidates] == [*scores]
    assert all(candidate.why for candidate in candidates)
    chosen = choose_scale(candidates)
    inside = [c for c in candidates if c.is_supported and c.k not in (min(scores), max(scores))]
    if inside:
        assert chosen in inside or (chosen is not None and chosen.is_bic_best)
