"""What a map says of its own bounds: the region asked for, and what the satellite does not see.

Without them an empty part of a map would be both: no lightning, and nobody who looked.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.glm.field_of_view import field_of_view, sees

if TYPE_CHECKING:
    import numpy.typing as npt

    from lightning_kedro.glm.orbital_slot import Segment
    from lightning_kedro.pipelines.reporting.maps import Extent
    from lightning_kedro.pipelines.reporting.palette import Theme
    from lightning_kedro.pipelines.reporting.window import Window
    from lightning_kedro.selection import Region

_COLUMNS: Final = 361
_ROWS: Final = 241
_NAME_POINTS: Final = 112.0  # length of the name of what is not seen
_SMALLEST_SHADE: Final = 600  # of 87,000 cells: less is a corner that speaks for itself
_TURN: Final = 360.0
_INSET: Final = 5.0  # points from a line to a name, which no line is to cut
_NAME_HEIGHT: Final = 18.0  # points that a name needs above a line


def add_outlines(axes: Any, window: "Window", extent: "Extent", theme: "Theme") -> None:  # noqa: ANN401
    """Draw and name the region asked for, and shade what is not seen.

    Args:
        axes: A map, x in degrees east of ``extent.middle``.
        window: The window.
        extent: What the map shows.
        theme: Its colours.
    """
    _add_unseen(axes, window, extent, theme)
    region = window.selection.region
    if region is not None:
        _add_region(axes, region, extent, theme)


def find_seen(window: "Window", extent: "Extent") -> "npt.NDArray[np.bool_]":
    """What any of the window's satellites sees of an extent, shape (rows, columns)."""
    return _find_seen(window.selection.segments, extent)


@lru_cache(maxsize=8)
def _find_seen(segments: "tuple[Segment, ...]", extent: "Extent") -> "npt.NDArray[np.bool_]":
    """The same; kept, because the pictures of a result show one extent."""
    lat = np.linspace(extent.south, extent.north, _ROWS)[:, None]
    lon = np.linspace(extent.west, extent.east, _COLUMNS)[None, :]
    seen = np.zeros((_ROWS, _COLUMNS), dtype=np.bool_)
    for segment in segments:
        seen |= sees(segment.platform, lat, lon, segment.start)
    seen.setflags(write=False)
    return seen


def _add_unseen(axes: Any, window: "Window", extent: "Extent", theme: "Theme") -> None:  # noqa: ANN401
    """Shade what no satellite of the window sees, if the map shows any of it, and say so."""
    seen = find_seen(window, extent)
    if seen.all():
        return
    half = (extent.east - extent.west) / 2.0
    x = np.linspace(-half, half, _COLUMNS)
    y = np.linspace(extent.south, extent.north, _ROWS)
    look: dict[str, Any] = {"zorder": 3.5, "levels": [-0.5, 0.5]}
    axes.contourf(x, y, seen.astype(float), colors=[theme.grid], alpha=0.55, **look)
    line = {"colors": [theme.quiet], "linewidths": 1.0, "linestyles": "dashed", "zorder": 3.6}
    axes.contour(x, y, seen.astype(float), levels=[0.5], **line)
    if np.count_nonzero(~seen) < _SMALLEST_SHADE:
        return
    axes.apply_aspect()
    width = axes.get_window_extent().width * 72.0 / axes.figure.dpi
    column, row, rotation = find_room(~seen, int(np.ceil(_NAME_POINTS / width * _COLUMNS)))
    look = _look(theme) | {"rotation": rotation}
    axes.text(x[column], y[row], "outside the field of view", **look)


def find_room(free: "npt.NDArray[np.bool_]", length: int) -> tuple[int, int, int]:
    """Where a name has most room.

    Args:
        free: Where it may stand, shape (rows, columns); some cells are.
        length: How many columns or rows the name is long.

    Returns:
        Column and row that are furthest from all that is not free, the sides included; and the
        rotation in degrees: 90 where there is more room up and down than aside.
    """
    row, column = np.unravel_index(int(np.argmax(measure_depth(free))), free.shape)
    across, along = (
        _measure_run(free[row], int(column)),
        _measure_run(free[:, column], int(row)),
    )
    # Moved along, so that no end of the name lies beyond the map's side.
    half = length // 2
    if across >= min(along, length):
        return int(np.clip(column, half, free.shape[1] - 1 - half)), int(row), 0
    return int(column), int(np.clip(row, half, free.shape[0] - 1 - half)), 90


