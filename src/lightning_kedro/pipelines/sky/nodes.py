"""The node of the sky pipeline: flashes in, artifacts and matches out."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lightning_kedro.pipelines.sky import tables
from lightning_kedro.results import SKY_TABLES, Result
from lightning_kedro.selected_flashes import check_flashes
from lightning_kedro.selection import Selection
from lightning_kedro.sky import find_read, see_flashes
from lightning_kedro.sky_words import describe_counts
from lightning_kedro.unchanged import (
    REMAKE,
    StoredThings,
    Unchanged,
    confirm,
    look_at,
    name_making,
)

logger = logging.getLogger(__name__)


def inspect_sky(
    flashes: Any,  # noqa: ANN401  (handles on tables, which know how to read a selection)
    groups: Any,  # noqa: ANN401
    selection: Mapping[str, Any],
    satellite: str,
    run_time: str,
    stored: StoredThings | None = None,
    unchanged: str = REMAKE,
) -> tuple[Result | Unchanged, ...]:
    """Flag the flashes that an artifact may have made, and list those that both satellites saw.

    Args:
        flashes: The handle on the table ``flashes``.
        groups: The handle on the table ``groups``, which need not be there.
        selection: What the result is of.
        satellite: The parameter, as it was asked for.
        run_time: When the run began, ISO 8601, UTC.
        stored: The handle on what is stored of the same kind.
        unchanged: Whether what is stored is kept if it was made of the same: ``keep``, ``remake``.

    Returns:
        The result, once for each of its tables: their entries commit it as a whole.
    """
    selected = Selection.from_plain(selection)
    making, read = {"satellite": satellite}, find_read(selected)
    measured, kept = look_at(stored, selected, read, making, unchanged)
    if kept is not None:
        return (kept,) * len(SKY_TABLES)
    seen = see_flashes(flashes, selected, tables.COLUMNS, with_sun=True)
    check_flashes(flashes, selected, seen.table)
    largest = groups.read_largest_areas(selected)
    result = tables.collect_result(selected, seen, largest, making | {"run_time": run_time})
    measured = confirm(stored, read, measured)
    result = replace(result, made_of=name_making(measured, making))
    for sentence in describe_counts(result.row):
        logger.info("%s", sentence)
    return (result,) * len(SKY_TABLES)
