"""Ingestion killed at any moment: the next run ends with the database of an undisturbed run."""

import hashlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.datasets.loaded_granules import LoadedGranulesDataset
from lightning_kedro.datasets.raw_granules import RawGranulesDataset
from lightning_kedro.pipelines.ingestion.nodes import (
    extract_granules,
    load_flashes,
    transform_granules,
)
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store import workers as hours_module
from lightning_kedro.store.loading import MEMBERS
from tests.loopback_s3 import serve_folder
from tests.repetitions import repeat

STAGES = ("extract", "transform", "load")

KILLS = {2: repeat(3, 20), 5: repeat(1, 8)}
"""How many runs are killed in each stage, by hours of the window. From four hours on the granules
are read by other processes, which take seconds to start."""

ATTEMPTS = 4
"""How many runs are started for a kill, at most, as a multiple: some end before they are killed."""

HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
ROOT = "s3://noaa-goes17"


RUN_TIME = "2024-07-15T00:00:00"


def segments_of(hours: int) -> list[dict[str, str]]:
    end = HOUR + timedelta(hours=hours)
    return [{"platform": "G17", "start": f"{HOUR:%FT%T}", "end": f"{end:%FT%T}"}]


def ingest(data: Path, endpoint: str, hours: int, *, in_workers: bool = True) -> None:
    """What `kedro run --pipeline ingestion` does, without Kedro's start-up.

    A file beside the data says which stage is under way, and since when.
    """
    if not in_workers:
        hours_module.PARALLEL_FROM = hours + 1  # type: ignore[misc]
    fs_args = {"anon": True, "endpoint_url": endpoint}
    archive = GranuleArchiveDataset(root=ROOT, max_concurrency=4, fs_args=fs_args)
    raw = RawGranulesDataset(path=str(data / "raw"))
    series = FlashSeriesDataset(path=str(data / "series"))
    database = str(data / "lightning.duckdb")
    loaded = LoadedGranulesDataset(path=database).load()
    begin(data, "extract")
    extracted, hour_report = extract_granules(archive.load(), loaded, segments_of(hours))
    raw.save(extracted)
    begin(data, "transform")
    tasks, decode_report = transform_granules(raw.load(), hour_report, loaded)
    series.save(tasks)
    begin(data, "load")
    *parts, _ = load_flashes(series.load(), decode_report, RUN_TIME)
    for table, part in zip(MEMBERS, parts, strict=True):
        GranuleTableDataset(path=database, table=table).save(part)
    begin(data, "end")


def begin(data: Path, stage: str) -> None:
    with data.with_suffix(".stages").open("a") as file:
        file.write(f"{stage} {time.monotonic()}\n")


def stages_of(data: Path) -> dict[str, float]:
    """When each stage began, on the clock of this machine."""
    path = data.with_suffix(".stages")
    lines = path.read_text().splitlines() if path.exists() else []
    return {stage: float(moment) for stage, moment in (line.split() for line in lines)}


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
    """12 granules of each of five hours in a bucket."""
    root = tmp_path_factory.mktemp("kills")
    for hour in (HOUR + timedelta(hours=number) for number in range(max(KILLS))):
        folder = root / "noaa-goes17" / "GLM-L2-LCFA" / f"{hour:%Y/%j/%H}"
        folder.mkdir(parents=True)
        for name, content in simulate_hour("G17", hour, numbers=range(0, 180, 15)):
            (folder / f"OR{name.file_name[2:]}").write_bytes(content)
    return root


class Runs:
    """Starts runs in processes of their own, and kills some."""

    def __init__(self, endpoint: str, hours: int) -> None:
        self.endpoint = endpoint
        self.hours = hours
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            [__name__, "s3fs", "duckdb", "portalocker", "pyarrow.csv"]
        )

    def start(self, data: Path, *, in_workers: bool) -> Any:
        data.with_suffix(".stages").unlink(missing_ok=True)
        process = self._context.Process(
            target=ingest,
            args=(data, self.endpoint, self.hours),
            kwargs={"in_workers": in_workers},
        )
        process.start()
        return process

    def finish(self, data: Path, *, in_workers: bool = False) -> dict[str, float]:
        """Run to the end; how many seconds each stage took."""
        process = self.start(data, in_workers=in_workers)
        process.join()
        assert process.exitcode == 0
        began = list(stages_of(data).values())
        return dict(zip(STAGES, (after - before for before, after in pairwise(began)), strict=True))

    def kill(self, data: Path, stage: str, after_s: float) -> str | None:
        """Kill a run some seconds after a stage began; the stage that it hit, if it hit one.

        Only the run itself is killed, as by the kernel's want of memory, not those that it started.
        """
        process = self.start(data, in_workers=True)
        while process.is_alive() and stage not in stages_of(data):
            time.sleep(0.001)
        process.join(after_s)
        if process.is_alive():
            with suppress(ProcessLookupError):  # it has come to its end just now
                os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
        hit = list(stages_of(data))[-1]
        return hit if process.exitcode and hit in STAGES else None


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody kills leaves, and how many seconds its stages take."""

    runs: Runs
    database: str
    files: list[str]
    seconds: dict[str, float]


@pytest.fixture(scope="module", params=KILLS)
def undisturbed(
    buckets: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with serve_folder(buckets) as server:
        runs = Runs(server.endpoint, request.param)
        runs.finish(folder / "warm-up")
        data = folder / "data"
        seconds = runs.finish(data, in_workers=True)
        yield Undisturbed(runs, fingerprint(data), list_files(data), seconds)


@pytest.mark.parametrize("stage", STAGES)
def test_run_after_a_kill_ends_as_if_nothing_had_happened(
    undisturbed: Undisturbed, tmp_path: Path, stage: str
) -> None:
    runs = undisturbed.runs
    wanted = KILLS[runs.hours]
    randomly = random.Random(f"{stage} of {runs.hours} hours")
    hits: Counter[str] = Counter()
    for number in range(ATTEMPTS * wanted):
        if hits[stage] == wanted:
            break
        data = tmp_path / f"killed-{number}"
        hit = runs.kill(data, stage, randomly.uniform(0.0, undisturbed.seconds[stage]))
        hits.update([hit] if hit else [])
        runs.finish(data)
        assert fingerprint(data) == undisturbed.database, f"kill {number} in {hit}"
        assert list_files(data) == undisturbed.files, f"kill {number} in {hit}"
    assert hits[stage] == wanted, hits
