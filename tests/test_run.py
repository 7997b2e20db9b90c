"""The whole job, as a person runs it: on real granules, on disk and behind S3, and simulated."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import pandas as pd
import pytest

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import HOUR, hour_prefix
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.simulation.granule_writer import encode_granule
from lightning_kedro.store.storage import Storage
from tests.conftest import (
    WINDOW,
    Project,
    lay_out,
    name_of,
    needs_real_granules,
    real_granule_paths,
)
from tests.glm.test_flashes import NAME, content

JULY_2018 = "satellite=G16,window.start=2018-07-02T04:33,window.end=2018-07-02T04:34"
MIDNIGHT = "satellite=west,window.start=2019-09-26T23:00,window.end=2019-09-27T01:00"

FLASHES_IN = {
    "20181830433000": 302,
    "20181830433200": 277,
    "20181830433400": 274,
    "20182901026200": 208,
    "20192692359400": 123,
    "20192700000000": 106,
    "20192700000200": 111,
    "20200160612000": 0,
    "20202400000000": 181,
    "20203662359400": 179,
    "20250971300200": 115,
}
"""Rows of each real granule, by its start: counted with ncdump -h."""

WINDOWS = (
    JULY_2018,
    "satellite=G16,window.start=2018-10-17T10:00,window.end=2018-10-17T11:00",
    MIDNIGHT,
    "satellite=G17,window.start=2020-01-16T06:00,window.end=2020-01-16T07:00",
    "satellite=G17,window.start=2020-08-27T00:00,window.end=2020-08-27T01:00",
    "satellite=east,window.start=2020-12-31T23:00,window.end=2021-01-01T00:00",
    "satellite=G19,window.start=2025-04-07T13:00,window.end=2025-04-07T14:00",
)
"""Windows that hold all of the real granules, each once or twice."""


def assert_all_real_granules_are_loaded(project: Project) -> None:
    granules = project.query("SELECT * FROM granules ORDER BY granule_start")
    starts = [name_of(Path(name)).start for name in granules["file_name"]]
    assert [start.strftime("%Y%j%H%M%S0") for start in starts] == sorted(FLASHES_IN)
    assert granules["flash_count"].to_list() == [FLASHES_IN[key] for key in sorted(FLASHES_IN)]
    assert (granules["declared_flash_count"] == granules["flash_count"]).all()
    assert granules["status"].value_counts().to_dict() == {"loaded": 10, "empty": 1}
    stored = project.query("SELECT granule_start, count(*) AS n FROM flashes GROUP BY ALL")
    by_start = dict(zip(stored["granule_start"], stored["n"], strict=True))
    for row in granules.itertuples():
        assert by_start.get(row.granule_start, 0) == row.flash_count
    assert project.query("SELECT count(*) AS n FROM flashes")["n"].item() == 1876
    keys = "SELECT count(DISTINCT (platform, granule_start, flash_id)) AS n FROM flashes"
    assert project.query(keys)["n"].item() == 1876


@needs_real_granules
def test_real_granules_on_disk_are_ingested_in_place(project: Project, real_archive: Path) -> None:
    for window in WINDOWS:
        project.succeed("--pipelines", "ingestion", "--params", f"archive={real_archive},{window}")
    assert_all_real_granules_are_loaded(project)
    assert not (project.folder / "data" / "01_raw").exists()


@needs_real_granules
def test_real_granules_behind_s3_are_fetched_and_ingested(
    project: Project, put_granules: Callable[[Iterable[Path]], None]
) -> None:
    put_granules(real_granule_paths())
    for window in WINDOWS:
        project.succeed("--pipelines", "ingestion", "--params", window)
    assert_all_real_granules_are_loaded(project)
    copies = sorted((project.folder / "data" / "01_raw" / "glm").rglob("*"))
    files = [path for path in copies if path.is_file()]
    assert sorted(path.name for path in files) == [path.name for path in real_granule_paths()]
    for copy, original in zip(sorted(files, key=lambda path: path.name), real_granule_paths()):  # noqa: B905
        assert copy.read_bytes() == original.read_bytes()
        assert copy.parent.relative_to(project.folder / "data/01_raw/glm").as_posix() == (
            f"GLM-L2-LCFA/{name_of(original).hour:%Y/%j/%H}"
        )


@needs_real_granules
def test_flashes_of_the_window_are_clustered(project: Project, real_archive: Path) -> None:
    params = f"archive={real_archive},{JULY_2018},clustering.criterion=silhouette"
    project.succeed("--pipelines", "ingestion,clustering", "--params", params)
    inside = "time >= '2018-07-02 04:33' AND time < '2018-07-02 04:34'"
    expected = project.query(f"SELECT count(*) AS n FROM flashes WHERE {inside}")["n"].item()
    assert expected == 842
    clustered = project.query("SELECT * FROM clustered_flashes")
    assert len(clustered) == expected
    assert clustered["time"].between("2018-07-02 04:33", "2018-07-02 04:34", "left").all()
    centers = project.query("SELECT * FROM cluster_centers ORDER BY cluster")
    counts = clustered.groupby("cluster").size()
    assert centers["flash_count"].to_list() == counts.sort_index().to_list()
    assert centers["flash_count"].is_monotonic_decreasing
    assert project.query("SELECT k FROM silhouette_scores ORDER BY k")["k"].to_list() == [
        *range(2, 24)
    ]
    curve = project.query("SELECT k, inertia FROM elbow_curve ORDER BY k")
    assert curve["k"].to_list() == [*range(1, 24)]
    assert curve["inertia"].is_monotonic_decreasing
    best = project.query("SELECT arg_max(k, silhouette_coefficient) AS k FROM silhouette_scores")
    assert len(centers) == best["k"].item()
    for table in ("clustered_flashes", "cluster_centers", "silhouette_scores", "elbow_curve"):
        key = project.query(f"SELECT DISTINCT platform, window_start, window_end FROM {table}")
        assert key.to_numpy().tolist() == [
            ["G16", pd.Timestamp("2018-07-02 04:33"), pd.Timestamp("2018-07-02 04:34")]
        ]


@needs_real_granules
def test_flash_of_the_day_before_belongs_to_its_own_window(
    project: Project, real_archive: Path
) -> None:
    """G17's granule of 2019-09-27 00:00:00 holds flashes that began at 23:59:59."""
    window = "satellite=G17,window.start=2019-09-26T23:00,window.end=2019-09-27T00:00"
    params = f"archive={real_archive},{window},clustering.k_min=2,clustering.k_max=5"
    project.succeed("--pipelines", "ingestion,clustering", "--params", params)
    late = project.query(
        "SELECT * FROM clustered_flashes WHERE granule_start = '2019-09-27 00:00:00'"
    )
    assert len(late) > 0
    assert (late["time"] < "2019-09-27").all()
    hours = project.query("SELECT hour FROM coverage")["hour"].to_list()
    assert hours == [pd.Timestamp("2019-09-26 23:00")]


