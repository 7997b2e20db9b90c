"""The flashes of a selection, those about it that say what its storms are, and the storms.

A storm is what its flashes make it, also those before the window: its identifier is made of its
first flash. So flashes are looked at from ``storms.look_back_hours`` before the window on, from the
last 0, 6, 12 or 18 o'clock (UTC) before that: windows between the same two of them begin with the
very same flashes. After the window they are looked at for as long as later flashes may still decide
what earlier ones are. What is not loaded is not looked at: ingest first what comes before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms.finding import find_storms
from lightning_kedro.analysis.storms.pixels import IntArray
from lightning_kedro.analysis.storms.tracking import Tracks
from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.pipelines.storms.options import StormOptions
from lightning_kedro.selected_flashes import FLASH_COLUMNS, read_flashes
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa

STORM_FLASH_COLUMNS: Final = (*FLASH_COLUMNS, "energy_j", "area_km2")

_ALIGNED: Final = timedelta(hours=6)
_MICROSECONDS_PER_MINUTE: Final = 60_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_LOOK: Final = datetime(2017, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class FoundStorms:
    """Flashes and their storms.

    Attributes:
        selection: What is asked for.
        looked_at: The same selection with what was looked at before and after its window.
        table: The flashes that were looked at, in order of time, with ``STORM_FLASH_COLUMNS``.
        window: Which of its rows are of the window.
        tracks: The storms of all of them.
        options: How they were found.
        measured: Digest of the rows that the flashes were made of, and of the code; "" if that is
            not known.
    """

    selection: Selection
    looked_at: Selection
    table: "pa.Table"
    window: slice
    tracks: Tracks
    options: StormOptions
    measured: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The storms themselves: they never change."""
        return self

    @property
    def labels(self) -> IntArray:
        """Storm of each flash of the window, shape (n,); -1 for noise."""
        return self.tracks.labels[self.window]


def find_selected_storms(
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Selection,
    options: StormOptions,
    workers: Workers = THREADS,
) -> FoundStorms:
    """Read the flashes of a selection and those about it, and find their storms.

    Raises:
        NoFlashesError: If no granule of the window was ever loaded.
        TableError: If a flash has no place.
    """
    looked_at = widen(selection, options)
    table = read_flashes(flashes, looked_at, STORM_FLASH_COLUMNS)
    times = take_times(table)
    edges = [np.datetime64(time.replace(tzinfo=None), "us") for time in _list_edges(selection)]
    start, stop = np.searchsorted(times, edges)
    if start == stop:  # else there are granules
        read_flashes(flashes, selection, STORM_FLASH_COLUMNS)
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    tracks = find_storms(lat, lon, to_minutes(times), options.density, options.tracking, workers)
    return FoundStorms(selection, looked_at, table, slice(int(start), int(stop)), tracks, options)


def widen(selection: Selection, options: StormOptions) -> Selection:
    """The selection with the time before and after it that its storms depend on."""
    start = selection.start - timedelta(hours=options.look_back_hours)
    start = max(start - (start - _EPOCH) % _ALIGNED, min(_FIRST_LOOK, selection.start))
    track = options.track
    after = track.settle_minutes + options.density.eps_minutes + track.step_minutes
    end = selection.end + timedelta(minutes=after)
    return selection.stretch(start, end)


def take_times(table: "pa.Table") -> npt.NDArray[np.datetime64]:
    """Times of flashes, datetime64[us], shape (n,)."""
    return np.asarray(table.column("time").to_numpy().astype("datetime64[us]", copy=False))


def to_minutes(times: npt.NDArray[np.datetime64]) -> FloatArray:
    """Times as minutes since 1970-01-01, shape (n,)."""
    return np.asarray(times.view(np.int64) / _MICROSECONDS_PER_MINUTE)


def _list_edges(selection: Selection) -> tuple[datetime, datetime]:
    return selection.start, selection.end
