"""Maps: what part of the Earth to show, in one piece, and the layers beneath the flashes."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import KM_PER_DEGREE, FloatArray
from lightning_kedro.basemap import read_layer
from lightning_kedro.pipelines.reporting.palette import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

_TURN: Final = 360.0
_ROUNDS: Final = 20
_BINS: Final = 1440  # a quarter of a degree, to find the widest gap in longitude
_NORTHERNMOST: Final = 85.0
_SMALLEST_HEIGHT: Final = 5.0  # degrees: a single flash is shown with what lies around it
_MARGIN: Final = 0.05  # of the longer side, on every side
_WIDEST_MARGIN: Final = 2.5  # degrees
_MOST_TICKS: Final = 7
_MOST_TRACED: Final = 5 * 16  # the layers of all maps of a result, with its views close up
_LINE: Final = 1  # shapely's number of the type
_STEPS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of the Earth in one piece, degrees.

    Attributes:
        west: Western side, in [-180, 180).
        east: Eastern side, beyond 180 where the extent crosses that meridian.
        south: Southern side.
        north: Northern side.
    """

    west: float
    east: float
    south: float
    north: float

    @property
    def middle(self) -> float:
        """Longitude of the middle."""
        return (self.west + self.east) / 2.0

    @property
    def stretch(self) -> float:
        """Degrees of latitude as long as one of longitude, at the middle latitude."""
        return float(np.cos(np.radians((self.south + self.north) / 2.0)))

    @property
    def width_km(self) -> float:
        """Width at the middle latitude."""
        return (self.east - self.west) * self.stretch * KM_PER_DEGREE

    def unwind(self, lon: npt.ArrayLike) -> FloatArray:
        """Longitudes in the turn around the extent's middle: continuous within it."""
        offset = np.asarray(lon, dtype=np.float64) - self.middle
        return np.asarray(self.middle + np.mod(offset + _TURN / 2.0, _TURN) - _TURN / 2.0)


def choose_extent(lat: npt.ArrayLike, lon: npt.ArrayLike, aspect: float) -> Extent:
    """Choose the smallest part of the Earth that shows all points in one piece.

    Args:
        lat: Latitudes, shape (n,), degrees; at least one.
        lon: Longitudes, shape (n,), degrees.
        aspect: Width over height of the map.

    Returns:
        The extent: all but the widest empty span of longitudes, with a margin, widened or
        heightened to the aspect as far as the Earth goes.
    """
    lat = np.asarray(lat, dtype=np.float64)
    west, east = _find_longitudes(np.asarray(lon, dtype=np.float64))
    south, north = float(lat.min()), float(lat.max())
    margin = float(np.clip(max(north - south, east - west) * _MARGIN, 0.5, _WIDEST_MARGIN))
    margin = max(margin, (_SMALLEST_HEIGHT - (north - south)) / 2.0)
    tight = Extent(west, east, south - margin, north + margin)
    aside = margin / max(tight.stretch, 0.3)
    return _fit(Extent(west - aside, east + aside, tight.south, tight.north), aspect)


def _find_longitudes(lon: FloatArray) -> tuple[float, float]:
    """West and east of the longitudes, around the widest gap; east may lie beyond 180."""
    bins = np.unique(np.floor((lon % _TURN) / _TURN * _BINS).astype(np.int64) % _BINS)
    gaps = np.diff(np.append(bins, bins[0] + _BINS))
    west = float(bins[(int(np.argmax(gaps)) + 1) % bins.size]) * _TURN / _BINS
    unwound = west + np.mod(lon - west, _TURN)
    return float(unwound.min()), float(unwound.max())


def _fit(extent: Extent, aspect: float) -> Extent:
    """The extent with the aspect of the map, as far as the Earth goes.

    A heightened extent near a pole moves towards the equator, where a degree of longitude is
    longer, so that it must be heightened by less: a few rounds settle it.
    """
    middle = wanted = (extent.north + extent.south) / 2.0
    for _ in range(_ROUNDS):
        width = min(extent.east - extent.west, _TURN)
        height = min(extent.north - extent.south, 2.0 * _NORTHERNMOST)
        stretch = float(np.cos(np.radians(np.clip(middle, -60.0, 60.0))))
        if width * stretch < aspect * height:
            width = min(aspect * height / stretch, _TURN)
        else:
            height = min(width * stretch / aspect, 2.0 * _NORTHERNMOST)
        room = _NORTHERNMOST - height / 2.0
        middle = float(np.clip(wanted, -room, room))
    west = float(np.mod(extent.middle - width / 2.0 + 180.0, _TURN) - 180.0)
    south = middle - height / 2.0
    return Extent(west, west + width, south, south + height)


def add_map(
    figure: "Figure", box: tuple[float, float, float, float], extent: Extent, theme: Theme
) -> Any:  # noqa: ANN401  (matplotlib's axes are half without types)
    """Add a map to a figure: land, lakes, states, borders, coastline, meridians and parallels.

    Longitude and latitude are drawn as they are, so that plain axes do: those of cartopy carry a
    projection that changes nothing here, and take a third of a second to import.

    Args:
        figure: The figure.
        box: Left, bottom, width and height of the map as shares of the figure.
        extent: What to show.
        theme: The colors.

    Returns:
        Axes whose x is degrees east of ``extent.middle`` and whose y is latitude.
    """
    from matplotlib.collections import PathCollection

    axes: Any = figure.add_axes(box)
    half = (extent.east - extent.west) / 2.0
    axes.set_xlim(-half, half)
    axes.set_ylim(extent.south, extent.north)
    axes.set_aspect(1.0 / max(extent.stretch, 0.3), anchor="W")
    axes.set_facecolor(theme.sea)
    for name, look in _layer_looks(theme).items():
        layer = PathCollection([trace_layer(name, extent)], **look)
        axes.add_collection(layer, autolim=False)
    _add_graticule(axes, extent, theme)
    return axes


