"""Files that HDF5 opens and that are traps: none may crash, fill memory or lead elsewhere."""

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from tests.glm.bombs import deflate_zeros
from tests.glm.granule_files import (
    FIRST,
    FLASH_VARIABLES,
    NAME,
    Change,
    make_anew,
    remove,
    set_attribute,
)

from lightning_kedro.exceptions import MAX_REASON, CorruptGranuleError
from lightning_kedro.glm.flashes import GranuleFlashes, read_flashes

Granule = Callable[..., Path]


def same_flashes(one: GranuleFlashes, other: GranuleFlashes) -> bool:
    fields = ("flash_id", "time", "time_end", "lat", "lon", "energy_j", "area_km2", "quality_flag")
    return all(getattr(one, field).tobytes() == getattr(other, field).tobytes() for field in fields)


def refuse(path: Path, reason: str) -> None:
    with pytest.raises(CorruptGranuleError, match=reason):
        read_flashes(path, NAME)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6_000.0),
        np.arange(2, dtype="f4") + 1,
        np.arange(2.0) + 1,
        np.ones(8, "i1"),
        np.ones((2, 2), "f2"),
        np.array([0.1, np.nan], "f4"),
        np.zeros(0, "f4"),
        h5py.Empty("f4"),
        h5py.Empty("S5"),
        np.array([b"1"] * 8),
        "1",
        np.zeros(1, [("a", "f4")]),
    ],
    ids=lambda value: f"{getattr(value, 'dtype', 'text')}{getattr(value, 'shape', '')}",
)
@pytest.mark.parametrize(
    ("variable", "attribute"),
    [("flash_area", "scale_factor"), (FIRST, "add_offset"), ("flash_energy", "scale_factor")],
)
def test_number_that_is_not_one_number_is_corrupt(
    granule: Granule, variable: str, attribute: str, value: Any
) -> None:
    refuse(granule(set_attribute(variable, attribute, value)), f"attribute {attribute} ")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i2", "u1", "i8"])
def test_number_of_any_type_and_shape_is_read(
    granule: Granule, dtype: str, shape: tuple[int, ...]
) -> None:
    value = np.full(shape, 100_000.0 if dtype[-2] == "f8" else 2, dtype)
    path = granule(set_attribute("flash_area", "add_offset", value))
    expected = read_flashes(granule(), NAME).area_km2
    path = granule(set_attribute("flash_area", "add_offset", value))
    np.testing.assert_allclose(
        read_flashes(path, NAME).area_km2, expected + float(value.item()) / 1e6
    )


@pytest.mark.parametrize(
    "value",
    [
        np.array([b"m2"] * 3_000),
        np.array([b"m2", b"m2"]),
        np.array([b"m", b"2"]),
        np.array(["m2", "m2"], h5py.string_dtype()),
        h5py.Empty("S2"),
        h5py.Empty(h5py.string_dtype()),
        np.float32(2.0),
        np.frombuffer(b"m2", "i1"),
        np.bytes_(b"\xff\xfe"),
        np.bytes_(b"m" * 60_000),
        "m" * 60_000,
        "m2\n\x1b[2J",
    ],
    ids=range(12),
)
def test_text_that_is_not_one_short_text_is_corrupt(granule: Granule, value: Any) -> None:
    path = granule(set_attribute("flash_area", "units", value))
    with pytest.raises(CorruptGranuleError, match="units") as caught:
        read_flashes(path, NAME)
    assert len(str(caught.value)) <= MAX_REASON
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "value",
    [
        *(np.bytes_(b"m2"), np.bytes_(b"m2" + bytes(3)), np.bytes_(b"m2" + bytes(98))),
        *(np.array([b"m2"]), "m2", np.array(["m2"], h5py.string_dtype("ascii"))),
        np.array(b"m2", h5py.string_dtype("utf-8", 2)),
        np.array(b"m2", h5py.string_dtype("utf-8", 12)),
        np.array(b"m2", h5py.string_dtype("ascii", 16)),
    ],
    ids=range(9),
)
def test_text_of_any_type_is_read(granule: Granule, value: Any) -> None:
    expected = read_flashes(granule(), NAME)
    path = granule(set_attribute("flash_area", "units", value))
    assert same_flashes(read_flashes(path, NAME), expected)


def test_long_text_of_variable_length_is_not_cut(granule: Granule) -> None:
    units = "seconds since 2020-07-01 12:00:20.000"
    expected = read_flashes(granule(), NAME)
    assert same_flashes(read_flashes(granule(set_attribute(FIRST, "units", units)), NAME), expected)


def write_raw_chunk(*filters: str, shape: int, packed: bytes) -> Callable[[h5py.File, Any], Any]:
    """``flash_lat`` in one chunk of that many values, with these bytes in its place."""

    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_chunk((shape,))
        for name in filters:
            getattr(creation, f"set_{name}")(*((1,) if name == "deflate" else ()))
        space = h5s.create_simple((len(values),), (h5s.UNLIMITED,))
        variable = h5d.create(file.id, b"flash_lat", h5t.IEEE_F32LE, space, creation)
        variable.write_direct_chunk((0,), packed)
        return file["flash_lat"]

    return make


