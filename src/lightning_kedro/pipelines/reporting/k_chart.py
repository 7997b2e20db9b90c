"""The evaluation of k as a Plotly chart, for Kedro-Viz.

A chart is JSON of a fixed form, so that Plotly itself, which takes half a second to import, is not
needed to write it; tests read it with Plotly.
"""

import json
from collections.abc import Iterable
from importlib.resources import files
from math import isfinite
from textwrap import wrap
from typing import Any, Final

from lightning_kedro.pipelines.reporting.figures import Words
from lightning_kedro.pipelines.reporting.k_evaluation import Evaluation, explain_choice
from lightning_kedro.pipelines.reporting.palette import LIGHT

CHART_LINE: Final = "#3b82f6"
"""Reads on white and on black: Kedro-Viz has a light and a dark theme."""

CHART_GRID: Final = "rgba(128, 128, 128, 0.3)"
CHART_TEXT: Final = "#808080"

CHART_LINE_LETTERS: Final = 64
"""The chart is first shown in a panel of 400 pixels."""

_DOMAINS: Final = ((0.0, 0.42), (0.58, 1.0))  # of the two charts, across


def chart_evaluation(evaluation: Evaluation, words: Words) -> str:
    """The picture as a Plotly chart.

    Args:
        evaluation: What is shown.
        words: The picture's texts.

    Returns:
        The chart as JSON, as Plotly writes it: also safe inside a script element.
    """
    spread, name = evaluation.spread
    # Named beside the axes: in its panel Kedro-Viz leaves no room between title and curves.
    units = ("elbow: RMS km" if "km" in name else "elbow: inertia", "silhouette")
    scores = evaluation.scores
    data = [
        _draw_curve("", evaluation.curve["k"], spread),
        _draw_curve("2", scores["k"], scores["silhouette_coefficient"]),
    ]
    axes = [_make_axes(*given) for given in zip(("", "2"), _DOMAINS, units, strict=True)]
    layout = {"template": _read_template(), **axes[0], **axes[1]}
    if evaluation.selection is not None:
        chosen = int(evaluation.selection["k"])
        layout["shapes"] = [_mark_choice(axis, chosen) for axis in ("", "2")]
    sentence = explain_choice(evaluation) or words.empty
    layout |= _write_title(words, [words.subtitle, *wrap(sentence, CHART_LINE_LETTERS)])
    text = json.dumps({"data": data, "layout": layout}, separators=(",", ":"), allow_nan=False)
    for letter in "<>/":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _draw_curve(axis: str, ks: Iterable[int], values: Iterable[float]) -> dict[str, Any]:
    """A curve; what is not known is a gap in it."""
    return {
        "hovertemplate": "k = %{x}: %{y:.4g}<extra></extra>",
        "line": {"color": CHART_LINE},
        "mode": "lines+markers",
        "x": [int(k) for k in ks],
        "y": [float(value) if isfinite(value) else None for value in values],
        "type": "scatter",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
    }


def _make_axes(axis: str, domain: tuple[float, float], unit: str) -> dict[str, Any]:
    """The axes of a curve.

    Kedro-Viz gives its theme to the first axes only: the others need colors for both themes.
    """
    look = {"gridcolor": CHART_GRID, "zerolinecolor": CHART_GRID, "color": CHART_TEXT}
    font = {"size": 11}
    x: dict[str, Any] = {"anchor": f"y{axis}", "domain": [*domain], "tickfont": {"size": 10}}
    x |= {"title": {"text": "k", "font": font}}
    y: dict[str, Any] = {"anchor": f"x{axis}", "domain": [0.0, 1.0], "tickfont": {"size": 10}}
    y |= {"title": {"font": font, "standoff": 4, "text": unit}, "nticks": 6}
    return {f"xaxis{axis}": x | look, f"yaxis{axis}": y | look}


def _mark_choice(axis: str, k: int) -> dict[str, Any]:
    """A dashed line across a chart at the chosen k."""
    return {
        "line": {"color": LIGHT.accent, "dash": "dash"},
        "type": "line",
        "x0": k,
        "x1": k,
        "xref": f"x{axis}",
        "y0": 0,
        "y1": 1,
        "yref": f"y{axis} domain",
    }


def _write_title(words: Words, lines: list[str]) -> dict[str, Any]:
    """The title with smaller lines below, and room for them."""
    text = f"{words.title}<br><sup>{'<br>'.join(lines)}</sup>"
    return {
        "title": {"text": text, "yref": "container", "y": 0.97, "yanchor": "top"},
        "margin": {"t": 75 + 18 * len(lines), "l": 50, "r": 20, "b": 40},
        "showlegend": False,
    }


def _read_template() -> Any:  # noqa: ANN401
    """Plotly's template ``plotly_white``, which a chart carries (MIT License, Plotly, Inc.)."""
    path = files(__package__) / "templates" / "plotly_white.json"
    return json.loads(path.read_text(encoding="utf-8"))
