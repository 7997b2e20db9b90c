"""How fast granules become tables: ratios against plain ways, measured in one run.

    python tests/benchmarks/ingestion.py [--hours 24]

Simulated granules of about 280 flashes each stand for real ones: same format, same layout; every
hour of the day is as busy as a summer afternoon. Every figure is a ratio of times (or memory) of
the same machine in the same run.
"""

import argparse
import asyncio
import contextlib
import io
import logging
import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr
import yaml
from bare_reads import VARIABLES, read_bare

from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import (
    GRANULE_LENGTH,
    GRANULES_PER_HOUR,
    SIMULATED,
    GranuleName,
    hour_prefix,
    parse_granule_name,
)
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.simulation.granule_writer import encode_granule
from lightning_kedro.simulation.observation import observe_hour
from lightning_kedro.store.storage import Storage
from lightning_kedro.store.workers import run_hours

PROJECT = Path(__file__).parents[2]
DAY = datetime(2024, 7, 14, tzinfo=UTC)
BUSY = DAY + timedelta(hours=22)
"""The hour that every hour is made after, each with a seed of its own."""

PLAIN_VARIABLES = tuple(name.removeprefix("flash_") for name in VARIABLES)


def read_netcdf4(path: Path) -> None:
    with netCDF4.Dataset(path) as dataset:
        for variable in VARIABLES:
            dataset[variable][:]


def read_xarray(path: Path) -> None:
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        for variable in VARIABLES:
            dataset[variable].to_numpy()


def read_ours(path: Path) -> None:
    read_flashes(path, name_of(path))


def name_of(path: Path) -> GranuleName:
    name = parse_granule_name(path.name)
    assert name is not None
    return name


ROUNDS = 5
"""So often the day is read and ingested in turn: the machine's speed drifts."""


def make_hour(archive: Path, number: int) -> Path:
    """Write the granules of the hour of the day with this number: the folder they are in."""
    hour = DAY + timedelta(hours=number)
    folder = archive / hour_prefix(hour)
    folder.mkdir(parents=True)
    observed = observe_hour("G16", BUSY, seed=number)
    for index in range(GRANULES_PER_HOUR):
        start = hour + index * GRANULE_LENGTH
        end = start + GRANULE_LENGTH
        name = GranuleName(
            platform="G16",
            start=start,
            end=end,
            created=end + GRANULE_LENGTH / 8,
            environment=SIMULATED,
        )
        (folder / name.file_name).write_bytes(encode_granule(name, observed.granule(index)))
    return folder