def everything(project: Project, env: str = "") -> dict[str, pd.DataFrame]:
    tables = project.query("SELECT table_name FROM duckdb_tables() ORDER BY ALL", env)
    return {
        table: project.query(f"SELECT * FROM {table} ORDER BY ALL", env)
        for table in tables["table_name"]
    }


@needs_real_granules
def test_running_again_changes_nothing(project: Project, real_archive: Path) -> None:
    pipelines = (
        "--pipelines",
        "ingestion,sky,storms,clustering",
    )  # of pictures there are other tests
    command = (*pipelines, "--params", f"archive={real_archive},{JULY_2018}")
    project.succeed(*command)
    first = everything(project)
    project.succeed(*command)
    kept = everything(project)
    assert first.keys() == kept.keys()
    for table, rows in first.items():
        pd.testing.assert_frame_equal(rows, kept[table], obj=table)
    project.succeed(*command[:-1], f"{command[-1]},unchanged=remake")
    second = everything(project)
    assert first.keys() == second.keys()
    first["result_fingerprints"].pop("rows_fingerprint")  # the time is in it
    second["result_fingerprints"].pop("rows_fingerprint")
    for table in ("k_selection", "sky_selection", "storm_selection"):
        earlier, later = first[table].pop("run_time"), second[table].pop("run_time")
        assert (later >= earlier).all(), "only the time of the run differs"
    for table, rows in first.items():
        pd.testing.assert_frame_equal(rows, second[table], obj=table)


