"""Flash rates of the largest storms, minute by minute, with their lightning jumps marked."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow, name_place
from lightning_kedro.pipelines.reporting.figures import (
    DATA_CREDIT,
    SIMULATED_DATA_CREDIT,
    Words,
    make_figure,
    make_placeholder,
)
from lightning_kedro.pipelines.reporting.flash_rate import choose_ticks, tidy_axes
from lightning_kedro.pipelines.reporting.palette import LIGHT
from lightning_kedro.pipelines.reporting.storm_map import count_jumps
from lightning_kedro.pipelines.reporting.storm_window import (
    FIRST_ALGORITHM,
    StormWindow,
    name_duration,
    name_flashes,
    name_motion,
)
from lightning_kedro.pipelines.reporting.window import Times, mark_simulated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN: Final = 8
"""So many storms are drawn."""

_SIDES: Final = (0.085, 0.975)  # left and right of the charts
_ENDS: Final = (0.085, 0.845)  # bottom and top
_ONE_COLUMN: Final = 3  # so few storms are drawn one below the other
_GUTTER: Final = (0.06, 0.075)  # between charts
_SHARED_HOURS: Final = 6.0  # windows up to this long are the time axis of every storm
_MINUTE: Final = np.timedelta64(60_000_000, "us")
_DAY_MICROSECONDS: Final = 86_400e6
_INSTANT: Final = timedelta(microseconds=1)  # an end at midnight is of the day before
_SHORTEST_AXIS: Final = 10 * _MINUTE
_HEADROOM: Final = 1.3


def describe_series(clustered: ClusteredWindow, storms: StormWindow) -> Words:
    """The picture's texts."""
    n, parts = len(storms), [clustered.window.dates]
    if n > 1:
        which = "all storms" if n <= MOST_SHOWN else f"the {MOST_SHOWN} of {n:,} with most flashes"
        parts.append(which)
    if n:
        jumps = storms.count_jumps()
        total, shown = int(jumps.sum()), int(jumps[:MOST_SHOWN].sum())
        parts.append(
            f"{count_jumps(storms)}{f', {shown} of them here' if n > MOST_SHOWN and total else ''}"
        )
    title = f"Flash rates of storms, {clustered.satellites}"
    return Words(
        mark_simulated(title, simulated=clustered.simulated),
        "   ·   ".join(parts),
        SIMULATED_DATA_CREDIT if clustered.simulated else DATA_CREDIT,
        storms.empty,
    )


def draw_storm_series(
    clustered: ClusteredWindow, storms: StormWindow, gaps: Times, words: Words
) -> "Figure":
    """Draw the flash rates of the largest storms.

    Args:
        clustered: The window.
        storms: Its storms.
        gaps: Start and end of each gap in coverage, shape (g, 2), UTC.
        words: The picture's texts.
    """
    if not len(storms):
        return make_placeholder(words, LIGHT, left=_SIDES[0])
    figure = make_figure(words, LIGHT, left=_SIDES[0])
    boxes = place_charts(min(len(storms), MOST_SHOWN))
    for storm, box in enumerate(boxes):
        axes = figure.add_axes(box)
        _draw_storm(axes, clustered, storms, storm, gaps)
    _add_key(figure, is_gappy=bool(gaps.size))
    return figure


