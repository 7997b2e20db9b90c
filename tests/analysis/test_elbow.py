import numpy as np
import pytest

from lightning_kedro.analysis.elbow import find_elbow


def test_paper_example_has_its_knee_at_two_ninths() -> None:
    # Satopaa et al. 2011, section III: y = -1 / (x + 0.1) + 5 on 0..1 has its knee at 0.22; turned
    # upside down it is a falling curve with an elbow.
    x = np.linspace(0.0, 1.0, 10)
    k = np.arange(1, 11)
    assert find_elbow(k, 1.0 / (x + 0.1)) == 3  # x = 2/9


@pytest.mark.parametrize("corner", [3, 5, 8])
def test_corner_of_two_lines_is_the_elbow(corner: int) -> None:
    k = np.arange(1, 16)
    curve = np.where(
        k <= corner, 100.0 - 10.0 * (k - 1), 110.0 - 10.0 * corner - 0.1 * (k - corner)
    )
    assert find_elbow(k, curve) == corner


def test_units_do_not_matter() -> None:
    k = np.arange(1, 24)
    assert find_elbow(k, 1e9 / k) == find_elbow(k, 1e-3 / k + 7.0) == 5


@pytest.mark.parametrize(
    "curve",
    [[5.0, 4.0, 3.0, 2.0, 1.0], [3.0, 3.0, 3.0], [2.0, 1.0], [10.0, 9.0, 7.0, 4.0, 0.0]],
    ids=["straight", "flat", "two points", "falls ever faster"],
)
def test_curve_without_elbow_has_none(curve: list[float]) -> None:
    assert find_elbow(np.arange(1, len(curve) + 1), curve) is None
