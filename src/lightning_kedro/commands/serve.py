"""``serve``: the dashboard in a browser."""

from typing import TYPE_CHECKING, cast

import click

from lightning_kedro.commands.errors import plain_errors

if TYPE_CHECKING:
    from lightning_kedro.datasets.report import ReportDataset


@click.command(name="serve")
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
    from lightning_kedro.commands.catalog import open_catalog
    from lightning_kedro.dashboard import server

    with plain_errors():
        with open_catalog(env) as catalog:
            results = catalog.load("k_selection")  # a lazy handle: nothing is opened
            database, lake = results.path, getattr(results, "lake", None)
            reports = cast("ReportDataset", catalog.get("report")).folder
        server.serve(database, reports, host, port, env, click.echo, opens=opens, lake=lake)
