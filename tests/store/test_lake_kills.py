"""Clients that are killed by SIGKILL, again and again, before and after each commit.

Each is a process of its own, forked from one that has imported what it takes.
"""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("deltalake")

from tests.ingesting import HOUR, Ingestion, make_granules, put
from tests.lakes import LakeIngestion, assert_same_as_on_one_machine, run_here

from lightning_kedro.datasets import lake as lake_datasets
from lightning_kedro.datasets.lake import LakeTableDataset
from lightning_kedro.store.lake.log import LAKE_TABLES, LakeTable
from lightning_kedro.store.lake.places import Place

Step = tuple[Any, ...]
"""What a process does, and to which lake."""

LEVELS = ("flash", "group", "event")
GRANULES = make_granules(HOUR, (0, 90))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_datasets, "run_on_cluster", run_here)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kills")
    for name, content in GRANULES:
        put(root, name, content)
    return root


def fork_each(steps: list[Step], answer: Any) -> None:
    """Fork a process for each step, one after the other, and tell how each has ended.

    This process has imported everything, and has not begun anything: Delta has threads.
    """
    ends = []
    for step, lake, *arguments in steps:
        child = os.fork()
        if child == 0:
            lake_datasets.run_on_cluster = run_here  # type: ignore[assignment]
            step(lake, *arguments)
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    answer.send(ends)


def be_killed(lake: LakeIngestion, table: str, is_done: bool) -> None:
    """A run that is killed when it commits a table."""
    commit = LakeTable.commit

    def die(self: LakeTable, *arguments: Any) -> bool:
        if self.name != table:
            return commit(self, *arguments)
        if is_done:
            commit(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    LakeTable.commit = die  # type: ignore[method-assign]
    lake.run()


def be_killed_writing(lake: LakeIngestion) -> None:
    """A run that is killed while it writes its second object."""
    write = Place.write

    def die(self: Place, name: str, content: bytes) -> None:
        if "groups" in self.url:
            path = Path(self.join(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.partial").write_bytes(content[:100])
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, name, content)

    Place.write = die  # type: ignore[method-assign]
    lake.run()


def see_nothing(lake: LakeIngestion) -> None:
    """Everything is there, and nothing is on record."""
    LakeTable(Place.of(lake.url), "granules").open_or_make()
    for name in ("flashes", "groups", "events"):
        assert len(LakeTableDataset(lake=lake.url, table=name).load()) == 0


def test_clients_that_are_killed_lose_and_double_nothing(archive: Path, tmp_path: Path) -> None:
    lake = LakeIngestion(tmp_path / "data", str(archive), levels=LEVELS)
    steps: list[Step] = [(be_killed_writing, lake)]
    for table in LAKE_TABLES:
        steps += [
            (be_killed, replace(lake, session=f"{table}{is_done}"), table, is_done)
            for is_done in (False, True)
        ]
        steps += [(see_nothing, lake)] if table == "events" else []
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe()
    process = context.Process(target=fork_each, args=(steps, ours))
    process.start()
    plain = Ingestion(tmp_path / "plain", str(archive), levels=LEVELS)
    plain.run()
    assert theirs.poll(120)
    assert theirs.recv() == [0 if step[0] is see_nothing else -signal.SIGKILL for step in steps]
    process.join()
    lake.session = "whole"
    lake.run()
    assert_same_as_on_one_machine(lake, plain)
    objects = [path for path in lake.objects() if "/." not in path]
    assert [path.partition("/")[0] for path in objects] == sorted(LAKE_TABLES)
