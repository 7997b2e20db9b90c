"""preprocessor, kmeans_candidates, silhouette_evaluator, elbow_evaluator, kmeans_cluster."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from lightning_kedro.pipelines.clustering.nodes import (
    cluster_flashes,
    evaluate_elbow,
    evaluate_silhouette,
    fit_candidates,
    preprocess_flashes,
)
from lightning_kedro.results import RESULT_TABLES

_CLUSTERED_FROM: Final = (
    "cluster_features",
    "candidates",
    "silhouette_evaluation",
    "elbow_evaluation",
)
_CLUSTERED_BY: Final = ("selection", "clustering", "satellite", "run_time")
_PREPARED_BY: Final = ("coordinates", "standardize", "max_cells", "time_scale_km_per_hour")


def create_pipeline() -> Pipeline:
    """The pipeline ``clustering``: from flashes to clusters and an evaluated number of them.

    What passes between its nodes is kept by what it was made for; only ``kmeans_cluster``, which
    completes a result, has tables as outputs, so that they change together.
    """
    return Pipeline(
        [
            Node(
                preprocess_flashes,
                inputs={
                    "flashes": "flashes",
                    "selection": "params:selection",
                    **{name: f"params:clustering.{name}" for name in _PREPARED_BY},
                    "stored": "stored_clusters",
                    "unchanged": "params:unchanged",
                    "options": "params:clustering",
                    "satellite": "params:satellite",
                    "workers": "workers",
                },
                outputs="cluster_features",
                name="preprocessor",
            ),
            Node(
                fit_candidates,
                inputs=[
                    "cluster_features",
                    "params:clustering.k_max",
                    "params:clustering.random_state",
                ],
                outputs="candidates",
                name="kmeans_candidates",
            ),
            Node(
                evaluate_silhouette,
                inputs=[
                    "cluster_features",
                    "candidates",
                    "params:clustering.k_min",
                    "params:clustering.random_state",
                ],
                outputs="silhouette_evaluation",
                name="silhouette_evaluator",
            ),
            Node(
                evaluate_elbow,
                inputs=["cluster_features", "candidates"],
                outputs="elbow_evaluation",
                name="elbow_evaluator",
            ),
            Node(
                cluster_flashes,
                inputs={
                    **{name: name for name in _CLUSTERED_FROM},
                    **{name: f"params:{name}" for name in _CLUSTERED_BY},
                    "workers": "workers",
                },
                outputs=[*RESULT_TABLES],
                name="kmeans_cluster",
            ),
        ],
        tags="clustering",
    )
