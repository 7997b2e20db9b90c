"""What a satellite records of the simulated flashes: flashes, their groups and their events.

The hierarchy holds as in real granules: a flash's energy is the sum of its groups', a group's the
sum of its events', centroids are weighted by energy, first and last groups stand at the flash's
first and last times, and every parent is there. Events lie on adjacent pixels (``footprints``).
Groups and events are few, though: some four and eleven a flash, where real ones have 20 and 50.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.glm.field_of_view import field_of_view, pixel_area_km2, sees, wrap_lon
from lightning_kedro.glm.granule import GRANULES_PER_HOUR
from lightning_kedro.glm.lightning_ellipsoid import Ellipsoid, lightning_ellipsoid
from lightning_kedro.glm.satellites import PLATFORMS, FieldOfView
from lightning_kedro.simulation.footprints import STRETCHES, Paths, lay_paths, place_pixels
from lightning_kedro.simulation.granule_writer import Events, Flashes, GranuleContent, Groups
from lightning_kedro.simulation.storms import (
    FRAME_S,
    GRANULE_S,
    KM_PER_DEGREE,
    LONGEST_S,
    SINGLE_GROUP_SIZE,
    Floats,
    Integers,
    TrueFlashes,
    hour_number,
    make_generator,
    simulate_flashes,
)

NADIR_PIXEL_KM2: Final = 64.0
MAX_AREA_KM2: Final = 9_900.0
"""Below the 10,000 km2 that the packing holds."""

MAX_ENERGY_J: Final = 6.5e-11
"""Below the 6.55e-11 J that the packing holds."""

GOOD: Final = 0
TOO_MANY_GROUPS: Final = 3
TOO_LONG: Final = 5
CLOSING_GROUPS: Final = 101
"""A flash is closed at this many groups, with quality flag 3: all such flashes have exactly so."""
_CLOSING_SIZE: Final = 2.4
"""Flashes above this size reach that many groups: 0.8 % of all."""

IDS_PER_GRANULE: Final = 728
"""Step of ``flash_id`` from granule to granule: 16 bits are used up in half an hour."""
_ROW_IDS_PER_GRANULE: Final = 131_072
_ROW_ID_BITS: Final = 0x7FFF_FFFF

_LINK_S: Final = 0.25
"""Groups of a flash are so far apart in time on the average: 330 ms is what links them."""

_LIT: Final = 1.3
"""Pixels that a flash's events light, by its area in pixels: in real granules, where places are
rounded and pixels split in two, events of a flash are in 1.24 to 1.34 times as many squares of 28
microradians as its area has pixels."""

_TAG_OBSERVATION: Final = 3
_TAG_PIXELS: Final = 6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ObservedHour:
    """All rows of an hour's granules, one granule after the other, times from the hour's start.

    Attributes:
        content: The rows.
        flash_starts: First flash of each granule, and the end, shape (181,).
        group_starts: First group of each granule, and the end, shape (181,).
        event_starts: First event of each granule, and the end, shape (181,).
        storm: The truth: identifier of each flash's storm, -1 for isolated ones, shape (flashes,).
    """

    content: GranuleContent
    flash_starts: Integers
    group_starts: Integers
    event_starts: Integers
    storm: Integers

    def granule(self, number: int) -> GranuleContent:
        """The rows of one granule (0 to 179), times from the granule's start."""
        flashes = self.content.flashes[_rows_of(self.flash_starts, number)]
        groups = self.content.groups[_rows_of(self.group_starts, number)]
        events = self.content.events[_rows_of(self.event_starts, number)]
        start_s = number * GRANULE_S
        return GranuleContent(
            replace(
                flashes,
                first_event_s=flashes.first_event_s - start_s,
                last_event_s=flashes.last_event_s - start_s,
            ),
            replace(groups, time_s=groups.time_s - start_s),
            replace(events, time_s=events.time_s - start_s),
        )


