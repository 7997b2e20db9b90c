"""``watch``: the job again and again in one process."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lightning_kedro.commands.errors import explain_error, plain_errors
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.packaged import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightning_kedro.watching.health import Health

PIPELINES: Final = "ingestion,sky,storms,clustering,reporting"


@click.command(name="watch")
@click.option("--every", default="60s", show_default=True, help="How often: 30s, 60s, 5m.")
@click.option(
    "--window",
    default="1h",
    show_default=True,
    help="How far back from now each lap looks: 10m, 1h, 2d. window.start and window.end among "
    "--params stand instead.",
)
@click.option(
    "--late", default="1h", show_default=True, help="Ingest so much further back: late granules."
)
@click.option("--pipelines", default=PIPELINES, show_default=True, help="What each lap runs.")
@click.option("--env", "-e", default=None, help="Kedro environment.")
@click.option("--params", default="", help="Parameters as in `kedro run`: satellite=east,a.b=c.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Results of so many windows stay, of those with the watch's label; 0: all.",
)
@click.option(
    "--restart-after",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Begin the process anew after so many laps, for its memory; 0: never.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Serve Prometheus metrics at this port of 127.0.0.1; 0: any free one.",
)
@click.option(
    "--metrics-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write them to this file after each lap (node_exporter's textfile collector: *.prom).",
)
@click.option("--verbose", "-v", is_flag=True, help="Log every node, not only a line a lap.")
@click.option("--resumed", default=None, hidden=True)
def watch(**options: Any) -> None:  # noqa: ANN401
    """Run the job for a window that ends now, again and again.

    A lap that finds nothing new ends at once. One that fails is said in a sentence, and tried again
    later. Ctrl+C or SIGTERM ends the watch after the node that is at work, a second one at once.
    """
    with plain_errors():
        arguments = run_watch(options)
        if arguments is not None:
            from lightning_kedro.watching.loop import begin_anew

            begin_anew(arguments)


def run_watch(options: "Mapping[str, Any]") -> list[str] | None:
    """Watch until told to stop.

    Args:
        options: The options by the name of their argument.

    Returns:
        The arguments with which the process is to begin anew; None if it was told to stop.

    Raises:
        LightningKedroError: If an option or a parameter cannot be used.
    """
    from kedro.framework import project
    from kedro.framework.cli.utils import _split_params

    from lightning_kedro.project import list_environments
    from lightning_kedro.run_options import check_run_options
    from lightning_kedro.watching.job import WindowJob
    from lightning_kedro.watching.loop import Stop, Watch, handle_signals, limit_arenas
    from lightning_kedro.watching.schedule import Schedule, SystemClock, parse_length

    if project.PACKAGE_NAME is None:  # not started by `kedro`
        project.configure_project(PACKAGE)
    context = click.get_current_context()
    pipelines = [name.strip() for name in options["pipelines"].split(",") if name.strip()]
    check_run_options({"env": options["env"], "pipelines": pipelines}, list_environments())
    every = parse_length("--every", options["every"])
    if not every:
        raise ParameterError(f"Option --every: {options['every']!r} is no time at all; give 60s.")
    stop, clock = Stop(), SystemClock()
    job = WindowJob(
        env=options["env"],
        params=_split_params(context, context.command.params[5], options["params"]),
        window=_check_length("--window", options["window"]),
        late=parse_length("--late", options["late"]),
        pipelines=pipelines,
        keep=options["keep"],
        is_stopped=stop,
        state=options["resumed"] or "",
    )
    limit_arenas()
    if not options["verbose"]:
        quieten()
    with handle_signals(stop), ExitStack() as stack:
        job.check(clock.now())
        watching = Watch(job, Schedule(every), clock, stop, explain_error, options["restart_after"])
        watching.report = _make_report(options["metrics_file"])
        if options["metrics_port"] is not None:
            _serve(stack, options["metrics_port"], watching.health)
        goes_on = watching.run(waits_first=options["resumed"] is not None)
    return write_arguments(options, job.state) if goes_on else None


def _check_length(option: str, text: str) -> str:
    """A length of a window as times write it; seconds are too fine."""
    from lightning_kedro.watching.schedule import parse_length

    length = parse_length(option, text)
    if not length or length.total_seconds() % 60:
        message = f"Option {option}: {text!r} is no number of minutes; give 10m, 1h or 2d."
        raise ParameterError(message)
    return f"{length.total_seconds() / 60:.0f}m"


def _make_report(path: Path | None) -> "Callable[[Health], None]":
    """What is told of the health after each lap."""
    from lightning_kedro.watching.metrics import write_metrics

    def report(health: "Health") -> None:
        if path is not None:
            write_metrics(path, health.to_prometheus())

    return report


def _serve(stack: ExitStack, port: int, health: "Health") -> None:
    """Serve metrics until the end."""
    from lightning_kedro.watching.metrics import serve_metrics

    address = stack.enter_context(serve_metrics(port, health.to_prometheus))
    click.echo(f"Metrics: {address}")


def quieten() -> None:
    """Log a line a lap, and what is a warning; every node would be ten lines a minute."""
    for name in ("kedro", "kedro_viz"):  # the watch says itself what failed
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger(PACKAGE).setLevel(logging.WARNING)
    logging.getLogger(f"{PACKAGE}.watching").setLevel(logging.INFO)


def write_arguments(options: "Mapping[str, Any]", state: str) -> list[str]:
    """The command line of a watch that goes on where this one has left off.

    Args:
        options: The options by the name of their argument.
        state: What tells what was published last from anything else.
    """
    words = ["watch"]
    for name, value in {**options, "resumed": state}.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] if value else []
        elif value is not None:
            words += [option, str(value)]
    return words
