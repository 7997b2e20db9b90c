"""Ingestion: from the archive of granules to the tables of flashes."""

from lightning_kedro.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
