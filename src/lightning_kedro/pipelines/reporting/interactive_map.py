"""The data of the report's interactive map: flashes, clusters and basemap as compact arrays.

The map is drawn by ``templates/map.js`` on a canvas. Plotly was looked at first (7.1, 20,000
flashes): ``scattermap`` with a blank style and the land as GeoJSON is a file of 5.8 MB and
``scattergl`` one of 5.3 MB, 4.8 MB of which is the library; both need WebGL, and the hours, the
time bar and the colours would be a script of our own all the same. The canvas takes 0.3 MB for the
basemap and 10 bytes a flash, and redraws 200,000 flashes in some milliseconds on any browser.
"""

import base64
import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.basemap import read_layer
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.frames import choose_frames, count_frames, name_frames
from lightning_kedro.pipelines.reporting.interactive_storms import (
    NO_STORM,
    list_storms,
    pack_labels,
)
from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.outlines import trace_region, trace_views
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.storm_window import StormWindow
from lightning_kedro.pipelines.reporting.window import Times

MOST_FLASHES: Final = 200_000
"""So many flashes the map draws at most; of more, so many are chosen evenly at random."""

_SEED: Final = 60
_LEVELS: Final = 65535  # of 16 bits: 0.006 degrees or better, a tenth of the instrument's pixel
_DEGREE: Final = 90  # the basemap's unit is a ninetieth of a degree: 1.2 km, within 16 bits
_SMALLEST_ISLAND: Final = 0.02  # square degrees: smaller ones are left out, about 10 km x 20 km
_LINES: Final = ("states", "borders")
_AREAS: Final = ("land", "lakes")


def describe_downsampling(count: int) -> str:
    """Say that the map shows fewer flashes than there are; "" if it shows all."""
    if count <= MOST_FLASHES:
        return ""
    return (
        f"The interactive map draws {MOST_FLASHES:,} of the {count:,} flashes, chosen evenly at "
        f"random, so that it stays quick; all numbers count all flashes."
    )


def collect_map_data(clustered: ClusteredWindow, storms: StormWindow, gaps: Times) -> str:
    """Collect what the interactive map needs.

    Args:
        clustered: The window's flashes and clusters.
        storms: Its storms.
        gaps: Start and end of each gap in coverage, shape (g, 2), UTC.

    Returns:
        A JSON object that is safe inside an HTML script element; arrays are base64 of
        little-endian integers.
    """
    data = gather_map_data(clustered, storms, gaps) | {"basemap": pack_basemap()}
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def pack_basemap() -> dict[str, Any]:
    """The layers below the flashes."""
    return {name: _pack_layer(name) for name in (*_AREAS, *_LINES)}


