"""Flashes to cluster: real granules, storms of our own making, noise, tight blobs."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.kmeans import KMeansFit, fit_all
from lightning_kedro.simulation.observation import observe_hour

FloatArray = npt.NDArray[np.float64]
Places = tuple[FloatArray, FloatArray]

GRANULES = Path(__file__).parents[3] / "shared" / "granules"


def wrap(lon: FloatArray) -> FloatArray:
    """Longitudes in [-180, 180)."""
    return (lon + 180.0) % 360.0 - 180.0


def simulate_storms(n: int, seed: int = 0, west: float = -125.0, east: float = -30.0) -> Places:
    """An hour's flashes of some 40 storms and a little background."""
    random = np.random.default_rng(seed)
    shares = random.gamma(0.7, 1.0, 40)
    storm = random.choice(40, n, p=shares / shares.sum())
    lat = random.uniform(-40.0, 45.0, 40)[storm] + random.normal(0.0, 0.8, n)
    lon = random.uniform(west, east, 40)[storm] + random.normal(0.0, 0.8, n)
    alone = random.random(n) < 0.05
    lat[alone] = random.uniform(-50.0, 50.0, alone.sum())
    lon[alone] = random.uniform(west, east, alone.sum())
    return lat, wrap(lon)


def scatter_noise(n: int, seed: int = 1) -> Places:
    """Flashes spread evenly over the Americas."""
    random = np.random.default_rng(seed)
    return np.degrees(np.arcsin(random.uniform(-0.76, 0.76, n))), random.uniform(-130.0, -20.0, n)


def pack_blobs(n: int, seed: int = 2, n_blobs: int = 9, width: float = 0.05) -> Places:
    """Flashes in tight blobs far from each other."""
    random = np.random.default_rng(seed)
    blob = random.integers(n_blobs, size=n)
    lat = random.uniform(-45.0, 45.0, n_blobs)[blob] + random.normal(0.0, width, n)
    lon = random.uniform(-130.0, -20.0, n_blobs)[blob] + random.normal(0.0, width, n)
    return lat, lon


def read_granules(pattern: str) -> Places:
    """Places of the flashes in real granules, which were never packed."""
    files = sorted(GRANULES.glob(pattern))
    if not files:
        pytest.skip(f"the real granules are not there: {GRANULES}")
    lat, lon = [], []
    for file in files:
        with h5py.File(file) as granule:
            lat.append(granule["flash_lat"][:].astype(np.float64))
            lon.append(granule["flash_lon"][:].astype(np.float64))
    return np.concatenate(lat), np.concatenate(lon)


def simulate_archive_hour(platform: str) -> Places:
    """Every eighth flash of an hour of the simulated archive."""
    flashes = observe_hour(platform, datetime(2024, 7, 14, 22, tzinfo=UTC), 60).content.flashes
    return flashes.lat[::8], wrap(flashes.lon[::8])


DATA_SETS: dict[str, Callable[[], Places]] = {
    "real G16": lambda: read_granules("*_G16_s2018*.nc"),
    "real G17, across 180": lambda: read_granules("*_G17_*.nc"),
    "simulated hour of G16": lambda: simulate_archive_hour("G16"),
    "simulated hour of G18, across 180": lambda: simulate_archive_hour("G18"),
    "storms, across 180": lambda: simulate_storms(2000, seed=4, west=-200.0, east=-75.0),
    "noise": lambda: scatter_noise(1500),
    "blobs": lambda: pack_blobs(1500),
    "blobs of 1 km": lambda: pack_blobs(2000, 9, 12, 0.01),
}


@pytest.fixture(scope="session", params=list(DATA_SETS))
def places(request: pytest.FixtureRequest) -> Places:
    """Latitudes and longitudes of each data set in turn."""
    return DATA_SETS[request.param]()


@pytest.fixture(scope="session")
def points(places: Places) -> FloatArray:
    """The same as points on the sphere, km."""
    return FeatureSpace().project(*places)


@pytest.fixture(scope="session")
def fits(points: FloatArray) -> list[KMeansFit]:
    """Its fits for k from 1 to 23."""
    return fit_all(points, np.ones(len(points)), 23, 60)


@pytest.fixture
def storms() -> Callable[..., Places]:
    return simulate_storms


@pytest.fixture
def noise() -> Callable[..., Places]:
    return scatter_noise


@pytest.fixture
def blobs() -> Callable[..., Places]:
    return pack_blobs
