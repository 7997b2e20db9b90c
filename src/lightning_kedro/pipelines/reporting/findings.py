"""The report's numbers and notes: what was found, and how far it can be trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow, name_place
from lightning_kedro.pipelines.reporting.flash_rate import FlashRate, name_rate, share_covered
from lightning_kedro.pipelines.reporting.k_evaluation import explain_choice, warn_of_range
from lightning_kedro.pipelines.reporting.reported import ReportedResult
from lightning_kedro.pipelines.reporting.sky_findings import note_sky
from lightning_kedro.pipelines.reporting.window import (
    Window,
    count_flashes,
    name_share,
    say_coverage,
)

if TYPE_CHECKING:
    import pandas as pd

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


def gather_findings(reported: ReportedResult) -> Findings:
    """Gather the report's numbers and notes."""
    clustered, evaluation = reported.clustered, reported.evaluation
    notes = [
        *_note_granules(reported.granules),
        *_note_coverage(reported.coverage, reported.window),
        *_note_flags(reported.flags),
        *note_sky(reported),
        *_note_method(reported.row),
    ]
    if clustered.simulated:
        notes.insert(0, "These granules are simulated: no storm of this report has happened.")
    return Findings(
        _list_numbers(reported),
        _explain_k(reported),
        warn_of_range(evaluation),
        _list_clusters(clustered),
        notes,
        _list_gaps(reported.rate),
    )


def _explain_k(reported: ReportedResult) -> str:
    """Why there are as many clusters as there are; of a quiet window, that it is one."""
    if not len(reported.clustered):
        return "No k was evaluated: there are no flashes in this window."
    explained = explain_choice(reported.evaluation)
    if explained:
        return explained
    reason = str(reported.row["reason"] or "").strip().rstrip(".")
    told = f" ({reason})" if reason else ""
    count = count_flashes(len(reported.clustered))
    return f"No k was evaluated for {count}: k = {reported.row['k']}{told}."


def _list_numbers(reported: ReportedResult) -> list[tuple[str, str]]:
    """The key numbers."""
    clustered, rate, row = reported.clustered, reported.rate, reported.row
    numbers = [("flashes", f"{len(clustered):,}"), ("clusters", f"{len(clustered.centers)}")]
    if is_known(row["inertia"]) and len(clustered):
        spread = np.sqrt(row["inertia"] / max(row["n_flashes"], 1))
        unit = "km" if row["coordinates"] == "sphere" else "degrees"
        numbers.append(("RMS distance to center", f"{spread:,.0f} {unit}"))
    if is_known(row["silhouette_coefficient"]) and reported.evaluation.selection is not None:
        numbers.append(("silhouette score", f"{row['silhouette_coefficient']:.3f}"))
    share = share_covered(rate)
    beside = f" ({say_coverage(share)})" if say_coverage(share) else ""
    if is_known(rate.peak):
        numbers.append((f"flashes a minute, mean{beside}", name_rate(rate.mean)))
        numbers.append((f"flashes a minute, peak{beside}", name_rate(rate.peak)))
    numbers.append(("of the window covered", name_share(share)))
    return numbers


def is_known(value: object) -> bool:
    """Whether a value of a row is there: neither null nor NaN."""
    return value is not None and value == value  # noqa: PLR0124  (only NaN differs from itself)


def _list_clusters(clustered: ClusteredWindow) -> list[dict[str, str]]:
    """The clusters as the report's table shows them."""
    total = max(len(clustered), 1)
    return [
        {
            "cluster": f"{row['cluster']}",
            "flashes": f"{row['flash_count']:,}",
            "share": f"{100.0 * row['flash_count'] / total:.1f} %",
            "center": name_place(row["lat"], row["lon"]),
            "radius": f"{row['rms_radius_km']:,.0f}",
            "time": f"{row['mean_time']:%d %b %H:%M}",
            "silhouette": _show_score(row["silhouette_coefficient"]),
        }
        for row in clustered.centers.to_dict("records")
    ]


def _show_score(value: float) -> str:
    """A silhouette coefficient; a dash where there is none, as in a single cluster."""
    return f"{value:.3f}" if is_known(value) else "\N{EN DASH}"


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


def _note_method(row: Mapping[str, Any]) -> Iterator[str]:
    """How exact the clustering is."""
    count = row["n_flashes"]
    if not count:
        return
    if row["method"] == "exact":
        yield (
            "The only flash was clustered exactly."
            if count == 1
            else (f"All {count:,} flashes were clustered exactly.")
        )
        return
    yield (
        f"{count:,} flashes were merged into {row['n_cells']:,} cells of "
        f"{row['cell_size_km']:.1f} km before clustering. Measured effect: inertia "
        f"{100.0 * row['inertia_error']:+.4f} %, silhouette {row['silhouette_error']:+.5f}, "
        f"{100.0 * row['relabelled_share']:.3f} % of the flashes nearer to another center."
    )
    if is_known(row["silhouette_error_bound"]):
        yield (
            "Silhouettes at the chosen k are those of the flashes themselves, each right to "
            f"within {row['silhouette_error_bound']:.1e}, as proved."
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


def list_options(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is recorded with a result, by column; what is not known is left out."""
    return [(name, _show(value)) for name, value in row.items() if is_known(value)]


def _show(value: object) -> str:
    """A recorded value as text: times as ISO 8601, switches in small letters."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"


def describe_origin(row: Mapping[str, Any]) -> str:
    """When a result was clustered, by which version, of which flashes; as far as that is known."""
    parts = []
    if is_known(row.get("run_time")):
        parts.append(f"Clustered {row['run_time']:%Y-%m-%d %H:%M:%S} UTC")
    if is_known(row.get("code_version")):
        parts.append(f"lightning_kedro {row['code_version']}")
    if is_known(row.get("flashes_fingerprint")):
        parts.append(f"flashes {row['flashes_fingerprint']}")
    return " · ".join(parts)
