"""Bare h5py reads of archive folders on all cores: seconds, for ``ingestion.py`` to hold against.

    python tests/benchmarks/bare_reads.py FOLDER [FOLDER ...]

A program of its own, whose workers import h5py and nothing else.
"""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

VARIABLES = (
    *("flash_id", "flash_time_offset_of_first_event", "flash_time_offset_of_last_event"),
    *("flash_lat", "flash_lon", "flash_energy", "flash_area", "flash_quality_flag"),
)


def read_bare(path: Path) -> None:
    import h5py

    with h5py.File(path) as file:
        for variable in VARIABLES:
            file[variable][...]


def read_hour_bare(folder: Path) -> None:
    for path in sorted(folder.glob("*.nc")):
        read_bare(path)


if __name__ == "__main__":
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        list(pool.map(read_hour_bare, map(Path, sys.argv[1:])))
    print(time.perf_counter() - began)
