"""Sky: how the flashes of a selection were seen, by both satellites and by the Sun's light."""

from lightning_kedro.pipelines.sky.pipeline import create_pipeline

__all__ = ["create_pipeline"]
