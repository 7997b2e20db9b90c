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

_EVALUATED: Final = [
    "flashes",
    "cluster_features",
    "candidates",
    "silhouette_scores",
    "silhouette_samples",
    "elbow_curve",
    "parameters",
]
_RESULTS: Final = ["clustered_flashes", "cluster_centers", "cluster_quality", "k_selection"]


def create_pipeline() -> Pipeline:
    """The pipeline ``clustering``: from flashes to clusters and an evaluated number of them."""
    return Pipeline(
        [
            Node(
                preprocess_flashes,
                inputs=["flashes", "parameters"],
                outputs="cluster_features",
                name="preprocessor",
            ),
            Node(
                fit_candidates,
                inputs=["cluster_features", "parameters"],
                outputs="candidates",
                name="kmeans_candidates",
            ),
            Node(
                evaluate_silhouette,
                inputs=["cluster_features", "candidates", "parameters"],
                outputs=["silhouette_scores", "silhouette_samples"],
                name="silhouette_evaluator",
            ),
            Node(
                evaluate_elbow,
                inputs=["cluster_features", "candidates", "parameters"],
                outputs="elbow_curve",
                name="elbow_evaluator",
            ),
            Node(cluster_flashes, inputs=_EVALUATED, outputs=_RESULTS, name="kmeans_cluster"),
        ],
        tags="clustering",
    )
