"""The clustering pipeline, run whole on tables in memory, and its bad input."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples, silhouette_score
from sklearn.preprocessing import StandardScaler
from tests.planted import plant_blobs
from tests.repetitions import repeat

from lightning_kedro import __version__
from lightning_kedro.analysis.features import FeatureSpace
from lightning_kedro.analysis.sphere import to_lat_lon, to_unit_vectors
from lightning_kedro.datasets.stored import StoredResultDataset
from lightning_kedro.datasets.workers import ThreadsDataset
from lightning_kedro.exceptions import (
    NoFlashesError,
    ParameterError,
    PartialRunError,
    TableError,
)
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.clustering import create_pipeline, nodes
from lightning_kedro.pipelines.clustering.flashes import fingerprint_flashes, take_hours
from lightning_kedro.results import RESULT_TABLES, Result
from lightning_kedro.schemas import TABLES

GRANULES = Path(__file__).parents[3] / "shared" / "granules"
START = np.datetime64("2023-01-26T15:00:00", "us")
NOW = datetime(2023, 1, 27, tzinfo=UTC)


class Flashes:
    """The flashes table as a node sees it, in memory."""

    def __init__(self, table: pa.Table, *, is_ingested: bool = True) -> None:
        self._table = table
        self._is_ingested = is_ingested

    def read(self, selection: Any, columns: Sequence[str]) -> pa.Table:
        assert selection.platform == "G18"
        return self._table.select(list(columns))

    def has_granules(self, selection: Any) -> bool:
        assert selection.platform == "G18"
        return self._is_ingested


def make_flashes(lat: Sequence[float], lon: Sequence[float], seed: int = 0) -> Flashes:
    n = len(lat)
    random = np.random.default_rng(seed)
    time = START + np.sort(random.integers(0, 3_600_000_000, n)).astype("timedelta64[us]")
    return Flashes(
        pa.table(
            {
                "platform": pa.repeat(pa.scalar("G18"), n),
                "granule_start": time.astype("datetime64[s]").astype("datetime64[us]"),
                "flash_id": np.arange(n, dtype=np.int32) % 65536,
                "time": time,
                "lat": pa.array(np.asarray(lat, dtype=np.float32)),
                "lon": pa.array(np.asarray(lon, dtype=np.float32)),
                "quality_flag": pa.array(np.zeros(n, dtype=np.int16)),
            }
        )
    )


def simulate(n: int, seed: int = 0) -> Flashes:
    """Storms on both sides of 180 degrees."""
    random = np.random.default_rng(seed)
    storm = random.integers(12, size=n)
    lat = random.uniform(-40.0, 45.0, 12)[storm] + random.normal(0.0, 0.7, n)
    lon = random.uniform(-200.0, -80.0, 12)[storm] + random.normal(0.0, 0.7, n)
    return make_flashes(lat, (lon + 180.0) % 360.0 - 180.0, seed)


def make_parameters(**clustering: Any) -> dict[str, Any]:
    given = {
        "satellite": "G18",
        "window": {"start": "2023-01-26T15:00:00", "end": "2023-01-26T16:00:00"},
        "clustering": {"k_max": 9} | clustering,
    }
    return check_parameters(given, now=NOW)


class Kept(MemoryDataset):
    """An entry that the runner does not forget when no node needs it any more."""

    def _release(self) -> None:
        pass


def run_once(flashes: Flashes, parameters: dict[str, Any]) -> Result:
    """Run the pipeline with every entry in memory."""
    catalog = DataCatalog(
        {
            "flashes": MemoryDataset(flashes, copy_mode="assign"),
            "workers": ThreadsDataset(),
            "stored_clusters": StoredResultDataset(path=None, kind="clustering"),
            "params:unchanged": MemoryDataset("keep"),
            **{name: Kept(copy_mode="assign") for name in RESULT_TABLES},
        }
    )
    for name in ("satellite", "run_time", "selection", "clustering"):
        catalog[f"params:{name}"] = parameters[name]
    for name, value in parameters["clustering"].items():
        catalog[f"params:clustering.{name}"] = value
    SequentialRunner().run(create_pipeline(), catalog)
    results = {id(catalog.load(name)) for name in RESULT_TABLES}
    assert len(results) == 1, "one result is handed to the entries of all its tables"
    result: Result = catalog.load("k_selection")
    return result


def run(flashes: Flashes, parameters: dict[str, Any]) -> dict[str, Any]:
    """The tables of a result: that of the flashes in Arrow, the others in pandas."""
    tables = dict(run_once(flashes, parameters).tables)
    return {
        name: table if name == "clustered_flashes" else table.to_pandas()
        for name, table in tables.items()
    }


def places(flashes: Flashes) -> tuple[np.ndarray, np.ndarray]:
    table = flashes.read(type("Any", (), {"platform": "G18"}), ["lat", "lon"])
    return table["lat"].to_numpy().astype(float), table["lon"].to_numpy().astype(float)


@pytest.fixture(scope="module")
def flashes() -> Flashes:
    return simulate(1500)


@pytest.fixture(scope="module")
def result(flashes: Flashes) -> dict[str, Any]:
    return run(flashes, make_parameters())


def test_nodes_bear_the_mission_names() -> None:
    names = [node.name for node in create_pipeline().nodes]
    assert set(names) == {
        "preprocessor",
        "kmeans_candidates",
        "silhouette_evaluator",
        "elbow_evaluator",
        "kmeans_cluster",
    }
    inputs = {name for name in create_pipeline().inputs() if not name.startswith("params:")}
    assert inputs == {"flashes", "stored_clusters", "workers"}
    assert "parameters" not in create_pipeline().inputs()


def test_tables_have_the_columns_of_the_design(result: dict[str, Any]) -> None:
    key = ["platform", "window_start", "window_end", "region", "min_quality", "label"]
    for name, columns in {
        "clustered_flashes": ["granule_start", "flash_id", "time", "lat", "lon", "cluster"],
        "cluster_centers": ["cluster", "lat", "lon", "flash_count", "rms_radius_km"],
        "silhouette_scores": ["k", "silhouette_coefficient"],
        "elbow_curve": ["k", "inertia"],
        "k_candidates": ["k", "prominence", "stability", "scale", "is_supported", "reason"],
    }.items():
        table = result[name]
        table = table.to_pandas() if isinstance(table, pa.Table) else table
        assert set(key + columns) <= set(table.columns)
        assert set(table["platform"]) == {"G18"}
        assert set(table["window_start"]) == {pd.Timestamp("2023-01-26 15:00")}
        assert set(table["window_end"]) == {pd.Timestamp("2023-01-26 16:00")}
        assert set(table["region"]) == set(table["min_quality"]) == {"all"}
        assert set(table["label"]) == {"default"}
        assert tuple(table.columns) == TABLES[name].columns
    assert result["silhouette_scores"]["k"].to_list() == list(range(2, 10))
    assert result["elbow_curve"]["k"].to_list() == list(range(1, 10))
    assert result["k_candidates"]["k"].to_list() == list(range(2, 10))


def test_exact_result_agrees_with_scikit_learn(flashes: Flashes, result: dict[str, Any]) -> None:
    points = FeatureSpace().project(*places(flashes))
    labels = result["clustered_flashes"]["cluster"].to_numpy()
    selection = result["k_selection"].iloc[0]
    scores = result["silhouette_scores"].set_index("k")["silhouette_coefficient"]
    assert selection["k"] == scores.idxmax() == labels.max() + 1
    assert silhouette_score(points, labels) == pytest.approx(scores.max(), abs=1e-6)
    samples = result["clustered_flashes"]["silhouette_coefficient"].to_numpy()
    assert samples == pytest.approx(silhouette_samples(points, labels), abs=1e-6)
    curve = result["elbow_curve"].set_index("k")["inertia"]
    reference = KMeans(selection["k"], n_init=10, random_state=0).fit(points)
    assert curve[selection["k"]] <= reference.inertia_ * 1.0001
    assert selection["inertia"] == pytest.approx(curve[selection["k"]])
    assert curve[1] == pytest.approx(((points - points.mean(axis=0)) ** 2).sum())


def test_centers_describe_their_flashes(flashes: Flashes, result: dict[str, Any]) -> None:
    clustered, centers = result["clustered_flashes"].to_pandas(), result["cluster_centers"]
    assert centers["cluster"].to_list() == list(range(len(centers)))
    assert (centers["flash_count"].diff().dropna() <= 0).all()
    groups = clustered.groupby("cluster")
    assert centers["flash_count"].to_list() == groups.size().to_list()
    silhouettes = groups["silhouette_coefficient"].mean().to_numpy()
    assert centers["silhouette_coefficient"].to_numpy() == pytest.approx(silhouettes, abs=1e-6)
    gaps = (centers["mean_time"] - groups["time"].mean()).abs()
    assert (gaps <= pd.Timedelta(1, "us")).all()
    units = to_unit_vectors(*places(flashes))
    for row in centers.itertuples():
        mean = units[clustered["cluster"] == row.cluster].mean(axis=0)
        lat, lon = to_lat_lon(mean[np.newaxis])
        assert (row.lat, row.lon) == (np.float32(lat[0]), np.float32(lon[0])), "as stored: FLOAT"
        assert -180.0 < row.lon <= 180.0


def test_selection_says_how_exact_the_result_is(result: dict[str, Any]) -> None:
    selection = result["k_selection"].iloc[0]
    assert (selection["method"], selection["criterion"]) == ("exact", "silhouette")
    assert selection["n_flashes"] == selection["n_cells"] == 1500
    assert np.isnan(selection["cell_size_km"])
    for name in ("inertia_error", "silhouette_error", "relabelled_share"):
        assert selection[name] == 0.0
    bounds = result["clustered_flashes"]["silhouette_error_bound"].to_numpy()
    assert (bounds == selection["silhouette_error_bound"]).all()
    assert 0.0 < bounds[0] < 1e-11, "rounding alone"


@pytest.mark.parametrize("time_scale", [None, 30.0], ids=["places", "with time"])
@pytest.mark.parametrize("coordinates", ["sphere", "degrees"])
def test_merged_flashes_have_silhouettes_of_their_own(
    caplog: pytest.LogCaptureFixture, coordinates: str, time_scale: float | None
) -> None:
    flashes = simulate(4000, seed=5)
    parameters = make_parameters(
        max_cells=500, coordinates=coordinates, time_scale_km_per_hour=time_scale
    )
    with caplog.at_level(logging.INFO):
        result = run(flashes, parameters)
    selection, clustered = result["k_selection"].iloc[0], result["clustered_flashes"].to_pandas()
    assert selection["method"] == "cells"
    start = datetime(2023, 1, 26, 15, tzinfo=UTC)
    hours = take_hours(flashes._table, start, wanted=time_scale is not None)
    points = FeatureSpace(coordinates, time_scale_km_per_hour=time_scale).project(
        *places(flashes), hours
    )
    exact = silhouette_samples(points, clustered["cluster"])
    errors = np.abs(clustered["silhouette_coefficient"] - exact)
    assert (errors <= clustered["silhouette_error_bound"] + 1e-6).all(), "scikit-learn rounds"
    assert selection["silhouette_error_bound"] == clustered["silhouette_error_bound"].max() <= 1e-4
    assert selection["silhouette_coefficient"] == pytest.approx(exact.mean(), abs=1e-4)
    scores = result["silhouette_scores"].set_index("k")["silhouette_coefficient"]
    assert selection["silhouette_error"] == pytest.approx(
        scores[selection["k"]] - selection["silhouette_coefficient"], abs=1e-12
    )
    assert selection["max_certified"] == 2_000_000
    assert "The silhouette of every flash is right to within" in caplog.text


def test_beyond_max_certified_flashes_have_the_silhouettes_of_cells(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        result = run(simulate(4000, seed=5), make_parameters(max_cells=500, max_certified=3999))
    clustered = result["clustered_flashes"].to_pandas()
    assert clustered["silhouette_error_bound"].isna().all()
    assert clustered["silhouette_coefficient"].nunique() <= 500
    row = result["k_selection"].iloc[0]
    assert np.isnan(row["silhouette_error_bound"])
    assert row["max_certified"] == 3999
    assert 0.0 < abs(row["silhouette_error"]) < 0.01, "measured on a sample"
    assert "right to within" not in caplog.text


def test_cells_come_within_the_promised_errors(caplog: pytest.LogCaptureFixture) -> None:
    flashes = simulate(30_000, seed=2)
    with caplog.at_level(logging.INFO):
        result = run(flashes, make_parameters(max_cells=4000))
    selection = result["k_selection"].iloc[0]
    assert selection["method"] == "cells"
    assert 3000 < selection["n_cells"] <= 4000
    assert selection["n_flashes"] == 30_000 == result["clustered_flashes"].num_rows
    assert 1.0 < selection["cell_size_km"] < 100.0
    points = FeatureSpace().project(*places(flashes))
    reference = KMeans(selection["k"], n_init=3, random_state=0).fit(points)
    assert selection["inertia"] <= 1.005 * reference.inertia_
    assert abs(selection["inertia_error"]) < 0.005
    assert abs(selection["silhouette_error"]) < 0.005
    assert 0.0 <= selection["relabelled_share"] < 0.01
    labels = result["clustered_flashes"]["cluster"].to_numpy()
    sample = np.random.default_rng(0).choice(30_000, 6000, replace=False)
    exact = silhouette_score(points[sample], labels[sample])
    assert selection["silhouette_coefficient"] == pytest.approx(exact, abs=0.01)
    assert "30,000 flashes merged into" in caplog.text
    assert "Merging flashes into cells changed the inertia by" in caplog.text


def test_same_input_gives_the_same_tables_byte_for_byte(result: dict[str, Any]) -> None:
    again = run(simulate(1500), make_parameters())
    assert again["clustered_flashes"].equals(result["clustered_flashes"])
    for name in ("cluster_centers", "cluster_quality", "k_selection", "elbow_curve"):
        pd.testing.assert_frame_equal(again[name], result[name], check_exact=True)
    assert again["silhouette_scores"].equals(result["silhouette_scores"])


@pytest.mark.parametrize("standardize", [False, True])
def test_degrees_reproduce_the_plain_formulas(flashes: Flashes, *, standardize: bool) -> None:
    result = run(flashes, make_parameters(coordinates="degrees", standardize=standardize, k=5))
    lat, lon = places(flashes)
    columns = np.column_stack([lon, lat])
    if standardize:
        columns = StandardScaler().fit_transform(columns)
    curve = result["elbow_curve"].set_index("k")["inertia"]
    scores = result["silhouette_scores"].set_index("k")["silhouette_coefficient"]
    for k in range(1, 10):
        reference = KMeans(k, n_init=10, random_state=0).fit(columns)
        assert curve[k] <= reference.inertia_ * 1.0001
        if k > 1 and curve[k] == pytest.approx(reference.inertia_, rel=1e-9):
            assert scores[k] == pytest.approx(
                silhouette_score(columns, reference.labels_), abs=1e-6
            )
    labels = result["clustered_flashes"]["cluster"].to_numpy()
    centers = result["cluster_centers"]
    for label in range(5):
        mine = np.column_stack([lon, lat])[labels == label].mean(axis=0)
        stored = centers.loc[label, ["lon", "lat"]].to_numpy(np.float32)
        assert stored == pytest.approx(mine.astype(np.float32), rel=1.2e-7)
    assert silhouette_score(columns, labels) == pytest.approx(scores[5], abs=1e-6)
    assert result["elbow_curve"]["rms_distance_km"].isna().all()


def test_degrees_work_on_cells_too(flashes: Flashes) -> None:
    result = run(flashes, make_parameters(coordinates="degrees", max_cells=300))
    assert result["k_selection"].loc[0, "method"] == "cells"
    assert result["k_selection"].loc[0, "inertia_error"] < 0.005


def test_time_parts_storms_that_share_a_place() -> None:
    # One place, lit up in the first and again in the last minutes of the hour.
    random = np.random.default_rng(3)
    flashes = make_flashes(random.normal(10.0, 0.05, 400), random.normal(-90.0, 0.05, 400))
    minutes = np.sort(np.concatenate([random.uniform(0, 5, 200), random.uniform(55, 60, 200)]))
    time = START + (minutes * 60_000_000).astype("timedelta64[us]")
    table = flashes._table.set_column(3, "time", pa.array(time))
    result = run(Flashes(table), make_parameters(time_scale_km_per_hour=100.0, k=2))
    labels = result["clustered_flashes"]["cluster"].to_numpy()
    assert np.unique(labels[:200]).size == np.unique(labels[200:]).size == 1
    assert labels[0] != labels[-1]
    merged = run(Flashes(table), make_parameters(time_scale_km_per_hour=100.0, k=2, max_cells=60))
    assert merged["k_selection"].loc[0, "method"] == "cells"
    assert (merged["clustered_flashes"]["cluster"].to_numpy() != labels).sum() in (0, 400)


def test_best_k_at_an_end_of_the_range_warns(
    flashes: Flashes, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(flashes, make_parameters(k_max=3))
    selection = result["k_selection"].iloc[0]
    assert selection["at_range_end"]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("is an end of the range 2 to 3" in record.getMessage() for record in warnings)


@pytest.mark.parametrize("max_cells", [20_000, 400], ids=["exact", "cells"])
def test_planted_number_is_taken_with_what_each_criterion_says(max_cells: int) -> None:
    planted = plant_blobs(501, n_blobs=6, n_flashes=600, background=0.02)
    flashes = make_flashes(planted.lat.tolist(), planted.lon.tolist())
    result = run(flashes, make_parameters(max_cells=max_cells))
    selection, candidates = result["k_selection"].iloc[0], result["k_candidates"].set_index("k")
    assert (selection["k"], selection["criterion"]) == (6, "multiscale")
    assert selection["reason"].startswith("k = 6 is the finest scale that is supported: ")
    assert candidates["is_supported"][6]
    assert candidates["scale"][6] == "storm-like"
    assert candidates["is_bic_best"][candidates["is_bic_best"]].index.to_list() == [6]
    assert candidates["stability"][6] > 0.95
    scores = result["silhouette_scores"].set_index("k")["silhouette_coefficient"]
    assert candidates["silhouette_coefficient"].to_dict() == scores.to_dict()
    ratios = result["cluster_quality"].set_index("k")["calinski_harabasz"]
    assert candidates["calinski_harabasz"].to_dict() == pytest.approx(ratios.to_dict())
    assert candidates["reason"].str.len().min() > 0


def test_time_is_a_dimension_of_the_samples_too() -> None:
    planted = plant_blobs(501, n_blobs=6, n_flashes=600, background=0.0)
    flashes = make_flashes(planted.lat.tolist(), planted.lon.tolist())
    result = run(flashes, make_parameters(time_scale_km_per_hour=10.0))
    assert result["k_selection"]["k"].to_list() == [6]


@pytest.mark.parametrize("standardize", [False, True])
def test_planted_number_is_taken_in_degrees(standardize: bool) -> None:
    planted = plant_blobs(502, n_blobs=5, n_flashes=600, background=0.0)
    flashes = make_flashes(planted.lat.tolist(), np.abs(planted.lon).tolist())
    parameters = make_parameters(coordinates="degrees", standardize=standardize)
    assert run(flashes, parameters)["k_selection"]["k"].to_list() == [5]


def test_plain_silhouette_can_decide(flashes: Flashes) -> None:
    result = run(flashes, make_parameters(criterion="silhouette"))
    selection = result["k_selection"].iloc[0]
    assert (selection["criterion"], selection["requested_criterion"]) == ("silhouette",) * 2
    assert selection["k"] == selection["k_silhouette"]
    assert selection["reason"].startswith("the silhouette is highest")


def test_elbow_can_decide(flashes: Flashes) -> None:
    selection = run(flashes, make_parameters(criterion="elbow"))["k_selection"].iloc[0]
    assert selection["criterion"] == "elbow"
    assert selection["k"] == selection["k_elbow"]


def test_real_granules_give_a_sound_result() -> None:
    files = sorted(GRANULES.glob("*_G17_*.nc"))
    if not files:
        pytest.skip(f"the real granules are not there: {GRANULES}")
    lat, lon = [], []
    for file in files:
        with h5py.File(file) as granule:
            lat.append(granule["flash_lat"][:])
            lon.append(granule["flash_lon"][:])
    flashes = make_flashes(np.concatenate(lat), np.concatenate(lon))
    result = run(flashes, make_parameters(k_max=23))
    assert result["clustered_flashes"].num_rows == sum(map(len, lat))
    assert (result["elbow_curve"]["inertia"].diff().dropna() < 0).all()


@cache
def find_centers_of_storms(seed: int) -> pd.DataFrame:
    return run(simulate(200, seed=seed), make_parameters(k=3, k_max=4))["cluster_centers"]


@settings(deadline=None, max_examples=repeat(4, 8))
@given(st.floats(-180.0, 180.0))
def test_turning_the_earth_turns_the_clusters(turn: float) -> None:
    flashes = simulate(200, seed=5)
    lat, lon = places(flashes)
    turned = make_flashes(lat, (lon + turn + 180.0) % 360.0 - 180.0)
    here = find_centers_of_storms(seed=5)
    there = run(turned, make_parameters(k=3, k_max=4))["cluster_centers"]
    assert there["lat"].to_numpy() == pytest.approx(here["lat"].to_numpy(), abs=1e-3)
    gap = there["lon"].to_numpy() - here["lon"].to_numpy() - turn
    assert (gap + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-3)


# Bad input


def test_window_that_was_not_ingested_says_what_to_do() -> None:
    nothing = Flashes(make_flashes([], [])._table, is_ingested=False)
    with pytest.raises(NoFlashesError) as caught:
        run(nothing, make_parameters())
    assert str(caught.value) == (
        "No granule of the window 2023-01-26T15:00:00 to 2023-01-26T16:00:00 of G18 has been "
        "loaded: ingest the window first (`kedro run --pipelines ingestion` with the same "
        "parameters)."
    )


# Quiet windows


def test_quiet_window_is_a_result(caplog: pytest.LogCaptureFixture) -> None:
    parameters = make_parameters()
    parameters["selection"]["region"] = {"west": 170, "south": -10, "east": -170, "north": 10.5}
    parameters["selection"]["min_quality"] = "good"
    result = run(make_flashes([], []), parameters)
    row = result["k_selection"].iloc[0]
    assert (row["k"], row["n_flashes"], row["criterion"]) == (0, 0, "none")
    assert row["reason"] == "no flashes: there is no number of clusters to choose"
    assert row["region"] == "170,-10,-170,10.5"
    assert (row["west"], row["north"]) == (170.0, 10.5)
    assert all(len(table) == 0 for name, table in result.items() if name != "k_selection")
    assert "No flashes in the window 2023-01-26T15:00:00" in caplog.text
    assert "south -10, east -170, north 10.5 with quality flag 0" in caplog.text


@pytest.mark.parametrize(
    ("lat", "most"),
    [
        ([10.0], 1),
        ([10.0] * 50, 1),
        ([10.0, 20.0], 1),
        ([10.0, 20.0, 30.0], 2),
        ([*range(9)], 8),
        ([*range(5)] * 2, 4),
        ([1.0] * 300 + [2.0] * 299 + [3.0], 2),
    ],
    ids=["one", "one place", "two", "three", "as many as k_max", "pairs", "many at few places"],
)
def test_few_flashes_clip_the_range(
    lat: list[float], most: int, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(make_flashes(lat, lat), make_parameters(max_cells=100))
    assert result["elbow_curve"]["k"].to_list() == [*range(1, most + 1)]
    assert result["silhouette_scores"]["k"].to_list() == [*range(2, most + 1)]
    assert result["k_candidates"]["k"].to_list() == [*range(2, most + 1)]
    row = result["k_selection"].iloc[0]
    assert 1 <= row["k"] <= most
    assert row["k_max"] == 9, "what was asked for is recorded"
    assert result["cluster_centers"]["flash_count"].sum() == len(lat)
    assert np.isfinite(result["clustered_flashes"]["silhouette_coefficient"].to_numpy()).all() == (
        most > 1
    )
    assert f"clustering.k_max (9) is clipped to {most}: there are {len(lat)} flashes" in caplog.text


def test_k_that_few_flashes_do_not_allow_is_clipped_and_said() -> None:
    row = run(make_flashes([*range(5)], [*range(5)]), make_parameters(k=7))["k_selection"].iloc[0]
    assert (row["k"], row["requested_k"], row["criterion"]) == (4, 7, "fixed")
    assert row["reason"].startswith(
        "k = 7 was asked for, but so few flashes allow 4 clusters at most"
    )


def test_range_above_what_few_flashes_allow_is_evaluated_below_it() -> None:
    result = run(make_flashes([*range(5)], [*range(5)]), make_parameters(k_min=6))
    assert result["silhouette_scores"]["k"].to_list() == [2, 3, 4]


def test_one_point_more_than_k_max_is_enough() -> None:
    result = run(make_flashes([*range(10)], [*range(10)]), make_parameters())
    assert len(result["silhouette_scores"]) == 8


# What a result is of


def test_result_says_what_it_is_of(result: dict[str, Any], flashes: Flashes) -> None:
    row = result["k_selection"].iloc[0]
    assert row["flashes_fingerprint"] == fingerprint_flashes(flashes._table)
    assert row["run_time"] == pd.Timestamp("2023-01-27")
    assert row["code_version"] == __version__
    assert (row["satellite"], row["requested_criterion"]) == ("G18", "multiscale")
    assert pd.isna(row["requested_k"])
    assert (row["k_min"], row["k_max"], row["max_cells"], row["random_state"]) == (2, 9, 20_000, 60)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("flash_id", 7),
        ("lat", np.float32(1.5)),
        ("lon", np.float32(1.5)),
        ("time", datetime(2023, 1, 26, 15)),  # noqa: DTZ001  (tables hold UTC without a zone)
        ("platform", "G17"),
        ("granule_start", datetime(2023, 1, 26)),  # noqa: DTZ001
    ],
)
def test_fingerprint_tells_flashes_apart(column: str, value: object) -> None:
    table = simulate(50)._table
    index = table.column_names.index(column)
    values = [*table[column].to_pylist()[:-1], value]
    changed = table.set_column(index, column, pa.array(values, table[column].type))
    assert fingerprint_flashes(table) == fingerprint_flashes(simulate(50)._table)
    assert fingerprint_flashes(changed) != fingerprint_flashes(table)
    assert fingerprint_flashes(table.slice(0, 49)) != fingerprint_flashes(table)


# Bad input


def test_grid_that_cannot_be_coarse_enough_is_refused() -> None:
    flashes = make_flashes([*np.linspace(-1.0, 1.0, 400)], [*np.linspace(-30.0, -90.0, 400)])
    match = (
        r"^clustering\.max_cells \(20\) is less than the \d+ cells that even the coarsest grid "
        r"needs: raise it, or lower clustering\.time_scale_km_per_hour"
    )
    with pytest.raises(ParameterError, match=match):
        run(flashes, make_parameters(max_cells=20, time_scale_km_per_hour=1e7))


def test_too_few_cells_name_both_numbers() -> None:
    near = np.repeat(np.arange(20) * 1e-5, 3)  # 60 different places, metres apart
    flashes = make_flashes([*(np.array([10.0, -10.0, 30.0] * 20) + near)], [20.0, 21.0, 22.0] * 20)
    match = (
        r"^clustering\.k_max \(9\) needs more cells than the [3-6] into which clustering\.max_cells"
    )
    with pytest.raises(ParameterError, match=match):
        run(flashes, make_parameters(max_cells=15))


@pytest.mark.parametrize(
    ("column", "value"), [("lat", np.nan), ("lon", None), ("lat", 90.5), ("lon", np.inf)]
)
def test_flash_without_a_place_is_refused(column: str, value: float | None) -> None:
    table = simulate(60)._table
    index = table.column_names.index(column)
    values = [*table[column].to_pylist()[:-1], value]
    table = table.set_column(index, column, pa.array(values, pa.float32()))
    match = r"holds 1 of 60 flashes in the window .* whose lat or lon is missing or out of range"
    with pytest.raises(TableError, match=match):
        run(Flashes(table), make_parameters())


def test_inputs_are_not_changed(flashes: Flashes) -> None:
    parameters = make_parameters()
    before = flashes._table.slice(0)
    run(flashes, parameters)
    assert parameters == make_parameters()
    assert flashes._table.equals(before)


@pytest.mark.parametrize("stale", ["candidates", "silhouette_evaluation", "elbow_evaluation"])
def test_what_was_made_of_other_flashes_is_refused(stale: str) -> None:
    parameters = make_parameters()
    options = parameters["clustering"]

    def make(flashes: Flashes) -> dict[str, Any]:
        prepared = nodes.preprocess_flashes(
            flashes, parameters["selection"], "sphere", False, options["max_cells"], None
        )
        fits = nodes.fit_candidates(prepared, 4, 60)
        return {
            "cluster_features": prepared,
            "candidates": fits,
            "silhouette_evaluation": nodes.evaluate_silhouette(prepared, fits, 2, 60),
            "elbow_evaluation": nodes.evaluate_elbow(prepared, fits),
        }

    before, now = make(simulate(200)), make(simulate(201))
    others = {
        name: parameters[name] for name in ("selection", "clustering", "satellite", "run_time")
    }
    with pytest.raises(PartialRunError, match="made of other flashes"):
        nodes.cluster_flashes(**{**now, stale: before[stale]}, **others)
    with pytest.raises(PartialRunError, match="made of other flashes"):
        nodes.evaluate_elbow(now["cluster_features"], before["candidates"])
