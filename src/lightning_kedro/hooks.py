"""What happens around a run: checks and locks before it, what is missing after it."""

import logging
import time
from collections.abc import Container
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from kedro.framework.hooks import hook_impl

from lightning_kedro.exceptions import IncompleteRunError
from lightning_kedro.granules.hours import archive_hours
from lightning_kedro.parameters import check_parameters, name_intermediates
from lightning_kedro.selection import read_segments

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

FOLDER_ENTRIES: Final = ("raw_granules", "flash_series")
"""The catalog entries that keep files by archive hour, and note what they could not fetch."""

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
        checked = check_parameters(configured, now=now)
        loader = context.config_loader
        loader["parameters"] = checked
        # What the catalog may ask for, by ${runtime_params:...}: whose run it is, and of what.
        facts = {"session": uuid4().hex, "made_for": name_intermediates(checked)}
        if checked["archive"] is not None:  # it may stand in a file of parameters too
            facts["archive"] = checked["archive"]
        loader.runtime_params = {**(loader.runtime_params or {}), **facts}


class LogSteps:
    """Says of each node, when all that it made is saved, how long it took."""

    def __init__(self) -> None:
        """Start with no node."""
        self._began: dict[str, float] = {}

    @hook_impl
    def before_dataset_loaded(self, node: "Node") -> None:
        """Look at the clock when the first input of a node is loaded."""
        self._began.setdefault(node.name, time.monotonic())

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: "Node") -> None:
        """Say it after the last output."""
        if dataset_name == node.outputs[-1]:
            began = self._began.pop(node.name, time.monotonic())
            logger.info("%s: %.1f s", node.name, time.monotonic() - began)


class LockData:
    """Keeps ``kedro prune`` away from granules and CSV files while a run of ingestion needs them.

    Runs share the lock, which ends with the process that holds it whatever happens to it.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._locks = ExitStack()

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, pipeline: "Pipeline", catalog: "CatalogProtocol[Any, Any]"
    ) -> None:
        """Take the lock on each folder that the run reads or writes.

        Raises:
            StorageError: If the folders cannot be made, or old files are dropped for minutes.
        """
        from lightning_kedro.store.files import lock_folder

        self._locks.close()  # a run before this one in the same process may have been interrupted
        with ExitStack() as locks:
            for folder in find_folders(catalog, pipeline.datasets()):
                locks.enter_context(lock_folder(folder, shared=True))
            self._locks = locks.pop_all()

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Let go."""
        self._locks.close()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Let go."""
        self._locks.close()


def find_folders(catalog: "CatalogProtocol[Any, Any]", names: Container[str]) -> list[Path]:
    """The folders by archive hour of some catalog entries.

    An entry that streams has none, and one that reads an archive in place makes none.

    Args:
        catalog: The catalog.
        names: The entries that count.

    Returns:
        Those of the granules and of the CSV files, in the order in which they are locked.
    """
    folders = []
    for entry in (catalog.get(name) for name in FOLDER_ENTRIES if name in names):
        folder: Path | None = getattr(entry, "folder", None)
        if folder is not None and (folder.is_dir() or not getattr(entry, "reads_in_place", False)):
            folders.append(folder)
    return folders


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
        failures = _find_failures(catalog)
        if "load" in {node.name for node in pipeline.nodes}:
            parameters = catalog.load("parameters")
            hours = archive_hours(read_segments(parameters["selection"]["segments"]))
            summary = catalog.load("loaded_granules").summarise(hours)
            logger.info("%s, %.1f s", summary, time.monotonic() - self._began)
            if summary.gaps and parameters["ingestion"]["gaps"] == "error":
                failures.append(f"The window has gaps, and ingestion.gaps is error: {summary.gaps}")
        if failures:
            message = (
                f"The run is incomplete, everything else is loaded; run it again to fill in:\n"
                f"{_list_failures(failures)}"
            )
            raise IncompleteRunError(message)

    @hook_impl
    def on_pipeline_error(self, catalog: "CatalogProtocol[Any, Any]") -> None:
        """Name what could not be fetched also when something else ends the run.

        It may be the reason: flashes that did not come cannot be clustered.
        """
        failures = _find_failures(catalog)
        if failures:
            logger.error(
                "Before the run ended, %d granules or hours could not be fetched:\n%s",
                len(failures),
                _list_failures(failures),
            )


def _find_failures(catalog: "CatalogProtocol[Any, Any]") -> list[str]:
    """What the entries of a run could not fetch, and why; it is in the log already."""
    entries = [catalog.get(name) for name in FOLDER_ENTRIES]
    return [text for entry in entries for text in getattr(entry, "failures", ())]


def _list_failures(failures: list[str]) -> str:
    """One message for all that failed."""
    shown = "\n".join(f"  {failure}" for failure in failures[:MAX_SHOWN])
    more = f"\n  and {len(failures) - MAX_SHOWN} more" if len(failures) > MAX_SHOWN else ""
    return f"{shown}{more}"
