"""Ingestion when the archive, the disk or another run misbehaves: nothing good is ever lost."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lightning_kedro.hooks import MAX_SHOWN
from tests.conftest import COUNT, HOUR, WINDOW, Project, assert_same, dump
from tests.loopback_s3 import PAGE, LoopbackS3, Schedule, serve_folder


@pytest.mark.parametrize("seed", [1, 2])
def test_archive_that_fails_now_and_then_is_asked_again(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    seed: int,
) -> None:
    with serve_folder(buckets, Schedule(seed, share=0.4, list_share=0.5, stall_s=1.5)) as server:
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert len(server.faults) >= 4, "most kinds of trouble"
        assert server.faults.total() >= 10
    assert_same(dump(project), reference)
    assert not list(project.folder.rglob("*.part"))


def test_what_still_fails_is_named_and_the_rest_loaded(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lightning_kedro.store.retry.ATTEMPTS", 1)
    doomed = sorted(path.name for path in buckets.rglob("*.nc"))[3:5]
    with serve_folder(buckets, Schedule(doomed=frozenset(doomed))) as server:
        remote(server)
        run = project.run("--pipelines", "ingestion", "--params", WINDOW)
        assert run.exit_code == 1
        assert "The run is incomplete, everything else is loaded" in run.output
        assert all(name in run.output for name in doomed)
        granules = project.query("SELECT file_name FROM granules")["file_name"].to_list()
        assert len(granules) == COUNT - 2
        assert not set(doomed) & set(granules)

        server.schedule = Schedule()
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert server.requests["GET"] == 2, "only what was missing is fetched"
    assert_same(dump(project), reference)


@pytest.mark.usefixtures("no_pauses")
def test_many_failures_are_counted_in_the_error_and_all_named_in_the_log(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    doomed = sorted(path.name for path in buckets.rglob("*.nc"))[: MAX_SHOWN + 5]
    with serve_folder(buckets, Schedule(doomed=frozenset(doomed))) as server:
        remote(server)
        run = project.run("--pipelines", "ingestion", "--params", WINDOW)
    assert run.exit_code == 1
    _, _, error = run.output.partition("Error: The run is incomplete, everything else is loaded")
    assert [name in error for name in doomed] == [True] * MAX_SHOWN + [False] * 5
    assert error.endswith("and 5 more\n")
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert all(any(name in message for message in logged) for name in doomed)


@pytest.mark.usefixtures("no_pauses")
def test_run_goes_on_when_the_only_new_granule_cannot_be_fetched(
    project: Project, buckets: Path, remote: Callable[[LoopbackS3], None], tmp_path: Path
) -> None:
    shutil.copytree(buckets, tmp_path / "archive")
    late = sorted((tmp_path / "archive").rglob("*.nc"))[7]
    late.rename(tmp_path / late.name)
    with serve_folder(tmp_path / "archive") as server:
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        (tmp_path / late.name).rename(late)
        server.schedule = Schedule(doomed=frozenset({late.name}))
        run = project.run("--pipelines", "ingestion,clustering", "--params", WINDOW)
    assert run.exit_code == 1
    assert "The run is incomplete, everything else is loaded" in run.output
    assert late.name in run.output
    assert len(project.query("SELECT * FROM granules")) == COUNT - 1
    assert project.query("SELECT sum(flash_count) AS n FROM cluster_centers")["n"].item() > 0


@pytest.mark.usefixtures("no_pauses")
def test_what_failed_is_named_when_a_later_node_ends_the_run(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = sorted(path.name for path in buckets.rglob("*.nc"))
    with serve_folder(buckets, Schedule(doomed=frozenset(names))) as server:
        remote(server)
        error = project.fail("--pipelines", "ingestion,clustering", "--params", WINDOW)
    assert "No granule of the window" in error
    reports = [text for text in caplog.messages if text.startswith("Before the run ended, 40 ")]
    assert len(reports) == 1
    assert names[0] in reports[0]
    assert reports[0].endswith("and 20 more")


@pytest.mark.usefixtures("no_pauses")
def test_extract_alone_names_what_it_could_not_fetch(
    project: Project, buckets: Path, remote: Callable[[LoopbackS3], None]
) -> None:
    names = sorted(path.name for path in buckets.rglob("*.nc"))[:2]
    with serve_folder(buckets, Schedule(doomed=frozenset(names))) as server:
        remote(server)
        run = project.run("--nodes", "extract", "--params", WINDOW)
    assert run.exit_code == 1
    _, _, error = run.output.partition("Error: The run is incomplete")
    assert all(name in error for name in names)


@pytest.mark.parametrize("env", ["base", "stream"])
def test_empty_foreign_and_cut_objects_are_corrupt_and_the_rest_is_loaded(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    tmp_path: Path,
    env: str,
) -> None:
    shutil.copytree(buckets, tmp_path / "archive")
    paths = sorted((tmp_path / "archive").rglob("*.nc"))
    whole = paths[2].read_bytes()
    paths[0].write_bytes(b"")
    paths[1].write_text(PAGE)
    paths[2].write_bytes(whole[: len(whole) // 2])
    with serve_folder(tmp_path / "archive") as server:
        remote(server)
        project.succeed("--env", env, "--pipelines", "ingestion", "--params", WINDOW)
        granules = project.query("SELECT * FROM granules ORDER BY granule_start")
        assert granules["file_name"].to_list() == [path.name for path in paths]
        assert (granules["status"] == "corrupt").to_list() == [True] * 3 + [False] * (COUNT - 3)
        assert granules["reason"].notna().to_list() == [True] * 3 + [False] * (COUNT - 3)
        assert project.query("SELECT corrupt FROM coverage")["corrupt"].to_list() == [3]

        # A whole object in the place of a broken one is picked up.
        paths[2].write_bytes(whole)
        project.succeed("--env", env, "--pipelines", "ingestion", "--params", WINDOW)
        assert project.query("SELECT corrupt FROM coverage")["corrupt"].to_list() == [2]


def test_second_run_only_lists(
    project: Project, buckets: Path, remote: Callable[[LoopbackS3], None]
) -> None:
    with serve_folder(buckets) as server:
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert server.requests["GET"] == COUNT
        assert set(server.requests) == {"LIST", "GET"}
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert set(server.requests) == {"LIST"}
        # Nor is anything fetched again when the copies are gone: the database has them.
        shutil.rmtree(project.folder / "data" / "01_raw")
        shutil.rmtree(project.folder / "data" / "02_intermediate")
        server.requests.clear()
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
        assert set(server.requests) == {"LIST"}


def test_late_and_newer_granules_are_picked_up(
    project: Project,
    buckets: Path,
    tmp_path: Path,
    reference: dict[str, pd.DataFrame],
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(buckets / "noaa-goes17", archive)
    paths = sorted(archive.rglob("*.nc"))
    late = paths[7].rename(tmp_path / paths[7].name)
    params = ("--pipelines", "ingestion", "--params", f"archive={archive},{WINDOW}")
    project.succeed(*params)
    assert len(project.query("SELECT * FROM granules")) == COUNT - 1
    late.rename(paths[7])
    project.succeed(*params)
    assert_same(dump(project), reference)

    # The granule is made again, with the flashes of another.
    start, _, rest = paths[7].name.partition("_c")
    newer = paths[7].with_name(f"{start}_c{int(rest[:14]) + 100:014d}.nc")
    newer.write_bytes(paths[7].read_bytes())
    project.succeed(*params)
    granules = project.query("SELECT * FROM granules")
    assert len(granules) == COUNT
    assert newer.name in granules["file_name"].to_list()
    assert paths[7].name not in granules["file_name"].to_list()
    pd.testing.assert_frame_equal(dump(project)["flashes"], reference["flashes"])

    # An older creation that turns up afterwards displaces nothing.
    newer.unlink()
    project.succeed(*params)
    assert newer.name in project.query("SELECT file_name FROM granules")["file_name"].to_list()


@pytest.mark.parametrize("env", ["stream", "home"])
def test_streaming_gives_the_same_tables_without_a_copy(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    env: str,
) -> None:
    with serve_folder(buckets, Schedule(3, share=0.1, kinds=("503", "cut"))) as server:
        remote(server)
        project.succeed("--env", env, "--pipelines", "ingestion", "--params", WINDOW)
        assert (server.requests["RANGE"] > COUNT) == (env == "home")
    assert_same(dump(project), reference)
    assert not list(project.folder.rglob("*.nc"))


HOSTILE = (
    "../../../../etc/OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc\n.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc'; DROP TABLE flashes;--",
    "OR_GLM-L2-LCFA_G17_s20241961200000_e20241961200200_c20241961200220.nc",
    "OR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220" + "x" * 1000 + ".nc",
    "ОR_GLM-L2-LCFA_G17_s20241960900000_e20241960900200_c20241960900220.nc",  # noqa: RUF001
    "/absolute.nc",
)


def test_hostile_names_are_ignored_and_counted(
    project: Project,
    buckets: Path,
    remote: Callable[[LoopbackS3], None],
    reference: dict[str, pd.DataFrame],
    caplog: pytest.LogCaptureFixture,
) -> None:
    prefix = f"GLM-L2-LCFA/{HOUR:%Y/%j/%H}"
    before = {path for path in project.folder.parent.rglob("*") if path.is_file()}
    with serve_folder(buckets) as server:
        server.extra_keys = {f"{prefix}/{name}": 7 for name in HOSTILE}
        remote(server)
        project.succeed("--pipelines", "ingestion", "--params", WINDOW)
    assert_same(dump(project), reference)
    assert f"{len(HOSTILE)} names in s3://noaa-goes{{number}} are no granules" in caplog.text
    written = {path for path in project.folder.parent.rglob("*") if path.is_file()} - before
    allowed = (project.folder / "data", project.folder / ".viz")  # Kedro-Viz notes each run
    assert all(any(path.is_relative_to(folder) for folder in allowed) for path in written)


@pytest.mark.parametrize("env", ["base", "stream"])
def test_archive_that_cannot_be_listed_is_never_recorded_as_an_outage(
    project: Project,
    buckets: Path,
    ingested_buckets: Project,
    remote: Callable[[LoopbackS3], None],
    env: str,
) -> None:
    options = ("--env", env, "--pipelines", "ingestion", "--params")
    shutil.copytree(ingested_buckets.folder / "data", project.folder / "data")
    with serve_folder(buckets) as server:
        remote(server)
        before = dump(project)
        later = WINDOW.replace("T09", "T11").replace("T10", "T12")
        for window in (WINDOW, later):
            archive = f"archive={server.endpoint}/noaa-goes17"
            error = project.fail(*options, f"{archive},{window}")
            assert "cannot be listed" in error
            assert "Give the bucket itself: archive=s3://noaa-goes17." in error
    assert_same(dump(project), before)


def test_folder_of_another_layout_is_never_recorded_as_an_outage(
    project: Project, buckets: Path, ingested_buckets: Project, tmp_path: Path
) -> None:
    options = ("--pipelines", "ingestion", "--params")
    shutil.copytree(ingested_buckets.folder / "data", project.folder / "data")
    before = dump(project)
    shutil.copytree(buckets / "noaa-goes17" / "GLM-L2-LCFA", tmp_path / "mine")
    later = WINDOW.replace("T09", "T11").replace("T10", "T12")
    error = project.fail(*options, f"archive={tmp_path}/mine,{later}")
    assert "mine is not laid out as GLM-L2-LCFA/YYYY/DDD/HH/*.nc: there are granules in" in error
    (tmp_path / "mount").mkdir()
    error = project.fail(*options, f"archive={tmp_path}/mount,{later}")
    assert "mount is not laid out as GLM-L2-LCFA/YYYY/DDD/HH/*.nc: it is empty" in error
    assert_same(dump(project), before)


@pytest.mark.parametrize("layout", ["product", "goes2go", "flat"])
def test_other_layouts_give_the_same_tables(
    project: Project,
    buckets: Path,
    tmp_path: Path,
    reference: dict[str, pd.DataFrame],
    layout: str,
) -> None:
    archive = buckets / "noaa-goes17" / "GLM-L2-LCFA" if layout == "product" else buckets
    if layout == "flat":
        archive = tmp_path / "flat"
        archive.mkdir()
        for path in buckets.rglob("*.nc"):
            shutil.copy(path, archive)
    project.succeed("--pipelines", "ingestion", "--params", f"archive={archive},{WINDOW}")
    assert_same(dump(project), reference)


def test_server_that_sends_a_byte_at_a_time_ends_a_run_soon(
    project: Project, buckets: Path, remote: Callable[[LoopbackS3], None]
) -> None:
    catalog = project.folder / "conf" / "base" / "catalog.yml"
    limit = "    max_request_seconds: 1\n    config_kwargs:"
    catalog.write_text(catalog.read_text().replace("    config_kwargs:", limit, 1))
    with serve_folder(buckets, Schedule(share=1.0, kinds=("trickle", "headers"))) as server:
        remote(server)
        began = time.monotonic()
        run = project.run("--pipelines", "ingestion", "--params", WINDOW)
        assert time.monotonic() - began < 90
    assert run.exit_code == 1
    assert "no whole answer within 1 s" in run.output


def test_gap_is_an_error_on_request(project: Project, buckets: Path) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW},ingestion.gaps=error"
    run = project.run("--pipelines", "ingestion", "--params", params)
    assert run.exit_code == 1
    assert "140 missing and 0 corrupt in 2024-07-14 09:00" in run.output
    assert len(project.query("SELECT * FROM granules")) == COUNT


def test_summary_says_what_was_loaded(
    project: Project, buckets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    project.succeed("--pipelines", "ingestion", "--params", params)
    assert "40 of 180 granules, " in caplog.text
    assert "140 missing and 0 corrupt in 2024-07-14 09:00" in caplog.text


def test_folder_that_may_not_be_written_to_is_named(project: Project, buckets: Path) -> None:
    (project.folder / "data").mkdir()
    full = project.folder / "data" / "02_intermediate"
    full.symlink_to("/dev/full")
    params = f"archive={buckets}/noaa-goes17,{WINDOW}"
    error = project.fail("--pipelines", "ingestion", "--params", params)
    assert "Cannot write" in error
    assert "A part of the path is no folder" in error
