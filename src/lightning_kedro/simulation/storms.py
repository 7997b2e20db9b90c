"""Storms that never were: which flashes there are in an hour, whoever looks.

A climate of thunderstorms over the Americas and the oceans beside them, made for demonstration and
tests: storms are born by region, season and local time, move, grow and decay over hours, and
scatter flashes about their cells; lone flashes fall everywhere else. It is shaped after the
published picture (continental storms in the late afternoon, oceanic ones all day with a maximum
before dawn; Maracaibo by night; the Amazon, the La Plata basin and the Gulf coast far ahead of the
seas), not fitted to it.

Every draw is keyed by the seed and the day or hour that it belongs to, never by what was drawn
before, so that an hour simulated alone is the same as in a longer run, and the same for every
satellite.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.glm.granule import GRANULES_PER_HOUR
from lightning_kedro.simulation.storm_regions import REGIONS, Region

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KM_PER_DEGREE: Final = 111.195
"""Length of a degree of a great circle (km), for a mean radius of 6371.0088 km."""

GRANULE_S: Final = 3600 / GRANULES_PER_HOUR
"""Length of a granule (s)."""

DAYS_BACK: Final = 1
"""Storms of the day before may still live: none lasts a day."""

_LIFE_H: Final = (1.5, 14.0)
"""Shortest and longest life of a storm (hours)."""

_MAX_CELLS: Final = 6

_LONE_PER_HOUR: Final = 900.0
"""Flashes an hour outside storms, in the box below."""
_BOX_LAT: Final = 57.6
_BOX_LON: Final = (-204.0, -8.0)

FRAME_S: Final = 0.002
"""Length of a frame of the instrument (s)."""
LONGEST_S: Final = 3.0
"""A flash is closed when it lasts this long (s), with quality flag 5."""
SINGLE_GROUP_SIZE: Final = -1.2
"""Flashes below this size are of one group, and so without duration: 12 % of all."""
_CLOSING_S: Final = (0.16, 0.45)
"""From the last light to the closing (s): last events of real granules lie at -0.45 to 19.84."""
_DIM_SHARE: Final = 0.001

_TAG_STORMS: Final = 1
_TAG_FLASHES: Final = 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Storms:
    """The storms born in a day, each array of shape (storms,) but the cells'.

    Attributes:
        birth_h: Birth (hours after 00:00 UTC of the day, 0 to 24).
        life_h: Life (hours).
        lat: Birthplace (degrees north).
        lon: Birthplace (degrees east, may be below -180).
        east_km_h: Eastward drift (km/h).
        north_km_h: Northward drift (km/h).
        peak_per_min: Flashes a minute at the storm's height.
        length_km: Standard deviation of flashes about a cell, along the storm, at its height.
        width_km: The same across the storm.
        heading: Direction of the storm's length (radians north of east).
        pulse_h: Period of the pulses of its rate (hours).
        cell_count: How many cells it has, 1 to 6.
        cell_along: Places of cells, in lengths along the storm, shape (storms, 6).
        cell_across: Places of cells, in widths across the storm, shape (storms, 6).
    """

    birth_h: Floats
    life_h: Floats
    lat: Floats
    lon: Floats
    east_km_h: Floats
    north_km_h: Floats
    peak_per_min: Floats
    length_km: Floats
    width_km: Floats
    heading: Floats
    pulse_h: Floats
    cell_count: Integers
    cell_along: Floats
    cell_across: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrueFlashes:
    """The flashes that close in an hour, before anyone sees them, each of shape (flashes,).

    Attributes:
        granule: Which of the hour's 180 granules each closes in, ascending.
        first_event_s: Its first light (s after the hour's start; down to -3.45).
        last_event_s: Its last light (s after the hour's start).
        lat: Degrees north.
        lon: Degrees east, may be below -180.
        energy_j: Radiant energy (J).
        size: Standard normal: how large it is among flashes. Duration and energy follow it.
    """

    granule: Integers
    first_event_s: Floats
    last_event_s: Floats
    lat: Floats
    lon: Floats
    energy_j: Floats
    size: Floats


def make_generator(*key: int) -> np.random.Generator:
    """Make a random generator whose draws depend on the key alone.

    Args:
        key: Integers of 0 or more; the seed first.

    Returns:
        A counter-based generator (Philox).
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def hour_number(hour: datetime) -> int:
    """Count the hours from year 1 to an hour, as a key for its draws."""
    return hour.toordinal() * 24 + hour.hour


@lru_cache(maxsize=8)
def make_storms(day: int, seed: int) -> Storms:
    """Draw the storms that are born in a day.

    Args:
        day: The day, as ``date.toordinal`` counts.
        seed: Of the whole simulation, 0 or more.

    Returns:
        The day's storms, by region.
    """
    rng = make_generator(seed, _TAG_STORMS, day)
    season = np.cos(2 * np.pi * (datetime.fromordinal(day).timetuple().tm_yday - 197) / 365.25)
    means = np.array([region.storms * (1 + region.season * season) for region in REGIONS])
    which = np.repeat(np.arange(len(REGIONS)), rng.poisson(means))
    table = {
        name: np.array([getattr(region, name) for region in REGIONS], float)[which]
        for name in Region._fields[1:]
    }
    count = len(which)
    life_h = np.clip(rng.lognormal(np.log(3.5), 0.5, count), *_LIFE_H)
    lat = table["lat"] + table["lat_spread"] * rng.standard_normal(count)
    lon = table["lon"] + table["lon_spread"] * rng.standard_normal(count)
    height_h = table["peak_hour"] + rng.vonmises(0.0, table["sharpness"]) * 12 / np.pi
    length_km = rng.lognormal(np.log(14.0), 0.5, count) * np.sqrt(life_h / 3.5)
    return Storms(
        birth_h=np.mod(height_h - life_h / 2 - lon / 15, 24.0),
        life_h=life_h,
        lat=lat,
        lon=lon,
        east_km_h=table["east_km_h"] + 12 * rng.standard_normal(count),
        north_km_h=table["north_km_h"] + 9 * rng.standard_normal(count),
        peak_per_min=np.minimum(table["flashes_per_min"] * rng.lognormal(-0.2, 1.0, count), 200.0),
        length_km=length_km,
        width_km=length_km * rng.uniform(0.25, 0.9, count),
        heading=rng.uniform(0.0, np.pi, count),
        pulse_h=rng.uniform(0.4, 1.5, count),
        cell_count=rng.integers(1, _MAX_CELLS + 1, count),
        cell_along=1.8 * rng.standard_normal((count, _MAX_CELLS)),
        cell_across=1.2 * rng.standard_normal((count, _MAX_CELLS)),
    )


def simulate_flashes(hour: datetime, seed: int) -> TrueFlashes:
    """Draw all flashes that close in an hour.

    Args:
        hour: A whole hour, UTC.
        seed: Of the whole simulation, 0 or more.

    Returns:
        The flashes of storms and the lone ones, in order of granule.
    """
    rng = make_generator(seed, _TAG_FLASHES, hour_number(hour))
    parts = [
        _storm_flashes(rng, make_storms(hour.toordinal() - back, seed), hour.hour + 24.0 * back)
        for back in range(DAYS_BACK, -1, -1)
    ]
    granule, lat, lon = (
        np.concatenate(arrays) for arrays in zip(*parts, _lone_flashes(rng), strict=True)
    )
    order = np.argsort(granule, kind="stable")
    size = rng.standard_normal(len(order))
    first_event_s, last_event_s = _draw_times(rng, granule[order], size)
    return TrueFlashes(
        granule=granule[order],
        first_event_s=first_event_s,
        last_event_s=last_event_s,
        lat=lat[order],
        lon=lon[order],
        energy_j=_draw_energies(rng, size),
        size=size,
    )


def storm_strength(storms: Storms, hours: Floats) -> Floats:
    """Tell how far storms have grown.

    Args:
        storms: The storms of a day.
        hours: Times (hours after 00:00 UTC of that day), shape (times,).

    Returns:
        0 before birth and after death, 1 at the height; shape (storms, times).
    """
    age = (hours[None, :] - storms.birth_h[:, None]) / storms.life_h[:, None]
    return np.where((age > 0) & (age < 1), np.sin(np.pi * np.clip(age, 0, 1)) ** 2, 0.0)


def _storm_flashes(
    rng: np.random.Generator, storms: Storms, first_h: float
) -> tuple[Integers, Floats, Floats]:
    """Flashes of a day's storms in the hour from ``first_h`` on: (granule, lat, lon)."""
    alive = (storms.birth_h < first_h + 1) & (storms.birth_h + storms.life_h > first_h)
    hours = first_h + (np.arange(GRANULES_PER_HOUR) + 0.5) / GRANULES_PER_HOUR
    strength = storm_strength(storms, hours)[alive]
    pulse = 1 + 0.45 * np.sin(2 * np.pi * hours[None, :] / storms.pulse_h[alive][:, None])
    rates = storms.peak_per_min[alive][:, None] * strength * pulse * (GRANULE_S / 60)
    counts = rng.poisson(rates)
    storm, granule = (
        np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape)
    )
    grown = np.sqrt(strength[storm, granule])
    lat, lon = _scatter(rng, storms, np.flatnonzero(alive)[storm], hours[granule], grown)
    return granule, lat, lon


def _scatter(
    rng: np.random.Generator, storms: Storms, storm: Integers, hours: Floats, grown: Floats
) -> tuple[Floats, Floats]:
    """Places of flashes about the cells of their storms, which move and grow: (lat, lon)."""
    count = len(storm)
    cell = (storms.cell_count[storm] * rng.random(count) ** 1.5).astype(int)
    spread = 0.3 + 0.7 * grown
    along = (storms.cell_along[storm, cell] + 0.6 * rng.standard_normal(count)) * spread
    across = (storms.cell_across[storm, cell] + 0.6 * rng.standard_normal(count)) * spread
    along, across = along * storms.length_km[storm], across * storms.width_km[storm]
    cos, sin = np.cos(storms.heading[storm]), np.sin(storms.heading[storm])
    age_h = hours - storms.birth_h[storm]
    east_km = storms.east_km_h[storm] * age_h + along * cos - across * sin
    north_km = storms.north_km_h[storm] * age_h + along * sin + across * cos
    lat = storms.lat[storm] + north_km / KM_PER_DEGREE
    lon = storms.lon[storm] + east_km / (KM_PER_DEGREE * np.cos(np.radians(storms.lat[storm])))
    return lat, lon


def _lone_flashes(rng: np.random.Generator) -> tuple[Integers, Floats, Floats]:
    """Flashes outside storms, uniform over the ground of a box: (granule, lat, lon)."""
    count = rng.poisson(_LONE_PER_HOUR)
    sin_edge = np.sin(np.radians(_BOX_LAT))
    lat = np.degrees(np.arcsin(rng.uniform(-sin_edge, sin_edge, count)))
    return rng.integers(0, GRANULES_PER_HOUR, count), lat, rng.uniform(*_BOX_LON, count)


def _draw_times(rng: np.random.Generator, granule: Integers, size: Floats) -> tuple[Floats, Floats]:
    """Times of first and last light (s after the hour's start), in whole frames.

    A flash is written when it closes, some tenths of a second after its last light: that is why it
    may begin, and even end, before the granule that holds it.
    """
    close_s = (granule + rng.random(len(granule))) * GRANULE_S
    last_s = close_s - rng.uniform(*_CLOSING_S, len(granule))
    duration_s = np.exp(np.log(0.25) + 0.6 * size + 0.5 * rng.standard_normal(len(granule)))
    duration_s = np.where(size < SINGLE_GROUP_SIZE, 0.0, np.minimum(duration_s, LONGEST_S))
    last_frame = np.rint(last_s / FRAME_S)
    return (last_frame - np.rint(duration_s / FRAME_S)) * FRAME_S, last_frame * FRAME_S


def _draw_energies(rng: np.random.Generator, size: Floats) -> Floats:
    """Radiant energies (J): lognormal about 2e-13, a few of them next to nothing."""
    energy_j = np.exp(np.log(2e-13) + 1.1 * size + 0.6 * rng.standard_normal(len(size)))
    return np.where(rng.random(len(size)) < _DIM_SHARE, 1e-16, energy_j)
