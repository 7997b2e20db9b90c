"""sky_inspector."""

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.sky.nodes import inspect_sky
from lightning_kedro.results import SKY_TABLES


def create_pipeline() -> Pipeline:
    """The pipeline ``sky``: flashes that an artifact may have made, and those seen twice."""
    return Pipeline(
        [
            Node(
                inspect_sky,
                inputs=[
                    "flashes",
                    "groups",
                    "params:selection",
                    "params:satellite",
                    "params:run_time",
                    "stored_sky",
                    "params:unchanged",
                ],
                outputs=[*SKY_TABLES],
                name="sky_inspector",
            ),
        ],
        tags="sky",
    )
