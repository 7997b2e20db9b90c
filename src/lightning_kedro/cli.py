"""``kedro run`` as Kedro has it, except that errors of the project's are one or two sentences."""

from collections.abc import Iterator
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from lightning_kedro.exceptions import LightningKedroError


@click.group(name="lightning_kedro")
def cli() -> None:
    """Commands of lightning_kedro."""


@cli.command(name="run", params=kedro_run.params, help=kedro_run.help)
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Run the pipeline."""
    try:
        context.invoke(kedro_run, **options)
    except Exception as error:
        own = next(
            (cause for cause in _causes(error) if isinstance(cause, LightningKedroError)), None
        )
        if own is None:
            raise
        raise click.ClickException(str(own)) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it: Kedro wraps what datasets raise."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
