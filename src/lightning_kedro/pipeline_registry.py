"""The project's pipelines by name."""

from kedro.pipeline import Pipeline

from lightning_kedro.pipelines import climatology, clustering, grids, ingestion, reporting, storms


def register_pipelines() -> dict[str, Pipeline]:
    """``ingestion``, ``storms``, ``clustering``, ``reporting``; ``__default__`` runs them all.

    ``grids`` reads three times as much of each granule and is run for itself; so is
    ``climatology``, whose windows are months and years.
    """
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "storms": storms.create_pipeline(),
        "clustering": clustering.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    default = sum(pipelines.values(), start=Pipeline([]))
    alone = {
        "grids": grids.create_pipeline(),
        "climatology": climatology.create_pipeline() + reporting.create_climatology_pipeline(),
    }
    return {**pipelines, **alone, "__default__": default}
