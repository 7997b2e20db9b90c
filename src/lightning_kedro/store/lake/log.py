"""The tables of a lake by their Delta logs: which objects count, and commits that change it.

A commit either makes exactly the next version after the one that it was planned on, or nothing
(``max_commit_retries=0``): whoever comes second plans anew on what the first one left. That rests
on one thing, that an object is made only if it is not there yet: a folder's hard link, and on S3 a
PUT with ``If-None-Match``, which AWS, MinIO, R2 and others have.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro import __version__
from lightning_kedro.exceptions import ClusterError, StorageError, TableError, printable
from lightning_kedro.granules.level_rows import COUNTS
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.store.lake.places import Place

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset

LACKING: Final = (
    'The environment dask needs Dask and deltalake: `pip install -e ".[dask]" -c constraints.txt`, '
    "here and on every worker."
)
"""What to say where the extra is not installed."""

ROW_TABLES: Final = ("flashes", *COUNTS)
"""The tables of what workers have read: one object an archive hour in each."""

LAKE_TABLES: Final = (*ROW_TABLES, "granules", "coverage")
"""The tables of a lake, in the order in which they are committed."""

PARTITIONS: Final = ("platform", "date")
"""What objects are sorted by; ``date`` is the UTC day of the granule or archive hour."""


@dataclass(frozen=True, slots=True)
class LakeObject:
    """A Parquet object of a table.

    Attributes:
        path: Where it is below the table.
        platform: The satellite of all its rows.
        date: The UTC day of all its rows.
        n_rows: How many it has.
        size: Its size in bytes.
        stats: The smallest and the largest values of some columns, as Delta has them, JSON.
    """

    path: str
    platform: str
    date: date
    n_rows: int
    size: int
    stats: str = "{}"


def table_schema(table: str) -> pa.Schema:
    """The columns of a table of the lake: those of the registry, ``simulated`` and ``date``."""
    schema = arrow_schema(table)
    return schema.append(pa.field("simulated", pa.bool_())).append(pa.field("date", pa.date32()))


def folder_of(platform: str, day: date) -> str:
    """Where the objects of a satellite's day lie below a table."""
    return f"platform={platform}/date={day:%Y-%m-%d}"


