"""Rows of groups and events: parents that are there, and parents that are not."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.glm.granule_files import NAME

from lightning_kedro.glm.reader import read_granule
from lightning_kedro.granules.level_rows import COUNTS, find_parents, make_rows
from lightning_kedro.granules.series import arrow_schema

SCHEMAS = {table: arrow_schema(table) for table in COUNTS}


@pytest.mark.parametrize(
    ("parent_ids", "ids", "expected"),
    [
        ([7, 5, 9, 7], [9, 5, 7], [2, 1, 0, 2]),
        ([7, 6, 10], [9, 5, 7], [2, -1, -1]),
        ([7], [], [-1]),
        ([], [1], []),
    ],
)
def test_parents_are_found_in_any_order(
    parent_ids: list[int], ids: list[int], expected: list[int]
) -> None:
    found = find_parents(np.array(parent_ids, np.uint32), np.array(ids, np.uint32))
    assert found.tolist() == expected


def test_missing_values_are_nulls(granule: Callable[..., Path]) -> None:
    def mask(file: h5py.File) -> None:
        for variable in ("group_energy", "group_area", "group_quality_flag", "event_energy"):
            file[variable][0] = -1

    rows = make_rows(NAME, read_granule(granule(mask), NAME, ("event",)), SCHEMAS)
    for column in ("energy_j", "area_km2", "quality_flag"):
        assert rows["groups"][column].null_count == 1
    assert rows["events"]["energy_j"].null_count == 1
    assert rows["groups"]["event_count"].to_pylist() == [1] * 300
    assert {one.schema for one in rows.values()} == {*SCHEMAS.values()}


def test_rows_without_parents_are_kept(granule: Callable[..., Path]) -> None:
    """G16 of 2021-03-23 06:33:40 has 148 groups of flashes that it lacks."""

    def orphan(file: h5py.File) -> None:
        file["event_parent_group_id"][3] = -2
        file["group_parent_flash_id"][5] = 12_345

    rows = make_rows(NAME, read_granule(granule(orphan), NAME, ("group", "event")), SCHEMAS)
    assert rows["events"]["parent_group_id"][3].as_py() == 2**32 - 2
    assert rows["events"]["parent_flash_id"][3].as_py() is None
    assert rows["events"]["parent_flash_id"].null_count == 1
    assert rows["groups"]["event_count"][3].as_py() == 0
    assert rows["groups"]["parent_flash_id"][5].as_py() == 12_345
    assert rows["events"]["parent_flash_id"][5].as_py() == 12_345


@pytest.mark.parametrize(
    ("levels", "tables"),
    [((), set()), (("flash",), set()), (("group",), {"groups"}), (("event",), {*COUNTS})],
)
def test_only_what_is_asked_for_is_read(
    granule: Callable[..., Path], levels: tuple[str, ...], tables: set[str]
) -> None:
    rows = make_rows(NAME, read_granule(granule(), NAME, levels), SCHEMAS)
    assert {*rows} == tables
    if tables == {"groups"}:
        assert rows["groups"]["event_count"].null_count == 300


def test_granule_without_rows_has_none(granule: Callable[..., Path]) -> None:
    rows = make_rows(NAME, read_granule(granule(count=0), NAME, ("event",)), SCHEMAS)
    assert [one.num_rows for one in rows.values()] == [0, 0]
