"""A run whose result is there already: how its first nodes see it, and what they say to the others.

A result is unchanged if it was made of the very flashes that there are now, with the same options,
by the same code, and if all of its rows are still as they were committed. Then the first node of a
pipeline gives ``Unchanged`` in the place of what it would make; the nodes after it hand that on
(``hand_on``), and catalog entries save nothing for it. Nothing is remembered for this but what is
stored with the result.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from lightning_kedro.selection import Selection

logger = logging.getLogger(__name__)

KEEP: Final = "keep"
REMAKE: Final = "remake"
"""What the parameter ``unchanged`` may be: whether a result that is unchanged is made again."""

_DIGEST_BYTES: Final = 16

_Arguments = ParamSpec("_Arguments")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What stands in the place of something that need not be made.

    Attributes:
        what: What is unchanged: ``clusters``, ``storms``, ``sky`` or ``report``.
        name: Of which selection (``Selection.name``).
        since: When the run that made it began, ISO 8601, UTC; "" if nobody knows.
    """

    what: str
    name: str
    since: str = ""

    def __str__(self) -> str:
        """The fact in words, for the log."""
        since = f" since the run of {self.since.replace('T', ' ')} UTC" if self.since else ""
        return f"{_WORDS[self.what]} unchanged{since} and kept"


_WORDS: Final = {
    "clusters": "The clusters of this window are",
    "storms": "The storms of this window are",
    "sky": "How this window's flashes were seen is",
    "report": "The pictures and the report of this window are",
}


class StoredThings(Protocol):
    """A lazy handle on results, or on reports, that knows what they were made of."""

    def measure(self, read: Selection) -> str:
        """Digest what would be read now for a result, and the code; "" if nobody can say."""
        ...

    def look(
        self, selection: Selection, read: Selection, options: Mapping[str, Any]
    ) -> "tuple[str, Unchanged | None]":
        """The same, and what says that a result made of just that is there and whole.

        Args:
            selection: What the result is of.
            read: What is read for it.
            options: What it is made with, as plain values.
        """
        ...


def name_making(measured: str, options: Mapping[str, Any]) -> str:
    """Name all that a result is made of: "" if it is not known what it is made of.

    Args:
        measured: What ``StoredThings.measure`` says.
        options: The options that it is made with, as plain values.
    """
    if not measured:
        return ""
    text = json.dumps([measured, options], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def look_at(
    stored: StoredThings | None,
    selection: Selection,
    read: Selection,
    options: Mapping[str, Any],
    unchanged: str,
) -> tuple[str, Unchanged | None]:
    """Look at what a result would be made of, and whether it can be kept; if so the log says it.

    Args:
        stored: The handle on what is stored; None if nothing is to be looked at.
        selection: What the result is of.
        read: What is read for it.
        options: What it is made with, as plain values.
        unchanged: The parameter: ``keep`` or ``remake``.

    Returns:
        What ``StoredThings.measure`` says; and what stands in the place of the result, or None if
        it has to be made.
    """
    if stored is None:
        return "", None
    if unchanged == REMAKE:
        return stored.measure(read), None
    measured, kept = stored.look(selection, read, options)
    if kept is not None:
        logger.info("%s (to make it again: --params unchanged=%s)", kept, REMAKE)
    return measured, kept


def confirm(stored: StoredThings | None, read: Selection, measured: str) -> str:
    """What was measured, if it is still so after everything has been read; else "".

    Other runs may have changed in between what is read: nobody knows then what was read.
    """
    return measured if stored is not None and stored.measure(read) == measured else ""


def hand_on(outputs: int = 1) -> Callable[[Callable[_Arguments, _Made]], Callable[..., Any]]:
    """Let a node hand ``Unchanged`` on instead of doing its work.

    Args:
        outputs: How many outputs the node has.
    """

    def wrap(work: Callable[_Arguments, _Made]) -> Callable[..., Any]:
        @wraps(work)
        def node(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            given = (*args, *kwargs.values())
            kept = next((value for value in given if isinstance(value, Unchanged)), None)
            if kept is None:
                return work(*args, **kwargs)
            return kept if outputs == 1 else (kept,) * outputs

        return node

    return wrap
