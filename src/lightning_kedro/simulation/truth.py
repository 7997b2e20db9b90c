"""The truth of a simulated hour: which storm each flash of its granules came from.

For scoring what finds storms. No real archive has it, so it is no part of the granules, and they
are the same with and without it.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_kedro.glm.granule import GRANULE_LENGTH, GRANULES_PER_HOUR
from lightning_kedro.simulation.faults import NO_FAULTS, Faults
from lightning_kedro.simulation.hour import assign_faults, check_arguments
from lightning_kedro.simulation.observation import observe_hour

if TYPE_CHECKING:
    import pyarrow as pa

FAULTS_WITHOUT_FLASHES = frozenset({"missing", "truncated", "empty"})
"""Granules with these faults have no flashes that could be read."""


def simulate_truth(
    platform: str, hour: datetime, *, seed: int = 60, faults: Faults = NO_FAULTS
) -> "pa.Table":
    """Tell the storm of every flash that can be read from the granules of an archive hour.

    Args:
        platform: ``G16``, ``G17``, ``G18`` or ``G19``.
        hour: A whole hour, UTC.
        seed: Of the whole simulation, 0 or more; as given to ``simulate_hour``.
        faults: What is wrong with the hour; as given to ``simulate_hour``.

    Returns:
        A row for each flash of the newest creations of the hour's granules, in the order of the
        files: ``platform``, ``granule_start`` (UTC without a time zone), ``flash_id`` (0 to 65535;
        the three are the key of table ``flashes``) and ``storm``, the identifier of its storm: the
        same in every hour and for every satellite of a seed; -1 for isolated flashes, which belong
        to no storm.

    Raises:
        ParameterError: As ``simulate_hour`` does.
    """
    check_arguments(platform, hour, seed)
    fault_of = assign_faults(platform, hour, seed, faults)
    observed = observe_hour(platform, hour, seed)
    unread = [number for number, fault in fault_of.items() if fault in FAULTS_WITHOUT_FLASHES]
    granule = np.repeat(np.arange(GRANULES_PER_HOUR), np.diff(observed.flash_starts))
    rows = np.flatnonzero(~np.isin(granule, unread))
    start = np.datetime64(hour.replace(tzinfo=None), "us")
    return _make_table(
        platform,
        start + granule[rows] * np.timedelta64(GRANULE_LENGTH),
        observed.content.flashes.flash_id[rows],
        observed.storm[rows],
        seed,
    )


def _make_table(
    platform: str,
    granule_start: NDArray[np.datetime64],
    flash_id: NDArray[np.uint16],
    storm: NDArray[np.int64],
    seed: int,
) -> "pa.Table":
    """Make the table, with the types of table ``flashes`` and the seed in its metadata."""
    import pyarrow as pa

    schema = pa.schema(
        {
            "platform": pa.string(),
            "granule_start": pa.timestamp("us"),
            "flash_id": pa.int32(),
            "storm": pa.int64(),
        },
        metadata={"seed": str(seed)},
    )
    columns = [pa.repeat(platform, len(storm)), granule_start, flash_id.astype(np.int32), storm]
    return pa.table(columns, schema=schema)
