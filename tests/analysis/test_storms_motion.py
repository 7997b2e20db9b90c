"""Motion, footprints and lightning jumps of storms, against the hand."""

from itertools import pairwise

import numpy as np
import pytest

from lightning_kedro.analysis.sphere import to_unit_vectors
from lightning_kedro.analysis.storms.jumps import (
    ALGORITHMS,
    ERDMANN_2023,
    SCHULTZ_2009,
    Jump,
    JumpAlgorithm,
    find_all_jumps,
    find_jumps,
)
from lightning_kedro.analysis.storms.motion import (
    find_centroids,
    find_pixels,
    fit_motion,
    measure_footprints,
    measure_lasting_footprints,
)

KM_PER_DEGREE = 111.195


@pytest.mark.parametrize("direction", [0.0, 45.0, 90.0, 200.0, 300.0])
@pytest.mark.parametrize(("lat", "lon"), [(0.0, 179.95), (50.0, -100.0), (-50.0, -179.9)])
def test_steady_motion_is_found(direction: float, lat: float, lon: float) -> None:
    speed_m_s = 12.0
    minutes = np.linspace(0.0, 60.0, 601)
    km = speed_m_s * 0.06 * (minutes - 30.0)
    north, east = km * np.cos(np.radians(direction)), km * np.sin(np.radians(direction))
    lats = lat + north / KM_PER_DEGREE
    lons = lon + east / (KM_PER_DEGREE * np.cos(np.radians(lat)))
    lons = (lons + 180.0) % 360.0 - 180.0
    groups = np.zeros(minutes.size, dtype=np.int64)
    centers = find_centroids(groups, to_unit_vectors(lats, lons), 1)
    motion = fit_motion(groups, minutes, to_unit_vectors(lats, lons), centers)
    assert motion.speed_m_s[0] == pytest.approx(speed_m_s, rel=5e-3)
    gap = (motion.direction_deg[0] - direction + 180.0) % 360.0 - 180.0
    assert gap == pytest.approx(0.0, abs=0.5)
    assert motion.r_squared[0] == pytest.approx(1.0, abs=1e-3)


def test_storm_seen_shortly_has_no_motion() -> None:
    groups = np.array([0, 0, 1])
    minutes, lat, lon = np.array([0.0, 9.9, 0.0]), np.array([0.0, 1, 5]), np.array([0.0, 1, 5])
    vectors = to_unit_vectors(lat, lon)
    motion = fit_motion(groups, minutes, vectors, find_centroids(groups, vectors, 2))
    assert np.isnan(motion.speed_m_s).all()
    assert np.isnan(motion.direction_deg).all()


def test_centroid_lies_between_flashes_on_both_sides_of_180_degrees() -> None:
    vectors = to_unit_vectors([1.0, 1.0], [179.0, -179.0])
    lat, lon = find_centroids(np.array([0, 0]), vectors, 1)
    assert abs(lon[0]) == pytest.approx(180.0)
    assert lat[0] == pytest.approx(1.0, abs=1e-3)


def test_footprint_counts_each_pixel_once() -> None:
    groups = np.array([0, 0, 0, 1, 1])
    lat, lon = np.array([10.0, 10.0, 10.0, 10.0, 30.0]), np.full(5, -60.0)
    first, second = measure_footprints(groups, find_pixels(lat, lon), 2)
    assert first == pytest.approx(64.0, rel=0.01)
    assert second == pytest.approx(128.0, rel=0.01)


def test_jump_of_schultz_2009_by_hand() -> None:
    """Rates 2 3 2 3 2 3 and then 12 a minute: changes of +-0.5, then 4.5 per minute squared."""
    counts = np.array([4, 6, 4, 6, 4, 6, 24])
    sigma = np.std([0.5, -0.5, 0.5, -0.5, 0.5], ddof=1)
    assert [*find_jumps(counts, np.full(7, 1000.0), SCHULTZ_2009)] == [
        Jump(6, 12.0, 4.5, pytest.approx(sigma), pytest.approx(2 * sigma))
    ]


@pytest.mark.parametrize(
    "counts",
    [
        [4, 6, 4, 6, 4, 6, 18],  # 9 flashes a minute: too few
        [40, 60, 40, 60, 40, 60, 76],  # a change of 4, less than two sigma (11)
        [4, 6, 4, 6, 4, 24],  # only four changes before
        [24] * 9,  # no change at all
        [0] * 9,
        [30],
        [],
    ],
)
def test_what_is_no_jump(counts: list[int]) -> None:
    periods = np.array(counts, dtype=np.int64)
    assert not [*find_jumps(periods, np.full(len(counts), 500.0), SCHULTZ_2009)]


def test_jump_that_goes_on_is_one_event() -> None:
    counts = np.array([4, 6, 4, 6, 4, 6, 30, 60, 90, 80, 70, 75, 70, 75, 200])
    periods = [jump.period for jump in find_jumps(counts, np.full(15, 500.0), SCHULTZ_2009)]
    assert periods == [6, 14]


def test_jump_by_footprint_needs_15_flashes_a_minute_and_a_denser_storm() -> None:
    counts = np.array([4, 6, 4, 6, 4, 6, 32])
    steady = np.full(7, 1000.0)
    (jump,) = find_jumps(counts, steady, ERDMANN_2023)
    sigma = np.std([0.5, -0.5, 0.5, -0.5, 0.5], ddof=1)
    assert (jump.rate, jump.dfrdt) == (16.0, pytest.approx(6.5))
    assert jump.threshold == pytest.approx(1.5 * sigma)
    assert not [*find_jumps(np.minimum(counts, 28), steady, ERDMANN_2023)]
    growing = np.append(steady[:-1], 16_000.0)  # as many times larger as there are more flashes
    assert not [*find_jumps(counts, growing, ERDMANN_2023)]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_jumps_of_many_storms_are_those_of_each(algorithm: JumpAlgorithm) -> None:
    random = np.random.default_rng(4)
    lengths = random.integers(1, 40, 60)
    counts = [random.poisson(random.uniform(10, 60), n) * random.integers(1, 4, n) for n in lengths]
    areas = [random.uniform(0.0, 900.0, n) for n in lengths]
    starts = np.cumsum(lengths) - lengths
    found = find_all_jumps(np.concatenate(counts), np.concatenate(areas), starts, algorithm)
    wanted = [
        (storm, jump)
        for storm, (mine, area) in enumerate(zip(counts, areas, strict=True))
        for jump in find_jumps(mine, area, algorithm)
    ]
    assert [*found] == wanted
    assert len(wanted) > 20


def test_lasting_footprint_is_that_of_the_flashes_of_the_last_periods() -> None:
    random = np.random.default_rng(6)
    length, spans = 3, [4, 1, 9, 6]
    starts = np.cumsum([0, *spans])
    storm = random.integers(0, len(spans), 80)
    periods = starts[storm] + random.integers(0, np.array(spans)[storm])
    pixels = find_pixels(random.uniform(-0.2, 0.2, 80), random.uniform(9.9, 10.1, 80))
    areas = measure_lasting_footprints(periods, pixels, starts[storm + 1], length)
    for number, (first, end) in enumerate(pairwise(starts.tolist())):
        for period in range(first, end):
            last = (storm == number) & (periods <= period) & (periods > period - length)
            mine = pixels[last]
            wanted = measure_footprints(np.zeros(mine.size, dtype=np.int64), mine, 1)
            assert areas[period] == wanted[0]
