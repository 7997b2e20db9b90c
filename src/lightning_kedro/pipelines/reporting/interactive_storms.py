"""The storms of the report's interactive map: outlines, tracks, series and jumps as plain lists."""

from typing import Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.storm_series import count_by_minute
from lightning_kedro.pipelines.reporting.storm_shapes import StormShape, shape_storms
from lightning_kedro.pipelines.reporting.storm_window import StormWindow, name_motion
from lightning_kedro.pipelines.reporting.window import Times

NO_STORM: Final = 65535
"""What stands for no storm, and for those that do not fit into 16 bits."""

_DIGITS: Final = 2  # of degrees: a kilometre
_MILLISECOND: Final = np.timedelta64(1, "ms")


def list_storms(clustered: ClusteredWindow, storms: StormWindow) -> list[dict[str, Any]]:
    """Place, size, colour, outline, track, series and jumps of the storms that have an outline."""
    shapes = shape_storms(storms, clustered.lat, clustered.lon)
    start = np.datetime64(clustered.window.start, "us")
    rows = storms.list_storms(len(shapes))
    jumps = _list_jumps(storms, len(shapes), start)
    return [
        {
            "number": rank,
            "id": row["storm_id"],
            "count": row["flash_count"],
            "colour": int(storms.colours[rank]),
            "motion": name_motion(row["speed_m_s"], row["direction_deg"]),
            "outline": _round(shape.outline),
            "track": _list_track(shape, start),
            **_list_series(storms, rank, start),
            "jumps": jumps[rank],
        }
        for rank, (row, shape) in enumerate(zip(rows, shapes, strict=True))
    ]


def pack_labels(storms: StormWindow) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Storm of each flash, shape (n,); ``NO_STORM`` for none."""
    return np.where(storms.labels < 0, NO_STORM, np.minimum(storms.labels, NO_STORM)).astype("<u2")


def _round(places: FloatArray) -> list[float]:
    """Longitudes and latitudes in turn."""
    return [float(value) for value in places.round(_DIGITS).ravel()]


def _to_milliseconds(times: Times, start: np.datetime64) -> list[int]:
    """Times after the start of the window, ms."""
    return [int(one) for one in (times - start) // _MILLISECOND]


def _list_track(shape: StormShape, start: np.datetime64) -> list[list[float]]:
    """Time (ms), longitude and latitude of each point."""
    times = _to_milliseconds(shape.times, start)
    places = shape.track.round(_DIGITS + 1).tolist()
    return [[time, *place] for time, place in zip(times, places, strict=True)]


def _list_series(storms: StormWindow, storm: int, start: np.datetime64) -> dict[str, Any]:
    """When the first minute begins (ms), and the flashes of each from there on."""
    edges, counts = count_by_minute(storms, storm)
    return {
        "first": _to_milliseconds(edges[:1], start)[0],
        "minutes": counts.astype(int).tolist(),
    }


def _list_jumps(storms: StormWindow, count: int, start: np.datetime64) -> list[list[list[Any]]]:
    """Time (ms), algorithm, rate, DFRDT and sigma of each jump of each of the first storms."""
    jumps = storms.list_jumps(storms=slice(count))
    times = np.array([jump["jump_time"] for jump in jumps], dtype="datetime64[us]")
    numbers = ("jump_rate_per_minute", "dfrdt", "sigma")
    listed: list[list[list[Any]]] = [[] for _ in range(count)]
    for time, jump in zip(_to_milliseconds(times, start), jumps, strict=True):
        rounded = [round(jump[name], 3) for name in numbers]
        listed[jump["storm"]].append([time, jump["algorithm"], *rounded])
    return listed
