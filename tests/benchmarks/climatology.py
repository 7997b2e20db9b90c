"""Climatology of made-up history: time, and peak memory, of windows of different length.

Each runs in a process of its own, so that its peak is its own.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.pipelines.climatology.nodes import add_up_hours
from lightning_kedro.selection import Selection
from lightning_kedro.store.loaded import FlashTable
from lightning_kedro.store.tables import create_table
from lightning_kedro.store.views import open_for_writing

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 730  # of a month
CASES = ((1, 200), (12, 200), (1, 20_000), (3, 20_000))
OPTIONS = {"degrees": 0.05, "thunder_km": 15.0, "thunder_flashes": 2}

_COVERAGE = """
    INSERT INTO coverage BY NAME
    SELECT 'G19' AS platform, TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR AS hour, 180 AS expected,
           180 AS found, 0 AS corrupt, 0 AS missing, true AS simulated
    FROM range({hours}) AS hours(i)
"""

_FLASHES = """
    INSERT INTO flashes BY NAME
    SELECT 'G19' AS platform, time AS granule_start, (i % 65536)::INTEGER AS flash_id, time,
           time AS time_end, (20 + 15 * random())::FLOAT AS lat,
           (-100 + 20 * random())::FLOAT AS lon, 0 AS quality_flag, true AS simulated
    FROM (SELECT i, TIMESTAMP '2026-01-01' + to_microseconds((i * 3600e6 / {rate})::BIGINT) AS time
          FROM range({hours} * {rate}) AS flashes(i))
"""


def make_history(path: Path, months: int, rate: int) -> None:
    with open_for_writing(path) as connection:
        for table in ("granules", "flashes", "coverage"):
            create_table(connection, table)
        for query in (_COVERAGE, _FLASHES):
            connection.execute(query.format(hours=months * HOURS, rate=rate))


def measure(path: Path, months: int) -> None:
    part = Segment("G19", START, START + timedelta(hours=months * HOURS))
    began = time.perf_counter()
    made = add_up_hours(FlashTable(path), Selection((part,)).to_plain(), OPTIONS)
    seconds = time.perf_counter() - began
    print(
        f"{months:3d} months, {made.flash_total:12,d} flashes: {seconds:6.1f} s, "
        f"{read_peak_mb():,.0f} MB, {made.thunder_hours.max():,d} thunder hours at most"
    )


def read_peak_mb() -> float:
    """Peak memory of this process alone, MB; NaN where the system does not tell (not Linux).

    Not ``ru_maxrss``, in which a process begins with what its parent had.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return found[0] / 1024 if found else float("nan")


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), int(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for months, rate in CASES:
            path = Path(folder) / f"{months}_{rate}.duckdb"
            make_history(path, months, rate)
            subprocess.run([sys.executable, __file__, str(path), str(months)], check=True)
            path.unlink()


if __name__ == "__main__":
    main()
