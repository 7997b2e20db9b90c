"""Granules of many hours are held as text, and are the same granules."""

import pickle
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from tests.ingesting import HOUR, make_granules

from lightning_kedro.granules import known_hours
from lightning_kedro.granules.granule_list import HELD_HOURS, GranuleList, hold_granules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.record import HourRecord, HourReport, StoredGranule
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.store.bundles import read_bundle, write_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

GRANULES = tuple(
    StoredGranule(name, f"s3://bucket/a b\n/{name.file_name}", len(content), is_local)
    for (name, content), is_local in zip(make_granules(), (True, False, True), strict=True)
)


def test_list_is_a_sequence_of_the_same_granules() -> None:
    packed: Sequence[StoredGranule] = GranuleList.of(GRANULES)
    assert packed == GRANULES
    assert tuple(packed) == GRANULES
    assert len(packed) == 3
    assert packed[1] == GRANULES[1]
    assert packed[1:] == GRANULES[1:]
    assert GRANULES[2] in packed
    assert hash(packed) == hash(GRANULES)
    assert packed != GRANULES[:2]
    assert packed != 3
    assert repr(packed) == "GranuleList(3 granules)"
    assert pickle.loads(pickle.dumps(packed)) == packed  # noqa: S301
    assert GranuleList.of(packed) == packed
    empty = GranuleList.of(())
    assert not empty
    assert tuple(empty) == ()


def test_few_hours_are_held_as_they_are() -> None:
    assert isinstance(hold_granules(iter(GRANULES), HELD_HOURS), tuple)
    assert isinstance(hold_granules(GRANULES, HELD_HOURS + 1), GranuleList)


def test_report_of_many_hours_is_packed_and_the_same(tmp_path: Path) -> None:
    hours = [ArchiveHour("G17", HOUR + timedelta(hours=at)) for at in range(HELD_HOURS + 1)]
    records = tuple(HourRecord(hour, found=3, wanted=GRANULES) for hour in hours)
    report = HourReport(records)
    write_bundle(tmp_path, report)
    back = read_bundle(tmp_path)
    assert back == report
    some = back.keep_if(lambda granule: granule == GRANULES[0])
    assert all(isinstance(record.wanted, GranuleList) for record in (*back, *some))
    assert some == HourReport(tuple(replace(one, wanted=GRANULES[:1]) for one in records))


def test_many_known_granules_are_known_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the hours is asked for, and in whatever order."""
    granules = [
        StoredGranule(
            replace(
                one.name,
                start=one.name.start + shift,
                end=one.name.end + shift,
                created=one.name.created + shift,
            ),
            "",
            one.file_bytes,
        )
        for shift in (timedelta(hours=at) for at in (3, 1, 2, 0))
        for one in GRANULES
    ]
    rows = [
        {
            "platform": one.name.platform,
            "granule_start": one.name.start.replace(tzinfo=None),
            "created": one.name.created.replace(tzinfo=None),
            "file_name": one.name.file_name,
            "file_bytes": one.file_bytes,
            "status": "corrupt" if number % 5 == 0 else "loaded",
            "group_count": None if number % 3 == 0 else 1,
        }
        for number, one in enumerate(granules[:-1])
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema("granules"))

    def tell(levels: tuple[str, ...]) -> list[tuple[bool, bool]]:
        known = known_hours.know_granules(table, levels)
        return [(known.wants(one), known.has_corrupt(one)) for one in granules]

    few = [tell(levels) for levels in ((), ("flash", "group"))]
    monkeypatch.setattr(known_hours, "HELD_HOURS", 0)
    assert [tell(levels) for levels in ((), ("flash", "group"))] == few
    assert {wants for wants, _ in few[0]} == {True, False}
    assert few[0] != few[1]


def test_damaged_list_is_told() -> None:
    odd = replace(GRANULES[0].name, platform="nothing")
    with pytest.raises(ValueError, match="is no granule's name"):
        tuple(GranuleList.of([StoredGranule(odd, "", 1)]))
