"""The project's pipelines by name."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline

from lightning_kedro.pipelines import (
    climatology,
    clustering,
    grids,
    ingestion,
    reporting,
    sky,
    storms,
)


def register_pipelines() -> dict[str, Pipeline]:
    """``ingestion``, ``sky``, ``storms``, ``clustering``, ``reporting``; ``__default__``: all.

    ``grids`` reads three times as much of each granule and is run for itself; so is
    ``climatology``, whose windows are months and years. ``overview`` is the same as
    ``__default__`` with each pipeline folded into a box of its own, for Kedro-Viz. It folds by
    namespaces, which are part of a node's name: those of the others are the public face and stay.
    """
    pipelines = {
        "ingestion": ingestion.create_pipeline(),
        "sky": sky.create_pipeline(),
        "storms": storms.create_pipeline(),
        "clustering": clustering.create_pipeline(),
        "reporting": reporting.create_pipeline(),
    }
    default = _join(pipelines.values())
    overview = _join(_fold(name, one) for name, one in pipelines.items())
    return {
        **pipelines,
        "grids": grids.create_pipeline(),
        "climatology": climatology.create_pipeline() + reporting.create_climatology_pipeline(),
        "overview": overview,
        "__default__": default,
    }


def _join(parts: Iterable[Pipeline]) -> Pipeline:
    """One pipeline of several: to add them up one by one, Kedro sorts the nodes each time."""
    return Pipeline([node for part in parts for node in part.nodes])


def _fold(name: str, pipeline: Pipeline) -> Pipeline:
    return Pipeline(pipeline, namespace=name, prefix_datasets_with_namespace=False)
