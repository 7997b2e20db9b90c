"""What the template of a result is given: numbers, charts and tables in words."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lightning_kedro.columns import COLUMNS
from lightning_kedro.dashboard.charts import (
    Chart,
    chart_evaluation,
    chart_rate,
    chart_storms,
)
from lightning_kedro.dashboard.details import Details
from lightning_kedro.dashboard.maps import describe_sample
from lightning_kedro.dashboard.storms import MOST_LINES, MOST_LISTED, Storms
from lightning_kedro.pipelines.reporting.cluster_map import describe_clusters, name_place
from lightning_kedro.pipelines.reporting.findings import (
    Findings,
    describe_origin,
    gather_findings,
    is_known,
    list_options,
)
from lightning_kedro.pipelines.reporting.flash_rate import name_rate
from lightning_kedro.pipelines.reporting.palette import DARK
from lightning_kedro.pipelines.reporting.window import count_flashes, name_share, say_coverage
from lightning_kedro.store.reports import PAGE, read_card

Numbers = list[tuple[str, str]]

NO_VALUE: Final = "\N{EN DASH}"
COLORS: Final = DARK.clusters
_WINDS: Final = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
_CALM: Final = 0.05  # m/s: slower storms move nowhere in particular


@dataclass(frozen=True, slots=True)
class Place:
    """Where the dashboard's data are.

    Attributes:
        database: The DuckDB file.
        reports: The folder of all reports.
        env: The Kedro environment, None for the usual one.
    """

    database: Path
    reports: Path
    env: str | None

    def command(self, *words: str) -> str:
        """A command of Kedro for these data."""
        chosen = ("--env", self.env) if self.env else ()
        return " ".join(("kedro", *words, *chosen))


@dataclass(frozen=True, slots=True)
class Report:
    """The published report of a result: its address, and whether it is of the result as it is."""

    address: str
    is_current: bool


class ResultView:
    """A result as its page shows it.

    Args:
        details: What was read of it.
        top: The highest value of the chart of the flash rate; its own peak if None.
    """

    def __init__(self, details: Details, top: float | None = None) -> None:
        """Nothing is worked out before the template asks."""
        self.details = details
        self.stored = details.stored
        self._top = top

    @property
    def title(self) -> str:
        """What the result shows, in a line."""
        if self.details.reported is not None:
            clustered = self.details.reported.clustered
            return describe_clusters(replace(clustered, simulated=False)).title
        return f"Storms seen by {self.details.window.satellites}"

    @property
    def subtitle(self) -> str:
        """Window, number of flashes, and the variant."""
        parts = [self.stored.dates, count_flashes(self.details.rate.count), self.stored.variant]
        return " \N{MIDDLE DOT} ".join(part for part in parts if part)

    @cached_property
    def findings(self) -> Findings | None:
        """What the report says of the clusters; None without clusters."""
        reported = self.details.reported
        return None if reported is None else gather_findings(reported)

    @property
    def storms(self) -> Storms | None:
        """The storms."""
        return self.details.storms

    @cached_property
    def numbers(self) -> Numbers:
        """The key numbers, those of the report first."""
        numbers = self._count() if self.findings is None else [*self.findings.numbers]
        storms = self.storms
        if storms is not None:
            numbers.append(("storms", f"{storms.total:,}"))
            numbers.append(("flashes in no storm", f"{storms.row['n_noise'] or 0:,}"))
            numbers += [
                (f"jumps, {algorithm}", f"{count:,}")
                for algorithm, count in storms.count_jumps.items()
            ]
        return numbers

    def _count(self) -> Numbers:
        """The key numbers of a window that was not clustered."""
        rate, share = self.details.rate, self.details.coverage
        numbers = [("flashes", f"{rate.count:,}")]
        beside = f" ({say_coverage(share)})" if say_coverage(share) else ""
        if is_known(rate.peak):
            numbers.append((f"flashes a minute, mean{beside}", name_rate(rate.mean)))
            numbers.append((f"flashes a minute, peak{beside}", name_rate(rate.peak)))
        return [*numbers, ("of the window covered", name_share(share))]

    @property
    def kinds(self) -> list[str]:
        """What the map can color flashes by."""
        found = {"cluster": self.stored.k is not None, "storm": self.stored.n_storms is not None}
        return [kind for kind, there in found.items() if there]

    @property
    def sample(self) -> str:
        """That the map shows a sample; "" if it shows all flashes."""
        return describe_sample(self.details.rate.count)

    @property
    def rate_chart(self) -> Chart:
        """The flash rate."""
        return chart_rate(self.details.rate, self._top)

    @property
    def evaluation_charts(self) -> list[Chart]:
        """What the evaluators say of every k."""
        reported = self.details.reported
        return [] if reported is None else chart_evaluation(reported.evaluation)

    @property
    def storm_chart(self) -> Chart | None:
        """The rates of the largest storms."""
        if self.storms is None or self.storms.largest.empty:
            return None
        names = self.storms.largest["storm_id"].head(MOST_LINES)
        jumps = [self.storms.jumps.get(name, []) for name in names]
        colors = [COLORS[color] for color in self.storms.colors]
        return chart_storms(self.details.rate, self.storms.rates, jumps, colors)

    @property
    def cluster_rows(self) -> list[dict[str, str]]:
        """The clusters as the report's table has them, with their colors."""
        reported = self.details.reported
        if reported is None or self.findings is None:
            return []
        colors = [COLORS[color] for color in reported.clustered.colours]
        rows = zip(self.findings.clusters, colors, strict=True)
        return [row | {"color": color} for row, color in rows]

    @property
    def storm_rows(self) -> list[dict[str, str]]:
        """The largest storms as a table."""
        if self.storms is None:
            return []
        return [_describe_storm(row, self.storms) for row in self.storms.largest.to_dict("records")]

    @property
    def storm_note(self) -> str:
        """What the table leaves out; "" if nothing."""
        if self.storms is None or self.storms.total <= MOST_LISTED:
            return ""
        return f"{MOST_LISTED} of {self.storms.total:,} storms are listed."

    @property
    def options(self) -> list[tuple[str, str, str]]:
        """What is recorded with the result: name, value, meaning."""
        rows = [self.details.row]
        if self.storms is not None and self.details.reported is not None:
            rows.append({k: v for k, v in self.storms.row.items() if k not in rows[0]})
        pairs = [pair for row in rows for pair in list_options(row)]
        return [(name, value, describe_column(name)) for name, value in pairs]

    @property
    def origin(self) -> str:
        """When it was made, by which version, of which flashes."""
        return describe_origin(self.details.row)

    def find_report(self, place: Place) -> Report | None:
        """The published report; None if there is none."""
        folder = place.reports / self.stored.name
        card = read_card(folder) if folder.is_dir() else None
        reported = self.details.reported
        if card is None or reported is None or not (folder / PAGE).is_file():
            return None
        # The digest at the end changes when a later version adds a column: the run is what counts.
        mine, theirs = (one.rpartition("-")[0] for one in (reported.identity, card.identity))
        return Report(f"/reports/{folder.name}/{PAGE}", theirs in ("", mine))


