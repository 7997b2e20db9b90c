"""``run``: Kedro's own, with errors of one or two sentences."""

import gc
from typing import Any, Final

import click

from lightning_kedro.commands.errors import plain_errors
from lightning_kedro.packaged import PACKAGE

_COLLECT_AFTER: Final = 20_000
"""New objects after which Python looks for cycles of garbage; its own 700 or 2,000 are for small
programs. Matplotlib makes a hundred thousand objects a picture."""


class _KedroRun(click.Command):
    """A command with the options of ``kedro run``, which are looked up when they are needed.

    Kedro takes half a second to import: ``--help`` of the other commands must not wait for it.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The options of Kedro's own command, and ``--help``."""
        from kedro.framework.cli.project import run as kedro_run

        self.params = kedro_run.params
        return super().get_params(ctx)


@click.command(name="run", cls=_KedroRun, help="Run the pipelines: the whole job, or a part of it.")
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Invoke Kedro's command, in a project or anywhere else."""
    from kedro.framework import project
    from kedro.framework.cli.project import run as kedro_run

    from lightning_kedro.project import list_environments
    from lightning_kedro.run_options import check_run_options

    if project.PACKAGE_NAME is None:  # not started by `kedro`
        project.configure_project(PACKAGE)
    with plain_errors():
        check_run_options(options, list_environments(options.get("conf_source")))
        _spare_collections()
        context.invoke(kedro_run, **options)


def _spare_collections() -> None:
    """Exclude what is imported by now from later searches for garbage: a tenth of a run's time.

    Once a process: what another run in it has left behind shall be found.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
