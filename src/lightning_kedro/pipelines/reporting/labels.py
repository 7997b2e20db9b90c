"""Numbers beside the centers of clusters: none hides a flash that it counts, or another number."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.palette import Theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
    from lightning_kedro.pipelines.reporting.maps import Extent

_RING: Final = 6.5  # points: diameter of the ring at a center
_SIZE: Final = 9.5  # points: height of a number
_DIGIT: Final = 0.72  # width of a bold digit, and
_CAPITAL: Final = 0.85  # height of its surroundings, as shares of the size
_MOST_AVOIDED: Final = 4000  # flashes looked at when a place for a number is sought
_FAR: Final = 18.0  # points: a number that stands further from its center has a line to it
_DOT: Final = np.full(2, 1.0)  # points: half a flash
_REACHES: Final = (0.0, 1.2, 2.4, 3.6)  # how far numbers stand from their rings, in sizes
_FAR_REACHES: Final = (5.0, 7.0, 10.0)
_COVERING: Final = (0.1, 20)  # cost of a flash that is covered, and how many count
_FAR_COVERING: Final = (1.5, 3)
_TURNS: Final = np.radians([0, 180, 90, 270, 45, 135, 225, 315])
_NAME_PADDING: Final = 2.0  # points between a name and the numbers near it


def label_clusters(
    axes: Any,  # noqa: ANN401  (Matplotlib's axes have no types)
    clustered: "ClusteredWindow",
    extent: "Extent",
    theme: Theme,
) -> list[Any]:
    """Mark a window's clusters with rings of their colors, and number them beside.

    Args:
        axes: The map.
        clustered: The flashes, at least one, and the clusters.
        extent: What the map shows.
        theme: Colors of the map.

    Returns:
        The artists, in drawing order.
    """
    some = slice(None, None, -(-len(clustered) // _MOST_AVOIDED))
    centers, flashes = (
        np.column_stack([extent.unwind(lon) - extent.middle, lat])
        for lon, lat in (
            (clustered.centers["lon"], clustered.centers["lat"]),
            (clustered.lon[some], clustered.lat[some]),
        )
    )
    colors = [theme.clusters[color] for color in clustered.colours]
    return add_centers(axes, centers, clustered.centers["cluster"].tolist(), colors, flashes, theme)


def add_centers(
    axes: Any,  # noqa: ANN401
    places: FloatArray,
    numbers: "Sequence[int]",
    colors: "Sequence[str]",
    flashes: FloatArray,
    theme: Theme,
) -> list[Any]:
    """Mark the centers of clusters with rings, and number them beside.

    Args:
        axes: The map.
        places: Centers in the map's coordinates, shape (k, 2).
        numbers: The clusters' numbers, shape (k,).
        colors: Their colors, shape (k,), ``#RRGGBB``.
        flashes: Some thousand flashes in the map's coordinates, shape (n, 2), to leave visible.
        theme: Colors of the map.

    Returns:
        The artists, in drawing order.
    """
    ring: dict[str, Any] = {"s": _RING**2, "facecolors": "none"}
    x, y = places.T
    artists = [axes.scatter(x, y, **ring, edgecolors=theme.page, linewidths=3.6, zorder=5)]
    artists += [axes.scatter(x, y, **ring, edgecolors=colors, linewidths=1.6, zorder=5)]
    return artists + add_numbers(axes, places, numbers, flashes, theme)


def add_numbers(
    axes: Any,  # noqa: ANN401
    places: FloatArray,
    numbers: "Sequence[int]",
    flashes: FloatArray,
    theme: Theme,
    *,
    is_far: bool = False,
) -> list[Any]:
    """Write numbers beside what they number, with lines to it where they stand further away.

    Args:
        axes: The map.
        places: What is numbered, in the map's coordinates, shape (k, 2).
        numbers: The numbers, shape (k,).
        flashes: What the numbers are to leave visible, shape (n, 2).
        theme: Colors of the map.
        is_far: Whether numbers may stand far away, because what they number is large.

    Returns:
        The artists, in drawing order.
    """
    from matplotlib.patheffects import withStroke

    axes.apply_aspect()
    points = 72.0 / axes.figure.dpi
    frame = axes.get_window_extent()
    box = np.array([frame.width, frame.height]) * points
    at, dots = (
        (axes.transData.transform(some) - [frame.x0, frame.y0]) * points
        for some in (places, flashes)
    )
    digits = np.array([len(f"{number}") for number in numbers])
    beside = place_numbers(at, digits, box, dots, _find_names(axes), is_far=is_far)
    artists: list[Any] = []
    look: dict[str, Any] = {"size": _SIZE, "weight": "bold", "color": theme.text, "zorder": 6}
    look |= {"ha": "center", "va": "center_baseline", "transform": axes.transAxes}
    for number, start, end in zip(numbers, at, beside, strict=True):
        if np.hypot(*(end - start)) > _FAR:
            artists += _add_leader(axes, start / box, end / box, theme)
        halo = [withStroke(linewidth=2.6, foreground=theme.page)]
        artists.append(axes.text(*(end / box), f"{number}", path_effects=halo, **look))
    return artists


def _find_names(axes: Any) -> tuple[FloatArray, FloatArray]:  # noqa: ANN401
    """Middles and half sizes of the names on a map, each of shape (m, 2), points."""
    points = 72.0 / axes.figure.dpi
    frame = axes.get_window_extent()
    boxes = [name.get_window_extent().padded(_NAME_PADDING / points) for name in axes.texts]
    corners = np.array([box.extents for box in boxes]).reshape(-1, 2, 2)
    middles = (corners.mean(axis=1) - [frame.x0, frame.y0]) * points
    return middles, (corners[:, 1] - corners[:, 0]) * points / 2.0


def _add_leader(axes: Any, start: FloatArray, end: FloatArray, theme: Theme) -> list[Any]:  # noqa: ANN401
    """Draw a line from a center to its number."""
    (x, end_x), (y, end_y) = zip(start, end, strict=True)
    look: dict[str, Any] = {"color": theme.quiet, "linewidth": 0.9, "zorder": 4.9}
    return [*axes.plot([x, end_x], [y, end_y], transform=axes.transAxes, **look)]


def place_numbers(
    at: FloatArray,
    digits: npt.NDArray[np.integer],
    box: FloatArray,
    flashes: FloatArray,
    names: tuple[FloatArray, FloatArray] | None = None,
    *,
    is_far: bool = False,
) -> FloatArray:
    """Choose where numbers stand: near their centers, where they cover the least.

    Args:
        at: Centers, shape (k, 2), points from the map's lower left corner.
        digits: How many digits each number has, shape (k,).
        box: Width and height of the map, points.
        flashes: Flashes, shape (n, 2), points.
        names: Middles and half widths and heights of what is written there already, each of shape
            (m, 2), points.
        is_far: Whether they may stand far away, so that they cover no flash at all.

    Returns:
        Middles of the numbers, shape (k, 2), points. Each in turn takes the best of the places
        around its center: within the map, touching no number before it, no name and no ring,
        covering few flashes, near; in that order.
    """
    halves = np.column_stack([digits * _DIGIT, np.full(digits.size, _CAPITAL)]) * _SIZE / 2.0
    steps = np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])
    reaches = (*_REACHES, *_FAR_REACHES) if is_far else _REACHES
    covering, most = _FAR_COVERING if is_far else _COVERING
    distance = np.repeat(reaches, _TURNS.size)
    placed = np.empty_like(at)
    for one, (center, half) in enumerate(zip(at, halves, strict=True)):
        away = [half + _RING / 2.0 + 1.5 + reach * _SIZE for reach in reaches]
        tries = np.concatenate([center + steps * far for far in away])
        cost = 0.3 * distance + covering * np.minimum(_overlap(tries, half, flashes, _DOT), most)
        cost += 3.0 * _overlap(tries, half, at, np.full(2, _RING / 2.0))
        cost += 6.0 * _overlap(tries, half, placed[:one], halves[:one])
        if names is not None:
            cost += 6.0 * _overlap(tries, half, *names)
        cost += 12.0 * ((tries < half) | (tries > box - half)).any(axis=1)
        placed[one] = tries[np.argmin(cost)]
    return placed


def _overlap(
    tries: FloatArray, half: FloatArray, others: FloatArray, halves: FloatArray
) -> npt.NDArray[np.int64]:
    """How many rectangles each of some places of a rectangle would touch."""
    reach = np.broadcast_to(half + halves, others.shape)
    (x, y), (other_x, other_y), (wide, high) = tries.T, others.T, reach.T
    near = np.abs(x[:, None] - other_x) < wide
    near &= np.abs(y[:, None] - other_y) < high
    return np.asarray(np.count_nonzero(near, axis=1), dtype=np.int64)
