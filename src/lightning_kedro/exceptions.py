"""The project's errors: one root, and a child for each thing that a caller would do differently.

Every message is one or two sentences that name the parameter, file or key, what was given, and
what to do. ``kedro run`` prints the message alone, without a traceback, and exits with status 1.

Keys and servers' messages come from outside: ``printable`` is the one place that makes them fit for
logs and terminals.
"""

from typing import Final

MAX_REASON: Final = 300
"""Characters of the reason why a granule is corrupt, at most: it may quote what is in the file."""


MAX_QUOTED: Final = 300
"""Characters of a key or of a server's message that are printed, at most."""

MAX_ARCHIVE_MESSAGE: Final = 1500
"""Characters of an error of the archive, at most: it may quote a key and a server."""


def printable(text: object, limit: int = MAX_QUOTED) -> str:
    r"""Write text from outside as one line that does nothing to a terminal.

    Args:
        text: A key, a server's message, or an error that quotes them.
        limit: The length of the result in characters, at most.

    Returns:
        The text with every character escaped that is not printable: control characters (so that
        ANSI sequences and line breaks are inert), bidi controls, other invisible ones, and lone
        surrogates. What is escaped already stays as it is.

    Example:
        >>> printable("a\x1b[2J\nb")
        'a\\x1b[2J\\nb'
    """
    start = str(text)[: limit + 1]
    line = "".join(letter if letter.isprintable() else _escape(letter) for letter in start)
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def _escape(letter: str) -> str:
    """A character as a Python literal shows it."""
    return letter.encode("unicode_escape").decode("ascii")


class LightningKedroError(Exception):
    """Root of all errors that the project raises on purpose."""


class ParameterError(LightningKedroError):
    """A parameter has a value or a name that cannot be used: the caller changes the parameter."""


class ArchiveError(LightningKedroError):
    """The archive, or a granule of it, cannot be read now, or holds nothing that was asked for.

    The message is one line of printable characters of bounded length, whatever it quotes.
    """

    def __init__(self, message: str) -> None:
        """Make the message fit for logs and terminals: it quotes keys and servers."""
        super().__init__(printable(message, MAX_ARCHIVE_MESSAGE))


class UnlistableArchiveError(ArchiveError):
    """Nobody can say what the archive holds: its folders are not listed, or lie elsewhere.

    Unlike an hour without granules this says nothing about what the satellite made.
    """


class StorageError(LightningKedroError):
    """The disk is full or cannot be written to."""


class IncompleteRunError(LightningKedroError):
    """A run did what it could, but something is missing that the caller should know of."""


class ClusterError(LightningKedroError):
    """Workers of a cluster cannot be reached, or did not come to an end: the caller runs again."""


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


class DatabaseBusyError(TableError):
    """Another process had the database for longer than the caller waits: it may try again.

    Attributes:
        holder: Which process, as far as that is known.
    """

    def __init__(self, message: str, holder: str = "another process") -> None:
        """Keep who has it, for callers that do something else instead."""
        super().__init__(message)
        self.holder = holder


class NoFlashesError(LightningKedroError):
    """There are too few flashes for what was asked, often because the window is quiet."""


class NoResultError(LightningKedroError):
    """There is no result of what was asked for: clustering has to come first."""


class PartialRunError(LightningKedroError):
    """A run of some nodes wants what only an earlier node of the same run makes."""
