import numpy as np
import pytest

from lightning_kedro.analysis.recommendation import recommend_k

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
