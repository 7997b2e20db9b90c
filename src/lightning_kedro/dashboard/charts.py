"""Charts as SVG whose places are shares of their width: lines and letters stay as they are.

Every mark is a rectangle, line or circle with percentages, so that a chart fits a phone and a wide
screen without a script. What a mark says is in its ``title``, and in the chart's own words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate, choose_ticks, name_rate
from lightning_kedro.pipelines.reporting.k_evaluation import Evaluation
from lightning_kedro.pipelines.reporting.window import name_share

_TOP: Final = 8.0
"""Per cent of the height that stay free above the highest mark."""

_MOST_TICKS: Final = 5
_MOST_K_TICKS: Final = 8
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_ROLES: Final = {"chosen": ", chosen", "other": ", recommended by this evaluator", "value": ""}
_DAY: Final = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Box:
    """A bar, or a stretch without data: left, width, top and height in per cent, and what it is."""

    x: float
    width: float
    y: float
    height: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of a line, from one place to another, in per cent."""

    x1: float
    y1: float
    x2: float
    y2: float
    color: str = "currentColor"


@dataclass(frozen=True, slots=True)
class Dot:
    """A value that is marked, or a jump; ``kind`` is a class of the style sheet."""

    x: float
    y: float
    title: str
    kind: str = "value"
    color: str = "currentColor"


