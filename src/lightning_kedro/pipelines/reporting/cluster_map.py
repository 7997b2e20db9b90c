"""The cluster map: flashes coloured by cluster, numbered centers, and a ranked list."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.figures import (
    CREDIT,
    SIMULATED_CREDIT,
    Words,
    make_figure,
)
from lightning_kedro.pipelines.reporting.labels import label_clusters
from lightning_kedro.pipelines.reporting.maps import Extent, add_map, choose_extent
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import LIGHT, assign_colors
from lightning_kedro.pipelines.reporting.window import (
    Times,
    Window,
    count_flashes,
    mark_simulated,
    take_times,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

MAP_BOX: Final = (0.06, 0.075, 0.7501, 0.785)
LIST_BOX: Final = (0.845, 0.075, 0.095, 0.745)
MAP_ASPECT: Final = 1.4333
"""Width over height of the maps of a result, the animation's too: all show the same extent."""

_MOST_BARS: Final = 24
_ROOMY_BARS: Final = 10  # so few clusters have room for a second line each
_LIST_LEFT: Final = 0.818
_GRAIN: Final = 1600  # dots across the map: flashes nearer than that are one dot
_SPARSE: Final = 30_000  # fewer flashes are drawn larger
_FEW: Final = 300  # so few flashes are drawn in full colour
_LARGEST_DOT: Final = 18.0
_SEED: Final = 60


@dataclass(frozen=True, slots=True)
class ClusteredWindow:
    """A window's flashes and clusters, ready to draw.

    Attributes:
        window: The run's window.
        lat: Latitudes of the flashes, shape (n,), degrees.
        lon: Longitudes of the flashes, shape (n,), degrees.
        time: Times of the flashes, shape (n,), UTC.
        cluster: Clusters of the flashes, shape (n,), from 0.
        centers: The rows of ``cluster_centers``, k of them in order of cluster.
        colours: Indices into a theme's ``clusters``, shape (k,).
        simulated: Whether the granules were simulated.
        total: Number of flashes if these are only a sample of them; None if they are all.
    """

    window: Window
    lat: npt.NDArray[np.float32]
    lon: npt.NDArray[np.float32]
    time: Times
    cluster: npt.NDArray[np.int32]
    centers: "pd.DataFrame"
    colours: npt.NDArray[np.int64]
    simulated: bool
    total: int | None = None

    def __len__(self) -> int:
        """Number of flashes."""
        return self.lat.size if self.total is None else self.total

    @property
    def satellites(self) -> str:
        """The satellites, as titles name them."""
        return self.window.satellites

    def choose_extent(self, aspect: float = MAP_ASPECT) -> Extent:
        """What part of the Earth a map of that aspect shows."""
        return choose_extent(*self.window.show_points(self.lat, self.lon), aspect)

    @property
    def credit(self) -> str:
        """Whose data these are."""
        return SIMULATED_CREDIT if self.simulated else CREDIT


def read_clustered(
    clustered_flashes: "pa.Table",
    cluster_centers: "pd.DataFrame",
    window: Window,
    *,
    simulated: bool,
) -> ClusteredWindow:
    """Take a result's flashes and clusters.

    Args:
        clustered_flashes: The flashes of the result.
        cluster_centers: The clusters of the result.
        window: The result's window.
        simulated: Whether the granules were simulated.
    """
    centers = cluster_centers.sort_values("cluster", ignore_index=True)
    return ClusteredWindow(
        window,
        clustered_flashes.column("lat").to_numpy(),
        clustered_flashes.column("lon").to_numpy(),
        take_times(clustered_flashes),
        clustered_flashes.column("cluster").to_numpy(),
        centers,
        assign_colors(len(centers)),
        simulated,
    )


def describe_clusters(clustered: ClusteredWindow) -> Words:
    """The cluster map's texts."""
    k = len(clustered.centers)
    noun = f"{k} lightning cluster{'' if k == 1 else 's'}" if k else "Lightning clusters"
    title = f"{noun} seen by {clustered.satellites}"
    return Words(
        mark_simulated(title, simulated=clustered.simulated),
        f"{clustered.window.dates}   ·   {count_flashes(len(clustered))}",
        clustered.credit,
        "" if len(clustered) else "No clustered flashes in this window",
    )