@needs_real_granules
def test_series_files_hold_every_flash_and_join_by_key(
    project: Project, real_archive: Path
) -> None:
    project.succeed("--pipelines", "ingestion", "--params", f"archive={real_archive},{MIDNIGHT}")
    folder = project.folder / "data" / "02_intermediate" / "glm" / "G17" / "2019" / "270" / "00"
    time = pd.read_csv(folder / "time_series.csv")
    geo = pd.read_csv(folder / "geo_series.csv")
    assert list(time) == [
        *("platform", "granule_start", "flash_id", "time", "time_end"),
        *("energy_j", "area_km2", "quality_flag"),
    ]
    assert list(geo) == ["platform", "granule_start", "flash_id", "lat", "lon"]
    assert len(time) == len(geo) == 106 + 111
    joined = time.merge(geo, on=["platform", "granule_start", "flash_id"], validate="one_to_one")
    assert len(joined) == len(time)
    with h5py.File(next(p for p in real_granule_paths() if "s20192700000000" in p.name)) as file:
        lat = file["flash_lat"][:]
    assert (geo["lat"].to_numpy()[:106].astype("float32") == lat).all()


@needs_real_granules
@pytest.mark.usefixtures("stand_ins")
def test_single_nodes_run_one_after_the_other(project: Project, real_archive: Path) -> None:
    params = ("--params", f"archive={real_archive},{JULY_2018}")
    for node in ("extract", "transform", "load", "preprocessor", "kmeans_candidates"):
        project.succeed("--nodes", node, *params)
    project.succeed("--nodes", "silhouette_evaluator,elbow_evaluator,kmeans_cluster", *params)
    assert len(project.query("SELECT * FROM clustered_flashes")) == 842
    for node in ("select_result", "cluster_map"):
        project.succeed("--nodes", node, *params)
    assert not (project.folder / "data" / "08_reporting").exists(), "nothing before all of it"
    maps = "cluster_animation,density_map,density_panels,storm_map"
    extents = "select_grids,flash_extent_density,flash_extent_panels,flash_extent_animation"
    rest = "flash_rate,k_evaluation,storm_series,report"
    project.succeed("--nodes", f"{maps},{extents},{rest}", *params)
    assert (project.folder / "data" / "08_reporting" / "report.html").is_file()


@needs_real_granules
def test_run_command_of_the_package_and_deprecated_option_work(
    project: Project, real_archive: Path
) -> None:
    options = ["run", "--pipeline", "ingestion", "--params", f"archive={real_archive},{JULY_2018}"]
    command = [sys.executable, "-m", "kedro", *options]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(project.query("SELECT * FROM flashes")) == 853


@needs_real_granules
def test_corrupt_granule_is_recorded_and_the_rest_loaded(project: Project, tmp_path: Path) -> None:
    paths = [path for path in real_granule_paths() if "_s2018183" in path.name]
    archive = lay_out(tmp_path / "archive", paths)
    broken = next(archive.rglob(paths[1].name))
    broken.write_bytes(broken.read_bytes()[:300_000])
    params = ("--params", f"archive={archive},{JULY_2018}")
    project.succeed("--pipelines", "ingestion", *params)
    granules = project.query("SELECT * FROM granules ORDER BY granule_start")
    assert granules["status"].to_list() == ["loaded", "corrupt", "loaded"]
    assert granules["flash_count"].to_list() == [302, 0, 274]
    assert granules["reason"][1].startswith("not a whole netCDF-4 file: ")
    coverage = project.query("SELECT expected, found, corrupt, missing FROM coverage")
    assert coverage.to_numpy().tolist() == [[180, 3, 1, 177]]

    # The whole file arrives: the next run takes it.
    broken.write_bytes(paths[1].read_bytes())
    project.succeed("--pipelines", "ingestion", *params)
    assert project.query("SELECT status FROM granules")["status"].to_list() == ["loaded"] * 3
    assert len(project.query("SELECT * FROM flashes")) == 853


@needs_real_granules
def test_corrupt_newer_file_leaves_the_flashes_of_the_older_one(
    project: Project, tmp_path: Path
) -> None:
    paths = [path for path in real_granule_paths() if "_s2018183" in path.name]
    archive = lay_out(tmp_path / "archive", paths)
    older = next(archive.rglob(paths[1].name))
    name = name_of(older)
    newer = older.with_name(replace(name, created=name.created + HOUR).file_name)
    newer.write_text("<html>Service Unavailable</html>")
    params = ("--params", f"archive={archive},{JULY_2018}")
    for _ in range(2):
        project.succeed("--pipelines", "ingestion", *params)
        granules = project.query("SELECT * FROM granules ORDER BY granule_start")
        assert granules["status"].to_list() == ["loaded"] * 3
        assert granules["file_name"][1] == older.name
        assert granules["reason"][1].startswith(f"{newer.name} is newer but corrupt: ")
        assert len(project.query("SELECT * FROM flashes")) == 853