GZIP_OF_SIZE = zlib.compress(bytes(300 * 4))
BOMB = deflate_zeros(16)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (write_raw_chunk("deflate", shape=300, packed=BOMB), "a chunk that is not 1200 bytes"),
        (write_raw_chunk("deflate", shape=1 << 22, packed=BOMB), "chunks of 16777216 bytes"),
        (write_raw_chunk("deflate", shape=1 << 20, packed=GZIP_OF_SIZE), "not 4194304 bytes long"),
        (write_raw_chunk("deflate", shape=300, packed=GZIP_OF_SIZE[:-1]), "not 1200 bytes long"),
        (write_raw_chunk("deflate", shape=300, packed=b"nonsense"), "not 1200 bytes long"),
        (
            write_raw_chunk("deflate", "deflate", shape=300, packed=zlib.compress(GZIP_OF_SIZE)),
            r"packed with filters deflate \(1\), deflate \(1\)",
        ),
        (write_raw_chunk("shuffle", shape=300, packed=bytes(100)), "not 1200 bytes long"),
    ],
    ids=range(7),
)
def test_chunk_that_unpacks_to_another_size_is_corrupt(
    granule: Granule, make: Callable[[h5py.File, Any], Any], reason: str
) -> None:
    refuse(granule(make_anew("flash_lat", make)), reason)


