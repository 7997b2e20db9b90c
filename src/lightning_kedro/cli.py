"""``kedro run`` with errors of one or two sentences, ``kedro prune`` and ``kedro serve``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from kedro.framework.cli.project import run as kedro_run

from lightning_kedro.exceptions import LightningKedroError

if TYPE_CHECKING:
    from lightning_kedro.datasets.report import ReportDataset


@click.group(name="lightning_kedro")
def cli() -> None:
    """Commands of lightning_kedro."""


@cli.command(name="run", params=kedro_run.params, help=kedro_run.help)
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Run the pipeline."""
    with _plain_errors():
        context.invoke(kedro_run, **options)


@cli.command(name="prune")
@click.option(
    "--older-than-days",
    type=click.IntRange(min=0),
    required=True,
    help="Drop what belongs to archive hours that began more than so many days ago.",
)
@click.option("--env", "-e", default=None, help="Kedro environment whose data to prune.")
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
def prune(older_than_days: int, env: str | None, *, dry_run: bool) -> None:
    """Drop old granules and CSV files. The database is never touched.

    What is loaded stays loaded: a later run neither fetches nor reads it again. A run that is
    under way is waited for, for half a minute.
    """
    from kedro.framework.project import configure_project, pipelines
    from kedro.framework.session import KedroSession

    from lightning_kedro.hooks import find_folders
    from lightning_kedro.store.retention import prune_hours

    configure_project(Path(__file__).parent.name)
    with _plain_errors():
        with KedroSession.create(env=env) as session:
            catalog = cast("KedroSession", session).load_context().catalog
            folders = find_folders(catalog, pipelines["ingestion"].datasets())
        pruned = prune_hours(folders, older_than_days=older_than_days, dry_run=dry_run)
    click.echo(f"{'Would drop' if dry_run else 'Dropped'} {pruned}.")


@cli.command(name="serve")
@click.option("--env", "-e", default=None, help="Kedro environment whose data to show.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen to.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port; 0 takes any free one.  [default: 4180, or any free one if that is taken]",
)
@click.option("--open/--no-open", "opens", default=True, help="Open a browser.")
def serve(env: str | None, host: str, port: int | None, *, opens: bool) -> None:
    """Show windows, coverage, results and storms in a browser.

    The database is read, never written, and only for moments: runs go on meanwhile.
    """
    from kedro.framework.project import configure_project
    from kedro.framework.session import KedroSession

    from lightning_kedro.dashboard.server import serve as serve_dashboard

    configure_project(Path(__file__).parent.name)
    with _plain_errors():
        with KedroSession.create(env=env) as session:
            catalog = cast("KedroSession", session).load_context().catalog
            database = catalog.load("k_selection").path  # a lazy handle: nothing is opened
            reports = cast("ReportDataset", catalog.get("report")).folder
        serve_dashboard(database, reports, host, port, env, click.echo, opens=opens)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show the project's own errors without a traceback."""
    from yaml import YAMLError

    try:
        yield
    except YAMLError as error:  # what Kedro raises of a file in conf/ that is no YAML
        raise click.ClickException(f"{' '.join(str(error).split())}. Mend the file.") from None
    except Exception as error:
        own = [cause for cause in _causes(error) if isinstance(cause, LightningKedroError)]
        if not own:
            raise
        raise click.ClickException(str(own[0])) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: Kedro wraps what datasets raise.

    What was merely being handled meanwhile (``__context__``) is another matter.
    """
    while error is not None:
        yield error
        error = error.__cause__