@needs_real_granules
def test_hour_that_cannot_be_listed_ends_the_run_when_the_rest_is_loaded(
    project: Project, real_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_really = Storage.list_hour

    def fail_at_midnight(self: Storage, hour: ArchiveHour) -> object:
        if (hour.hour.hour, hour.part) == (0, "whole"):
            message = f"Cannot read {hour_prefix(hour.hour)}: Input/output error."
            raise ArchiveError(message)
        return list_really(self, hour)

    monkeypatch.setattr(Storage, "list_hour", fail_at_midnight)
    params = ("--params", f"archive={real_archive},{MIDNIGHT}")
    run = project.run("--pipelines", "ingestion", *params)
    assert run.exit_code == 1
    assert "The run is incomplete, everything else is loaded" in run.output
    assert run.output.count("GLM-L2-LCFA/2019/270/00: Input/output error") == 1
    hours = project.query("SELECT hour FROM coverage")["hour"].to_list()
    assert hours == [pd.Timestamp("2019-09-26 23:00")]
    assert len(project.query("SELECT * FROM flashes")) == 123


@needs_real_granules
def test_outage_of_a_satellite_in_use_is_counted_and_ends_the_run(
    project: Project, real_archive: Path
) -> None:
    project.succeed("--pipelines", "ingestion", "--params", f"archive={real_archive},{JULY_2018}")
    window = "satellite=G16,window.start=2018-07-02T06:00,window.end=2018-07-02T07:00"
    run = project.run("--pipelines", "ingestion", "--params", f"archive={real_archive},{window}")
    assert run.exit_code == 1
    assert "holds no granules of G16 for this window; looked at GLM-L2-LCFA/2018/" in run.output
    coverage = project.query("SELECT hour(hour), found, missing FROM coverage ORDER BY hour")
    assert coverage.to_numpy().tolist() == [[4, 3, 177], [6, 0, 180]]


def test_missing_values_are_null_in_the_table(project: Project, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    folder = archive / hour_prefix(NAME.hour)
    folder.mkdir(parents=True)

    path = folder / NAME.file_name
    path.write_bytes(encode_granule(NAME, content()))
    with h5py.File(path, "r+") as file:
        file["flash_quality_flag"][0] = -1
    params = "satellite=G16,window.start=2020-07-01T12:00,window.end=2020-07-01T12:01"
    project.succeed("--pipelines", "ingestion", "--params", f"archive={archive},{params}")
    rows = project.query("SELECT * FROM flashes ORDER BY time")
    assert rows["energy_j"].isna().to_list() == [row == 3 for row in range(300)]
    assert rows["area_km2"].isna().to_list() == [row == 5 for row in range(300)]
    assert rows["quality_flag"].isna().to_list() == [row == 0 for row in range(300)]
    assert rows["lat"].dtype == "float32"
    assert (rows["lat"].to_numpy() == content().flashes.lat).all()


def test_levels_fill_their_tables_and_are_loaded_through_the_catalog(
    project: Project, buckets: Path, tmp_path: Path
) -> None:
    """Streaming, after a run that was content with flashes."""
    archive = lay_out(tmp_path / "archive", sorted(buckets.rglob("*.nc"))[:6])
    params = f"archive={archive},{WINDOW}"
    project.succeed("--pipelines", "ingestion", "--params", params)
    for level, missing in (("group", "events"), ("event", "")):
        asked = f"{params},ingestion.levels={level}"
        project.succeed("--pipelines", "ingestion", "--env", "stream", "--params", asked)
        names = project.query("SELECT table_name FROM duckdb_tables()")["table_name"].to_list()
        assert missing not in names
    counts = project.query(
        "SELECT (SELECT sum(group_count) FROM flashes) AS groups, "
        "(SELECT sum(event_count) FROM groups) AS events"
    )
    assert counts["groups"][0] == project.query("SELECT count(*) AS n FROM groups")["n"][0]
    assert counts["events"][0] == project.query("SELECT count(*) AS n FROM events")["n"][0]
    text = project.fail("--pipelines", "ingestion", "--params", f"{params},ingestion.levels=pixel")
    assert text == (
        "Parameter ingestion.levels: 'pixel' must be one of flash, group, event, or a list of them."
    )
