"""Flash density of each part of a window, side by side: flashes per 1,000 km2 and hour."""

from typing import TYPE_CHECKING, Final

import numpy as np

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.density_map import (
    Density,
    choose_ticks,
    count_density,
    make_bins,
)
from lightning_kedro.pipelines.reporting.fed_map import MAP_ASPECT
from lightning_kedro.pipelines.reporting.field_map import Scale, bright
from lightning_kedro.pipelines.reporting.figures import Words
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate
from lightning_kedro.pipelines.reporting.frames import choose_frames, count_frames
from lightning_kedro.pipelines.reporting.panels import Painted, choose_panels, draw_panels
from lightning_kedro.pipelines.reporting.raster import Pixels, paint_bins
from lightning_kedro.pipelines.reporting.window import Times, count_flashes, mark_simulated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COUNT: Final = 200  # as of so few flashes: bins that are seen on a small map
_FEWEST_HOURS: Final = 1e-3
_HOUR: Final = np.timedelta64(1, "h")


def describe_panels(clustered: ClusteredWindow) -> Words:
    """The picture's texts."""
    count = len(clustered)
    size = make_bins(clustered.choose_extent(MAP_ASPECT), _COUNT).size_km
    parts = [clustered.window.dates, count_flashes(count)]
    parts += [f"bins of equal area, {size:g} km by {size:g} km"] if count else []
    title = f"Flash density part by part, {clustered.satellites}"
    return Words(
        mark_simulated(title, simulated=clustered.simulated),
        "   ·   ".join(parts),
        f"A flash counts where its centroid lies · {clustered.credit}",
        "" if count else "No flashes in this window",
    )


def draw_density_panels(clustered: ClusteredWindow, rate: FlashRate, words: Words) -> "Figure":
    """Draw flashes per 1,000 km2 and covered hour for each part of the window."""
    window = clustered.window
    extent = clustered.choose_extent(MAP_ASPECT)
    edges = choose_panels(choose_frames(window.start, window.end))
    bins = make_bins(extent, _COUNT)
    hours = cover_hours(edges, rate)
    part = count_frames(clustered.time, edges)
    fields: list[Density | None] = []
    for number, covered in enumerate(hours):
        mine = part == number
        counts = count_density(bins, extent, clustered.lat[mine], clustered.lon[mine])
        fields.append(counts / covered if covered > _FEWEST_HOURS else None)
    scale = _make_scale(fields, 1000.0 / bins.area_km2 / float(hours.max(initial=1e-9)))

    def paint(pixels: Pixels) -> Painted:
        return Painted([None if one is None else paint_bins(bins, one, pixels) for one in fields])

    return draw_panels(edges, paint, scale, words, window, extent)


def cover_hours(edges: Times, rate: FlashRate) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Covered hours of each part of a window, shape (p,).

    Args:
        edges: Edges of the parts, shape (p + 1,).
        rate: What is covered.
    """
    hours = np.diff(edges) / _HOUR
    for start, end in rate.gaps:
        overlap = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
        hours -= np.maximum(overlap / _HOUR, 0.0)
    return np.maximum(hours, 0.0)


def _make_scale(fields: list[Density | None], lowest: float) -> Scale:
    """One scale for all parts, from a single flash in a bin to the most."""
    from matplotlib.colors import LogNorm

    most = max((float(one.max()) for one in fields if one is not None and one.count()), default=0.0)
    highest = max(most, 5.0 * lowest)
    label = "flashes per 1,000 km² and hour (log)"
    ticks = choose_ticks(lowest, highest)
    return Scale(LogNorm(lowest, highest, clip=True), bright("inferno", 0.33), label, ticks)
