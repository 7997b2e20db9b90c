"""Results as the database lists them: which there are, what they are of, what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lightning_kedro.dashboard.addresses import NotFoundError
from lightning_kedro.dashboard.database import Tables
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.orbital_slot import Segment, find_segments
from lightning_kedro.glm.satellites import BOTH, PLATFORMS, SLOTS
from lightning_kedro.pipelines.reporting.window import describe_span
from lightning_kedro.schemas import RESULT_KEY
from lightning_kedro.selection import Region, ResultKey, Selection, split_label

OF_KEY: Final = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
"""The condition that takes the rows of one result."""

_LIST_RESULTS: Final = """
    SELECT {key}, c.n_flashes, s.n_flashes, c.k, s.n_storms, c.run_time, s.run_time,
           coalesce(c.simulated, false) OR coalesce(s.simulated, false)
    FROM {clustered} c FULL JOIN {tracked} s USING ({key})
"""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result of clustering, of storms, or of both, as lists show it.

    Attributes:
        key: Its key in every table of results.
        n_flashes: Number of flashes in the window.
        k: Number of clusters; None if it was not clustered.
        n_storms: Number of storms; None if none were looked for.
        run_time: When the run that made the latest of both began, UTC; None if unknown.
        simulated: Whether the granules were simulated.
    """

    key: ResultKey
    n_flashes: int
    k: int | None
    n_storms: int | None
    run_time: datetime | None
    simulated: bool

    @property
    def selection(self) -> Selection:
        """What it is of."""
        return read_selection(self.key)

    @property
    def name(self) -> str:
        """What addresses and the report's folder call it."""
        return self.selection.name

    @property
    def dates(self) -> str:
        """The window in words, UTC."""
        return f"{describe_span(self.key.window_start, self.key.window_end)} UTC"

    @property
    def variant(self) -> str:
        """Region, quality and label, as far as they are not the usual ones."""
        names = {"region": "all", "min_quality": "all", "label": "default"}
        words = {"region": "region", "min_quality": "quality", "label": "label"}
        parts = [
            f"{words[name]} {getattr(self.key, name)}"
            for name, usual in names.items()
            if getattr(self.key, name) != usual
        ]
        return ", ".join(parts)

    @property
    def title(self) -> str:
        """Satellite, window and variant in a line."""
        return ", ".join(part for part in (self.key.platform, self.dates, self.variant) if part)

    def is_called(self, name: str) -> bool:
        """Whether it has a name; quicker than to make the names of thousands."""
        key = self.key
        start = f"{key.platform}_{key.window_start:%Y%m%dT%H%M}"
        return name.startswith(start) and name == self.name

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether the window has a part of a span of time (UTC, without time zone)."""
        return self.key.window_start < end and self.key.window_end > start

    def is_of(self, platforms: set[str]) -> bool:
        """Whether one of its satellites is among some."""
        return bool(platforms & {*self.key.platform.split("+")})


def list_results(tables: Tables) -> list[StoredResult]:
    """All results, those that were made last first; what this version cannot know is left out."""
    query = _LIST_RESULTS.format(
        key=", ".join(RESULT_KEY),
        clustered=tables.source("k_selection"),
        tracked=tables.source("storm_selection"),
    )
    results = [_read_stored(row) for row in tables.rows(query) if _is_known(row)]
    first = datetime(1, 1, 1)  # noqa: DTZ001  (tables hold UTC without a zone)
    return sorted(results, key=lambda one: (one.run_time or first, one.key), reverse=True)


def pick_result(results: Sequence[StoredResult], name: str) -> StoredResult:
    """The result of a name, of those that there are.

    Raises:
        NotFoundError: If it is not among them.
    """
    found = next((one for one in results if one.is_called(name)), None)
    if found is None:
        message = f"There is no result {name[:120]!r} in the database: choose one in the calendar."
        raise NotFoundError(message)
    return found


def _is_known(row: tuple[Any, ...]) -> bool:
    """Whether a row's satellites are satellites, and its window is one."""
    if None in row[:6] or row[8:10] == (None, None):
        return False
    return {*str(row[0]).split("+")} <= {*PLATFORMS} and row[1] < row[2]


def _read_stored(row: tuple[Any, ...]) -> StoredResult:
    """A row of the list of results."""
    key = ResultKey(*row[:6])
    clustered, tracked, k, n_storms, clustered_at, tracked_at, simulated = row[6:]
    times = [one for one in (clustered_at, tracked_at) if one is not None]
    n_flashes = tracked if clustered is None else clustered
    run_time = max(times, default=None)
    return StoredResult(key, n_flashes or 0, k, n_storms, run_time, bool(simulated))


def read_selection(key: ResultKey) -> Selection:
    """What a key is of. A region that nobody wrote down (version 0.1) is none."""
    sides = key.region.split(",")
    try:
        region = Region(*(float(side) for side in sides))
    except (TypeError, ValueError):
        region = None
    return Selection(_find_parts(key), region, key.min_quality, *split_label(key.label))


def _find_parts(key: ResultKey) -> tuple[Segment, ...]:
    """Which satellite in which part of a window; of several, as the slot changed hands."""
    start, end = (time.replace(tzinfo=UTC) for time in (key.window_start, key.window_end))
    platforms = key.platform.split("+")
    for slot in (*SLOTS, BOTH) if len(platforms) > 1 else ():
        try:
            segments = find_segments(slot, start, end)
        except ParameterError:
            continue
        if [*dict.fromkeys(segment.platform for segment in segments)] == platforms:
            return segments
    return tuple(Segment(platform, start, end) for platform in platforms)
