"""One node a picture, and the report that gathers them."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.reporting.gridded_nodes import (
    animate_fed,
    map_density_parts,
    map_fed,
    map_fed_parts,
    select_grids,
)
from lightning_kedro.pipelines.reporting.nodes import (
    animate_clusters,
    gather_report,
    map_clusters,
    map_density,
    map_storms,
    plot_flash_rate,
    plot_k_evaluation,
    plot_storm_series,
    select_result,
)

_REPORTED: Final = "reported_result"

_GRIDS: Final = "reported_grids"

_SELECTED: Final = ("k_selection", "storm_selection", "params:selection", "params:run_time")

_STORED: Final = ("stored_report", "params:unchanged")

_DRAWN: Final = (
    "drawn_cluster_map",
    "drawn_storm_map",
    "drawn_cluster_animation",
    "drawn_storm_series",
    "drawn_density_map",
    "drawn_density_panels",
    "drawn_flash_extent_density",
    "drawn_flash_extent_panels",
    "drawn_flash_extent_animation",
    "drawn_flash_rate",
    "drawn_k_evaluation",
    "drawn_k_evaluation_chart",
)
"""What passes to the report, in the order in which the report shows them."""

_PUBLISHED: Final = (
    "cluster_map",
    "storm_map",
    "cluster_animation",
    "storm_series_picture",
    "density_map",
    "density_panels",
    "flash_extent_density",
    "flash_extent_panels",
    "flash_extent_animation",
    "k_evaluation",
    "k_evaluation_chart",
    "flash_rate",
    "report",
)
"""All take one publication; the entry of the last one, ``report``, makes it visible."""


def create_pipeline() -> Pipeline:
    """The pipeline ``reporting``: from a result to pictures, an animation and a report."""
    evaluated = ["drawn_k_evaluation", "drawn_k_evaluation_chart"]
    return Pipeline(
        [
            Node(
                select_result,
                [*_SELECTED, "sky_selection", *_STORED],
                _REPORTED,
                name="select_result",
            ),
            Node(map_storms, _REPORTED, "drawn_storm_map", name="storm_map"),
            Node(plot_storm_series, _REPORTED, "drawn_storm_series", name="storm_series"),
            Node(map_clusters, _REPORTED, "drawn_cluster_map", name="cluster_map"),
            Node(animate_clusters, _REPORTED, "drawn_cluster_animation", name="cluster_animation"),
            Node(map_density, _REPORTED, "drawn_density_map", name="density_map"),
            Node(map_density_parts, _REPORTED, "drawn_density_panels", name="density_panels"),
            *_list_grid_nodes(),
            Node(plot_k_evaluation, _REPORTED, evaluated, name="k_evaluation"),
            Node(plot_flash_rate, _REPORTED, "drawn_flash_rate", name="flash_rate"),
            Node(
                gather_report,
                [_REPORTED, *_SELECTED, _GRIDS, *_DRAWN],
                list(_PUBLISHED),
                name="report",
            ),
        ],
        tags="reporting",
    )


def _list_grid_nodes() -> list[Node]:
    """The nodes that draw the window's grids."""
    drawn = {
        "flash_extent_density": map_fed,
        "flash_extent_panels": map_fed_parts,
        "flash_extent_animation": animate_fed,
    }
    return [
        Node(select_grids, [_REPORTED, "grids", _STORED[0]], _GRIDS, name="select_grids"),
        *(
            Node(draw, [_REPORTED, _GRIDS], f"drawn_{name}", name=name)
            for name, draw in drawn.items()
        ),
    ]
