"""The cluster map: flashes coloured by cluster, numbered centres, and a ranked list."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.pipelines.reporting.figures import (
    CREDIT,
    HEIGHT,
    SIMULATED_CREDIT,
    WIDTH,
    Words,
    make_figure,
)
from lightning_kedro.pipelines.reporting.maps import Extent, add_map, choose_extent
from lightning_kedro.pipelines.reporting.palette import LIGHT, assign_colors
from lightning_kedro.pipelines.reporting.window import (
    Times,
    Window,
    WindowTable,
    count_flashes,
    is_simulated,
    mark_simulated,
    take_times,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAP_BOX: Final = (0.06, 0.075, 0.69, 0.785)
LIST_BOX: Final = (0.815, 0.075, 0.115, 0.745)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_MOST_BARS: Final = 24
_GRAIN: Final = 1600  # dots across the map: flashes nearer than that are one dot
_SPARSE: Final = 30_000  # fewer flashes are drawn larger
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
    """

    window: Window
    lat: npt.NDArray[np.float32]
    lon: npt.NDArray[np.float32]
    time: Times
    cluster: npt.NDArray[np.int32]
    centers: "pd.DataFrame"
    colours: npt.NDArray[np.int64]
    simulated: bool

    def __len__(self) -> int:
        """Number of flashes."""
        return self.lat.size

    @property
    def satellites(self) -> str:
        """The satellites, as titles name them."""
        return self.window.satellites

    def choose_extent(self, aspect: float) -> Extent:
        """What part of the Earth a map of that aspect shows."""
        return choose_extent(*self.window.show_points(self.lat, self.lon), aspect)

    @property
    def credit(self) -> str:
        """Whose data these are."""
        return SIMULATED_CREDIT if self.simulated else CREDIT


def read_clustered(
    clustered_flashes: WindowTable, cluster_centers: "pd.DataFrame", window: Window
) -> ClusteredWindow:
    """Read a window's flashes and clusters.

    Args:
        clustered_flashes: The handle on the table.
        cluster_centers: The table, all windows of it.
        window: The window wanted.
    """
    columns = ("time", "lat", "lon", "cluster")
    table = clustered_flashes.read(window.selection, columns)
    centers = window.key.pick_rows(cluster_centers).sort_values("cluster", ignore_index=True)
    return ClusteredWindow(
        window,
        table.column("lat").to_numpy(),
        table.column("lon").to_numpy(),
        take_times(table),
        table.column("cluster").to_numpy(),
        centers,
        assign_colors(len(centers)),
        is_simulated(cluster_centers),
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
    if len(clustered):
        _add_flashes(axes, clustered, extent)
        _add_centers(axes, clustered, extent)
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
    size = float(np.clip(5.0 * np.sqrt(_SPARSE / shown.size), 2.5, 10.0))
    look = {"s": size, "c": colours, "alpha": opacity, "linewidths": 0, "zorder": 3}
    axes.scatter(x[shown], clustered.lat[shown], **look)


def _add_centers(axes: Any, clustered: ClusteredWindow, extent: Extent) -> None:  # noqa: ANN401
    """The clusters' numbers in a ring of their colour, at their centres."""
    centers = clustered.centers
    x = extent.unwind(centers["lon"].to_numpy()) - extent.middle
    y = centers["lat"].to_numpy()
    edges = [LIGHT.clusters[colour] for colour in clustered.colours]
    axes.scatter(x, y, s=165, c="#FFFFFFD8", edgecolors=edges, linewidths=2.2, zorder=5)
    for cluster, at_x, at_y in zip(centers["cluster"], x, y, strict=True):
        axes.text(
            at_x,
            at_y,
            f"{cluster}",
            size=8.5,
            weight="bold",
            color=LIGHT.text,
            ha="center",
            va="center_baseline",
            zorder=6,
            clip_on=True,
        )


def _add_ranking(figure: "Figure", clustered: ClusteredWindow) -> None:
    """Flashes of each cluster as a ranked list of bars."""
    counts = clustered.centers["flash_count"].to_numpy()
    shown = counts[:_MOST_BARS]
    rows = np.arange(shown.size)
    axes: Any = figure.add_axes(LIST_BOX)
    colours = [LIGHT.clusters[colour] for colour in clustered.colours[: shown.size]]
    axes.barh(rows, shown, height=0.62, color=colours)
    axes.set_ylim(max(shown.size, 12) - 0.4, -0.6)
    axes.set_xlim(0, max(counts.max(initial=1), 1))
    axes.axis("off")
    for row, count in zip(rows, shown, strict=True):
        share = count / max(counts.max(), 1)
        axes.text(share * counts.max(), row, f"  {count:,}", size=9.5, va="center", clip_on=False)
        number = clustered.centers["cluster"][row]
        axes.text(0, row, f"{number}  ", size=10, weight="bold", ha="right", va="center")
    if counts.size > shown.size:
        rest = f"and {counts.size - shown.size} more: {counts[shown.size :].sum():,}"
        axes.text(0, shown.size - 0.1, rest, size=9.5, color=LIGHT.quiet, va="center")
    figure.text(0.79, 0.845, "Flashes per cluster", size=12, weight="bold", color=LIGHT.text)
