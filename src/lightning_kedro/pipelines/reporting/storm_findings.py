"""What the report says of storms in words and numbers."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.reported import ReportedResult
from lightning_kedro.pipelines.reporting.storm_map import count_jumps
from lightning_kedro.pipelines.reporting.storm_window import (
    FIRST_ALGORITHM,
    StormWindow,
    name_direction,
    name_duration,
)

MOST_LISTED: Final = 200
"""So many storms the report's table lists."""

_DASH: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class StormFindings:
    """What the report says of storms.

    Attributes:
        summary: How many there are and how they were found; why there are none otherwise.
        rows: One a storm, as shown, those with the most flashes first.
        rest: What the table leaves out, or "".
        numbers: Key numbers: what, and how much; none without a result.
        origin: When they were found, by which version; "" without a result.
    """

    summary: str
    rows: list[dict[str, str]]
    rest: str
    numbers: list[tuple[str, str]]
    origin: str


def gather_storms(reported: ReportedResult) -> StormFindings:
    """Gather what the report says of storms."""
    storms = reported.storms
    left = len(storms) - MOST_LISTED
    rest = ""
    if left > 0:
        flashes = int(storms.storms["flash_count"][MOST_LISTED:].sum())
        rest = f"And {left:,} smaller storms with {flashes:,} flashes: see the table storms."
    numbers = []
    if not storms.missing:
        numbers = [("storms", f"{len(storms):,}")]
        numbers.append(("lightning jumps", f"{int(storms.count_jumps().sum()):,}"))
    return StormFindings(
        _summarise(storms), list_rows(storms), rest, numbers, _describe_origin(storms)
    )


def _summarise(storms: StormWindow) -> str:
    """How many storms there are, and what they are; or why there are none."""
    if storms.empty:
        return storms.empty if storms.empty.endswith(".") else f"{storms.empty}."
    n, total = len(storms), storms.labels.size
    inside = int(np.count_nonzero(storms.labels >= 0))
    jumps = count_jumps(storms)
    return (
        f"{n:,} storm{'' if n == 1 else 's'} with {inside:,} of {total:,} flashes, "
        f"{total - inside:,} in no storm, {jumps}. Storms are dense flashes followed "
        f"through time (method {storms.row['method']})."
    )


def _describe_origin(storms: StormWindow) -> str:
    row = storms.row
    if not row:
        return ""
    return f"Storms found {row['run_time']:%Y-%m-%d %H:%M:%S} UTC by version {row['code_version']}."


def list_rows(storms: StormWindow) -> list[dict[str, str]]:
    """The storms as the report's table shows them."""
    numbers = dict(zip(storms.storms["storm_id"], storms.storms["storm"], strict=True))
    first = storms.count_jumps()
    every = np.bincount(storms.jumps["storm"].to_numpy(np.int64), minlength=len(storms))
    rows = []
    for rank, row in enumerate(storms.list_storms(MOST_LISTED)):
        known = np.isfinite(row["speed_m_s"])
        rows.append(
            {
                "storm": f"{row['storm']}",
                "id": row["storm_id"],
                "colour": DARK.clusters[storms.colours[rank]],
                "first": f"{row['first_time']:%d %b %H:%M}",
                "last": f"{row['last_time']:%d %b %H:%M}",
                "duration": name_duration(row["duration_minutes"]),
                "flashes": f"{row['flash_count']:,}",
                "peak": f"{row['peak_rate_per_minute']:,}",
                "speed": f"{row['speed_m_s']:.1f}" if known else _DASH,
                "direction": _name_heading(row["direction_deg"]) if known else _DASH,
                "jumps": f"{first[rank]}" + _add_others(every[rank] - first[rank]),
                "kin": _name_kin(row, numbers),
            }
        )
    return rows


def _add_others(count: int) -> str:
    """Jumps of the other algorithm, after those of the first."""
    return f" + {count}" if count else ""


def _name_heading(direction_deg: float) -> str:
    """``315° NW``: where a storm goes to."""
    return f"{direction_deg:.0f}° {name_direction(direction_deg)}"


def _name_kin(row: dict[str, Any], numbers: dict[str, int]) -> str:
    """Which storm one parted from, and which it went into: by number where it is in the window."""
    parts = []
    for column, word in (("split_from", "from"), ("merged_into", "into")):
        name = row[column]
        if isinstance(name, str):
            parts.append(f"{word} {numbers.get(name, name)}")
    if row["born"] < row["first_time"]:
        parts.append(f"since {row['born']:%d %b %H:%M}")
    if row["continues"]:
        parts.append("goes on")
    return ", ".join(parts)


def explain_jumps() -> str:
    """What the column of jumps counts."""
    return f"{FIRST_ALGORITHM} (Schultz et al. 2009) + FRarea (Erdmann & Poelman 2023)"