def place_charts(count: int) -> list[tuple[float, float, float, float]]:
    """Left, bottom, width and height of some charts, row by row: they fill the picture."""
    if not count:
        return []
    n_columns = 1 if count <= _ONE_COLUMN else 2
    n_rows = -(-count // n_columns)
    width = (_SIDES[1] - _SIDES[0] - (n_columns - 1) * _GUTTER[0]) / n_columns
    slot = (_ENDS[1] - _ENDS[0] + _GUTTER[1]) / n_rows
    boxes = []
    for number in range(count):
        row, column = divmod(number, n_columns)
        left = _SIDES[0] + column * (width + _GUTTER[0])
        bottom = _ENDS[1] + _GUTTER[1] - (row + 1) * slot
        last = number == count - 1 and column == 0 and n_columns > 1  # alone in its row
        wide = _SIDES[1] - _SIDES[0] if last else width
        boxes.append((left, bottom, wide, slot - _GUTTER[1] - 0.02))
    return boxes


def count_by_minute(storms: StormWindow, storm: int) -> tuple[Times, FloatArray]:
    """Edges of the minutes of a storm's life, shape (t + 1,), and its flashes in each, shape (t,).

    Minutes without flashes have none; the table leaves them out.
    """
    series = storms.minutes.take(storm)
    minutes = series.minute
    at = ((minutes - minutes[0]) / _MINUTE).round().astype(np.int64)
    counts = np.zeros(at[-1] + 1)
    counts[at] = series.count
    return minutes[0] + np.arange(counts.size + 1) * _MINUTE, counts


def _draw_storm(
    axes: Any,  # noqa: ANN401
    clustered: ClusteredWindow,
    storms: StormWindow,
    storm: int,
    gaps: Times,
) -> None:
    """The flashes per minute of a storm, its jumps, and the gaps in coverage."""
    edges, counts = count_by_minute(storms, storm)
    start, end = _choose_axis(clustered, edges)
    dated = clustered.window.start.date() != (clustered.window.end - _INSTANT).date()
    colour = LIGHT.clusters[storms.colours[storm]]
    top = max(float(counts.max()), 1.0) * _HEADROOM
    axes.set(xlim=_count_days([start, end]), ylim=(0.0, top), autoscale_on=False)
    for gap_start, gap_end in gaps:
        look: dict[str, Any] = {"facecolor": "#DDE2E8", "edgecolor": "#A9B3BD", "hatch": "///"}
        if gap_end > start and gap_start < end:
            span = _count_days([max(gap_start, start), min(gap_end, end)])
            axes.axvspan(*span, linewidth=0, zorder=2.5, **look)
    days = _count_days(edges)
    axes.stairs(counts, days, fill=True, color=colour, alpha=0.28)
    axes.stairs(counts, days, baseline=None, color=colour, linewidth=1.4)
    _mark_jumps(axes, storms, storm, top)
    ticks, names = choose_ticks(start, end)
    shown = names if dated else [name.partition("\n")[0] for name in names]
    axes.set_xticks(_count_days(ticks), shown)
    for tick, label in zip(ticks, axes.get_xticklabels(), strict=True):  # none beyond the chart
        if tick in {start, end}:
            label.set_ha("left" if tick == start else "right")
    axes.yaxis.get_major_locator().set_params(nbins=4, integer=True)
    tidy_axes(axes)
    axes.tick_params(labelsize=9.5, pad=4)
    _name_storm(axes, storms, storm)


def _choose_axis(clustered: ClusteredWindow, edges: Times) -> tuple[np.datetime64, np.datetime64]:
    """The window of short ones; of longer ones the storm's own life, at least ten minutes."""
    start, end = (
        np.datetime64(time, "us") for time in (clustered.window.start, clustered.window.end)
    )
    if (end - start) / (60 * _MINUTE) <= _SHARED_HOURS:
        return start, end
    return edges[0], max(edges[-1], edges[0] + _SHORTEST_AXIS)


def _mark_jumps(axes: Any, storms: StormWindow, storm: int, top: float) -> None:  # noqa: ANN401
    """A line down from a triangle at each jump: filled for 2-sigma, hollow for the other."""
    jumps = storms.list_jumps(storms=slice(storm, storm + 1))
    for is_first in (True, False):
        mine = [jump for jump in jumps if (jump["algorithm"] == FIRST_ALGORITHM) == is_first]
        if not mine:
            continue
        times = _count_days([jump["jump_time"] for jump in mine])
        place, style = (0.95, "-") if is_first else (0.84, ":")
        line: dict[str, Any] = {"colors": LIGHT.accent, "linewidths": 1.2 if is_first else 0.8}
        axes.vlines(times, 0.0, top * place, **line, linestyles=style, zorder=4)
        face = LIGHT.accent if is_first else LIGHT.page
        mark: dict[str, Any] = {"marker": "v", "s": 46, "facecolors": face, "zorder": 5}
        places = np.full(times.size, top * place)
        axes.scatter(times, places, edgecolors=LIGHT.accent, linewidths=1.2, **mark)


def _count_days(times: Any) -> FloatArray:  # noqa: ANN401  (times of any form)
    """Times as Matplotlib counts them, days since 1970: as dates each would be converted anew."""
    return np.asarray(times, dtype="datetime64[us]").astype(np.int64) / _DAY_MICROSECONDS


def _name_storm(axes: Any, storms: StormWindow, storm: int) -> None:  # noqa: ANN401
    """Above a chart the storm's number, and on the right what is known of it."""
    (row,) = storms.list_storms(1, storm)
    colour = LIGHT.clusters[storms.colours[storm]]
    look: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom"}
    axes.text(0.0, 1.03, f"{row['storm']}", size=13, weight="bold", color=colour, **look)
    parts = [
        name_place(row["lat"], row["lon"]),
        name_flashes(row["flash_count"]),
        name_duration(row["duration_minutes"]),
        name_motion(row["speed_m_s"], row["direction_deg"]),
    ]
    text = "  ·  ".join(part for part in parts if part)
    axes.text(1.0, 1.04, text, size=9.5, color=LIGHT.quiet, ha="right", **look)


def _add_key(figure: "Figure", *, is_gappy: bool) -> None:
    """What the charts show, below them."""
    text = (
        "Flashes per minute   ·   \N{BLACK DOWN-POINTING TRIANGLE} lightning jump (2-sigma)   ·   "
        "\N{WHITE DOWN-POINTING TRIANGLE} of the form tuned for GLM (FRarea)"
    )
    if is_gappy:
        text += "   ·   hatched: no data"
    figure.text(_SIDES[0], 0.018, text, size=8.5, color=LIGHT.quiet, va="center")
