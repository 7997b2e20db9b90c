"""The density map: flashes per 1,000 km2, in bins of equal area."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.figures import Words, make_figure
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate, share_covered
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import (
    count_flashes,
    mark_simulated,
    say_coverage,
)

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Density = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]

MAP_BOX: Final = (0.06, 0.075, 0.7501, 0.785)
SCALE_BOX: Final = (0.885, 0.14, 0.016, 0.62)
_SIZES_KM: Final = (8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100)
_BINS_ACROSS: Final = 400
_FEWEST_BINS_ACROSS: Final = 90  # of few flashes: each bin must be large enough to be seen
_MANY: Final = 3000  # flashes from which on the bins are as fine as they get
_AN_HOUR: Final = 0.005  # so near to one hour a density per hour is the same
_FEWEST_ON_SCALE: Final = 5.0  # flashes in a bin that the scale goes up to at least
_FEW_IN_A_BIN: Final = 10.0
_FEW_DECADES: Final = 3.0
_PER_KM2: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of equal area: equal steps of longitude by equal steps of the sine of latitude.

    Attributes:
        x: Edges, degrees east of the extent's middle, shape (c + 1,).
        lat: Edges, degrees, shape (r + 1,).
        size_km: Side of a bin where it is square, at the extent's middle latitude.
    """

    x: FloatArray
    lat: FloatArray
    size_km: float

    @property
    def area_km2(self) -> float:
        """Area of every bin."""
        return self.size_km**2


def make_bins(extent: Extent, count: int = _MANY) -> Bins:
    """Cover an extent with bins of a round size, no smaller than the instrument resolves.

    Args:
        extent: What to cover.
        count: Number of flashes: few of them have larger bins, or nobody would see them.
    """
    across = _BINS_ACROSS * np.sqrt(min(count / _MANY, 1.0))
    wanted = extent.width_km / max(across, _FEWEST_BINS_ACROSS)
    size = float(min(_SIZES_KM, key=lambda size: abs(np.log(size / wanted))))
    # A bin of dlon by dz on the unit cylinder has the area R2 dlon dz: both follow from the size.
    step_lon = float(np.degrees(size / (EARTH_RADIUS_KM * extent.stretch)))
    step_z = size * extent.stretch / EARTH_RADIUS_KM
    half = (extent.east - extent.west) / 2.0
    columns = int(np.ceil(2.0 * half / step_lon))
    low, high = np.sin(np.radians([extent.south, extent.north]))
    z = np.arange(np.floor(low / step_z), np.ceil(high / step_z) + 1.0) * step_z
    lat = np.asarray(np.degrees(np.arcsin(np.clip(z, -1.0, 1.0))), dtype=np.float64)
    x = np.asarray(np.arange(columns + 1) * step_lon - half, dtype=np.float64)
    return Bins(x, lat, size)


def count_density(bins: Bins, extent: Extent, lat: npt.ArrayLike, lon: npt.ArrayLike) -> Density:
    """Count flashes by bin.

    Args:
        bins: The bins.
        extent: What they cover.
        lat: Latitudes of the flashes, shape (n,), degrees.
        lon: Longitudes of the flashes, shape (n,), degrees.

    Returns:
        Flashes per 1,000 km2, shape (r, c); masked where there are none.
    """
    x = extent.unwind(lon) - extent.middle
    counts, _, _ = np.histogram2d(np.asarray(lat, np.float64), x, bins=(bins.lat, bins.x))
    return np.ma.masked_equal(counts * _PER_KM2 / bins.area_km2, 0.0)


def describe_density(clustered: ClusteredWindow, size_km: float, coverage: float = 1.0) -> Words:
    """The density map's texts; ``coverage`` is the covered share of the window."""
    count = len(clustered)
    parts = [clustered.window.dates, count_flashes(count)]
    if count:
        parts.append(f"bins of equal area, {size_km:g} km by {size_km:g} km")
    parts += [text for text in (say_coverage(coverage),) if text]
    title = f"Flash density, {clustered.satellites}"
    return Words(
        mark_simulated(title, simulated=clustered.simulated),
        "   ·   ".join(parts),
        f"A flash counts where its centroid lies: this is not Flash Extent Density · "
        f"{clustered.credit}",
        "" if count else "No flashes in this window",
    )