def describe_column(name: str) -> str:
    """What a column means; "" if the registry does not know it."""
    return COLUMNS[name].meaning if name in COLUMNS else ""


def compare_numbers(left: ResultView, right: ResultView) -> list[tuple[str, str, str]]:
    """The key numbers of two results, by name; a dash where one has none."""
    first, second = (dict(one.numbers) for one in (left, right))
    names = [*dict.fromkeys([*first, *second])]
    return [(name, first.get(name, NO_VALUE), second.get(name, NO_VALUE)) for name in names]


def show_value(name: str, value: object) -> str:
    """A recorded value as text; a dash where there is none."""
    return list_options({name: value})[0][1] if is_known(value) else NO_VALUE


def _describe_storm(row: dict[Any, Any], storms: Storms) -> dict[str, str]:
    """A storm as a row of the table."""
    number = int(row["storm"])
    jumps = storms.n_jumps.get(row["storm_id"], {})
    family = {"split_from": "split", "merged_into": "merged"}
    later = " \N{RIGHTWARDS ARROW}" if row["continues"] else ""
    began, ended = (row[name] for name in ("first_time", "last_time"))
    return {
        "storm": f"{number}",
        "color": COLORS[storms.colors[number]],
        "flashes": f"{row['flash_count']:,}",
        "peak": f"{row['peak_rate_per_minute']:,}",
        "time": f"{began:%H:%M}\N{EN DASH}{ended:%H:%M}{later}",
        "place": name_place(row["lat"], row["lon"]),
        "motion": describe_motion(row["speed_m_s"], row["direction_deg"]),
        "footprint": _show_number(row["footprint_km2"]),
        "jumps": ", ".join(f"{count} {name}" for name, count in sorted(jumps.items())) or NO_VALUE,
        "family": ", ".join(word for name, word in family.items() if row[name]) or NO_VALUE,
        "id": str(row["storm_id"]),
    }


def describe_motion(speed: float, direction: float) -> str:
    """``12 m/s to NE``; a dash where it is not known."""
    if not (is_known(speed) and is_known(direction)):
        return NO_VALUE
    if speed < _CALM:
        return "0.0 m/s"
    wind = _WINDS[round(direction / 45.0) % len(_WINDS)]
    return f"{speed:.1f} m/s to {wind}"


def _show_number(value: float) -> str:
    """A number without decimals; a dash where it is not known."""
    return f"{value:,.0f}" if is_known(value) else NO_VALUE
