"""extract, transform, load."""

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.ingestion.nodes import (
    extract_granules,
    load_flashes,
    transform_granules,
)


def create_pipeline() -> Pipeline:
    """The pipeline ``ingestion``: from the archive to the tables of flashes."""
    return Pipeline(
        [
            Node(
                extract_granules,
                inputs=["glm_archive", "loaded_granules", "parameters"],
                outputs="raw_granules",
                name="extract",
            ),
            Node(
                transform_granules,
                inputs=["raw_granules", "loaded_granules", "parameters"],
                outputs="flash_series",
                name="transform",
            ),
            Node(
                load_flashes,
                inputs=["flash_series", "parameters"],
                outputs=["granules", "flashes", "coverage"],
                name="load",
            ),
        ],
        tags="ingestion",
    )
