"""Which creation of a granule is read, and which need not be read again."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.repetitions import repeat

from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules.creations import (
    KnownGranules,
    merge_series,
    rank_creations,
    settle,
)
from lightning_kedro.granules.record import HourSeries, StoredGranule
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema

START = datetime(2024, 7, 14, 9, tzinfo=UTC)
NAME = GranuleName(
    platform="G17",
    start=START,
    end=START + timedelta(seconds=20),
    created=START + timedelta(seconds=22),
)
SIZE = 300_000


def granule(later_s: float = 0, size: int = SIZE) -> StoredGranule:
    name = replace(NAME, created=NAME.created + timedelta(seconds=later_s))
    return StoredGranule(name, name.file_name, size)


def known(*states: tuple[float, int, str]) -> KnownGranules:
    return KnownGranules.from_table(
        record(*(row(granule(later_s, size), status) for later_s, size, status in states))
    )


def row(stored: StoredGranule, status: str, reason: str | None = None) -> dict[str, Any]:
    """The record of a granule that was looked at; two flashes if it could be read."""
    times = {"granule_start": stored.name.start, "created": stored.name.created}
    return {
        **dict.fromkeys(arrow_schema("granules").names),
        **{name: time.replace(tzinfo=None) for name, time in times.items()},
        "platform": stored.name.platform,
        "file_name": stored.name.file_name,
        "file_bytes": stored.file_bytes,
        "flash_count": 2 if status == "loaded" else 0,
        "status": status,
        "reason": reason,
    }


def record(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema("granules"))


@pytest.mark.parametrize(
    ("states", "later_s", "size", "wanted"),
    [
        ((), 0, SIZE, True),
        (((0, SIZE, "loaded"),), 0, SIZE, False),
        (((0, SIZE, "empty"),), 0, SIZE, False),
        (((0, SIZE, "corrupt"),), 0, SIZE, True),
        (((0, SIZE, "corrupt"),), -5, SIZE, True),
        (((0, SIZE, "loaded"),), 0, SIZE - 1, True),
        (((0, SIZE, "loaded"),), 5, SIZE, True),
        (((0, SIZE, "loaded"),), -5, SIZE, False),
        (((0, SIZE, "loaded"),), -5, SIZE - 1, False),
        (((0, SIZE, "loaded"), (5, SIZE, "corrupt")), 0, SIZE, False),
        (((0, SIZE, "loaded"), (5, SIZE, "corrupt")), 5, SIZE, True),
        (((5, SIZE, "loaded"), (0, SIZE, "corrupt")), 0, SIZE, False),
    ],
)
def test_granule_is_wanted_until_as_new_a_one_could_be_read(
    states: tuple[tuple[float, int, str], ...], later_s: float, size: int, wanted: bool
) -> None:
    for order in (states, states[::-1]):
        assert known(*order).wants(granule(later_s, size)) is wanted


def test_granule_of_another_satellite_is_not_known() -> None:
    other = StoredGranule(replace(NAME, platform="G16"), "", SIZE)
    assert known((0, SIZE, "loaded")).wants(other)


def test_creations_stand_newest_first_within_their_start() -> None:
    old, new = granule(), granule(5)
    later_start = StoredGranule(
        replace(NAME, start=START + timedelta(seconds=20), end=START + timedelta(seconds=40)), "", 1
    )
    other = StoredGranule(replace(NAME, platform="G16"), "", 1)
    for granules in ([old, new, later_start, other], [other, later_start, new, old]):
        assert rank_creations(granules) == [other, new, old, later_start]


def test_of_two_copies_with_one_creation_the_whole_one_stands_first() -> None:
    cut, whole = granule(size=1), granule(size=5)
    for granules in ([cut, whole], [whole, cut]):
        assert rank_creations(granules) == [whole, cut]


def named(environment: str, later_s: float = 0, size: int = SIZE) -> StoredGranule:
    return replace(
        granule(later_s, size), name=replace(granule(later_s).name, environment=environment)
    )


@pytest.mark.parametrize("environment", ["OT", "IR", "IT", "IP"])
@pytest.mark.parametrize("later_s", [-60, 0, 60])
def test_test_data_never_displace_what_the_operational_system_made(
    environment: str, later_s: float
) -> None:
    operational, test = granule(), named(environment, later_s)
    assert rank_creations([test, operational]) == [operational, test]
    read = [record(row(item, "loaded")) for item in (operational, test)]
    assert not KnownGranules.from_table(read[0]).wants(test)
    assert KnownGranules.from_table(read[1]).wants(operational)
    assert settle(read[1], read[0]).accepted.num_rows == 0
    assert settle(read[0], read[1]).accepted.num_rows == 1
    both = settle(pa.concat_tables(read[::-1]), record())
    assert both.accepted["file_name"].to_pylist() == [operational.name.file_name]
    # A file that cannot be read displaces nothing and protects nothing.
    corrupt = record(row(operational, "corrupt", "cut"))
    assert KnownGranules.from_table(corrupt).wants(test)
    assert settle(corrupt, read[1]).accepted.num_rows == 0
    assert settle(read[1], corrupt).accepted.num_rows == 1


STATES = [("loaded", 0), ("loaded", 60), ("corrupt", 0), ("corrupt", 60), ("failed", 60)]


@pytest.mark.parametrize("environments", [("OR", "OR"), ("OR", "OT"), ("OT", "OR")])
@pytest.mark.parametrize("first", STATES)
@pytest.mark.parametrize("second", STATES)
def test_what_stands_does_not_depend_on_the_order_in_which_creations_come(
    environments: tuple[str, str], first: tuple[str, int], second: tuple[str, int]
) -> None:
    rows = [
        row(named(environment, later_s), status, None if status == "loaded" else "why")
        for environment, (status, later_s) in zip(environments, (first, second), strict=True)
    ]
    if rows[0]["file_name"] == rows[1]["file_name"]:
        return
    ends = set()
    for order in (rows, rows[::-1]):
        stored = record()
        for look in order:
            accepted = settle(record(look), stored).accepted
            stored = accepted if accepted.num_rows else stored
        ends.add(tuple(stored["file_name"].to_pylist()))
    ends.add(tuple(settle(record(*rows), record()).accepted["file_name"].to_pylist()))
    assert len(ends) == 1


def test_same_creation_changes_what_is_stored_only_if_it_is_another_now() -> None:
    loaded, corrupt = row(granule(), "loaded"), row(granule(), "corrupt", "cut")
    noted = {**loaded, "reason": "a newer one is corrupt"}
    for stored, now, is_accepted in (
        (loaded, loaded, False),
        (noted, loaded, False),
        (loaded, {**loaded, "file_bytes": 1}, True),
        (loaded, {**loaded, "flash_count": 3}, True),
        (loaded, corrupt, False),
        (corrupt, loaded, True),
        (corrupt, corrupt, False),
        (corrupt, {**corrupt, "reason": "not HDF5"}, True),
    ):
        assert settle(record(now), record(stored)).accepted.num_rows == is_accepted


def test_note_names_the_newest_of_what_is_newer_but_corrupt() -> None:
    looks = [row(granule(later_s), "corrupt", f"{later_s} s") for later_s in (-5, 5, 9, 7)]
    loaded = row(granule(), "loaded")
    for incoming, stored in ((record(loaded, *looks), record()), (record(*looks), record(loaded))):
        (note,) = settle(incoming, stored).notes.to_pylist()
        assert note["text"] == f"{granule(9).name.file_name} is newer but corrupt: 9 s"
    test = row(named("OT", 60), "loaded")
    (note,) = settle(record(row(granule(), "corrupt", "cut"), test), record()).notes.to_pylist()
    assert note["text"] == f"{granule().name.file_name} is to be preferred but corrupt: cut"


def test_merged_hour_keeps_what_could_be_read_before() -> None:
    def series(*rows: dict[str, Any]) -> HourSeries:
        flashes = [
            {"platform": "G17", "granule_start": look["granule_start"], "flash_id": number}
            for look in rows
            if look["status"] == "loaded"
            for number in range(2)
        ]
        schema = SERIES_SCHEMA
        return HourSeries(pa.Table.from_pylist(flashes, schema=schema), record(*rows))

    old, new = granule(), granule(60)
    for before, now, statuses in (
        ([row(old, "loaded")], [row(old, "failed", "503")], ["loaded"]),
        ([row(old, "loaded")], [row(new, "failed", "503")], ["failed", "loaded"]),
        ([row(new, "failed", "503")], [row(new, "loaded")], ["loaded"]),
        ([row(new, "failed", "503")], [row(new, "failed", "504")], ["failed"]),
        ([row(old, "corrupt", "cut")], [row(new, "loaded")], ["loaded"]),
        ([row(new, "corrupt", "cut")], [row(old, "loaded")], ["corrupt", "loaded"]),
        ([row(new, "corrupt", "cut")], [row(old, "corrupt", "cut")], ["corrupt", "corrupt"]),
    ):
        merged = merge_series(series(*before), series(*now))
        assert sorted(merged.granules["status"].to_pylist(), key=str) == sorted(statuses)
        assert merged.flashes.num_rows == 2 * statuses.count("loaded")
        if now[0]["status"] == "failed" and before[0]["status"] == "failed":
            assert merged.granules["reason"].to_pylist() == ["504"]


def test_month_is_settled_in_seconds() -> None:
    """130,000 granules, all of them stored already, or none; ten times what it takes.

    A tenth of them tells as much: what takes longer than in proportion takes too long of them too.
    """
    n, limit_s = repeat(13_000, 130_000), repeat(1, 10)
    starts = np.datetime64("2024-07-01", "us") + np.arange(n) * np.timedelta64(20, "s")
    one = record(row(granule(), "loaded")).to_pylist()[0]
    columns: dict[str, Any] = {name: pa.repeat(value, len(starts)) for name, value in one.items()}
    columns["granule_start"] = columns["created"] = pa.array(starts)
    columns["file_name"] = pa.array([f"OR_{number}" for number in range(len(starts))])
    month = pa.table(columns).cast(arrow_schema("granules"))
    for stored, accepted in ((month, 0), (month.slice(0, 0), len(starts))):
        began = time.process_time()
        assert settle(month, stored).accepted.num_rows == accepted
        assert time.process_time() - began < limit_s