def draw_cluster_map(clustered: ClusteredWindow, words: Words) -> "Figure":
    """Draw the cluster map."""
    figure = make_figure(words, LIGHT)
    extent = clustered.choose_extent(MAP_ASPECT)
    axes = add_map(figure, MAP_BOX, extent, LIGHT)
    add_outlines(axes, clustered.window, extent, LIGHT)
    if len(clustered):
        _add_flashes(axes, clustered, extent)
        label_clusters(axes, clustered, extent, LIGHT)
        _add_ranking(figure, clustered)
    return figure


def _add_flashes(axes: Any, clustered: ClusteredWindow, extent: Extent) -> None:  # noqa: ANN401
    """The flashes in random order, so that no cluster hides another.

    Flashes that fall on one dot are drawn once, the more opaque the more they are.
    """
    x = extent.unwind(clustered.lon) - extent.middle
    scale = _GRAIN / (extent.east - extent.west)
    columns, rows = (np.floor(value * scale).astype(np.int64) for value in (x, clustered.lat))
    dots = ((rows * 4 * _GRAIN) + columns) * len(clustered.centers) + clustered.cluster
    _, first, counts = np.unique(dots, return_index=True, return_counts=True)
    order = np.random.default_rng(_SEED).permutation(first.size)
    shown, opacity = first[order], np.clip(0.38 + 0.16 * np.log2(counts[order]), 0.0, 0.9)
    colours = np.array(LIGHT.clusters)[clustered.colours][clustered.cluster[shown]]
    size = float(np.clip(5.0 * np.sqrt(_SPARSE / shown.size), 2.5, _LARGEST_DOT))
    opacity = np.maximum(opacity, 0.9) if shown.size < _FEW else opacity
    look = {"s": size, "c": colours, "alpha": opacity, "linewidths": 0, "zorder": 3}
    axes.scatter(x[shown], clustered.lat[shown], **look)


def _add_ranking(figure: "Figure", clustered: ClusteredWindow) -> None:
    """Flashes of each cluster as a ranked list of bars."""
    counts = clustered.centers["flash_count"].to_numpy()
    shown = counts[:_MOST_BARS]
    roomy = counts.size <= _ROOMY_BARS
    longest = max(int(counts.max(initial=1)), 1)
    axes: Any = figure.add_axes(LIST_BOX)
    rows = np.arange(shown.size)
    colours = [LIGHT.clusters[colour] for colour in clustered.colours[: shown.size]]
    axes.barh(rows, shown, height=0.34 if roomy else 0.62, color=colours)
    axes.set_ylim(max(shown.size, _ROOMY_BARS if roomy else 12) - 0.4, -0.6)
    axes.set_xlim(0, longest)
    axes.axis("off")
    for row, count in enumerate(shown):
        axes.text(count, row, f"  {count:,}", size=9.5, va="center", clip_on=False)
        cluster = clustered.centers.iloc[row]
        number = f"{int(cluster['cluster'])}  "
        axes.text(0, row, number, size=10, weight="bold", ha="right", va="center")
        if roomy:
            place = name_place(cluster["lat"], cluster["lon"])
            text = f"{place}, {cluster['rms_radius_km']:,.0f} km"
            axes.text(0, row + 0.36, text, size=8.5, color=LIGHT.quiet, va="center")
    if counts.size > shown.size:
        rest = f"and {counts.size - shown.size} more: {counts[shown.size :].sum():,}"
        axes.text(0, shown.size - 0.1, rest, size=9.5, color=LIGHT.quiet, va="center")
    head = "Flashes per cluster"
    figure.text(_LIST_LEFT, 0.845, head, size=12, weight="bold", color=LIGHT.text)
    if roomy:
        note = "center, RMS distance to it"
        figure.text(_LIST_LEFT, 0.824, note, size=8.5, color=LIGHT.quiet)


def name_place(lat: float, lon: float) -> str:
    """``12.3° N, 170.1° W``."""
    north, east = ("N" if lat >= 0.0 else "S"), ("E" if lon >= 0.0 else "W")
    return f"{abs(lat):.1f}° {north}, {abs(lon):.1f}° {east}"
