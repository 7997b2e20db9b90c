"""Storms in the animation: outlines, tracks and lightning jumps, frame by frame."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.animation_parts import Counts
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.frames import count_frames
from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.storm_scene import move_to_map
from lightning_kedro.pipelines.reporting.storm_shapes import (
    StormShape,
    shape_storms,
    trace_outlines,
)
from lightning_kedro.pipelines.reporting.storm_window import FIRST_ALGORITHM, StormWindow
from lightning_kedro.pipelines.reporting.window import Times

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.path import Path

EXPLAINED_LINES: Final = (
    "\N{WHITE CIRCLE} storm and its track   \N{BLACK UP-POINTING TRIANGLE} lightning jump"
)

_MOST_STORMS: Final = 60  # with lines: more would be a net over the flashes
_FEWEST_OUTLINED: Final = 3  # flashes of a storm in a frame
_MARK: Final = 24.0  # points: thrice the width of a jump's mark, as its path is scaled
_SMALLEST_RING: Final = 13.0  # pixels, larger than the dots within


class StormLines:
    """Outlines of the storms that have flashes in a frame, the way they came, and their jumps.

    Args:
        axes: The map.
        clustered: The flashes.
        storms: Their storms.
        edges: Edges of the frames, shape (f + 1,).
        extent: What the map shows.
    """

    def __init__(
        self,
        axes: Any,  # noqa: ANN401  (Matplotlib's axes have no types)
        clustered: ClusteredWindow,
        storms: StormWindow,
        edges: Times,
        extent: Extent,
    ) -> None:
        """Trace the lines of every frame."""
        self._axes, self._extent, self._edges = axes, extent, edges
        n_frames = edges.size - 1
        self._outlines: list[list[FloatArray]] = [[] for _ in range(n_frames)]
        self._tracks: list[list[FloatArray]] = [[] for _ in range(n_frames)]
        self._jumps: list[list[FloatArray]] = [[] for _ in range(n_frames)]
        frame = count_frames(clustered.time, edges)
        shapes = shape_storms(storms, clustered.lat, clustered.lon)[:_MOST_STORMS]
        self._trace_storms(clustered, storms.labels, shapes, frame)
        self._place_jumps(storms, shapes)
        self._add_artists()

    def _add_artists(self) -> None:
        """Make what is drawn, without anything to show yet."""
        from matplotlib.collections import LineCollection

        look: dict[str, Any] = {"linewidths": 0.8, "zorder": 4}
        self._lines: list[Any] = [
            LineCollection([], colors=color, **look) for color in (DARK.quiet, DARK.text)
        ]
        for lines in self._lines:
            self._axes.add_collection(lines, autolim=False)
        jumps: dict[str, Any] = {"marker": _make_mark(), "s": _MARK**2, "color": DARK.accent}
        self._marks: Any = self._axes.scatter([], [], linewidths=0, antialiaseds=False, **jumps)
        self.artists: list[Any] = [*self._lines, self._marks]

    def _trace_storms(
        self,
        clustered: ClusteredWindow,
        labels: "npt.NDArray[np.int32]",
        shapes: list[StormShape],
        frame: Counts,
    ) -> None:
        """Trace the storms' lines in each frame that has enough of their flashes."""
        n_frames = len(self._outlines)
        shown = np.flatnonzero((labels >= 0) & (labels < len(shapes)))
        parts = labels[shown].astype(np.int64) * n_frames + frame[shown]
        enough = np.bincount(parts, minlength=1) >= _FEWEST_OUTLINED
        shown, parts = shown[enough[parts]], parts[enough[parts]]
        traced, group = np.unique(parts, return_inverse=True)
        middles = np.array([shape.track[0] for shape in shapes])[traced // n_frames]
        rings = trace_outlines(clustered.lat[shown], clustered.lon[shown], group, middles)
        for part, ring in zip(traced.tolist(), rings, strict=True):
            storm, index = divmod(part, n_frames)
            self._outlines[index].append(grow_ring(self._axes, move_to_map(ring, self._extent)))
            shape = shapes[storm]
            way = shape.track[shape.times < self._edges[index + 1]]
            if len(way) > 1:
                self._tracks[index].append(move_to_map(way, self._extent))

    def _place_jumps(self, storms: StormWindow, shapes: list[StormShape]) -> None:
        """Put the storms' jumps into their frames."""
        jumps = storms.list_jumps(FIRST_ALGORITHM, slice(len(shapes)))
        moments = np.array([jump["jump_time"] for jump in jumps], dtype="datetime64[us]")
        frames = count_frames(moments, self._edges).tolist()
        for jump, moment, index in zip(jumps, moments, frames, strict=True):
            place = shapes[jump["storm"]].place_at(moment)[None]
            self._jumps[index].append(move_to_map(place, self._extent)[0])

    def show(self, index: int) -> None:
        """Take the lines of a frame."""
        for lines, shown in zip(self._lines, (self._tracks, self._outlines), strict=True):
            lines.set_segments(shown[index])
        self._marks.set_offsets(np.array(self._jumps[index]).reshape(-1, 2))


def _make_mark() -> "Path":
    """A triangle above the place of a jump, where it does not hide the storm."""
    from matplotlib.path import Path

    return Path(np.array([[-0.5, 0.7], [0.5, 0.7], [0.0, 1.6], [-0.5, 0.7]]))


def grow_ring(axes: Any, ring: FloatArray) -> FloatArray:  # noqa: ANN401
    """A closed line on a map, made larger about its middle if it would hardly be seen.

    Args:
        axes: The map.
        ring: The line in the map's coordinates, shape (p, 2).
    """
    low, high = ring.min(axis=0), ring.max(axis=0)
    corners = axes.transData.transform(np.array([low, high]))
    larger = _SMALLEST_RING / max(float((corners[1] - corners[0]).max()), 1e-9)
    middle = (low + high) / 2.0
    return np.asarray(middle + (ring - middle) * max(larger, 1.0))
