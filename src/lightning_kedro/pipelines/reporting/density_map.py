"""The density map: flashes per 1,000 km2, in bins of equal area."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import EARTH_RADIUS_KM, FloatArray
from lightning_kedro.pipelines.reporting.figures import (
    CREDIT,
    HEIGHT,
    SIMULATED_CREDIT,
    WIDTH,
    Words,
    make_figure,
)
from lightning_kedro.pipelines.reporting.maps import Extent, add_map, choose_extent
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import Window, count_flashes, mark_simulated

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Density = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]

MAP_BOX: Final = (0.06, 0.075, 0.80, 0.785)
SCALE_BOX: Final = (0.885, 0.14, 0.016, 0.62)
MAP_ASPECT: Final = MAP_BOX[2] * WIDTH / (MAP_BOX[3] * HEIGHT)
_SIZES_KM: Final = (8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100)
_BINS_ACROSS: Final = 400
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


def make_bins(extent: Extent) -> Bins:
    """Cover an extent with bins of a round size, no smaller than the instrument resolves."""
    wanted = extent.width_km / _BINS_ACROSS
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


def describe_density(window: Window, count: int, size_km: float, *, simulated: bool) -> Words:
    """The density map's texts."""
    parts = [window.dates, count_flashes(count)]
    if count:
        parts.append(f"bins of {size_km:g} km by {size_km:g} km, all of equal area")
    credit = SIMULATED_CREDIT if simulated else CREDIT
    return Words(
        mark_simulated(f"Flash density, {window.satellites}", simulated=simulated),
        "   ·   ".join(parts),
        f"A flash counts where its centroid lies: this is not Flash Extent Density · {credit}",
        "" if count else "No flashes in this window",
    )


def draw_density(
    window: Window,
    lat: npt.NDArray[np.floating],
    lon: npt.NDArray[np.floating],
    *,
    simulated: bool,
) -> tuple["Figure", Words]:
    """Draw the density map.

    Args:
        window: The run's window.
        lat: Latitudes of its flashes, shape (n,), degrees.
        lon: Longitudes of its flashes, shape (n,), degrees.
        simulated: Whether the granules were simulated.

    Returns:
        The figure and its texts.
    """
    extent = choose_extent(*window.show_points(lat, lon), MAP_ASPECT)
    bins = make_bins(extent)
    words = describe_density(window, lat.size, bins.size_km, simulated=simulated)
    figure = make_figure(words, DARK)
    axes = add_map(figure, MAP_BOX, extent, DARK)
    if lat.size:
        _add_density(figure, axes, bins, count_density(bins, extent, lat, lon))
    return figure, words


def _add_density(figure: "Figure", axes: Any, bins: Bins, density: Density) -> None:  # noqa: ANN401
    """The coloured bins and their scale."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter

    lowest = _PER_KM2 / bins.area_km2
    highest = max(float(density.max()), 10.0 * lowest)
    norm = LogNorm(lowest, highest)
    mesh = axes.pcolormesh(bins.x, bins.lat, density, norm=norm, cmap=_bright_inferno(), zorder=3)
    scale = figure.add_axes(SCALE_BOX)
    bar = figure.colorbar(mesh, cax=scale, format=FuncFormatter(lambda value, _: f"{value:,g}"))
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=DARK.quiet, labelsize=10, which="both")
    bar.set_label("flashes per 1,000 km² in the window (log)", color=DARK.text, size=11)


def _bright_inferno() -> "Colormap":
    """Matplotlib's inferno without its darkest fifth, which a dark page would drown."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["inferno"](np.linspace(0.2, 1.0, 256)))
