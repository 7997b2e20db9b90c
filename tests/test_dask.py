"""Ingestion with Dask: workers write the lake, and whichever process is killed, nothing is lost."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner
from kedro.io import DatasetError

pytest.importorskip("deltalake")
pytest.importorskip("distributed")

import dask

from lightning_kedro.analysis import features, labelling
from lightning_kedro.analysis.kmeans import fit_all
from lightning_kedro.analysis.storms import dbscan
from lightning_kedro.analysis.storms.dbscan import Density
from lightning_kedro.analysis.storms.finding import find_storms
from lightning_kedro.analysis.storms.memory import TrackOptions
from lightning_kedro.analysis.workers import THREADS, Workers
from lightning_kedro.datasets.cluster import ClusterDataset
from lightning_kedro.datasets.lake import LakeSeriesDataset
from lightning_kedro.exceptions import ClusterError
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.results import RESULT_TABLES, SKY_TABLES, STORM_TABLES
from lightning_kedro.schemas import TABLES
from lightning_kedro.store import cluster as cluster_module
from lightning_kedro.store import cluster_workers
from lightning_kedro.store.cluster import run_on_cluster
from lightning_kedro.store.cluster_workers import ClusterWorkers
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.tasks import WriteHour, WrittenHour
from tests.conftest import BUCKETS, PROJECT, Project, s3_client
from tests.ingesting import HOUR, Ingestion, make_granules, put
from tests.lakes import LakeIngestion, assert_same_as_on_one_machine, run_here
from tests.processes import choose_context

PAGE = (PROJECT / "docs" / "how-to" / "cluster.md").read_text()
HOURS = 3
WINDOW = (
    "satellite=G17,window.start=2024-07-14T09:00,window.end=2024-07-14T12:00,"
    "ingestion.levels=group,clustering.k_max=4,storms.look_back_hours=0"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two granules of each of three hours."""
    root = tmp_path_factory.mktemp("dask")
    for number in range(HOURS):
        for name, content in make_granules(HOUR + timedelta(hours=number), (0, 90)):
            put(root, name, content)
    return root


@pytest.fixture(scope="module")
def cluster(s3_endpoint: str) -> Iterator[Any]:
    """A scheduler and two workers in processes of their own, with their own credentials."""
    own = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "of the worker",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with start_cluster(n_workers=2, env=own) as made:
        yield made


