"""What a climatology is of: whole hours of UTC, on a grid of round degrees."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from lightning_kedro.analysis.grids.target import TURN_DEG, LatLonGrid, make_lat_lon_grid
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.granule import floor_hour
from lightning_kedro.selection import Region, Selection

_ALMOST_AN_HOUR: Final = timedelta(hours=1) - timedelta(microseconds=1)
_ROUNDING: Final = 1e-9


def keep_whole_hours(selection: Selection) -> Selection:
    """The whole hours of a window: those that it cuts cannot be thunder hours.

    Raises:
        ParameterError: If there is none, or flashes are wanted otherwise than the table has them.
    """
    _check_flashes(selection)
    parts = [
        replace(part, start=_ceil_hour(part.start), end=floor_hour(part.end))
        for part in selection.segments
    ]
    parts = [part for part in parts if part.start < part.end]
    if not parts:
        message = (
            f"Parameter window: there is no whole hour of UTC from "
            f"{selection.start:%Y-%m-%dT%H:%M:%S} to {selection.end:%Y-%m-%dT%H:%M:%S}, and a "
            f"climatology is of whole hours: give a longer window."
        )
        raise ParameterError(message)
    return replace(selection, segments=tuple(parts))


def _check_flashes(selection: Selection) -> None:
    """Refuse what would need more than the table of flashes.

    Raises:
        ParameterError: If it is asked for.
    """
    if selection.variant:
        message = (
            "Parameter preprocessing: a climatology takes flashes as the files have them: leave "
            "preprocessing.place at ellipsoid and preprocessing.artifacts at keep."
        )
        raise ParameterError(message)


def _ceil_hour(time: datetime) -> datetime:
    """The first hour that does not begin before a time."""
    return floor_hour(time + _ALMOST_AN_HOUR)


def find_box(selection: Selection) -> Region:
    """The region of a selection, or the box that holds what its satellites see."""
    if selection.region is not None:
        return selection.region
    views = [field_of_view(part.platform, part.start) for part in selection.segments]
    return Region(
        min(view.west for view in views),
        min(view.south for view in views),
        max(view.east for view in views),
        max(view.north for view in views),
    )


def make_grid(box: Region, degrees: float) -> LatLonGrid:
    """The grid of a box, moved outward to whole cells counted from the Greenwich meridian."""
    wide = (box.east - box.west) % TURN_DEG or TURN_DEG
    west, south = (np.floor(side / degrees + _ROUNDING) * degrees for side in (box.west, box.south))
    north = min(box.north, 90.0)
    return make_lat_lon_grid(
        round(float(west), 9), round(float(south), 9), box.west + wide, north, degrees
    )
