"""The pipelines as assets of Dagster: ``dagster dev -m lightning_kedro.definitions``.

Every pipeline is a step whose assets are what the pipeline makes, once by the hour and once by the
day: ``hour/flashes`` has a partition for each hour, ``day/flashes`` for each day. A step is one
``kedro run`` in a process of its own, over the window of its partition, and its one-sentence error
is what Dagster shows. All steps are in one pool, for which deploy/dagster.yaml has one place: the
database has one writer.
"""

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from kedro.pipeline import Pipeline

from lightning_kedro.pipeline_registry import register_pipelines

FIRST: Final = datetime(2018, 1, 1, tzinfo=UTC)
"""GOES-16 is operational from 2017-12-18 on."""

POOL: Final = "lightning_database"

STEPS: Final = ("ingestion", "sky", "storms", "clustering", "reporting")

NO_ASSETS: Final = ("load_report",)
"""What passes between nodes and hooks, and is of no use afterwards."""

SPANS: Final[Mapping[str, dg.TimeWindowPartitionsDefinition]] = {
    "hour": dg.HourlyPartitionsDefinition(start_date=FIRST),
    "day": dg.DailyPartitionsDefinition(start_date=FIRST),
}

CONFIG: Final = {
    "env": dg.Field(
        str,
        default_value=os.environ.get("LIGHTNING_KEDRO_ENV", ""),
        description="The Kedro environment; the usual one if empty.",
    ),
    "params": dg.Field(
        str,
        default_value=os.environ.get("LIGHTNING_KEDRO_PARAMS", ""),
        description="As in `kedro run --params`: satellite=east,clustering.k_max=30.",
    ),
    "gaps": dg.Field(
        dg.Enum("Gaps", [dg.EnumValue("error"), dg.EnumValue("allow")]),
        default_value="error",
        description="error: a window of which the archive lacks a granule is red, though loaded.",
    ),
}
"""What can be set for each run, and for all of them by environment variables."""

_LAST_LINES: Final = 20
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def make_step(span: str, name: str, pipeline: Pipeline) -> dg.AssetsDefinition:
    """The assets that a pipeline makes for each partition, all by one run.

    Args:
        span: ``hour`` or ``day``.
        name: The pipeline's name.
        pipeline: The pipeline; what it takes from others are the assets' dependencies.
    """
    inputs = sorted(one for one in pipeline.inputs() if one in _made_by_others(name))
    specs = [
        dg.AssetSpec([span, output], deps=[[span, one] for one in inputs], kinds={"duckdb"})
        for output in sorted(pipeline.outputs() - {*NO_ASSETS})
    ]

    def run_partition(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        window = context.partition_time_window
        command = write_command(
            name, window.start, window.end, context.op_execution_context.op_config
        )
        metadata = run_command(context, command)
        for spec in specs:
            yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)

    step = dg.multi_asset(
        name=f"{span}_{name}",
        specs=specs,
        partitions_def=SPANS[span],
        config_schema=CONFIG,
        group_name=span,
        pool=POOL,
        description=f"`kedro run --pipelines {name}` for each {span}.",
    )
    return step(run_partition)


def _made_by_others(name: str) -> set[str]:
    """What the other steps make."""
    pipelines = register_pipelines()
    return {one for step in STEPS if step != name for one in pipelines[step].outputs()}


def write_command(
    name: str, start: datetime, end: datetime, config: Mapping[str, str]
) -> list[str]:
    """The run of a pipeline for a window, as a command line."""
    sides = {"start": start, "end": end}
    window = [f"window.{side}={time:%Y-%m-%dT%H:%M}" for side, time in sides.items()]
    gaps = [f"ingestion.gaps={config['gaps']}"]
    params = ",".join([*filter(None, [config["params"]]), *gaps, *window])
    env = ["--env", config["env"]] if config["env"] else []
    return ["run", "--pipelines", name, *env, "--params", params]


def run_command(context: dg.AssetExecutionContext, command: list[str]) -> dict[str, Any]:
    """Run a command of the project in a process of its own; its log is the step's.

    Returns:
        What Dagster shows of it.

    Raises:
        Failure: With the command's own error, if it fails.
    """
    began, last = time.monotonic(), deque[str](maxlen=_LAST_LINES)
    process = subprocess.Popen(  # noqa: S603  (this interpreter and this package)
        [sys.executable, "-m", "lightning_kedro", *command],
        cwd=os.environ.get("LIGHTNING_KEDRO_FOLDER") or None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            for line in process.stdout or ():
                text = _ANSI.sub("", line).rstrip()
                if text:
                    last.append(text)
                    context.log.info(text)
            status = process.wait()
        finally:  # also when Dagster is told to end the run: what is done so far stands
            process.terminate()
    metadata = {
        "command": dg.MetadataValue.text(f"kedro {' '.join(command)}"),
        "seconds": dg.MetadataValue.float(round(time.monotonic() - began, 1)),
        "log": dg.MetadataValue.md("\n".join(["```", *last, "```"])),
    }
    if status:
        raise dg.Failure(find_error(last, status), metadata=metadata, allow_retries=False)
    return metadata


def find_error(lines: Iterable[str], status: int) -> str:
    """The error with which a run has ended, in its own words."""
    text = "\n".join(lines)
    _, found, error = text.rpartition("Error: ")
    return error if found else f"The run has ended with status {status}: its log says why."


def make_definitions() -> dg.Definitions:
    """All assets, a job for each span, and its schedule."""
    pipelines = register_pipelines()
    assets = [make_step(span, name, pipelines[name]) for span in SPANS for name in STEPS]
    jobs = {
        span: dg.define_asset_job(
            f"{span}_job",
            dg.AssetSelection.groups(span),
            executor_def=dg.in_process_executor,  # each step is a process of its own already
        )
        for span in SPANS
    }
    schedules = [
        dg.build_schedule_from_partitioned_job(jobs["hour"], minute_of_hour=5),
        dg.build_schedule_from_partitioned_job(jobs["day"], hour_of_day=1, minute_of_hour=30),
    ]
    return dg.Definitions(assets=assets, jobs=[*jobs.values()], schedules=schedules)


defs = make_definitions()
