"""The flash rate over time, with gaps in coverage shaded instead of drawn as zero."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.granule import GRANULE_LENGTH
from lightning_kedro.pipelines.reporting.figures import (
    DATA_CREDIT,
    SIMULATED_DATA_CREDIT,
    Words,
    make_figure,
)
from lightning_kedro.pipelines.reporting.palette import LIGHT
from lightning_kedro.pipelines.reporting.window import (
    Times,
    Window,
    count_flashes,
    mark_simulated,
    pick_granules,
    say_coverage,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHART_BOX: Final = (0.085, 0.125, 0.88, 0.72)
_MOST_BINS: Final = 180
_STEPS_MINUTES: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440)
_TICKS_SECONDS: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400),
)
_MOST_TICKS: Final = 9
_DAY_SECONDS: Final = 86400
_SECOND: Final = np.timedelta64(1, "s")
_MINUTE: Final = np.timedelta64(60, "s")
_TOLERANCE: Final = 2 * _SECOND  # a granule's start may be off its 20 s by some tenths
_SHORTEST_BIN: Final = 0.05  # of a bin must be covered, or its rate means nothing


@dataclass(frozen=True, slots=True)
class FlashRate:
    """Flashes by time.

    Attributes:
        edges: Edges of the bins, shape (b + 1,), datetime64[us], UTC.
        per_minute: Flashes per minute of covered time, shape (b,); NaN where nothing is covered.
        covered: Covered share of each bin, shape (b,), 0 to 1.
        gaps: Start and end of each gap in coverage, shape (g, 2), datetime64[us], UTC.
        count: Number of flashes.
    """

    edges: Times
    per_minute: FloatArray
    covered: FloatArray
    gaps: Times
    count: int

    @property
    def missing_minutes(self) -> float:
        """Length of all gaps together, minutes."""
        return float((self.gaps[:, 1] - self.gaps[:, 0]).sum() / _MINUTE)

    @property
    def covered_minutes(self) -> float:
        """Length of what is covered, minutes."""
        return max(float((self.edges[-1] - self.edges[0]) / _MINUTE) - self.missing_minutes, 0.0)

    @property
    def mean(self) -> float:
        """Flashes per minute of covered time; NaN if nothing is covered.

        Taken over the same bins as the peak, so that it is never above it: a flash in a gap, which
        a granule after the gap holds, is in neither.
        """
        known = np.isfinite(self.per_minute)
        if not known.any():
            return float("nan")
        lengths = np.diff(self.edges)[known] / _MINUTE * self.covered[known]
        return float(np.average(self.per_minute[known], weights=lengths))

    @property
    def peak(self) -> float:
        """The highest rate of a bin, flashes per minute; NaN if nothing is covered."""
        known = self.per_minute[np.isfinite(self.per_minute)]
        return float(known.max()) if known.size else float("nan")

    @property
    def step_minutes(self) -> int:
        """Length of a bin, minutes."""
        return round(float(np.diff(self.edges).max() / _MINUTE))


def measure_rate(times: Times, granules: "pd.DataFrame", window: Window) -> FlashRate:
    """Measure the flash rate of a window.

    Args:
        times: Times of its flashes, shape (n,), UTC.
        granules: Rows of the table, those of the window among them.
        window: The result's window.
    """
    edges = choose_bins(window.start, window.end)
    counts, _ = np.histogram(times.astype(np.int64), bins=edges.astype(np.int64))
    return rate_counts(counts, granules, window, times.size)


def rate_counts(
    counts: npt.NDArray[np.int64], granules: "pd.DataFrame", window: Window, count: int
) -> FlashRate:
    """The flash rate of a window whose flashes are counted.

    Args:
        counts: Flashes in each of the bins of ``choose_bins``, shape (b,).
        granules: Rows of the table, those of the window among them.
        window: The result's window.
        count: Number of its flashes.
    """
    edges = choose_bins(window.start, window.end)
    gaps = find_gaps(granules, window)
    lengths = np.diff(edges)
    lost = np.zeros(lengths.size)
    for start, end in gaps:
        overlap = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
        lost += np.maximum(overlap / _SECOND, 0.0)
    covered = np.clip(1.0 - lost / (lengths / _SECOND), 0.0, 1.0)
    minutes = np.where(covered > _SHORTEST_BIN, covered, np.nan) * (lengths / _MINUTE)
    return FlashRate(edges, counts / minutes, covered, gaps, count)


def choose_bins(start: datetime, end: datetime) -> Times:
    """Edges of bins of a round length, at most 180; the last one may be shorter."""
    minutes = (end - start).total_seconds() / 60.0
    step = next((one for one in _STEPS_MINUTES if minutes / one <= _MOST_BINS), None)
    step = step or int(np.ceil(minutes / _MOST_BINS / 1440.0)) * 1440
    first, last = (np.datetime64(time, "us") for time in (start, end))
    edges = np.arange(first, last, np.timedelta64(step, "m"))
    return np.append(edges, last)


def find_gaps(granules: "pd.DataFrame", window: Window) -> Times:
    """When nothing was seen because no sound granule is there.

    Args:
        granules: Rows of the table, those of the window among them.
        window: The result's window.

    Returns:
        Start and end of each gap, shape (g, 2), in order of time, within the window.
    """
    mine = pick_granules(granules, window.selection)
    sound = mine.loc[mine["status"] != "corrupt", "granule_start"].sort_values()
    starts = sound.to_numpy().astype("datetime64[us]")
    first, last = (np.datetime64(time, "us") for time in (window.start, window.end))
    # Between two granules of the same 20 s grid nothing is missing, be it short as empty ones are.
    ends = np.append(first, starts + np.timedelta64(GRANULE_LENGTH))
    begins = np.append(starts, last)
    is_gap = begins - ends > _TOLERANCE
    gaps = np.stack([ends[is_gap], begins[is_gap]], axis=1)
    inside: Times = np.clip(gaps, first, last)
    return inside


def describe_rate(rate: FlashRate, window: Window, *, simulated: bool) -> Words:
    """The chart's texts."""
    parts = [window.dates, count_flashes(rate.count)]
    if not np.isnan(rate.mean):
        parts.append(f"mean {name_rate(rate.mean)} a minute")
    if rate.gaps.size:
        lost = f"{_describe_minutes(rate.missing_minutes)} without data"
        parts.append(", ".join(text for text in (lost, say_coverage(share_covered(rate))) if text))
    return Words(
        mark_simulated(f"Flash rate, {window.satellites}", simulated=simulated),
        "   ·   ".join(parts),
        SIMULATED_DATA_CREDIT if simulated else DATA_CREDIT,
        "" if rate.count else "No flashes in this window",
    )


