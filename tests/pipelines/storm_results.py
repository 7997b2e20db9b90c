"""Factories: results of storms made up of the clusters of made-up results."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tests.pipelines.reported_results import Tables, make_tables

from lightning_kedro.results import STORM_TABLES, Result, make_table

NOISE_EVERY = 20
DRIFT_DEGREES_PER_HOUR = 0.5


def make_stormy(**given: Any) -> Tables:
    """A result whose clusters are storms that drift east; every 20th flash is in none."""
    tables = make_tables(**{"spread": 0.2, "simulated": True, **given})
    flashes = tables.clustered_flashes
    time = flashes["time"].to_numpy().astype("datetime64[us]")
    hours = (time - np.datetime64(tables.selection.key.window_start, "us")) / np.timedelta64(1, "h")
    lon = flashes["lon"].to_numpy() + hours * DRIFT_DEGREES_PER_HOUR
    lon = ((lon + 180) % 360 - 180).astype(np.float32)
    moved = flashes.set_column(flashes.column_names.index("lon"), "lon", pa.array(lon))
    tables = replace(tables, clustered_flashes=moved)
    return replace(tables, storms=make_storms(tables))


def make_storms(tables: Tables) -> Result:
    """The result of storms of a result of clustering, as ``ResultTable.find_result`` reads it."""
    frame = tables.clustered_flashes.select(["time", "lat", "lon", "cluster"]).to_pandas()
    noise = np.arange(len(frame)) % NOISE_EVERY == NOISE_EVERY - 1
    storm = np.where(noise, -1, frame["cluster"]).astype(np.int32)
    counts = np.bincount(storm[~noise], minlength=1)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    rank = np.full(counts.size + 1, -1, dtype=np.int32)
    rank[order] = np.arange(order.size)
    frame["storm"] = rank[storm]
    inside = frame[frame["storm"] >= 0]
    rows = [describe_storm(number, mine) for number, mine in inside.groupby("storm")]
    series = [count_minutes(number, mine) for number, mine in inside.groupby("storm")]
    jumps = [list_jumps(row) for row in rows[:3]]
    made = {
        "storms": stack(rows),
        "storm_series": pd.concat(series) if series else pd.DataFrame({"storm_id": []}),
        "lightning_jumps": stack([jump for some in jumps for jump in some]),
        "storm_selection": pd.DataFrame([make_selection_row(frame, len(rows))]),
    }
    result = {name: fill(name, tables, columns) for name, columns in made.items()}
    flashes = tables.clustered_flashes.select(["time", "lat", "lon"])
    result["storm_flashes"] = flashes.append_column(
        "storm", pa.array(frame["storm"].to_numpy(), mask=(frame["storm"] < 0).to_numpy())
    )
    return Result(tables.selection, {name: result[name] for name in STORM_TABLES}, STORM_TABLES)


def stack(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame({"storm_id": []})


def name(number: int) -> str:
    return f"G18-20240714T22000{number % 10}-{number:06x}"


def describe_storm(number: int, mine: pd.DataFrame) -> dict[str, Any]:
    first, last = mine["time"].min(), mine["time"].max()
    minutes = (last - first) / timedelta(minutes=1)
    east = np.degrees(np.angle(np.exp(1j * np.radians(mine["lon"])).mean()))
    known = minutes >= 10
    return {
        "storm_id": name(number),
        "storm": number,
        "born": first - timedelta(minutes=30 if number == 0 else 0),
        "first_time": first,
        "last_time": last,
        "duration_minutes": minutes,
        "continues": number == 1,
        "flash_count": len(mine),
        "peak_rate_per_minute": int(mine["time"].dt.floor("min").value_counts().max()),
        "footprint_km2": 640.0,
        "lat": float(mine["lat"].mean()),
        "lon": float(east),
        "speed_m_s": 15.0 if known else None,
        "direction_deg": 90.0 if known else None,
        "split_from": name(0) if number == 2 else None,
        "merged_into": "G18-20240714T210000-abcdef" if number == 3 else None,
    }


def count_minutes(number: int, mine: pd.DataFrame) -> pd.DataFrame:
    minute = mine["time"].dt.floor("min")
    middle = mine["lon"].iloc[0]
    lon = (mine["lon"] - middle + 180) % 360 - 180
    grouped = pd.DataFrame({"minute": minute, "lat": mine["lat"], "lon": lon}).groupby("minute")
    series = grouped.mean().reset_index()
    series["lon"] = (series["lon"] + middle + 180) % 360 - 180
    series["flash_count"] = grouped.size().to_numpy()
    series["rate_per_minute"] = series["flash_count"].astype(float)
    return series.assign(storm_id=name(number))


def list_jumps(row: dict[str, Any]) -> list[dict[str, Any]]:
    """A jump of each algorithm in the middle of a storm's life."""
    at = row["first_time"] + (row["last_time"] - row["first_time"]) / 2
    numbers = {"jump_rate_per_minute": 21.0, "dfrdt": 4.2, "sigma": 1.5, "threshold": 3.0}
    both = ("2-sigma", "FRarea")
    return [
        {"storm_id": row["storm_id"], "algorithm": one, "jump_time": at.floor("2min"), **numbers}
        for one in both
    ]


def make_selection_row(frame: pd.DataFrame, n_storms: int) -> dict[str, Any]:
    return {
        "satellite": "G18",
        "method": "tracked",
        "n_flashes": len(frame),
        "n_storms": n_storms,
        "n_noise": int((frame["storm"] < 0).sum()),
        "flashes_fingerprint": "60b5c1a2",
        "code_version": "0.1.0+g1937cf2",
        "run_time": pd.Timestamp("2025-01-01 06:20"),
    }


def fill(table: str, tables: Tables, given: pd.DataFrame) -> pa.Table:
    """Rows with all columns of the registry; what is not given is null."""
    from lightning_kedro.schemas import RESULT_KEY, TABLES

    names = [one for one in TABLES[table].columns if one not in RESULT_KEY]
    columns = {one: given[one] if one in given else pd.Series([None] * len(given)) for one in names}
    return make_table(table, tables.selection, {key: list(one) for key, one in columns.items()})