class LakeTable:
    """One table of a lake.

    Args:
        place: Where the lake is.
        name: One of ``LAKE_TABLES``.
    """

    def __init__(self, place: Place, name: str) -> None:
        """Hold on to it; nothing is read yet."""
        self.place = Place(place.join(name))
        self.name = name

    def open(self) -> "DeltaTable | None":
        """The table as its log has it now; None if nobody has made it yet.

        Raises:
            ClusterError: If deltalake is not installed.
        """
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import TableNotFoundError
        except ImportError as error:
            raise ClusterError(LACKING) from error

        with self.explain("read"):
            try:
                return DeltaTable(self.place.url, storage_options=self.place.storage_options)
            except TableNotFoundError:
                return None

    def open_or_make(self) -> "DeltaTable":
        """The table; made if nobody has made it yet, by whoever comes first."""
        from deltalake import DeltaTable, Schema
        from deltalake.exceptions import DeltaError

        found = self.open()
        if found is not None:
            return found
        with self.explain("made"):
            try:
                DeltaTable.create(
                    self.place.url,
                    Schema.from_arrow(table_schema(self.name)),
                    mode="ignore",
                    partition_by=[*PARTITIONS],
                    name=self.name,
                    storage_options=self.place.storage_options,
                )
            except DeltaError:
                if self.open() is None:  # else another client has made it at this moment
                    raise
        made = self.open()
        if made is None:
            message = f"The table {self.place.url} was removed while it was made: run again."
            raise TableError(message)
        return made

    def list_objects(self, delta: "DeltaTable", days: Sequence[tuple[str, date]]) -> pa.Table:
        """The objects that count of some satellites' days.

        Args:
            delta: The table, as ``open`` gave it.
            days: Satellites and UTC days.

        Returns:
            ``path``, ``size_bytes``, ``num_records``, ``platform`` and ``date``.
        """
        with self.explain("read"):
            actions = pa.table(delta.get_add_actions(flatten=True))
        listed = pa.table(
            {
                "path": actions["path"].cast(pa.string()),
                "size_bytes": actions["size_bytes"],
                "num_records": actions["num_records"],
                "platform": actions["partition.platform"].cast(pa.string()),
                "date": actions["partition.date"].cast(pa.date32()),
            }
        )
        wanted = pa.array({day for _, day in days}, pa.date32())
        near = listed.filter(pc.is_in(listed["date"], value_set=wanted))
        pairs = zip(near["platform"].to_pylist(), near["date"].to_pylist(), strict=True)
        asked = {*days}
        return near.filter(pa.array([pair in asked for pair in pairs], pa.bool_()))

    def list_platforms(self, delta: "DeltaTable") -> set[str]:
        """The satellites of which there is anything."""
        with self.explain("read"):
            actions = pa.table(delta.get_add_actions(flatten=True))
        return {*actions["partition.platform"].cast(pa.string()).unique().to_pylist()}

    def read_dataset(
        self, delta: "DeltaTable", platforms: Sequence[str], first: date, last: date
    ) -> "Dataset":
        """The rows of some satellites from one UTC day to another, both included; lazy.

        As ``DeltaTable.to_pyarrow_dataset``, which takes 5 ms an object to write down the limits of
        all its columns; here they are those of time alone.
        """
        import pyarrow.dataset as ds

        with self.explain("read"):
            listed = pa.table(delta.get_add_actions(flatten=True))
        dates = listed["partition.date"].cast(pa.date32())
        platform = listed["partition.platform"].cast(pa.string())
        near = pc.and_(pc.greater_equal(dates, first), pc.less_equal(dates, last))
        asked = pc.is_in(platform, value_set=pa.array(platforms, pa.string()))
        files = self.place.open_arrow()
        kind = ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=True)
        )
        fragments = [
            kind.make_fragment(row["path"], files, partition_expression=_limit(row))
            for row in listed.filter(pc.and_(near, asked)).to_pylist()
        ]
        return ds.FileSystemDataset(fragments, table_schema(self.name), kind, files)

    def commit(
        self, delta: "DeltaTable", added: Sequence[LakeObject], removed: Mapping[str, LakeObject]
    ) -> bool:
        """Add objects and remove others, all at once.

        Args:
            delta: The table as it was when this was planned.
            added: Objects that have been written.
            removed: Objects that count until now, by path.

        Returns:
            Whether it was done; not if anybody has changed the table since it was planned.
        """
        from deltalake import CommitProperties
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import AddAction, RemoveAction

        now = time.time_ns() // 1_000_000
        actions: list[AddAction | RemoveAction] = [
            AddAction(one.path, one.size, _values_of(one), now, True, one.stats) for one in added
        ]
        actions += [
            RemoveAction(one.path, True, now, one.size, _values_of(one)) for one in removed.values()
        ]
        told = {"lightning_kedro": __version__}
        properties = CommitProperties(max_commit_retries=0, custom_metadata=told)
        with self.explain("written"):
            try:
                delta.create_write_transaction(
                    actions,
                    "append",
                    table_schema(self.name),
                    [*PARTITIONS],
                    commit_properties=properties,
                )
            except CommitFailedError:
                return False
        return True

    @contextmanager
    def explain(self, verb: str) -> Iterator[None]:
        """Say plainly what cannot be done with a table.

        Raises:
            StorageError: If storage refuses.
            TableError: If the log is damaged, or of a kind that this version cannot use.
        """
        from deltalake.exceptions import DeltaError

        try:
            yield
        except OSError as error:
            message = (
                f"The table {self.place.url} cannot be {verb}: {printable(error)}. Check `lake` in "
                f"conf/dask/globals.yml, and the credentials in the environment; then run again, "
                f"nothing is lost."
            )
            raise StorageError(message) from error
        except DeltaError as error:
            message = (
                f"The table {self.place.url} cannot be {verb}: {printable(error)}. Former versions "
                f"can be looked at with `deltalake.DeltaTable(..., version=...)`."
            )
            raise TableError(message) from error


def _values_of(one: LakeObject) -> dict[str, str | None]:
    """The partition of an object, as the log has it."""
    return {"platform": one.platform, "date": f"{one.date:%Y-%m-%d}"}


_TIMES: Final = ("time", "granule_start", "hour")
"""Columns of time, by the first of which that a table has objects are skipped."""


def _limit(row: Mapping[str, Any]) -> Any:  # noqa: ANN401  (pyarrow has no types)
    """What is true of every row of an object, as Arrow has it."""
    import pyarrow.dataset as ds

    limit = (ds.field("platform") == row["partition.platform"]) & (
        ds.field("date") == pa.scalar(row["partition.date"], pa.date32())
    )
    name = next((name for name in _TIMES if row.get(f"min.{name}") is not None), None)
    if name is None:
        return limit
    least, most = (pa.scalar(row[f"{end}.{name}"], pa.timestamp("us")) for end in ("min", "max"))
    return limit & (ds.field(name) >= least) & (ds.field(name) <= most)


def describe_stats(rows: pa.Table) -> str:
    """The number of rows, and the smallest and largest value of every column, as Delta has them.

    Readers skip objects by them. None may lack: of a column without, deltalake (1.6.6) tells Arrow
    that its values lie between null and null, and a condition on it finds no row.
    """
    names = rows.column_names
    edges = {name: pc.min_max(rows[name]).as_py() for name in names}
    known = {name: found for name, found in edges.items() if found["min"] is not None}
    stats = {
        "numRecords": rows.num_rows,
        "minValues": {name: _plain(found["min"]) for name, found in known.items()},
        "maxValues": {name: _plain(found["max"]) for name, found in known.items()},
        "nullCount": {name: rows[name].null_count for name in names},
    }
    return json.dumps(stats)


def _plain(value: object) -> object:
    """A value as Delta's statistics write it."""
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds")
    return value
