"""Filters in every legal order are read as h5py reads them; in none do they let a trap through."""

import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from itertools import chain, permutations, product
from pathlib import Path
from typing import Any, Literal

import h5py
import netCDF4
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import name_of, needs_real_granules, real_granule_paths
from tests.glm.bombs import deflate_zeros
from tests.glm.granule_files import NAME, PACKING, content, make_anew

from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm import hdf5_filters, hdf5_layout
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.hdf5_filters import read_filters

Granule = Callable[..., Path]
Order = tuple[str, ...]
Endian = Literal["little", "big"]

FILTERS = ("shuffle", "deflate", "fletcher32")
ORDERS: list[Order] = list(chain.from_iterable(permutations(FILTERS, n) for n in range(4)))
WITH_DEFLATE = [order for order in ORDERS if "deflate" in order]
PLACE = "flash_lat"
ROWS = 300


def name_order(order: Order) -> str:
    return "+".join(order) or "none"


every_order = pytest.mark.parametrize("order", ORDERS, ids=name_order)
every_order_with_deflate = pytest.mark.parametrize("order", WITH_DEFLATE, ids=name_order)


def plan(order: Order, chunk: int) -> h5p.PropDCID:
    """How a dataset is made that has these filters in this order."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_chunk((chunk,))
    for name in order:
        getattr(creation, f"set_{name}")(*((4,) if name == "deflate" else ()))
    return creation


def create(
    file: h5py.File, name: str, order: Order, chunk: int, like: np.ndarray[Any, Any]
) -> h5d.DatasetID:
    space = h5s.create_simple(like.shape, (h5s.UNLIMITED,))
    kind = h5t.py_create(like.dtype)
    return h5d.create(file.id, name.encode(), kind, space, plan(order, chunk))


def write(name: str, order: Order, chunk: int = 64) -> Callable[[h5py.File, Any], h5py.Dataset]:
    """A variable whose chunks HDF5 itself puts through the filters."""

    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        create(file, name, order, chunk, values).write(h5s.ALL, h5s.ALL, values)
        return file[name]

    return make


def pack(values: Any, order: Order) -> bytes:
    """What HDF5 makes of a chunk with these values."""
    with h5py.File.in_memory() as file:
        variable = create(file, "x", order, len(values), values)
        variable.write(h5s.ALL, h5s.ALL, values)
        mask, data = variable.read_direct_chunk((0,))
        assert mask == 0
        return bytes(data)


def store(order: Order, *chunks: bytes, size: int) -> Callable[[h5py.File, Any], h5py.Dataset]:
    """``flash_lat`` with these bytes as its chunks, each of which stands for ``size`` values."""

    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        variable = create(file, PLACE, order, size, values)
        for number, packed in enumerate(chunks):
            variable.write_direct_chunk((number * size,), packed)
        return file[PLACE]

    return make


def refuse(path: Path, reason: str) -> None:
    for source in (path, path.read_bytes()):
        with pytest.raises(CorruptGranuleError, match=reason):
            read_flashes(source, NAME)


@every_order
@pytest.mark.parametrize("chunk", [7, 64, 1024])
@pytest.mark.parametrize(
    ("variable", "field"),
    [(PLACE, "lat"), ("flash_id", "flash_id"), ("flash_energy", "energy_j")],
)
def test_filters_in_any_order_are_read(
    granule: Granule, order: Order, chunk: int, variable: str, field: str
) -> None:
    expected = getattr(read_flashes(granule(), NAME), field)
    path = granule(make_anew(variable, write(variable, order, chunk)))
    with h5py.File(path) as file:
        creation = file[variable].id.get_create_plist()
        assert creation.get_nfilters() == len(order)
        stored = file[variable][:]
    assert stored.tobytes() == h5py_values(granule(), variable).tobytes()
    for source in (path, path.read_bytes()):
        assert getattr(read_flashes(source, NAME), field).tobytes() == expected.tobytes()


def h5py_values(path: Path, variable: str) -> Any:
    with h5py.File(path) as file:
        return file[variable][:]


@every_order
def test_filters_on_a_granule_without_flashes_are_read(granule: Granule, order: Order) -> None:
    path = granule(make_anew(PLACE, write(PLACE, order)), count=0)
    assert len(read_flashes(path, NAME)) == 0


@every_order
def test_chunks_that_do_without_some_filters_are_read(granule: Granule, order: Order) -> None:
    """HDF5 notes with each chunk which filters it was not put through: here every combination."""
    masks = list(range(1 << len(order)))
    size = -(-ROWS // len(masks))
    expected = read_flashes(granule(), NAME).lat

    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        variable = create(file, PLACE, order, size, values)
        for number, mask in enumerate(masks):
            rows = np.zeros(size, values.dtype)
            part = values[number * size : (number + 1) * size]
            rows[: len(part)] = part
            used = tuple(name for bit, name in enumerate(order) if not mask >> bit & 1)
            variable.write_direct_chunk((number * size,), pack(rows, used), mask)
        return file[PLACE]

    path = granule(make_anew(PLACE, make))
    assert h5py_values(path, PLACE).tobytes() == expected.tobytes()
    assert read_flashes(path, NAME).lat.tobytes() == expected.tobytes()


@every_order
@pytest.mark.parametrize("change", [-5, -4, -1, 1, 4, 5])
def test_chunk_of_another_size_is_corrupt(granule: Granule, order: Order, change: int) -> None:
    """A chunk that unpacks to a few bytes more or less, though it is whole and its sums right."""
    noise = np.frombuffer(np.random.default_rng(60).bytes(4 * ROWS + change), "u1")
    path = granule(make_anew(PLACE, store(order, pack_bytes(noise, order), size=ROWS)))
    # HDF5 leaves alone what a chunk without filters has too much.
    refuse(path, "not 1200 bytes long" if order or change < 0 else "not within -90 to 90 degrees")


@pytest.mark.parametrize("sizes", [(4, 1196), (1, 100_000), (599, 601), (1200, 4)])
def test_plain_chunk_that_is_too_short_is_corrupt(granule: Granule, sizes: Sequence[int]) -> None:
    """Together they are long enough; HDF5 would fill the gap with whatever lies in memory."""
    chunks = (size * b"A" for size in sizes)
    refuse(granule(make_anew(PLACE, store((), *chunks, size=150))), "not 600 bytes long")


def pack_bytes(raw: Any, order: Order) -> bytes:
    """As ``pack``, but any number of bytes, shuffled as values of 4 bytes."""
    data = bytes(raw)
    for name in order:
        if name == "shuffle":
            whole = len(data) // 4 * 4
            rows = np.frombuffer(data[:whole], "u1").reshape(-1, 4)
            data = rows.T.tobytes() + data[whole:]
        elif name == "deflate":
            data = zlib.compress(data)
        else:
            with h5py.File.in_memory() as file:
                made = file.create_dataset(
                    "x", data=np.frombuffer(data, "u1"), chunks=(len(data),), fletcher32=True
                )
                data = bytes(made.id.read_direct_chunk((0,))[1])
    return data


@every_order
def test_packing_of_these_tests_is_that_of_hdf5(order: Order) -> None:
    """Else the tests of hostile chunks would prove nothing."""
    values = np.arange(ROWS, dtype="f4")
    unpacked = values.tobytes()
    with h5py.File.in_memory() as file:
        variable = create(file, "x", order, ROWS, values)
        variable.write_direct_chunk((0,), pack_bytes(values.view("u1"), order))
        assert file["x"][:].tobytes() == unpacked


@every_order_with_deflate
@pytest.mark.parametrize("cut", [1, 4, 8])
def test_chunk_that_is_cut_short_is_corrupt(granule: Granule, order: Order, cut: int) -> None:
    packed = pack_bytes(np.arange(ROWS, dtype="f4").view("u1"), order)[:-cut]
    refuse(granule(make_anew(PLACE, store(order, packed, size=ROWS))), PLACE)


@every_order_with_deflate
@pytest.mark.parametrize("junk", [b"x", b"nonsense", b"x" * 1200, bytes(1204)], ids=len)
def test_chunk_of_nonsense_is_corrupt(granule: Granule, order: Order, junk: bytes) -> None:
    refuse(granule(make_anew(PLACE, store(order, junk, size=ROWS))), "not 1200 bytes long")


@pytest.mark.parametrize(
    "order", [order for order in ORDERS if "fletcher32" in order], ids=name_order
)
def test_wrong_checksum_is_corrupt(granule: Granule, order: Order) -> None:
    place = order.index("fletcher32") + 1
    inner = bytearray(pack_bytes(np.arange(ROWS, dtype="f4").view("u1"), order[:place]))
    inner[-1] ^= 0x01
    packed = pack_bytes(np.frombuffer(inner, "u1"), order[place:])
    refuse(granule(make_anew(PLACE, store(order, packed, size=ROWS))), f"{PLACE} cannot be read")


MEASURE = """
import resource, sys
from pathlib import Path
from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import parse_granule_name
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    for source in (path, path.read_bytes()):
        try:
            read_flashes(source, parse_granule_name(path.name))
        except CorruptGranuleError as error:
            print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_bombs_cost_no_memory_whatever_the_order(granule: Granule) -> None:
    """256 MB in 260 kB: too long for a chunk of 1,200 bytes, not for one of 1 MB."""
    bomb = deflate_zeros(256)
    paths = []
    for size, order in product((ROWS, 1 << 20), WITH_DEFLATE):
        outer = pack_bytes(np.frombuffer(bomb, "u1"), order[order.index("deflate") + 1 :])
        path = granule(make_anew(PLACE, store(order, outer, size=size)))
        folder = path.parent / f"{len(paths)}"
        folder.mkdir()
        paths.append(path.rename(folder / path.name))
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *reasons, grown_kb = done.stdout.splitlines()
    assert len(reasons) == 2 * len(paths) == 4 * len(WITH_DEFLATE)
    assert all("flash_lat has a chunk that is not" in reason for reason in reasons)
    assert int(grown_kb) < 100_000


