"""The commands: Kedro shows them as ``kedro run`` and so on in a project's folder.

Anywhere else ``lightning-kedro`` has them. Each verb is a module of ``lightning_kedro.commands``.
"""

import click

from lightning_kedro import __version__
from lightning_kedro.commands.climatology import climatology
from lightning_kedro.commands.export import export
from lightning_kedro.commands.init import init
from lightning_kedro.commands.prune import prune
from lightning_kedro.commands.run import run
from lightning_kedro.commands.serve import serve
from lightning_kedro.commands.watch import watch

__all__ = ["cli", "climatology", "export", "init", "prune", "run", "serve", "watch"]


@click.group(name="lightning_kedro")
@click.version_option(__version__, package_name="lightning_kedro", prog_name="lightning_kedro")
def cli() -> None:
    """NOAA's GLM lightning, from the public archive to clustered flashes on a map."""


for _verb in (run, watch, export, climatology, serve, prune, init):
    cli.add_command(_verb)
