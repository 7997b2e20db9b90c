"""Rows and columns of the detector that stand out."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import binom

from lightning_kedro.analysis.detector_lines import find_lines, measure_chance, number_pixels
from lightning_kedro.analysis.grids.fixed_grid import locate
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.lightning_ellipsoid import LOWERED
from lightning_kedro.simulation.observation import observe_hour

EAST = -75.2


@pytest.fixture(scope="module")
def hour() -> tuple[FloatArray, FloatArray]:
    """An hour's flashes: storms, and no line."""
    flashes = observe_hour("G16", datetime(2024, 7, 14, 22, tzinfo=UTC), 60).content.flashes
    return flashes.lat.astype(float), flashes.lon.astype(float)


def make_line(n: int, *, upright: bool) -> tuple[FloatArray, FloatArray]:
    """False flashes along one row or column of the detector, all over the disc."""
    random = np.random.default_rng(3)
    along = random.uniform(-0.09, 0.09, n)
    across = 0.0417 + random.uniform(-2e-5, 2e-5, n)
    x, y = (across, along) if upright else (along, across)
    return locate(x, y, EAST, LOWERED)


def test_storms_make_no_line(hour: tuple[FloatArray, FloatArray]) -> None:
    lat, lon = hour
    assert not find_lines(lat, lon, np.full(lat.size, EAST)).any()


@pytest.mark.parametrize("upright", [False, True])
def test_line_is_found_among_storms(hour: tuple[FloatArray, FloatArray], *, upright: bool) -> None:
    lat, lon = make_line(400, upright=upright)
    n = hour[0].size
    places = [np.concatenate(pair) for pair in zip(hour, (lat, lon), strict=True)]
    found = find_lines(*places, np.full(n + 400, EAST))
    assert found[n:].mean() > 0.9
    assert found[:n].mean() < 0.001


def test_line_of_another_satellite_does_not_count() -> None:
    lat, lon = make_line(400, upright=False)
    one = np.arange(400) % 2 == 0
    both = np.where(one, EAST, -137.0)
    assert not find_lines(lat, lon, both)[~one].any()
    assert not find_lines(np.empty(0), np.empty(0), np.empty(0)).any()


def test_chance_is_that_of_the_binomial_law() -> None:
    for n_most, n_blocks in ((11, 11), (11, 43), (20, 40)):
        expected = binom.sf(n_most - 1, n_blocks, 0.2)
        assert measure_chance(n_most, n_blocks) == pytest.approx(expected, rel=1e-9)


def test_detector_has_about_as_many_pixels_as_it_has() -> None:
    """1372 by 1300, over a field of view of +-8 degrees or so."""
    edge = np.array([-0.1515, 0.1515])
    columns, rows = number_pixels(edge, edge * 0.92)
    assert columns[1] - columns[0] == pytest.approx(1480, rel=0.1)
    assert rows[1] - rows[0] == pytest.approx(1390, rel=0.1)
