"""The storm map: where storms are and which way they go, with views of the largest close up."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import KM_PER_DEGREE
from lightning_kedro.pipelines.reporting.cluster_map import (
    MAP_ASPECT,
    MAP_BOX,
    ClusteredWindow,
    name_place,
)
from lightning_kedro.pipelines.reporting.figures import HEIGHT, WIDTH, Words, make_figure
from lightning_kedro.pipelines.reporting.maps import Extent, add_map
from lightning_kedro.pipelines.reporting.outlines import add_outlines
from lightning_kedro.pipelines.reporting.palette import LIGHT, mix
from lightning_kedro.pipelines.reporting.storm_scene import PALEST, Scene, add_flashes
from lightning_kedro.pipelines.reporting.storm_shapes import StormShape, shape_storms
from lightning_kedro.pipelines.reporting.storm_window import (
    FIRST_ALGORITHM,
    StormWindow,
    name_duration,
    name_flashes,
    name_motion,
)
from lightning_kedro.pipelines.reporting.window import count_flashes, mark_simulated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NUMBERED: Final = 16
"""So many storms have numbers on the map, and a place in the list or a view of their own."""

N_VIEWS: Final = 6
"""So many storms are shown close up where the map is wide."""

_WIDE_KM: Final = 2500.0  # on a map that wide or wider a storm is hardly more than a dot
_WIDE_BOX: Final = (0.06, 0.282, 0.552, 0.552 * WIDTH / HEIGHT / MAP_ASPECT)
_VIEWS_BOX: Final = (0.645, 0.062, 0.34, 0.798)
_VIEW: Final = (0.163, 0.214)  # width and height of a view; the rest of its slot is its heading
_VIEW_KM: Final = (160.0, 1.35)  # a view is so wide at least, or so many times its storm
_LIST_BOX: Final = (0.845, 0.075, 0.085, 0.742)
_ROOMY_ROWS: Final = 8
_LIST_LEFT: Final = 0.818
_TRIANGLE: Final = "\N{BLACK UP-POINTING TRIANGLE}"


def describe_storms(clustered: ClusteredWindow, storms: StormWindow) -> Words:
    """The storm map's texts."""
    n, title = len(storms), "Storms"
    if n:
        title = f"{n:,} thunderstorm{'' if n == 1 else 's'}"
    parts = [clustered.window.dates, count_flashes(len(clustered))]
    if n:
        lone = int(np.count_nonzero(storms.labels < 0))
        parts += [f"{lone:,} of them in no storm"] if lone else []
        parts.append(count_jumps(storms))
    return Words(
        mark_simulated(f"{title} seen by {clustered.satellites}", simulated=clustered.simulated),
        "   ·   ".join(parts),
        clustered.credit,
        storms.empty,
    )


def count_jumps(storms: StormWindow) -> str:
    """``no lightning jumps``, ``1 lightning jump``, ``26 lightning jumps`` (2-sigma)."""
    count = int(storms.count_jumps().sum())
    return f"{count or 'no'} lightning jump{'' if count == 1 else 's'} ({FIRST_ALGORITHM})"


def draw_storm_map(clustered: ClusteredWindow, storms: StormWindow, words: Words) -> "Figure":
    """Draw the storm map: wide ones with views of the largest storms, others with a list alone."""
    figure = make_figure(words, LIGHT)
    extent = clustered.choose_extent(MAP_ASPECT)
    is_wide = bool(len(storms)) and extent.width_km > _WIDE_KM
    axes = add_map(figure, _WIDE_BOX if is_wide else MAP_BOX, extent, LIGHT)
    add_outlines(axes, clustered.window, extent, LIGHT)
    if not len(storms):
        if len(clustered):
            add_flashes(axes, clustered, storms, extent)
        return figure
    shapes = shape_storms(storms, clustered.lat, clustered.lon)
    scene = Scene.make(clustered, storms, shapes, min(len(storms), MOST_NUMBERED))
    scene.draw(axes, extent, 1.0 if is_wide else 1.3, is_far=is_wide)
    scene.number(axes, extent)
    if is_wide:
        axes.tick_params(labelsize=9)
        _add_views(figure, scene)
        _add_table(figure, storms)
        _add_key(figure, _WIDE_BOX[0], 0.056, "numbered storms")
    else:
        _add_list(figure, storms)
        _add_key(figure, MAP_BOX[0], 0.018, "")
    return figure


def choose_view(shape: StormShape, aspect: float) -> Extent:
    """The surroundings of a storm and its track, as a map of that aspect shows them."""
    points = np.concatenate([shape.outline, shape.track])
    west, south = points.min(axis=0)
    east, north = points.max(axis=0)
    lat, lon = (south + north) / 2.0, (west + east) / 2.0
    stretch = float(np.cos(np.radians(lat)))
    least, times = _VIEW_KM
    wide = max((east - west) * stretch, (north - south) * aspect, least / KM_PER_DEGREE / times)
    half = times * wide / 2.0
    west = float(np.mod(lon - half / stretch + 180.0, 360.0) - 180.0)
    return Extent(west, west + 2.0 * half / stretch, lat - half / aspect, lat + half / aspect)


