"""Flashes in a known number of clusters, or in none."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_BOX: Final = (-50.0, 50.0, -215.0, -75.0)  # degrees south, north, west, east: as GOES-West sees
_N_TRIALS: Final = 4000
_KM_PER_DEGREE: Final = 111.195


@dataclass(frozen=True)
class Planted:
    """Flashes and their truth.

    Attributes:
        n_blobs: Number of blobs; 0 for noise.
        lat: Degrees north, shape (n,).
        lon: Degrees east, shape (n,).
        blob: The blob of each flash, -1 for background, shape (n,).
        kind: What was drawn, in words.
    """

    n_blobs: int
    lat: FloatArray = field(repr=False)
    lon: FloatArray = field(repr=False)
    blob: npt.NDArray[np.int64] = field(repr=False)
    kind: str


def plant_blobs(
    seed: int,
    *,
    n_blobs: int | None = None,
    n_flashes: int | None = None,
    apart: float | None = None,
    spread_ratio: float | None = None,
    size_ratio: float | None = None,
    background: float | None = None,
) -> Planted:
    """Scatter normal blobs over a hemisphere, across 180 degrees; what is not given is drawn.

    Args:
        seed: Of everything.
        n_blobs: 5 to 15.
        n_flashes: 300 to 3000, without the background.
        apart: Least distance of two centers, in standard deviations of the wider blob, 6 to 12:
            from 6 on hardly a flash is nearer to another center.
        spread_ratio: Largest over smallest standard deviation, 1 to 2.5, about 0.3 to 1.5 degrees.
        size_ratio: Flashes of the largest over those of the smallest blob, 1 to 8.
        background: Flashes spread evenly, over those of the blobs, 0 to 0.1.
    """
    random = np.random.default_rng([77, seed])
    drawn_blobs, drawn_apart = int(random.integers(5, 16)), float(random.uniform(6.0, 12.0))
    base = float(random.uniform(0.3, 1.5))
    choices = ((1.0, 1.5, 2.5), (1.0, 3.0, 8.0), (300, 600, 1500, 3000), (0.0, 0.02, 0.05, 0.1))
    drawn = [float(random.choice(values)) for values in choices]
    k = drawn_blobs if n_blobs is None else n_blobs
    apart = drawn_apart if apart is None else apart
    spread_ratio = drawn[0] if spread_ratio is None else spread_ratio
    size_ratio = drawn[1] if size_ratio is None else size_ratio
    n = int(drawn[2]) if n_flashes is None else n_flashes
    background = drawn[3] if background is None else background
    spreads = base * np.exp(random.uniform(-0.5, 0.5, k) * np.log(spread_ratio))
    shares = np.exp(random.uniform(-0.5, 0.5, k) * np.log(size_ratio))
    sizes = np.maximum(8, (n * shares / shares.sum()).astype(int))
    centers, spreads = _place(random, spreads, apart)
    blob = np.repeat(np.arange(k), sizes)
    offsets = random.normal(0.0, 1.0, (len(blob), 2)) * spreads[blob, None]
    lat = centers[blob, 0] + offsets[:, 0]
    lon = centers[blob, 1] + offsets[:, 1] / np.cos(np.radians(centers[blob, 0]))
    n_background = int(background * len(blob))
    south, north, west, east = _BOX
    lat = np.concatenate([lat, random.uniform(south, north, n_background)])
    lon = np.concatenate([lon, random.uniform(west, east, n_background)])
    kind = (
        f"{k} blobs, {apart:.1f} deviations apart, spreads 1:{spread_ratio:g}, "
        f"sizes 1:{size_ratio:g}, {n} flashes and {100 * background:g} % background"
    )
    truth = np.concatenate([blob, np.full(n_background, -1)])
    return Planted(k, lat, (lon + 180.0) % 360.0 - 180.0, truth, kind)


def _place(
    random: np.random.Generator, spreads: FloatArray, apart: float
) -> tuple[FloatArray, FloatArray]:
    """Place centers far enough from each other; where they do not fit, blobs are made smaller."""
    south, north, west, east = _BOX
    while True:
        centers: list[FloatArray] = []
        for _ in range(_N_TRIALS):
            center = np.array([random.uniform(south, north), random.uniform(west, east)])
            wider = np.maximum(spreads[: len(centers)], spreads[len(centers)])
            if all(_measure_arcs(center, centers) >= apart * wider):
                centers.append(center)
            if len(centers) == len(spreads):
                return np.stack(centers), spreads
        spreads = spreads * 0.85


def _measure_arcs(center: FloatArray, others: list[FloatArray]) -> FloatArray:
    """Great circle distances from one center to others, degrees."""
    lat, lon = np.radians(np.reshape(others, (-1, 2))).T
    here_lat, here_lon = np.radians(center)
    cosine = np.sin(lat) * np.sin(here_lat) + np.cos(lat) * np.cos(here_lat) * np.cos(
        lon - here_lon
    )
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


NOISE_KINDS: Final = ("hemisphere", "square", "rectangle", "disc", "strip", "one blob")


def scatter_noise(seed: int, kind: str | None = None, n_flashes: int | None = None) -> Planted:
    """Scatter flashes without clusters: evenly over an area, or as one normal blob."""
    random = np.random.default_rng([78, seed])
    n = int(random.choice([200, 600, 1500, 3000])) if n_flashes is None else n_flashes
    kind = str(random.choice(NOISE_KINDS)) if kind is None else kind
    one, two = random.uniform(-1.0, 1.0, n), random.uniform(-1.0, 1.0, n)
    if kind == "hemisphere":
        lat, lon = np.degrees(np.arcsin(0.8 * one)), -77.0 + 62.0 * two
    elif kind == "disc":
        angle, radius = np.pi * one, 15.0 * np.sqrt(np.abs(two))
        lat, lon = radius * np.sin(angle), -60.0 + radius * np.cos(angle)
    elif kind == "one blob":
        lat, lon = random.normal(0.0, 5.0, n), random.normal(-70.0, 5.0, n)
    else:
        half_lat, half_lon = {"square": (5, 5), "rectangle": (6, 15), "strip": (0.5, 25)}[kind]
        lat, lon = half_lat * one, -75.0 + half_lon * two
    return Planted(0, lat, lon, np.full(n, -1), f"{kind}, {n} flashes")