@pytest.mark.parametrize("twice", FILTERS)
@pytest.mark.parametrize("between", [(), ("shuffle",), ("fletcher32",)], ids=name_order)
def test_filter_that_is_there_twice_is_refused(
    granule: Granule, twice: str, between: Order
) -> None:
    order = (twice, *between, twice)
    packed = pack_bytes(np.arange(ROWS, dtype="f4").view("u1"), order)
    path = granule(make_anew(PLACE, store(order, packed, size=ROWS)))
    refuse(path, rf"packed with filters {twice} \(\d\), .*each at most once")


OTHERS = {"szip": 4, "scaleoffset": 6, "lzf": 32000, "zstd": 32015, "unknown": 31999}


@pytest.mark.parametrize("known", OTHERS)
@pytest.mark.parametrize("order", [(), ("shuffle",)], ids=name_order)
def test_filter_that_is_not_read_is_named(granule: Granule, known: str, order: Order) -> None:
    def make(file: h5py.File, values: Any) -> h5py.Dataset:
        creation = plan(order, ROWS)
        parameters = {"szip": (141, 32), "scaleoffset": (2, 0)}.get(known, ())
        creation.set_filter(OTHERS[known], h5z.FLAG_OPTIONAL, parameters)
        kind, space = h5t.py_create(values.dtype), h5s.create_simple(values.shape)
        variable = h5d.create(file.id, PLACE.encode(), kind, space, creation)
        variable.write_direct_chunk((0,), values.tobytes(), 0xFF)
        return file[PLACE]

    reason = rf"{PLACE} is packed with filters .*{known} \({OTHERS[known]}\); only shuffle, deflate"
    refuse(granule(make_anew(PLACE, make)), reason)


