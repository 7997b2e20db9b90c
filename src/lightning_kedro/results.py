"""A result of clustering, or of storms, as one thing: all its tables, and what they are of.

It is handed from the node that makes it to all the entries of its tables, which change together,
and read back as a whole, in one transaction: what is drawn of it is of one result.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from lightning_kedro.granules.series import arrow_schema
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
"""The tables of a result of clustering; the last has a row for each and is saved last."""

STORM_TABLES: Final = (
    "storms",
    "storm_series",
    "storm_flashes",
    "lightning_jumps",
    "storm_selection",
)
"""The tables of a result of storms; the last has a row for each and is saved last."""

SKY_TABLES: Final = ("flash_artifacts", "flash_matches", "sky_selection")
"""The tables of how the flashes of a selection were seen; the last has a row for each."""

KINDS: Final = (RESULT_TABLES, STORM_TABLES, SKY_TABLES)
"""The kinds of results, by their tables."""


MAKERS: Final = {RESULT_TABLES: "clustering", STORM_TABLES: "storms", SKY_TABLES: "sky"}
"""The pipeline that makes each kind of result."""


def find_kind(table: str) -> tuple[str, ...] | None:
    """All tables of the kind of result that is committed with a table; None for other tables."""
    return next((kind for kind in KINDS if kind[-1] == table), None)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A result.

    Attributes:
        selection: What it is of.
        tables: Its rows by table, each in the order of the table's key: those of its kind, and
            where it was read from a database also ``granules`` and ``coverage`` of its window.
        kind: The names of its own tables; the save of the last one commits them all.
        made_of: What names all that it was made of (``lightning_kedro.unchanged``); "" if nobody
            knows, or it was read from a database.
    """

    selection: Selection
    tables: Mapping[str, "pa.Table"]
    kind: tuple[str, ...] = RESULT_TABLES
    made_of: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The result itself: it never changes."""
        return self

    @property
    def row(self) -> dict[str, Any]:
        """The row of the kind's last table: made with which options, of which flashes."""
        row: dict[str, Any] = self.tables[self.kind[-1]].to_pylist()[0]
        return row

    @property
    def identity(self) -> str:
        """What names this very result: another run of the same selection has another one."""
        row = {name: str(value) for name, value in self.row.items() if name != "simulated"}
        digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:12]
        run_time = self.row["run_time"]
        made = "unknown" if run_time is None else f"{run_time:%Y%m%dT%H%M%S}"
        return f"{self.selection.name}@{made}-{digest}"


def make_table(
    table: str, selection: Selection, columns: Mapping[str, Any], *, coded: bool = False
) -> "pa.Table":
    """Rows of a table of results, with the columns and types of the registry.

    Args:
        table: Its name.
        selection: What the rows are of: every one gets its key.
        columns: The other columns of the table, n values each.
        coded: Whether the texts of the key are dictionary-coded, for tables of millions of rows.
    """
    import pyarrow as pa

    n = len(next(iter(columns.values())))
    schema = arrow_schema(table)
    key = {
        name: pa.repeat(pa.scalar(value, schema.field(name).type), n)
        for name, value in selection.key._asdict().items()
        if not (coded and isinstance(value, str))
    }
    if coded:
        first = pa.repeat(pa.scalar(0, pa.int8()), n)
        for name in set(selection.key._fields) - set(key):
            key[name] = pa.DictionaryArray.from_arrays(first, [getattr(selection.key, name)])
            schema = schema.set(schema.get_field_index(name), pa.field(name, key[name].type))
    own = {
        name: values
        if isinstance(values, pa.DictionaryArray)
        else values.cast(schema.field(name).type)
        if isinstance(values, pa.ChunkedArray)
        else pa.array(values, schema.field(name).type, from_pandas=True)
        for name, values in columns.items()
    }
    for name, values in own.items():
        if values.type != schema.field(name).type:  # coded by who made it
            schema = schema.set(schema.get_field_index(name), pa.field(name, values.type))
    return pa.table({**key, **own}, schema=schema)
