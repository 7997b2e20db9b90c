"""The project's pipelines by name."""

from kedro.pipeline import Pipeline

from lightning_kedro.pipelines import clustering, grids, ingestion, reporting, sky, storms


def register_pipelines() -> dict[str, Pipeline]:
    """``ingestion``, ``sky``, ``storms``, ``clustering``, ``reporting``; ``__default__``: all.

    ``grids`` reads three times as much of each granule and is run for itself.
    """
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "sky": sky.create_pipeline(),
        "storms": storms.create_pipeline(),
        "clustering": clustering.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    default = sum(pipelines.values(), start=Pipeline([]))
    return {**pipelines, "grids": grids.create_pipeline(), "__default__": default}
