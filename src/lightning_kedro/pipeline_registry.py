"""The project's pipelines by name."""

from kedro.pipeline import Pipeline

from lightning_kedro.pipelines import clustering, ingestion, reporting, storms


def register_pipelines() -> dict[str, Pipeline]:
    """``ingestion``, ``storms``, ``clustering``, ``reporting``; ``__default__`` runs them all."""
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "storms": storms.create_pipeline(),
        "clustering": clustering.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    return {**pipelines, "__default__": sum(pipelines.values(), start=Pipeline([]))}
