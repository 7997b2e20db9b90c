"""Clustering: from the table of flashes to clusters and an evaluated number of them."""

from lightning_kedro.pipelines.clustering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
