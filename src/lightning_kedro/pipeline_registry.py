"""The project's pipelines by name."""

from kedro.pipeline import Pipeline

from lightning_kedro.pipelines import clustering, ingestion, reporting


def register_pipelines() -> dict[str, Pipeline]:
    """``ingestion``, ``clustering`` and ``reporting``; ``__default__`` runs them in this order."""
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "clustering": clustering.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    return {**pipelines, "__default__": sum(pipelines.values(), start=Pipeline([]))}
