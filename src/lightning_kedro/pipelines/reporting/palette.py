"""Colors: one for each cluster, told apart by color-blind eyes as far as that can be.

The first eight of each theme were searched, starting from Okabe & Ito's ("Color Universal Design",
2008), for the greatest distance between any two of them in OKLab (Ottosson 2020) as seen by normal
eyes and, after Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), by eyes without red,
green or blue receptors: at least 0.1 everywhere, five times what can just be told apart.

No set is told apart by every eye beyond about eight. The others are the same in all themes, and
are Glasbey's (Glasbey et al. 2007, doi:10.1002/col.20327) as the package colorcet 3.2 lists them
(``glasbey``, ``glasbey_light``, ``glasbey_dark``; CC BY 4.0): of those of a lightness between 0.55
and 0.78, which show on a light map and a dark one, always the one furthest from all before it. They
are written down here, so that no run loads 800 kB of color maps for 120 of their colors. The tests
measure both sets again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import to_unit_vectors

_SAFE_COLORS: Final = 8
_MOST_SEPARATED: Final = 5000  # of more the last ones take their colors in turn

# fmt: off
_GLASBEY: Final = (
    "#FF00CD", "#B500FF", "#9A6900", "#FF5E93", "#6264FD", "#DA015D", "#A55B6B", "#2B8AD4",
    "#C38285", "#BF03B8", "#9E9E46", "#31D400", "#16A300", "#FD77FF", "#4FB5AF", "#B8BA01",
    "#A795C6", "#6E70AA", "#8287FF", "#FF1C44", "#628023", "#0A8289", "#E252FF", "#D60000",
    "#DA546E", "#F7807C", "#8C3BFF", "#DB72C8", "#F90087", "#A34D95", "#BC7C00", "#828056",
    "#876BD8", "#D3008C", "#D154A5", "#E100E8", "#009AA0", "#FF7ED1", "#669C4D", "#D88052",
    "#FF6200", "#A17569", "#BA5E21", "#00AF89", "#DF4DCD", "#E27EA3", "#FF59DA", "#4687FF",
    "#0774D8", "#8A85AE", "#6BAF36", "#C84248", "#70CF4F", "#1CA1FF", "#FF28FD", "#C144BC",
    "#A56B97", "#00B800", "#9738DB", "#5E7B87", "#629A7B", "#79AE6B", "#FF49B1", "#DB03B3",
    "#C39700", "#BC9157", "#959167", "#AC93EB", "#2D9ED3", "#0087B1", "#7EA59A", "#8EBA00",
    "#C4668E", "#677ECA", "#C14103", "#8C9AB1", "#FD5269", "#5D7E66", "#DB6D01", "#909101",
    "#826E8C", "#AF5DD4", "#599000", "#AE6DFF", "#C86E66", "#8A6D4F", "#878ED1", "#E8013A",
    "#00C846", "#8E7B01", "#009744", "#E4727E", "#00ACC6", "#C672DD", "#F26952", "#E82FA0",
    "#CD83BC", "#B8496B", "#8E6097", "#AA8297", "#4B8EA5", "#D88E38", "#B800D4", "#698CBD",
    "#95AA2A", "#79893B", "#E65DB1", "#AA80CD", "#C136D6", "#A08052", "#B1826D", "#2DB152",
    "#FF4600", "#568E5B", "#B3723B", "#8970B1", "#C33489", "#00BDA3", "#ED67FF", "#05AAEB",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a picture, as ``#RRGGBB``.

    Attributes:
        clusters: Colors of clusters in order of cluster, shape (128,).
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
        *_GLASBEY,
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
        *_GLASBEY,
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


def assign_colors(k: int) -> npt.NDArray[np.int64]:
    """Choose a color for each cluster.

    Args:
        k: Number of clusters.

    Returns:
        Indices into a theme's ``clusters``, shape (k,). All differ, so that neighbors do, up to 128
        clusters; of more the colors begin again, and only the numbers tell them apart.
    """
    return np.arange(k, dtype=np.int64) % len(LIGHT.clusters)


def separate_colors(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Choose colors for very many things on a map, so that those near each other are told apart.

    Args:
        lat: Latitudes, shape (m,), degrees, in the order in which they choose.
        lon: Longitudes, shape (m,), degrees.

    Returns:
        Indices of the first eight colors of a theme, which every eye tells apart, shape (m,): each
        takes the one whose nearest bearer is furthest away.
    """
    vectors = to_unit_vectors(lat, lon)
    nearness = np.full((lat.size, _SAFE_COLORS), -2.0)  # cosine of the angle to the nearest bearer
    chosen = np.arange(lat.size, dtype=np.int64) % _SAFE_COLORS
    for one in range(min(lat.size, _MOST_SEPARATED)):
        color = int(np.argmin(nearness[one]))
        chosen[one] = color
        np.maximum(nearness[:, color], vectors @ vectors[one], out=nearness[:, color])
    return chosen


def mix(color: str, ground: str = "#000000", share: float = 1.0) -> tuple[int, int, int]:
    """A color laid over another.

    Args:
        color: ``#RRGGBB``.
        ground: The color below.
        share: How much of the upper one, in [0, 1].

    Returns:
        Red, green and blue, 0 to 255.
    """
    from PIL.ImageColor import getrgb

    pairs = zip(getrgb(color), getrgb(ground), strict=True)
    red, green, blue = (round(share * top + (1.0 - share) * below) for top, below in pairs)
    return red, green, blue
