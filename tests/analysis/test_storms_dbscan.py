"""DBSCAN in space and time: label by label against scikit-learn, and the laws it must keep."""

from typing import NamedTuple

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray, to_unit_vectors
from lightning_kedro.analysis.storms import core, dbscan
from lightning_kedro.analysis.storms.core import find_core
from lightning_kedro.analysis.storms.dbscan import DenseFlashes, Density, cluster_dense
from lightning_kedro.analysis.storms.pixels import PixelGrid


class Flashes(NamedTuple):
    lat: FloatArray
    lon: FloatArray
    minutes: FloatArray


class Reference(NamedTuple):
    labels: np.ndarray
    is_core: np.ndarray
    distance: FloatArray


def scatter(seed: int, n: int, lat: float = 0.0, minutes: float = 120.0) -> Flashes:
    """Clumps of flashes on both sides of 180 degrees, about some latitude."""
    random = np.random.default_rng(seed)
    clump = random.integers(5, size=n)
    lats = lat + random.uniform(-1.5, 1.5, 5)[clump] + random.normal(0.0, 0.2, n)
    lons = 180.0 + random.uniform(-1.5, 1.5, 5)[clump] + random.normal(0.0, 0.2, n)
    times = np.sort(random.uniform(0.0, minutes, n))
    return Flashes(np.clip(lats, -90.0, 90.0), (lons + 180.0) % 360.0 - 180.0, times)


def measure(flashes: Flashes, density: Density) -> FloatArray:
    """Distances of all pairs as borders go by them: infinite for those that are no neighbors."""
    points = EARTH_RADIUS_KM * to_unit_vectors(flashes.lat, flashes.lon)
    squares = ((points[:, np.newaxis] - points) ** 2).sum(axis=2)
    times = np.abs(flashes.minutes[:, np.newaxis] - flashes.minutes)
    near = (squares <= density.eps_km**2) & (times <= density.eps_minutes)
    both = squares / density.eps_km**2 + (times / density.eps_minutes) ** 2
    return np.where(near, both, np.inf)


def cluster_plainly(flashes: Flashes, density: Density) -> Reference:
    """scikit-learn on the matrix of all pairs."""
    distance = measure(flashes, density)
    near = np.where(np.isfinite(distance), 0.0, 1.0)
    fit = DBSCAN(eps=0.5, min_samples=density.min_flashes, metric="precomputed").fit(near)
    is_core = np.zeros(len(flashes.lat), dtype=bool)
    is_core[fit.core_sample_indices_] = True
    return Reference(fit.labels_, is_core, distance)


def assert_same(found: DenseFlashes, wanted: Reference) -> None:
    """The same core flashes, noise and clusters up to their numbers; borders by our own rule."""
    core = wanted.is_core
    assert np.array_equal(found.is_core, core)
    assert np.array_equal(found.labels < 0, wanted.labels < 0)
    pairs = set(zip(found.labels[core].tolist(), wanted.labels[core].tolist(), strict=True))
    assert len(pairs) == len({mine for mine, _ in pairs}) == len({other for _, other in pairs})
    border = np.flatnonzero(~core & (wanted.labels >= 0))
    to_core = np.where(core, wanted.distance, np.inf)[border]
    assert np.array_equal(found.nearest[border], to_core.argmin(axis=1)), "the earliest of nearest"
    assert np.array_equal(found.labels[border], found.labels[found.nearest[border]])
    _, first = np.unique(found.labels[core], return_index=True)
    assert (np.diff(first) > 0).all(), "clusters are numbered by their first core flashes"


