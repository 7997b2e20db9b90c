"""The task of reading an hour: the newest creation that can be read stands for its start."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import pytest
from tests.ingesting import HOUR, made_later, make_granules

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import Content, HourSeries, StoredGranule
from lightning_kedro.granules.tasks import ReadHour

GRANULES = make_granules()
CORRUPT = b"not a granule"


class Memory(GranuleReader):
    """Granules in memory that count how often they are asked for."""

    def __init__(self) -> None:
        self.contents: dict[GranuleName, Content] = {}
        self.asked: list[GranuleName] = []

    def put(self, name: GranuleName, content: Content) -> StoredGranule:
        self.contents[name] = content
        return StoredGranule(name, name.file_name, 1)

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        for granule in granules:
            self.asked.append(granule.name)
            yield granule, self.contents[granule.name]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def creations(memory: Memory, *contents: Content) -> list[StoredGranule]:
    """The second of three granules made several times; the newest comes first."""
    name = GRANULES[1][0]
    ages = range(len(contents) - 1, -1, -1)
    return [
        memory.put(made_later(name, age), content)
        for age, content in zip(ages, contents, strict=True)
    ]


def read(memory: Memory, *contents: Content) -> HourSeries:
    first, last = (memory.put(*GRANULES[number]) for number in (0, 2))
    granules = (first, *creations(memory, *contents), last)
    return ReadHour(ArchiveHour("G17", HOUR), granules, memory)()


def test_older_creation_is_not_touched_when_the_newest_can_be_read(memory: Memory) -> None:
    series = read(memory, GRANULES[1][1], CORRUPT)
    assert series.granules["status"].to_pylist() == ["loaded"] * 3
    asked = [name.file_name for name in memory.asked]
    assert asked == series.granules["file_name"].to_pylist()
    assert series.failures == ()


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_older_creation_stands_in_for_corrupt_newer_ones(memory: Memory, broken: int) -> None:
    contents = [CORRUPT] * broken + [GRANULES[1][1], CORRUPT]
    series = read(memory, *contents)
    statuses = series.granules["status"].to_pylist()
    assert statuses == ["loaded", *["corrupt"] * broken, "loaded", "loaded"]
    assert len(memory.asked) == 3 + broken
    expected = read(Memory(), GRANULES[1][1])
    assert series.flashes.equals(expected.flashes)


def test_older_creation_stands_in_for_one_that_cannot_be_fetched(memory: Memory) -> None:
    series = read(memory, ArchiveError("503 for the newer one"), GRANULES[1][1])
    assert series.failures == ("503 for the newer one",)
    statuses = series.granules["status"].to_pylist()
    assert statuses == ["loaded", "failed", "loaded", "loaded"]


def test_test_data_are_read_only_where_nothing_operational_can_be(memory: Memory) -> None:
    """However late they were made."""
    name, content = GRANULES[1]
    later = replace(made_later(name, 3600), environment="OT")
    for operational, statuses in ((content, ["loaded"]), (CORRUPT, ["corrupt", "loaded"])):
        granules = (memory.put(later, content), memory.put(name, operational))
        series = ReadHour(ArchiveHour("G17", HOUR), granules, memory)()
        assert series.granules["status"].to_pylist() == statuses
        assert series.granules["file_name"].to_pylist()[0] == name.file_name


def test_granule_of_which_nothing_can_be_read_is_corrupt(memory: Memory) -> None:
    series = read(memory, CORRUPT, CORRUPT)
    assert series.granules["status"].to_pylist() == ["loaded", "corrupt", "corrupt", "loaded"]
    assert len(set(series.flashes["granule_start"].to_pylist())) == 2
