"""A report as one thing: the files that are published together, and what they are of.

The node that gathers the pictures hands it to each of its outputs; the entry of the last one
publishes all of it (``lightning_kedro.store.reports``), so that pictures of one result never stand
beside the report of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lightning_kedro.selection import Selection

Fact = str | int | float | bool | None
"""What a card holds: what JSON can say in one word."""


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """The files of a report.

    Attributes:
        name: What its folder is called (``Selection.name``): another one for every key.
        files: Content by file name, pictures first; these are also kept as the latest.
        extras: Content by file name of what stands in its folder only.
        card: What the list of all reports says of it; see ``lightning_kedro.store.reports.Card``.
        selection: What the result is of, if it is one that a database holds.
        drawn_from: What names all that it was drawn from (``lightning_kedro.unchanged``); "" if
            nobody knows.
    """

    name: str
    files: Mapping[str, bytes]
    extras: Mapping[str, bytes]
    card: Mapping[str, Fact]
    selection: Selection | None = None
    drawn_from: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The publication itself: it never changes."""
        return self
