"""Climatology: from the flashes of a window to thunder hours, flash density and diurnal cycle."""

from lightning_kedro.pipelines.climatology.pipeline import create_pipeline

__all__ = ["create_pipeline"]
