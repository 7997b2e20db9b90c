"""What a lake's history costs: the same work on top of 1, 30 and 365 days.

    PYTHONPATH=. python tests/benchmarks/year.py [--days 1 30 365] [--flashes-per-hour 2000]

Writes flashes that are nobody's, hour by hour, into a lake that grows from one number of days to
the next, and then, each in a process of its own: loads one more hour, asks five questions of the
last days, and reads, clusters and finds the storms of a month (or what there is of it), but for the
saving of what comes out. Times are the best of three, of a month's clustering and storms that of
one; memory is the most that the process took. The history is kept in --folder for the next time.
"""

import argparse
import logging
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from lightning_kedro.datasets.workers import ThreadsDataset
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.granules.bundle import LoadedHours
from lightning_kedro.granules.record import HourSeries
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.clustering import create_pipeline as create_clustering
from lightning_kedro.pipelines.storms import create_pipeline as create_storms
from lightning_kedro.selected_flashes import FLASH_COLUMNS
from lightning_kedro.selection import Selection
from lightning_kedro.store.lake.committing import commit_hours
from lightning_kedro.store.lake.hours import pack_record, write_hour
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.reading import LakeFlashTable
from lightning_kedro.store.lake.series import LakeHours
from lightning_kedro.store.lake.tasks import WrittenHour

PLATFORM = "G17"
LAST = datetime(2024, 7, 15)  # noqa: DTZ001  (UTC, as tables have it)
PER_HOUR = 180
STORMS = 50
DAYS_AT_ONCE = 5
REPEATS = 3


