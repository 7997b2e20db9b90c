"""Ingestion as `kedro run` does it, without the start-up, and archives to ingest."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.datasets.loaded_granules import LoadedGranulesDataset
from lightning_kedro.datasets.raw_granules import RawGranulesDataset
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.hours import archive_hours
from lightning_kedro.granules.record import HourRecord, HourReport
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.ingestion.nodes import (
    extract_granules,
    load_flashes,
    transform_granules,
)
from lightning_kedro.selection import read_segments
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store.loading import MEMBERS

TABLES = ("granules", "flashes", "coverage")
HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
RUN_TIME = "2024-07-20T00:00:00"


def make_granules(
    hour: datetime = HOUR, numbers: Iterable[int] = (0, 1, 2)
) -> list[tuple[GranuleName, bytes]]:
    """Simulated granules of GOES-17, called as real ones are."""
    return [*_simulate(hour, tuple(numbers))]


@lru_cache(maxsize=32)
def _simulate(hour: datetime, numbers: tuple[int, ...]) -> tuple[tuple[GranuleName, bytes], ...]:
    made = simulate_hour("G17", hour, numbers=list(numbers))
    return tuple((replace(name, environment="OR"), content) for name, content in made)


def put(root: Path, name: GranuleName, content: bytes) -> Path:
    """Lay a granule where an archive has it."""
    path = root / hour_prefix(name.hour) / name.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def made_later(name: GranuleName, seconds: float = 60) -> GranuleName:
    """The name of the same granule made again."""
    return replace(name, created=name.created + timedelta(seconds=seconds))


@dataclass
class Ingestion:
    """A folder of data, and an archive to fill it from.

    Attributes:
        data: The folder.
        root: The archive.
        streams: Whether granules pass through without a copy on disk.
        fs_args: Options for a remote archive.
        failures: What the last run could not do.
        levels: The levels that are asked for.
        ranges: Whether only those bytes are fetched that flashes need.
    """

    data: Path
    root: str
    streams: bool = False
    fs_args: dict[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("flash",)
    ranges: bool = False

    @property
    def database(self) -> Path:
        return self.data / "03_primary" / "lightning.duckdb"

    def hour_folder(self, hour: datetime = HOUR) -> Path:
        return self.data / "series" / "G17" / f"{hour:%Y/%j/%H}"

    def run(self, hour: datetime = HOUR, hours: float = 1, satellite: str = "G17") -> None:
        """Ingest some hours, as the three nodes do one after the other."""
        segments = window(hour, hours, satellite)["selection"]["segments"]
        archive = GranuleArchiveDataset(
            root=self.root, max_concurrency=4, fs_args=self.fs_args, ranges=self.ranges
        )
        loaded = LoadedGranulesDataset(path=str(self.database)).load()
        raw = RawGranulesDataset(path=str(self.data / "raw"))
        extracted, hour_report = extract_granules(archive.load(), loaded, segments, self.levels)
        if not self.streams:
            raw.save(extracted)
        handle = extracted if self.streams else raw.load()
        series = FlashSeriesDataset(path=str(self.data / "series"))
        tasks, decode_report = transform_granules(handle, hour_report, loaded, self.levels)
        series.save(tasks)
        self.load(series, decode_report)

    def load(self, series: FlashSeriesDataset, decode_report: HourReport) -> None:
        *parts, load_report = load_flashes(series.load(), decode_report, RUN_TIME, self.levels)
        for table, part in zip(MEMBERS, parts, strict=True):
            GranuleTableDataset(path=str(self.database), table=table).save(part)
        self.failures = load_report.failures

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def dump(self) -> dict[str, pd.DataFrame]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return {
                table: connection.sql(f"SELECT * FROM {table} ORDER BY ALL").df()
                for table in TABLES
            }


def window(hour: datetime = HOUR, hours: float = 1, satellite: str = "G17") -> dict[str, Any]:
    """The parameters of a run over some hours, long after them."""
    sides = {"start": hour, "end": hour + timedelta(hours=hours)}
    given = {
        "satellite": satellite,
        "window": {side: f"{time:%Y-%m-%dT%H:%M:%S}" for side, time in sides.items()},
    }
    return check_parameters(given, now=datetime.fromisoformat(f"{RUN_TIME}Z"))


def report_of(hour: datetime = HOUR, hours: float = 1, satellite: str = "G17") -> HourReport:
    """The report of a run over some hours, of which nothing is wanted."""
    segments = read_segments(window(hour, hours, satellite)["selection"]["segments"])
    return HourReport(tuple(HourRecord(hour) for hour in archive_hours(segments)))


def assert_same_tables(left: Ingestion, right: Ingestion) -> None:
    theirs = right.dump()
    for table, rows in left.dump().items():
        pd.testing.assert_frame_equal(rows, theirs[table], obj=table)