@dataclass(frozen=True, slots=True)
class Tick:
    """A name on an axis: where, in per cent, its lines of text, and its anchor."""

    at: float
    names: tuple[str, ...]
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, ready for the template.

    Attributes:
        label: What it shows, for those who do not see it.
        unit: What is measured, above the chart.
        levels: Names up the side.
        ticks: Names along the foot.
        bars: Values as bars.
        gaps: Where there are no data.
        lines: Values as lines.
        dots: Values that are marked.
        empty: What stands in place of marks if there are none.
    """

    label: str
    unit: str
    levels: list[Tick]
    ticks: list[Tick]
    bars: list[Box] = field(default_factory=list)
    gaps: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    empty: str = ""


def chart_rate(rate: FlashRate, top: float | None = None) -> Chart:
    """The flash rate as bars; gaps in coverage are hatched, never zero.

    Args:
        rate: The flash rate.
        top: The highest value of the side, flashes per minute; the peak's if None.
    """
    axis = TimeAxis(rate)
    top = top or choose_top(rate)
    bars = []
    for index, value in enumerate(rate.per_minute.tolist()):
        if not np.isfinite(value):
            continue
        share = rate.covered[index]
        covered = "" if share > 0.995 else f", {name_share(float(share))} covered"  # noqa: PLR2004
        x, width = axis.span(index)
        y = _place(value, top)
        title = f"{axis.name(index)}: {name_rate(value)} a minute{covered}"
        bars.append(Box(x, width, y, 100.0 - y, title))
    peak = f", peak {name_rate(rate.peak)} a minute" if np.isfinite(rate.peak) else ""
    lost = f", {rate.missing_minutes:.0f} minutes without data" if rate.gaps.size else ""
    return Chart(
        f"Flash rate: {rate.count:,} flashes{peak}{lost}",
        f"flashes a minute{_name_step(rate)}",
        list_levels(top),
        axis.ticks,
        bars=bars,
        gaps=axis.gaps,
        empty="" if rate.count else "No flashes in this window",
    )


def choose_top(*rates: FlashRate) -> float:
    """The highest value of the sides of charts of some flash rates, per minute."""
    peaks = [rate.peak for rate in rates if np.isfinite(rate.peak)]
    return max(peaks, default=0.0) or 1.0


def chart_storms(
    rate: FlashRate,
    rates: Sequence[FloatArray],
    jumps: Sequence[list[np.datetime64]],
    colors: Sequence[str],
) -> Chart:
    """The rates of some storms as lines, their lightning jumps as dots.

    Args:
        rate: The window's flash rate, which has the bins and the gaps.
        rates: Rate of each storm in the bins, per minute, shape (b,); NaN where it has none.
        jumps: When each storm's rate jumped, UTC.
        colors: Color of each storm, ``#RRGGBB``.
    """
    axis = TimeAxis(rate)
    known = [one[np.isfinite(one)] for one in rates]
    top = max((float(one.max()) for one in known if one.size), default=0.0) or 1.0
    lines, dots = [], []
    for storm, values in enumerate(rates):
        places = [(axis.middle(at), _place(values[at], top)) for at in range(values.size)]
        present = np.isfinite(values)
        lines += [
            Line(*places[at], *places[at + 1], colors[storm])
            for at in range(values.size - 1)
            if present[at] and present[at + 1]
        ]
        for time in jumps[storm]:
            at = axis.find(time)
            if present[at]:
                moment = f"{time.astype('datetime64[m]').item():%d %b %H:%M}".lstrip("0")
                dots.append(
                    Dot(*places[at], f"storm {storm}: jump at {moment} UTC", "jump", colors[storm])
                )
    return Chart(
        f"Flash rates of the {len(rates)} storms with the most flashes, {len(dots)} jumps marked",
        f"flashes a minute{_name_step(rate)}",
        list_levels(top),
        axis.ticks,
        gaps=axis.gaps,
        lines=lines,
        dots=dots,
        empty="" if rates else "No storms in this window",
    )


def chart_evaluation(evaluation: Evaluation) -> list[Chart]:
    """What the evaluators say of every k: silhouettes, and the curve that may have an elbow."""
    spread, unit = evaluation.spread
    charts = [
        _chart_k(
            evaluation,
            evaluation.scores["k"].tolist(),
            evaluation.scores["silhouette_coefficient"].tolist(),
            "silhouette score (higher is better)",
            "k_silhouette",
        ),
        _chart_k(evaluation, evaluation.curve["k"].tolist(), spread.tolist(), unit, "k_elbow"),
    ]
    return [chart for chart in charts if chart.lines]


def _chart_k(
    evaluation: Evaluation, ks: list[int], values: list[float], unit: str, recommended: str
) -> Chart:
    """Values by k as a line; the chosen k and the one that is recommended are marked."""
    choice = evaluation.selection or {}
    pairs = [(k, value) for k, value in zip(ks, values, strict=True) if np.isfinite(value)]
    if len(pairs) < 2:  # noqa: PLR2004
        return Chart(unit, unit, [], [])
    low, high = pairs[0][0], pairs[-1][0]
    bottom, top = min(0.0, *(value for _, value in pairs)), max(value for _, value in pairs)
    top = top if top > bottom else bottom + 1.0
    places = [
        (4.0 + 92.0 * (k - low) / (high - low), _place(value, top, bottom)) for k, value in pairs
    ]
    dots = [
        Dot(x, y, f"k = {k}: {value:,.4g}{_ROLES[role]}", role)
        for (k, value), (x, y) in zip(pairs, places, strict=True)
        for role in [_find_role(k, choice, recommended)]
    ]
    step = max(1, -(-len(pairs) // _MOST_K_TICKS))
    ticks = [Tick(x, (f"{k}",)) for (k, _), (x, _) in zip(pairs, places, strict=True)][::step]
    lines = [Line(*start, *end) for start, end in pairwise(places)]
    label = f"{unit} for k = {low} to {high}; k = {choice.get('k', 'none')} is chosen"
    return Chart(label, unit, list_levels(top, bottom), ticks, lines=lines, dots=dots)


def _find_role(k: int, choice: Mapping[Any, Any], recommended: str) -> str:
    """Whether a k is the chosen one, or what this evaluator recommends: the class of its dot."""
    if k == choice.get("k"):
        return "chosen"
    return "other" if k == choice.get(recommended) else "value"


class TimeAxis:
    """A window's time along the foot of a chart.

    Args:
        rate: The flash rate, which has the bins and the gaps.
    """

    def __init__(self, rate: FlashRate) -> None:
        """Take the edges."""
        self._rate = rate
        self._edges = rate.edges
        self._length = float((rate.edges[-1] - rate.edges[0]) / np.timedelta64(1, "s"))

    def place(self, time: np.datetime64) -> float:
        """Where a time is, in per cent."""
        return 100.0 * float((time - self._edges[0]) / np.timedelta64(1, "s")) / self._length

    def span(self, index: int) -> tuple[float, float]:
        """Left side and width of a bin."""
        left, right = (self.place(one) for one in self._edges[index : index + 2])
        return left, right - left

    def middle(self, index: int) -> float:
        """The middle of a bin."""
        left, width = self.span(index)
        return left + width / 2.0

    def find(self, time: np.datetime64) -> int:
        """The bin of a time."""
        at = int(np.searchsorted(self._edges, time, side="right")) - 1
        return min(max(at, 0), self._edges.size - 2)

    def name(self, index: int) -> str:
        """When a bin begins, UTC."""
        moment = self._edges[index].astype("datetime64[s]").item()
        clock = "%H:%M:%S" if moment.second else "%H:%M"
        dated = self._edges[-1] - self._edges[0] > _DAY
        return f"{moment:%d %b} {moment:{clock}}".lstrip("0") if dated else f"{moment:{clock}}"

    @property
    def gaps(self) -> list[Box]:
        """Where there are no data; each wide enough to be seen."""
        boxes = []
        for start, end in self._rate.gaps:
            left, right = self.place(start), self.place(end)
            span = f"{start.astype('datetime64[s]')} to {end.astype('datetime64[s]')}"
            title = f"no data: {span.replace('T', ' ')} UTC"
            boxes.append(Box(left, max(right - left, 0.3), 0.0, 100.0, title))
        return boxes

    @property
    def ticks(self) -> list[Tick]:
        """Round times, few enough for a phone."""
        times, names = choose_ticks(self._edges[0], self._edges[-1])
        step = max(1, -(-len(names) // _MOST_TICKS))
        ticks = []
        for time, name in [*zip(times, names, strict=True)][::step]:
            at = self.place(time)
            anchor = "start" if at < 6.0 else "end" if at > 94.0 else "middle"  # noqa: PLR2004
            ticks.append(Tick(at, tuple(name.split("\n")), anchor))
        return ticks


def list_levels(top: float, bottom: float = 0.0) -> list[Tick]:
    """Round values up the side of a chart, at most five."""
    rough = (top - bottom) / 4.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(one * power for one in _ROUND if one * power >= rough * 0.999)
    first = np.ceil(bottom / step) * step
    values = np.arange(first, top + step * 1e-6, step)
    return [Tick(_place(value, top, bottom), (f"{value:,.6g}",)) for value in values.tolist()]


def _place(value: float, top: float, bottom: float = 0.0) -> float:
    """How far from the upper side a value is, in per cent."""
    share = (value - bottom) / (top - bottom) if np.isfinite(value) else 0.0
    return 100.0 - (100.0 - _TOP) * min(max(share, 0.0), 1.0)


def _name_step(rate: FlashRate) -> str:
    """How long a bin is, where it is not a minute."""
    minutes = rate.step_minutes
    length = f"{minutes} min" if minutes < 60 else f"{minutes / 60:g} h"  # noqa: PLR2004
    return f", over {length}" if minutes > 1 else ""
