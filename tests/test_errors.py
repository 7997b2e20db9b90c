"""Bad input ends in one or two sentences that say what to do, exit status 1, nothing changed."""

import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.conftest import Project, lay_out, needs_real_granules, real_granule_paths

JULY_2018 = "satellite=G16,window.start=2018-07-02T04:33,window.end=2018-07-02T04:34"


def assert_nothing_changed(project: Project) -> None:
    data = project.folder / "data"
    assert not data.exists() or not any(path.is_file() for path in data.rglob("*"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            "window.start=2018-07-02T05:00,window.end=2018-07-02T04:00",
            r"Parameter window: window\.start \(2018-07-02T05:00:00\) must be before window\.end",
        ),
        (
            "window.start=2018-07-02T05:00,window.end=2018-07-02T05:00",
            r"must be before window\.end",
        ),
        ("window.start=yesterday", r"Parameter window\.start: 'yesterday' is not a time: expected"),
        ("window.end=2018-02-30", r"Parameter window\.end: '2018-02-30' is not a time"),
        ("satellite=G15", r"Parameter satellite: 'G15' cannot be used, expected 'G16', 'G17'"),
        ("satellite=goes", r"Parameter satellite: 'goes' cannot be used"),
        ("clustering.k_min=1", r"Parameter clustering\.k_min: 1 cannot be used, expected greater"),
        ("clustering.k_min=9,clustering.k_max=8", r"k_min \(9\) must not be greater than k_max"),
        ("clustering.k=40", r"k \(40\) must be within k_min \(2\) and k_max \(23\)"),
        ("clustering.k=few", r"Parameter clustering\.k: 'few' must be auto or a whole number"),
        ("clustering.max_cells=20", r"max_cells \(20\) must be greater than k_max \(23\)"),
        (
            "clustering.kmax=9",
            r"clustering\.kmax does not exist; did you mean clustering\.k_max\?$",
        ),
        ("satelite=G16", r"Parameter satelite does not exist; did you mean satellite"),
        ("windw.start=2018-07-02", r"Parameter windw does not exist"),
        ("clustering.criterion=best", r"expected 'multiscale', 'silhouette' or 'elbow'"),
        ("preprocessing.region.west=10", r"Parameter preprocessing\.region: a region needs all of"),
        (
            "satellite=west,window.start=2018-01-01,window.end=2018-01-02",
            r"no satellite was operational as GOES-West before 2019-02-12",
        ),
    ],
)
def test_parameter_that_cannot_be_used_is_named(
    project: Project, params: str, message: str
) -> None:
    error = project.fail("--params", params)
    assert_matches(error, message)
    assert_nothing_changed(project)


def assert_matches(error: str, message: str) -> None:
    __tracebackhide__ = True
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(error)
    assert "Traceback" not in error
    assert len(error) < 700


def test_archive_that_does_not_exist_is_named(project: Project, tmp_path: Path) -> None:
    error = project.fail("--params", f"archive={tmp_path}/nowhere")
    assert_matches(error, r"Archive .*/nowhere does not exist\. Check the parameter archive")
    assert_nothing_changed(project)


def test_bucket_that_does_not_exist_is_named(
    project: Project, put_granules: Callable[[Iterable[Path]], None]
) -> None:
    put_granules([])
    error = project.fail("--params", "archive=s3://no-such-bucket")
    assert_matches(error, r"Archive s3://no-such-bucket does not exist")


@pytest.mark.parametrize("archive", ["gopher://old", "nothing://at-all"])
def test_archive_of_an_unknown_kind_is_refused(project: Project, archive: str) -> None:
    error = project.fail("--params", f"archive={archive}")
    assert_matches(error, r"Parameter archive: '.*' cannot be opened")


@needs_real_granules
def test_window_without_granules_says_where_it_looked(project: Project, real_archive: Path) -> None:
    window = "satellite=G16,window.start=2018-07-02T06:00,window.end=2018-07-02T07:00"
    error = project.fail("--params", f"archive={real_archive},{window}")
    assert_matches(error, r"holds no granules of G16 for this window; looked at GLM-L2-LCFA/2018/")
    assert "GLM-L2-LCFA/2018/183/06/" in error
    assert_nothing_changed(project)


def test_bucket_without_granules_says_where_it_looked(
    project: Project, put_granules: Callable[[Iterable[Path]], None]
) -> None:
    put_granules([])
    error = project.fail("--params", "window.start=2023-05-01T06:20,window.end=2023-05-01T06:40")
    assert_matches(error, r"s3://noaa-goes\{number\} holds no granules of G18.*2023/121/06/")


@needs_real_granules
def test_quiet_window_is_a_result(project: Project, real_archive: Path) -> None:
    window = "satellite=G17,window.start=2020-01-16T06:00,window.end=2020-01-16T07:00"
    params = ("--params", f"archive={real_archive},{window}")
    project.succeed("--pipelines", "ingestion,clustering", *params)
    assert project.query("SELECT status FROM granules")["status"].to_list() == ["empty"]
    row = project.query("SELECT k, n_flashes, reason FROM k_selection").iloc[0]
    assert (row["k"], row["n_flashes"]) == (0, 0)
    assert row["reason"].startswith("no flashes")


def test_clustering_before_ingestion_says_what_to_run(project: Project) -> None:
    error = project.fail("--pipelines", "clustering")
    assert_matches(error, r"There is no database .*run `kedro run --pipelines? ingestion` first")