def _layer_looks(theme: Theme) -> dict[str, dict[str, Any]]:
    """How each layer is drawn, in drawing order."""
    line = {"facecolor": "none"}
    return {
        # Without smoothing, or the cut of the polygons at 180 degrees shows as a hairline.
        "land": {"facecolor": theme.land, "linewidth": 0, "antialiased": False, "zorder": 1},
        "lakes": {"facecolor": theme.sea, "edgecolor": theme.border, "linewidth": 0.4, "zorder": 1},
        "states": {**line, "edgecolor": theme.state, "linewidth": 0.5, "zorder": 1.2},
        "borders": {**line, "edgecolor": theme.border, "linewidth": 0.7, "zorder": 1.4},
        "coastline": {**line, "edgecolor": theme.coast, "linewidth": 0.8, "zorder": 1.6},
    }


@lru_cache(maxsize=_MOST_TRACED)
def trace_layer(name: str, extent: Extent) -> "Path":
    """The part of a layer that an extent shows, as a single path: one stroke of the pen.

    The pictures of a result show one extent, so that what was cut for one of them is kept.

    Args:
        name: A layer of the basemap.
        extent: What is shown.

    Returns:
        A read-only path, x in degrees east of ``extent.middle``. Outlines of areas run against the
        clock and holes with it, so that holes stay empty.
    """
    import shapely
    from matplotlib.path import Path

    pieces = shapely.get_parts(np.array(cut_layer(name, extent), dtype=object))
    rings, polygons = shapely.get_rings(pieces, return_index=True)
    is_hole = np.diff(polygons, prepend=-1) == 0
    wrong = shapely.is_ccw(rings) == is_hole
    rings[wrong] = shapely.reverse(rings[wrong])
    lines = np.concatenate([rings, pieces[shapely.get_type_id(pieces) == _LINE]])
    points = shapely.get_coordinates(lines)
    lengths = shapely.get_num_coordinates(lines)
    codes = np.full(len(points), Path.LINETO, dtype=Path.code_type)
    ends = np.cumsum(lengths)
    codes[ends - lengths] = Path.MOVETO
    codes[ends[: rings.size] - 1] = Path.CLOSEPOLY
    return Path(points, codes, readonly=True)


def cut_layer(name: str, extent: Extent) -> list[Any]:
    """The part of a layer that an extent shows.

    Args:
        name: A layer of the basemap.
        extent: What is shown.

    Returns:
        Shapely geometries, x in degrees east of ``extent.middle``: lines, or polygons, single or
        multiple.
    """
    import shapely

    half = (extent.east - extent.west) / 2.0
    shapes = read_layer(name)
    bounds = shapely.bounds(shapes)
    pieces: list[Any] = []
    for turn in (-_TURN, 0.0, _TURN):
        shift = turn - extent.middle
        seen = (bounds[:, 0] + shift < half) & (bounds[:, 2] + shift > -half)
        seen &= (bounds[:, 1] < extent.north) & (bounds[:, 3] > extent.south)
        sides = (-half - shift, extent.south, half - shift, extent.north)
        cut = shapely.clip_by_rect(shapes[seen], *sides)
        cut = cut[~shapely.is_empty(cut)]
        pieces.extend(shapely.transform(cut, lambda xy, by=shift: xy + np.array([by, 0.0])))
    return pieces


def _add_graticule(axes: Any, extent: Extent, theme: Theme) -> None:  # noqa: ANN401
    """Meridians and parallels with their names along the map's left and lower sides."""
    lon = _choose_ticks(extent.west, extent.east)
    lat = _choose_ticks(extent.south, extent.north)
    axes.set_xticks(lon - extent.middle)
    axes.set_xticklabels([name_meridian(value) for value in lon])
    axes.set_yticks(lat)
    axes.set_yticklabels([name_parallel(value) for value in lat])
    axes.grid(color=theme.grid, linewidth=0.7, zorder=1.1)
    axes.tick_params(colors=theme.quiet, labelsize=10, length=0, pad=6)
    axes.spines[:].set_visible(False)


def _choose_ticks(low: float, high: float) -> FloatArray:
    """Round values between two ends, at most ``_MOST_TICKS`` of them."""
    step = next((one for one in _STEPS if (high - low) / one <= _MOST_TICKS), _STEPS[-1])
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1.0) * step


def name_meridian(lon: float) -> str:
    """``120°W``, ``0°``, ``180°``."""
    wound = float(np.mod(lon + 180.0, _TURN) - 180.0)
    if wound in {0.0, -180.0}:
        return f"{abs(wound):g}°"
    return f"{abs(wound):g}°{'E' if wound > 0.0 else 'W'}"


def name_parallel(lat: float) -> str:
    """``40°N``, ``0°``, ``20°S``."""
    return f"{abs(lat):g}°{'N' if lat > 0.0 else 'S' if lat < 0.0 else ''}"
