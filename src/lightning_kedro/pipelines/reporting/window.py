"""What every picture knows of a run: its window, its satellites, and how to say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.selection import Region, Selection

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Times = npt.NDArray[np.datetime64]

_DAY: Final = timedelta(days=1)
_TURN: Final = 360.0
_SIDES: Final = 5  # points along each side of a box: so many that half a turn is never skipped
_FEW_FLASHES: Final = 10
_AROUND: Final = 8.0  # degrees of latitude to either side of few flashes
_LATITUDES: Final = (-80.0, 80.0)
_LITTLE_COVERAGE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Window:
    """A result's window and what its pictures' titles say of it.

    Attributes:
        selection: The flashes asked for.
        slots: By satellite the orbital slots that its granules name, in order of time: ``West``.
    """

    selection: Selection
    slots: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, selection: Selection, granules: "pd.DataFrame") -> Self:
        """Make it from a selection and the rows of ``granules`` in its window."""
        return cls(selection, read_slots(pick_granules(granules, selection)))

    @property
    def start(self) -> datetime:
        """Start, UTC, without time zone."""
        return self.selection.key.window_start

    @property
    def end(self) -> datetime:
        """End, UTC, without time zone."""
        return self.selection.key.window_end

    @property
    def satellites(self) -> str:
        """``GOES-18 (West)``; all, in order of time, where a slot changed hands."""
        names = {}
        for segment in self.selection.segments:
            slots = ", ".join(self.slots.get(segment.platform, ()))
            number = segment.platform.removeprefix("G")
            names[segment.platform] = f"GOES-{number} ({slots})" if slots else f"GOES-{number}"
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
            The same, and the sides of the region asked for, so that its bounds are seen. Without
            one, if there are few flashes, what lies around them, so that some coast is seen; if
            there are none, the sides of what the first satellite sees; of both slots, what both
            see.
        """
        region = self.selection.region
        if region is None and lat.size >= _FEW_FLASHES:
            return lat, lon
        if region is None and lat.size:
            around = np.clip([lat.min() - _AROUND, lat.max() + _AROUND], *_LATITUDES)
            box_lat, box_lon = around, np.full(2, float(lon[0]))
        else:
            box_lat, box_lon = _follow_box(region or self._seen)
        return np.concatenate([lat, box_lat]), np.concatenate([lon, box_lon])

    @property
    def _seen(self) -> Region:
        """The box around what the first satellite, of both slots each one's, sees."""
        firsts = [side[0] for side in self.selection.sides]
        views = [field_of_view(segment.platform, segment.start) for segment in firsts]
        return Region(
            min(view.west for view in views),
            min(view.south for view in views),
            max(view.east for view in views),
            max(view.north for view in views),
        )


def _follow_box(box: Region) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Latitudes and longitudes of points from one corner of a box to the opposite one."""
    steps = np.linspace(0.0, 1.0, _SIDES)
    # A box that goes all around has its west and east on one meridian.
    width = (box.east - box.west) % _TURN or (_TURN if box.east != box.west else 0.0)
    return box.south + (box.north - box.south) * steps, box.west + width * steps


def read_slots(granules: "pd.DataFrame") -> dict[str, tuple[str, ...]]:
    """The orbital slots that granules name themselves.

    Args:
        granules: Rows of the table.

    Returns:
        By platform the distinct slots in order of time, without ``GOES-``; a platform none of
        whose granules names a slot is left out.
    """
    named = granules[granules["orbital_slot"].notna()].sort_values("granule_start")
    slots: dict[str, dict[str, None]] = {}
    for platform, text in zip(named["platform"], named["orbital_slot"], strict=True):
        slot = str(text).strip().replace("_", "-").removeprefix("GOES-")
        if slot:
            slots.setdefault(str(platform), {})[slot] = None
    return {platform: tuple(found) for platform, found in slots.items()}


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


def say_coverage(share: float) -> str:
    """What is said beside every rate if much of the window is not covered; else ""."""
    if share >= _LITTLE_COVERAGE:
        return ""
    return f"only {name_share(share)} covered"


def name_share(share: float) -> str:
    """A share as per cent: never 100 % nor 0 % for what is only nearly so."""
    percent = 100.0 * share if share in {0.0, 1.0} else float(np.clip(100.0 * share, 0.1, 99.9))
    return f"{percent:.1f} %"


def is_simulated(*tables: "pd.DataFrame") -> bool:
    """Whether any row of any table says that it comes from simulated granules."""
    return any(bool(table["simulated"].fillna(value=False).any()) for table in tables)


def take_times(table: "pa.Table") -> Times:
    """The column ``time``, shape (n,), datetime64[us], UTC."""
    times: Times = table.column("time").to_numpy().astype("datetime64[us]")
    return times


def pick_granules(granules: "pd.DataFrame", selection: Selection) -> "pd.DataFrame":
    """The granules that lie in the window, those of each satellite in its part of it."""
    wanted = np.zeros(len(granules), dtype=bool)
    for segment in selection.segments:
        start, end = (
            np.datetime64(edge.astimezone(UTC).replace(tzinfo=None), "us")
            for edge in (segment.start, segment.end)
        )
        inside = (granules["granule_start"] < end) & (granules["granule_end"] > start)
        wanted |= ((granules["platform"] == segment.platform) & inside).to_numpy(dtype=bool)
    return granules[wanted]