class Pipeline:
    """Filters as a damaged file may declare them; HDF5 itself would not write them."""

    def __init__(self, *filters: tuple[int, tuple[int, ...]]) -> None:
        self.filters = filters

    def get_nfilters(self) -> int:
        return len(self.filters)

    def get_filter(self, index: int) -> tuple[int, int, tuple[int, ...], bytes]:
        code, values = self.filters[index]
        return code, 0, values, b""


@pytest.mark.parametrize(
    ("code", "known"),
    [(5, "nbit"), (307, "bzip2"), (32001, "blosc"), (32013, "zfp"), (32026, "blosc2")],
)
def test_filter_of_a_plugin_is_named(code: int, known: str) -> None:
    with pytest.raises(CorruptGranuleError, match=rf"packed with filters {known} \({code}\)"):
        read_filters(Pipeline((code, ())), PLACE)


@pytest.mark.parametrize("values", [(), (0,), (4, 4)])
def test_shuffle_without_a_length_is_corrupt(values: tuple[int, ...]) -> None:
    with pytest.raises(CorruptGranuleError, match="shuffled by values of no length"):
        read_filters(Pipeline((h5z.FILTER_SHUFFLE, values)), PLACE)


@given(st.binary(max_size=200), st.sampled_from([1, 2, 3, 4, 8, 300, 1 << 32]))
def test_shuffle_is_undone_as_hdf5_does_it(data: bytes, itemsize: int) -> None:
    whole = len(data) // itemsize * itemsize if itemsize <= len(data) else 0
    shuffled = data
    if whole:
        rows = np.frombuffer(data[:whole], "u1").reshape(-1, itemsize)
        shuffled = rows.T.tobytes() + data[whole:]
    undo = hdf5_filters._undo
    assert undo(hdf5_filters.Filter(h5z.FILTER_SHUFFLE, (itemsize,)), shuffled) == data