def make_hour(hour: datetime, n_flashes: int) -> HourSeries:
    """An hour of flashes in storms that last six hours, and the record of its granules."""
    chance = np.random.default_rng(int(hour.timestamp()))
    storms = np.random.default_rng(int(hour.timestamp()) // (6 * 3600))
    centers = storms.normal([15, -100], [20, 20], (STORMS, 2)).clip([-54, -178], [54, -31])
    lat, lon = centers[chance.integers(0, STORMS, n_flashes)].T + chance.normal(
        0, 0.2, (2, n_flashes)
    )
    offsets = np.sort(chance.integers(0, 3_600_000_000, n_flashes))
    numbers = offsets // 20_000_000
    starts = np.datetime64(hour, "us") + (numbers * 20_000_000).astype("timedelta64[us]")
    times = np.datetime64(hour, "us") + offsets.astype("timedelta64[us]")
    columns = {
        "platform": [PLATFORM] * n_flashes,
        "granule_start": starts,
        "flash_id": np.arange(n_flashes) % 65536,
        "time": times,
        "time_end": times + np.timedelta64(300, "ms"),
        "lat": lat,
        "lon": lon,
        "energy_j": chance.exponential(1e-13, n_flashes),
        "area_km2": chance.exponential(300, n_flashes),
        "quality_flag": np.zeros(n_flashes, int),
    }
    counts = np.bincount(numbers, minlength=PER_HOUR)
    records = [
        describe(hour + timedelta(seconds=20 * at), int(counts[at])) for at in range(PER_HOUR)
    ]
    flashes = pa.table({name: pa.array(column) for name, column in columns.items()})
    return HourSeries(
        flashes.select(SERIES_SCHEMA.names).cast(SERIES_SCHEMA),
        pa.Table.from_pylist(records, schema=arrow_schema("granules")),
    )


def describe(start: datetime, n_flashes: int) -> dict[str, Any]:
    """The record of a granule."""
    end = start + timedelta(seconds=20)
    times = f"s{start:%Y%j%H%M%S}0_e{end:%Y%j%H%M%S}0_c{end:%Y%j%H%M%S}0"
    return {
        "platform": PLATFORM,
        "granule_start": start,
        "granule_end": end,
        "created": end + timedelta(seconds=2),
        "orbital_slot": "GOES-West",
        "file_name": f"OR_GLM-L2-LCFA_G17_{times}.nc",
        "file_bytes": 300_000,
        "flash_count": n_flashes,
        "declared_flash_count": n_flashes,
        "status": "loaded" if n_flashes else "empty",
    }


def load(lake: Place, hours: list[datetime], n_flashes: int) -> None:
    """Write hours and commit them, as workers and a client do."""
    written = []
    for hour in hours:
        series = make_hour(hour, n_flashes)
        made = write_hour(lake, PLATFORM, hour, series, simulated=True)
        record = pack_record(series.granules)
        written.append(WrittenHour(PLATFORM, hour, made, {}, record))
    expected = {"platform": PLATFORM, "expected": PER_HOUR}
    kinds = {"platform": pa.string(), "hour": pa.timestamp("us"), "expected": pa.int32()}
    coverage = [{"hour": hour, **expected} for hour in hours]
    found = LakeHours(tuple(written))
    commit_hours(
        lake,
        LoadedHours(found, pa.Table.from_pylist(coverage, schema=pa.schema(kinds))),
        simulated=True,
    )


def grow(lake: Place, days: int, n_flashes: int) -> None:
    """Add the days before that are not there yet."""
    delta = LakeTable(lake, "flashes").open()
    present: set[date] = set()
    if delta is not None:
        present = {*pa.table(delta.get_add_actions(flatten=True))["partition.date"].to_pylist()}
    first = [LAST - timedelta(days=number + 1) for number in range(days)]
    wanted = [day for day in first if day.date() not in present]
    for at in range(0, len(wanted), DAYS_AT_ONCE):
        some = wanted[at : at + DAYS_AT_ONCE]
        load(lake, [day + timedelta(hours=hour) for day in some for hour in range(24)], n_flashes)


QUESTIONS = {
    "flashes by day, last 30 days": (
        "SELECT date, count(*) FROM flashes WHERE date >= DATE '2024-06-15' GROUP BY ALL"
    ),
    "by hour of the day, last 30 days": (
        "SELECT hour(time), count(*) FROM flashes WHERE date >= DATE '2024-06-15' GROUP BY ALL"
    ),
    "in a box, last day": (
        "SELECT count(*) FROM flashes WHERE date = DATE '2024-07-14' "
        "AND lat BETWEEN 10 AND 20 AND lon BETWEEN -110 AND -100"
    ),
    "the largest of a week": (
        "SELECT time, area_km2 FROM flashes WHERE date >= DATE '2024-07-08' "
        "ORDER BY area_km2 DESC LIMIT 10"
    ),
    "of ten minutes": (
        "SELECT count(*), sum(energy_j) FROM flashes WHERE date = DATE '2024-07-14' "
        "AND time >= TIMESTAMP '2024-07-14 12:00' AND time < TIMESTAMP '2024-07-14 12:10'"
    ),
}


def ask(lake: Place, query: str) -> None:
    """A question as the documents say: log, dataset, DuckDB."""
    from deltalake import DeltaTable

    with duckdb.connect() as connection:
        pruned = [("date", ">=", query.partition("DATE '")[2].partition("'")[0])]
        table = DeltaTable(lake.join("flashes"))
        connection.register("flashes", table.to_pyarrow_dataset(file_pruning_predicate=pruned))
        connection.execute(query).fetchall()


def read_month(lake: Place) -> None:
    """The flashes of 30 days, as clustering and storms read them."""
    end = LAST.replace(tzinfo=UTC)
    selection = Selection((Segment(PLATFORM, end - timedelta(days=30), end),))
    LakeFlashTable(lake).read(selection, FLASH_COLUMNS)


def run_pipeline(lake: Place, pipeline: Pipeline) -> None:
    """Cluster a month, or find its storms."""
    window = {"start": f"{LAST - timedelta(days=30):%F}", "end": f"{LAST:%F}"}
    given = {"satellite": PLATFORM, "window": window}
    parameters = check_parameters(given, now=datetime(2025, 1, 1, tzinfo=UTC))
    entries = {"flashes": MemoryDataset(LakeFlashTable(lake), copy_mode="assign")}
    catalog = DataCatalog(entries | {"workers": ThreadsDataset()})
    for name in pipeline.inputs():
        path = name.removeprefix("params:").split(".")
        if path != [name]:
            catalog[name] = MemoryDataset(reduce(getitem, path, parameters))
    SequentialRunner().run(pipeline, catalog)


def cluster_month(lake: Place) -> None:
    run_pipeline(lake, create_clustering())


def track_month(lake: Place) -> None:
    run_pipeline(lake, create_storms())


def load_next(lake: Place, n_flashes: int) -> None:
    """One more hour than there is."""
    delta = LakeTable(lake, "flashes").open()
    assert delta is not None
    load(lake, [LAST + timedelta(hours=delta.version() % 24, days=400)], n_flashes)


def measure(task: Callable[..., None], arguments: tuple[Any, ...], answers: Any) -> None:
    """The best time of some, the processor's and the clock's, and the most memory."""
    logging.disable(logging.INFO)
    times = []
    for _ in range(1 if task in {cluster_month, track_month} else REPEATS):
        began, worked = time.perf_counter(), time.process_time()
        task(*arguments)
        times.append((time.process_time() - worked, time.perf_counter() - began))
    answers.put((*min(times), read_peak()))


def run(task: Callable[..., None], *arguments: Any) -> str:
    """Measure a task in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(task, arguments, answers))
    process.start()
    worked, took, megabytes = answers.get()
    process.join()
    return f"{worked:8.2f} s of processors {took:8.2f} s {megabytes:6.0f} MB"


def read_peak() -> float:
    """The most memory that this process had, MB; ru_maxrss would begin at its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[1, 30, 365])
    parser.add_argument("--flashes-per-hour", type=int, default=2000)
    kept = Path(tempfile.gettempdir()) / "lightning_kedro_year"
    parser.add_argument("--folder", type=Path, default=kept)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    lake = Place.of(str(options.folder / f"storms_{options.flashes_per_hour}"))
    for days in sorted(options.days):
        began = time.perf_counter()
        grow(lake, days, options.flashes_per_hour)
        print(f"{days} days of history, written in {time.perf_counter() - began:.0f} s", flush=True)
        print(
            f"  one more hour                     {run(load_next, lake, options.flashes_per_hour)}"
        )
        for name, query in QUESTIONS.items():
            print(f"  {name:33} {run(ask, lake, query)}", flush=True)
        print(f"  a month, read for clustering      {run(read_month, lake)}", flush=True)
        print(f"  a month, clustered                {run(cluster_month, lake)}", flush=True)
        print(f"  storms of a month                 {run(track_month, lake)}", flush=True)


if __name__ == "__main__":
    main()
