"""The evaluation of k: elbow and silhouette side by side, and the choice in plain words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.figures import (
    DATA_CREDIT,
    SIMULATED_DATA_CREDIT,
    Words,
    make_figure,
    make_placeholder,
)
from lightning_kedro.pipelines.reporting.flash_rate import tidy_axes
from lightning_kedro.pipelines.reporting.palette import LIGHT
from lightning_kedro.pipelines.reporting.window import (
    Window,
    mark_simulated,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ELBOW_BOX: Final = (0.075, 0.10, 0.395, 0.62)
SILHOUETTE_BOX: Final = (0.575, 0.10, 0.395, 0.62)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every k that was evaluated in a window, and the chosen one.

    Attributes:
        window: The run's window.
        scores: ``k``, ``silhouette_coefficient``; in order of k.
        curve: ``k``, ``inertia``, ``rms_distance_km``; in order of k.
        selection: The row of ``k_selection``, None where a value is missing; or None instead of
            the row if the window was not clustered.
        simulated: Whether the granules were simulated.
    """

    window: Window
    scores: "pd.DataFrame"
    curve: "pd.DataFrame"
    selection: dict[Any, Any] | None
    simulated: bool

    @property
    def spread(self) -> tuple["pd.Series[float]", str]:
        """What the elbow is looked for in, and its name: RMS km, or inertia where there is none."""
        if self.curve["rms_distance_km"].isna().all():
            return self.curve["inertia"], "inertia (squared degrees)"
        return self.curve["rms_distance_km"], "RMS distance to the nearest center (km)"


def explain_choice(evaluation: Evaluation) -> str:
    """Say which k was chosen and why, in a sentence or two."""
    choice = evaluation.selection
    if choice is None:
        return ""
    silhouette = f"the silhouette is highest at k = {choice['k_silhouette']}"
    elbow = "the curve has no elbow"
    if choice["k_elbow"] is not None:
        elbow = f"the elbow of the curve is at k = {choice['k_elbow']}"
    if choice["criterion"] == "fixed":
        return f"k = {choice['k']} was asked for; {silhouette}, and {elbow}."
    if choice["criterion"] == "multiscale":
        found = f"k = {choice['k']} is the finest supported scale"
        return f"{found}; {silhouette}, {elbow}."
    decided, other = (elbow, silhouette) if choice["criterion"] == "elbow" else (silhouette, elbow)
    return f"k = {choice['k']} because {decided}; {other}."


def warn_of_range(evaluation: Evaluation) -> str:
    """Say that the chosen k is an end of the range evaluated, and what to do; else ""."""
    choice = evaluation.selection
    if choice is None or not choice["at_range_end"]:
        return ""
    smallest, largest = evaluation.scores["k"].min(), evaluation.scores["k"].max()
    if choice["k"] == largest:
        advice = "a better one may lie beyond: raise clustering.k_max"
    elif smallest > 2:  # noqa: PLR2004
        advice = "a better one may lie below: lower clustering.k_min"
    else:
        advice = "two is the fewest that a silhouette can judge; finer storms may hide in it"
    return f"k = {choice['k']} is the end of the range {smallest} to {largest}: {advice}."


def describe_evaluation(evaluation: Evaluation) -> Words:
    """The picture's texts."""
    choice = evaluation.selection
    title = f"Number of clusters: k = {choice['k']}" if choice is not None else "Number of clusters"
    window = evaluation.window
    return Words(
        mark_simulated(title, simulated=evaluation.simulated),
        f"{window.satellites}   ·   {window.dates}",
        SIMULATED_DATA_CREDIT if evaluation.simulated else DATA_CREDIT,
        "" if choice is not None else "No k was evaluated for this window",
    )


