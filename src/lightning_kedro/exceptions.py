"""The project's errors: one root, and a child for each thing that a caller would do differently.

Every message is one or two sentences that name the parameter, file or key, what was given, and
what to do. ``kedro run`` prints the message alone, without a traceback, and exits with status 1.
"""


class LightningKedroError(Exception):
    """Root of all errors that the project raises on purpose."""


class ParameterError(LightningKedroError):
    """A parameter has a value or a name that cannot be used: the caller changes the parameter."""


class ArchiveError(LightningKedroError):
    """The archive cannot be reached or holds nothing that was asked for."""


class StorageError(LightningKedroError):
    """The disk is full or cannot be written to."""


class IncompleteRunError(LightningKedroError):
    """A run did what it could, but something is missing that the caller should know of."""


class CorruptGranuleError(LightningKedroError):
    """A granule's file cannot be trusted; the message is the reason stored with its key."""


class TableError(LightningKedroError):
    """A table is missing, locked or unlike its schema."""


class NoFlashesError(LightningKedroError):
    """There are too few flashes for what was asked, often because the window is quiet."""
