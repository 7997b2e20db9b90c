"""The node of the climatology pipeline: flashes in, fields out. Reporting draws and publishes."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightning_kedro.analysis.climatology.building import ClimatologyBuilder, Thunder
from lightning_kedro.analysis.climatology.fields import Climatology
from lightning_kedro.analysis.climatology.hours import FlashHistory
from lightning_kedro.analysis.climatology.seen import Seen
from lightning_kedro.analysis.climatology.window import find_box, keep_whole_hours, make_grid
from lightning_kedro.analysis.sphere import KM_PER_DEGREE
from lightning_kedro.exceptions import NoFlashesError
from lightning_kedro.file_formats import NETCDF, check_format
from lightning_kedro.selection import Selection

logger = logging.getLogger(__name__)


def add_up_hours(
    flashes: FlashHistory, selection: Mapping[str, Any], climatology: Mapping[str, Any]
) -> Climatology:
    """Add up the hours of a window, which may be years, in the memory that a day takes.

    Args:
        flashes: The handle on the table ``flashes``.
        selection: Satellites, window, region and quality.
        climatology: The options.

    Raises:
        ParameterError: If the window has no whole hour, or the format cannot be written here.
        NoFlashesError: If nothing of it was observed.
    """
    check_format("climatology.format", climatology.get("format", NETCDF))
    selected = keep_whole_hours(Selection.from_plain(selection))
    grid = make_grid(find_box(selected), climatology["degrees"])
    thunder = Thunder(climatology["thunder_km"], climatology["thunder_flashes"])
    builder = ClimatologyBuilder(grid, thunder)
    margin = thunder.radius_km / KM_PER_DEGREE + grid.degrees
    month = None
    for hour in flashes.read_hours(selected, margin):
        if month not in (None, hour.start.astype("datetime64[M]")):
            logger.info("Added up %s: %d flashes so far", month, builder.flash_total)
        month = hour.start.astype("datetime64[M]")
        builder.add(hour)
    if builder.hour_count == 0:
        message = (
            f"No granule of {selected} has been loaded: ingest the window first "
            f"(`kedro run --pipelines ingestion` with the same parameters)."
        )
        raise NoFlashesError(message)
    return _finish(builder, selected)


def _finish(builder: ClimatologyBuilder, selection: Selection) -> Climatology:
    """Make the fields, and say how much they are of."""
    made = builder.finish(Seen.find(builder.grid, selection))
    asked = max(
        sum((part.end - part.start).total_seconds() for part in side) / 3600.0
        for side in selection.sides
    )
    logger.info(
        "Climatology of %d flashes in %.1f of %.0f hours, on %d by %d points, %.0f thunder hours "
        "at most",
        *(made.flash_total, made.most_observed, asked, made.grid.rows, made.grid.columns),
        np.max(made.thunder_hours, initial=0),
    )
    return made