def draw_evaluation(evaluation: Evaluation, words: Words) -> "Figure":
    """Draw elbow and silhouette side by side."""
    left = ELBOW_BOX[0]
    if evaluation.selection is None:
        return make_placeholder(words, LIGHT, left)
    figure = make_figure(words, LIGHT, left)
    figure.text(left, 0.852, explain_choice(evaluation), size=14, color=LIGHT.text, va="center")
    warning = warn_of_range(evaluation)
    if warning:
        figure.text(left, 0.812, f"\N{WARNING SIGN} {warning}", size=12, color=LIGHT.accent)
    spread, name = evaluation.spread
    choice = evaluation.selection
    curve = dict(zip(evaluation.curve["k"], spread, strict=True))
    scores = dict(
        zip(evaluation.scores["k"], evaluation.scores["silhouette_coefficient"], strict=True)
    )
    _draw_curve(figure, ELBOW_BOX, "Elbow: spread inside clusters", curve, choice, "k_elbow")
    _draw_curve(
        figure,
        SILHOUETTE_BOX,
        "Silhouette: separation between clusters",
        scores,
        choice,
        "k_silhouette",
    )
    elbow, silhouette = figure.axes
    elbow.set_ylabel(name, size=11, color=LIGHT.quiet)
    elbow.set_ylim(0.0, None)
    label = "mean silhouette coefficient (\N{MINUS SIGN}1 to 1)"
    silhouette.set_ylabel(label, size=11, color=LIGHT.quiet)
    return figure


def _draw_curve(
    figure: "Figure",
    box: tuple[float, float, float, float],
    title: str,
    values: dict[int, float],
    choice: Any,  # noqa: ANN401
    recommended: str,
) -> None:
    """One of the curves, with the chosen k and the one that this curve recommends."""
    from matplotlib.ticker import MaxNLocator

    axes: Any = figure.add_axes(box)
    axes.set_title(title, loc="left", size=13, weight="bold", color=LIGHT.text, pad=26)
    blue = LIGHT.clusters[0]
    ks = np.array([*values])
    axes.plot(ks, [*values.values()], color=blue, linewidth=2.2, zorder=3)
    look = {"s": 42, "facecolors": "white", "edgecolors": blue, "linewidths": 1.8, "zorder": 4}
    axes.scatter(ks, [*values.values()], **look)
    axes.margins(x=0.04, y=0.12)
    chosen, own = int(choice["k"]), choice[recommended]
    axes.axvline(chosen, color=LIGHT.accent, linestyle=(0, (4, 3)), linewidth=1.6, zorder=2)
    if chosen in values:
        axes.scatter([chosen], [values[chosen]], s=120, color=LIGHT.accent, zorder=5)
    axes.text(
        chosen,
        1.015,
        f"k = {chosen} chosen",
        transform=axes.get_xaxis_transform(),
        ha=_align_label(chosen, ks.min(), ks.max()),
        size=11.5,
        weight="bold",
        color=LIGHT.accent,
    )
    if own in values and int(own) != chosen:
        _mark_other(axes, int(own), values[int(own)], recommended)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.set_xlabel("number of clusters k", size=11, color=LIGHT.quiet)
    tidy_axes(axes)


def _align_label(k: int, low: int, high: int) -> str:
    """To which side of its k a label goes, so that it stays over its curve."""
    share = (k - low) / max(high - low, 1)
    return "left" if share < 0.25 else "right" if share > 0.75 else "center"  # noqa: PLR2004


def _mark_other(axes: Any, k: int, value: float, recommended: str) -> None:  # noqa: ANN401
    """Mark a k that an evaluator recommends but that was not chosen."""
    from matplotlib.patheffects import withStroke

    name = "elbow" if recommended == "k_elbow" else "highest"
    look = {"facecolors": "none", "edgecolors": LIGHT.text, "linewidths": 1.6, "zorder": 5}
    axes.scatter([k], [value], s=190, **look)
    axes.annotate(
        f"{name}: k = {k}",
        (k, value),
        xytext=(12, 12),
        textcoords="offset points",
        size=11,
        color=LIGHT.text,
        zorder=6,
        path_effects=[withStroke(linewidth=3.5, foreground=LIGHT.page)],
    )