MEASURE = """
import resource, sys
from pathlib import Path
from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import parse_granule_name
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_flashes(path, parse_granule_name(path.name))
except CorruptGranuleError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("values", [300, 1 << 28])
def test_gzip_bomb_costs_no_memory(granule: Granule, values: int) -> None:
    bomb = write_raw_chunk("deflate", shape=values, packed=deflate_zeros(1024))
    path = granule(make_anew("flash_lat", bomb))
    assert path.stat().st_size < 20_000_000
    command = [sys.executable, "-c", MEASURE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reason, grown_kb = done.stdout.splitlines()
    assert "flash_lat" in reason
    assert int(grown_kb) < 100_000


def in_other_file(file: h5py.File, values: Any) -> h5py.Dataset:
    raw = Path(file.filename).with_name("raw.bin")
    values.tofile(raw)
    return file.create_dataset(
        "flash_lat", values.shape, values.dtype, external=[(str(raw), 0, values.nbytes)]
    )


def virtual(file: h5py.File, values: Any) -> h5py.Dataset:
    with h5py.File(Path(file.filename).with_name("other.h5"), "w") as other:
        other["lat"] = values
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[:] = h5py.VirtualSource(other["lat"])
    return file.create_virtual_dataset("flash_lat", layout)


def unwritten(**options: Any) -> Callable[[h5py.File, Any], h5py.Dataset]:
    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        return file.create_dataset("flash_lat", values.shape, values.dtype, **options)

    return make


def half_written(**options: Any) -> Callable[[h5py.File, Any], h5py.Dataset]:
    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        new = unwritten(chunks=(256,), **options)(file, values)
        new[:200] = values[:200]
        return new

    return make


def shaped(*shape: int, **options: Any) -> Callable[[h5py.File, Any], h5py.Dataset]:
    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        return file.create_dataset("flash_lat", data=values.reshape(shape), **options)

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (in_other_file, "data in other files"),
        (virtual, "data in other files"),
        (unwritten(), "written only in part"),
        (unwritten(chunks=(256,)), "written only in part"),
        (half_written(), "written only in part"),
        (half_written(compression="gzip"), "written only in part"),
        (shaped(1, 300), r"has shape \(1, 300\), expected \(300,\)"),
        (shaped(300, 1), r"has shape \(300, 1\), expected \(300,\)"),
        (shaped(1, 300, chunks=(1, 256)), r"has shape \(1, 300\), expected \(300,\)"),
        (shaped(1, 300, chunks=(1, 300), compression="gzip"), r"has shape \(1, 300\)"),
        (shaped(300, compression="lzf"), r"packed with filters lzf \(32000\)"),
        (shaped(300, scaleoffset=3), r"packed with filters scaleoffset \(6\)"),
    ],
    ids=range(12),
)
def test_data_that_are_elsewhere_missing_or_misshapen_are_corrupt(
    granule: Granule, make: Callable[[h5py.File, Any], Any], reason: str
) -> None:
    refuse(granule(make_anew("flash_lat", make)), f"flash_lat .*{reason}")


def test_number_of_flashes_is_not_asked_of_other_files(granule: Granule) -> None:
    """A virtual dataset without a fixed length would open what it points to: here a pipe."""

    def point_to_pipe(file: h5py.File) -> None:
        pipe = Path(file.filename).with_name("pipe.h5")
        os.mkfifo(pipe)
        file.move("flash_id", "old_flash_id")
        layout = h5py.VirtualLayout((300,), "i2", maxshape=(None,))
        source = h5py.VirtualSource(pipe, "id", (300,), maxshape=(None,))
        layout[: h5s.UNLIMITED] = source[: h5s.UNLIMITED]
        file.create_virtual_dataset("flash_id", layout)

    refuse(granule(point_to_pipe), "flash_id has its data in other files")


@pytest.mark.parametrize("variable", [*FLASH_VARIABLES, "flash_count"])
def test_link_to_another_file_is_not_read(granule: Granule, variable: str) -> None:
    def link(file: h5py.File) -> None:
        other = Path(file.filename).with_name("other.h5")
        with h5py.File(other, "w") as there:
            file.copy(variable, there)
        file.move(variable, f"old_{variable}")
        file[variable] = h5py.ExternalLink(other, variable)

    if variable == "flash_count":
        assert read_flashes(granule(link), NAME).declared_flash_count is None
    else:
        refuse(granule(link), f"variable {variable} is a link to another file")


@pytest.mark.parametrize("variable", FLASH_VARIABLES)
def test_variable_that_holds_nothing_is_corrupt(granule: Granule, variable: str) -> None:
    def empty(file: h5py.File, values: Any) -> h5py.Dataset:
        return file.create_dataset(variable, data=h5py.Empty(values.dtype))

    refuse(granule(make_anew(variable, empty)), f"{variable} holds nothing at all")


@pytest.mark.parametrize("variable", FLASH_VARIABLES)
def test_variable_that_is_a_group_is_corrupt(granule: Granule, variable: str) -> None:
    def change(file: h5py.File) -> None:
        remove(variable)(file)
        file.create_group(variable)

    refuse(granule(change), f"variable {variable} is missing or damaged")


def compact(file: h5py.File, values: Any) -> h5py.Dataset:
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.COMPACT)
    space = h5s.create_simple(values.shape)
    variable = h5d.create(file.id, b"flash_lat", h5t.IEEE_F32LE, space, creation)
    variable.write(h5s.ALL, h5s.ALL, values)
    return file["flash_lat"]


@pytest.mark.parametrize(
    "make",
    [
        *(compact, shaped(300), shaped(300, chunks=(1,)), shaped(300, chunks=(300,))),
        shaped(300, chunks=(1024,), maxshape=(None,)),
        *(shaped(300, chunks=(64,), compression="gzip", shuffle=on) for on in (False, True)),
        *(shaped(300, chunks=(64,), shuffle=on, fletcher32=True) for on in (False, True)),
        shaped(300, chunks=(2048,), maxshape=(None,), compression="gzip", fletcher32=True),
        shaped(300, dtype=">f4"),
    ],
    ids=range(11),
)
def test_other_writers_layouts_are_read(
    granule: Granule, make: Callable[[h5py.File, Any], Any]
) -> None:
    expected = read_flashes(granule(), NAME)
    path = granule(make_anew("flash_lat", make))
    assert same_flashes(read_flashes(path, NAME), expected)
    assert same_flashes(read_flashes(path.read_bytes(), NAME), expected)


def test_gzip_of_what_cannot_be_shortened_is_read(granule: Granule) -> None:
    """It is longer than the values, or stored without gzip, which HDF5 notes with the chunk."""
    noise = np.random.default_rng(60).integers(0, 65_536, 300).astype("u2")
    bits = noise.view("i2")

    def make(file: h5py.File, _: Any) -> h5py.Dataset:
        return file.create_dataset("flash_energy", data=bits, chunks=(300,), compression=1)

    energy_j = read_flashes(granule(make_anew("flash_energy", make)), NAME).energy_j
    assert len(np.unique(energy_j)) > 290


def test_change_leaves_other_variables_alone(granule: Granule) -> None:
    """The tests above change one thing: made anew with nothing changed, the granule is the same."""
    change: Change = make_anew("flash_lat", shaped(300))
    assert same_flashes(read_flashes(granule(change), NAME), read_flashes(granule(), NAME))


def flat(file: h5py.File, values: Any) -> h5py.Dataset:
    return file.create_dataset(
        "flash_lat", data=values.reshape(0, 3), chunks=(1, 3), maxshape=(9, 3)
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (in_other_file, "data in other files"),
        (virtual, "data in other files"),
        (flat, r"has shape \(0, 3\), expected \(0,\)"),
        (
            shaped(0, chunks=(64,), maxshape=(None,), scaleoffset=3),
            "packed with filters scaleoffset",
        ),
    ],
    ids=range(4),
)
def test_granule_without_flashes_is_held_to_the_same(
    granule: Granule, make: Callable[[h5py.File, Any], Any], reason: str
) -> None:
    path = granule(make_anew("flash_lat", make), count=0)
    with pytest.raises(CorruptGranuleError, match=f"flash_lat .*{reason}"):
        read_flashes(path, NAME)


@pytest.mark.parametrize(
    "make",
    [shaped(0), shaped(0, chunks=(64,), maxshape=(None,)), compact],
    ids=range(3),
)
def test_granule_without_flashes_is_read_from_other_writers(
    granule: Granule, make: Callable[[h5py.File, Any], Any]
) -> None:
    assert len(read_flashes(granule(make_anew("flash_lat", make), count=0), NAME)) == 0
