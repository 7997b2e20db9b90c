"""Factories and fixtures: archives on disk and behind S3, and a project to run them in."""

import gc
import io
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import h5py
import kedro.framework.project  # noqa: F401  (sets up logging before pytest adds its handlers)
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import settings
from omegaconf import _utils, base

from lightning_kedro.glm.granule import GranuleName, hour_prefix, parse_granule_name
from lightning_kedro.simulation.granule_writer import encode_granule
from lightning_kedro.simulation.hour import simulate_hour
from tests.glm.granule_files import NAME, Change, content
from tests.loopback_s3 import LoopbackS3
from tests.quick_configuration import read_files_once
from tests.repetitions import repeat

WHOLE_RUNS = {
    *("test_browser.py", "test_browser_dashboard.py", "test_dask.py", "test_errors.py"),
    *("test_faults.py", "test_job.py", "test_sky.py", "test_watch.py"),
    *("test_full_disk.py", "test_fuzz.py", "test_kills.py", "test_notebook.py"),
    *("test_other_runners.py", "test_package.py", "test_portability.py", "test_project.py"),
    *("test_reporting_pipeline.py", "test_reporting_run.py", "test_run.py"),
    *("test_runs_at_once.py", "test_sample.py", "test_whole_results.py"),
}
"""Where whole runs are tested."""

REPETITIONS = {
    *("test_kmeans.py", "test_hdf5_filters.py", "test_certified_silhouette.py", "test_loading.py"),
    *("test_loading_levels.py", "test_recommendation.py", "test_bounds.py", "test_lake_levels.py"),
}
"""Where the same lines are run again and again, on other numbers or other data."""

settings.register_profile("project", deadline=None, derandomize=True, max_examples=repeat(30, 100))
settings.load_profile("project")

PROJECT = Path(__file__).parents[1]
SHARED_GRANULES = PROJECT.parent / "shared" / "granules"
HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
WINDOW = "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T10:00"
COUNT = 40

# Every run parses the same two hundred interpolations, and the tests are hundreds of short runs.
base.parse = _utils.parse = lru_cache(maxsize=1024)(base.parse)  # type: ignore[assignment]
read_files_once()

BUCKETS = ("noaa-goes16", "noaa-goes17", "noaa-goes18", "noaa-goes19")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Coverage makes them half as slow again, and what they run others run too.
        if item.path.name in WHOLE_RUNS | REPETITIONS:
            item.add_marker("no_cover")


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # a run in this process froze what was there, pytest's own references included


def real_granule_paths() -> list[Path]:
    return sorted(SHARED_GRANULES.glob("*.nc"))


needs_real_granules = pytest.mark.skipif(
    not real_granule_paths(), reason=f"needs real granules in {SHARED_GRANULES.name}/ beside this"
)


def name_of(path: Path) -> GranuleName:
    name = parse_granule_name(path.name)
    assert name is not None
    return name


def lay_out(root: Path, paths: Iterable[Path]) -> Path:
    """Copy granules to where an archive has them."""
    for path in paths:
        folder = root / hour_prefix(name_of(path).hour)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    return root


@pytest.fixture
def real_archive(tmp_path: Path) -> Path:
    """The real granules as an archive in a folder."""
    return lay_out(tmp_path / "archive", real_granule_paths())


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server on loopback with NOAA's buckets, empty and public."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = s3_client(endpoint)
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket, ACL="public-read")
    yield endpoint
    client.close()
    server.stop()


def s3_variables(endpoint: str) -> dict[str, str]:
    """What clients of S3 find in the environment."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def s3_client(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def put_granules(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Iterable[Path]], None]]:
    """Put granules in the buckets of their satellites; the project then finds the server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = s3_client(s3_endpoint)

    def put(paths: Iterable[Path]) -> None:
        for path in paths:
            name = name_of(path)
            client.put_object(
                Bucket=f"noaa-goes{name.platform[1:]}",
                Key=f"{hour_prefix(name.hour)}/{path.name}",
                Body=path.read_bytes(),
                ACL="public-read",
            )

    yield put
    for bucket in BUCKETS:
        for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=item["Key"])
    client.close()


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    exit_code: int
    output: str
    exception: BaseException | None

    @property
    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]


