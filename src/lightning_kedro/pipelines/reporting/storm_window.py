"""The storms of a window as pictures and report take them, or why there are none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.palette import separate_colors
from lightning_kedro.pipelines.reporting.window import Times

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lightning_kedro.pipelines.reporting.storm_shapes import Shapes
    from lightning_kedro.results import Result

FLASH_COLUMNS: Final = ("time", "lat", "lon", "storm")
"""What is read of ``storm_flashes``."""

FIRST_ALGORITHM: Final = "2-sigma"
"""The algorithm whose jumps are drawn filled, and counted where there is room for one number."""

_NOT_LOOKED_FOR: Final = (
    "No storms have been looked for in this window. Run `kedro run --pipelines storms,reporting` "
    "with the same parameters."
)
_OTHER_FLASHES: Final = (
    "The storms in the database are of other flashes of this window than the clusters. Run "
    "`kedro run --pipelines storms,clustering,reporting` with the same parameters."
)
_NO_ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "storms": (
        *("storm_id", "storm", "born", "first_time", "last_time", "duration_minutes", "continues"),
        *("flash_count", "peak_rate_per_minute", "footprint_km2", "lat", "lon", "speed_m_s"),
        *("direction_deg", "split_from", "merged_into"),
    ),
    "storm_series": ("storm", "minute", "flash_count", "lat", "lon"),
    "lightning_jumps": (
        "storm",
        "algorithm",
        "jump_time",
        "jump_rate_per_minute",
        "dfrdt",
        "sigma",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """Minutes of storms that have flashes, in order of storm and time, each array of shape (t,).

    Attributes:
        storm: Number of the storm.
        minute: Start of the minute, datetime64[us], UTC.
        count: Flashes.
        lat: Latitude of their centroid, degrees.
        lon: Longitude of it, degrees.
    """

    storm: npt.NDArray[np.int64]
    minute: Times
    count: FloatArray
    lat: FloatArray
    lon: FloatArray

    def take(self, storm: int) -> "Minutes":
        """Those of a storm."""
        start, stop = np.searchsorted(self.storm, [storm, storm + 1])
        return Minutes(*(getattr(self, name)[start:stop] for name in self.__dataclass_fields__))

    @classmethod
    def read(cls, series: "pd.DataFrame") -> Self:
        """Take the columns of the rows of ``storm_series``."""
        return cls(
            series["storm"].to_numpy(np.int64),
            series["minute"].to_numpy().astype("datetime64[us]"),
            *(series[name].to_numpy(float) for name in ("flash_count", "lat", "lon")),
        )


@dataclass(frozen=True, slots=True, eq=False)
class StormWindow:
    """A window's storms.

    Attributes:
        storms: The rows of ``storms``, m of them, those with the most flashes first.
        minutes: What is used of the rows of ``storm_series``.
        jumps: The rows of ``lightning_jumps`` with the number of the storm, in order of it and
            time.
        labels: Storm of each clustered flash, shape (n,); -1 for none.
        colours: Indices into a theme's ``clusters``, shape (m,).
        row: The row of ``storm_selection``; empty without one.
        identity: What names this result of storms; "" without one.
        missing: Why there is no result of storms to show, and what to do; "" if there is one.
        shapes: Their outlines and tracks where these are made for several pictures; else None.
    """

    storms: "pd.DataFrame"
    minutes: Minutes
    jumps: "pd.DataFrame"
    labels: npt.NDArray[np.int32]
    colours: npt.NDArray[np.int64]
    row: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""
    missing: str = ""
    shapes: "Shapes | None" = None

    def __len__(self) -> int:
        """Number of storms."""
        return len(self.storms)

    @classmethod
    def make_empty(cls, n_flashes: int, missing: str) -> Self:
        """No result of storms for so many flashes, and why."""
        import pandas as pd

        storms, series, jumps = (pd.DataFrame(columns=list(some)) for some in _NO_ROWS.values())
        return cls(
            storms,
            Minutes.read(series),
            jumps,
            np.full(n_flashes, -1, dtype=np.int32),
            np.empty(0, dtype=np.int64),
            missing=missing,
        )

    @property
    def empty(self) -> str:
        """What stands in place of a picture of storms; "" if there are storms to draw."""
        if self.missing or len(self):
            return self.missing
        count = self.labels.size
        if not count:
            return "No flashes in this window, and so no storms"
        noun = "The only flash of this window is" if count == 1 else f"All {count:,} flashes are"
        return f"No storms in this window: {noun[0].lower()}{noun[1:]} too far from others"

    def list_storms(self, count: int, first: int = 0) -> list[dict[str, Any]]:
        """The rows of some storms, by column."""
        return _list_rows(self.storms[first : first + count])

    def list_jumps(self, algorithm: str = "", storms: slice = slice(None)) -> list[dict[str, Any]]:
        """The jumps of one algorithm or all, of some storms or all; times are datetime64[us]."""
        ends = storms.indices(len(self))[:2]
        first, last = np.searchsorted(self.jumps["storm"].to_numpy(), ends)
        if first >= last:
            return []  # most storms have none
        wanted = self.jumps[first:last]
        if algorithm:
            wanted = wanted[wanted["algorithm"] == algorithm]
        return [
            row | {"jump_time": np.datetime64(row["jump_time"], "us")} for row in _list_rows(wanted)
        ]

    def count_jumps(self) -> npt.NDArray[np.int64]:
        """Jumps of each storm by ``FIRST_ALGORITHM``, shape (m,)."""
        first = self.jumps.loc[self.jumps["algorithm"] == FIRST_ALGORITHM, "storm"]
        return np.bincount(first.to_numpy(np.int64), minlength=len(self))


def _list_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a frame."""
    names = [*frame.columns]  # ``to_dict`` takes ten times as long for a few rows
    values = zip(*(frame[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]


def read_storms(result: "Result | None", clustered_flashes: "pa.Table") -> StormWindow:
    """Take the storms of the very flashes that were clustered.

    Args:
        result: The storms of the same selection; None if there are none.
        clustered_flashes: The flashes of the clustering, in the order of the table's key.
    """
    n_flashes = clustered_flashes.num_rows
    if result is None:
        return StormWindow.make_empty(n_flashes, _NOT_LOOKED_FOR)
    flashes = result.tables["storm_flashes"]
    if not _are_same(flashes, clustered_flashes):
        return StormWindow.make_empty(n_flashes, _OTHER_FLASHES)
    storms = result.tables["storms"].to_pandas().sort_values("storm", ignore_index=True)
    series, jumps = (
        _number(result.tables[name], result.tables["storms"], time)
        for name, time in (("storm_series", "minute"), ("lightning_jumps", "jump_time"))
    )
    labels = flashes.column("storm").fill_null(-1).to_numpy().astype(np.int32)
    colours = separate_colors(storms["lat"].to_numpy(float), storms["lon"].to_numpy(float))
    return StormWindow(
        storms, Minutes.read(series), jumps, labels, colours, result.row, result.identity
    )


def _are_same(flashes: "pa.Table", others: "pa.Table") -> bool:
    """Whether two tables hold the same flashes, both in the order of their key."""
    return flashes.num_rows == others.num_rows and all(
        np.array_equal(flashes.column(name).to_numpy(), others.column(name).to_numpy())
        for name in FLASH_COLUMNS[:-1]
    )


def _number(table: "pa.Table", storms: "pa.Table", time: str) -> "pd.DataFrame":
    """Rows with the number of their storm in place of its identifier, in order of it and time."""
    import pyarrow.compute as pc

    at = pc.index_in(table.column("storm_id"), value_set=storms.column("storm_id"))
    storm = pc.take(storms.column("storm"), at).to_numpy().astype(np.int64)
    frame = table.drop_columns("storm_id").to_pandas()
    frame.insert(0, "storm", storm)
    ordered: pd.DataFrame = frame.sort_values(["storm", time], kind="stable", ignore_index=True)
    return ordered


def name_motion(speed_m_s: float, direction_deg: float) -> str:
    """``12 m/s to NE``; "" where it is not known."""
    if not np.isfinite(speed_m_s):
        return ""
    return f"{speed_m_s:.0f} m/s to {name_direction(direction_deg)}"


def name_direction(direction_deg: float) -> str:
    """The point of the compass: ``N``, ``NE``, ..., ``NW``."""
    points = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
    return points[round(direction_deg / 45.0) % len(points)]


def name_flashes(count: int) -> str:
    """``1 flash``, ``1,065 flashes``."""
    return f"{count:,} flash{'' if count == 1 else 'es'}"


def name_duration(minutes: float) -> str:
    """``under 1 min``, ``48 min``, ``3 h 05 min``."""
    whole = round(minutes)
    if not whole:
        return "under 1 min"
    if whole <= 90:  # noqa: PLR2004
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60:02d} min"
