"""Ingestion killed at any moment: the next run ends with the database of an undisturbed run."""

import hashlib
import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.datasets.loaded_flashes import LoadedGranulesDataset
from lightning_kedro.datasets.raw_granules import RawGranulesDataset
from lightning_kedro.pipelines.ingestion.nodes import (
    extract_granules,
    load_flashes,
    transform_granules,
)
from lightning_kedro.simulation.hour import simulate_hour
from tests.loopback_s3 import serve_folder

KILLS = 50
"""How many runs must have been killed before their end."""

ATTEMPTS = 150
"""How many runs are started to that end, at most: some end before they are killed."""

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
ROOT = "s3://noaa-goes17"
PARAMETERS: dict[str, Any] = {
    "satellite": "G17",
    "window": {"start": "2024-07-14T09:00:00", "end": "2024-07-14T11:00:00"},
    "run_time": "2024-07-15T00:00:00",
}


def ingest(data: Path, endpoint: str) -> None:
    """What `kedro run --pipeline ingestion` does, without Kedro's start-up."""
    fs_args = {"anon": True, "endpoint_url": endpoint, "max_concurrency": 1}
    archive = GranuleArchiveDataset(root=ROOT, max_concurrency=4, fs_args=fs_args)
    raw = RawGranulesDataset(path=str(data / "raw"), archive=ROOT)
    series = FlashSeriesDataset(path=str(data / "series"))
    database = str(data / "lightning.duckdb")
    loaded = LoadedGranulesDataset(path=database).load()
    raw.save(extract_granules(archive.load(), loaded, PARAMETERS))
    series.save(transform_granules(raw.load(), loaded, PARAMETERS))
    parts = load_flashes(series.load(), PARAMETERS)
    for table, part in zip(("granules", "flashes", "coverage"), parts, strict=True):
        GranuleTableDataset(path=database, table=table).save(part)


def fingerprint(data: Path) -> str:
    """A digest of every row of every table, in a fixed order."""
    digest = hashlib.sha256()
    with duckdb.connect(str(data / "lightning.duckdb"), read_only=True) as connection:
        for table in ("granules", "flashes", "coverage"):
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            digest.update(repr(rows).encode())
    return digest.hexdigest()


def list_files(data: Path) -> list[str]:
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 granules of two hours in a bucket."""
    root = tmp_path_factory.mktemp("kills")
    for hour in (HOUR, HOUR.replace(hour=10)):
        folder = root / "noaa-goes17" / "GLM-L2-LCFA" / f"{hour:%Y/%j/%H}"
        folder.mkdir(parents=True)
        for name, content in simulate_hour("G17", hour, numbers=range(0, 180, 15)):
            (folder / f"OR{name.file_name[2:]}").write_bytes(content)
    return root


def test_run_after_a_kill_ends_as_if_nothing_had_happened(buckets: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "s3fs", "duckdb", "pyarrow.csv", "tenacity"])

    def run(data: Path, kill_after_s: float | None = None) -> tuple[int | None, float]:
        began = time.monotonic()
        process = context.Process(target=ingest, args=(data, server.endpoint))
        process.start()
        process.join(kill_after_s)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return process.exitcode, time.monotonic() - began

    randomly = random.Random(60)
    interrupted = number = 0
    with serve_folder(buckets) as server:
        assert run(tmp_path / "warm-up")[0] == 0
        undisturbed = tmp_path / "undisturbed"
        code, seconds = run(undisturbed)
        assert code == 0
        expected, files = fingerprint(undisturbed), list_files(undisturbed)
        while interrupted < KILLS and number < ATTEMPTS:
            number += 1
            data = tmp_path / f"killed-{number}"
            code, _ = run(data, randomly.uniform(0.0, seconds))
            interrupted += code == -signal.SIGKILL
            assert code in {0, -signal.SIGKILL}
            assert run(data)[0] == 0, f"kill {number}"
            assert fingerprint(data) == expected, f"kill {number}"
            assert list_files(data) == files, f"kill {number}"
    assert interrupted == KILLS
