"""Shares of cells against shapely, against areas and against the hand."""

import numpy as np
import pytest
from shapely import Polygon, box

from lightning_kedro.analysis.grids import coverage
from lightning_kedro.analysis.grids.coverage import Coverage, cover_cells


def by_cell(covered: Coverage) -> dict[tuple[int, int, int], float]:
    keys = zip(covered.polygon.tolist(), covered.column.tolist(), covered.row.tolist(), strict=True)
    return dict(zip(keys, covered.share.tolist(), strict=True))


def cover(*corners: tuple[float, float]) -> dict[tuple[int, int], float]:
    x, y = np.array([corners], float).transpose(2, 0, 1)
    return {key[1:]: share for key, share in by_cell(cover_cells(x, y)).items()}


def test_square_on_the_cells_covers_them_and_no_others() -> None:
    assert cover((2, 3), (2, 5), (4, 5), (4, 3)) == {
        (2, 3): 1.0,
        (3, 3): 1.0,
        (2, 4): 1.0,
        (3, 4): 1.0,
    }


def test_polygon_within_a_cell_covers_its_own_area() -> None:
    assert cover((-0.75, 0.25), (-0.75, 0.5), (-0.25, 0.5), (-0.25, 0.25)) == {
        (-1, 0): pytest.approx(0.125)
    }


def test_diamond_covers_triangles() -> None:
    shares = cover((1, 0), (2, 1), (1, 2), (0, 1))
    assert shares == {(column, row): pytest.approx(0.5) for column in (0, 1) for row in (0, 1)}


def test_both_ways_round_are_the_same() -> None:
    corners = [(0.2, 0.1), (3.7, 0.6), (3.1, 2.9), (0.4, 2.2)]
    assert cover(*corners) == pytest.approx(cover(*corners[::-1]))


def test_polygon_without_area_covers_nothing() -> None:
    assert cover((1, 1), (2, 2), (2, 2), (1, 1)) == {}
    assert cover((1, 1), (3, 1), (3, 1), (1, 1)) == {}
    assert len(cover_cells(np.empty((0, 4)), np.empty((0, 4))).share) == 0


@pytest.mark.parametrize("corners_at_once", [1, 1 << 20])
def test_random_quadrilaterals_agree_with_shapely(
    corners_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "_CORNERS_AT_ONCE", corners_at_once)
    random = np.random.default_rng(12)
    angles = np.sort(random.uniform(0, 2 * np.pi, (120, 4)), axis=1)
    radius = np.exp(random.uniform(-3, 1.5, (120, 1)))
    center = random.uniform(-5, 5, (120, 2))
    x = center[:, :1] + radius * np.cos(angles)
    y = center[:, 1:] + radius * np.sin(angles)
    covered = cover_cells(x, y)
    shares = by_cell(covered)
    assert len(shares) == covered.share.size, "a cell stands once for each polygon"
    for number in range(len(x)):
        polygon = Polygon(np.stack([x[number], y[number]], 1))
        assert covered.area[number] == pytest.approx(polygon.area)
        mine = {key[1:]: share for key, share in shares.items() if key[0] == number}
        assert sum(mine.values()) == pytest.approx(polygon.area, rel=1e-6, abs=1e-8)
        for (column, row), share in mine.items():
            true = polygon.intersection(box(column, row, column + 1, row + 1)).area
            assert share == pytest.approx(true, abs=1e-10)


def test_far_from_the_origin_nothing_is_lost() -> None:
    near = cover((0.25, 0.1), (3.75, 0.6), (3.0, 2.9), (0.5, 2.2))
    far = cover(
        *((x + 5000, y + 5000) for x, y in ((0.25, 0.1), (3.75, 0.6), (3, 2.9), (0.5, 2.2)))
    )
    assert {(column - 5000, row - 5000): share for (column, row), share in far.items()} == (
        pytest.approx(near, abs=1e-9)
    )
