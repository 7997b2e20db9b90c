"""What a map says of its own bounds: the region asked for, and what the satellite does not see.

Without them an empty part of a map would be both: no lightning, and nobody who looked.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.glm.field_of_view import sees

if TYPE_CHECKING:
    import numpy.typing as npt

    from lightning_kedro.pipelines.reporting.maps import Extent
    from lightning_kedro.pipelines.reporting.palette import Theme
    from lightning_kedro.pipelines.reporting.window import Window
    from lightning_kedro.selection import Region

_COLUMNS: Final = 361
_ROWS: Final = 241
_NARROW: Final = 80  # columns: a shade that the name does not fit into
_TURN: Final = 360.0
_INSET: Final = 0.012  # of the map's height, from its edge to a name


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
    lat = np.linspace(extent.south, extent.north, _ROWS)[:, None]
    lon = np.linspace(extent.west, extent.east, _COLUMNS)[None, :]
    seen = np.zeros((_ROWS, _COLUMNS), dtype=np.bool_)
    for segment in window.selection.segments:
        seen |= sees(segment.platform, lat, lon, segment.start)
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
    # The name stands where the shade is widest: in the middle of its widest row, or beside the
    # map's edge where even that is narrow.
    row = int(np.argmax((~seen).sum(axis=1)))
    columns = np.flatnonzero(~seen[row])
    run = max(np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1), key=len)
    inset = _INSET * (extent.north - extent.south)
    place = float(np.clip(y[row], extent.south + 3 * inset, extent.north - 3 * inset))
    at, side, name = float(x[run[run.size // 2]]), "center", "outside the field of view"
    if run.size < _NARROW:
        name = "not seen"
        side = "left" if run[0] == 0 else "right"
        at = -half + inset if run[0] == 0 else half - inset
    axes.text(at, place, name, **_look(theme) | {"ha": side})


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
    inset = _INSET * (extent.north - extent.south)
    place = min(max(west, -half), half) + inset, min(region.north, extent.north - 2 * inset)
    look = _look(theme) | {"ha": "left", "va": "bottom", "color": theme.accent}
    if region.north > extent.north - 4 * inset:
        look["va"] = "top"
    axes.text(*place, "region asked for", **look)
