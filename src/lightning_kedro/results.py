"""A result of clustering as one thing: all its tables, and what they are of.

It is handed from the node that makes it to all the entries of its tables, which change together,
and read back as a whole, in one transaction: what is drawn of it is of one result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from lightning_kedro.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa

RESULT_TABLES: Final = (
    "silhouette_scores",
    "elbow_curve",
    "cluster_quality",
    "k_candidates",
    "cluster_centers",
    "clustered_flashes",
    "k_selection",
)
"""The tables of a result; the last one has a row for every result and is saved last."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A result of clustering.

    Attributes:
        selection: What it is of.
        tables: Its rows by table, each in the order of the table's key: the ``RESULT_TABLES``, and
            where it was read from a database also ``granules`` and ``coverage`` of its window.
    """

    selection: Selection
    tables: Mapping[str, "pa.Table"]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The result itself: it never changes."""
        return self

    @property
    def row(self) -> dict[str, Any]:
        """The row of ``k_selection``: what was chosen, with which options, of which flashes."""
        row: dict[str, Any] = self.tables["k_selection"].to_pylist()[0]
        return row

    @property
    def identity(self) -> str:
        """What names this very result: another run of the same selection has another one."""
        row = self.row
        run_time = f"{row['run_time']:%Y%m%dT%H%M%S}" if row["run_time"] else "unknown"
        return f"{self.selection.name}@{run_time}-{row['flashes_fingerprint'] or 'unknown'}"