def draw_density(clustered: ClusteredWindow, rate: FlashRate) -> tuple["Figure", Words]:
    """Draw the density map.

    Args:
        clustered: The window's flashes.
        rate: How much of the window is covered.

    Returns:
        The figure and its texts.
    """
    extent = clustered.choose_extent()
    bins = make_bins(extent, len(clustered))
    words = describe_density(clustered, bins.size_km, share_covered(rate))
    figure = make_figure(words, DARK)
    axes = add_map(figure, MAP_BOX, extent, DARK)
    add_outlines(axes, clustered.window, extent, DARK)
    if len(clustered):
        density = count_density(bins, extent, clustered.lat, clustered.lon)
        _add_density(figure, axes, bins, density, rate.covered_minutes / 60.0)
    return figure, words


def _add_density(
    figure: "Figure",
    axes: Any,  # noqa: ANN401
    bins: Bins,
    density: Density,
    hours: float,
) -> None:
    """The coloured bins and their scale: in the window, and per covered hour beside it."""
    from matplotlib.colors import LogNorm

    lowest = _PER_KM2 / bins.area_km2
    most = float(density.max())
    highest = max(most, _FEWEST_ON_SCALE * lowest)
    look = {"norm": LogNorm(lowest, highest), "cmap": _bright_inferno(most / lowest), "zorder": 3}
    mesh = axes.pcolormesh(bins.x, bins.lat, density, **look)
    bar = figure.colorbar(mesh, cax=figure.add_axes(SCALE_BOX))
    bar.outline.set_visible(False)
    ticks = choose_ticks(lowest, highest)
    bar.ax.yaxis.set_ticks(ticks, [f"{one:,g}" for one in ticks])
    bar.ax.yaxis.set_ticks([], minor=True)
    bar.ax.tick_params(colors=DARK.quiet, labelsize=10)
    bar.set_label("flashes per 1,000 km² in the window (log)", color=DARK.text, size=11)
    if hours > 0.0 and abs(hours - 1.0) > _AN_HOUR:
        _add_hourly(bar.ax, lowest / hours, highest / hours, hours)


def _add_hourly(axes: Any, lowest: float, highest: float, hours: float) -> None:  # noqa: ANN401
    """The same scale per hour on its left, so that windows of any length compare."""
    ticks = choose_ticks(lowest, highest)
    side = axes.secondary_yaxis("left", functions=(lambda v: v / hours, lambda v: v * hours))
    side.yaxis.set_ticks(ticks, [f"{one:,.3g}" for one in ticks])
    side.yaxis.set_ticks([], minor=True)
    side.tick_params(colors=DARK.quiet, labelsize=10)
    side.spines["left"].set_visible(False)
    side.set_ylabel("per 1,000 km² and hour", color=DARK.text, size=11)


def choose_ticks(lowest: float, highest: float) -> list[float]:
    """Round values for a logarithmic scale: ones, twos and fives, or ones alone of many decades."""
    first, last = int(np.floor(np.log10(lowest))), int(np.ceil(np.log10(highest)))
    digits = (1.0, 2.0, 5.0) if np.log10(highest / lowest) < _FEW_DECADES else (1.0,)
    every = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    return [one for one in every if lowest * (1 - 1e-9) <= one <= highest * (1 + 1e-9)]


def _bright_inferno(most: float) -> "Colormap":
    """Matplotlib's inferno without its dark part, which a dark page would drown.

    Args:
        most: Flashes in the fullest bin: if they are few, single flashes are bright as well.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    darkest = 0.33 if most >= _FEW_IN_A_BIN else 0.5
    return ListedColormap(colormaps["inferno"](np.linspace(darkest, 1.0, 256)))
