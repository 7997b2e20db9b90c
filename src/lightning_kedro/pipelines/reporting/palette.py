"""Colours: eight for clusters, told apart by colour-blind eyes, given so that neighbours differ.

Both sets of eight were searched, starting from Okabe & Ito's ("Color Universal Design", 2008), for
the greatest distance between any two of them in OKLab (Ottosson 2020) as seen by normal eyes and,
after Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), by eyes without red, green or
blue receptors: at least 0.1 everywhere, five times what can just be told apart. The tests do that
again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray, to_unit_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture, as ``#RRGGBB``.

    Attributes:
        clusters: Eight colours for clusters, in the same order of hues in every theme.
        page: Behind everything.
        sea: Behind the map.
        land: Land.
        coast: Coastlines.
        border: Borders of countries.
        state: Borders of states.
        grid: Meridians and parallels.
        text: Titles.
        quiet: Subtitles and notes.
        accent: What is to be looked at first.
    """

    clusters: tuple[str, ...]
    page: str
    sea: str
    land: str
    coast: str
    border: str
    state: str
    grid: str
    text: str
    quiet: str
    accent: str


LIGHT: Final = Theme(
    clusters=(
        "#1355C1",
        "#E15111",
        "#09966A",
        "#AD6DBE",
        "#52B4FF",
        "#E69A00",
        "#850C39",
        "#313E7C",
    ),
    page="#FFFFFF",
    sea="#E9EEF5",
    land="#FCFBF8",
    coast="#47545F",
    border="#7B8794",
    state="#C3CAD2",
    grid="#D5DBE3",
    text="#18222B",
    quiet="#56616C",
    accent="#D04A00",
)

DARK: Final = Theme(
    clusters=(
        "#31D7FF",
        "#FF850A",
        "#2BC176",
        "#FFA1BF",
        "#C4F8F3",
        "#F5DD5C",
        "#C07FFF",
        "#788F91",
    ),
    page="#0B0E13",
    sea="#0B0E13",
    land="#171D25",
    coast="#6B7987",
    border="#4A5662",
    state="#2B343E",
    grid="#1B222B",
    text="#EEF2F6",
    quiet="#9BA7B3",
    accent="#FFD24D",
)

_FEWEST_FOR_A_HULL: Final = 5


def assign_colours(lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Choose one of eight colours for each cluster so that neighbours differ.

    The clusters of K-means are the regions nearest to each centre, so two of them touch where the
    convex hull of the centres on the sphere has an edge. Such a graph is planar: taken in the right
    order no cluster has more than five neighbours that have a colour already, so eight always
    suffice. Of the colours left the one is taken whose nearest user is furthest away.

    Args:
        lat: Latitudes of the centres, shape (k,), degrees, in order of cluster.
        lon: Longitudes of the centres, shape (k,), degrees.

    Returns:
        Indices into a theme's ``clusters``, shape (k,). The first eight clusters, the largest ones,
        all differ unless that would leave two neighbours alike.
    """
    points = to_unit_vectors(lat, lon)
    largest = np.arange(min(len(points), len(LIGHT.clusters)))
    if len(points) == largest.size:
        return largest
    neighbours = find_neighbours(points)
    colours = _colour_greedily(points, neighbours, largest)
    if colours is None:
        colours = _colour_greedily(points, neighbours, largest[:0])
    return largest if colours is None else colours


def _colour_greedily(
    points: FloatArray, neighbours: list[set[int]], given: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64] | None:
    """Colour the points that have no given colour; None if that leaves two neighbours alike."""
    colours = np.full(len(points), -1)
    colours[: given.size] = given
    every = np.arange(len(LIGHT.clusters))
    for point in order_by_degeneracy(neighbours):
        if point < given.size:
            continue
        distances = np.linalg.norm(points - points[point], axis=1)
        room = np.array([distances[colours == colour].min(initial=9.0) for colour in every])
        room[np.unique(colours[[*neighbours[point]]]).clip(min=0)] = -1.0
        if room.max() < 0.0:
            return None
        colours[point] = int(np.argmax(room))
    return colours


def find_neighbours(points: FloatArray) -> list[set[int]]:
    """Which points' regions touch.

    Args:
        points: Unit vectors, shape (k, 3).

    Returns:
        The neighbours of each point; all others where there are too few points for a hull.
    """
    from scipy.spatial import ConvexHull

    k = len(points)
    if k < _FEWEST_FOR_A_HULL:
        return [set(range(k)) - {point} for point in range(k)]
    # Joggled, so that equal points or points on one circle have a hull too.
    hull = ConvexHull(points, qhull_options="QJ Pp")
    neighbours: list[set[int]] = [set() for _ in range(k)]
    for triangle in hull.simplices:
        for corner in triangle:
            neighbours[corner] |= {int(other) for other in triangle if other != corner}
    return neighbours


def order_by_degeneracy(neighbours: "Sequence[set[int]]") -> list[int]:
    """Order the nodes of a graph so that each has few neighbours before it.

    The node with the fewest neighbours left goes last, again and again (Matula & Beck 1983,
    doi:10.1145/2402.322385): in a planar graph none then has more than five before it.
    """
    left = {node: set(others) for node, others in enumerate(neighbours)}
    order: list[int] = []
    while left:
        node = min(left, key=lambda one: (len(left[one]), -one))
        order.append(node)
        for other in left.pop(node):
            left[other].discard(node)
    return order[::-1]


def to_rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#RRGGBB``, 0 to 255."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def mix(colour: str, ground: str, share: float) -> tuple[int, int, int]:
    """A colour laid over another, ``share`` of it in [0, 1]."""
    pairs = zip(to_rgb(colour), to_rgb(ground), strict=True)
    red, green, blue = (round(share * top + (1.0 - share) * below) for top, below in pairs)
    return red, green, blue
