"""``prune``: dropping old files."""

import click

from lightning_kedro.commands.errors import plain_errors


@click.command(name="prune")
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
    under way is waited for, for half a minute. With --env dask also what the lake has had for so
    many days without naming it any more; no row that counts is ever dropped.
    """
    from kedro.framework.project import pipelines

    from lightning_kedro.commands.catalog import open_catalog
    from lightning_kedro.hooks import find_folders
    from lightning_kedro.store.retention import prune_hours

    with plain_errors():
        with open_catalog(env) as catalog:
            folders = find_folders(catalog, pipelines["ingestion"].datasets())
            sweep = getattr(catalog.get("flashes"), "sweep", None)  # a table of a lake has it
        pruned = prune_hours(folders, older_than_days=older_than_days, dry_run=dry_run)
        swept = None
        if sweep is not None:
            swept = len(sweep(older_than_days=older_than_days, dry_run=dry_run))
    verb = "Would drop" if dry_run else "Dropped"
    click.echo(f"{verb} {pruned}.")
    if swept is not None:
        click.echo(f"{verb} {swept} objects that the lake no longer names.")
