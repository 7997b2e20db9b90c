"""A simulated day into a lake: one worker against two, and the client's memory against the window.

    PYTHONPATH=. python tests/benchmarks/dask_day.py [--hours 24] [--pairs 5]
    PYTHONPATH=. python tests/benchmarks/dask_day.py --memory [--days 30]

The first simulates the day's granules in a folder that is kept between runs, and times ingestion
(extract, transform, load) into a new lake with one worker and with two, one after the other; the
workers are started before. The second gives the largest memory of the client for a day and more,
of granules that hold nothing: what the client has to do with them is the same.
"""

import argparse
import logging
import multiprocessing
import re
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
from distributed import LocalCluster
from tests.ingesting import make_granules
from tests.lakes import LakeIngestion

from lightning_kedro.glm.granule import GRANULE_LENGTH, hour_prefix
from lightning_kedro.simulation.hour import simulate_hour

DAY = datetime(2024, 7, 14, tzinfo=UTC)
PLATFORM = "G17"


def write_hour(archive: Path, hour: datetime) -> None:
    """Simulate an hour, called as real granules are."""
    folder = archive / hour_prefix(hour)
    if folder.exists():
        return
    partial = folder.with_suffix(".part")
    partial.mkdir(parents=True)
    for name, content in simulate_hour(PLATFORM, hour):
        (partial / f"OR{name.file_name[2:]}").write_bytes(content)
    partial.rename(folder)


def simulate_day(archive: Path, hours: int) -> None:
    """Simulate what is not there yet, on all cores."""
    wanted = [(archive, DAY + timedelta(hours=number)) for number in range(hours)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        pool.starmap(write_hour, wanted)


def ingest(archive: Path, hours: int, address: str) -> float:
    """Ingest into a new lake; how many seconds it took."""
    with tempfile.TemporaryDirectory() as folder, dask.config.set({"scheduler-address": address}):
        lake = LakeIngestion(Path(folder), str(archive))
        began = time.perf_counter()
        lake.run(DAY, hours=hours)
        return time.perf_counter() - began


def start_workers(count: int) -> LocalCluster:
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.ERROR,
    )


def compare(archive: Path, hours: int, pairs: int) -> None:
    """Time pairs of one worker and two."""
    simulate_day(archive, hours)
    with start_workers(1) as one, start_workers(2) as two:
        for cluster in (one, two):  # imports, and the disk's cache
            ingest(archive, min(2, hours), cluster.scheduler_address)
        ratios = []
        for _ in range(pairs):
            slow, fast = (ingest(archive, hours, one_.scheduler_address) for one_ in (one, two))
            ratios.append(slow / fast)
            print(f"one worker {slow:6.1f} s   two {fast:6.1f} s   {ratios[-1]:.2f} x", flush=True)
    print(f"median of {pairs} pairs: {statistics.median(ratios):.2f} x")


def lay_out_nothing(archive: Path, days: int) -> None:
    """Granules without content: names and places alone."""
    (template, _), *_ = make_granules(DAY, (0,))
    for number in range(days * 24 * 180):
        start = DAY + number * GRANULE_LENGTH
        shift = start - template.start
        moved = replace(
            template,
            start=start,
            end=template.end + shift,
            created=template.created + shift,
        )
        folder = archive / hour_prefix(start)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / moved.file_name).touch()


def measure(archive: str, days: int, address: str, answers: "multiprocessing.Queue[float]") -> None:
    """The largest memory of a client that ingests some days."""
    ingest(Path(archive), 24 * days, address)
    answers.put(read_peak())


def compare_memory(most: int) -> None:
    """The client's memory for a day and for many."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as archive, start_workers(2) as cluster:
        lay_out_nothing(Path(archive), most)
        for days in (1, most):
            answers = context.Queue()
            began = time.perf_counter()
            client = context.Process(
                target=measure, args=(archive, days, cluster.scheduler_address, answers)
            )
            client.start()
            megabytes = answers.get()
            client.join()
            took = time.perf_counter() - began
            print(f"{days:3d} days: {megabytes:6.0f} MB at most, {took:.0f} s", flush=True)


def read_peak() -> float:
    """The most memory that this process had, MB; ru_maxrss would begin at its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--days", type=int, default=30)
    kept = Path(tempfile.gettempdir()) / "lightning_kedro_dask_day"
    parser.add_argument("--archive", type=Path, default=kept)
    options = parser.parse_args()
    if options.memory:
        compare_memory(options.days)
    else:
        compare(options.archive, options.hours, options.pairs)


if __name__ == "__main__":
    main()
