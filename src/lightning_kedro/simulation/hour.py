"""A simulated archive: for any hour and satellite, granules in NOAA's format that say SIMULATED.

For demonstration, tests and benchmarks without a network. Which flashes there are is in
``storms``, what a satellite records of them in ``observation``, how a file is written in
``granule_writer``; here is the hour: names, files, and the faults that real archives have.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.granule import (
    GRANULE_LENGTH,
    GRANULES_PER_HOUR,
    SIMULATED,
    GranuleName,
    floor_hour,
)
from lightning_kedro.glm.satellites import PLATFORMS
from lightning_kedro.simulation.faults import FAULT_KINDS, NO_FAULTS, Faults
from lightning_kedro.simulation.granule_writer import GranuleContent, encode_granule
from lightning_kedro.simulation.observation import observe_hour
from lightning_kedro.simulation.storms import hour_number, make_generator

EMPTY_LENGTH: Final = timedelta(seconds=11)
EMPTY_LATENCY: Final = timedelta(seconds=22, milliseconds=500)
"""A real granule without flashes: G17 2020-016 06:12:00 ended after 11 s, was made 22.5 s later."""

REMAKE_LATENCY: Final = timedelta(seconds=30)
"""How much later than its first creation a granule is made again."""

_TAG_NAMES: Final = 4
_TAG_FAULTS: Final = 5


def simulate_hour(
    platform: str,
    hour: datetime,
    *,
    seed: int = 60,
    faults: Faults = NO_FAULTS,
    numbers: Collection[int] | None = None,
) -> Iterator[tuple[GranuleName, bytes]]:
    """Make the granules of an archive hour.

    Args:
        platform: The satellite, one of ``PLATFORMS``.
        hour: A whole hour, UTC; any, past or to come.
        seed: Of the whole simulation, 0 or more: the same storms for all satellites and hours.
        faults: What is to be wrong.
        numbers: Which of the hour's granules to make (0 to 179); by default all.

    Returns:
        Names and files in order of start and creation, made one by one; 180 if nothing is wrong.
        The same arguments give the same bytes, whatever was made before.

    Raises:
        ParameterError: If there is no such platform, the hour is not a whole one in UTC, the seed
            is negative, or the faults do not fit into an hour.
    """
    check_arguments(platform, hour, seed)
    fault_of = assign_faults(platform, hour, seed, faults)
    wanted = [n for n in range(GRANULES_PER_HOUR) if numbers is None or n in numbers]
    return _make_granules(platform, hour, seed, faults, {n: fault_of.get(n, "") for n in wanted})


def check_arguments(platform: str, hour: datetime, seed: int) -> None:
    """Refuse what cannot be simulated.

    Raises:
        ParameterError: If there is no such platform, the hour is not a whole one in UTC, or the
            seed is negative.
    """
    if platform not in PLATFORMS:
        message = f"No satellite is called {platform!r}: choose one of {', '.join(PLATFORMS)}."
        raise ParameterError(message)
    if hour.utcoffset() != timedelta(0) or floor_hour(hour) != hour:
        message = f"Simulated hours are whole hours in UTC, but {hour.isoformat()} was asked for."
        raise ParameterError(message)
    if seed < 0:
        message = f"The seed of a simulation is 0 or more, but {seed} was given."
        raise ParameterError(message)


def assign_faults(platform: str, hour: datetime, seed: int, faults: Faults) -> dict[int, str]:
    """Decide which granules of the hour (0 to 179) have which fault.

    Raises:
        ParameterError: If the faults do not fit into an hour.
    """
    wanted = {kind: getattr(faults, kind) for kind in FAULT_KINDS}
    named = [number for which in wanted.values() if not isinstance(which, int) for number in which]
    counts = [which for which in wanted.values() if isinstance(which, int)]
    is_in_hour = all(0 <= number < GRANULES_PER_HOUR for number in named)
    fits = len(named) + sum(counts) <= GRANULES_PER_HOUR and min(counts, default=0) >= 0
    if not (is_in_hour and fits and len(set(named)) == len(named)):
        message = (
            f"Faults must be on different granules, numbered 0 to {GRANULES_PER_HOUR - 1}, or as "
            f"many as that at most, but these were given: {wanted}."
        )
        raise ParameterError(message)
    rng = make_generator(seed, _TAG_FAULTS, hour_number(hour), PLATFORMS.index(platform))
    free = [int(n) for n in rng.permutation(GRANULES_PER_HOUR) if n not in set(named)]
    fault_of = {}
    for kind, which in wanted.items():
        numbers = [free.pop() for _ in range(which)] if isinstance(which, int) else which
        fault_of.update(dict.fromkeys(numbers, kind))
    return fault_of


def _make_granules(
    platform: str, hour: datetime, seed: int, faults: Faults, fault_of: dict[int, str]
) -> Iterator[tuple[GranuleName, bytes]]:
    """Make the granules of an hour that have an entry, which is empty where nothing is wrong."""
    rng = make_generator(seed, _TAG_NAMES, hour_number(hour), PLATFORMS.index(platform))
    latencies = rng.integers(13, 31, GRANULES_PER_HOUR)
    cuts = rng.uniform(0.3, 0.9, GRANULES_PER_HOUR)
    observed = observe_hour(platform, hour, seed)
    for number, fault in fault_of.items():
        if fault == "missing":
            continue
        name = _name_granule(platform, hour, number, int(latencies[number]), fault)
        content = observed.granule(number)
        if fault == "empty":
            content = _keep_flashes(content, 0)
        if fault == "duplicated":
            half = _keep_flashes(content, len(content.flashes) // 2)
            yield name, encode_granule(name, half, era=faults.era, compressed=faults.compressed)
            name = replace(name, created=name.created + REMAKE_LATENCY)
        data = encode_granule(name, content, era=faults.era, compressed=faults.compressed)
        yield name, data[: int(len(data) * cuts[number])] if fault == "truncated" else data


def _name_granule(
    platform: str, hour: datetime, number: int, latency_tenths: int, fault: str
) -> GranuleName:
    """Name a granule: normally 20 s long, and made 1.3 to 3 s after its end."""
    start = hour + number * GRANULE_LENGTH
    is_empty = fault == "empty"
    end = start + (EMPTY_LENGTH if is_empty else GRANULE_LENGTH)
    latency = EMPTY_LATENCY if is_empty else latency_tenths * timedelta(milliseconds=100)
    return GranuleName(
        platform=platform, start=start, end=end, created=end + latency, environment=SIMULATED
    )


def _keep_flashes(content: GranuleContent, count: int) -> GranuleContent:
    """The first flashes of a granule with their groups and events."""
    flashes = content.flashes[:count]
    groups = content.groups[np.isin(content.groups.parent_flash_id, flashes.flash_id)]
    events = content.events[np.isin(content.events.parent_group_id, groups.group_id)]
    return GranuleContent(flashes, groups, events)