def clock(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare_readers(paths: Sequence[Path]) -> None:
    """Time the readers in turn, several times over the same granules."""
    readers = {"ours": read_ours, "h5py": read_bare, "netCDF4": read_netcdf4, "xarray": read_xarray}
    counts = {"ours": 180, "h5py": 180, "netCDF4": 60, "xarray": 30}
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(5):
        for name, reader in readers.items():
            some = paths[: counts[name]]
            seconds = clock(lambda reader=reader, some=some: [reader(path) for path in some])
            times[name].append(seconds / len(some))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in median.items():
        print(f"  {name:8s} {seconds * 1e3:7.2f} ms a granule")
    for name, target in (("h5py", 0.8), ("netCDF4", 4), ("xarray", 12)):
        print(f"  rate / {name} = {median[name] / median['ours']:.2f}   (aim: at least {target})")


def read_day_bare(folders: Sequence[Path]) -> float:
    """Bare h5py reads on all cores: seconds."""
    command = [sys.executable, Path(__file__).with_name("bare_reads.py"), *folders]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def ingest_plainly(folders: Sequence[Path], target: Path) -> None:
    """One file after another with netCDF4, three CSVs with pandas, then INSERT: the same data."""
    import duckdb

    target.mkdir()
    parts: dict[str, list[pd.DataFrame]] = {"time": [], "geo": [], "energy": []}
    for folder in folders:
        for path in sorted(folder.glob("*.nc")):
            with netCDF4.Dataset(path) as dataset:
                flash = {name: dataset[f"flash_{name}"][:] for name in PLAIN_VARIABLES}
                since = dataset["flash_time_offset_of_first_event"].units
            key = {"granule_start": name_of(path).start, "flash_id": flash["id"]}
            times = {
                name: netCDF4.num2date(flash[name], since).astype("datetime64[us]")
                for name in ("time_offset_of_first_event", "time_offset_of_last_event")
            }
            parts["time"].append(pd.DataFrame({**key, **times}))
            parts["geo"].append(pd.DataFrame({**key, "lat": flash["lat"], "lon": flash["lon"]}))
            rest = {name: flash[name] for name in ("energy", "area", "quality_flag")}
            parts["energy"].append(pd.DataFrame({**key, **rest}))
    with duckdb.connect(str(target / "plain.duckdb")) as connection:
        for name, frames in parts.items():
            pd.concat(frames).to_csv(target / f"{name}.csv", index=False)
            connection.register("incoming", pd.read_csv(target / f"{name}.csv"))
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming LIMIT 0")
            connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")


def make_project(folder: Path) -> Path:
    shutil.copytree(PROJECT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    (folder / "conf" / "local").mkdir()
    (folder / "src").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder)
    return folder


def start_ingestion(project: Path, archive: Path, hours: int) -> "subprocess.Popen[bytes]":
    """Begin to ingest the day's first hours, in a process of its own."""
    end = DAY + timedelta(hours=hours)
    window = f"satellite=G16,window.start={DAY:%Y-%m-%d},window.end={end:%Y-%m-%dT%H:%M}"
    command = [
        *(sys.executable, "-m", "kedro", "run", "--env", "sample", "--pipelines", "ingestion"),
        *("--params", f"archive={archive},{window}"),
    ]
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Wait until it has ended well."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(output.decode())


def ingest(project: Path, archive: Path, hours: int) -> float:
    """Run ingestion: seconds."""
    return clock(lambda: finish(start_ingestion(project, archive, hours)))


def measure_memory(project: Path, archive: Path, hours: int) -> float:
    """Run ingestion: peak memory in MB. To watch it slows it down, so that no time is taken."""
    process = start_ingestion(project, archive, hours)
    peak = [0.0]
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peak))
    watcher.start()
    finish(process)
    watcher.join()
    return peak[0]


def watch_memory(process: int, peak: list[float]) -> None:
    """Note the largest sum of the resident memory of a process and those it starts, in MB."""
    while (total := resident_mb(process)) > 0:
        peak[0] = max(peak[0], total)
        time.sleep(0.05)