@pytest.fixture
def scheduler(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the cluster, which runs of the test find."""
    import dask

    address = str(cluster.scheduler_address)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    with dask.config.set({"scheduler-address": address}):
        yield address


@pytest.fixture
def lake(archive: Path, tmp_path: Path) -> LakeIngestion:
    return LakeIngestion(tmp_path / "data", str(archive))


@pytest.fixture(scope="module")
def plain(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Ingestion:
    """The same on one machine."""
    made = Ingestion(tmp_path_factory.mktemp("plain"), str(archive))
    made.run(hours=HOURS)
    return made


@dataclass(frozen=True)
class DyingHour:
    """A worker that is killed once, before it writes an hour or after."""

    task: WriteHour
    note: Path
    is_after: bool

    def __call__(self) -> WrittenHour:
        written = self.task() if self.is_after else None
        if not self.note.exists():
            self.note.write_text("killed")
            os.kill(os.getpid(), signal.SIGKILL)
        return written or self.task()


class DyingWorkers(LakeSeriesDataset):
    """The catalog entry, with a worker that dies of the second hour."""

    is_after = False

    def _make_tasks(self, reads: Sequence[ReadHour]) -> Any:
        first, second, *rest = super()._make_tasks(reads)
        note = Path(self._lake.url).with_suffix(".killed")
        return [first, DyingHour(second, note, self.is_after), *rest]


class LateDyingWorkers(DyingWorkers):
    is_after = True


@pytest.mark.parametrize("kind", [DyingWorkers, LateDyingWorkers])
def test_worker_that_is_killed_loses_and_doubles_nothing(
    scheduler: str, lake: LakeIngestion, plain: Ingestion, kind: type[DyingWorkers]
) -> None:
    lake.series_class = kind
    lake.run(hours=HOURS)
    assert Path(lake.url).with_suffix(".killed").exists()
    assert_same_as_on_one_machine(lake, plain)
    assert len([path for path in lake.objects() if path.startswith("flashes")]) == HOURS
    assert scheduler


@pytest.mark.usefixtures("scheduler")
def test_log_says_where_to_watch_and_how_far_it_is(
    lake: LakeIngestion, plain: Ingestion, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        lake.run(hours=HOURS)
    assert "workers of tcp://127.0.0.1:" in caplog.text
    assert "dashboard" in caplog.text
    assert f"Decoding: {HOURS} of {HOURS} hours, " in caplog.text
    assert f"Committed {HOURS} hours" in caplog.text
    assert_same_as_on_one_machine(lake, plain)


@pytest.mark.usefixtures("scheduler")
def test_archive_and_lake_on_s3_are_reached_by_workers_themselves(
    archive: Path,
    plain: Ingestion,
    tmp_path: Path,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="lake")
    paths = sorted(archive.rglob("*.nc"))
    keys = [path.relative_to(archive).as_posix() for path in paths]
    for path, key in zip(paths, keys, strict=True):
        client.put_object(Bucket=BUCKETS[1], Key=key, Body=path.read_bytes())
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the client")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    remote = LakeIngestion(
        tmp_path / "data", "s3://noaa-goes{number}", url="s3://lake/here", fs_args={"anon": False}
    )
    try:
        remote.run(hours=HOURS)
        assert_same_as_on_one_machine(remote, plain)
        remote.session = "two"
        versions = remote.versions()
        remote.run(hours=HOURS)
        assert remote.versions() == versions == [1, 1, 1]
        assert remote.query("SELECT count(*) FROM granules") == [(2 * HOURS,)]
    finally:
        for key in keys:
            client.delete_object(Bucket=BUCKETS[1], Key=key)
        client.close()


@dataclass(frozen=True)
class Waiting:
    """A task that does not come to its end while a scheduler lives."""

    note: Path

    def __call__(self) -> None:
        self.note.write_text("begun")
        time.sleep(60)


class Stuck(LakeSeriesDataset):
    """The catalog entry, with a second hour that does not come to its end."""

    def _make_tasks(self, reads: Sequence[ReadHour]) -> Any:
        return [
            next(super()._make_tasks(reads)),
            Waiting(Path(self._lake.url).with_suffix(".note")),
        ]


def start_cluster(**options: Any) -> Any:
    import dask
    from distributed import LocalCluster

    # Workers are forked from a process that has imported Dask, which takes seconds each time.
    method = choose_context(["distributed", "deltalake"]).get_start_method()
    with dask.config.set({"distributed.worker.multiprocessing-method": method}):
        return LocalCluster(
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            protocol="tcp://",  # also of threads, which would have a protocol of their own
            **options,
        )


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and a worker as people start them; the address, and the scheduler's process."""
    dask = Path(sys.executable).with_name("dask")
    port = find_free_port()
    address = f"tcp://127.0.0.1:{port}"
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "src")])
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": {**os.environ, "PYTHONPATH": paths},
    }
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = (
        [dask, "scheduler", "--port", str(port), *local],
        [dask, "worker", address, "--nthreads", "1", "--no-nanny", *local],
    )
    with ExitStack() as processes:
        began = []
        for command in commands:
            began.append(processes.enter_context(subprocess.Popen(command, cwd=tmp_path, **quiet)))
            processes.callback(began[-1].kill)
        yield address, began[0]


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_scheduler_that_is_killed_loses_and_doubles_nothing(
    started: tuple[str, subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    lake: LakeIngestion,
    plain: Ingestion,
) -> None:
    import dask

    address, process = started

    def kill() -> None:
        while not Path(lake.url).with_suffix(".note").exists():
            time.sleep(0.01)
        process.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    lake.series_class = Stuck
    with (
        dask.config.set({"scheduler-address": address}),
        pytest.raises(DatasetError, match="was lost while decoding went on: start it and its work"),
    ):
        lake.run(hours=HOURS)
    killer.join(10)
    monkeypatch.setattr("lightning_kedro.datasets.lake.run_on_cluster", run_here)
    lake.series_class = LakeSeriesDataset
    lake.run(hours=HOURS)
    assert_same_as_on_one_machine(lake, plain)


def answer() -> int:
    return 42


@pytest.mark.usefixtures("scheduler")
def test_cells_labels_and_storms_of_workers_are_those_of_threads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(features, "_BLOCK", 700)
    monkeypatch.setattr(labelling, "_BLOCK", 300)
    monkeypatch.setattr(dbscan, "SLOTS_PER_BLOCK", 4)
    chance = np.random.default_rng(60)
    minutes = np.sort(chance.uniform(0, 600, 2000))
    lat, lon = chance.normal(10, 2, 2000), chance.normal(-90, 2, 2000)
    space = features.FeatureSpace(time_scale_km_per_hour=20.0)
    tracking = TrackOptions(15.0, 5.0, 30.0, 15.0, 10, 0.1, 30.0, 10)

    def make(workers: Workers) -> list[Any]:
        made = features.make_features(space, lat, lon, minutes / 60, 400, workers)
        fit = fit_all(made.points, made.weights, 3, 60)[-1]
        labels = labelling.label_flashes(made, fit, lat, lon, minutes / 60, workers)
        storms = find_storms(lat, lon, minutes, Density(20.0, 20.0, 3), tracking, workers)
        arrays = made.points, made.scatter, made.index, labels.labels, labels.rms_radius_km
        return [labels.inertia, *(array.tobytes() for array in (*arrays, storms.labels))]

    with caplog.at_level(logging.INFO):
        assert make(ClusterDataset(from_seconds=0.0).load()) == make(THREADS)
    for what in ("Placing", "Summing", "Labelling", "Finding dense"):
        assert re.search(rf"{what} flashes.*: (\d+) of \1 parts, 2 workers", caplog.text)


def test_little_work_and_work_without_a_scheduler_is_done_by_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_workers, "open_cluster", None)
    tasks = [answer, answer]
    with dask.config.set({"scheduler-address": "tcp://127.0.0.1:1"}):
        assert [*ClusterWorkers(2.0).run(tasks, 2.0, "Looking")] == [42, 42]
        assert [*ClusterWorkers(2.0).run(tasks[:1], 3.0, "Looking")] == [42]
    with dask.config.set({"scheduler-address": None}):
        assert [*ClusterWorkers(2.0).run(tasks, 3.0, "Looking")] == [42, 42]