@pytest.mark.parametrize("seed", range(24))
def test_clusters_agree_with_scikit_learn(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng([seed, 1])
    for module in (core, dbscan):
        monkeypatch.setattr(module, "SLOTS_PER_BLOCK", int(random.choice([1, 2, 5, 24])))
    flashes = scatter(seed, int(random.integers(1, 400)), random.choice([0.0, 50.0, -89.0]))
    if seed % 3 == 0:  # times and places that lie on the very edges of neighborhoods
        flashes = flashes._replace(minutes=np.round(flashes.minutes))
    density = Density(
        float(random.choice([5.0, 15.0, 40.0])),
        float(random.choice([5.0, 10.0, 30.0])),
        int(random.integers(1, 7)),
    )
    found = cluster_dense(*flashes, density)
    assert_same(found, cluster_plainly(flashes, density))
    assert (find_core(*flashes, density) == found.nearest).all()


def test_dense_boxes_are_joined_exactly() -> None:
    """Two dense clumps are joined by a single pair of flashes just near enough, or not at all."""
    density = Density(20.0, 20.0, 5)
    degree = np.degrees(1.0 / EARTH_RADIUS_KM)
    for gap_km, n_clusters in ((19.99, 1), (20.01, 2)):
        near_edge = np.linspace(0.0, 12.0, 40)
        east = np.concatenate([-near_edge, gap_km + near_edge])
        flashes = Flashes(np.zeros(80), east * degree, np.sort(np.tile(np.arange(40.0), 2) / 10))
        found = cluster_dense(*flashes, density)
        assert_same(found, cluster_plainly(flashes, density))
        assert found.labels.max() + 1 == n_clusters


def test_neighbors_end_at_eps_minutes() -> None:
    for wait, n_clusters in ((10.0, 1), (10.001, 2)):
        minutes = np.concatenate([np.zeros(3), np.full(3, wait)])
        found = cluster_dense(np.zeros(6), np.zeros(6), minutes, Density(5.0, 10.0, 3))
        assert found.labels.max() + 1 == n_clusters


@pytest.mark.parametrize("turn", [1.0, 97.3, 180.0, 359.0])
def test_clusters_do_not_depend_on_the_meridian(turn: float) -> None:
    flashes, density = scatter(5, 500), Density(15.0, 20.0, 4)
    found = cluster_dense(*flashes, density)
    lon = (flashes.lon + turn + 180.0) % 360.0 - 180.0
    turned = cluster_dense(flashes.lat, lon, flashes.minutes, density)
    assert np.array_equal(found.labels, turned.labels)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flashes, density = scatter(3, 3000, minutes=3000.0), Density(20.0, 30.0, 3)
    whole = cluster_dense(*flashes, density)
    for module in (core, dbscan):
        monkeypatch.setattr(module, "SLOTS_PER_BLOCK", 2)
        monkeypatch.setattr(module, "_PAIRS", 50)
    found = cluster_dense(*flashes, density)
    assert np.array_equal(found.labels, whole.labels)
    assert np.array_equal(found.nearest, whole.nearest)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_flashes_are_noise(n: int) -> None:
    flashes = scatter(0, n)
    found = cluster_dense(*flashes, Density(20.0, 30.0, 3))
    assert (found.labels == -1).all()
    assert (found.nearest == -1).all()
    assert len(found.labels) == n


def test_many_flashes_at_one_place_are_one_cluster() -> None:
    n = 20_000  # 4e8 pairs: they cannot all be looked at
    found = cluster_dense(np.zeros(n), np.full(n, -180.0), np.linspace(0, 5, n), Density(1, 1, 9))
    assert (found.labels == 0).all()


@pytest.mark.parametrize("diagonal_km", [3.0, 20.0, 400.0])
def test_pixels_are_no_larger_than_their_diagonal(diagonal_km: float) -> None:
    random = np.random.default_rng(0)
    lat = np.concatenate([random.uniform(-90, 90, 4000), random.uniform(89, 90, 1000)])
    lon = random.uniform(-180.0, 180.0, 5000)
    grid = PixelGrid(diagonal_km)
    keys = grid.find_keys(lat, lon)
    points = EARTH_RADIUS_KM * to_unit_vectors(lat, lon)
    offsets = np.linalg.norm(points - grid.find_centers(keys), axis=1)
    assert offsets.max() <= diagonal_km / 2.0 * 1.1
    for key in np.unique(keys)[:200]:
        mine = points[keys == key]
        assert np.linalg.norm(mine[:, np.newaxis] - mine, axis=2).max() <= diagonal_km
    assert np.array_equal(keys, grid.find_keys(lat, lon + 360.0))


def test_areas_of_pixels_cover_the_earth() -> None:
    grid = PixelGrid(2000.0)
    lat, lon = np.meshgrid(np.linspace(-90, 90, 400), np.linspace(-180, 179.9, 800))
    keys = np.unique(grid.find_keys(lat.ravel(), lon.ravel()))
    earth = 4.0 * np.pi * EARTH_RADIUS_KM**2
    assert grid.find_areas(keys).sum() == pytest.approx(earth, rel=1e-9)
