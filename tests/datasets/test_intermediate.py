"""What passes between nodes: whole, of one run, never a pickle, kept for a day."""

import os
import pickle
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kedro.io import DatasetError

from lightning_kedro.analysis.features import FeatureSpace, make_features
from lightning_kedro.analysis.kmeans import fit_all
from lightning_kedro.datasets.intermediate import KEPT_SECONDS, IntermediateDataset
from lightning_kedro.store.bundles import VALUE, read_bundle, write_bundle


@dataclass(frozen=True)
class Foreign:
    """A dataclass of somebody else."""

    value: int = 0


def entry(path: Path, session: str = "one", **options: str) -> IntermediateDataset:
    given = {"name": "answer", "made_for": "G18_a"} | options
    return IntermediateDataset(path=str(path), session=session, **given)


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    value = {
        1: np.arange(6, dtype=np.int32).reshape(2, 3),
        "empty": np.empty((0, 3)),
        "times": np.array(["2024-07-14T22:00"], "datetime64[us]"),
        "table": pa.table({"a": [1, 2], "b": ["x", None]}),
        "frame": pd.DataFrame({"a": [1.5, None]}, index=[3, 4]),
        "nested": [(1, 2.5), None, True, frozenset({"b", "a"}), b"GIF", Path("here")],
        "time": datetime(2024, 7, 14, 22, tzinfo=UTC),
        "scalar": np.float64(0.1),
        "nan": float("nan"),
        "slice": slice(2, 5),
    }
    entry(tmp_path).save(value)
    back = entry(tmp_path).load()
    assert back[1].dtype == np.int32
    assert not back[1].flags.writeable
    np.testing.assert_array_equal(back[1], value[1])
    assert back["empty"].shape == (0, 3)
    np.testing.assert_array_equal(back["times"], value["times"])
    assert back["table"].equals(value["table"])
    pd.testing.assert_frame_equal(back["frame"], value["frame"])
    assert back["nested"] == value["nested"]
    assert (back["time"], back["scalar"]) == (value["time"], 0.1)
    assert np.isnan(back["nan"])
    assert back["slice"] == slice(2, 5)


def test_features_and_fits_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lat, lon = random.uniform(-50, 50, (2, 3000)).astype(np.float32)
    features = make_features(FeatureSpace(), lat, lon, None, 200)
    fits = fit_all(features.points, features.weights, 4, 60)
    entry(tmp_path).save((features, fits))
    same, others = entry(tmp_path).load()
    assert same.cells.grid == features.cells.grid
    assert same.method == "cells"
    np.testing.assert_array_equal(same.index, features.index)
    for fit, other in zip(fits, others, strict=True):
        np.testing.assert_array_equal(fit.centers, other.centers)
        assert fit.inertia == other.inertia


@pytest.mark.parametrize("value", [object(), Foreign(), {"deep": [lambda: 0]}, {1: 2j}])
def test_what_is_no_plain_value_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(DatasetError, match="cannot be written as arrays, tables and numbers"):
        entry(tmp_path).save(value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_no_file_is_a_pickle(tmp_path: Path) -> None:
    entry(tmp_path).save({"array": np.arange(3), "table": pa.table({"a": [1]})})
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError)):
            pickle.loads(path.read_bytes())  # noqa: S301  (that it cannot be is what is shown)


@pytest.mark.parametrize("name", ["os:system", "lightning_kedro.cli:prune", "builtins:eval"])
def test_bundle_builds_dataclasses_of_the_package_only(tmp_path: Path, name: str) -> None:
    write_bundle(tmp_path, 1)
    (tmp_path / VALUE).write_text(f'{{"class": "{name}", "of": {{}}}}')
    with pytest.raises(Exception, match=r"cannot be read back \(.* is no dataclass of"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"array": "0.npy"}', '{"class": "x"}'])
def test_damaged_bundle_says_what_to_do(tmp_path: Path, content: str) -> None:
    write_bundle(tmp_path, 1)
    (tmp_path / VALUE).write_text(content)
    with pytest.raises(Exception, match="remove it, and run the pipeline from its first node"):
        read_bundle(tmp_path)


def test_session_reads_its_own(tmp_path: Path) -> None:
    entry(tmp_path, "one").save(1)
    entry(tmp_path, "two").save(2)
    assert [entry(tmp_path, session).load() for session in ("one", "two")] == [1, 2]
    assert entry(tmp_path, "three").load() == 2, "the last one made, where there is none of its own"
    assert entry(tmp_path, "one").exists()
    assert not entry(tmp_path, "three").exists()
    entry(tmp_path, "one").save(3)
    assert entry(tmp_path, "one").load() == 3


def test_what_was_made_for_something_else_is_refused(tmp_path: Path) -> None:
    entry(tmp_path).save(1)
    with pytest.raises(DatasetError, match="There is no answer made for G18_b: with these"):
        entry(tmp_path, made_for="G18_b").load()
    with pytest.raises(DatasetError, match="There is no other made for G18_a"):
        entry(tmp_path, name="other").load()


def test_what_is_a_day_old_is_removed_by_the_next_save(tmp_path: Path) -> None:
    entry(tmp_path, "old").save(1)
    entry(tmp_path, "new").save(2)
    old = tmp_path / "G18_a" / "answer" / "old"
    past = time.time() - KEPT_SECONDS - 60
    os.utime(old, (past, past))
    entry(tmp_path, made_for="G18_b").save(3)
    assert not old.exists()
    assert entry(tmp_path, "new").load() == 2


def test_failed_save_leaves_the_former_one(tmp_path: Path) -> None:
    entry(tmp_path).save(1)
    with pytest.raises(DatasetError):
        entry(tmp_path).save({"a": np.arange(5), "b": object()})
    assert entry(tmp_path).load() == 1
    assert [path.name for path in (tmp_path / "G18_a" / "answer").iterdir()] == ["one"]


def test_many_sessions_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    failures: list[Any] = []

    def work(session: int) -> None:
        try:
            for number in range(10):
                here = entry(tmp_path, f"{session}", made_for=f"G18_{number % 2}")
                here.save(np.full(100, session))
                if set(here.load()) != {session}:
                    failures.append(session)
        except Exception as error:  # noqa: BLE001  (told below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
