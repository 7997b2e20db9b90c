"""The report's numbers and notes: what was found, and how far it can be trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate, share_covered
from lightning_kedro.pipelines.reporting.k_evaluation import (
    Evaluation,
    explain_choice,
    warn_of_range,
)
from lightning_kedro.pipelines.reporting.window import Window, pick_granules

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_LISTED: Final = 8
_FLAGS: Final = {
    1: "events out of order",
    3: "cut: too many events",
    5: "cut: too long",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What the report says besides its pictures.

    Attributes:
        numbers: Key numbers: what, and how much.
        choice: Which k was chosen and why.
        warning: Why that may not be the best k, or "".
        clusters: One row a cluster, as shown.
        notes: Coverage and data quality, a sentence each.
        gaps: Start, end and length of the gaps in coverage, as shown.
    """

    numbers: list[tuple[str, str]]
    choice: str
    warning: str
    clusters: list[dict[str, str]]
    notes: list[str]
    gaps: list[str]


def gather_findings(
    clustered: ClusteredWindow,
    evaluation: Evaluation,
    rate: FlashRate,
    flags: Mapping[int, int],
    granules: "pd.DataFrame",
    coverage: "pd.DataFrame",
) -> Findings:
    """Gather the report's numbers and notes.

    Args:
        clustered: The window's flashes and clusters.
        evaluation: Every k that was evaluated.
        rate: The flash rate.
        flags: Number of flashes by quality flag.
        granules: The table, all of it.
        coverage: The table, all of it.
    """
    window = clustered.window
    notes = [
        *_note_granules(pick_granules(granules, window)),
        *_note_coverage(coverage, window),
        *_note_flags(flags),
        *_note_method(evaluation),
    ]
    if clustered.simulated:
        notes.insert(0, "These granules are simulated: no storm of this report has happened.")
    return Findings(
        _list_numbers(clustered, evaluation, rate),
        explain_choice(evaluation),
        warn_of_range(evaluation),
        _list_clusters(clustered),
        notes,
        _list_gaps(rate),
    )


