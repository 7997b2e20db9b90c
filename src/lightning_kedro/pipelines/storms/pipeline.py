"""storm_tracker, storm_describer."""

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.storms.nodes import describe_storms, track_storms
from lightning_kedro.results import STORM_TABLES


def create_pipeline() -> Pipeline:
    """The pipeline ``storms``: from flashes to storms with tracks and lightning jumps.

    What passes between its nodes stays in memory and is of one run; its tables change together.
    """
    return Pipeline(
        [
            Node(
                track_storms,
                inputs={
                    "flashes": "flashes",
                    "selection": "params:selection",
                    "storms": "params:storms",
                    "stored": "stored_storms",
                    "unchanged": "params:unchanged",
                    "satellite": "params:satellite",
                    "workers": "workers",
                },
                outputs="found_storms",
                name="storm_tracker",
            ),
            Node(
                describe_storms,
                inputs=["found_storms", "params:satellite", "params:run_time"],
                outputs=[*STORM_TABLES],
                name="storm_describer",
            ),
        ],
        tags="storms",
    )
