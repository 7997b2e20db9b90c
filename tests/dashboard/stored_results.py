"""Factories: databases as runs leave them, and the dashboard's server in a thread."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tests.pipelines.reported_results import START, make_full_result

from lightning_kedro.dashboard.server import listen, make_server, name_address
from lightning_kedro.results import RESULT_TABLES, STORM_TABLES, Result, make_table
from lightning_kedro.selection import Selection
from lightning_kedro.store.database import connect, transaction
from lightning_kedro.store.replacing import replace_rows
from lightning_kedro.store.results import replace_result
from lightning_kedro.store.tables import create_table

N_STORMS = 30


def save_result(path: Path, *, simulated: bool = True, storms: bool = True, **given: Any) -> Result:
    """Put a result of made-up flashes, with its granules and coverage, into a database."""
    result = make_full_result(simulated=simulated, **given)
    own = Result(result.selection, {name: result.tables[name] for name in RESULT_TABLES})
    platform = pa.array([own.selection.platform] * result.tables["coverage"].num_rows)
    with connect(path, read_only=False) as connection:
        with transaction(connection):
            for name, key in (
                ("granules", ["platform", "granule_start"]),
                ("coverage", ["platform", "hour"]),
            ):
                rows = result.tables[name]
                if name == "coverage":
                    rows = rows.set_column(0, "platform", platform)
                replace_rows(connection, name, rows, key, simulated=simulated)
        replace_result(connection, own, simulated=simulated)
        if storms:
            replace_result(connection, track(result), simulated=simulated)
    return result


def track(result: Result, n_storms: int = N_STORMS) -> Result:
    """Storms of a result's flashes: each flash is in one of them by chance, or in none."""
    selection = result.selection
    flashes = result.tables["clustered_flashes"]
    n = flashes.num_rows
    n_storms = min(n_storms, n)
    storm = np.sort(np.random.default_rng(60).integers(-1, max(n_storms, 1), n))
    names = np.array([f"G18-storm-{number}" for number in range(n_storms)] + [None], dtype=object)
    start = selection.key.window_start
    many = np.arange(n_storms)
    lat, lon = 30.0 - many * 0.5, -100.0 + many * 0.5
    rows: dict[str, dict[str, Any]] = {
        "storms": {
            "storm_id": names[:-1],
            "storm": many,
            "first_time": [start] * n_storms,
            "last_time": [start + timedelta(minutes=20)] * n_storms,
            "born": [start] * n_storms,
            "continues": many % 2 == 0,
            "flash_count": np.bincount(storm[storm >= 0], minlength=n_storms)[:n_storms],
            "peak_rate_per_minute": many + 5,
            "footprint_km2": many * 100.0,
            "lat": lat,
            "lon": lon,
            "speed_m_s": np.where(many == 1, np.nan, many + 1.0),
            "direction_deg": np.where(many == 1, np.nan, 45.0),
            "split_from": [None] * n_storms,
        },
        "storm_series": {
            "storm_id": np.repeat(names[:-1], 20),
            "minute": [start + timedelta(minutes=one) for _ in many for one in range(20)],
            "flash_count": np.full(20 * n_storms, 6),
            "lat": np.repeat(lat, 20),
            "lon": np.repeat(lon, 20) + np.tile(np.arange(20) * 0.1, n_storms),
        },
        "storm_flashes": {
            **{one: flashes[one] for one in ("flash_platform", "granule_start", "flash_id")},
            **{one: flashes[one] for one in ("time", "lat", "lon")},
            "storm": pa.array(storm, mask=storm < 0),
            "storm_id": names[storm],
        },
        "lightning_jumps": {
            "storm_id": names[:-1][:1],
            "algorithm": ["2-sigma"][:n_storms],
            "jump_time": [start + timedelta(minutes=10)][:n_storms],
            **{one: [1.5][:n_storms] for one in ("jump_rate_per_minute", "dfrdt", "sigma")},
        },
        "storm_selection": {
            "method": ["tracked"],
            "n_flashes": [n],
            "n_storms": [n_storms],
            "n_noise": [int((storm < 0).sum())],
            "run_time": [start + timedelta(days=200)],
        },
    }
    tables = {
        name: make_table(name, selection, _fill(name, rows[name], selection))
        for name in STORM_TABLES
    }
    return Result(selection, tables, STORM_TABLES)


def _fill(table: str, columns: dict[str, Any], selection: Selection) -> dict[str, Any]:
    """All columns of a table that are no key; null where nothing is given."""
    from lightning_kedro.schemas import TABLES

    n = len(next(iter(columns.values())))
    names = [name for name in TABLES[table].columns if name not in selection.key._fields]
    return {name: columns.get(name, [None] * n) for name in names}


def save_coverage(path: Path, platform: str, *hours: tuple[int, int, int]) -> None:
    """Hours of the day of ``START``: hour, granules found, granules corrupt."""
    with connect(path, read_only=False) as connection, transaction(connection):
        create_table(connection, "coverage")
        for hour, found, corrupt in hours:
            connection.execute(
                "INSERT INTO coverage BY NAME SELECT ? AS platform, ? AS hour, 180 AS expected, "
                "? AS found, ? AS corrupt, ? AS missing, false AS simulated",
                [platform, START.replace(hour=hour), found, corrupt, 180 - found],
            )


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Dashboard:
    """A server that runs."""

    address: str

    def get(self, path: str, **headers: str) -> Answer:
        request = urllib.request.Request(self.address + path, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  (loopback)
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())


@contextmanager
def run_dashboard(database: Path, reports: Path | None = None) -> Iterator[Dashboard]:
    """Serve a database on loopback, in a thread of this process."""
    server = make_server(database, reports or database.parent / "08_reporting", "127.0.0.1")
    with listen("127.0.0.1", 0) as listener:
        address = name_address(listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Dashboard(address)
        finally:
            server.should_exit = True
            thread.join(10)
