"""The storms pipeline, run whole on tables in memory and in a database, and its bad input."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests import test_sky as sky_rows

from lightning_kedro import __version__
from lightning_kedro.analysis import threads
from lightning_kedro.analysis.storms import core, tracking
from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.datasets.stored import StoredResultDataset
from lightning_kedro.datasets.workers import ThreadsDataset
from lightning_kedro.exceptions import NoFlashesError, NoResultError, ParameterError, TableError
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.storms import create_pipeline, rows
from lightning_kedro.pipelines.storms.nodes import describe_storms, track_storms
from lightning_kedro.results import RESULT_TABLES, STORM_TABLES, Result
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.simulation.observation import observe_hour
from lightning_kedro.simulation.truth import simulate_truth
from lightning_kedro.store.results import ResultTable

START = np.datetime64("2024-07-14T20:00", "us")
NOW = datetime(2024, 7, 15, tzinfo=UTC)


class Flashes:
    """The flashes table as a node sees it, in memory."""

    def __init__(self, table: pa.Table, *, is_ingested: bool = True) -> None:
        self.table = table
        self._is_ingested = is_ingested

    def read(self, selection: Selection, columns: Sequence[str]) -> pa.Table:
        start, end = (time.replace(tzinfo=None) for time in (selection.start, selection.end))
        time = self.table["time"]
        inside = pc.and_(pc.greater_equal(time, start), pc.less(time, end))
        return self.table.filter(inside).select(list(columns))

    def has_granules(self, selection: Selection) -> bool:
        assert selection.platform == "G19"
        return self._is_ingested


def make_table(minutes: Any, lat: Any, lon: Any) -> pa.Table:
    """Flashes at some minutes after 20:00."""
    minutes = np.asarray(minutes, dtype=float)
    n = minutes.size
    time = START + np.round(minutes * 60e6).astype("timedelta64[us]")
    return pa.table(
        {
            "platform": pa.repeat("G19", n),
            "granule_start": time.astype("datetime64[m]").astype("datetime64[us]"),
            "flash_id": np.arange(n, dtype=np.int32),
            "time": time,
            "lat": np.asarray(lat, dtype=np.float32),
            "lon": np.asarray(lon, dtype=np.float32),
            "energy_j": np.full(n, 2e-14),
            "area_km2": np.full(n, 300.0),
            "quality_flag": np.zeros(n, dtype=np.int16),
        }
    )


def plant(seed: int = 1) -> Flashes:
    """Two storms that live from 20:05 to 23:55, one of which moves east at 10 m/s; lone flashes."""
    random = np.random.default_rng(seed)
    minutes = np.sort(random.uniform(5.0, 235.0, 4000))
    storm = random.random(4000) < 0.4
    lat = np.where(storm, 20.0, -10.0) + random.normal(0.0, 0.04, 4000)
    lon = -90.0 + np.where(storm, 0.6 * minutes / 111.195 / np.cos(np.radians(20.0)), 0.0)
    lon += random.normal(0.0, 0.04, 4000)
    lone = np.arange(0, 4000, 100)
    lat[lone], lon[lone] = random.uniform(-50.0, 50.0, 40), random.uniform(-130.0, -30.0, 40)
    return Flashes(make_table(minutes, lat, lon))


def make_parameters(start: str = "21:00", end: str = "22:00", **storms: Any) -> dict[str, Any]:
    window = {"start": f"2024-07-14T{start}", "end": f"2024-07-14T{end}"}
    return check_parameters({"satellite": "G19", "window": window, "storms": storms}, now=NOW)


class Kept(MemoryDataset):
    """An entry that the runner does not forget when no node needs it any more."""

    def _release(self) -> None:
        pass


def run(flashes: Flashes, parameters: dict[str, Any], path: Path | None = None) -> Result:
    """Run the pipeline with every entry in memory, or its tables in a database."""
    entries: dict[str, Any] = {"flashes": MemoryDataset(flashes, copy_mode="assign")}
    for name in STORM_TABLES:
        entries[name] = (
            Kept(copy_mode="assign")
            if path is None
            else DuckDBTableDataset(path=str(path), table=name, lazy=True)
        )
    entries["stored_storms"] = StoredResultDataset(path=None, kind="storms")
    entries["params:unchanged"] = MemoryDataset("keep")
    catalog = DataCatalog(entries | {"workers": ThreadsDataset()})
    for name in ("satellite", "run_time", "selection", "storms"):
        catalog[f"params:{name}"] = parameters[name]
    SequentialRunner().run(create_pipeline(), catalog)
    if path is not None:
        return read(path, parameters)
    assert len({id(catalog.load(name)) for name in STORM_TABLES}) == 1
    result: Result = catalog.load("storm_selection")
    tables = {
        name: table.cast(arrow_schema(name))  # those of millions of rows are dictionary-coded
        for name, table in result.tables.items()
    }
    return Result(result.selection, tables, result.kind)


def read(path: Path, parameters: dict[str, Any]) -> Result:
    handle = DuckDBTableDataset(path=str(path), table="storm_selection", lazy=True).load()
    assert isinstance(handle, ResultTable)
    return handle.read_result(Selection.from_plain(parameters["selection"]))


def frames(result: Result) -> dict[str, pd.DataFrame]:
    return {name: result.tables[name].to_pandas() for name in STORM_TABLES}


@pytest.fixture(scope="module")
def flashes() -> Flashes:
    return plant()


@pytest.fixture(scope="module")
def result(flashes: Flashes) -> Result:
    return run(flashes, make_parameters())


def test_nodes_and_inputs() -> None:
    pipeline = create_pipeline()
    assert {node.name for node in pipeline.nodes} == {"storm_tracker", "storm_describer"}
    inputs = {name for name in pipeline.inputs() if not name.startswith("params:")}
    assert inputs == {"flashes", "stored_storms", "workers"}
    assert pipeline.outputs() == set(STORM_TABLES)


def test_tables_have_the_columns_of_the_registry(result: Result) -> None:
    assert result.kind == STORM_TABLES
    for name in STORM_TABLES:
        assert tuple(result.tables[name].column_names) == TABLES[name].columns
        assert TABLES[name].key[: len(RESULT_KEY)] == RESULT_KEY
        named = result.tables[name].select(TABLES[name].key).to_pylist()
        keys = [tuple(row.values()) for row in named]
        assert keys == sorted(set(keys)), "in order of a key that is unique"


def test_planted_storms_are_described(result: Result) -> None:
    storms = result.tables["storms"].to_pandas().sort_values("storm")
    assert len(storms) == 2
    resting, moving = storms.iloc[0], storms.iloc[1]
    assert resting["flash_count"] > moving["flash_count"] > 300
    assert moving["speed_m_s"] == pytest.approx(10.0, rel=0.1)
    assert moving["direction_deg"] == pytest.approx(90.0, abs=5.0)
    assert moving["lat"] == pytest.approx(20.0, abs=0.02)
    assert resting["speed_m_s"] < 1.0
    assert storms["continues"].all()
    assert (storms["born"] < pd.Timestamp("2024-07-14T20:10")).all()
    assert (storms["first_time"] >= pd.Timestamp("2024-07-14T21:00")).all()
    assert storms["duration_minutes"].to_numpy() == pytest.approx(60.0, abs=1.0)
    assert storms["energy_j"].to_numpy() == pytest.approx(2e-14 * storms["flash_count"])
    assert storms["mean_flash_area_km2"].to_numpy() == pytest.approx(300.0)
    assert storms["split_from"].isna().all()
    assert storms["merged_into"].isna().all()


def test_flashes_of_the_window_are_all_there_noise_included(
    result: Result, flashes: Flashes
) -> None:
    table, row = result.tables["storm_flashes"].to_pandas(), result.row
    parameters = make_parameters()
    window = flashes.read(Selection.from_plain(parameters["selection"]), ["time", "lat", "lon"])
    assert len(table) == row["n_flashes"] == window.num_rows
    assert (table["storm"].isna() == table["storm_id"].isna()).all()
    assert table["storm"].isna().sum() == row["n_noise"] > 5
    counts = table.groupby("storm_id").size()
    storms = result.tables["storms"].to_pandas().set_index("storm_id")
    assert counts.to_dict() == storms["flash_count"].to_dict()


def test_series_sum_up_to_their_storms(result: Result) -> None:
    series = result.tables["storm_series"].to_pandas()
    storms = result.tables["storms"].to_pandas().set_index("storm_id")
    groups = series.groupby("storm_id")
    assert groups["flash_count"].sum().to_dict() == storms["flash_count"].to_dict()
    assert groups["flash_count"].max().to_dict() == storms["peak_rate_per_minute"].to_dict()
    assert groups["energy_j"].sum().to_numpy() == pytest.approx(storms["energy_j"].to_numpy())
    one = series[series["storm_id"] == storms.index[0]].reset_index(drop=True)
    assert (one["minute"].diff().dropna() == pd.Timedelta(minutes=1)).all()
    means = (one["flash_count"] + one["flash_count"].shift(1)) / 2
    assert one["rate_per_minute"][1:].to_numpy() == pytest.approx(means[1:].to_numpy())
    assert one["rate_per_minute"][0] == one["flash_count"][0] / 2


def test_selection_says_what_the_result_is_of(result: Result) -> None:
    row = result.row
    assert (row["method"], row["eps_km"], row["min_flashes"]) == ("tracked", 20.0, 3)
    assert row["look_start"] == datetime(2024, 7, 13, 18)  # noqa: DTZ001
    assert row["look_end"] == datetime(2024, 7, 14, 23, 40)  # noqa: DTZ001
    assert row["n_storms"] == 2
    assert row["n_surrounding"] > 1000
    assert row["code_version"] == __version__
    assert len(row["flashes_fingerprint"]) == 16
    assert result.identity.startswith("G19_20240714T2100_20240714T2200@20240715T000000-")


def test_storm_keeps_its_identifier_across_windows_in_any_order(flashes: Flashes) -> None:
    windows = [("23:00", "23:50"), ("20:00", "21:00"), ("21:30", "21:40"), ("20:00", "23:50")]
    found = [frames(run(flashes, make_parameters(*window)))["storms"] for window in windows]
    names = [set(storms["storm_id"]) for storms in found]
    assert all(len(storms) == 2 for storms in found)
    assert names[0] == names[1] == names[2] == names[3]
    assert all(name.startswith("G19-20240714T2005") for name in names[0])


def test_window_without_what_came_before_names_storms_by_what_it_sees(flashes: Flashes) -> None:
    """The limit of identifiers: what is not looked at cannot be known."""
    later = Flashes(flashes.table.filter(pc.greater(flashes.table["time"], START + 10**10)))
    names = [
        set(run(some, make_parameters("23:00", "23:50")).tables["storms"]["storm_id"].to_pylist())
        for some in (flashes, later)
    ]
    assert not names[0] & names[1]


def test_rise_of_the_rate_is_a_jump_with_its_values() -> None:
    rates = [2] * 60 + [3, 2] * 15 + [40] * 10
    minutes = np.concatenate(
        [minute + (np.arange(rate) + 0.5) / rate for minute, rate in enumerate(rates)]
    )
    random = np.random.default_rng(0)
    places = random.normal(0.0, 0.02, (2, minutes.size))
    parameters = make_parameters("21:00", "22:00")
    jumps = frames(run(Flashes(make_table(minutes, *places)), parameters))["lightning_jumps"]
    schultz = jumps[jumps["algorithm"] == "2-sigma"]
    assert schultz["jump_time"].to_list() == [pd.Timestamp("2024-07-14T21:30")]
    row = schultz.iloc[0]
    assert row["jump_rate_per_minute"] == 40.0
    assert row["dfrdt"] == pytest.approx((40.0 - 2.5) / 2)
    assert row["threshold"] == pytest.approx(2.0 * row["sigma"])
    assert row["dfrdt"] > row["threshold"]
    assert "FRarea" in set(jumps["algorithm"])
    earlier = frames(run(Flashes(make_table(minutes, *places)), make_parameters("20:00", "21:00")))
    assert earlier["lightning_jumps"].empty


def test_plain_clusters_can_be_had(flashes: Flashes) -> None:
    result = run(flashes, make_parameters(method="dbscan"))
    assert result.row["method"] == "dbscan"
    assert result.tables["storms"].num_rows == 2


# Truth


def simulate(hour: datetime) -> tuple[pa.Table, np.ndarray]:
    flashes = observe_hour("G19", hour, 60).content.flashes
    truth = simulate_truth("G19", hour)
    order = np.argsort(flashes.first_event_s, kind="stable")
    minutes = 120.0 + flashes.first_event_s[order] / 60.0
    return make_table(minutes, flashes.lat[order], flashes.lon[order]), truth["storm"].to_numpy()[
        order
    ]


def test_storms_of_a_simulated_hour_are_found() -> None:
    from sklearn.metrics import adjusted_rand_score

    table, truth = simulate(datetime(2024, 7, 14, 22, tzinfo=UTC))
    result = run(Flashes(table), make_parameters("21:59", "23:00"))
    found = result.tables["storm_flashes"].sort_by("time").to_pandas()
    labels = found["storm"].fillna(-1).to_numpy()
    assert len(labels) == len(truth)
    assert adjusted_rand_score(truth, labels) >= 0.90
    assert (labels[truth < 0] < 0).mean() >= 0.98


# Tables


def test_result_is_stored_and_read_whole(tmp_path: Path, flashes: Flashes, result: Result) -> None:
    path = tmp_path / "lightning.duckdb"
    stored = run(flashes, make_parameters(), path)
    assert stored.kind == STORM_TABLES
    for name in STORM_TABLES:
        assert stored.tables[name].drop_columns("simulated").equals(result.tables[name])
    again = run(flashes, make_parameters(), path)
    assert again.tables["storms"].equals(stored.tables["storms"]), "a second run changes nothing"
    other = run(flashes, make_parameters("22:00", "23:00"), path)
    assert other.row["n_storms"] == 2
    assert (
        read(path, make_parameters()).tables["storm_flashes"].equals(stored.tables["storm_flashes"])
    )


@pytest.mark.parametrize("n_threads", [1, 5])
def test_parts_and_threads_change_nothing(
    flashes: Flashes, result: Result, monkeypatch: pytest.MonkeyPatch, n_threads: int
) -> None:
    monkeypatch.setattr(threads.os, "cpu_count", lambda: n_threads)
    monkeypatch.setattr(core, "SLOTS_PER_BLOCK", 2)
    monkeypatch.setattr(tracking, "STEPS_PER_BLOCK", 3)
    monkeypatch.setattr(rows, "_FLASHES_PER_PART", 100)
    parts = run(flashes, make_parameters())
    for name in STORM_TABLES:
        assert parts.tables[name].equals(result.tables[name])


def test_nothing_changes_before_the_last_table_is_saved(
    tmp_path: Path, flashes: Flashes, result: Result
) -> None:
    path = tmp_path / "lightning.duckdb"
    for name in (*STORM_TABLES[:-1], *RESULT_TABLES):
        DuckDBTableDataset(path=str(path), table=name).save(result)
    assert not path.exists()
    run(flashes, make_parameters(), path)
    quiet = run(Flashes(flashes.table.slice(0, 0)), make_parameters())
    for name in STORM_TABLES[:-1]:
        DuckDBTableDataset(path=str(path), table=name).save(quiet)
        assert read(path, make_parameters()).row["n_storms"] == 2
    DuckDBTableDataset(path=str(path), table="storm_selection").save(quiet)
    assert read(path, make_parameters()).row["n_storms"] == 0
    assert read(path, make_parameters()).tables["storm_flashes"].num_rows == 0


def test_result_that_is_not_there_names_the_pipeline(tmp_path: Path, flashes: Flashes) -> None:
    path = tmp_path / "lightning.duckdb"
    run(flashes, make_parameters(), path)
    match = r"^There is no result of .* yet: run `kedro run --pipelines storms` with the same"
    with pytest.raises(NoResultError, match=match):
        read(path, make_parameters("22:00", "22:30"))


@pytest.mark.parametrize(("table", "maker"), [("storms", "storms"), ("coverage", "ingestion")])
def test_table_that_is_not_there_names_its_pipeline(tmp_path: Path, table: str, maker: str) -> None:
    path = tmp_path / "lightning.duckdb"
    frame = pd.DataFrame({"k": [2], "inertia": [1.0], "rms_distance_km": [1.0]})
    key = Selection.from_plain(make_parameters()["selection"]).key._asdict()
    DuckDBTableDataset(path=str(path), table="elbow_curve").save(frame.assign(**key))
    match = rf"has no table {table} yet: .*`kedro run --pipelines {maker}`\.$"
    with pytest.raises(TableError, match=match):
        DuckDBTableDataset(path=str(path), table=table, lazy=True).load().df()


# Quiet windows and bad input


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_quiet_window_is_a_result(n: int) -> None:
    table = make_table(np.arange(n) + 70.0, np.zeros(n), np.arange(n) * 10.0)
    result = run(Flashes(table), make_parameters())
    assert result.row["n_storms"] == 0
    assert result.row["n_flashes"] == result.row["n_noise"] == n
    sizes = {name: result.tables[name].num_rows for name in STORM_TABLES}
    assert sizes == dict.fromkeys(STORM_TABLES, 0) | {"storm_flashes": n, "storm_selection": 1}


def test_storms_before_and_after_a_quiet_window_are_not_of_it() -> None:
    minutes = np.concatenate([np.arange(10.0), 130.0 + np.arange(10.0)])
    result = run(Flashes(make_table(minutes, np.zeros(20), np.zeros(20))), make_parameters())
    assert result.row["n_storms"] == result.row["n_flashes"] == 0
    assert result.row["n_surrounding"] == 20


def test_window_that_was_never_loaded_is_refused() -> None:
    nothing = Flashes(make_table([], [], []), is_ingested=False)
    with pytest.raises(NoFlashesError, match=r"^No granule of the window .* has been loaded"):
        run(nothing, make_parameters())


def test_window_that_was_never_loaded_is_refused_although_others_were() -> None:
    before = Flashes(make_table([1.0], [0.0], [0.0]), is_ingested=False)
    with pytest.raises(NoFlashesError, match=r"21:00:00 to 2024-07-14T22:00:00 of G19 has been"):
        run(before, make_parameters())


@pytest.mark.parametrize("place", [np.nan, 91.0])
def test_flashes_without_a_place_are_refused(place: float) -> None:
    table = make_table([70.0, 71.0], [0.0, place], [0.0, 0.0])
    with pytest.raises(TableError, match=r"holds 1 of 2 flashes .* missing or out of range"):
        run(Flashes(table), make_parameters())


@pytest.mark.parametrize(
    ("storms", "words"),
    [
        ({"eps_km": 0.0}, r"storms\.eps_km: 0.0 cannot be used"),
        ({"method": "hdbscan"}, r"storms\.method: 'hdbscan' cannot be used, expected 'tracked'"),
        (
            {"memory_minutes": 5.0},
            r"memory_minutes \(5\) must not be less than step_minutes \(10\)",
        ),
        ({"split_km": 15.0}, r"split_km \(15\) must be greater than link_km \(15\)"),
        ({"eps": 3}, r"Parameter storms\.eps does not exist"),
    ],
)
def test_options_that_cannot_be_used_are_refused(storms: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make_parameters(**storms)


def test_storm_that_both_satellites_see_counts_its_flashes_once() -> None:
    rows = [
        (platform, 60.0 * minute + late, 30.0 + late, -90.0)
        for minute in range(5, 55, 5)
        for platform, late in (("G16", 0.0), ("G18", 0.05))
    ]
    window = {"start": "2024-07-14T22:00", "end": "2024-07-14T23:00"}
    checked = check_parameters({"satellite": "both", "window": window}, now=NOW)
    flashes = sky_rows.Flashes(*rows)
    found = track_storms(flashes, checked["selection"], checked["storms"])
    (result, *_) = describe_storms(found, "both", checked["run_time"])
    assert (result.row["n_flashes"], result.row["n_storms"]) == (10, 1)
    assert result.tables["storm_flashes"]["flash_platform"].unique().to_pylist() == ["G16"]
    assert result.row["platform"] == "G16+G18"
    starts = {part.platform: part.start for part in flashes.asked[0].segments}
    assert starts["G16"] == starts["G18"] < datetime(2024, 7, 13, 23, tzinfo=UTC)
