"""What happens around a run: checks and locks before it, what is missing after it."""

import logging
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from kedro.framework.hooks import hook_impl

from lightning_kedro.exceptions import IncompleteRunError, PartialRunError
from lightning_kedro.granules.hours import archive_hours
from lightning_kedro.parameters import check_parameters, name_intermediates
from lightning_kedro.selection import read_segments
from lightning_kedro.unchanged import REMAKE, Unchanged

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from lightning_kedro.granules.ports import RawGranules
    from lightning_kedro.granules.record import HourReport

logger = logging.getLogger(__name__)

REPORTS: Final = ("load_report", "decode_report", "hour_report")
"""The reports that the nodes of ingestion give, the latest first."""

PARTIAL: Final = (
    *("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs", "namespaces"),
    "only_missing_outputs",
)
"""What Kedro calls the options that leave out some of the nodes."""

UNCHANGED: Final = "params:unchanged"

MAX_SHOWN: Final = 20
"""How many failures an error names; the log names them all."""


class CheckedParameters(dict[str, Any]):
    """Parameters that have been checked, by which a second look knows them."""


class CheckParameters:
    """Puts the checked parameters in the place of the configured ones.

    Once for a context: plugins such as kedro-dagster let the hook look at one again.
    """

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Check every parameter and say what ``now`` means, once for the whole run.

        Raises:
            ParameterError: If a name does not exist or a value cannot be used.
        """
        configured = context.config_loader["parameters"]
        if isinstance(configured, CheckedParameters):
            return
        now = datetime.now(UTC).replace(microsecond=0)
        checked = check_parameters(configured, now=now)
        loader = context.config_loader
        loader["parameters"] = CheckedParameters(checked)
        # What the catalog may ask for, by ${runtime_params:...}: whose run it is, and of what.
        facts = {"session": uuid4().hex, "made_for": name_intermediates(checked)}
        if checked["archive"] is not None:  # it may stand in a file of parameters too
            facts["archive"] = checked["archive"]
        if checked["climatology"]["folder"] is not None:
            facts["climatology_folder"] = checked["climatology"]["folder"]
        loader.runtime_params = {**(loader.runtime_params or {}), **facts}


class CheckInputs:
    """Refuses a run of some nodes on what only stays in memory, before anything runs."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, pipeline: "Pipeline", catalog: "CatalogProtocol[Any, Any]"
    ) -> None:
        """Look at what the run takes and does not make.

        Raises:
            PartialRunError: If something of it stays in memory, and nobody has put it there.
        """
        from kedro.io import MemoryDataset

        for name in sorted(pipeline.inputs()):
            entry = catalog.get(name)
            if isinstance(entry, MemoryDataset) and not entry.exists():
                message = (
                    f"{name} stays in memory in this environment, so that only a run which "
                    f"makes it can use it: run the nodes before it too, or the whole "
                    f"pipeline (`kedro run`)."
                )
                raise PartialRunError(message)


class MakeWhatIsAskedFor:
    """Makes again what a run of some of the nodes asks for, whether it has changed or not.

    Nothing is kept in such a run: who names a node wants what it makes, for the nodes after it.
    """

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], catalog: "CatalogProtocol[Any, Any]"
    ) -> None:
        """Set the parameter ``unchanged`` of a run of some nodes."""
        entry = catalog.get(UNCHANGED)
        if entry is not None and any(run_params.get(name) for name in PARTIAL):
            entry.save(REMAKE)


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
    def after_dataset_saved(self, dataset_name: str, data: object, node: "Node") -> None:
        """Say it after the last output; nothing of a node that had nothing to do."""
        if dataset_name == node.outputs[-1]:
            began = self._began.pop(node.name, time.monotonic())
            if isinstance(data, Unchanged):
                return
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


def find_folders(catalog: "CatalogProtocol[Any, Any]", names: Iterable[str]) -> list[Path]:
    """The folders by archive hour of some catalog entries, in the order in which they are locked.

    Args:
        catalog: The catalog.
        names: The entries that count; those that keep no files by archive hour are left out.
    """
    from lightning_kedro.datasets.hour_folder import HourFolder

    entries = (catalog.get(name) for name in sorted(names))
    folders = (entry.hour_folders() for entry in entries if isinstance(entry, HourFolder))
    return [folder for some in folders for folder in some]


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
        failures = find_failures(catalog)
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
        failures = find_failures(catalog)
        if failures:
            logger.error(
                "Before the run ended, %d granules or hours could not be fetched:\n%s",
                len(failures),
                _list_failures(failures),
            )


class SummariseReport:
    """Ends a run that reported something with where the report is, whatever else is said."""

    @hook_impl(wrapper=True)
    def after_pipeline_run(
        self, pipeline: "Pipeline", catalog: "CatalogProtocol[Any, Any]"
    ) -> Generator[None, Any, Any]:
        """Say it last: other hooks run before, also one that ends an incomplete run."""
        try:
            return (yield)
        finally:
            if "report" in pipeline.datasets():
                text = describe_report(catalog)
                if text:
                    logger.info("%s", text)


def describe_report(catalog: "CatalogProtocol[Any, Any]") -> str:
    """Where the report of the run's selection is, and how many flashes it is of; else ""."""
    from lightning_kedro.datasets.report import ReportDataset
    from lightning_kedro.store.reports import PAGE, read_card

    entry, selection = catalog.get("report"), catalog.get("params:selection")
    if not isinstance(entry, ReportDataset) or selection is None:
        return ""
    folder = entry.folder / selection.load()["name"]
    card = read_card(folder)
    if card is None:
        return ""
    page = folder / PAGE
    if page.is_relative_to(Path.cwd()):
        page = page.relative_to(Path.cwd())
    noun = "flash" if card.n_flashes == 1 else "flashes"
    return f"Report of {card.n_flashes:,} {noun} in the window: {page}"


def find_failures(catalog: "CatalogProtocol[Any, Any]") -> list[str]:
    """What could not be done in a run, by the latest of its reports; it is in the log already.

    Before ``load`` has given its report nobody has looked for what was not fetched.
    """
    name = next((name for name in REPORTS if _has(catalog, name)), None)
    failures: list[str] = []
    if name is not None:
        fetched = None if name == REPORTS[0] else "raw_granules"
        failures += _list_missing(catalog, name, fetched)
    if _has(catalog, "grid_report"):
        failures += _list_missing(catalog, "grid_report", "grid_granules")
    return failures


def _list_missing(
    catalog: "CatalogProtocol[Any, Any]", report_name: str, fetched: str | None
) -> list[str]:
    """The failures of a report, and of what was fetched, if nobody has looked for those yet."""
    report: HourReport = catalog.load(report_name)
    failures = list(report.failures)
    if fetched is not None and _has(catalog, fetched):
        raw: RawGranules = catalog.load(fetched)
        failures += raw.find_missed(report.wanted).values()
    return failures


def _has(catalog: "CatalogProtocol[Any, Any]", name: str) -> bool:
    """Whether a catalog has something to load under a name."""
    return name in catalog and catalog.exists(name)


def _list_failures(failures: list[str]) -> str:
    """One message for all that failed."""
    shown = "\n".join(f"  {failure}" for failure in failures[:MAX_SHOWN])
    more = f"\n  and {len(failures) - MAX_SHOWN} more" if len(failures) > MAX_SHOWN else ""
    return f"{shown}{more}"
