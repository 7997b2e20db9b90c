"""What a map of storms shows: flashes shaded by age, outlines, tracks with arrows, and jumps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.labels import add_numbers
from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.palette import LIGHT
from lightning_kedro.pipelines.reporting.storm_shapes import StormShape, link_kin
from lightning_kedro.pipelines.reporting.storm_window import FIRST_ALGORITHM, StormWindow

if TYPE_CHECKING:
    from matplotlib.path import Path

NO_STORM: Final = "#A3ADB7"
"""Color of flashes that are in no storm."""

PALEST: Final = 0.3
"""Share of a storm's color in its first flashes."""

_GRAIN: Final = 1600  # dots across a map: flashes of a storm nearer than that are one dot
_SPARSE: Final = 30_000  # fewer flashes are drawn larger
_SIZES: Final = (3.0, 18.0)  # points2
_LONE_SIZES: Final = (1.5, 5.0)
_MOST_AVOIDED: Final = 4000  # flashes looked at when a place for a number is sought
_SHORTEST_TRACK: Final = 9.0  # points on paper: of what is shorter no direction can be seen


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Storms, ready to be drawn on maps of any extent.

    Attributes:
        clustered: The window's flashes.
        storms: Its storms.
        shapes: Outlines and tracks of the storms with the most flashes.
        kin: Lines from storm to storm where they parted or met, shape (2, 2) each.
        jumps: Which storm's lightning jumped, and where it was, longitude and latitude, degrees.
        boxes: Longitude of the first point, and west, south, east and north of each outline, shape
            (m, 5), degrees.
        n_numbered: How many storms have numbers.
    """

    clustered: ClusteredWindow
    storms: StormWindow
    shapes: Sequence[StormShape]
    kin: Sequence[FloatArray]
    jumps: Sequence[tuple[int, FloatArray]]
    boxes: FloatArray
    n_numbered: int

    @classmethod
    def make(
        cls,
        clustered: ClusteredWindow,
        storms: StormWindow,
        shapes: Sequence[StormShape],
        n_numbered: int,
    ) -> "Scene":
        """Find what all maps show: lines between kin, places of jumps, the outlines' boxes."""
        jumps = place_jumps(storms, shapes)
        lines = [shape.outline for shape in shapes]
        ends = [(line[0, 0], *line.min(axis=0), *line.max(axis=0)) for line in lines]
        boxes = np.array(ends).reshape(-1, 5)
        return cls(clustered, storms, shapes, link_kin(storms, shapes), jumps, boxes, n_numbered)

    def draw(self, axes: Any, extent: Extent, weight: float, *, is_far: bool = False) -> None:  # noqa: ANN401
        """Draw everything that an extent shows.

        Args:
            axes: A map, x in degrees east of ``extent.middle``.
            extent: What it shows.
            weight: Width of the lines: 1 on a map of thousands of kilometres.
            is_far: Whether only jumps of storms with numbers are marked: those of a day would
                cover a continent.
        """
        axes.apply_aspect()
        add_flashes(axes, self.clustered, self.storms, extent)
        seen = np.flatnonzero(are_seen(self.boxes, extent)).tolist()
        self._add_outlines(axes, extent, seen, weight)
        self._add_tracks(axes, extent, seen, weight)
        self._add_jumps(axes, extent, weight, self.n_numbered if is_far else len(self.shapes))

    def _add_outlines(self, axes: Any, extent: Extent, seen: list[int], weight: float) -> None:  # noqa: ANN401
        from matplotlib.collections import LineCollection

        lines = [move_to_map(self.shapes[rank].outline, extent) for rank in seen]
        look: dict[str, Any] = {
            "colors": [LIGHT.clusters[self.storms.colours[rank]] for rank in seen],
            "linewidths": [weight * (1.1 if rank < self.n_numbered else 0.7) for rank in seen],
        }
        axes.add_collection(LineCollection(lines, **look, zorder=4), autolim=False)

    def _add_tracks(self, axes: Any, extent: Extent, seen: list[int], weight: float) -> None:  # noqa: ANN401
        from matplotlib.collections import LineCollection
        from matplotlib.patheffects import withStroke

        kin = [move_to_map(line, extent) for line in self.kin]
        dotted: dict[str, Any] = {"colors": LIGHT.text, "linestyles": (0, (1, 1.6))}
        dotted |= {"linewidths": 0.9 * weight, "zorder": 4.2}
        axes.add_collection(LineCollection(kin, **dotted), autolim=False)
        halo = [withStroke(linewidth=1.0 + 2.0 * weight, foreground=LIGHT.page)]
        for rank in seen:
            track = move_to_map(self.shapes[rank].track, extent)
            if len(track) > 1 and measure_length(axes, track) > _SHORTEST_TRACK:
                strong = rank < self.n_numbered
                line: dict[str, Any] = {"linewidth": weight * (1.2 if strong else 0.8)}
                line |= {"path_effects": halo} if strong else {}
                axes.plot(*track.T, color=LIGHT.text, **line, zorder=4.4)
                add_head(axes, track, 3.5 + 3.5 * weight if strong else 3.0 + 2.0 * weight)

    def _add_jumps(self, axes: Any, extent: Extent, weight: float, n_storms: int) -> None:  # noqa: ANN401
        places = [
            move_to_map(place[None], extent)[0] for storm, place in self.jumps if storm < n_storms
        ]
        if places:
            x, y = np.array(places).T
            look: dict[str, Any] = {"marker": "^", "s": 15.0 * weight**2, "c": LIGHT.accent}
            axes.scatter(x, y, edgecolors=LIGHT.page, linewidths=0.7, zorder=5, **look)

    def number(self, axes: Any, extent: Extent, but: int = -1) -> None:  # noqa: ANN401
        """Write the storms' numbers, but one's, where they hide no flash, outline or track."""
        some = slice(None, None, -(-len(self.clustered) // _MOST_AVOIDED))
        flashes = np.column_stack(
            [extent.unwind(self.clustered.lon[some]) - extent.middle, self.clustered.lat[some]]
        )
        ends = [move_to_map(shape.track[-1:], extent)[0] for shape in self.shapes]
        ranks = [rank for rank in range(self.n_numbered) if is_inside(ends[rank], extent)]
        ranks = [rank for rank in ranks if rank != but]
        if ranks:
            shown = [self.shapes[rank] for rank in ranks]
            lines = [
                move_to_map(line, extent) for one in shown for line in (one.outline, one.track)
            ]
            avoided = np.concatenate([flashes, *lines])
            places = np.array([ends[rank] for rank in ranks])
            add_numbers(axes, places, ranks, avoided, LIGHT, is_far=True)


def place_jumps(storms: StormWindow, shapes: Sequence[StormShape]) -> list[tuple[int, FloatArray]]:
    """Which storms' lightning jumped, and where they were, longitude and latitude, degrees."""
    jumps = storms.list_jumps(FIRST_ALGORITHM, slice(len(shapes)))
    return [(jump["storm"], shapes[jump["storm"]].place_at(jump["jump_time"])) for jump in jumps]


def move_to_map(places: FloatArray, extent: Extent) -> FloatArray:
    """A line's longitudes and latitudes in a map's coordinates, in one piece, shape (p, 2)."""
    shift = float(extent.unwind(places[0, 0])) - places[0, 0] - extent.middle
    return np.asarray(places + np.array([shift, 0.0]))


def are_seen(boxes: FloatArray, extent: Extent) -> npt.NDArray[np.bool_]:
    """Whether lines' boxes touch an extent, each where ``move_to_map`` moves its line.

    Args:
        boxes: Longitude of the first point, west, south, east and north, shape (m, 5), degrees.
        extent: What a map shows.

    Returns:
        Shape (m,).
    """
    first, west, south, east, north = boxes.T
    shift = extent.unwind(first) - first - extent.middle
    half = (extent.east - extent.west) / 2.0
    beside = (west + shift > half) | (east + shift < -half)
    return np.asarray(~(beside | (south > extent.north) | (north < extent.south)))


def is_inside(place: FloatArray, extent: Extent) -> bool:
    """Whether a place in a map's coordinates lies on the map."""
    half = (extent.east - extent.west) / 2.0
    return bool(abs(place[0]) < half and extent.south < place[1] < extent.north)


def measure_length(axes: Any, track: FloatArray) -> float:  # noqa: ANN401
    """How far the ends of a track lie apart on paper, points."""
    first, last = axes.transData.transform(track[[0, -1]])
    return float(np.hypot(*(last - first)) * 72.0 / axes.figure.dpi)


def add_head(axes: Any, track: FloatArray, size: float) -> None:  # noqa: ANN401
    """An arrow's head at the end of a track, ``size`` points long."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.transforms import Affine2D

    before, last = axes.transData.transform(track[[-2, -1]])
    turn = Affine2D().rotate(float(np.arctan2(*(last - before)[::-1])))
    look: dict[str, Any] = {"s": (2.0 * size) ** 2, "c": LIGHT.text, "linewidths": 0.5}
    marker = MarkerStyle(_make_head(), transform=turn)
    axes.scatter(*track[-1:].T, marker=marker, edgecolors=LIGHT.page, zorder=4.6, **look)


def _make_head() -> "Path":
    """An arrow's head that points to the right; its tip is at the origin."""
    from matplotlib.path import Path

    return Path(np.array([[0.0, 0.0], [-0.5, 0.22], [-0.36, 0.0], [-0.5, -0.22], [0.0, 0.0]]))


def add_flashes(
    axes: Any,  # noqa: ANN401  (Matplotlib's axes have no types)
    clustered: ClusteredWindow,
    storms: StormWindow,
    extent: Extent,
) -> None:
    """The flashes, the latest on top: of storms in their colours, paler the earlier; others grey.

    Flashes of a storm that fall on one dot are drawn once, with the time of the latest.
    """
    import pandas as pd

    x = extent.unwind(clustered.lon) - extent.middle
    half = (extent.east - extent.west) / 2.0
    inside = (np.abs(x) <= half) & (clustered.lat >= extent.south) & (clustered.lat <= extent.north)
    scale = _GRAIN / (2.0 * half)
    (shown,) = np.nonzero(inside)
    order = shown[np.lexsort((clustered.time[shown], storms.labels[shown] >= 0))[::-1]]
    row, column = (np.floor(value[order] * scale).astype(np.int64) for value in (clustered.lat, x))
    # As numbers: of rows np.unique would compare the bytes.
    dots = (row * 4 * _GRAIN + column) * (len(storms) + 1) + storms.labels[order]
    shown = order[~pd.Series(dots).duplicated().to_numpy()][::-1]
    lone = storms.labels[shown] < 0
    base = 5.0 * np.sqrt(_SPARSE / max(shown.size, 1))
    sizes = np.where(lone, np.clip(base / 4.0, *_LONE_SIZES), np.clip(base, *_SIZES))
    colours = shade_flashes(clustered, storms, shown)
    axes.scatter(x[shown], clustered.lat[shown], s=sizes, c=colours, linewidths=0, zorder=3)


def shade_flashes(
    clustered: ClusteredWindow, storms: StormWindow, shown: npt.NDArray[np.int64]
) -> FloatArray:
    """Colours of flashes by storm and by when in its life they were, RGBA, shape (n, 4)."""
    from matplotlib.colors import to_rgba_array

    labels = storms.labels[shown]
    first, last = (
        storms.storms[name].to_numpy().astype("datetime64[us]")
        for name in ("first_time", "last_time")
    )
    share = np.ones((shown.size, 1))
    mine, of = labels >= 0, labels[labels >= 0]
    lived = np.maximum(last - first, np.timedelta64(1, "us"))[of]
    share[mine, 0] = PALEST + (1.0 - PALEST) * (clustered.time[shown[mine]] - first[of]) / lived
    bearers = to_rgba_array(LIGHT.clusters)[np.append(storms.colours, 0)[labels]]
    colours = share * bearers + (1.0 - share) * to_rgba_array(LIGHT.land)
    colours[labels < 0] = to_rgba_array(NO_STORM)
    return np.asarray(colours)