def observe_hour(platform: str, hour: datetime, seed: int) -> ObservedHour:
    """Simulate what a satellite's granules of an archive hour hold.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        hour: A whole hour, UTC.
        seed: Of the whole simulation, 0 or more.

    Returns:
        The rows of the hour's 180 granules.

    Raises:
        ParameterError: If there is no such platform.
    """
    truth = simulate_flashes(hour, seed)
    seen = sees(platform, truth.lat, truth.lon, hour)
    key = hour_number(hour)
    rng = make_generator(seed, _TAG_OBSERVATION, key, PLATFORMS.index(platform))
    pixel_km2 = pixel_area_km2(platform, truth.lat, truth.lon)
    # A pixel that covers more ground needs a brighter flash: the edge of the view sees fewer.
    detection_efficiency = 0.9 * (NADIR_PIXEL_KM2 / pixel_km2) ** 0.8
    seen &= rng.random(len(seen)) < detection_efficiency
    rows = np.flatnonzero(seen)
    # Real rows are in the order of closing, roughly: 61 to 70 % of steps go forward in time.
    jitter_s = 0.3 * rng.standard_normal(len(rows))
    rows = rows[np.lexsort((truth.first_event_s[rows] + jitter_s, truth.granule[rows]))]
    sky = _Sky(
        field_of_view(platform, hour),
        lightning_ellipsoid(hour),
        key * GRANULES_PER_HOUR,
        make_generator(seed, _TAG_PIXELS, key, PLATFORMS.index(platform)),
    )
    return _record(rng, _take(truth, rows), pixel_km2[rows], sky)


def _take(truth: TrueFlashes, rows: Integers) -> TrueFlashes:
    """Some of the flashes, in a given order."""
    return TrueFlashes(**{name: getattr(truth, name)[rows] for name in TrueFlashes.__slots__})


@dataclass(frozen=True, slots=True, eq=False)
class _Sky:
    """Where the satellite stands, and when.

    Attributes:
        view: Its place.
        ellipsoid: The lightning ellipsoid.
        first_granule: The hour's first granule, counted from year 1.
        rng: Where draws of groups and events come from.
    """

    view: FieldOfView
    ellipsoid: Ellipsoid
    first_granule: int
    rng: np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class _Centroids:
    """Places (degrees) and energies (J) of flashes, groups or events, each of shape (rows,)."""

    lat: Floats
    lon: Floats
    energy_j: Floats


def _record(
    rng: np.random.Generator, truth: TrueFlashes, pixel_km2: Floats, sky: "_Sky"
) -> ObservedHour:
    """Make the rows of the flashes that were seen."""
    count = len(truth.granule)
    centroids = _Centroids(
        truth.lat + rng.normal(0.0, 2.0, count) / KM_PER_DEGREE,
        truth.lon + rng.normal(0.0, 2.0, count) / KM_PER_DEGREE,
        np.minimum(truth.energy_j * rng.lognormal(0.0, 0.2, count), MAX_ENERGY_J),
    )
    counts = _draw_group_counts(rng, truth.size)
    pixels = _draw_pixels(rng, truth.size, counts)
    area_km2 = np.minimum(pixels * pixel_km2, MAX_AREA_KM2)
    flashes = _record_flashes(truth, centroids, area_km2, sky.first_granule)

    # From here on draws are of another generator: flashes are what they were before groups and
    # events lay on pixels.
    rng = sky.rng
    counts = np.maximum(counts, _count_links(truth))
    pixels = np.maximum(np.rint(_LIT * area_km2 / pixel_km2), 1.0).astype(np.int64)
    paths = lay_paths(pixels, counts, rng.integers(0, len(STRETCHES), count))
    group_flash = np.repeat(np.arange(count), counts)
    parts = _spread_events(rng, centroids, paths, group_flash[paths.group], sky)
    granule = truth.granule[group_flash]
    lit_km2 = np.bincount(paths.group, minlength=len(group_flash)) * pixel_km2[group_flash]
    group_id = _number_rows(granule, sky.first_granule)
    merged = _merge(parts, paths.group, len(group_flash))
    groups = _record_groups(rng, flashes, group_id, group_flash, merged, lit_km2)
    event_granule = granule[paths.group]
    events = Events(
        event_id=_number_rows(event_granule, sky.first_granule),
        parent_group_id=groups.group_id[paths.group],
        time_s=groups.time_s[paths.group],
        lat=parts.lat,
        lon=parts.lon,
        energy_j=parts.energy_j,
    )
    return ObservedHour(
        content=GranuleContent(flashes, groups, events),
        flash_starts=_starts(truth.granule),
        group_starts=_starts(granule),
        event_starts=_starts(event_granule),
        storm=truth.storm,
    )


