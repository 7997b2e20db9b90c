"""What HDF5's errors mean: a file that cannot be trusted, or a machine that could not read it.

The two must not be mixed up. A corrupt granule is put on record and not read again until it is made
anew; one that could not be read for want of memory or file descriptors, or because a disk or a
network drive failed, is as good as it was and is read by the next run.
"""

import errno
import os
import re
from typing import Final

from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError

HDF5_ERRORS: Final = (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError)
"""What h5py raises on files that are damaged, cut short or not HDF5 at all."""

_TRANSIENT: Final = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT),  # the disk or the network drive
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),  # the machine has no more to give
        *(errno.EACCES, errno.EPERM, errno.ENOENT),  # the folder: permissions, another process
    }
)
"""Errors of the system that say nothing about what is in the file."""

_ERRNO: Final = re.compile(r"errno = (\d+)")
"""Where HDF5 says which error of the system it met; only some of h5py's errors have ``errno``."""


def explain_failure(what: str, error: BaseException) -> CorruptGranuleError | ArchiveError:
    """Tell damage from trouble of the machine.

    Args:
        what: What went wrong, for the reader of the reason: ``attribute units cannot be read``.
        error: What HDF5, NumPy or Python raised.

    Returns:
        The error to raise: ``ArchiveError`` if the file may be sound, else ``CorruptGranuleError``.
        Memory counts as trouble of the machine: whatever is read here is bounded before memory is
        asked for, and what HDF5 cannot allocate for its own structures comes without errno.
    """
    number = _system_error(error)
    if number in _TRANSIENT:
        return ArchiveError(
            f"could not be read ({os.strerror(number)}), which says nothing about the granule. "
            f"See to the disk, permissions or limits, and run again."
        )
    reason = os.strerror(number) if number else _first_line(error)
    return CorruptGranuleError(f"{what}: {reason}")


def _system_error(error: BaseException) -> int:
    """The error of the system behind an error, 0 if there is none."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno:
        return error.errno
    match = _ERRNO.search(str(error))
    return int(match[1]) if match else 0


def _first_line(error: BaseException) -> str:
    """The gist of an error of HDF5's, without the quotes that KeyError adds."""
    text = str(error.args[-1] if error.args else error).strip()
    return text.splitlines()[0] if text else type(error).__name__
