"""Which creation of a granule is read, and which need not be read again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules.creations import KnownGranules, rank_creations
from lightning_kedro.granules.record import StoredGranule
from lightning_kedro.granules.series import arrow_schema

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
