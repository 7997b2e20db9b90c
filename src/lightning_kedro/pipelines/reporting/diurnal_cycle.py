"""The diurnal cycle: flashes per observed hour by hour of UTC and of local solar time."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.climatology.fields import Climatology, DiurnalCycle
from lightning_kedro.pipelines.reporting.climatology_maps import describe_climatology
from lightning_kedro.pipelines.reporting.figures import (
    DATA_CREDIT,
    SIMULATED_DATA_CREDIT,
    Words,
    make_figure,
)
from lightning_kedro.pipelines.reporting.flash_rate import name_rate, tidy_axes
from lightning_kedro.pipelines.reporting.palette import LIGHT
from lightning_kedro.pipelines.reporting.window import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BOXES: Final = ((0.085, 0.125, 0.42, 0.67), (0.545, 0.125, 0.42, 0.67))
_HOURS: Final = 24
_EVERY: Final = 3  # hours between names
_HATCHED: Final[dict[str, Any]] = {
    "facecolor": "#DDE2E8",
    "edgecolor": "#A9B3BD",
    "hatch": "///",
}
_LITTLE: Final = 0.01  # of the hours observed most: a rate of less means nothing


def describe_cycle(made: Climatology, window: Window) -> Words:
    """The texts of the picture."""
    words = describe_climatology("Diurnal cycle of lightning", made, window, "")
    credit = SIMULATED_DATA_CREDIT if made.is_simulated else DATA_CREDIT
    note = f"Local mean solar time: UTC + longitude / 15° · {credit}"
    return Words(words.title, words.subtitle, note, words.empty)


def draw_cycle(made: Climatology, words: Words) -> "Figure":
    """Draw flashes per observed hour by time of the day; what was not observed is hatched."""
    figure = make_figure(words, LIGHT, left=_BOXES[0][0])
    rates = [known_rate(made.cycle, kind) for kind in ("utc", "solar")]
    top = max([float(np.nanmax(rate, initial=0.0)) for rate in rates]) * 1.13 or 1.0
    names = ("hour of UTC", "hour of local solar time")
    for box, rate, name in zip(_BOXES, rates, names, strict=True):
        axes: Any = figure.add_axes(box)
        axes.set(xlim=(0, _HOURS), ylim=(0.0, top))
        _hatch_unknown(axes, rate, top)
        if made.flash_total:
            _add_bars(axes, rate)
        axes.set_xticks(range(0, _HOURS + 1, _EVERY))
        axes.set_xlabel(name, size=11, color=LIGHT.quiet)
        tidy_axes(axes)
        if box is _BOXES[0]:
            axes.set_ylabel("flashes per observed hour", size=11, color=LIGHT.quiet)
        else:
            axes.tick_params(labelleft=False)
    if np.isnan(rates).any():
        _explain_hatching(figure)
    return figure


def known_rate(cycle: DiurnalCycle, kind: str) -> npt.NDArray[np.float64]:
    """Flashes per observed hour, shape (24,); NaN where next to nothing was observed.

    Args:
        cycle: The diurnal cycle.
        kind: ``utc`` or ``solar``.
    """
    rate, hours = getattr(cycle, f"{kind}_rate"), getattr(cycle, f"{kind}_hours")
    return np.where(hours > _LITTLE * hours.max(initial=0.0), rate, np.nan)


def _add_bars(axes: Any, rate: npt.NDArray[np.float64]) -> None:  # noqa: ANN401
    """A bar an hour, and the name of the highest."""
    hours = np.arange(_HOURS)
    axes.bar(hours, np.nan_to_num(rate), width=0.86, align="edge", color=LIGHT.clusters[0])
    if not np.isfinite(rate).any():
        return
    peak = int(np.nanargmax(rate))
    aside = "left" if peak < 0.2 * _HOURS else "right" if peak > 0.8 * _HOURS else "center"
    axes.annotate(
        f"{name_rate(float(rate[peak]))} an hour, {peak:02d}\N{EN DASH}{peak + 1:02d} h",
        (peak + 0.43, float(rate[peak])),
        xytext=(0, 6),
        textcoords="offset points",
        ha=aside,
        size=12,
        weight="bold",
        color=LIGHT.accent,
    )


def _hatch_unknown(axes: Any, rate: npt.NDArray[np.float64], top: float) -> None:  # noqa: ANN401
    """Hatch the hours of the day that were not observed."""
    unknown = np.flatnonzero(np.isnan(rate))
    axes.bar(unknown, top, width=1.0, align="edge", linewidth=0, **_HATCHED)


def _explain_hatching(figure: "Figure") -> None:
    """Say above the charts what is hatched."""
    from matplotlib.patches import Patch

    patch = Patch(label="not observed: not counted as zero", linewidth=0, **_HATCHED)
    look: dict[str, Any] = {"loc": "center right", "frameon": False, "fontsize": 11}
    figure.legend(handles=[patch], bbox_to_anchor=(0.97, 0.835), **look)
