"""Simulated thunderstorms: which flashes there are in an hour, whatever satellite looks.

A climatology of storms over the Americas and the oceans beside them, made for demonstration and
tests: storms are born by region, season and local time, move, grow and decay over hours, and
scatter flashes about their cells; isolated flashes occur everywhere. It is shaped after the
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
from typing import Final, NamedTuple

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

_LIFETIME_H: Final = (1.5, 14.0)
"""Shortest and longest lifetime of a storm (hours)."""

_MAX_CELLS: Final = 6

_STORM_IDS_PER_DAY: Final = 10_000
"""Identifiers set aside for the storms born in a day: ten times as many as there are."""

NO_STORM: Final = -1
"""What stands for the storm of an isolated flash."""

_ISOLATED_PER_HOUR: Final = 900.0
"""Flashes an hour outside storms, in the domain below (degrees)."""
_DOMAIN_LAT: Final = 57.6
_DOMAIN_LON: Final = (-204.0, -8.0)

FRAME_S: Final = 0.002
"""Length of a frame of the instrument (s)."""
LONGEST_S: Final = 3.0
"""A flash is closed when it lasts this long (s), with quality flag 5."""
SINGLE_GROUP_SIZE: Final = -1.2
"""Flashes below this size are of one group, and so without duration: 12 % of all."""
_CLOSING_S: Final = (0.16, 0.45)
"""From the last event to the closing (s): last events of real granules lie at -0.45 to 19.84."""
_FAINT_FRACTION: Final = 0.001

_TAG_STORMS: Final = 1
_TAG_FLASHES: Final = 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Storms:
    """The storms born in a day, each array of shape (storms,) but the cells'.

    Attributes:
        storm_id: Identifiers, unique over all days: the same storm has the same one in every hour
            and for every satellite of a simulation.
        birth_h: Birth (hours after 00:00 UTC of the day, 0 to 24).
        lifetime_h: Lifetime (hours).
        lat: Birthplace (degrees north).
        lon: Birthplace (degrees east, may be below -180).
        east_km_h: Eastward drift (km/h).
        north_km_h: Northward drift (km/h).
        peak_per_min: Flash rate at the storm's peak (flashes a minute).
        length_km: Standard deviation of flashes about a cell, along the storm, at its peak.
        width_km: The same across the storm.
        orientation_rad: Direction of the storm's long axis (radians north of east).
        pulse_period_h: Period of the pulses of its rate (hours).
        cell_count: How many cells it has, 1 to 6.
        cell_along: Positions of cells, in lengths along the storm, shape (storms, 6).
        cell_across: Positions of cells, in widths across the storm, shape (storms, 6).
    """

    storm_id: Integers
    birth_h: Floats
    lifetime_h: Floats
    lat: Floats
    lon: Floats
    east_km_h: Floats
    north_km_h: Floats
    peak_per_min: Floats
    length_km: Floats
    width_km: Floats
    orientation_rad: Floats
    pulse_period_h: Floats
    cell_count: Integers
    cell_along: Floats
    cell_across: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrueFlashes:
    """The flashes that close in an hour, before anyone sees them, each of shape (flashes,).

    Attributes:
        granule: Which of the hour's 180 granules each closes in, ascending.
        first_event_s: Its first event (s after the hour's start; down to -3.45).
        last_event_s: Its last event (s after the hour's start).
        lat: Degrees north.
        lon: Degrees east, may be below -180.
        energy_j: Radiant energy (J).
        size: Standard normal: how large it is among flashes. Duration and energy follow it.
        storm: Identifier of the storm that it belongs to; ``NO_STORM`` if it is isolated.
    """

    granule: Integers
    first_event_s: Floats
    last_event_s: Floats
    lat: Floats
    lon: Floats
    energy_j: Floats
    size: Floats
    storm: Integers


class _Origins(NamedTuple):
    """Where flashes come from: granule, place (degrees) and storm, each of shape (flashes,)."""

    granule: Integers
    lat: Floats
    lon: Floats
    storm: Integers


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
    lifetime_h = np.clip(rng.lognormal(np.log(3.5), 0.5, count), *_LIFETIME_H)
    lat = table["lat"] + table["lat_spread"] * rng.standard_normal(count)
    lon = table["lon"] + table["lon_spread"] * rng.standard_normal(count)
    peak_h = table["peak_hour"] + rng.vonmises(0.0, table["sharpness"]) * 12 / np.pi
    length_km = rng.lognormal(np.log(14.0), 0.5, count) * np.sqrt(lifetime_h / 3.5)
    return Storms(
        storm_id=day * _STORM_IDS_PER_DAY + np.arange(count),
        birth_h=np.mod(peak_h - lifetime_h / 2 - lon / 15, 24.0),
        lifetime_h=lifetime_h,
        lat=lat,
        lon=lon,
        east_km_h=table["east_km_h"] + 12 * rng.standard_normal(count),
        north_km_h=table["north_km_h"] + 9 * rng.standard_normal(count),
        peak_per_min=np.minimum(table["flashes_per_min"] * rng.lognormal(-0.2, 1.0, count), 200.0),
        length_km=length_km,
        width_km=length_km * rng.uniform(0.25, 0.9, count),
        orientation_rad=rng.uniform(0.0, np.pi, count),
        pulse_period_h=rng.uniform(0.4, 1.5, count),
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
        The flashes of storms and the isolated ones, in order of granule.
    """
    rng = make_generator(seed, _TAG_FLASHES, hour_number(hour))
    parts = [
        _draw_storm_flashes(
            rng, make_storms(hour.toordinal() - back, seed), hour.hour + 24.0 * back
        )
        for back in range(DAYS_BACK, -1, -1)
    ]
    parts.append(_draw_isolated_flashes(rng))
    granule, lat, lon, storm = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
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
        storm=storm[order],
    )


def storm_strength(storms: Storms, hours: Floats) -> Floats:
    """Tell how strong storms are at given times, as a fraction of their peak.

    Args:
        storms: The storms of a day.
        hours: Times (hours after 00:00 UTC of that day), shape (times,).

    Returns:
        0 before birth and after death, 1 at the peak; shape (storms, times).
    """
    age = (hours[None, :] - storms.birth_h[:, None]) / storms.lifetime_h[:, None]
    return np.where((age > 0) & (age < 1), np.sin(np.pi * np.clip(age, 0, 1)) ** 2, 0.0)


def _draw_storm_flashes(rng: np.random.Generator, storms: Storms, first_h: float) -> _Origins:
    """Draw the flashes of a day's storms in the hour from ``first_h`` on."""
    alive = (storms.birth_h < first_h + 1) & (storms.birth_h + storms.lifetime_h > first_h)
    hours = first_h + (np.arange(GRANULES_PER_HOUR) + 0.5) / GRANULES_PER_HOUR
    strength = storm_strength(storms, hours)[alive]
    pulse = 1 + 0.45 * np.sin(2 * np.pi * hours[None, :] / storms.pulse_period_h[alive][:, None])
    rates = storms.peak_per_min[alive][:, None] * strength * pulse * (GRANULE_S / 60)
    counts = rng.poisson(rates)
    row, granule = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    storm = np.flatnonzero(alive)[row]
    lat, lon = _scatter(rng, storms, storm, hours[granule], np.sqrt(strength[row, granule]))
    return _Origins(granule, lat, lon, storms.storm_id[storm])


def _scatter(
    rng: np.random.Generator, storms: Storms, storm: Integers, hours: Floats, growth: Floats
) -> tuple[Floats, Floats]:
    """Draw places of flashes about the cells of their storms, which move and grow: (lat, lon)."""
    count = len(storm)
    cell = (storms.cell_count[storm] * rng.random(count) ** 1.5).astype(int)
    spread = 0.3 + 0.7 * growth
    along = (storms.cell_along[storm, cell] + 0.6 * rng.standard_normal(count)) * spread
    across = (storms.cell_across[storm, cell] + 0.6 * rng.standard_normal(count)) * spread
    along, across = along * storms.length_km[storm], across * storms.width_km[storm]
    cos, sin = np.cos(storms.orientation_rad[storm]), np.sin(storms.orientation_rad[storm])
    age_h = hours - storms.birth_h[storm]
    east_km = storms.east_km_h[storm] * age_h + along * cos - across * sin
    north_km = storms.north_km_h[storm] * age_h + along * sin + across * cos
    lat = storms.lat[storm] + north_km / KM_PER_DEGREE
    lon = storms.lon[storm] + east_km / (KM_PER_DEGREE * np.cos(np.radians(storms.lat[storm])))
    return lat, lon


def _draw_isolated_flashes(rng: np.random.Generator) -> _Origins:
    """Draw flashes outside storms, uniform over the ground of the domain."""
    count = rng.poisson(_ISOLATED_PER_HOUR)
    sin_edge = np.sin(np.radians(_DOMAIN_LAT))
    lat = np.degrees(np.arcsin(rng.uniform(-sin_edge, sin_edge, count)))
    granule = rng.integers(0, GRANULES_PER_HOUR, count)
    lon = rng.uniform(*_DOMAIN_LON, count)
    return _Origins(granule, lat, lon, np.full(count, NO_STORM))


def _draw_times(rng: np.random.Generator, granule: Integers, size: Floats) -> tuple[Floats, Floats]:
    """Draw times of first and last events (s after the hour's start), in whole frames.

    A flash is written when it closes, some tenths of a second after its last event: that is why it
    may begin, and even end, before the granule that holds it.
    """
    close_s = (granule + rng.random(len(granule))) * GRANULE_S
    last_s = close_s - rng.uniform(*_CLOSING_S, len(granule))
    duration_s = np.exp(np.log(0.25) + 0.6 * size + 0.5 * rng.standard_normal(len(granule)))
    duration_s = np.where(size < SINGLE_GROUP_SIZE, 0.0, np.minimum(duration_s, LONGEST_S))
    last_frame = np.rint(last_s / FRAME_S)
    return (last_frame - np.rint(duration_s / FRAME_S)) * FRAME_S, last_frame * FRAME_S


def _draw_energies(rng: np.random.Generator, size: Floats) -> Floats:
    """Draw radiant energies (J): lognormal about 2e-13, a few of them next to nothing."""
    energy_j = np.exp(np.log(2e-13) + 1.1 * size + 0.6 * rng.standard_normal(len(size)))
    return np.where(rng.random(len(size)) < _FAINT_FRACTION, 1e-16, energy_j)
