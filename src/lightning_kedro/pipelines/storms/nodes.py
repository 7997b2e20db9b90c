"""The nodes of the storms pipeline: flashes in, storms with tracks and jumps out."""

import logging
from collections.abc import Mapping
from typing import Any

from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.pipelines.storms import flashes as storm_flashes
from lightning_kedro.pipelines.storms import tables
from lightning_kedro.pipelines.storms.flashes import FoundStorms
from lightning_kedro.pipelines.storms.options import StormOptions
from lightning_kedro.results import STORM_TABLES, Result
from lightning_kedro.selection import Selection

logger = logging.getLogger(__name__)


def track_storms(
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Mapping[str, Any],
    storms: Mapping[str, Any],
    workers: Workers = THREADS,
) -> FoundStorms:
    """Read the selected flashes and those about them, and find their storms."""
    options = StormOptions.from_parameters(storms)
    selected = Selection.from_plain(selection)
    return storm_flashes.find_selected_storms(flashes, selected, options, workers)


def describe_storms(found_storms: FoundStorms, satellite: str, run_time: str) -> tuple[Result, ...]:
    """Describe the storms: as a whole, minute by minute, flash by flash, and their jumps.

    Returns:
        The result, once for each of its tables: their entries commit it as a whole.
    """
    request = {"satellite": satellite, "run_time": run_time}
    result = tables.collect_result(found_storms, request)
    row = result.row
    logger.info(
        "%d storms with %d of %d flashes, %d lightning jumps",
        *(row["n_storms"], row["n_flashes"] - row["n_noise"], row["n_flashes"]),
        result.tables["lightning_jumps"].num_rows,
    )
    return (result,) * len(STORM_TABLES)
