"""What every picture knows of a run: its window, its satellites, and how to say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.pipelines.clustering.flashes import WindowKey
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

Times = npt.NDArray[np.datetime64]

_DAY: Final = timedelta(days=1)


class WindowTable(Protocol):
    """A lazy handle on a table with rows of many windows."""

    def read(self, selection: Selection, columns: "Sequence[str] | None" = ...) -> "pa.Table":
        """Some columns of one window's rows."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """A run's window and what its pictures' titles say of it.

    Attributes:
        selection: The flashes asked for.
        run_time: When the run began, UTC, without time zone.
    """

    selection: Selection
    run_time: datetime

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Make it from the run's parameters."""
        selection = Selection.from_parameters(parameters)
        return cls(selection, datetime.fromisoformat(parameters["run_time"]))

    @property
    def key(self) -> WindowKey:
        """What names the window's rows in the tables."""
        return WindowKey.of(self.selection)

    @property
    def start(self) -> datetime:
        """Start, UTC, without time zone."""
        return self.key.window_start

    @property
    def end(self) -> datetime:
        """End, UTC, without time zone."""
        return self.key.window_end

    @property
    def satellites(self) -> str:
        """``GOES-18 (West)``; both, in order of time, where a slot changed hands."""
        names = {}
        for segment in self.selection.segments:
            slot = field_of_view(segment.platform, segment.start).orbital_slot
            names[segment.platform] = f"GOES-{segment.platform[1:]} ({slot.removeprefix('GOES-')})"
        return " and ".join(names.values())

    @property
    def dates(self) -> str:
        """``14 Jul 2024, 22:00-23:00 UTC``; with both dates where they differ."""
        return f"{describe_span(self.start, self.end)} UTC"

    def show_points(
        self, lat: npt.NDArray[np.floating], lon: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """The points that a map must show.

        Args:
            lat: Latitudes of flashes, shape (n,), degrees.
            lon: Longitudes of flashes, shape (n,), degrees.

        Returns:
            The same; if there are none the corners of the region asked for, or else those of what
            the first satellite sees.
        """
        if lat.size:
            return lat, lon
        segment = self.selection.segments[0]
        seen = self.selection.region or field_of_view(segment.platform, segment.start)
        width = (seen.east - seen.west) % 360.0
        lons = seen.west + width * np.linspace(0.0, 1.0, 5)
        return np.linspace(seen.south, seen.north, 5), lons


def describe_span(start: datetime, end: datetime) -> str:
    """A span of time in words, with a date for each end that needs one."""
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    if start.date() == end.date():
        return f"{start:%d %b %Y}, {start:{clock}}\N{EN DASH}{end:{clock}}".lstrip("0")
    if end - start <= _DAY and end.time() == time.min:
        last = "24:00:00" if start.second else "24:00"
        return f"{start:%d %b %Y}, {start:{clock}}\N{EN DASH}{last}".lstrip("0")
    first = f"{start:%d %b %Y {clock}}".lstrip("0")
    return f"{first} \N{EN DASH} {f'{end:%d %b %Y {clock}}'.lstrip('0')}"


def mark_simulated(title: str, *, simulated: bool) -> str:
    """A title that says so if the data are simulated."""
    return f"{title} \N{EN DASH} simulated" if simulated else title


def count_flashes(count: int) -> str:
    """``1 GLM flash``, ``22,968 GLM flashes``."""
    return f"{count:,} GLM flash{'' if count == 1 else 'es'}"


def is_simulated(*tables: "pd.DataFrame") -> bool:
    """Whether any row of any table says that it comes from simulated granules."""
    return any(bool(table["simulated"].fillna(value=False).any()) for table in tables)


def take_times(table: "pa.Table") -> Times:
    """The column ``time``, shape (n,), datetime64[us], UTC."""
    times: Times = table.column("time").to_numpy().astype("datetime64[us]")
    return times


def pick_granules(granules: "pd.DataFrame", window: Window) -> "pd.DataFrame":
    """The granules that lie in the window, those of each satellite in its part of it."""
    wanted = np.zeros(len(granules), dtype=bool)
    for segment in window.selection.segments:
        start, end = (
            np.datetime64(edge.astimezone(UTC).replace(tzinfo=None), "us")
            for edge in (segment.start, segment.end)
        )
        inside = (granules["granule_start"] < end) & (granules["granule_end"] > start)
        wanted |= ((granules["platform"] == segment.platform) & inside).to_numpy(dtype=bool)
    return granules[wanted]