def _count_links(truth: TrueFlashes) -> Integers:
    """The fewest groups that link a flash in time; what is closed for their number has enough."""
    lasted_s = truth.last_event_s - truth.first_event_s
    return 1 + np.ceil(lasted_s / _LINK_S).astype(np.int64)


def _spread_events(
    rng: np.random.Generator, centroids: _Centroids, paths: Paths, flash: Integers, sky: "_Sky"
) -> _Centroids:
    """Places and energies of events: on their pixels, about the centroid of their flash.

    Args:
        rng: Where draws come from.
        centroids: The flashes.
        paths: The events' pixels.
        flash: Flash of each event, shape (events,).
        sky: Where the satellite stands, and when.
    """
    count = len(centroids.lat)
    weight = rng.exponential(1.0, len(flash)) + 0.02
    share = weight / np.bincount(flash, weight, count)[flash]
    steps = place_pixels(centroids.lat, centroids.lon, sky.view, sky.ellipsoid)
    lat, lon = (
        axis[flash]
        + _center(step[flash, 0] * paths.column + step[flash, 1] * paths.row, share, flash)
        for axis, step in zip((centroids.lat, centroids.lon), steps, strict=True)
    )
    return _Centroids(lat, lon, centroids.energy_j[flash] * share)


def _center(offset: Floats, share: Floats, parent: Integers) -> Floats:
    """Offsets whose mean, weighted by their shares, is 0 in each parent."""
    return offset - np.bincount(parent, share * offset)[parent]


def _merge(parts: _Centroids, parent: Integers, count: int) -> _Centroids:
    """Energies and energy-weighted centroids of what parts belong to."""
    energy_j = np.asarray(np.bincount(parent, parts.energy_j, count), np.float64)
    lat, lon = (
        np.bincount(parent, parts.energy_j * axis, count) / energy_j
        for axis in (parts.lat, parts.lon)
    )
    return _Centroids(lat, lon, energy_j)


def _record_flashes(
    truth: TrueFlashes, centroids: _Centroids, area_km2: Floats, first_granule: int
) -> Flashes:
    """The flashes' own rows."""
    lasted_s = truth.last_event_s - truth.first_event_s
    flags = (truth.size > _CLOSING_SIZE, lasted_s > LONGEST_S - FRAME_S / 2)
    return Flashes(
        flash_id=_number_flashes(truth, first_granule),
        first_event_s=truth.first_event_s,
        last_event_s=truth.last_event_s,
        lat=centroids.lat.astype(np.float32),
        lon=_to_file_lon(centroids.lon),
        energy_j=centroids.energy_j,
        area_km2=area_km2,
        quality_flag=np.select(flags, (TOO_MANY_GROUPS, TOO_LONG), GOOD).astype(np.int16),
    )


def _record_groups(
    rng: np.random.Generator,
    flashes: Flashes,
    group_id: NDArray[np.uint32],
    group_flash: Integers,
    centroids: _Centroids,
    lit_km2: Floats,
) -> Groups:
    """The groups of flashes; ``lit_km2`` is the ground below each group's pixels."""
    return Groups(
        group_id=group_id,
        parent_flash_id=flashes.flash_id[group_flash],
        time_s=_spread_times(rng, flashes, group_flash),
        lat=centroids.lat.astype(np.float32),
        lon=_to_file_lon(centroids.lon),
        energy_j=centroids.energy_j,
        area_km2=np.minimum(lit_km2, flashes.area_km2[group_flash]),
        quality_flag=np.zeros(len(group_flash), np.int16),
    )


