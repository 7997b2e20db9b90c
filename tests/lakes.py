"""Ingestion into a lake as `kedro run --env dask` does it, without the start-up."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.lake import (
    LakeSeriesDataset,
    LakeTableDataset,
    LoadedLakeDataset,
)
from lightning_kedro.granules.level_rows import TABLE_OF
from lightning_kedro.granules.record import HourReport
from lightning_kedro.pipelines.ingestion.nodes import (
    extract_granules,
    load_flashes,
    transform_granules,
)
from lightning_kedro.schemas import TABLES as REGISTRY
from lightning_kedro.store.lake.log import LAKE_TABLES, LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.loading import MEMBERS
from tests.ingesting import HOUR, RUN_TIME, TABLES, Ingestion, window


def run_here(tasks: Iterable[Callable[[], Any]], *, what: str, total: int) -> list[Any]:  # noqa: ARG001
    """What workers do, in this process."""
    return [task() for task in tasks]


@dataclass
class LakeIngestion:
    """A lake, and an archive to fill it from.

    Attributes:
        data: A folder of this machine.
        root: The archive.
        url: The lake; in the folder if empty.
        series_class: The catalog entry of what workers write.
        fs_args: Options for a remote archive.
        session: Of the run.
        levels: The levels that are asked for.
        failures: What the last run could not do.
    """

    data: Path
    root: str
    url: str = ""
    series_class: type[LakeSeriesDataset] = LakeSeriesDataset
    fs_args: dict[str, Any] = field(default_factory=dict)
    session: str = "one"
    levels: tuple[str, ...] = ("flash",)
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.url = self.url or str(self.data / "lake")

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that are there."""
        return (*TABLES, *(TABLE_OF[level] for level in self.levels if level in TABLE_OF))

    @property
    def series(self) -> LakeSeriesDataset:
        return self.series_class(
            lake=self.url,
            path=str(self.data / "passing"),
            name="flash_series",
            made_for="this",
            session=self.session,
        )

    def transform(self, hour: datetime = HOUR, hours: float = 1) -> HourReport:
        """The nodes extract and transform."""
        segments = window(hour, hours)["selection"]["segments"]
        archive = GranuleArchiveDataset(root=self.root, max_concurrency=4, fs_args=self.fs_args)
        loaded = LoadedLakeDataset(lake=self.url).load()
        extracted, hour_report = extract_granules(archive.load(), loaded, segments, self.levels)
        tasks, decode_report = transform_granules(extracted, hour_report, loaded, self.levels)
        self.series.save(tasks)
        return decode_report

    def load(self, decode_report: HourReport) -> None:
        """The node load."""
        *parts, load_report = load_flashes(self.series.load(), decode_report, RUN_TIME, self.levels)
        for table, part in zip(MEMBERS, parts, strict=True):
            LakeTableDataset(lake=self.url, table=table).save(part)
        self.failures = load_report.failures

    def run(self, hour: datetime = HOUR, hours: float = 1) -> None:
        self.load(self.transform(hour, hours))

    def versions(self) -> list[int]:
        """Of each table that always is there, how many commits it has seen."""
        names = ("flashes", "granules", "coverage")
        tables = (LakeTable(Place.of(self.url), name).open() for name in names)
        return [-1 if table is None else table.version() for table in tables]

    def objects(self) -> list[str]:
        """All Parquet objects that lie in a folder, whether they count or not."""
        root = Path(self.url)
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask DuckDB, as the documents say: through Delta's log and an Arrow dataset."""
        from deltalake import DeltaTable

        options = Place.of(self.url).storage_options
        with duckdb.connect() as connection:
            for table in LAKE_TABLES:
                if LakeTable(Place.of(self.url), table).open() is None:
                    continue
                dataset = DeltaTable(f"{self.url}/{table}", storage_options=options)
                connection.register(table, dataset.to_pyarrow_dataset())
            return connection.execute(sql).fetchall()

    def dump(self) -> dict[str, pa.Table]:
        """All rows as a database has them."""
        dumped = {}
        for table in self.tables:
            columns = ", ".join((*REGISTRY[table].columns, "simulated"))
            with LakeTableDataset(lake=self.url, table=table).load().open() as connection:
                dumped[table] = connection.sql(f"SELECT {columns} FROM {table}").to_arrow_table()
        return dumped


def assert_same_as_on_one_machine(lake: LakeIngestion, plain: Ingestion) -> None:
    """Row by row: what the one has and the other lacks is nothing, both ways."""
    ours = lake.dump()
    with duckdb.connect(str(plain.database), read_only=True) as connection:
        for table in lake.tables:
            columns = ", ".join((*REGISTRY[table].columns, "simulated"))
            connection.register("ours", ours[table])
            here, there = f"SELECT {columns} FROM ours", f"SELECT {columns} FROM main.{table}"
            for left, right in ((here, there), (there, here)):
                rows = connection.execute(f"{left} EXCEPT ALL {right}").fetchall()
                assert rows == [], table
