"""The nodes of the reporting pipeline: one a picture, and the report that gathers them.

All are made from one result, which the first node reads. What they draw passes to the last node,
which hands everything over at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from lightning_kedro.pipelines.reporting import (
    animation,
    cluster_map,
    density_map,
    flash_rate,
    k_chart,
    k_evaluation,
    report,
    storm_map,
    storm_series,
)
from lightning_kedro.pipelines.reporting.figures import render_png
from lightning_kedro.pipelines.reporting.gridded import GriddedLightning
from lightning_kedro.pipelines.reporting.gridded_nodes import rename_sources
from lightning_kedro.pipelines.reporting.reported import (
    Drawing,
    ReportedResult,
    ResultTable,
    check_drawings,
    check_stands,
    prepare,
)
from lightning_kedro.pipelines.reporting.storm_window import FLASH_COLUMNS as STORM_FLASH_COLUMNS
from lightning_kedro.publication import Publication
from lightning_kedro.selection import Selection
from lightning_kedro.unchanged import (
    REMAKE,
    StoredThings,
    Unchanged,
    hand_on,
    look_at,
    name_making,
)

_OUTPUTS: Final = len(report.PICTURES) + 2
"""Of the last node: the pictures, the chart of k and the report."""


def select_result(
    k_selection: ResultTable,
    storm_selection: ResultTable,
    selection: Mapping[str, Any],
    run_time: str,
    sky_selection: ResultTable | None = None,
    stored: StoredThings | None = None,
    unchanged: str = REMAKE,
) -> ReportedResult | Unchanged:
    """Read the result of the run's selection, with its storms and what its window is covered by.

    How its flashes were seen is read too, where the pipeline ``sky`` has looked at that. Where the
    report that is there was drawn from the same, it is left as it is.

    Raises:
        NoResultError: If there is none: the last report is left as it is. Without storms the
            pictures of storms say that none have been looked for.
    """
    selected = Selection.from_plain(selection)
    measured, kept = look_at(stored, selected, selected, {}, unchanged)
    if kept is not None:
        return kept
    result = k_selection.read_result(selected)
    storms = storm_selection.find_result(selected, {"storm_flashes": STORM_FLASH_COLUMNS})
    sky = None if sky_selection is None else sky_selection.find_row(selected)
    return replace(prepare(result, run_time, storms, sky), measured=measured)


@hand_on()
def map_clusters(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes coloured by cluster, with numbered centers and a ranked list."""
    words = cluster_map.describe_clusters(reported.clustered)
    figure = cluster_map.draw_cluster_map(reported.clustered, words)
    return Drawing(reported.source, render_png(figure, words))


@hand_on()
def animate_clusters(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes hour by hour in the colours of their clusters, as a GIF.

    Storms have outlines, and lines that show where they came from.
    """
    clustered, storms = reported.clustered, reported.storms
    content = animation.animate(clustered, storms, animation.describe_animation(clustered))
    return Drawing(reported.source, content)


@hand_on()
def map_density(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes per 1,000 km2, in bins of equal area."""
    figure, words = density_map.draw_density(reported.clustered, reported.rate)
    return Drawing(reported.source, render_png(figure, words))


@hand_on()
def map_storms(reported: ReportedResult) -> Drawing:
    """Draw the result's storms: outlines, tracks with arrows, flashes shaded by age, jumps."""
    words = storm_map.describe_storms(reported.clustered, reported.storms)
    figure = storm_map.draw_storm_map(reported.clustered, reported.storms, words)
    return Drawing(reported.source, render_png(figure, words))


@hand_on()
def plot_storm_series(reported: ReportedResult) -> Drawing:
    """Draw flash rates of the largest storms, minute by minute, with lightning jumps marked."""
    clustered, storms = reported.clustered, reported.storms
    words = storm_series.describe_series(clustered, storms)
    figure = storm_series.draw_storm_series(clustered, storms, reported.rate.gaps, words)
    return Drawing(reported.source, render_png(figure, words))


@hand_on()
def plot_flash_rate(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes per minute, with gaps in coverage shaded."""
    rate = reported.rate
    words = flash_rate.describe_rate(rate, reported.window, simulated=reported.simulated)
    return Drawing(reported.source, render_png(flash_rate.draw_rate(rate, words), words))


@hand_on(2)
def plot_k_evaluation(reported: ReportedResult) -> tuple[Drawing, Drawing]:
    """Draw elbow and silhouette side by side with the chosen k; the same as a Plotly chart."""
    evaluation = reported.evaluation
    words = k_evaluation.describe_evaluation(evaluation)
    picture = render_png(k_evaluation.draw_evaluation(evaluation, words), words)
    chart = k_chart.chart_evaluation(evaluation, words)
    return Drawing(reported.source, picture), Drawing(reported.source, chart.encode("utf-8"))


@hand_on(_OUTPUTS)
def gather_report(
    reported: ReportedResult,
    k_selection: ResultTable,
    storm_selection: ResultTable,
    selection: Mapping[str, Any],
    run_time: str,
    gridded: GriddedLightning,
    *drawn: Drawing,
) -> tuple[Publication, ...]:
    """Write the report and put it together with the pictures: the same for every output.

    Args:
        reported: The result.
        k_selection: The handle on results: one that another run has read may be a former one.
        storm_selection: The same of storms.
        selection: What the report is of.
        run_time: When this run began.
        gridded: The grids of the window, if there are any.
        drawn: The pictures in the order of ``report.PICTURES``, and the chart of k.

    Returns:
        One publication as often as the node has outputs; the entry of the last one publishes it.

    Raises:
        PartialRunError: If a picture is of another result, or another run has read the result
            and it has been replaced since.
    """
    drawings = rename_sources(reported, gridded, drawn)
    check_drawings(reported, drawings)
    if reported.selected_at != run_time:
        selected = Selection.from_plain(selection)
        storms = storm_selection.find_result(selected, {"storm_flashes": STORM_FLASH_COLUMNS})
        stored = k_selection.read_identity(selected)
        check_stands(reported, stored, "" if storms is None else storms.identity)
    *pictures, chart = (one.content for one in drawings)
    publication = report.gather_publication(reported, pictures, chart, has_grids=bool(gridded))
    if gridded.measured == reported.measured:  # nothing has changed before all of it was read
        publication = replace(publication, drawn_from=name_making(reported.measured, {}))
    return (publication,) * (len(drawings) + 1)