def count_flags(flashes: "pa.Table") -> dict[int, int]:
    """Number of flashes by ``quality_flag``, of a table with that column."""
    flags = flashes.column("quality_flag").drop_null().to_numpy()
    values, counts = np.unique(flags, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _list_numbers(
    clustered: ClusteredWindow, evaluation: Evaluation, rate: FlashRate
) -> list[tuple[str, str]]:
    """The key numbers."""
    numbers = [("flashes", f"{len(clustered):,}"), ("clusters", f"{len(clustered.centers)}")]
    choice = evaluation.selection
    if choice is not None:
        spread = np.sqrt(choice["inertia"] / max(choice["n_flashes"], 1))
        unit = "km" if choice["coordinates"] == "sphere" else "degrees"
        numbers.append(("RMS distance to centre", f"{spread:,.0f} {unit}"))
        numbers.append(("silhouette score", f"{choice['silhouette_coefficient']:.3f}"))
    numbers.append(("flashes a minute, mean", f"{rate.mean:,.1f}"))
    if not np.isnan(rate.per_minute).all():
        numbers.append(("flashes a minute, peak", f"{np.nanmax(rate.per_minute):,.0f}"))
    numbers.append(("of the window covered", f"{100.0 * share_covered(rate):.1f} %"))
    return numbers


def _list_clusters(clustered: ClusteredWindow) -> list[dict[str, str]]:
    """The clusters as the report's table shows them."""
    total = max(len(clustered), 1)
    return [
        {
            "cluster": f"{row['cluster']}",
            "flashes": f"{row['flash_count']:,}",
            "share": f"{100.0 * row['flash_count'] / total:.1f} %",
            "centre": name_place(row["lat"], row["lon"]),
            "radius": f"{row['rms_radius_km']:,.0f}",
            "time": f"{row['mean_time']:%d %b %H:%M}",
            "silhouette": f"{row['silhouette_coefficient']:.3f}",
        }
        for row in clustered.centers.to_dict("records")
    ]


def name_place(lat: float, lon: float) -> str:
    """``12.3° N, 170.1° W``."""
    north, east = ("N" if lat >= 0.0 else "S"), ("E" if lon >= 0.0 else "W")
    return f"{abs(lat):.1f}° {north}, {abs(lon):.1f}° {east}"


def _note_granules(granules: "pd.DataFrame") -> Iterator[str]:
    """How many granules there are and which are corrupt."""
    counts = granules["status"].value_counts()
    yield (
        f"{len(granules):,} granules lie in the window: {counts.get('loaded', 0):,} with flashes, "
        f"{counts.get('empty', 0):,} empty, {counts.get('corrupt', 0):,} corrupt."
    )
    corrupt = granules[granules["status"] == "corrupt"]
    for row in corrupt.head(_MOST_LISTED).itertuples():
        yield f"Corrupt: {row.file_name} ({row.reason})."
    if len(corrupt) > _MOST_LISTED:
        yield f"And {len(corrupt) - _MOST_LISTED:,} more corrupt granules."


def _note_coverage(coverage: "pd.DataFrame", window: Window) -> Iterator[str]:
    """How many granules of the window's archive hours are missing."""
    start, end = np.datetime64(window.start, "h"), np.datetime64(window.end, "us")
    platforms = {segment.platform for segment in window.selection.segments}
    mine = coverage[
        coverage["platform"].isin(platforms)
        & (coverage["hour"] >= start)
        & (coverage["hour"] < end)
    ]
    if mine.empty:
        yield "No hour of this window has been ingested."
        return
    expected, missing = int(mine["expected"].sum()), int(mine["missing"].sum())
    hours = "archive hour has" if len(mine) == 1 else "archive hours have"
    yield (
        f"The window's {len(mine)} {hours} {expected - missing:,} of {expected:,} expected "
        f"granules ({missing:,} missing)."
    )


def _note_flags(flags: Mapping[int, int]) -> Iterator[str]:
    """How many flashes bear a quality flag."""
    total = sum(flags.values())
    bad = {flag: count for flag, count in sorted(flags.items()) if flag != 0}
    if total and not bad:
        yield "All flashes have quality flag 0 (good)."
    for flag, count in bad.items():
        meaning = _FLAGS.get(flag, "not documented")
        yield f"{count:,} flashes ({100.0 * count / total:.2f} %) have flag {flag}: {meaning}."


def _note_method(evaluation: Evaluation) -> Iterator[str]:
    """How exact the clustering is."""
    choice = evaluation.selection
    if choice is None:
        return
    if choice["method"] == "exact":
        yield f"All {choice['n_flashes']:,} flashes were clustered exactly."
        return
    yield (
        f"{choice['n_flashes']:,} flashes were merged into {choice['n_cells']:,} cells of "
        f"{choice['cell_size_km']:.1f} km before clustering. Measured effect: inertia "
        f"{100.0 * choice['inertia_error']:+.4f} %, silhouette {choice['silhouette_error']:+.5f}, "
        f"{100.0 * choice['relabelled_share']:.3f} % of the flashes nearer to another centre."
    )


def _list_gaps(rate: FlashRate) -> list[str]:
    """The gaps in coverage, the longest first."""
    lengths = (rate.gaps[:, 1] - rate.gaps[:, 0]) / np.timedelta64(1, "s")
    order = np.argsort(-lengths, kind="stable")[:_MOST_LISTED]
    gaps = [
        f"{start:%d %b %H:%M:%S} to {end:%d %b %H:%M:%S} UTC ({length:,.0f} s)"
        for (start, end), length in zip(rate.gaps[order].tolist(), lengths[order], strict=True)
    ]
    if lengths.size > len(gaps):
        gaps.append(f"and {lengths.size - len(gaps):,} shorter ones")
    return gaps


def list_parameters(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The run's parameters by dotted name; those that are not set are left out."""
    listed: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            listed.extend(list_parameters(value, f"{prefix}{name}."))
        elif value is not None:
            listed.append((f"{prefix}{name}", f"{value}"))
    return listed