def gather_map_data(
    clustered: ClusteredWindow, storms: StormWindow, gaps: Times, extent: Extent | None = None
) -> dict[str, Any]:
    """All that the interactive map needs but the basemap.

    Args:
        clustered: The window's flashes and clusters.
        storms: Its storms.
        gaps: Start and end of each gap in coverage, shape (g, 2), UTC.
        extent: What the map shows at first; None for what shows the flashes best.
    """
    window = clustered.window
    edges = choose_frames(window.start, window.end)
    frames = count_frames(clustered.time, edges)
    extent = extent or clustered.choose_extent()
    return {
        "view": [extent.west, extent.east, extent.south, extent.north],
        "start": int(edges[0].astype("datetime64[ms]").astype(np.int64)),
        "edges": (edges.astype("datetime64[ms]") - edges[0].astype("datetime64[ms]"))
        .astype(np.int64)
        .tolist(),
        "frames": [f"{date}, {clock} UTC" for date, clock in name_frames(edges)],
        "counts": np.bincount(frames, minlength=edges.size - 1).tolist(),
        "covered": share_frames(edges, gaps),
        "total": len(clustered),
        "region": trace_region(window.selection.region),
        "seen": trace_views(window),
        "colours": DARK.clusters,
        "clusters": _list_clusters(clustered),
        "storms": list_storms(clustered, storms),
        "stormColours": encode_array(storms.colours[:NO_STORM].astype(np.uint8)),
        "gaps": ((gaps - edges[0]) // np.timedelta64(1, "ms")).astype(np.int64).tolist(),
        "flashes": _pack_flashes(clustered, storms, extent),
    }


def share_frames(edges: Times, gaps: Times) -> list[float]:
    """Which share of each frame is covered, 0 to 1: what a bar of no flashes means.

    Args:
        edges: Edges of the frames, shape (f + 1,).
        gaps: Start and end of each gap, shape (g, 2).
    """
    starts, ends = edges[:-1, None], edges[1:, None]
    lost = np.minimum(ends, gaps[None, :, 1]) - np.maximum(starts, gaps[None, :, 0])
    seconds = np.maximum(lost / np.timedelta64(1, "s"), 0.0).sum(axis=1)
    lengths = np.diff(edges) / np.timedelta64(1, "s")
    return [round(float(share), 3) for share in np.clip(1.0 - seconds / lengths, 0.0, 1.0)]


def _list_clusters(clustered: ClusteredWindow) -> list[dict[str, Any]]:
    """Place, size and colour of each cluster."""
    centers = clustered.centers
    columns = ("cluster", "lat", "lon", "flash_count", "rms_radius_km")
    rows = zip(*(centers[name].tolist() for name in columns), strict=True)
    return [
        {
            "number": number,
            "lat": round(lat, 4),
            "lon": round(lon, 4),
            "count": count,
            "radius": round(radius, 1),
            "colour": int(colour),
        }
        for (number, lat, lon, count, radius), colour in zip(rows, clustered.colours, strict=True)
    ]


def _pack_flashes(
    clustered: ClusteredWindow, storms: StormWindow, extent: Extent
) -> dict[str, Any]:
    """The flashes drawn, in order of time: lon, lat (16 bits), time (ms, 32 bits), cluster, storm.

    Without storms there is no word of them.
    """
    chosen = np.argsort(clustered.time, kind="stable")
    if chosen.size > MOST_FLASHES:
        some = np.random.default_rng(_SEED).choice(chosen.size, MOST_FLASHES, replace=False)
        chosen = chosen[np.sort(some)]
    start = np.datetime64(clustered.window.start, "us")
    times = (clustered.time[chosen] - start) // np.timedelta64(1, "ms")
    lon, west, lon_step = _pack_axis(extent.unwind(clustered.lon[chosen]))
    lat, south, lat_step = _pack_axis(clustered.lat[chosen].astype(np.float64))
    return {
        "n": int(chosen.size),
        "lon": [west, lon_step, lon],
        "lat": [south, lat_step, lat],
        "time": encode_array(times.astype("<u4")),
        "cluster": encode_array(clustered.cluster[chosen].astype("<u2")),
        "storm": encode_array(pack_labels(storms)[chosen]) if len(storms) else "",
    }


def _pack_axis(values: npt.NDArray[np.float64]) -> tuple[str, float, float]:
    """Values as 16-bit levels, their lowest, and the step from level to level."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if values.size:
        low, high = float(values.min()), float(values.max())
    step = (high - low) / _LEVELS or 1.0
    return encode_array(np.round((values - low) / step).astype("<u2")), low, step


def _pack_layer(name: str) -> dict[str, Any]:
    """A layer's rings or lines, one after the other, in ninetieths of a degree."""
    import shapely

    shapes = read_layer(name)
    if name in _AREAS:
        shapes = shapes[shapely.area(shapes) > _SMALLEST_ISLAND]
        parts = shapely.get_rings(shapes)
    else:
        parts = shapely.get_parts(shapes)
    parts = parts[shapely.get_num_coordinates(parts) > 1]
    points = np.round(shapely.get_coordinates(parts) * _DEGREE).astype("<i2")
    return {
        "unit": 1.0 / _DEGREE,
        "lengths": encode_array(shapely.get_num_coordinates(parts).astype("<u2")),
        "points": encode_array(points),
    }


def encode_array(values: npt.NDArray[Any]) -> str:
    """Base64 of an array's bytes."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