def resident_mb(process: int) -> float:
    """Proportional set size of a process and its children: shared pages count once."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (OSError, ProcessLookupError):
        return 0.0
    own = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return own / 1024 + sum(resident_mb(int(child)) for child in children)


def start_up_seconds(project: Path) -> float:
    """What `kedro` takes before it does anything."""
    command = [sys.executable, "-m", "kedro", "catalog", "list-patterns"]
    return clock(lambda: subprocess.run(command, cwd=project, capture_output=True, check=True))


def serve_slowly(body: bytes, delay: float, address: "multiprocessing.Queue[str]") -> None:
    """Answer each request for an object after a while; runs in a process of its own."""
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        return web.Response(body=body)

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.put(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextlib.contextmanager
def slow_s3(body: bytes, delay: float) -> Iterator[str]:
    """A server on loopback that stands for an S3 at some distance."""
    context = multiprocessing.get_context("spawn")
    address = context.Queue()
    server = context.Process(target=serve_slowly, args=(body, delay, address), daemon=True)
    server.start()
    yield address.get(timeout=60)
    server.terminate()
    server.join()


def compare_fetching(paths: Sequence[Path]) -> None:
    """An hour from an S3 that answers after 50 ms: together, and one request after the other."""
    body = paths[0].read_bytes()
    granules = [
        StoredGranule(name_of(path), f"noaa-goes16/{path.name}", len(body)) for path in paths
    ]
    with slow_s3(body, 0.05) as endpoint:
        catalog = yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())
        entry = catalog["glm_archive"]
        arguments = {"anon": True, "endpoint_url": endpoint, **entry["fs_args"]}
        storage = Storage("s3://noaa-goes16", arguments, max_concurrency=entry["max_concurrency"])
        storage.read(granules[0])
        together = clock(lambda: list(storage.read_all(granules)))
        one_by_one = clock(lambda: [storage.read(granule) for granule in granules])
    print(f"  as the catalog has it {together:.2f} s, one after the other {one_by_one:.2f} s")
    print(f"  ratio = {one_by_one / together:.1f}   (aim: at least 15)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24, help="length of the day")
    parser.add_argument("--only-s3", action="store_true", help="compare fetching alone")
    parser.add_argument("--plain-hours", type=int, default=2, help="hours ingested the plain way")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only_s3:
            compare_fetching(sorted(make_hour(folder, 0).glob("*.nc")))
        else:
            run(folder, options.hours, options.plain_hours)


def run(folder: Path, hours: int, plain_hours: int) -> None:
    archive = folder / "archive"
    with contextlib.redirect_stderr(io.StringIO()):
        making = [partial(make_hour, archive, number) for number in range(2 * hours)]
        began = time.perf_counter()
        folders = run_hours(making, progress="")[:hours]
        seconds = (time.perf_counter() - began) / len(making)
    print(f"Simulating: {seconds:.2f} s an hour of {GRANULES_PER_HOUR} granules")
    paths = sorted(folders[0].glob("*.nc"))
    flashes = np.mean([len(read_flashes(path, name_of(path))) for path in paths])
    print(f"\nGranule to arrays ({flashes:.0f} flashes each)")
    compare_readers(paths)
    compare_days(folder, archive, folders, plain_hours)
    print("\nAn hour from an S3 that answers each request after 50 ms")
    compare_fetching(paths)


def compare_days(folder: Path, archive: Path, folders: Sequence[Path], plain_hours: int) -> None:
    """A day from a local archive to DuckDB: ours, bare reads, the plain way, and memory."""
    hours = len(folders)
    print(f"\n{hours} hours, {180 * hours} granules, from a local archive to DuckDB, CSVs included")
    project = make_project(folder / "project")
    read_day_bare(folders)  # what is read from the disk for the first time is read here
    rounds = []
    for _ in range(ROUNDS):
        shutil.rmtree(project / "data", ignore_errors=True)
        bare, start_up = read_day_bare(folders), start_up_seconds(project)
        rounds.append((bare, start_up, ingest(project, archive, hours) - start_up))
    bare, start_up, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(mine / reads for reads, _, mine in rounds)
    again = ingest(project, archive, hours)
    print(f"  start-up {start_up:.1f} s; bare h5py reads on all cores {bare:.1f} s")
    print(f"  ours {ours:.1f} s, again {again - start_up:.1f} s beyond start-up (aim: under 3)")
    print(f"  ours / bare reads = {ratio:.2f}   (aim: at most 2.5), median of {ROUNDS} pairs")
    some = folders[:: max(1, hours // plain_hours)][:plain_hours]
    plain = clock(lambda: ingest_plainly(some, folder / "plain")) * hours / len(some)
    print(f"  plain way {plain:.0f} s (from {len(some)} hours spread over the day)")
    print(f"  plain / ours = {plain / ours:.1f}   (aim: at least 10)")
    one_day, two_days = (
        measure_memory(make_project(folder / f"memory{days}"), archive, days * hours)
        for days in (1, 2)
    )
    print(f"  peak memory {one_day:.0f} MB, of twice the hours {two_days:.0f} MB (aim: < 1,000)")
    print(f"  ratio = {two_days / one_day:.2f}   (aim: at most 1.2)")


if __name__ == "__main__":
    main()
