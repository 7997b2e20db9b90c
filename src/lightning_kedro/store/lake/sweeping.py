"""Removing from a lake what no log names any more, and what no commit ever named."""

import logging
from typing import Final

from lightning_kedro.store.lake.log import LAKE_TABLES, LakeTable
from lightning_kedro.store.lake.places import Place

logger = logging.getLogger(__name__)

LEAST_HOURS: Final = 24
"""Nothing younger is removed: a run may just have written it, or a reader be at it."""


def sweep_lake(lake: Place, *, older_than_days: int, dry_run: bool = False) -> list[str]:
    """Remove objects that have counted for nothing for some days.

    Those are objects whose place another one has taken, and orphans, which a client wrote and never
    committed. Versions of the tables from before then can no longer be read.

    Args:
        lake: Where the lake is; it need not exist.
        older_than_days: For how many days, one at least.
        dry_run: Only look.

    Returns:
        Where they were.
    """
    found: list[str] = []
    for name in LAKE_TABLES:
        table = LakeTable(lake, name)
        delta = table.open()
        if delta is None:
            continue
        with table.explain("swept"):
            paths = delta.vacuum(
                retention_hours=max(LEAST_HOURS, 24 * older_than_days),
                dry_run=dry_run,
                enforce_retention_duration=False,
                full=True,
            )
        found += [table.place.join(path) for path in paths]
    return found
