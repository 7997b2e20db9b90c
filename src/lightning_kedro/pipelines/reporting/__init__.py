"""Reporting: pictures, an animation and a report of a window's flashes and clusters."""

from lightning_kedro.pipelines.reporting.climatology import create_climatology_pipeline
from lightning_kedro.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_climatology_pipeline", "create_pipeline"]