def measure_depth(free: "npt.NDArray[np.bool_]") -> "npt.NDArray[np.int64]":
    """How far cells are from those that are not free, the sides included.

    SciPy has the same (``ndimage.distance_transform_edt``), and takes 0.2 s to import.

    Args:
        free: Shape (rows, columns).

    Returns:
        Squared distances in cells, shape (rows, columns).
    """
    n_rows = len(free)
    free = np.pad(free, 1)
    up = np.zeros(free.shape, dtype=np.int64)
    down = np.zeros(free.shape, dtype=np.int64)
    for row in range(1, n_rows + 2):
        up[row] = np.where(free[row], up[row - 1] + 1, 0)
        down[-row - 1] = np.where(free[-row - 1], down[-row] + 1, 0)
    straight = np.minimum(up, down) ** 2
    depth, step = straight.copy(), 1
    while step**2 < depth.max():  # further aside nothing is nearer
        np.minimum(depth[:, step:], straight[:, :-step] + step**2, out=depth[:, step:])
        np.minimum(depth[:, :-step], straight[:, step:] + step**2, out=depth[:, :-step])
        step += 1
    return depth[1:-1, 1:-1]


def _measure_run(free: "npt.NDArray[np.bool_]", at: int) -> int:
    """Length of the free cells around one of them."""
    taken = np.flatnonzero(~free)
    left = taken[taken < at].max(initial=-1)
    right = taken[taken > at].min(initial=free.size)
    return int(right - left - 1)


def _look(theme: "Theme") -> dict[str, Any]:
    """How a name on a map looks."""
    box = {"boxstyle": "round,pad=0.2", "facecolor": theme.page, "edgecolor": "none", "alpha": 0.75}
    return {
        "size": 9,
        "color": theme.quiet,
        "ha": "center",
        "va": "center",
        "zorder": 7,
        "clip_on": True,
        "bbox": box,
    }


def _add_region(axes: Any, region: "Region", extent: "Extent", theme: "Theme") -> None:  # noqa: ANN401
    """Draw and name the region asked for."""
    width = (region.east - region.west) % _TURN or _TURN
    west = float(extent.unwind(region.west)) - extent.middle
    half = (extent.east - extent.west) / 2.0
    for left in (west - _TURN, west, west + _TURN):
        if left > half or left + width < -half:
            continue
        x = [left, left + width, left + width, left, left]
        y = [region.south, region.south, region.north, region.north, region.south]
        axes.plot(x, y, color=theme.accent, linewidth=1.4, linestyle=(0, (6, 3)), zorder=3.7)
    axes.apply_aspect()
    height = axes.get_window_extent().height * 72.0 / axes.figure.dpi
    room = (extent.north - region.north) / (extent.north - extent.south) * height
    is_above = room > _NAME_HEIGHT
    place = min(max(west, -half), half), min(region.north, extent.north)
    look = _look(theme) | {"ha": "left", "color": theme.accent, "textcoords": "offset points"}
    look["va"] = "bottom" if is_above else "top"
    offset = (0.0, _INSET if is_above else -_INSET)
    axes.annotate("region asked for", place, xytext=offset, **look)


def trace_region(region: "Region | None") -> list[list[float]] | None:
    """Corners of the region asked for: longitude (beyond 180 where it crosses) and latitude."""
    if region is None:
        return None
    east = region.west + ((region.east - region.west) % _TURN or _TURN)
    corners = [
        (region.west, region.south),
        (east, region.south),
        (east, region.north),
        (region.west, region.north),
    ]
    return [[float(lon), float(lat)] for lon, lat in corners]


def trace_views(window: "Window") -> list[list[list[float]]]:
    """The rim of what each satellite of a window sees.

    Returns:
        A ring a satellite: longitudes in one piece and latitudes, degrees, to a tenth.
    """
    rings = []
    for platform, segment in {one.platform: one for one in window.selection.segments}.items():
        view = field_of_view(platform, segment.start)
        lat = np.linspace(view.south, view.north, _ROWS)[:, None]
        lon = np.linspace(view.west - 5.0, view.east + 5.0, 4 * _COLUMNS)[None, :]
        seen = sees(platform, lat, lon, segment.start)
        rows = np.flatnonzero(seen.any(axis=1))[::4]
        first = lon[0][seen[rows].argmax(axis=1)]
        last = lon[0][::-1][seen[rows][:, ::-1].argmax(axis=1)]
        x = np.concatenate([last, first[::-1]])
        y = np.concatenate([lat[rows, 0], lat[rows, 0][::-1]])
        rings.append(np.column_stack([x, y]).round(1).tolist())
    return rings