class Project:
    """A copy of the project's configuration in a folder of its own, and ``kedro run`` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        shutil.copytree(PROJECT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        shutil.copy(PROJECT / "pyproject.toml", folder)
        shutil.copy(PROJECT / ".telemetry", folder)
        (folder / "src").mkdir()

    def run(self, *options: str) -> Run:
        from lightning_kedro.cli import cli

        log = io.StringIO()
        handler = logging.StreamHandler(log)
        logging.getLogger().addHandler(handler)
        try:
            result = CliRunner().invoke(cli, ["run", *options])
        finally:
            logging.getLogger().removeHandler(handler)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Run(result.exit_code, log.getvalue() + result.output, result.exception)

    def succeed(self, *options: str) -> Run:
        run = self.run(*options)
        assert run.exit_code == 0, run.output
        return run

    def fail(self, *options: str) -> str:
        """Run, and return the message of the error that ends the run."""
        run = self.run(*options)
        assert run.exit_code == 1, run.output
        assert run.last_line.startswith("Error: "), run.output
        return run.last_line.removeprefix("Error: ")

    def database(self, env: str = "") -> Path:
        return self.folder / "data" / env / "03_primary" / "lightning.duckdb"

    def query(self, sql: str, env: str = "") -> pd.DataFrame:
        with duckdb.connect(str(self.database(env)), read_only=True) as connection:
            return connection.sql(sql).df()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of its own, from which the test's runs start."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "KEDRO_ENV"):
        monkeypatch.delenv(variable, raising=False)
    return Project(folder)


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 simulated granules in the bucket of GOES-17, called as real ones are."""
    root = tmp_path_factory.mktemp("buckets")
    folder = root / "noaa-goes17" / "GLM-L2-LCFA" / f"{HOUR:%Y/%j/%H}"
    folder.mkdir(parents=True)
    for name, made in simulate_hour("G17", HOUR, numbers=range(0, 180, 180 // COUNT)):
        if len(list(folder.iterdir())) < COUNT:
            (folder / f"OR{name.file_name[2:]}").write_bytes(made)
    return root


@pytest.fixture
def remote(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[LoopbackS3], None]:
    """Point a project at a server, with a time-out that a test can wait for."""
    catalog = project.folder / "conf" / "base" / "catalog.yml"
    text = catalog.read_text().replace("read_timeout: 20", "read_timeout: 1")
    catalog.write_text(text)

    def point(server: LoopbackS3) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    return point


def dump(project: Project) -> dict[str, pd.DataFrame]:
    return {
        table: project.query(f"SELECT * FROM {table} ORDER BY ALL")
        for table in ("granules", "flashes", "coverage")
    }


def assert_same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    for table, rows in left.items():
        pd.testing.assert_frame_equal(rows, right[table], obj=table)


@pytest.fixture(scope="session")
def ingested_buckets(buckets: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has ingested the window, undisturbed; tests copy its ``data``."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project = Project(folder)
        params = f"archive={buckets}/noaa-goes17,{WINDOW}"
        project.succeed("--pipelines", "ingestion", "--params", params)
    return project


@pytest.fixture(scope="session")
def reference(ingested_buckets: Project) -> dict[str, pd.DataFrame]:
    """The tables that an undisturbed run gives."""
    return dump(ingested_buckets)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures have stand-ins, which are drawn in no time."""
    from tests.stand_ins import stand_in_for

    stand_in_for(monkeypatch)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_kedro.store.retry.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("lightning_kedro.store.retry.LONGEST_PAUSE_SECONDS", 0.001)


@lru_cache(maxsize=64)
def _encode(count: int, **options: Any) -> bytes:
    return encode_granule(NAME, content(count), **options)


@pytest.fixture
def granule(tmp_path: Path) -> Callable[..., Path]:
    """Write a granule, then change it as a test wants."""

    def make(change: Change | None = None, count: int = 300, **options: Any) -> Path:
        path = tmp_path / NAME.file_name
        path.write_bytes(_encode(count, **options))
        if change is not None:
            with h5py.File(path, "r+") as file:
                change(file)
        return path

    return make
