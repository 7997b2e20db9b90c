"""The nodes of the reporting pipeline: one a picture, each from tables to the bytes of a file."""

from collections.abc import Mapping
from typing import Any

from lightning_kedro.pipelines.clustering.flashes import FlashTable
from lightning_kedro.pipelines.reporting import (
    animation,
    cluster_map,
    density_map,
    findings,
    flash_rate,
    k_evaluation,
    report,
)
from lightning_kedro.pipelines.reporting.figures import render_png
from lightning_kedro.pipelines.reporting.window import (
    Window,
    WindowTable,
    is_simulated,
    take_times,
)

Frame = Any
"""A pandas DataFrame, whose library is imported only when a table is loaded."""


def map_clusters(
    clustered_flashes: WindowTable, cluster_centers: Frame, parameters: Mapping[str, Any]
) -> bytes:
    """Draw the window's flashes coloured by cluster, with numbered centres and a ranked list."""
    window = Window.from_parameters(parameters)
    clustered = cluster_map.read_clustered(clustered_flashes, cluster_centers, window)
    words = cluster_map.describe_clusters(clustered)
    return render_png(cluster_map.draw_cluster_map(clustered, words), words)


def animate_clusters(
    clustered_flashes: WindowTable, cluster_centers: Frame, parameters: Mapping[str, Any]
) -> bytes:
    """Draw the window's flashes hour by hour in the colours of their clusters, as a GIF."""
    window = Window.from_parameters(parameters)
    clustered = cluster_map.read_clustered(clustered_flashes, cluster_centers, window)
    return animation.animate(clustered, animation.describe_animation(clustered))


def map_density(flashes: FlashTable, granules: Frame, parameters: Mapping[str, Any]) -> bytes:
    """Draw the window's flashes per 1,000 km2, in bins of equal area."""
    window = Window.from_parameters(parameters)
    table = flashes.read(window.selection, ["lat", "lon"])
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    figure, words = density_map.draw_density(window, lat, lon, simulated=is_simulated(granules))
    return render_png(figure, words)


def plot_flash_rate(flashes: FlashTable, granules: Frame, parameters: Mapping[str, Any]) -> bytes:
    """Draw the window's flashes per minute, with gaps in coverage shaded."""
    window = Window.from_parameters(parameters)
    times = take_times(flashes.read(window.selection, ["time"]))
    rate = flash_rate.measure_rate(times, granules, window)
    words = flash_rate.describe_rate(rate, window, simulated=is_simulated(granules))
    return render_png(flash_rate.draw_rate(rate, words), words)


def plot_k_evaluation(
    silhouette_scores: Frame, elbow_curve: Frame, k_selection: Frame, parameters: Mapping[str, Any]
) -> tuple[bytes, Any]:
    """Draw elbow and silhouette side by side with the chosen k; the same as a Plotly chart."""
    window = Window.from_parameters(parameters)
    evaluation = k_evaluation.pick_evaluation(silhouette_scores, elbow_curve, k_selection, window)
    words = k_evaluation.describe_evaluation(evaluation)
    picture = render_png(k_evaluation.draw_evaluation(evaluation, words), words)
    return picture, k_evaluation.chart_evaluation(evaluation, words)


def write_report(
    *,
    clustered_flashes: WindowTable,
    cluster_centers: Frame,
    silhouette_scores: Frame,
    elbow_curve: Frame,
    k_selection: Frame,
    flashes: FlashTable,
    granules: Frame,
    coverage: Frame,
    parameters: Mapping[str, Any],
    **pictures: bytes,
) -> str:
    """Write one HTML file with the pictures, the numbers, the notes and an interactive map."""
    window = Window.from_parameters(parameters)
    clustered = cluster_map.read_clustered(clustered_flashes, cluster_centers, window)
    evaluation = k_evaluation.pick_evaluation(silhouette_scores, elbow_curve, k_selection, window)
    table = flashes.read(window.selection, ["time", "quality_flag"])
    rate = flash_rate.measure_rate(take_times(table), granules, window)
    flags = findings.count_flags(table)
    found = findings.gather_findings(clustered, evaluation, rate, flags, granules, coverage)
    return report.write_html(clustered, found, pictures, parameters)
