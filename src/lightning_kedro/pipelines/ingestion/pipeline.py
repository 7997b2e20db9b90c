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
                inputs=[
                    "glm_archive",
                    "loaded_granules",
                    "params:selection.segments",
                    "params:ingestion.levels",
                ],
                outputs=["raw_granules", "hour_report"],
                name="extract",
            ),
            Node(
                transform_granules,
                inputs=[
                    "raw_granules",
                    "hour_report",
                    "loaded_granules",
                    "params:ingestion.levels",
                ],
                outputs=["flash_series", "decode_report"],
                name="transform",
            ),
            Node(
                load_flashes,
                inputs=[
                    "flash_series",
                    "decode_report",
                    "params:run_time",
                    "params:ingestion.levels",
                ],
                outputs=["granules", "flashes", "groups", "events", "coverage", "load_report"],
                name="load",
            ),
        ],
        tags="ingestion",
    )
