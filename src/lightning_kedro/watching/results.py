"""Results of windows that a watch has left behind: dropped, so that a day of laps fits on a disk.

A window that moves has another result every minute. Of those a few are kept, of the very label that
the watch gives them: no result that was made otherwise is touched.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from lightning_kedro.results import KINDS
from lightning_kedro.selection import DEFAULT_LABEL, ResultKey, Selection
from lightning_kedro.store.reports import withdraw
from lightning_kedro.store.results import list_former

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol

    from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
    from lightning_kedro.datasets.report import ReportDataset

_LISTED: Final = tuple(kind[-1] for kind in KINDS)


def drop_former(catalog: "CatalogProtocol[Any, Any]", selection: Selection, keep: int) -> int:
    """Drop results of earlier windows of the same length, of all else the same, and their reports.

    Args:
        catalog: The catalog.
        selection: What the present result is of.
        keep: How many results stay, the present one among them; 0: all.

    Returns:
        How many were dropped: none of the label ``default``, which is not the watch's.
    """
    if not keep or selection.label == DEFAULT_LABEL:
        return 0
    keys: set[ResultKey] = set()
    for table in _LISTED:
        keys |= {*list_former(catalog.load(table), selection)}
    former = sorted(keys, key=lambda key: key.window_end, reverse=True)[keep - 1 :]
    if not former:
        return 0
    entry = cast("DuckDBTableDataset", catalog.get(_LISTED[0]))
    entry.drop_results(former)
    report = cast("ReportDataset", catalog.get("report"))
    names = [span(selection, key.window_start, key.window_end).name for key in former]
    withdraw(report.folder, names)
    return len(former)


def span(like: Selection, start: datetime, end: datetime) -> Selection:
    """A selection with other edges, UTC without a time zone, as tables have them."""
    return like.stretch(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
