"""One node a picture, and the report that gathers them."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.reporting.nodes import (
    animate_clusters,
    map_clusters,
    map_density,
    plot_flash_rate,
    plot_k_evaluation,
    write_report,
)

_CLUSTERED: Final = ["clustered_flashes", "cluster_centers", "parameters"]
_SEEN: Final = ["flashes", "granules", "parameters"]
_EVALUATED: Final = ["silhouette_scores", "elbow_curve", "k_selection", "parameters"]
_PICTURES: Final = (
    "cluster_map",
    "cluster_animation",
    "density_map",
    "flash_rate",
    "k_evaluation",
)
"""In the order in which the report shows them."""

_REPORTED: Final = dict.fromkeys((*_CLUSTERED, *_SEEN, *_EVALUATED, "coverage", *_PICTURES))


def create_pipeline() -> Pipeline:
    """The pipeline ``reporting``: from tables to pictures, an animation and a report."""
    return Pipeline(
        [
            Node(map_clusters, _CLUSTERED, "cluster_map", name="cluster_map"),
            Node(animate_clusters, _CLUSTERED, "cluster_animation", name="cluster_animation"),
            Node(map_density, _SEEN, "density_map", name="density_map"),
            Node(
                plot_k_evaluation,
                _EVALUATED,
                ["k_evaluation", "k_evaluation_chart"],
                name="k_evaluation",
            ),
            Node(plot_flash_rate, _SEEN, "flash_rate", name="flash_rate"),
            Node(write_report, {name: name for name in _REPORTED}, "report", name="report"),
        ],
        tags="reporting",
    )