def _draw_group_counts(rng: np.random.Generator, size: Floats) -> Integers:
    """How many groups flashes have: 1, 2 to 100, or exactly 101 where that closed them."""
    counts = np.clip(2 + rng.poisson(1.3 * np.exp(0.5 * size)), 2, CLOSING_GROUPS - 1)
    counts = np.where(size < SINGLE_GROUP_SIZE, 1, counts)
    return np.where(size > _CLOSING_SIZE, CLOSING_GROUPS, counts).astype(np.int64)


def _draw_pixels(rng: np.random.Generator, size: Floats, group_counts: Integers) -> Integers:
    """How many pixels flashes light up: no fewer than the largest of their groups is drawn with."""
    flash = np.repeat(np.arange(len(size)), group_counts)
    group_events = 1 + rng.poisson(0.9, len(flash))
    drawn = np.exp(1.4 + 0.7 * size + 0.3 * rng.standard_normal(len(size)))
    drawn = np.where(size < SINGLE_GROUP_SIZE, 1.0, np.rint(drawn))
    largest = np.ones(len(size), np.int64)
    np.maximum.at(largest, flash, group_events)
    return np.maximum(drawn.astype(np.int64), largest)


def _spread_times(rng: np.random.Generator, flashes: Flashes, group_flash: Integers) -> Floats:
    """Times of groups (s), in whole frames: first and last at the flash's, the rest between."""
    count = np.bincount(group_flash, minlength=len(flashes))
    first = np.cumsum(count) - count
    step = np.arange(len(group_flash)) - first[group_flash]
    last_step = count[group_flash] - 1
    inner = (step > 0) & (step < last_step)
    fraction = (step + inner * rng.uniform(-0.15, 0.15, len(step))) / np.maximum(last_step, 1)
    lasted_s = (flashes.last_event_s - flashes.first_event_s)[group_flash]
    return flashes.first_event_s[group_flash] + np.rint(fraction * lasted_s / FRAME_S) * FRAME_S


def _number_flashes(truth: TrueFlashes, first_granule: int) -> NDArray[np.uint16]:
    """Ids that increase with time, wrap at 65,535 and are unique within a granule."""
    in_time = np.lexsort((truth.first_event_s, truth.granule))
    rank = np.empty(len(in_time), int)
    rank[in_time] = np.arange(len(in_time))
    rank -= _starts(truth.granule)[truth.granule]
    return ((first_granule + truth.granule) * IDS_PER_GRANULE + rank).astype(np.uint16)


def _number_rows(granule: Integers, first_granule: int) -> NDArray[np.uint32]:
    """Ids of groups or events: increasing, below 2^31, unique within a granule."""
    rank = np.arange(len(granule)) - _starts(granule)[granule]
    number = (first_granule + granule) * _ROW_IDS_PER_GRANULE + rank
    return (number & _ROW_ID_BITS).astype(np.uint32)


def _starts(granule: Integers) -> Integers:
    """Where each granule's rows begin, and the end, shape (181,)."""
    return np.searchsorted(granule, np.arange(GRANULES_PER_HOUR + 1)).astype(np.int64)


def _rows_of(starts: Integers, number: int) -> slice:
    """The rows of one granule."""
    return slice(int(starts[number]), int(starts[number + 1]))


def _to_file_lon(lon: Floats) -> NDArray[np.float32]:
    """Longitudes as flashes and groups have them: float32 in (-180, 180]."""
    wrapped = wrap_lon(lon).astype(np.float32)
    # Just east of the meridian, rounding to float32 can give -180 itself.
    return np.where(wrapped <= np.float32(-180), np.float32(180), wrapped)