def test_more_chunks_than_the_shape_needs_are_not_unpacked(granule: Granule) -> None:
    """An index can name one packed chunk a thousand times: bounded memory, but endless work.

    HDF5 does not write such an index, so a longer variable stands for it.
    """
    real = h5d.DatasetID.chunk_iter

    class Listing:
        """A variable whose index names each chunk, and then again."""

        def __init__(self, variable: h5d.DatasetID) -> None:
            self.variable = variable

        def chunk_iter(self, visit: Callable[[h5d.StoreInfo], bool | None]) -> bool | None:
            return real(self.variable, visit) or real(self.variable, visit)

    path = granule(make_anew(PLACE, write(PLACE, ("deflate",))))
    with h5py.File(path) as file:
        variable = file[PLACE].id
        assert len(hdf5_layout._list_chunks(variable, PLACE, (ROWS,), 5)) == 5
        for chunks, shape, needed in ((Listing(variable), ROWS, 5), (variable, ROWS - 60, 4)):
            with pytest.raises(CorruptGranuleError, match="more chunks than its shape needs"):
                hdf5_layout._list_chunks(chunks, PLACE, (shape,), needed)


WAYS = [
    dict(zip(("zlib", "shuffle", "fletcher32"), way, strict=True))
    for way in product((False, True), repeat=3)
]


def rewrite(source: Path, target: Path, endian: Endian, **options: Any) -> None:
    """Copy a granule as netCDF users do, with options of theirs."""
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(target, "w") as new:
        old.set_auto_maskandscale(False)
        new.setncatts({key: old.getncattr(key) for key in old.ncattrs()})
        for name, dimension in old.dimensions.items():
            new.createDimension(name, None if dimension.isunlimited() else len(dimension))
        for name, variable in old.variables.items():
            attributes = {key: variable.getncattr(key) for key in variable.ncattrs()}
            made = new.createVariable(
                name,
                variable.dtype.newbyteorder(endian),
                variable.dimensions,
                fill_value=attributes.pop("_FillValue", None),
                endian=endian,
                **(options if variable.ndim else {}),
            )
            made.set_auto_maskandscale(False)
            made.setncatts(attributes)
            made[...] = variable[...]


