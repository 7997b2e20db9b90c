"""Databases of history: hours with few flashes each, made in DuckDB without granules."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from lightning_kedro.store.tables import create_table
from lightning_kedro.store.views import open_for_writing

START = datetime(2024, 7, 1)  # noqa: DTZ001  (tables hold UTC without a zone)


def make_history(
    path: Path,
    hours: int,
    flashes: list[tuple[float, float, float]],
    platform: str = "G19",
    found: dict[int, int] | None = None,
) -> Path:
    """Write hours that each have the same flashes.

    Args:
        path: The database.
        hours: How many hours from ``START`` on.
        flashes: Of each flash its minute of the hour, latitude and longitude.
        platform: The satellite.
        found: Granules found by number of the hour; 180 where it says nothing. An hour of which
            none was found keeps its flashes: they do not count.
    """
    rows = [
        (START + timedelta(hours=hour, minutes=minute), number, lat, lon)
        for hour in range(hours)
        for number, (minute, lat, lon) in enumerate(flashes)
    ]
    times, numbers, lats, lons = ([*column] for column in zip(*rows, strict=True))
    incoming = pa.table(
        {
            "time": pa.array(times, pa.timestamp("us")),
            "flash_id": pa.array(numbers, pa.int32()),
            "lat": pa.array(lats, pa.float32()),
            "lon": pa.array(lons, pa.float32()),
        }
    )
    counts = [(found or {}).get(hour, 180) for hour in range(hours)]
    covered = pa.table(
        {
            "hour": pa.array(
                [START + timedelta(hours=hour) for hour in range(hours)], pa.timestamp("us")
            ),
            "found": pa.array(counts, pa.int32()),
        }
    )
    with open_for_writing(path) as connection:
        for table in ("granules", "flashes", "coverage"):
            create_table(connection, table)
        connection.register("incoming", incoming)
        connection.register("covered", covered)
        connection.execute(
            f"INSERT INTO flashes BY NAME SELECT '{platform}' AS platform, time AS granule_start, "
            "time AS time_end, 0 AS quality_flag, true AS simulated, * FROM incoming"
        )
        connection.execute(
            f"INSERT INTO coverage BY NAME SELECT '{platform}' AS platform, 180 AS expected, "
            "0 AS corrupt, 180 - found AS missing, true AS simulated, * FROM covered"
        )
    return path
