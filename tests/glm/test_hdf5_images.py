"""Granules opened from memory: each reads its own bytes, whatever else is open."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.granule_files import NAME, content

from lightning_kedro.glm.flashes import GranuleFlashes, read_flashes
from lightning_kedro.glm.hdf5 import name_image, open_hdf5, open_variable, read_variable
from lightning_kedro.simulation.granule_writer import encode_granule

COUNTS = (3, 300, 7, 0, 700, 300)


def make_image(count: int, shift: float = 0.0) -> bytes:
    """A granule with that many flashes, all moved north by so many degrees."""
    made = content(count)
    lat = (made.flashes.lat + np.float32(shift)).astype(np.float32)
    return encode_granule(NAME, replace(made, flashes=replace(made.flashes, lat=lat)))


def fingerprint(flashes: GranuleFlashes) -> tuple[int, bytes, bytes]:
    return len(flashes), flashes.lat.tobytes(), flashes.time.tobytes()


def test_two_images_open_at_once_read_their_own_bytes() -> None:
    """Interleaved, and closed in either order: HDF5 takes files of one name for one file."""
    images = {shift: make_image(300, shift) for shift in (0.0, 1.0)}
    expected = {shift: read_flashes(image, NAME).lat for shift, image in images.items()}
    with open_hdf5(images[0.0]) as first:
        with open_hdf5(images[1.0]) as second:
            assert first.number != second.number
            variables = {
                shift: (file, open_variable(file, "flash_lat"))
                for shift, file in ((0.0, first), (1.0, second))
            }
            for shift in (1.0, 0.0, 1.0):
                lat = read_variable(*variables[shift], "flash_lat", np.float32, (300,))
                assert lat.tobytes() == expected[shift].tobytes()
        lat = read_variable(*variables[0.0], "flash_lat", np.float32, (300,))
        assert lat.tobytes() == expected[0.0].tobytes()
    assert expected[0.0].tobytes() != expected[1.0].tobytes()


def test_image_is_not_that_of_a_handle_which_was_kept() -> None:
    """As a debugger, a profiler or a traceback keeps it: the file behind it stays open."""
    with open_hdf5(make_image(300)) as file:
        kept = open_variable(file, "flash_lat")
    assert len(read_flashes(make_image(7), NAME)) == 7
    assert kept.shape == (300,)


@pytest.mark.parametrize("workers", [2, 8])
def test_threads_read_their_own_granules(workers: int) -> None:
    images = [make_image(count, shift) for shift, count in enumerate(COUNTS)]
    expected = [fingerprint(read_flashes(image, NAME)) for image in images]
    start = threading.Barrier(workers)

    def read_all(first: int) -> list[tuple[int, bytes, bytes]]:
        start.wait()
        order = [(first + step) % len(images) for step in range(10 * len(images))]
        found: dict[int, tuple[int, bytes, bytes]] = {}
        for number in order:
            now = fingerprint(read_flashes(images[number], NAME))
            assert found.setdefault(number, now) == now
        return [found[number] for number in range(len(images))]

    with ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(read_all, range(workers))) == workers * [expected]


def test_threads_read_files_and_images_at_once(granule: Callable[..., Path]) -> None:
    path = granule()
    image = make_image(7)
    with ThreadPoolExecutor(4) as pool:
        sources: list[Path | bytes] = 50 * [path, image]
        counts = pool.map(lambda source: len(read_flashes(source, NAME)), sources)
        assert list(counts) == 50 * [300, 7]


@needs_real_granules
def test_threads_read_real_granules_right() -> None:
    paths = real_granule_paths()
    expected = [fingerprint(read_flashes(path, name_of(path))) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda path: fingerprint(read_flashes(path.read_bytes(), name_of(path))), 5 * paths
        )
        assert list(found) == 5 * expected


def test_threads_write_their_own_granules() -> None:
    """The simulation fills copies of one template, in memory too."""
    expected = [make_image(count) for count in COUNTS]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make_image, 5 * COUNTS)) == 5 * expected


def test_names_of_images_are_never_used_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: name_image(), range(2_000)))
    assert len(set(names)) == 2_000


def test_no_file_can_have_the_name_of_an_image() -> None:
    """HDF5 refuses to open an image of a name that a file has, such as one in the same folder."""
    path = Path(name_image().decode())
    assert path.is_absolute()
    with pytest.raises(OSError, match="Not a directory"):
        path.touch()
