"""Storms: from the table of flashes to storms that are followed through time."""

from lightning_kedro.pipelines.storms.pipeline import create_pipeline

__all__ = ["create_pipeline"]
