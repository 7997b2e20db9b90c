"""climatologist."""

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.climatology.nodes import add_up_hours


def create_pipeline() -> Pipeline:
    """The first part of the pipeline ``climatology``; reporting has the one that draws."""
    return Pipeline(
        [
            Node(
                add_up_hours,
                inputs=["flashes", "params:selection", "params:climatology"],
                outputs="climatology_fields",
                name="climatologist",
            )
        ],
        tags="climatology",
    )