def _add_views(figure: "Figure", scene: Scene) -> None:
    """The largest storms close up, two in a row, with what is known of each above."""
    left, bottom, width, height = _VIEWS_BOX
    count = min(len(scene.storms), N_VIEWS)
    n_columns, n_rows = (1, count) if count <= N_VIEWS // 2 else (2, N_VIEWS // 2)
    slot = height / n_rows
    wide = _VIEW[0] if n_columns > 1 else width
    tall = slot - (height / (N_VIEWS // 2) - _VIEW[1])
    for rank in range(count):
        row, column = divmod(rank, n_columns)
        x = left + column * (width - wide)
        y = bottom + height - (row + 1) * slot
        _add_view(figure, scene, rank, (x, y, wide, tall))


def _add_view(
    figure: "Figure", scene: Scene, rank: int, box: tuple[float, float, float, float]
) -> None:
    """A storm close up."""
    extent = choose_view(scene.shapes[rank], box[2] * WIDTH / (box[3] * HEIGHT))
    axes = add_map(figure, box, extent, LIGHT)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set(edgecolor=LIGHT.border, linewidth=0.8)
    axes.set_aspect("auto")
    scene.draw(axes, extent, 1.5)
    scene.number(axes, extent, but=rank)
    _add_scale(axes, extent)
    (row,) = scene.storms.list_storms(1, rank)
    colour = LIGHT.clusters[scene.storms.colours[rank]]
    top = box[1] + box[3]
    number: dict[str, Any] = {"size": 12, "weight": "bold", "color": colour, "va": "bottom"}
    figure.text(box[0], top + 0.005, f"{row['storm']}", **number)
    jumps = int(scene.storms.count_jumps()[rank])
    mark = f"   {_TRIANGLE}{jumps if jumps > 1 else ''}" if jumps else ""
    look: dict[str, Any] = {"size": 8.5, "ha": "right", "linespacing": 1.25}
    text = f"{name_flashes(row['flash_count'])} in {name_duration(row['duration_minutes'])}"
    motion = name_motion(row["speed_m_s"], row["direction_deg"]) or "too short for a speed"
    right = box[0] + box[2]
    figure.text(right, top + 0.022, text, color=LIGHT.text, va="bottom", **look)
    figure.text(right, top + 0.005, f"{motion}{mark}", color=LIGHT.quiet, va="bottom", **look)


def _add_scale(axes: Any, extent: Extent) -> None:  # noqa: ANN401  (Matplotlib's axes have no types)
    """A bar of a round length in the lower left corner."""
    from matplotlib.patheffects import withStroke

    length = max(one for one in _list_lengths() if one <= 0.36 * extent.width_km)
    x, y = 0.05, 0.07
    right = x + length / extent.width_km
    look: dict[str, Any] = {"transform": axes.transAxes, "color": LIGHT.text, "zorder": 6.5}
    halo = [withStroke(linewidth=3.5, foreground=LIGHT.page)]
    axes.plot([x, right], [y, y], linewidth=1.6, path_effects=halo, **look)
    halo = [withStroke(linewidth=2.4, foreground=LIGHT.page)]
    middle = (x + right) / 2.0
    text: dict[str, Any] = {"size": 8, "ha": "center", "va": "bottom", "path_effects": halo}
    axes.text(middle, y + 0.025, f"{length:,.0f} km", **text, **look)


def _list_lengths() -> list[float]:
    """Round lengths, km."""
    return [digit * 10.0**power for power in range(4) for digit in (1, 2, 5)]


def _add_table(figure: "Figure", storms: StormWindow) -> None:
    """Below a wide map the storms that have a number but no view, in two columns.

    Where all have a view, those, with their places.
    """
    few = len(storms) <= N_VIEWS
    rows = storms.list_storms(MOST_NUMBERED - N_VIEWS, 0 if few else N_VIEWS)
    jumps = storms.count_jumps()
    half = N_VIEWS if few else (MOST_NUMBERED - N_VIEWS) // 2
    head = f"{'All storms' if few else 'The next largest'}: flashes, duration, motion"
    _write(figure, _WIDE_BOX[0] + 0.006, 0.234, head)
    for place, row in enumerate(rows):
        column, line = divmod(place, half)
        if few:
            place_name = name_place(row["lat"], row["lon"])
            _write(figure, _WIDE_BOX[0] + 0.288, 0.209 - 0.0255 * line, place_name)
        left = _WIDE_BOX[0] + 0.288 * column
        y = 0.209 - 0.0255 * line
        colour = LIGHT.clusters[storms.colours[row["storm"]]]
        number: dict[str, Any] = {"size": 10, "weight": "bold", "color": colour}
        _write(figure, left + 0.018, y, f"{row['storm']}", ha="right", **number)
        _write(figure, left + 0.068, y, f"{row['flash_count']:,}", ha="right", color=LIGHT.text)
        _write(figure, left + 0.138, y, name_duration(row["duration_minutes"]), ha="right")
        _write(figure, left + 0.148, y, name_motion(row["speed_m_s"], row["direction_deg"]))
        if jumps[row["storm"]]:
            many = jumps[row["storm"]] if jumps[row["storm"]] > 1 else ""
            _write(figure, left + 0.238, y, f"{_TRIANGLE}{many}", color=LIGHT.accent)
    rest = storms.storms["flash_count"][MOST_NUMBERED:]
    if rest.size:
        text = f"and {rest.size:,} more with {rest.sum():,} flashes"
        _write(figure, _WIDE_BOX[0] + 0.006, 0.082, text)


def _write(figure: "Figure", x: float, y: float, text: str, **look: Any) -> None:  # noqa: ANN401
    """A small text."""
    figure.text(x, y, text, **{"size": 9, "color": LIGHT.quiet, "va": "center", **look})


def _add_list(figure: "Figure", storms: StormWindow) -> None:
    """Flashes of the largest storms as bars, with what else is known of each below."""
    rows, jumps = storms.list_storms(MOST_NUMBERED), storms.count_jumps()
    counts = np.array([row["flash_count"] for row in rows])
    axes: Any = figure.add_axes(_LIST_BOX)
    axes.axis("off")
    roomy = counts.size <= _ROOMY_ROWS
    n_rows = _ROOMY_ROWS if roomy else MOST_NUMBERED
    axes.set(xlim=(0, max(int(counts.max()), 1)), ylim=(n_rows + 0.1, -0.6))
    colours = [LIGHT.clusters[colour] for colour in storms.colours[: counts.size]]
    axes.barh(np.arange(counts.size), counts, height=0.2 if roomy else 0.3, color=colours)
    quiet: dict[str, Any] = {"size": 8, "color": LIGHT.quiet, "va": "top", "linespacing": 1.3}
    for rank, row in enumerate(rows):
        axes.text(counts[rank], rank, f"  {counts[rank]:,}", size=9.5, va="center")
        number: dict[str, Any] = {"size": 10, "weight": "bold", "ha": "right", "va": "center"}
        axes.text(0, rank, f"{row['storm']}  ", **number)
        parts = [
            name_duration(row["duration_minutes"]),
            name_motion(row["speed_m_s"], row["direction_deg"]),
        ]
        lines = [", ".join(part for part in parts if part)]
        lines += [name_place(row["lat"], row["lon"])] if roomy else []
        axes.text(0, rank + (0.17 if roomy else 0.25), "\n".join(lines), **quiet)
        if jumps[rank]:
            mark = f"{_TRIANGLE}{jumps[rank] if jumps[rank] > 1 else ''}  "
            look: dict[str, Any] = {"size": 8, "color": LIGHT.accent, "ha": "right"}
            axes.text(0, rank + (0.17 if roomy else 0.25), mark, va="top", **look)
    if len(storms) > counts.size:
        rest = storms.storms["flash_count"][counts.size :]
        text = f"and {rest.size:,} more: {rest.sum():,}"
        axes.text(0, counts.size - 0.05, text, size=9.5, color=LIGHT.quiet, va="center")
    head: dict[str, Any] = {"size": 12, "weight": "bold", "color": LIGHT.text}
    figure.text(_LIST_LEFT, 0.845, "Flashes per storm", **head)
    figure.text(_LIST_LEFT, 0.824, "duration, motion", size=8.5, color=LIGHT.quiet)


def _add_key(figure: "Figure", left: float, y: float, which: str) -> None:
    """What colours, lines and triangles mean; ``which`` says whose jumps a map shows."""
    steps = np.linspace(PALEST, 1.0, 24)
    ramp = np.array([[mix(LIGHT.clusters[0], LIGHT.land, share) for share in steps]]) / 255.0
    look: dict[str, Any] = {"size": 8.5, "color": LIGHT.quiet, "va": "center"}
    figure.text(left, y, "early", **look)
    axes: Any = figure.add_axes((left + 0.032, y - 0.007, 0.055, 0.014))
    axes.imshow(ramp, aspect="auto")
    axes.axis("off")
    text = (
        f"late in its life  ·  grey: no storm  ·  arrow: track  ·  dotted: split, merger  ·  "
        f"{_TRIANGLE} jump{f' ({which})' if which else ''}"
    )
    figure.text(left + 0.092, y, text, **look)
