"""What happens around a run: parameters are checked before, and what is missing is said after."""

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kedro.framework.hooks import hook_impl

from lightning_kedro.exceptions import IncompleteRunError
from lightning_kedro.glm.selection import archive_hours, window_segments
from lightning_kedro.parameters import check_parameters

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

MAX_SHOWN: Final = 20
"""How many failures an error names; the log names them all."""


class CheckParameters:
    """Puts the checked parameters in the place of the configured ones."""

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Check every parameter and say what ``now`` means, once for the whole run.

        Raises:
            ParameterError: If a name does not exist or a value cannot be used.
        """
        configured = context.config_loader["parameters"]
        now = datetime.now(UTC).replace(microsecond=0)
        context.config_loader["parameters"] = check_parameters(configured, now=now)


class SummariseIngestion:
    """Ends a run that loaded something with what a person wants to know at a glance."""

    def __init__(self) -> None:
        """Start with no run."""
        self._began = 0.0

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Look at the clock."""
        self._began = time.monotonic()

    @hook_impl
    def after_pipeline_run(
        self, pipeline: "Pipeline", catalog: "CatalogProtocol[Any, Any]"
    ) -> None:
        """Sum up what the window has in the database, and say what is missing.

        Raises:
            IncompleteRunError: If granules could not be fetched; or if there are gaps and
                ``ingestion.gaps`` is ``error``. Everything that was there is loaded.
        """
        entries = [catalog.get(name) for name in ("raw_granules", "flash_series")]
        failures = [text for entry in entries for text in getattr(entry, "failures", ())]
        if "load" in {node.name for node in pipeline.nodes}:
            parameters = catalog.load("parameters")
            hours = archive_hours(window_segments(parameters))
            summary = catalog.load("loaded_granules").summarise(hours)
            logger.info("%s, %.1f s", summary, time.monotonic() - self._began)
            if summary.gaps and parameters["ingestion"]["gaps"] == "error":
                failures.append(f"The window has gaps, and ingestion.gaps is error: {summary.gaps}")
        if failures:
            raise IncompleteRunError(_list_failures(failures))


def _list_failures(failures: list[str]) -> str:
    """One message for all that failed; the log has had each."""
    for failure in failures:
        logger.error("%s", failure)
    shown = "\n".join(f"  {failure}" for failure in failures[:MAX_SHOWN])
    more = f"\n  and {len(failures) - MAX_SHOWN} more" if len(failures) > MAX_SHOWN else ""
    return (
        f"The run is incomplete, everything else is loaded; run it again to fill in:\n{shown}{more}"
    )
