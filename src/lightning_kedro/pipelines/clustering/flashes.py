"""The window's flashes as clustering wants them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.exceptions import NoFlashesError, TableError
from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MICROSECONDS_PER_HOUR: Final = 3.6e9
_HIGHEST_LAT: Final = 90.0
_HIGHEST_LON: Final = 180.0


class FlashTable(Protocol):
    """A lazy handle on the flashes table. Rows come in order of (time, platform, granule, id)."""

    def read(self, selection: Selection, columns: Sequence[str]) -> "pa.Table":
        """Some columns of the selected flashes."""
        ...

    def batches(
        self, selection: Selection, columns: Sequence[str], rows: int = ...
    ) -> "Iterator[pa.RecordBatch]":
        """The same piece by piece."""
        ...


@dataclass(frozen=True, slots=True)
class WindowKey:
    """What names a result: platform, start and end of the window (UTC, without time zone)."""

    platform: str
    window_start: datetime
    window_end: datetime

    @classmethod
    def of(cls, selection: Selection) -> Self:
        """The key of a selection."""
        return cls(selection.platform, _drop_zone(selection.start), _drop_zone(selection.end))

    def label_frame(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The frame with the key's columns before its own."""
        import pandas as pd

        key = pd.DataFrame(
            {
                "platform": self.platform,
                "window_start": np.datetime64(self.window_start, "us"),
                "window_end": np.datetime64(self.window_end, "us"),
            },
            index=frame.index,
        )
        return pd.concat([key, frame], axis=1)

    def pick_rows(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The rows of this key: a table that comes from the database holds every window."""
        mine = (
            (frame["platform"] == self.platform)
            & (frame["window_start"] == np.datetime64(self.window_start, "us"))
            & (frame["window_end"] == np.datetime64(self.window_end, "us"))
        )
        return frame[mine]


def read_flashes(
    flashes: FlashTable, parameters: Mapping[str, Any], columns: Sequence[str]
) -> "pa.Table":
    """Read the window's flashes.

    Args:
        flashes: The table.
        parameters: The run's parameters.
        columns: Columns wanted, ``lat`` and ``lon`` among them.

    Returns:
        The flashes, at least one, all with a place on the Earth.

    Raises:
        NoFlashesError: If the window has none.
        TableError: If a flash has no place.
    """
    selection = Selection.from_parameters(parameters)
    table = flashes.read(selection, columns)
    if table.num_rows == 0:
        raise NoFlashesError(_describe_emptiness(selection))
    lat, lon = take_places(table)
    # Comparisons are False for NaN, and a null reads as NaN.
    lost = int(np.count_nonzero(~((np.abs(lat) <= _HIGHEST_LAT) & (np.abs(lon) <= _HIGHEST_LON))))
    if lost:
        message = (
            f"Table flashes holds {lost:,} of {table.num_rows:,} flashes in {_name(selection)} "
            f"whose lat or lon is missing or out of range: load their granules again, or delete "
            f"these rows."
        )
        raise TableError(message)
    return table


def take_places(
    table: "pa.Table",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Latitudes and longitudes of flashes, degrees."""
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    return lat, lon


def take_hours(
    table: "pa.Table", parameters: Mapping[str, Any], *, wanted: bool
) -> FloatArray | None:
    """Times of flashes since the window's start, h; None if they are not wanted."""
    if not wanted:
        return None
    start = np.datetime64(_drop_zone(Selection.from_parameters(parameters).start), "us")
    times = table.column("time").to_numpy().astype("datetime64[us]")
    return np.asarray((times - start).astype(np.int64) / _MICROSECONDS_PER_HOUR, dtype=np.float64)


def _describe_emptiness(selection: Selection) -> str:
    region = selection.region
    where = (
        f" within preprocessing.region west {region.west:g}, south {region.south:g}, "
        f"east {region.east:g}, north {region.north:g}"
        if region is not None
        else ""
    )
    quality = (
        " with quality flag 0 (preprocessing.min_quality: good)" if selection.good_only else ""
    )
    return (
        f"There are no flashes in {_name(selection)}{where}{quality}: ingest the window first "
        f"(`kedro run --pipeline ingestion`) or choose a longer window or a larger region."
    )


def _name(selection: Selection) -> str:
    """A window in words."""
    return (
        f"the window {_drop_zone(selection.start):%Y-%m-%dT%H:%M:%S} to "
        f"{_drop_zone(selection.end):%Y-%m-%dT%H:%M:%S} of {selection.platform}"
    )


def _drop_zone(time: datetime) -> datetime:
    """A time in UTC, without its zone, as tables hold it."""
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
