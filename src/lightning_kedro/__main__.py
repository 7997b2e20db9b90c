"""``lightning-kedro``, and ``python -m lightning_kedro``: the commands in any folder.

Kedro's own convention for packaged projects holds too: options without a verb are those of
``run``, and ``python -m lightning_kedro`` alone runs everything.
"""

import sys
from typing import Final

from lightning_kedro.packaged import PROGRAM, choose_logging

_OF_THE_GROUP: Final = ("-h", "--help", "--version")


def main() -> None:
    """``lightning-kedro``: a verb and its options; alone it lists the verbs."""
    _start(sys.argv[1:] or ["--help"])


def _start(arguments: list[str]) -> None:
    """Choose how to log before Kedro is imported, and hand over to the verb."""
    choose_logging()
    from lightning_kedro.cli import cli

    if arguments[0].startswith("-") and arguments[0] not in _OF_THE_GROUP:
        arguments = ["run", *arguments]
    cli(args=arguments, prog_name=PROGRAM)


if __name__ == "__main__":
    _start(sys.argv[1:] or ["run"])