def name_rate(value: float) -> str:
    """A rate with a decimal where it is small: ``1,234``, ``50.0``, ``0.017``."""
    if value >= 1000.0:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.1 or value == 0.0 else f"{value:.2g}"  # noqa: PLR2004


def _describe_minutes(minutes: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``."""
    if minutes < 2.0:  # noqa: PLR2004
        return f"{minutes * 60.0:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120.0 else f"{minutes / 60.0:.1f} h"  # noqa: PLR2004


def draw_rate(rate: FlashRate, words: Words) -> "Figure":
    """Draw the flash rate."""
    figure = make_figure(words, LIGHT, left=CHART_BOX[0])
    axes = figure.add_axes(CHART_BOX)
    top = float(np.nan_to_num(rate.peak)) * 1.13 or 1.0
    axes.set(xlim=(rate.edges[0], rate.edges[-1]), ylim=(0.0, top))
    _add_gaps(axes, rate, top)
    if rate.count:
        axes.stairs(rate.per_minute, rate.edges, fill=True, color=LIGHT.clusters[0], alpha=0.25)
        outline: dict[str, Any] = {"color": LIGHT.clusters[0], "linewidth": 1.6}
        axes.stairs(rate.per_minute, rate.edges, baseline=None, **outline)
        _mark_peak(axes, rate)
    ticks, names = choose_ticks(rate.edges[0], rate.edges[-1])
    axes.set_xticks(ticks, names)
    axes.set_ylabel(f"flashes per minute{_name_bins(rate)}", size=11, color=LIGHT.quiet)
    axes.set_xlabel("time (UTC)", size=11, color=LIGHT.quiet)
    tidy_axes(axes)
    return figure


def choose_ticks(start: np.datetime64, end: np.datetime64) -> tuple[Times, list[str]]:
    """Choose round times for an axis.

    Args:
        start: Start of the axis, UTC.
        end: End of the axis, UTC.

    Returns:
        The times, at most ten; and their names: clocks, with the date below the first of each day,
        or dates where they lie days apart.
    """
    length = float((end - start) / _SECOND)
    step = next((one for one in _TICKS_SECONDS if length / one < _MOST_TICKS), None)
    step = step or int(np.ceil(length / _MOST_TICKS / _DAY_SECONDS)) * _DAY_SECONDS
    midnight = start.astype("datetime64[D]").astype("datetime64[us]")
    first = midnight + np.ceil((start - midnight) / _SECOND / step) * step * _SECOND
    ticks = np.arange(first, end + _SECOND, np.timedelta64(step, "s")).astype("datetime64[us]")
    moments = ticks[ticks <= end].tolist()
    if step >= _DAY_SECONDS:
        return ticks[ticks <= end], [f"{one:%d %b}\n{one:%Y}".lstrip("0") for one in moments]
    clock = "%H:%M:%S" if step % 60 else "%H:%M"
    names, day = [], None
    for moment in moments:
        date = f"\n{f'{moment:%d %b %Y}'.lstrip('0')}" if moment.date() != day else ""
        names.append(f"{moment:{clock}}{date}")
        day = moment.date()
    return ticks[ticks <= end], names


def _name_bins(rate: FlashRate) -> str:
    minutes = rate.step_minutes
    length = f"{minutes} min" if minutes < 60 else f"{minutes / 60:g} h"  # noqa: PLR2004
    return f", over {length}" if minutes > 1 else ""


def tidy_axes(axes: Any) -> None:  # noqa: ANN401
    """A chart's quiet lines: a grid across, no box."""
    axes.grid(axis="y", color=LIGHT.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT.border)
    axes.tick_params(colors=LIGHT.text, labelsize=11, length=0, pad=6)
    axes.yaxis.set_major_formatter("{x:,g}")


def _add_gaps(axes: Any, rate: FlashRate, top: float) -> None:  # noqa: ANN401
    """Shade the gaps; each at least as wide as can be seen."""
    from matplotlib.patches import Patch

    if not rate.gaps.size:
        return
    narrowest = (rate.edges[-1] - rate.edges[0]) / 600
    look: dict[str, Any] = {"facecolor": "#DDE2E8", "edgecolor": "#A9B3BD", "hatch": "///"}
    for start, end in rate.gaps:
        axes.axvspan(start, max(end, start + narrowest), linewidth=0, zorder=2.5, **look)
    patch = Patch(label="no data: not counted as zero", linewidth=0, **look)
    axes.legend(handles=[patch], loc="upper left", frameon=False, fontsize=11)
    axes.set_ylim(0.0, top)


def _mark_peak(axes: Any, rate: FlashRate) -> None:  # noqa: ANN401
    """Name the bin with the highest rate."""
    if np.isnan(rate.peak):
        return
    peak = int(np.nanargmax(rate.per_minute))
    start, end = rate.edges[peak], rate.edges[peak + 1]
    middle = start + (end - start) / 2
    value = float(rate.per_minute[peak])
    late = peak > 0.85 * rate.per_minute.size
    early = peak < 0.15 * rate.per_minute.size
    axes.plot([middle], [value], "o", color=LIGHT.accent, markersize=7, zorder=4)
    axes.annotate(
        f"{name_rate(value)} a minute at {_name_moment(start, rate)}",
        (middle, value),
        xytext=(0, 10),
        textcoords="offset points",
        ha="right" if late else "left" if early else "center",
        size=12,
        weight="bold",
        color=LIGHT.accent,
    )


def _name_moment(start: np.datetime64, rate: FlashRate) -> str:
    """A bin's start, with its date in windows that have more than one."""
    moment = start.astype("datetime64[m]").item()
    dated = rate.edges[-1] - rate.edges[0] > np.timedelta64(24, "h")
    return f"{moment:%d %b %H:%M}".lstrip("0") if dated else f"{moment:%H:%M}"


def share_covered(rate: FlashRate) -> float:
    """Share of the window that sound granules cover, 0 to 1."""
    lengths: npt.NDArray[np.float64] = np.diff(rate.edges) / _SECOND
    return float(np.average(rate.covered, weights=lengths))
