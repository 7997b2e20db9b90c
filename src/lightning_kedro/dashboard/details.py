"""All that the dashboard shows of one result, read while the database is open for a moment.

Pages take counts, not flashes: those of a window are counted in batches, so that a day of millions
takes no more memory than an hour. Only the map takes flashes, a sample where there are many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.stored import OF_KEY, StoredResult
from lightning_kedro.dashboard.storms import Storms, read_storms
from lightning_kedro.pipelines.reporting.findings import is_known
from lightning_kedro.pipelines.reporting.flash_rate import (
    FlashRate,
    choose_bins,
    rate_counts,
    share_covered,
)
from lightning_kedro.pipelines.reporting.reported import ReportedResult, prepare, to_frame
from lightning_kedro.pipelines.reporting.window import Times, Window, pick_granules
from lightning_kedro.results import RESULT_TABLES, Result
from lightning_kedro.store.loaded import CoverageTable, GranuleTable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BATCH_ROWS: Final = 2**18
"""So many flashes are counted at once."""

CLUSTERED: Final = "clustered_flashes"
TRACKED: Final = "storm_flashes"

_GRANULE_COLUMNS: Final = (
    "platform",
    "granule_start",
    "granule_end",
    "orbital_slot",
    "status",
    "reason",
    "file_name",
    "simulated",
)
_FLASH_COLUMNS: Final = ("time", "lat", "lon", "cluster", "quality_flag")
_READ_WHOLE: Final = tuple(name for name in RESULT_TABLES if name != CLUSTERED)


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """A result, without its flashes.

    Attributes:
        stored: Which one.
        window: Its window, with the slots that its granules name.
        rate: The flash rate, with the gaps in coverage.
        reported: Clusters, evaluation and options as the report has them, of no flashes but with
            their number; None if the window was not clustered.
        storms: Its storms; None if none were looked for.
    """

    stored: StoredResult
    window: Window
    rate: FlashRate
    reported: ReportedResult | None
    storms: Storms | None

    @property
    def simulated(self) -> bool:
        """Whether the granules were simulated."""
        return self.stored.simulated

    @property
    def coverage(self) -> float:
        """Share of the window that sound granules cover, 0 to 1."""
        return share_covered(self.rate)

    @property
    def row(self) -> Mapping[str, Any]:
        """Options and origin: the row of ``k_selection``, or else of ``storm_selection``."""
        if self.reported is not None:
            return self.reported.row
        return {} if self.storms is None else self.storms.row

    @property
    def options(self) -> dict[str, object]:
        """What is recorded with the result; what is not known is left out."""
        return {name: value for name, value in self.row.items() if is_known(value)}


def read_details(tables: Tables, stored: StoredResult) -> Details:
    """Read all that a page shows of a result."""
    granules = read_granules(tables, stored)
    window = Window.read(stored.selection, granules)
    table = flash_table(stored)
    bins = choose_bins(window.start, window.end)
    (counts,) = count_flashes(tables, table, stored, bins)
    rate = rate_counts(counts, granules, window, int(counts.sum()))
    reported = None
    if stored.k is not None:
        reported = _read_reported(tables, stored, granules, rate)
    storms = None if stored.n_storms is None else read_storms(tables, stored, rate)
    return Details(stored, window, rate, reported, storms)


def flash_table(stored: StoredResult) -> str:
    """The table with the flashes of a result: that of its storms if it was not clustered."""
    return TRACKED if stored.k is None else CLUSTERED


def read_granules(tables: Tables, stored: StoredResult) -> "pd.DataFrame":
    """The rows of ``granules`` in a result's window."""
    condition, values = GranuleTable.where(stored.selection)
    rows = tables.select("granules", _GRANULE_COLUMNS, condition, values, "ORDER BY granule_start")
    return pick_granules(to_frame(rows), stored.selection)


def count_flashes(
    tables: Tables, table: str, stored: StoredResult, *edges: Times
) -> list[npt.NDArray[np.int64]]:
    """Count the flashes of a result by time.

    Args:
        tables: The open database.
        table: ``clustered_flashes`` or ``storm_flashes``.
        stored: The result.
        edges: Edges of bins that cover its window, shape (b + 1,) each.

    Returns:
        For each of the edges the number of flashes in each bin, shape (b,).
    """
    query = f"SELECT time FROM {tables.source(table)} WHERE {OF_KEY}"  # noqa: S608
    reader = tables.connection.sql(query, params=[*stored.key]).to_arrow_reader(BATCH_ROWS)
    counts = [np.zeros(one.size - 1, dtype=np.int64) for one in edges]
    for batch in reader:
        times = batch.column(0).to_numpy(zero_copy_only=False).astype("datetime64[us]")
        for at, bins in enumerate(edges):
            counts[at] += np.histogram(times.astype(np.int64), bins.astype(np.int64))[0]
    return counts


def _read_reported(
    tables: Tables, stored: StoredResult, granules: "pd.DataFrame", rate: FlashRate
) -> ReportedResult:
    """A result of clustering as the report takes it, with the counts of all its flashes."""
    read = {name: _read_rows(tables, name, stored) for name in _READ_WHOLE}
    read[CLUSTERED] = tables.select(CLUSTERED, _FLASH_COLUMNS, "false")
    read["granules"] = _to_table(granules)
    condition, values = CoverageTable.where(stored.selection)
    read["coverage"] = tables.select("coverage", (), condition, values, "ORDER BY hour")
    sky = tables.select("sky_selection", (), OF_KEY, [*stored.key]).to_pylist()
    reported = prepare(Result(stored.selection, read), sky=next(iter(sky), None))
    flags = tables.select(
        CLUSTERED,
        ("quality_flag", "count(*) AS n"),
        f"{OF_KEY} AND quality_flag IS NOT NULL",
        [*stored.key],
        "GROUP BY ALL",
    )
    return replace(
        reported,
        clustered=replace(reported.clustered, total=rate.count),
        rate=rate,
        flags=dict(zip(*(flags.column(at).to_pylist() for at in range(2)), strict=True)),
    )


def _read_rows(tables: Tables, table: str, stored: StoredResult) -> "pa.Table":
    """A result's rows of a table, in the order of its key."""
    return tables.select(table, (), OF_KEY, [*stored.key], "ORDER BY ALL")


def _to_table(frame: "pd.DataFrame") -> "pa.Table":
    """A frame as an Arrow table."""
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def find_differences(left: Details, right: Details) -> list[tuple[str, Any, Any]]:
    """What is recorded differently with two results: name and both values; None where missing."""
    first, second = left.options, right.options
    names: Sequence[str] = [*dict.fromkeys([*first, *second])]
    return [
        (name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]
