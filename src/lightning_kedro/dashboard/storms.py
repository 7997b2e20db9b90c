"""The storms of a result: the largest ones, how their rates went, where they came along."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.dashboard.database import Tables
from lightning_kedro.dashboard.stored import OF_KEY, StoredResult
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate
from lightning_kedro.pipelines.reporting.palette import separate_colors

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED: Final = 60
"""So many storms are in the table."""

MOST_LINES: Final = 6
"""So many storms have a line in the chart of rates."""

_MINUTE: Final = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True, eq=False)
class Storms:
    """The storms of a result.

    Attributes:
        row: The row of ``storm_selection``.
        total: Number of storms.
        largest: The rows of ``storms`` with the most flashes, those first.
        n_jumps: Lightning jumps by storm_id and algorithm.
        jumps: Times of the jumps of the storms of the chart by storm_id, UTC.
        colors: Indices of the colors of the largest storms, as the map has them.
        rates: Flashes per minute of each storm of the chart in the bins of the flash rate, shape
            (b,); NaN where nothing is covered, or before and after the storm.
    """

    row: Mapping[str, Any]
    total: int
    largest: "pd.DataFrame"
    n_jumps: Mapping[str, Mapping[str, int]]
    jumps: Mapping[str, list[np.datetime64]]
    colors: list[int]
    rates: list[FloatArray]

    @property
    def count_jumps(self) -> dict[str, int]:
        """Number of jumps of all storms by algorithm."""
        totals: dict[str, int] = {}
        for counts in self.n_jumps.values():
            for algorithm, count in counts.items():
                totals[algorithm] = totals.get(algorithm, 0) + count
        return dict(sorted(totals.items()))


def read_storms(tables: Tables, stored: StoredResult, rate: FlashRate) -> Storms:
    """Read the storms of a result that has some, or a row that says that it has none."""
    key = [*stored.key]
    row = tables.select("storm_selection", (), OF_KEY, key).to_pylist()[0]
    largest = read_largest(tables, stored, MOST_LISTED)
    series = read_series(tables, stored, largest["storm_id"].head(MOST_LINES).tolist())
    counted = tables.select(
        "lightning_jumps", ("storm_id", "algorithm", "count(*) AS n"), OF_KEY, key,
        "GROUP BY ALL ORDER BY ALL",
    ).to_pylist()  # fmt: skip
    n_jumps: dict[str, dict[str, int]] = {}
    for one in counted:
        n_jumps.setdefault(one["storm_id"], {})[one["algorithm"]] = one["n"]
    return Storms(
        row,
        int(row["n_storms"] or 0),
        largest,
        n_jumps,
        _read_jumps(tables, stored, largest["storm_id"].head(MOST_LINES).tolist()),
        separate_colors(*(largest[name].to_numpy(float) for name in ("lat", "lon"))).tolist(),
        [bin_series(series, one, rate) for one in largest["storm_id"].head(MOST_LINES)],
    )


def read_largest(tables: Tables, stored: StoredResult, count: int) -> "pd.DataFrame":
    """The storms of a result with the most flashes, those first."""
    rows = tables.select("storms", (), OF_KEY, [*stored.key, count], "ORDER BY storm LIMIT ?")
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def read_series(tables: Tables, stored: StoredResult, storms: list[str]) -> "pd.DataFrame":
    """The minutes of some storms, in order of time."""
    columns = ("storm_id", "minute", "flash_count")
    condition = f"{OF_KEY} AND list_contains(?, storm_id)"
    rows = tables.select(
        "storm_series", columns, condition, [*stored.key, storms], "ORDER BY storm_id, minute"
    )
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def _read_jumps(
    tables: Tables, stored: StoredResult, storms: list[str]
) -> dict[str, list[np.datetime64]]:
    """When the rates of some storms jumped, by any algorithm."""
    rows = tables.select(
        "lightning_jumps",
        ("DISTINCT storm_id", "jump_time"),
        f"{OF_KEY} AND list_contains(?, storm_id)",
        [*stored.key, storms],
        "ORDER BY ALL",
    )
    jumps: dict[str, list[np.datetime64]] = {}
    for one in rows.to_pylist():
        jumps.setdefault(one["storm_id"], []).append(np.datetime64(one["jump_time"], "us"))
    return jumps


def bin_series(series: "pd.DataFrame", storm: str, rate: FlashRate) -> FloatArray:
    """The rate of a storm in the bins of the window's flash rate, per minute of what is covered.

    A minute without a row has no flash; before its first minute and after its last one a storm
    has no rate, and where nothing is covered nothing has.
    """
    mine = series[series["storm_id"] == storm]
    rates = np.full(rate.per_minute.size, np.nan)
    if mine.empty:
        return rates
    # Minutes are those of the clock: the first may begin before the window.
    minutes = np.maximum(mine["minute"].to_numpy().astype("datetime64[us]"), rate.edges[0])
    bins = np.clip(np.searchsorted(rate.edges, minutes, side="right") - 1, 0, rates.size - 1)
    counts = np.bincount(bins, mine["flash_count"].to_numpy(), minlength=rates.size)
    lengths = np.diff(rate.edges) / _MINUTE
    first, last = bins.min(), bins.max() + 1
    known = np.isfinite(rate.per_minute)
    lived = (np.arange(rates.size) >= first) & (np.arange(rates.size) < last) & known
    rates[lived] = counts[lived] / (lengths * rate.covered)[lived]
    return np.asarray(rates)
