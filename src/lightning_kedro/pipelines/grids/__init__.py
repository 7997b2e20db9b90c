"""Grids: from the window's granules to flash extent density and its kin."""

from lightning_kedro.pipelines.grids.pipeline import create_pipeline

__all__ = ["create_pipeline"]
