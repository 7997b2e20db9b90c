"""Granules of which only some bytes are known: no others are ever believed."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import NAME, content, make_anew

from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError
from lightning_kedro.glm.flashes import GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.hdf5 import open_hdf5, open_variable
from lightning_kedro.glm.levels import read_groups
from lightning_kedro.glm.needed_bytes import find_missing
from lightning_kedro.glm.reader import read_granule
from lightning_kedro.glm.sparse_image import HoleError, SparseImage, join_spans
from lightning_kedro.simulation.granule_writer import Era, encode_granule
from lightning_kedro.simulation.hour import Faults, simulate_hour

HOUR = datetime(2024, 7, 14, 22, tzinfo=UTC)
GARBAGE: dict[str, Callable[[int], bytes]] = {
    "zeros": bytes,
    "ones": lambda size: b"\xff" * size,
    "noise": lambda size: random.Random(size).randbytes(size),
}

Granule = tuple[GranuleName, bytes]


def simulated_granules() -> list[Granule]:
    """One of each era, and one as others rewrite them."""
    faults = [*(Faults(era=era) for era in Era), Faults(compressed=True)]
    return [
        next(iter(simulate_hour("G16", HOUR, numbers=[number], faults=some)))
        for number, some in enumerate(faults)
    ]


def real_granules() -> list[Granule]:
    return [(name_of(path), path.read_bytes()) for path in real_granule_paths()]


GRANULES = [*simulated_granules(), (NAME, encode_granule(NAME, content(700))), *real_granules()]
every_granule = pytest.mark.parametrize(
    "granule", GRANULES, ids=[f"{name.platform}-{name.start:%Y%j%H%M%S}" for name, _ in GRANULES]
)


def assert_same(found: GranuleFlashes, expected: GranuleFlashes) -> None:
    for name in GranuleFlashes.__dataclass_fields__:
        left, right = getattr(found, name), getattr(expected, name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype
            assert left.tobytes() == right.tobytes(), name
        else:
            assert left == right, name


def complete(image: SparseImage, granule: Granule) -> int:
    """Make known what is missing until flashes can be read: in how many rounds."""
    name, whole = granule
    for rounds in range(200):
        missing = find_missing(image, name)
        if not missing:
            return rounds
        for start, stop in missing:
            image.add(start, whole[start:stop])
    raise AssertionError(missing)


def fill_holes(image: SparseImage, garbage: Callable[[int], bytes]) -> None:
    """Put something else where nothing is known, behind the image's back."""
    for start, stop in image.find_lacking([(0, image.size)]):
        image._bytes[start:stop] = garbage(stop - start)


@every_granule
@pytest.mark.parametrize("kind", GARBAGE)
def test_flashes_are_the_same_whatever_is_in_the_holes(granule: Granule, kind: str) -> None:
    name, whole = granule
    image = SparseImage.of(whole)
    assert find_missing(image, name) == []
    sparse = SparseImage(len(whole))
    for start, stop in image.touched:
        sparse.add(start, whole[start:stop])
    fill_holes(sparse, GARBAGE[kind])
    assert sparse.known_bytes < 0.4 * len(whole)
    assert_same(read_flashes(sparse, name), read_flashes(whole, name))


@every_granule
def test_what_is_missing_is_found_out_from_nothing(granule: Granule) -> None:
    name, whole = granule
    image = SparseImage(len(whole))
    fill_holes(image, GARBAGE["noise"])
    assert complete(image, granule) < 60
    assert image.known_bytes < 0.85 * len(whole)
    assert_same(read_flashes(image, name), read_flashes(whole, name))


