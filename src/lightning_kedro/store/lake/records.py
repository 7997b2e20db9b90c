"""The small tables of a lake, granules and coverage, brought up to date by the database's own SQL.

The days that a commit is about are put into a DuckDB in memory and changed there exactly as a
database on disk is (``store.settling``). Days that differ afterwards are written as new objects.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from lightning_kedro.columns import SIMULATED
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.creations import settle
from lightning_kedro.granules.level_rows import forget_levels
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import connect_in_memory
from lightning_kedro.store.lake.hours import digest_tables, encode_parquet
from lightning_kedro.store.lake.log import (
    PARTITIONS,
    LakeObject,
    LakeTable,
    describe_stats,
    folder_of,
    table_schema,
)
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.tasks import WrittenHour, join_records
from lightning_kedro.store.settling import settle_records

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable

RECORDS: Final = ("granules", "coverage")
"""The small tables, in the order in which they are committed."""

_TIME_OF: Final = {"granules": "granule_start", "coverage": "hour"}
"""The column that says of what day a row is."""

DAYS_AT_ONCE: Final = 1
"""How many days are held in memory at once: one of a satellite has 4,320 granules, which take 20 MB
here. A day takes 30 ms on top of what its rows take."""

Day = tuple[str, date]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a table.

    Attributes:
        added: Objects to be written and added.
        contents: Their content, by path.
        removed: Objects whose place they take, by path.
    """

    added: tuple[LakeObject, ...]
    contents: dict[str, bytes]
    removed: dict[str, LakeObject]

    def join(self, other: "Change") -> "Change":
        """This change and another one of the same table."""
        return Change(
            (*self.added, *other.added),
            {**self.contents, **other.contents},
            {**self.removed, **other.removed},
        )


def list_days(loaded: LoadedHours, hours: Sequence[WrittenHour]) -> list[Day]:
    """The satellites and UTC days that hours to be loaded are of."""
    coverage = loaded.coverage
    dates = coverage["hour"].cast(pa.date32()).to_pylist()
    counted = zip(coverage["platform"].to_pylist(), dates, strict=True)
    return sorted({*counted, *((hour.platform, hour.hour.date()) for hour in hours)})


def plan_changes(
    tables: dict[str, "DeltaTable | None"],
    lake: Place,
    loaded: LoadedHours,
    hours: Sequence[WrittenHour],
    *,
    simulated: bool,
) -> dict[str, Change]:
    """What loading hours changes in the small tables.

    Days are looked at a few at a time: memory is bounded by them, not by the window.

    Args:
        tables: The tables of ``RECORDS`` as they are now; None where there is none yet.
        lake: Where the lake is.
        loaded: The hours, with the coverage that is asked for.
        hours: What workers have written of them, with the record of their granules.
        simulated: Whether they are simulated.
    """
    days = list_days(loaded, hours)
    changes = {name: Change((), {}, {}) for name in RECORDS}
    for some in _batch(days):
        with _open_days(tables, lake, some) as connection:
            present = connection.table("granules").to_arrow_table()
            mine = [hour for hour in hours if (hour.platform, hour.hour.date()) in some]
            settlement = settle(forget_levels(join_records(mine), loaded.levels), present)
            asked = _take_days(loaded.coverage, "hour", some)
            settle_records(connection, settlement, asked, simulated=simulated)
            for name in RECORDS:
                found = _compare(connection, LakeTable(lake, name), tables[name], some)
                changes[name] = changes[name].join(found)
    return changes


def _batch(days: Sequence[Day]) -> Iterator[list[Day]]:
    """Days a few at a time, each with all its satellites."""
    dates = sorted({day for _, day in days})
    for at in range(0, len(dates), DAYS_AT_ONCE):
        some = {*dates[at : at + DAYS_AT_ONCE]}
        yield [pair for pair in days if pair[1] in some]


def _take_days(rows: pa.Table, column: str, days: Sequence[Day]) -> pa.Table:
    """The rows of some satellites' days."""
    wanted = pa.array({day for _, day in days}, pa.date32())
    near = rows.filter(pc.is_in(rows[column].cast(pa.date32()), value_set=wanted))
    platforms = pa.array({platform for platform, _ in days}, pa.string())
    return near.filter(pc.is_in(near["platform"], value_set=platforms))


@contextmanager
def _open_days(
    tables: dict[str, "DeltaTable | None"], lake: Place, days: Sequence[Day]
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """The rows of some days, in tables of the registry in memory."""
    with connect_in_memory() as connection:
        for name in RECORDS:
            kinds = TABLES[name].types | {"simulated": SIMULATED.type}
            listed = ", ".join(f"{column} {kind}" for column, kind in kinds.items())
            connection.execute(f"CREATE TABLE main.{name} ({listed})")
            delta = tables[name]
            if delta is None or not days:
                continue
            platforms = sorted({platform for platform, _ in days})
            first, last = min(day for _, day in days), max(day for _, day in days)
            present = LakeTable(lake, name).read_dataset(delta, platforms, first, last)
            connection.register("present", present)
            columns = ", ".join((*TABLES[name].columns, "simulated"))
            connection.execute(f"INSERT INTO main.{name} BY NAME SELECT {columns} FROM present")  # noqa: S608
            connection.unregister("present")
        yield connection


def _compare(
    connection: "duckdb.DuckDBPyConnection",
    table: LakeTable,
    delta: "DeltaTable | None",
    days: Sequence[Day],
) -> Change:
    """Which days of a table are others now than their objects say."""
    present: dict[Day, list[LakeObject]] = {}
    if delta is not None:
        for row in table.list_objects(delta, days).to_pylist():
            one = LakeObject(
                row["path"], row["platform"], row["date"], row["num_records"], row["size_bytes"]
            )
            present.setdefault((one.platform, one.date), []).append(one)
    added: list[LakeObject] = []
    contents: dict[str, bytes] = {}
    removed: dict[str, LakeObject] = {}
    for platform, day in days:
        rows = _read_day(connection, table.name, platform, day)
        path = f"{folder_of(platform, day)}/{digest_tables(rows)}.parquet"
        before = present.get((platform, day), [])
        if rows.num_rows == 0 or [one.path for one in before] == [path]:
            continue
        contents[path] = encode_parquet(rows)
        stats = describe_stats(rows)
        added.append(LakeObject(path, platform, day, rows.num_rows, len(contents[path]), stats))
        removed.update((one.path, one) for one in before)
    return Change(tuple(added), contents, removed)


def _read_day(
    connection: "duckdb.DuckDBPyConnection", table: str, platform: str, day: date
) -> pa.Table:
    """The rows of a day, with the columns that objects of the table have."""
    schema = pa.schema([one for one in table_schema(table) if one.name not in PARTITIONS])
    start = datetime.combine(day, time())
    column = _TIME_OF[table]
    rows = connection.sql(
        f"SELECT {', '.join(schema.names)} FROM main.{table} WHERE platform = ? "  # noqa: S608
        f"AND {column} >= ? AND {column} < ? ORDER BY {column}",
        params=[platform, start, start + timedelta(days=1)],
    ).to_arrow_table()
    return rows.cast(schema)
