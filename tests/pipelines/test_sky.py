"""The sky pipeline: what both satellites saw and what artifacts may have made, in a database."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.conftest import HOUR, Project
from tests.ingesting import Ingestion, put
from tests.test_sky import Flashes

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.datasets.granule_tables import GranuleTableDataset
from lightning_kedro.exceptions import NoFlashesError, TableError
from lightning_kedro.glm.field_of_view import sees
from lightning_kedro.glm.orbital_slot import find_segments
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.sky import create_pipeline
from lightning_kedro.pipelines.sky.nodes import inspect_sky
from lightning_kedro.results import SKY_TABLES, Result
from lightning_kedro.selection import Selection
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.sky_words import describe_counts, describe_place

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = (40, 41, 42)


class Groups:
    """The groups table as the node sees it."""

    def __init__(self, *rows: tuple[str, int, float]) -> None:
        """Take rows of platform, flash_id and area of the largest group, of the first minute."""
        self.rows = rows

    def read_largest_areas(self, _: object) -> pa.Table:
        start = np.datetime64("2024-07-14T22:01", "us")
        columns = zip(*self.rows, strict=True) if self.rows else ([], [], [])
        platform, flash_id, area = (list(column) for column in columns)
        return pa.table(
            {
                "platform": pa.array(platform, pa.string()),
                "granule_start": pa.array([start] * len(self.rows), pa.timestamp("us")),
                "flash_id": pa.array(flash_id, pa.int32()),
                "area_km2": pa.array(area, pa.float64()),
            }
        )


def inspect(flashes: Flashes, *groups: tuple[str, int, float], **given: Any) -> Result:
    window = {"start": "2024-07-14T22:00", "end": "2024-07-14T23:00"}
    checked = check_parameters({"satellite": "both", "window": window, **given}, now=NOW)
    results = inspect_sky(
        flashes, Groups(*groups), checked["selection"], checked["satellite"], checked["run_time"]
    )
    assert [one is results[0] for one in results] == [True] * len(SKY_TABLES)
    return results[0]


def test_pipeline_takes_tables_and_makes_its_own() -> None:
    assert create_pipeline().outputs() == set(SKY_TABLES)
    wanted = {"flashes", "groups", "params:selection", "params:satellite", "params:run_time"}
    assert create_pipeline().inputs() == wanted | {"stored_sky", "params:unchanged"}


def test_residuals_are_those_of_west_less_east() -> None:
    flashes = Flashes(
        ("G16", 60.0, 30.0, -80.0),
        ("G18", 60.1, 30.1, -80.2, {"energy_j": 3e-14}),
        ("G16", 70.1, 31.0, -130.0),  # GOES-West stands higher here
        ("G18", 70.0, 31.0, -130.1),
        ("G18", 80.0, 0.0, -150.0),
    )
    result = inspect(flashes)
    rows = result.tables["flash_matches"].to_pandas()
    assert rows["flash_platform"].to_list() == ["G16", "G18"]
    assert rows["flash_id"].to_list() == [0, 3]
    assert rows["other_platform"].to_list() == ["G18", "G16"]
    assert rows["other_flash_id"].to_list() == [1, 2]
    assert rows["time_residual_s"].to_list() == pytest.approx([0.1, -0.1])
    assert rows["time_end_residual_s"].to_list() == pytest.approx([0.1, -0.1])
    assert rows["lat_residual_deg"].to_list() == pytest.approx([0.1, 0.0], abs=1e-5)
    assert rows["lon_residual_deg"].to_list() == pytest.approx([-0.2, -0.1], abs=1e-4)
    assert rows["energy_ratio"].to_list() == pytest.approx([3.0, 1.0])
    row = result.row
    assert (row["n_flashes"], row["n_east"], row["n_west"], row["n_matched"]) == (3, 2, 3, 2)
    assert (row["n_east_overlap"], row["n_west_overlap"]) == (2, 2)
    assert row["matched_share"] == 1.0
    assert row["median_distance_km"] == pytest.approx(rows["distance_km"].median())
    assert row["platform"] == "G16+G18"


def test_residual_across_180_degrees_is_the_short_one() -> None:
    result = inspect(Flashes(("G16", 60, 10, 179.9), ("G18", 60, 10, -179.9)))
    assert result.tables["flash_matches"]["lon_residual_deg"].to_pylist() == pytest.approx(
        [0.2], abs=1e-3
    )


def test_energy_that_is_missing_or_nothing_has_no_ratio() -> None:
    flashes = Flashes(
        ("G16", 60, 30, -90, {"energy_j": None}),
        ("G18", 60, 30, -90),
        ("G16", 70, 30, -90, {"energy_j": 0.0}),
        ("G18", 70, 30, -90),
    )
    result = inspect(flashes)
    assert result.tables["flash_matches"]["energy_ratio"].null_count == 2
    assert result.row["median_energy_ratio"] is None


def test_artifacts_are_listed_and_counted_and_nothing_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flashes = Flashes(
        ("G18", 60, 9.0, -139.0),  # the Sun's glint at 22:01
        ("G18", 61, 45.0, -120.0, {"area_km2": 9.0}),  # less than a pixel
        ("G18", 62, 44.0, -120.0, {"area_km2": 400.0}),  # less than its largest group
        ("G18", 63, 43.0, -120.0, {"area_km2": 400.0}),
        ("G18", 64, 42.0, -120.0, {"area_km2": None}),
    )
    with caplog.at_level(logging.INFO):
        result = inspect(flashes, ("G18", 2, 9000.0), ("G18", 3, 400.0), satellite="west")
    rows = result.tables["flash_artifacts"].to_pandas()
    assert rows["flash_id"].to_list() == [0, 1, 2]
    assert rows["sun_glint"].to_list() == [True, False, False]
    assert rows["wrapped_area"].to_list() == [False, True, True]
    assert (rows["glint_deg"] < 10.0).to_list() == [True, False, False]
    row = result.row
    assert (row["n_flashes"], row["n_sun_glint"], row["n_wrapped_area"]) == (5, 1, 2)
    assert (row["n_area_checked"], row["n_late"], row["n_left_out"]) == (2, 0, 0)
    assert row["n_matched"] is None
    assert result.tables["flash_matches"].num_rows == 0
    assert "1 of 5 flashes may be the Sun's glint on water." in caplog.text
    assert (
        "2 of 5 flashes have an area that has wrapped at 10,000 km² and is not known."
        in caplog.text
    )
    assert "GOES-East" not in caplog.text


def test_flashes_of_the_sun_are_counted_when_left_out() -> None:
    flashes = Flashes(("G18", 60, 9.0, -139.0), ("G18", 61, 45.0, -120.0))
    result = inspect(flashes, satellite="west", preprocessing={"artifacts": "leave_out"})
    assert (result.row["n_flashes"], result.row["n_left_out"]) == (1, 1)
    assert result.row["label"] == "default@no-sun"
    (told,) = describe_counts(result.row)
    assert told.startswith("1 flashes that the Sun may have made are left out")
    assert told.endswith("they stay in the table flashes.")


def test_times_of_before_october_2018_are_said_to_be_late() -> None:
    start = datetime(2018, 7, 2, 4, tzinfo=UTC)
    flashes = Flashes(("G16", 60, 30, -90, {"start": start}))
    window = {"start": "2018-07-02T04:00", "end": "2018-07-02T05:00"}
    result = inspect(flashes, satellite="G16", window=window)
    assert result.row["n_late"] == 1
    assert "some 130 ms late" in "".join(describe_counts(result.row))


def test_quiet_window_is_a_result_and_one_not_ingested_is_none() -> None:
    result = inspect(Flashes())
    assert (result.row["n_flashes"], result.row["n_matched"]) == (0, 0)
    assert result.row["matched_share"] is None
    assert list(describe_counts(result.row)) == [
        "GOES-East saw 0 flashes and GOES-West 0: 0 are the same and count once."
    ]
    with pytest.raises(NoFlashesError, match=r"No granule of .* has been loaded"):
        inspect(Flashes(has_granules=False))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ellipsoid", "lightning ellipsoid, 6 km high at the poles and 14 km at the equator"),
        ("ground", "where their lines of sight meet the ground"),
        ("10", "beneath cloud tops at 10 km"),
    ],
)
def test_place_is_said(place: str, words: str) -> None:
    assert words in describe_place(place)


def lay_granules(root: Path, platform: str) -> None:
    """A minute of a simulated hour, called as real granules are."""
    for name, content in simulate_hour(platform, HOUR, numbers=NUMBERS):
        put(root, replace(name, environment="OR"), content)


@pytest.fixture(scope="module")
def ingestion(tmp_path_factory: pytest.TempPathFactory) -> Ingestion:
    """A minute of both satellites, with groups."""
    folder = tmp_path_factory.mktemp("sky")
    for platform in ("G16", "G18"):
        lay_granules(folder / "archive", platform)
    made = Ingestion(folder / "data", str(folder / "archive"), levels=("flash", "group"))
    made.run(satellite="both")
    return made


def inspect_stored(ingestion: Ingestion, **given: Any) -> Result:
    path = str(ingestion.database)
    window = {"start": "2024-07-14T09:00", "end": "2024-07-14T10:00"}
    checked = check_parameters({"satellite": "both", "window": window, **given}, now=NOW)
    handles = (GranuleTableDataset(path=path, table=name).load() for name in ("flashes", "groups"))
    (result, *_) = inspect_sky(
        *handles, checked["selection"], checked["satellite"], checked["run_time"]
    )
    return result


def test_simulated_flashes_of_both_satellites_are_matched(ingestion: Ingestion) -> None:
    """Both see the same storms: a true pair has the same times, which are packed alike."""
    result = inspect_stored(ingestion)
    row, matches = result.row, result.tables["flash_matches"].to_pandas()
    true = ingestion.query(
        "SELECT count(*) FROM flashes AS e JOIN flashes AS w USING (time, time_end) "
        "WHERE e.platform = 'G16' AND w.platform = 'G18' "
        "AND abs(e.lat - w.lat) < 0.3 AND abs(e.lon - w.lon) < 0.3"
    )[0][0]
    same = ((matches["time_residual_s"] == 0) & (matches["time_end_residual_s"] == 0)).sum()
    assert true > 20
    assert same == true, "recall"
    assert same / row["n_matched"] > 0.9, "precision: some are seen by one only"
    assert row["n_flashes"] == row["n_east"] + row["n_west"] - row["n_matched"]
    flashes = ingestion.query("SELECT lat, lon FROM flashes WHERE platform = 'G16'")
    lat, lon = np.array(flashes).T
    assert row["n_east_overlap"] == int(sees("G18", lat, lon, HOUR).sum())
    assert row["n_area_checked"] == row["n_flashes"]
    assert row["n_wrapped_area"] == 0


def test_result_is_stored_whole_and_replaces_its_own_only(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = str(tmp_path / "lightning.duckdb")
    for given in ({"preprocessing": {"place": "ground"}}, {}, {}):
        result = inspect_stored(ingestion, **given)
        DuckDBTableDataset(path=path, table=SKY_TABLES[-1]).save(result)
    rows = DuckDBTableDataset(path=path, table="sky_selection").load()
    assert isinstance(rows, pd.DataFrame)
    assert rows[["platform", "label"]].to_numpy().tolist() == [
        ["G16+G18", "default"],
        ["G16+G18", "default@ground"],
    ]
    matches = DuckDBTableDataset(path=path, table="flash_matches").load()
    assert isinstance(matches, pd.DataFrame)
    assert len(matches) == 2 * rows["n_matched"].max()
    handle = DuckDBTableDataset(path=path, table="sky_selection", lazy=True).load()
    assert handle.find_row(result.selection)["n_east"] > 0
    assert handle.find_row(replace(result.selection, label="other")) is None


def test_table_that_is_not_there_names_its_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    other = DuckDBTableDataset(path=str(path), table="coverage")
    counts = {"expected": 180, "found": 180, "corrupt": 0, "missing": 0}
    other.save(pd.DataFrame([{"platform": "G18", "hour": pd.Timestamp("2023-01-26")} | counts]))
    handle = DuckDBTableDataset(path=str(path), table="sky_selection", lazy=True).load()
    with pytest.raises(TableError, match="--pipelines sky"):
        len(handle)


def test_flashes_alone_are_enough(tmp_path: Path) -> None:
    """Without a table of groups there is nothing to hold areas against."""
    path = str(tmp_path / "lightning.duckdb")
    counts = {"expected": 180, "found": 180, "corrupt": 0, "missing": 0}
    hours = pd.DataFrame([{"platform": "G18", "hour": pd.Timestamp("2023-01-26")} | counts])
    DuckDBTableDataset(path=path, table="coverage").save(hours)
    groups = GranuleTableDataset(path=path, table="groups").load()
    selection = Selection(find_segments("G18", NOW, NOW.replace(hour=1)))
    assert groups.read_largest_areas(selection).num_rows == 0


def test_whole_run_of_both_with_a_satellite_that_lacks_granules(
    project: Project, tmp_path: Path
) -> None:
    """Each satellite has a bucket of its own; what one lacks is counted and said."""
    lay_granules(tmp_path / "noaa-goes16", "G16")
    lay_granules(tmp_path / "noaa-goes18", "G18")
    (lost,) = (tmp_path / "noaa-goes18").rglob("*_s20241960913400_*.nc")
    lost.unlink()
    window = "window.start=2024-07-14T09:13:20,window.end=2024-07-14T09:14:20"
    options = f"satellite=both,archive={tmp_path}/noaa-goes{{number}},{window}"
    run = project.succeed("--pipelines", "ingestion,sky", "--params", options)
    assert "GOES-East saw" in run.output
    coverage = project.query("SELECT platform, missing FROM coverage ORDER BY platform")
    assert coverage.to_numpy().tolist() == [["G16", 177], ["G18", 178]]
    counted = project.query("SELECT n_flashes, n_matched, n_east, n_west FROM sky_selection")
    n_flashes, n_matched, n_east, n_west = counted.to_numpy()[0].tolist()
    assert n_matched > 0
    assert n_flashes == n_east + n_west - n_matched
    assert project.query("SELECT count(*) AS n FROM flashes")["n"].item() >= n_east + n_west