@every_granule
def test_any_hole_is_an_error_and_never_a_value(granule: Granule) -> None:
    """Not even where a damaged value would be passed over: declared count and slot."""
    name, whole = granule
    full = SparseImage.of(whole)
    read_flashes(full, name)
    touched = sorted({*full.touched})
    blocks = join_spans(touched)
    for hole in touched[:: max(1, len(touched) // 6)]:
        image = SparseImage(len(whole))
        for start, stop in blocks:
            for first, last in ((start, min(stop, hole[0])), (max(start, hole[1]), stop)):
                if first < last:
                    image.add(first, whole[first:last])
        with pytest.raises(HoleError, match=r"bytes \d+ to \d+ are needed and were not fetched"):
            read_flashes(image, name)
        assert find_missing(image, name)


def test_hole_says_what_to_do_and_that_nothing_is_wrong_with_the_granule() -> None:
    with pytest.raises(ArchiveError, match=r"Run again without ranges \(ranges of glm_archive"):
        read_flashes(SparseImage(100_000), NAME)


def test_other_levels_are_not_read_from_what_flashes_needed() -> None:
    whole = encode_granule(NAME, content(700))
    image = SparseImage(len(whole))
    complete(image, (NAME, whole))
    with pytest.raises(HoleError):
        read_groups(image, NAME)
    with pytest.raises(HoleError):
        read_granule(image, NAME, ("event",))
    assert len(read_flashes(image, NAME)) == 700, "and it is as good as before"


def test_damage_is_found_where_bytes_are_known() -> None:
    whole = encode_granule(NAME, content(300))
    for damaged in (whole[:-1], b"x" + whole[1:], whole[: len(whole) // 2], b"x" * len(whole)):
        with pytest.raises(CorruptGranuleError, match="not a whole netCDF-4 file"):
            find_missing(SparseImage.of(damaged), NAME)


def test_variable_in_a_thousand_chunks_is_not_followed(granule: Callable[..., Path]) -> None:
    cut = make_anew(
        "flash_area",
        lambda file, values: file.create_dataset("flash_area", data=values, chunks=(1,)),
    )
    whole = granule(cut, count=1_100).read_bytes()
    with pytest.raises(CorruptGranuleError, match="flash_area has more than 1024 chunks"):
        complete(SparseImage(len(whole)), (NAME, whole))


def test_handle_that_is_kept_does_not_keep_the_file_open() -> None:
    image = SparseImage.of(encode_granule(NAME, content(300)))
    with open_hdf5(image) as file:
        kept = open_variable(file, "flash_lat")
        assert kept.valid
    assert not kept.valid


def test_two_images_open_at_once_read_their_own_bytes() -> None:
    counts = (300, 7)
    images = [SparseImage.of(encode_granule(NAME, content(count))) for count in counts]
    with open_hdf5(images[0]) as first, open_hdf5(images[1]) as second:
        assert first.number != second.number
        for file, count in ((first, 300), (second, 7), (first, 300)):
            assert open_variable(file, "flash_lat").shape == (count,)


def test_bytes_beyond_the_file_are_refused() -> None:
    image = SparseImage(100)
    for start, size in ((90, 11), (-1, 5), (101, 0)):
        with pytest.raises(ValueError, match="are not within a file of 100 bytes"):
            image.add(start, bytes(size))
    assert image.known_bytes == 0


def test_what_is_lacking_is_told_to_the_byte() -> None:
    image = SparseImage(100)
    image.add(10, bytes(10))
    image.add(40, bytes(10))
    image.add(20, bytes(5))
    assert image.known_bytes == 25
    assert image.find_lacking([(0, 100)]) == [(0, 10), (25, 40), (50, 100)]
    assert image.find_lacking([(90, 200), (12, 24), (-5, 3)]) == [(0, 3), (90, 100)]
    assert image.find_lacking([(12, 24), (40, 50)]) == []
    file = image.open()
    file.seek(12)
    assert file.readinto(bytearray(12)) == 12
    with pytest.raises(OSError, match="Input/output error"):
        file.readinto(bytearray(2))
    assert (image.touched, image.missed) == ([(12, 24)], [(24, 26)])


@needs_real_granules
def test_real_granules_are_among_those_tried() -> None:
    assert len(GRANULES) > 10
