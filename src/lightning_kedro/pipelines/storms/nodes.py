"""The nodes of the storms pipeline: flashes in, storms with tracks and jumps out."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.pipelines.storms import flashes as storm_flashes
from lightning_kedro.pipelines.storms import tables
from lightning_kedro.pipelines.storms.flashes import FoundStorms
from lightning_kedro.pipelines.storms.options import StormOptions
from lightning_kedro.results import STORM_TABLES, Result
from lightning_kedro.selection import Selection
from lightning_kedro.sky import find_read
from lightning_kedro.unchanged import (
    REMAKE,
    StoredThings,
    Unchanged,
    confirm,
    hand_on,
    look_at,
    name_making,
)

logger = logging.getLogger(__name__)


def track_storms(
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Mapping[str, Any],
    storms: Mapping[str, Any],
    stored: StoredThings | None = None,
    unchanged: str = REMAKE,
    satellite: str = "",
    workers: Workers = THREADS,
) -> FoundStorms | Unchanged:
    """Read the selected flashes and those about them, and find their storms.

    Where the storms that are stored were made of the same, they are left as they are.
    """
    options, chosen = StormOptions.from_parameters(storms), Selection.from_plain(selection)
    read = find_read(storm_flashes.widen(chosen, options))
    making = {"storms": options.to_columns(), "satellite": satellite}
    measured, kept = look_at(stored, chosen, read, making, unchanged)
    if kept is not None:
        return kept
    found = storm_flashes.find_selected_storms(flashes, chosen, options, workers)
    return replace(found, measured=confirm(stored, read, measured))


@hand_on(len(STORM_TABLES))
def describe_storms(found_storms: FoundStorms, satellite: str, run_time: str) -> tuple[Result, ...]:
    """Describe the storms: as a whole, minute by minute, flash by flash, and their jumps.

    Returns:
        The result, once for each of its tables: their entries commit it as a whole.
    """
    request = {"satellite": satellite, "run_time": run_time}
    making = {"storms": found_storms.options.to_columns(), "satellite": satellite}
    result = tables.collect_result(found_storms, request)
    result = replace(result, made_of=name_making(found_storms.measured, making))
    row = result.row
    logger.info(
        "%d storms with %d of %d flashes, %d lightning jumps",
        *(row["n_storms"], row["n_flashes"] - row["n_noise"], row["n_flashes"]),
        result.tables["lightning_jumps"].num_rows,
    )
    return (result,) * len(STORM_TABLES)
