"""What a database holds, as files of geographic formats: which rows, and how they are read.

Rows are read hour by hour and in batches, all of one moment of the database; however many there
are, memory holds a batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from lightning_kedro import __version__
from lightning_kedro.exceptions import NoFlashesError, NoResultError, ParameterError, StorageError
from lightning_kedro.glm.orbital_slot import Segment, find_segments
from lightning_kedro.glm.satellites import BOTH, PLATFORMS, SLOTS
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.results import KINDS, MAKERS, RESULT_TABLES
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import EVERYWHERE, Region, Selection
from lightning_kedro.store.database import transaction
from lightning_kedro.store.files import write_atomic
from lightning_kedro.store.geo_files import Batch, Outlined, find_writer
from lightning_kedro.store.geometry import outline_places
from lightning_kedro.store.loaded import FlashTable, GranuleTable
from lightning_kedro.store.migration import UNKNOWN
from lightning_kedro.store.tables import open_table, table_columns

if TYPE_CHECKING:
    import duckdb
    from shapely.geometry.base import BaseGeometry

EXPORTED: Final = (
    *("flashes", "clustered_flashes", "cluster_centers", "storms", "storm_flashes"),
    *("flash_matches", "flash_artifacts"),
)
"""The tables with a place in every row."""

BATCH_ROWS: Final = 100_000

MAX_SHOWN: Final = 5
"""How many of the results that there are an error names."""

_HOUR: Final = timedelta(hours=1)

_DECIMALS: Final = 6
"""Of the degrees of outlines: 0.1 m; the tables themselves hold no more than four bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; None where anything will do, and the latest is taken.

    Attributes:
        satellite: A platform or a slot.
        window: Start and end, UTC with time zone.
        region: A region, ``all``, or None.
        min_quality: ``all``, ``good`` or None.
        label: A result's label.
    """

    satellite: str | None = None
    window: tuple[datetime, datetime] | None = None
    region: Region | str | None = None
    min_quality: str | None = None
    label: str | None = None

    @property
    def platform(self) -> str | None:
        """The satellite, or those that held the slot in the window, as keys of results have it."""
        if self.satellite is None or self.window is None:
            return self.satellite
        return Selection(find_segments(self.satellite, *self.window)).platform

    def __str__(self) -> str:
        """The wish in words."""
        window = None if self.window is None else "/".join(f"{_plain(t)}" for t in self.window)
        named = {
            "satellite": self.satellite,
            "window": window,
            "region": self.region,
            "min-quality": self.min_quality,
            "label": self.label,
        }
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of a table.

    Attributes:
        table: The table.
        condition: Which rows, in SQL.
        values: What stands for the question marks in it.
        about: What they are of, in plain values.
    """

    table: str
    condition: str
    values: tuple[Any, ...]
    about: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: how many rows, of what, and whether any of it is simulated."""

    n_rows: int
    simulated: bool
    about: dict[str, Any]


def export_table(database: Path, table: str, wanted: Wanted, path: Path) -> Exported:
    """Write rows of a table to a file, which is there in full or not at all.

    Args:
        database: The DuckDB file; other processes can read it meanwhile, and a run waits.
        table: One of ``EXPORTED``.
        wanted: Which rows.
        path: The file; what was there before is replaced. Its suffix chooses the format.

    Raises:
        ParameterError: If the suffix stands for no format, or the file is a folder.
        NoResultError: If there is no result like that.
        NoFlashesError: If nothing of the window has been loaded.
        TableError: If there is no such table yet.
        StorageError: If the file cannot be written.
    """
    writer_class = find_writer(path)
    with _explain_place(path):
        if path.is_dir():
            message = f"File {path} is a folder: name a file."
            raise ParameterError(message)
    with open_table(database, table) as connection, transaction(connection):
        source = find_source(connection, table, wanted)
        schema = arrow_schema(table).append(pa.field("simulated", pa.bool_()))
        with (
            _explain_place(path),
            write_atomic(path) as partial,
            writer_class(partial, schema, source.about) as writer,
        ):
            for batch in read_batches(connection, source):
                writer.write(batch)
    return Exported(writer.n_rows, writer.simulated, source.about)


@contextmanager
def _explain_place(path: Path) -> Iterator[None]:
    """Say plainly why a file cannot be where it shall be.

    Raises:
        StorageError: Instead of whatever the system says.
    """
    try:
        yield
    except OSError as error:
        message = f"Cannot write {path}: {error.strerror or error}. Choose another place for it."
        raise StorageError(message) from error


def find_source(connection: "duckdb.DuckDBPyConnection", table: str, wanted: Wanted) -> Source:
    """Which rows of a table are wanted.

    Raises:
        NoResultError: If there is no result like that.
        NoFlashesError: If nothing of the window has been loaded.
    """
    if table == "flashes":
        return _find_flashes(connection, wanted)
    kind = next(kind for kind in KINDS if table in kind)
    row = _find_latest(connection, kind, wanted)
    condition = " AND ".join(f"{name} = ?" for name in RESULT_KEY)
    return Source(table, condition, tuple(row[name] for name in RESULT_KEY), _describe(table, row))


def _find_flashes(connection: "duckdb.DuckDBPyConnection", wanted: Wanted) -> Source:
    """The flashes of a window; of that of the latest result if none is given."""
    if wanted.window is None:
        selection = _read_selection(_find_latest(connection, RESULT_TABLES, wanted))
    else:
        region = wanted.region if isinstance(wanted.region, Region) else None
        segments = _find_segments(connection, wanted.satellite, *wanted.window)
        selection = Selection(segments, region, wanted.min_quality or "all")
    granules = GranuleTable.read_from(connection, selection, ["granule_start"])
    if granules.num_rows == 0:
        what = str(wanted) or "the window of the latest result"
        message = (
            f"No granule of {what} has been loaded: run `kedro run --pipelines ingestion` for it "
            f"first."
        )
        raise NoFlashesError(message)
    condition, values = FlashTable.where(selection)
    key: dict[str, Any] = selection.key._asdict()
    del key["label"]  # flashes have none
    return Source("flashes", condition, tuple(values), _describe("flashes", key))


def _find_segments(
    connection: "duckdb.DuckDBPyConnection",
    satellite: str | None,
    start: datetime,
    end: datetime,
) -> tuple[Segment, ...]:
    """The satellites of a window: the one asked for, or all of which something was loaded."""
    if satellite is not None:
        return find_segments(satellite, start, end)
    rows = connection.execute(
        "SELECT DISTINCT platform FROM main.granules WHERE granule_start < ? AND granule_end > ? "
        "ORDER BY platform",
        [end.replace(tzinfo=None), start.replace(tzinfo=None)],
    ).fetchall()
    # Without any, one that has no granule either: its error is that nothing has been loaded.
    return tuple(Segment(name, start, end) for (name,) in rows or [(PLATFORMS[0],)])


def _read_selection(row: dict[str, Any]) -> Selection:
    """The flashes that a result of clustering is of."""
    if row["region"] == UNKNOWN:
        message = (
            "The latest result is of version 0.1, which did not record its region: give --window, "
            "and --region if you want one."
        )
        raise NoResultError(message)
    start, end = (row[side].replace(tzinfo=UTC) for side in ("window_start", "window_end"))
    if "+" in row["platform"] and row["satellite"] in (*SLOTS, BOTH):
        segments = find_segments(row["satellite"], start, end)
    else:
        segments = tuple(Segment(name, start, end) for name in row["platform"].split("+"))
    sides = [row[side] for side in ("west", "south", "east", "north")]
    region = None if row["region"] == EVERYWHERE else Region(*sides)
    return Selection(segments, region, row["min_quality"])


def _find_latest(
    connection: "duckdb.DuckDBPyConnection", kind: tuple[str, ...], wanted: Wanted
) -> dict[str, Any]:
    """The row of the result of a kind that was made last, of those that are as wanted."""
    table = kind[-1]
    if not table_columns(connection, table):
        raise NoResultError(_describe_missing([], kind, wanted))
    parts, values = _match(wanted)
    condition = " AND ".join(parts) or "true"
    order = f"run_time DESC NULLS LAST, {', '.join(RESULT_KEY)}"
    query = f"SELECT * FROM main.{table} WHERE {condition} ORDER BY {order} LIMIT 1"  # noqa: S608
    rows = connection.sql(query, params=values).to_arrow_table().to_pylist()
    if not rows:
        names = ", ".join(RESULT_KEY)
        query = f"SELECT {names} FROM main.{table} ORDER BY {order} LIMIT {MAX_SHOWN}"  # noqa: S608
        present = connection.sql(query).to_arrow_table().to_pylist()
        raise NoResultError(_describe_missing(present, kind, wanted))
    found: dict[str, Any] = rows[0]
    return found


def _match(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """The conditions of a wish on the key of results, and their values."""
    parts: list[str] = []
    values: list[Any] = []
    if wanted.satellite is not None:
        parts.append("(platform = ? OR satellite = ?)")
        values += [wanted.platform, wanted.satellite]
    if wanted.window is not None:
        parts.append("window_start = ? AND window_end = ?")
        values += [time.replace(tzinfo=None) for time in wanted.window]
    others = {
        "region": wanted.region,
        "min_quality": wanted.min_quality,
        "label": wanted.label,
    }
    for name, value in others.items():
        if value is not None:
            parts.append(f"{name} = ?")
            values.append(str(value))
    return parts, values


def _describe_missing(present: list[dict[str, Any]], kind: tuple[str, ...], wanted: Wanted) -> str:
    """What to say when there is no result like that: which ones there are."""
    maker = MAKERS[kind]
    of_what = f" for {wanted}" if str(wanted) else ""
    advice = f"run `kedro run --pipelines {maker}` for it first"
    if not present:
        return f"There is no result of {maker}{of_what}: {advice}, or give --window for flashes."
    listed = "; ".join(
        f"{row['platform']} {_plain(row['window_start'])}/{_plain(row['window_end'])}, region "
        f"{row['region']}, min-quality {row['min_quality']}, label {row['label']}"
        for row in present
    )
    return (
        f"There is no result of {maker}{of_what}: {advice}, or choose one that there is. "
        f"The latest are: {listed}."
    )


def _describe(table: str, key: dict[str, Any]) -> dict[str, Any]:
    """What rows are of, in plain values: the key of a result, or of a selection of flashes."""
    described: dict[str, Any] = {name: key[name] for name in RESULT_KEY if name in key}
    plain: dict[str, Any] = {
        name: _plain(value) if isinstance(value, datetime) else value
        for name, value in described.items()
    }
    return {"table": table, **plain, "code_version": __version__}


def read_batches(connection: "duckdb.DuckDBPyConnection", source: Source) -> Iterator[Batch]:
    """Read rows in batches, in an order that does not depend on how they are stored."""
    key = [name for name in TABLES[source.table].key if name not in RESULT_KEY[1:]]
    if source.table == "storms":
        yield from _read_storms(connection, source)
    elif "time" not in TABLES[source.table].columns:
        yield from _read(connection, source, ", ".join(key))
    else:
        for hour in _list_hours(connection, source):
            yield from _read(connection, hour, ", ".join(["time", *key]))


def _read(
    connection: "duckdb.DuckDBPyConnection", source: Source, order: str
) -> Iterator[pa.RecordBatch]:
    """Read rows as they are."""
    columns = ", ".join((*TABLES[source.table].columns, "simulated"))
    query = (
        f"SELECT {columns} FROM main.{source.table} WHERE {source.condition} "  # noqa: S608
        f"ORDER BY {order}"
    )
    yield from connection.sql(query, params=[*source.values]).to_arrow_reader(BATCH_ROWS)


def _list_hours(connection: "duckdb.DuckDBPyConnection", source: Source) -> Iterator[Source]:
    """The rows hour by hour of their time: what is sorted in memory is never more than an hour."""
    query = (
        f"SELECT DISTINCT date_trunc('hour', time) AS hour FROM main.{source.table} "  # noqa: S608
        f"WHERE {source.condition} ORDER BY hour"
    )
    for (hour,) in connection.execute(query, [*source.values]).fetchall():
        condition = f"{source.condition} AND time >= ? AND time < ?"
        values = (*source.values, hour, hour + _HOUR)
        yield Source(source.table, condition, values, source.about)


def _read_storms(connection: "duckdb.DuckDBPyConnection", source: Source) -> Iterator[Outlined]:
    """Read storms with what encloses their flashes."""
    outlines = dict(_outline_storms(connection, source))
    for rows in _read(connection, source, "storm, storm_id"):
        places = [
            outlines.get(storm_id) or outline_places(np.array([lon]), np.array([lat]))
            for storm_id, lon, lat in zip(
                *(rows.column(name).to_pylist() for name in ("storm_id", "lon", "lat")), strict=True
            )
        ]
        yield Outlined(rows, places)


def _outline_storms(
    connection: "duckdb.DuckDBPyConnection", source: Source
) -> "Iterator[tuple[str, BaseGeometry]]":
    """The outline of each storm, of the places of its flashes."""
    if not table_columns(connection, "storm_flashes"):
        return
    query = (
        f"SELECT storm_id, list(DISTINCT (lon, lat)) FROM main.storm_flashes "  # noqa: S608
        f"WHERE {source.condition} AND storm_id IS NOT NULL GROUP BY storm_id ORDER BY storm_id"
    )
    found = connection.execute(query, [*source.values])
    while rows := found.fetchmany(100):
        for storm_id, places in rows:
            lon, lat = np.array(places, dtype=float).round(_DECIMALS).T
            yield storm_id, outline_places(lon, lat)


def _plain(time: datetime) -> str:
    """A time in UTC as ISO 8601 text without its zone."""
    return time.replace(tzinfo=None).isoformat()