def test_nothing_is_kept_by_the_entry_that_says_who_works() -> None:
    with pytest.raises(DatasetError, match="workers is read-only: it says who works"):
        ClusterDataset(from_seconds=1.0).save("x")  # type: ignore[arg-type]


def test_allocator_of_a_worker_is_told_to_keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *values: told.append(values))
    monkeypatch.setattr(cluster_module.ctypes, "CDLL", lambda _: library)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    cluster_module._keep_memory.__wrapped__()
    assert told == []
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    cluster_module._keep_memory.__wrapped__()
    assert {name for name, _ in told} == {-1, -3}


def test_run_waits_for_workers_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    import dask

    results: list[list[int]] = []

    def look() -> None:
        results.append(run_on_cluster([answer], what="Looking", total=1))

    with (
        start_cluster(n_workers=0, processes=False) as empty,
        dask.config.set({"scheduler-address": empty.scheduler_address}),
        caplog.at_level(logging.WARNING),
    ):
        wanted = (
            f"Looking waits for workers: start some with `dask worker {empty.scheduler_address}"
        )
        waiting = threading.Thread(target=look, daemon=True)
        waiting.start()
        while wanted not in caplog.text:
            time.sleep(0.01)
        empty.scale(1)
        waiting.join(30)
    assert results == [[42]]


def test_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.2)
    with (
        dask.config.set({"scheduler-address": "tcp://127.0.0.1:1"}),
        pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:1 cannot be reached: start it with"),
    ):
        run_on_cluster([answer], what="Looking", total=1)


def test_nothing_to_do_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "open_cluster", None)
    assert run_on_cluster([], what="Looking", total=0) == []


def test_lack_of_dask_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"needs Dask and deltalake: `pip install -e"):
        run_on_cluster([answer], what="Looking", total=1)


