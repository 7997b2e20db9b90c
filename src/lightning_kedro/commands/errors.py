"""Errors on the command line: one or two sentences, and status 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from lightning_kedro.exceptions import LightningKedroError
from lightning_kedro.packaged import PROGRAM


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show the project's own errors without a traceback."""
    from yaml import YAMLError

    try:
        yield
    except YAMLError as error:  # what Kedro raises of a file in conf/ that is no YAML
        raise click.ClickException(f"{' '.join(str(error).split())}. Mend the file.") from None
    except Exception as error:
        message = explain_error(error)
        if not message:
            raise
        raise click.ClickException(_name_program(message)) from None


def explain_error(error: BaseException) -> str:
    """What to say of an error, which may have been wrapped; "" for those that nobody foresaw."""
    told = (_explain(cause) for cause in _causes(error))
    return next((message for message in told if message), "")


def _name_program(message: str) -> str:
    """A message that tells to run the program that is running: outside of projects no ``kedro``."""
    context = click.get_current_context(silent=True)
    if context is None or context.find_root().info_name != PROGRAM:
        return message
    return message.replace("`kedro ", f"`{PROGRAM} ")


def _explain(error: BaseException) -> str:
    """What to say of an error; "" for those that nobody foresaw."""
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, LightningKedroError):
        return str(error)
    if isinstance(error, OmegaConfBaseException):
        return (
            f"A file of conf/ asks for what there is not: {str(error).splitlines()[0]}. Mend the "
            f"file; a name that has ${{ in it is written with \\${{ there."
        )
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: Kedro wraps what datasets raise.

    What was merely being handled meanwhile (``__context__``) is another matter.
    """
    while error is not None:
        yield error
        error = error.__cause__
