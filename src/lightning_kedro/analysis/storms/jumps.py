"""Lightning jumps: sudden rises of a storm's flash rate, which often come before severe weather.

Taken from Schultz, Petersen & Carey (2009, doi:10.1175/2009JAMC2237.1): the flash rate is averaged
over periods of two minutes; DFRDT is its change from one period to the next; sigma is the standard
deviation of the five periods' DFRDT before, and the present DFRDT is a jump where it is more than
two sigma and the rate is at least 10 flashes a minute.

Taken from Erdmann & Poelman (2023, doi:10.1175/JAMC-D-22-0144.1), who tuned such algorithms for
GLM: they recommend the rate by footprint of the storm ("FRarea"), at least 15 flashes a minute, and
1.0 to 1.5 sigma. Here 1.5 is taken.

Assumptions of ours: periods begin at even minutes; sigma has the divisor of the sample (n - 1); the
footprint is that of the flashes of the last ten minutes; a jump that goes on is one event, which
ends with the first period whose DFRDT is below zero, and begins in the period stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.pixels import IntArray

PERIOD_MINUTES: Final = 2
"""Length of the periods that rates are averaged over, minutes."""

PERIODS_OF_SIGMA: Final = 5
"""How many changes before the present one sigma is taken of."""

FOOTPRINT_PERIODS: Final = 5
"""How many periods, the present one included, the footprint is taken of."""


@dataclass(frozen=True, slots=True)
class JumpAlgorithm:
    """An algorithm that finds jumps.

    Attributes:
        name: What it is called in the table.
        sigma_level: How many sigma a change must exceed.
        least_rate: Flashes per minute that there must be.
        by_area: Whether changes are those of the rate by footprint.
    """

    name: str
    sigma_level: float
    least_rate: float
    by_area: bool


SCHULTZ_2009: Final = JumpAlgorithm("2-sigma", 2.0, 10.0, by_area=False)
ERDMANN_2023: Final = JumpAlgorithm("FRarea", 1.5, 15.0, by_area=True)
ALGORITHMS: Final = (SCHULTZ_2009, ERDMANN_2023)


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump.

    Attributes:
        period: Its period, counted from the first one.
        rate: Flash rate in it, flashes per minute.
        dfrdt: Change of the rate, flashes per minute squared; by footprint, also per 1,000 km2.
        sigma: Standard deviation of the changes before, in the same unit.
        threshold: What the change exceeded, in the same unit.
    """

    period: int
    rate: float
    dfrdt: float
    sigma: float
    threshold: float


def find_jumps(
    counts: IntArray, footprints_km2: FloatArray, algorithm: JumpAlgorithm
) -> Iterator[Jump]:
    """Find the jumps of a storm.

    Args:
        counts: Flashes in each period from the storm's first to its last, shape (n,).
        footprints_km2: Footprint of the flashes of the last ``FOOTPRINT_PERIODS`` periods, for each
            period, shape (n,), km2.
        algorithm: How.

    Yields:
        The jumps, in order of time.
    """
    for _, jump in find_all_jumps(counts, footprints_km2, np.zeros(1, dtype=np.int64), algorithm):
        yield jump


def find_all_jumps(
    counts: IntArray, footprints_km2: FloatArray, starts: IntArray, algorithm: JumpAlgorithm
) -> Iterator[tuple[int, Jump]]:
    """Find the jumps of storms whose periods stand one after the other.

    Args:
        counts: Flashes in each period of each storm, shape (n,).
        footprints_km2: Footprints likewise, shape (n,), km2.
        starts: The first period of each storm, shape (storms,), rising.
        algorithm: How.

    Yields:
        The number of the storm, and the jump; in order of storms and time.
    """
    rates = np.asarray(counts, dtype=np.float64) / PERIOD_MINUTES
    changing = rates
    if algorithm.by_area:
        changing = 1000.0 * rates / np.where(footprints_km2 > 0.0, footprints_km2, np.inf)
    changes = np.diff(changing) / PERIOD_MINUTES
    if changes.size <= PERIODS_OF_SIGMA:
        return
    before = np.lib.stride_tricks.sliding_window_view(changes, PERIODS_OF_SIGMA)[:-1]
    sigmas = before.std(axis=1, ddof=1)
    thresholds = algorithm.sigma_level * sigmas
    rises, rates = changes[PERIODS_OF_SIGMA:], rates[PERIODS_OF_SIGMA + 1 :]
    begins = (rises > thresholds) & (rises > 0.0) & (rates >= algorithm.least_rate)
    found = np.flatnonzero(begins)
    periods = found + PERIODS_OF_SIGMA + 1
    storms = np.searchsorted(starts, periods, side="right") - 1
    periods -= starts[storms]
    falls = np.flatnonzero(rises < 0.0)
    ends = np.append(falls, rises.size)[np.searchsorted(falls, found)]
    last_storm, last_end = -1, -1
    for index, storm, period, end in zip(
        *(column.tolist() for column in (found, storms, periods, ends)), strict=True
    ):
        is_on = storm == last_storm and index < last_end
        if period <= PERIODS_OF_SIGMA or is_on:
            continue
        last_storm, last_end = storm, end
        values = (rates[index], rises[index], sigmas[index], thresholds[index])
        yield storm, Jump(period, *(float(value) for value in values))
