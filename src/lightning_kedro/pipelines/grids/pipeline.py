"""granule_selector, lightning_gridder."""

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.grids.nodes import grid_lightning, select_granules


def create_pipeline() -> Pipeline:
    """The pipeline ``grids``: from the window's granules to a file of gridded lightning.

    It reads granules, not tables: groups and events need not be in the database.
    """
    return Pipeline(
        [
            Node(
                select_granules,
                inputs=["glm_archive", "params:selection", "params:grids"],
                outputs=["grid_granules", "grid_report"],
                name="granule_selector",
            ),
            Node(
                grid_lightning,
                inputs=["grid_granules", "grid_report", "params:selection", "params:grids"],
                outputs="grids",
                name="lightning_gridder",
            ),
        ],
        tags="grids",
    )