def failures() -> list[tuple[BaseException, str]]:
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    return [
        (CommClosedError("reset"), "The Dask scheduler of this run was lost while decoding went"),
        (KilledWorker("decoding-1", None, 3), "Decoding has ended several workers"),
        (
            RuntimeError("Error during deserialization of the task graph. ..."),
            "cannot read what this run sends: install the same versions of Python, Dask",
        ),
        (ModuleNotFoundError("no", name="lightning_kedro"), "A worker lacks lightning_kedro: inst"),
    ]


@pytest.mark.parametrize(("error", "words"), failures())
def test_failure_of_workers_is_said(error: BaseException, words: str) -> None:
    class Failed:
        scheduler = None

        def result(self) -> None:
            raise error

    with pytest.raises(ClusterError, match=words):
        cluster_module.take(Failed(), Failed(), "Decoding")


@pytest.fixture(scope="module")
def whole(
    cluster: Any, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, str]]:
    """A project in which the same window was run on one machine and with Dask, and the log."""
    import dask

    folder = tmp_path_factory.mktemp("whole")
    options = [
        "--pipelines",
        "ingestion,storms,clustering,sky",
        "--params",
        f"archive={archive},{WINDOW}",
    ]
    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        patch.chdir(folder)
        project = Project(folder)
        project.succeed(*options)
        yield project, project.succeed("--env", "dask", *options).output


def test_whole_run_with_dask_gives_the_results_of_one_machine(whole: tuple[Project, str]) -> None:
    project, log = whole
    assert "2 workers of tcp://127.0.0.1:" in log
    assert "6 of 540 granules" in log
    both = {"one": project.database(), "two": project.database("dask")}
    with duckdb.connect() as connection:
        for name, path in both.items():
            connection.execute(f"ATTACH '{path}' AS {name} (READ_ONLY)")
        for table in (*RESULT_TABLES, *STORM_TABLES, *SKY_TABLES):
            columns = ", ".join(name for name in TABLES[table].columns if name != "run_time")
            for left, right in ("one", "two"), ("two", "one"):
                rows = connection.execute(
                    f"SELECT {columns} FROM {left}.{table} "
                    f"EXCEPT ALL SELECT {columns} FROM {right}.{table}"
                ).fetchall()
                assert rows == [], table
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'two'"
        ).fetchall()
    assert not {"flashes", "granules", "coverage"} & {name for (name,) in found}


def test_result_is_reported_with_what_the_lake_says_of_its_window(
    whole: tuple[Project, str],
) -> None:
    project, _ = whole
    run = project.succeed(
        "--env", "dask", "--nodes", "select_result,flash_rate", "--params", WINDOW
    )
    assert "flash_rate: " in run.output


def test_commands_beside_runs_know_the_lake(
    whole: tuple[Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_kedro.cli import cli
    from lightning_kedro.dashboard import server

    project, _ = whole
    assert project.folder == Path.cwd()
    prune = ["prune", "--env", "dask", "--older-than-days", "30"]
    assert (
        "Dropped 0 objects that the lake no longer names." in CliRunner().invoke(cli, prune).output
    )
    export = ["export", "flashes", "--env", "dask", "--to", "flashes.csv"]
    assert "flashes of this environment are a Delta table" in CliRunner().invoke(cli, export).output
    served: list[Any] = []
    monkeypatch.setattr(server, "serve", lambda *_, lake, **__: served.append(lake))
    assert CliRunner().invoke(cli, ["serve", "--env", "dask"]).exit_code == 0
    assert served == [Place.of("data/dask/lake")]


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
@pytest.mark.usefixtures("whole")
def test_python_of_the_page_runs(code: str) -> None:
    exec(code, {})  # noqa: S102  (the project's own documents)


def test_dask_commands_of_the_page_can_be_given() -> None:
    from distributed.cli import dask_scheduler, dask_worker

    mains = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    lines = re.findall(r"^dask (\w+) *([^#\n]*)", PAGE, re.MULTILINE)
    assert {verb for verb, _ in lines} == {*mains}
    for verb, options in lines:
        mains[verb].make_context(verb, options.split())
