"""Factories: results of clustering made up, as the database would give them, and their reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lightning_kedro.exceptions import NoResultError
from lightning_kedro.pipelines.reporting import nodes
from lightning_kedro.pipelines.reporting.cluster_map import ClusteredWindow
from lightning_kedro.pipelines.reporting.reported import Drawing, ReportedResult, prepare
from lightning_kedro.pipelines.reporting.window import Window
from lightning_kedro.publication import Publication
from lightning_kedro.results import RESULT_TABLES, Result
from lightning_kedro.selection import Selection

START = datetime(2024, 7, 14, 22)  # noqa: DTZ001
PLACES = ((10, 178), (-15, -175), (35, -120), (15, -95))


@dataclass(frozen=True)
class Tables:
    """The tables of a result, which tests change, and what reporting makes of them."""

    selection: Selection
    clustered_flashes: pa.Table
    cluster_centers: pd.DataFrame
    silhouette_scores: pd.DataFrame
    elbow_curve: pd.DataFrame
    k_selection: pd.DataFrame
    granules: pd.DataFrame
    coverage: pd.DataFrame
    storms: Result | None = None
    sky: dict[str, Any] | None = None

    @property
    def result(self) -> Result:
        frames = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in {"selection", "clustered_flashes", "storms", "sky"}
        }
        tables = {
            name: pa.Table.from_pandas(frame, preserve_index=False)
            for name, frame in frames.items()
        }
        tables["clustered_flashes"] = self.clustered_flashes
        return Result(self.selection, tables)

    @property
    def reported(self) -> ReportedResult:
        return prepare(self.result, storms=self.storms, sky=self.sky)

    @property
    def clustered(self) -> ClusteredWindow:
        return self.reported.clustered

    @property
    def window(self) -> Window:
        return self.reported.window


@dataclass(frozen=True)
class Handle:
    """What ``k_selection`` and the tables like it load: results by selection."""

    tables: Sequence[Tables]

    def find_row(self, selection: Selection) -> dict[str, Any] | None:
        found = [one.sky for one in self.tables if one.selection.key == selection.key]
        return found[0] if found else None

    def read_identity(self, selection: Selection) -> str | None:
        return self.read_result(selection).identity

    def find_result(
        self,
        selection: Selection,
        columns: Mapping[str, Sequence[str]] | None = None,  # noqa: ARG002
    ) -> Result | None:
        found = [one.storms for one in self.tables if one.selection.key == selection.key]
        return next(iter(found), None)

    def read_result(self, selection: Selection) -> Result:
        for one in self.tables:
            if one.selection.key == selection.key:
                return one.result
        message = f"There is no result of {selection} yet"
        raise NoResultError(message)


def make_selection(
    satellite: str = "G18",
    hours: float = 1.0,
    *,
    start: datetime = START,
    region: tuple[float, float, float, float] | None = None,
    min_quality: str = "all",
    label: str = "default",
) -> Selection:
    sides = region or (None,) * 4
    end = start + timedelta(hours=hours)
    return Selection.from_parameters(
        {
            "satellite": satellite,
            "window": {"start": start.isoformat(), "end": end.isoformat()},
            "preprocessing": {
                "region": dict(zip(("west", "south", "east", "north"), sides, strict=True)),
                "min_quality": min_quality,
            },
            "clustering": {"label": label},
        }
    )


def make_tables(
    *,
    satellite: str = "G18",
    hours: float = 1.0,
    n: int = 3000,
    k: int = 4,
    simulated: bool = False,
    places: Sequence[tuple[float, float]] = PLACES,
    spread: float = 1.5,
    **selected: Any,
) -> Tables:
    """A result of ``n`` flashes in ``k`` clusters around places; of none or few as few clusters."""
    selection = make_selection(satellite, hours, **selected)
    k = min(k, n)
    rng = np.random.default_rng(60)
    cluster = np.sort(rng.integers(0, max(k, 1), n)) if n > k else np.arange(n)
    cluster = cluster.astype(np.int32)
    middles = np.array([places[one % len(places)] for one in range(k)], dtype=float).reshape(-1, 2)
    middles += np.arange(k)[:, None] // len(places) * 4.0
    lat = (middles[cluster, 0] + rng.normal(0, spread, n)).astype(np.float32)
    lon = ((middles[cluster, 1] + rng.normal(0, spread, n) + 180) % 360 - 180).astype(np.float32)
    start = np.datetime64(selection.key.window_start, "us")
    time = start + rng.integers(0, int(hours * 3.6e9), n).astype("timedelta64[us]")
    flashes = pa.table(
        {
            "time": time,
            "lat": lat,
            "lon": lon,
            "cluster": cluster,
            "quality_flag": np.where(np.arange(n) % 10 == 0, 3, 0).astype(np.int16),
        }
    )
    counts = np.bincount(cluster, minlength=k)[:k]
    centers = pd.DataFrame(
        {
            "cluster": np.arange(k, dtype=np.int32),
            "lat": middles[:, 0],
            "lon": (middles[:, 1] + 180) % 360 - 180,
            "mean_time": np.full(k, start),
            "flash_count": counts,
            "rms_radius_km": 200.0 if n > 1 else 0.0,
            "silhouette_coefficient": 0.5 if k > 1 else np.nan,
        }
    )
    ks = np.arange(2, 7 if n > 6 else 2)
    scores = pd.DataFrame({"k": ks, "silhouette_coefficient": 0.8 - 0.1 * np.abs(ks - k)})
    curve = pd.DataFrame({"k": np.arange(1, max(ks, default=min(n, 1)) + 1)})
    curve["inertia"] = 1e9 / curve["k"]
    curve["rms_distance_km"] = np.sqrt(curve["inertia"] / max(n, 1))
    granules = make_granules(satellite, hours, selection.key.window_start, simulated=simulated)
    coverage = pd.DataFrame(
        {
            "platform": satellite,
            "hour": [pd.Timestamp(selection.key.window_start).floor("h")],
            "expected": 180,
            "found": 180,
            "corrupt": 0,
            "missing": 0,
            "simulated": simulated,
        }
    )
    row = make_row(selection, n, k, evaluated=len(ks) > 0, simulated=simulated)
    return Tables(selection, flashes, centers, scores, curve, row, granules, coverage)


def make_row(
    selection: Selection, n: int, k: int, *, evaluated: bool, simulated: bool
) -> pd.DataFrame:
    """The row of ``k_selection``, with options and where it comes from."""
    region = selection.region
    row = {
        **selection.key._asdict(),
        **{side: getattr(region, side, None) for side in ("west", "south", "east", "north")},
        "satellite": "G18",
        "requested_k": None,
        "requested_criterion": "silhouette",
        "k": k,
        "criterion": "silhouette",
        "k_silhouette": k if evaluated else None,
        "k_elbow": 3 if evaluated else None,
        "at_range_end": evaluated and k in (2, 6),
        "reason": "highest silhouette" if evaluated else f"k_max clipped to {k}, of {n} flashes",
        "coordinates": "sphere",
        "standardize": False,
        "time_scale_km_per_hour": None,
        "k_min": 2,
        "k_max": 6,
        "max_cells": 20000,
        "max_certified": 2_000_000,
        "random_state": 60,
        "method": "exact",
        "n_flashes": n,
        "n_cells": n,
        "cell_size_km": None,
        "inertia": 1e8 if n else None,
        "silhouette_coefficient": 0.8 if evaluated else None,
        "inertia_error": 0.0,
        "silhouette_error": 0.0,
        "silhouette_error_bound": 1e-12 if evaluated else None,
        "relabelled_share": 0.0,
        "code_version": "0.1.0+g1937cf2",
        "run_time": datetime(2025, 1, 1, 6, 30),  # noqa: DTZ001
        "flashes_fingerprint": "60b5c1a2",
        "simulated": simulated,
    }
    return pd.DataFrame([row]).astype({"k_silhouette": "Int64", "k_elbow": "Int64"})


def make_granules(
    satellite: str,
    hours: float,
    start: datetime = START,
    *,
    slot: str | None = None,
    simulated: bool = False,
) -> pd.DataFrame:
    starts = pd.date_range(start, periods=round(hours * 180), freq="20s", unit="us")
    return pd.DataFrame(
        {
            "platform": satellite,
            "granule_start": starts,
            "granule_end": starts + pd.Timedelta("20s"),
            "orbital_slot": slot or ("GOES-East" if satellite in {"G16", "G19"} else "GOES-West"),
            "status": "loaded",
            "reason": None,
            "file_name": "OR_GLM-L2-LCFA",
            "simulated": simulated,
        }
    )


def drop_granules(tables: Tables, lost: Any) -> Tables:
    """The tables without some granules, and without the flashes that those held."""
    times = tables.clustered_flashes["time"].to_numpy().astype("datetime64[us]")
    starts = tables.granules["granule_start"][lost].to_numpy()
    after = times[:, None] - starts
    gone = ((after >= np.timedelta64(0)) & (after < np.timedelta64(20, "s"))).any(axis=1)
    kept = tables.clustered_flashes.filter(pa.array(~gone))
    return replace(tables, clustered_flashes=kept, granules=tables.granules[~lost])


def draw_all(tables: Tables) -> dict[str, bytes]:
    """Every picture, by name."""
    reported = tables.reported
    return {
        "cluster_map": nodes.map_clusters(reported).content,
        "storm_map": nodes.map_storms(reported).content,
        "cluster_animation": nodes.animate_clusters(reported).content,
        "storm_series": nodes.plot_storm_series(reported).content,
        "density_map": nodes.map_density(reported).content,
        "flash_rate": nodes.plot_flash_rate(reported).content,
        "k_evaluation": nodes.plot_k_evaluation(reported)[0].content,
    }


def gather(tables: Tables) -> Publication:
    """The whole report, as the node gives it to its outputs."""
    reported = tables.reported
    _, chart = nodes.plot_k_evaluation(reported)
    drawn = [Drawing(reported.source, content) for content in draw_all(tables).values()]
    return nodes.gather_report(reported, None, None, {}, "", *drawn, chart)[-1]


_GATHERED: list[tuple[Tables, Publication]] = []


def gather_once(tables: Tables) -> Publication:
    """The same, made once for the same tables: drawing all pictures takes seconds."""
    found = next((made for one, made in _GATHERED if one is tables), None)
    if found is None:
        found = gather(tables)
        _GATHERED[:] = [*_GATHERED[-1:], (tables, found)]
    return found


def write_page(tables: Tables, pictures: dict[str, bytes] | None = None) -> str:
    """The report's page alone."""
    from lightning_kedro.pipelines.reporting.report import write_html

    return write_html(tables.reported, pictures or {})


def make_full_result(**given: Any) -> Result:
    """A result with all columns that the database holds."""
    from lightning_kedro.columns import COLUMNS
    from lightning_kedro.schemas import RESULT_KEY, TABLES

    result = make_tables(**given).result
    key = dict(zip(RESULT_KEY, result.selection.key, strict=True))
    tables = dict(result.tables)
    quality = {"k": tables["silhouette_scores"]["k"]}
    tables["cluster_quality"] = tables["k_candidates"] = pa.table(quality)
    for name in (*RESULT_TABLES, "granules", "coverage"):
        table = tables[name]
        n = table.num_rows
        filled: dict[str, Any] = {}
        for column in TABLES[name].columns:
            if column in key and name in RESULT_TABLES:
                filled[column] = pa.array([key[column]] * n)
            elif column in table.column_names:
                filled[column] = table[column]
            elif column in {"flash_platform", "platform"}:
                filled[column] = pa.array(["G18"] * n)
            elif COLUMNS[column].type == "TIMESTAMP":
                filled[column] = pa.array([START] * n)
            else:
                filled[column] = pa.array(range(n) if column == "flash_id" else [None] * n)
        tables[name] = pa.table(filled)
    return Result(result.selection, tables)
