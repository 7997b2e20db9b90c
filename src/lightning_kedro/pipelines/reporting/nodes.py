"""The nodes of the reporting pipeline: one a picture, and the report that gathers them.

All are made from one result, which the first node reads. What they draw passes to the last node,
which hands everything over at once.
"""

from collections.abc import Mapping
from typing import Any

from lightning_kedro.pipelines.reporting import (
    animation,
    cluster_map,
    density_map,
    flash_rate,
    k_evaluation,
    report,
)
from lightning_kedro.pipelines.reporting.figures import render_png
from lightning_kedro.pipelines.reporting.reported import (
    Drawing,
    ReportedResult,
    ResultTable,
    check_drawings,
    check_stands,
    prepare,
)
from lightning_kedro.publication import Publication
from lightning_kedro.selection import Selection


def select_result(
    k_selection: ResultTable, selection: Mapping[str, Any], run_time: str
) -> ReportedResult:
    """Read the result of the run's selection, with what its window is covered by.

    Raises:
        NoResultError: If there is none: the last report is left as it is.
    """
    return prepare(k_selection.read_result(Selection.from_plain(selection)), run_time)


def map_clusters(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes coloured by cluster, with numbered centers and a ranked list."""
    words = cluster_map.describe_clusters(reported.clustered)
    figure = cluster_map.draw_cluster_map(reported.clustered, words)
    return Drawing(reported.identity, render_png(figure, words))


def animate_clusters(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes hour by hour in the colours of their clusters, as a GIF."""
    clustered = reported.clustered
    content = animation.animate(clustered, animation.describe_animation(clustered))
    return Drawing(reported.identity, content)


def map_density(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes per 1,000 km2, in bins of equal area."""
    figure, words = density_map.draw_density(reported.clustered, reported.rate)
    return Drawing(reported.identity, render_png(figure, words))


def plot_flash_rate(reported: ReportedResult) -> Drawing:
    """Draw the result's flashes per minute, with gaps in coverage shaded."""
    rate = reported.rate
    words = flash_rate.describe_rate(rate, reported.window, simulated=reported.simulated)
    return Drawing(reported.identity, render_png(flash_rate.draw_rate(rate, words), words))


def plot_k_evaluation(reported: ReportedResult) -> tuple[Drawing, Drawing]:
    """Draw elbow and silhouette side by side with the chosen k; the same as a Plotly chart."""
    evaluation = reported.evaluation
    words = k_evaluation.describe_evaluation(evaluation)
    picture = render_png(k_evaluation.draw_evaluation(evaluation, words), words)
    chart = k_evaluation.chart_evaluation(evaluation, words).to_json()
    return Drawing(reported.identity, picture), Drawing(reported.identity, chart.encode("utf-8"))


def gather_report(
    reported: ReportedResult,
    k_selection: ResultTable,
    selection: Mapping[str, Any],
    run_time: str,
    *drawn: Drawing,
) -> tuple[Publication, ...]:
    """Write the report and put it together with the pictures: the same for every output.

    Args:
        reported: The result.
        k_selection: The handle on results: one that another run has read may be a former one.
        selection: What the report is of.
        run_time: When this run began.
        drawn: The pictures in the order of ``report.PICTURES``, and the chart of k.

    Returns:
        One publication as often as the node has outputs; the entry of the last one publishes it.

    Raises:
        PartialRunError: If a picture is of another result, or another run has read the result
            and it has been replaced since.
    """
    check_drawings(reported, drawn)
    if reported.selected_at != run_time:
        check_stands(reported, k_selection.read_identity(Selection.from_plain(selection)))
    *pictures, chart = (one.content for one in drawn)
    publication = report.gather_publication(reported, pictures, chart)
    return (publication,) * (len(drawn) + 1)