@needs_real_granules
def test_window_that_was_not_ingested_says_what_to_run(
    project: Project, real_archive: Path
) -> None:
    project.succeed("--pipelines", "ingestion", "--params", f"archive={real_archive},{JULY_2018}")
    later = "satellite=G16,window.start=2019-07-02T04:33,window.end=2019-07-02T04:34"
    error = project.fail("--pipelines", "clustering", "--params", later)
    assert_matches(
        error, r"No granule of the window 2019-07-02T04:33:00 .* ingest the window first"
    )
    project.query("SELECT * FROM flashes")


@needs_real_granules
def test_range_is_clipped_to_what_few_flashes_allow(project: Project, real_archive: Path) -> None:
    box = {"west": -58.2, "south": -32.2, "east": -57.7, "north": -31.9}
    region = ",".join(f"preprocessing.region.{side}={value}" for side, value in box.items())
    window = f"{JULY_2018},clustering.k_max=300,clustering.max_cells=2000"
    params = f"archive={real_archive},{window},{region}"
    project.succeed("--pipelines", "ingestion,clustering", "--params", params)
    assert len(project.query("SELECT * FROM elbow_curve")) == 31


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data of a project that has clustered the window, and the parameters of that."""
    archive = lay_out(tmp_path_factory.mktemp("real") / "archive", real_granule_paths())
    folder = tmp_path_factory.mktemp("clustered")
    params = f"archive={archive},{JULY_2018},clustering.k_max=6"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Project(folder).succeed("--pipelines", "ingestion,clustering", "--params", params)
    return folder / "data", params


@needs_real_granules
@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ("clustering.k_max=7", True),
        ("clustering.random_state=61", True),
        ("preprocessing.min_quality=good", True),
        ("window.end=2018-07-02T04:34:20", True),
        ("satellite=G17", True),
        ("clustering.k=4", False),
        ("clustering.label=other", False),
    ],
)
def test_run_of_some_nodes_takes_only_what_was_made_for_the_same(
    project: Project, clustered: tuple[Path, str], other: str, *, refused: bool
) -> None:
    data, params = clustered
    shutil.copytree(data, project.folder / "data")
    before = project.query("SELECT * FROM k_selection")
    options = ("--nodes", "kmeans_cluster", "--params", f"{params},{other}")
    if refused:
        error = project.fail(*options)
        assert_matches(error, r"There is no \w+ made for G1[67]_20180702T0433_2018.* with these")
        assert project.query("SELECT * FROM k_selection").equals(before)
    else:
        project.succeed(*options)
        rows = project.query("SELECT k, label FROM k_selection ORDER BY label")
        assert len(rows) == (2 if "label" in other else 1)
        assert "label" in other or rows["k"].item() == 4


@pytest.mark.parametrize(
    "options", [("--nodes", "kmeans_cluster"), ("--from-nodes", "silhouette_evaluator")]
)
def test_run_of_some_nodes_without_what_comes_before_is_refused(
    project: Project, options: tuple[str, ...]
) -> None:
    error = project.fail(*options)
    assert_matches(error, r"There is no cluster_features made for G18_20240714T2200_20240714T2300-")
    assert_nothing_changed(project)


def test_file_of_parameters_that_is_no_yaml_is_named(project: Project) -> None:
    (project.folder / "conf" / "local" / "parameters.yml").write_text("clustering: [3\nk: }")
    error = project.fail()
    assert_matches(error, r"conf/local/parameters\.yml.* Mend the file\.$")
    assert_nothing_changed(project)


def test_without_a_network_the_endpoint_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    error = project.fail()
    assert endpoint in error
    assert "kedro run --env sample" in error
    assert_nothing_changed(project)


@needs_real_granules
def test_simulated_archive_is_refused_outside_the_sample_environment(
    project: Project, tmp_path: Path
) -> None:
    archive = lay_out(tmp_path / "archive", real_granule_paths())
    real = next(archive.rglob("OR_*s20181830433000*"))
    real.rename(real.with_name("IS" + real.name[2:]))
    error = project.fail("--params", f"archive={archive},{JULY_2018}")
    assert_matches(error, r"is simulated \(it holds IS_GLM.*Run it with --env sample")
    assert_nothing_changed(project)


@needs_real_granules
def test_real_archive_is_refused_in_the_sample_environment(
    project: Project, real_archive: Path
) -> None:
    error = project.fail("--env", "sample", "--params", f"archive={real_archive},{JULY_2018}")
    assert_matches(error, r"holds real granules .* the sample environment takes simulated ones")


@needs_real_granules
def test_file_that_is_no_granule_is_ignored(project: Project, real_archive: Path) -> None:
    folder = next(real_archive.rglob("OR_*s20181830433000*")).parent
    (folder / "README.txt").write_text("not a granule")
    (folder / "OR_GLM-L2-LCFA_G16_s20181830433000_e20181830433200_c20181830433231.nc.bak").touch()
    (folder / "OR_GLM-L2-LCFA_G16_s20181830533000_e20181830533200_c20181830533231.nc").touch()
    shutil.copytree(folder, folder / "OR_GLM-L2-LCFA_G16_s20181830433400_e20181830434000_c2.nc")
    project.succeed("--pipelines", "ingestion", "--params", f"archive={real_archive},{JULY_2018}")
    assert len(project.query("SELECT * FROM granules")) == 3


def test_single_node_on_what_stays_in_memory_is_refused(project: Project) -> None:
    error = project.fail("--env", "stream", "--nodes", "transform")
    assert "raw_granules stays in memory in this environment" in error
    assert "run the nodes before it too" in error