def fields(path: Path | bytes, name: Any) -> Sequence[bytes]:
    flashes = read_flashes(path, name)
    return [
        getattr(flashes, field).tobytes()
        for field in (
            *("flash_id", "time", "time_end", "lat", "lon"),
            *("energy_j", "area_km2", "quality_flag"),
        )
    ]


def some_granules() -> list[Path]:
    """One of each era, and one without flashes."""
    starts = ("20181830433000", "20182901026200", "20200160612000", "20250971300200")
    return [path for path in real_granule_paths() if path.name.split("_s")[1][:14] in starts]


@needs_real_granules
@pytest.mark.parametrize("source", some_granules(), ids=lambda path: path.name[16:35])
@pytest.mark.parametrize("options", WAYS, ids=lambda way: "+".join(k for k in way if way[k]))
@pytest.mark.parametrize("endian", ["little", "big"])
def test_real_granule_rewritten_by_netcdf_is_the_same(
    tmp_path: Path, source: Path, options: dict[str, bool], endian: Endian
) -> None:
    target = tmp_path / source.name
    rewrite(source, target, endian, **options)
    expected = fields(source, name_of(source))
    assert fields(target, name_of(source)) == expected
    assert fields(target.read_bytes(), name_of(source)) == expected


def make_with_h5py(source: Path, target: Path, libver: str, **options: Any) -> None:
    """Copy a granule as h5py users do: indexes of other kinds, attributes of other types."""
    with h5py.File(source) as old, h5py.File(target, "w", libver=(libver, "latest")) as new:
        new.attrs.update(old.attrs)
        for name, variable in old.items():
            rows = name.startswith("flash_") and variable.ndim == 1
            made = new.create_dataset(name, data=variable[()], **(options if rows else {}))
            for key in PACKING:
                if key in variable.attrs:
                    made.attrs[key] = restyle(variable.attrs[key])
            made.attrs["_Unsigned"] = "True"


def restyle(value: Any) -> Any:
    """Text of variable length; numbers as arrays of one 8-byte number, unless they are integers."""
    if isinstance(value, bytes | str):
        return value.decode() if isinstance(value, bytes) else value
    return np.atleast_1d(value).astype("f8" if value.dtype.kind == "f" else value.dtype)


@pytest.mark.parametrize("libver", ["earliest", "v110"])
@pytest.mark.parametrize("filters", [{}, {"compression": 4, "shuffle": True, "fletcher32": True}])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"chunks": (64,)},
        {"chunks": (64,), "maxshape": (1000,)},
        {"chunks": (64,), "maxshape": (None,)},
        {"chunks": (300,)},
        {"chunks": (4096,), "maxshape": (None,)},
    ],
    ids=lambda shape: "+".join(f"{key}{value}" for key, value in shape.items()) or "plain",
)
@pytest.mark.parametrize("count", [0, ROWS])
def test_granule_rewritten_by_h5py_is_the_same(
    granule: Granule,
    tmp_path: Path,
    libver: str,
    filters: dict[str, Any],
    shape: dict[str, Any],
    count: int,
) -> None:
    if count == 0:
        shape = {key: (None,) if key == "maxshape" else value for key, value in shape.items()}
        if "maxshape" not in shape:
            shape, filters = {}, {}  # HDF5 has no chunks of what never has rows
    source = granule(count=count)
    target = tmp_path / f"other_{source.name}"
    make_with_h5py(source, target, libver, **shape, **filters)
    assert fields(target, NAME) == fields(source, NAME)
    assert fields(target.read_bytes(), NAME) == fields(source, NAME)


def test_content_has_as_many_rows_as_these_tests_say() -> None:
    assert len(content().flashes) == ROWS
