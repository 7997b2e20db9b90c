"""Reporting reads its own window: years of other granules cost neither memory nor time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pipelines.reported_results import make_full_result
from tests.repetitions import repeat

from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import connect, transaction
from lightning_kedro.store.results import replace_result
from lightning_kedro.store.tables import create_table

ONE_HOUR, YEARS = 180, repeat(1, 3) * 365 * 24 * 180

REPORT = """
import resource, sys
from pathlib import Path
from lightning_kedro.pipelines.reporting import nodes
from lightning_kedro.store.results import ResultTable
from tests.pipelines.reported_results import make_selection

for path in sys.argv[1:]:
    handle = ResultTable(Path(path), "k_selection")
    storms = ResultTable(Path(path), "storm_selection")
    reported = nodes.select_result(handle, storms, make_selection().to_plain(), "")
    assert len(reported.granules) == 180, len(reported.granules)
    nodes.map_density(reported)
    nodes.plot_flash_rate(reported)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def fill(path: Path, count: int) -> None:
    """A database with a result, and so many granules that end with its window."""
    with connect(path, read_only=False) as connection:
        create_table(connection, "granules")
        given = {
            "platform": "'G18'",
            "granule_start": "start",
            "granule_end": "start + INTERVAL 20 SECOND",
            "created": "start + INTERVAL 30 SECOND",
            "orbital_slot": "'GOES-West'",
            "file_name": "'OR_GLM-L2-LCFA_G18_s' || strftime(start, '%Y%j%H%M%S') || '0.nc'",
            "status": "'loaded'",
        }
        columns = ", ".join(f"{given.get(name, 'NULL')}" for name in TABLES["granules"].columns)
        first = f"TIMESTAMP '2024-07-14 23:00:00' - INTERVAL 1 SECOND * (20 * ({count} - i))"
        connection.execute(
            f"INSERT INTO granules SELECT {columns}, false FROM "
            f"(SELECT {first} AS start FROM range({count}) AS t(i))"
        )
        with transaction(connection):
            create_table(connection, "coverage")
        replace_result(connection, make_full_result(), simulated=False)


def measure(*paths: Path) -> list[float]:
    """Peak memory of reports in a process of their own, after each of them, KB."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", REPORT, *map(str, paths)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(peak) for peak in done.stdout.split()]


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is asked of the kernel")
def test_memory_is_flat_in_the_history(tmp_path: Path) -> None:
    fill(tmp_path / "hour.duckdb", ONE_HOUR)
    fill(tmp_path / "years.duckdb", YEARS)
    hour, years = measure(tmp_path / "hour.duckdb", tmp_path / "years.duckdb")
    assert years < 1.2 * hour, f"{hour / 1024:.0f} MB with an hour, {years / 1024:.0f} with years"
