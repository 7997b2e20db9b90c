"""The project's errors: one root, and a child for each thing that a caller would do differently.

Every message is one or two sentences that name the parameter, file or key, what was given, and
what to do. ``kedro run`` prints the message alone, without a traceback, and exits with status 1.
"""

from typing import Final

MAX_REASON: Final = 300
"""Characters of the reason why a granule is corrupt, at most: it may quote what is in the file."""


class LightningKedroError(Exception):
    """Root of all errors that the project raises on purpose."""


class ParameterError(LightningKedroError):
    """A parameter has a value or a name that cannot be used: the caller changes the parameter."""


class ArchiveError(LightningKedroError):
    """The archive, or a granule of it, cannot be read now, or holds nothing that was asked for."""


class StorageError(LightningKedroError):
    """The disk is full or cannot be written to."""


class IncompleteRunError(LightningKedroError):
    """A run did what it could, but something is missing that the caller should know of."""


class CorruptGranuleError(LightningKedroError):
    """A granule's file cannot be trusted; the message is the reason stored with its key.

    The reason is one line of at most ``MAX_REASON`` printable characters, whatever it quotes.
    """

    def __init__(self, reason: str) -> None:
        """Tidy the reason: it goes into tables and onto terminals."""
        start = reason[: MAX_REASON + 1]
        line = "".join(letter if letter.isprintable() else " " for letter in start)
        super().__init__(line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 3]}...")


class TableError(LightningKedroError):
    """A table is missing, locked or unlike its schema."""


class NoFlashesError(LightningKedroError):
    """There are too few flashes for what was asked, often because the window is quiet."""


class NoResultError(LightningKedroError):
    """There is no result of what was asked for: clustering has to come first."""


class PartialRunError(LightningKedroError):
    """A run of some nodes wants what only an earlier node of the same run makes."""
