"""Granules with bytes flipped and cut: loaded or corrupt, never a crash, never silently wrong.

Whatever loads is held against what h5py's or netCDF4's own interfaces read from the same damaged
file: bytes may have changed in a way that nobody can notice, but never may we read another value
than they do, nor one that no flash can have.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest

from lightning_kedro.datasets.loaded_granules import LoadedGranulesDataset
from lightning_kedro.exceptions import CorruptGranuleError
from lightning_kedro.glm.flashes import GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.archive import GranuleArchive
from lightning_kedro.granules.record import HourSeries
from lightning_kedro.pipelines.ingestion.nodes import extract_granules, transform_granules
from lightning_kedro.simulation.faults import Faults
from lightning_kedro.simulation.granule_writer import Era
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.store.storage import Storage
from tests.conftest import name_of, real_granule_paths
from tests.repetitions import repeat

CASES = repeat(700, 5000)
HOUR = datetime(2024, 7, 14, 9, tzinfo=UTC)
FIRST, LAST = "flash_time_offset_of_first_event", "flash_time_offset_of_last_event"
VARIABLES = (
    *("flash_id", FIRST, LAST),
    *("flash_lat", "flash_lon", "flash_energy", "flash_area", "flash_quality_flag"),
)
PACKED = (FIRST, LAST, "flash_energy", "flash_area")
MOST = {"flash_energy": 65_530, "flash_area": 65_530, "flash_quality_flag": 5}
"""The greatest valid value: only where there is a greater one does it matter what a fill is."""


@dataclass(frozen=True)
class Whole:
    """A sound granule, and where in its file the parts lie that a reader of flashes looks at."""

    name: GranuleName
    content: bytes
    spots: tuple[int, ...]


def find_spots(content: bytes) -> tuple[int, ...]:
    """Where chunks of flashes begin and names of attributes end: few bytes of many."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(content)
    file = h5py.h5f.open(b"granule.nc", h5py.h5f.ACC_RDONLY, fapl=access)
    spots = []
    for variable in VARIABLES:
        dataset = h5py.h5d.open(file, variable.encode())
        spots += [
            dataset.get_chunk_info(index).byte_offset for index in range(dataset.get_num_chunks())
        ]
        spots.append(h5py.h5o.get_info(dataset).addr)
    file.close()
    for key in (b"scale_factor\0", b"add_offset\0", b"_FillValue\0", b"units\0", b"TREE", b"OHDR"):
        place = content.find(key)
        while place >= 0:
            spots.append(place + len(key))
            place = content.find(key, place + 1)
    return tuple(spots)


def damage(whole: Whole, randomly: random.Random) -> bytes:
    """Cut it short, flip bits anywhere or where they matter, or overwrite a stretch."""
    data = bytearray(whole.content)
    kind = randomly.choice(("cut", "flip", "flips", "head", "zeros", "noise", "aimed", "aimed"))
    if kind == "cut":
        return bytes(data[: randomly.randrange(len(data))])
    if kind in {"zeros", "noise"}:
        start, length = randomly.randrange(len(data)), randomly.randrange(1, 5000)
        length = min(length, len(data) - start)
        data[start : start + length] = (
            bytes(length) if kind == "zeros" else randomly.randbytes(length)
        )
        return bytes(data)
    count = 1 if kind == "flip" else randomly.randrange(2, 60)
    reach = min(len(data), 90_000) if kind == "head" else len(data)
    if kind == "aimed":
        spot = randomly.choice(whole.spots)
        for _ in range(randomly.randrange(1, 4)):
            place = min(spot + randomly.randrange(120), len(data) - 1)
            data[place] ^= 1 << randomly.randrange(8)
        return bytes(data)
    for _ in range(count):
        data[randomly.randrange(reach)] ^= 1 << randomly.randrange(8)
    return bytes(data)


def pick(raw: Mapping[str, Any], variable: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a variable that its values depend on; the others may be damaged."""
    wanted = ["units", "scale_factor", "add_offset"] if variable in PACKED else []
    if variable in MOST and as_bits(raw[variable]).max(initial=0) > MOST[variable]:
        wanted.append("_FillValue")
    return {key: stored[key] for key in wanted if key in stored}


def as_bits(values: Any) -> Any:
    """16 bits as they are, whatever the type on disk says of their sign and order."""
    native = values.astype(values.dtype.newbyteorder("="))
    return native.view(np.uint16) if native.dtype.itemsize == 2 else native


class Reading:
    """A granule as plain h5py or netCDF4 reads it, decoded by the rules of the format."""

    def __init__(self, raw: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]]) -> None:
        self.raw = raw
        self.attributes = attributes

    @classmethod
    def with_h5py(cls, path: Path) -> "Reading":
        with h5py.File(path) as file:
            raw = {variable: file[variable][...] for variable in VARIABLES}
            return cls(raw, {name: pick(raw, name, file[name].attrs) for name in VARIABLES})

    @classmethod
    def with_netcdf4(cls, path: Path) -> "Reading":
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_maskandscale(False)
            raw = {variable: dataset[variable][:] for variable in VARIABLES}
            stored = {variable: dataset[variable].__dict__ for variable in VARIABLES}
            return cls(raw, {name: pick(raw, name, stored[name]) for name in VARIABLES})

    def bits(self, variable: str) -> Any:
        return as_bits(self.raw[variable])

    def number(self, variable: str, attribute: str, default: float) -> float:
        value = self.attributes[variable].get(attribute, default)
        return float(np.asarray(value).reshape(-1)[0])

    def units(self, variable: str) -> str:
        value = np.asarray(self.attributes[variable]["units"]).reshape(-1)[0]
        text = value.decode() if isinstance(value, bytes) else str(value)
        return text.partition("\0")[0]

    def unpacked(self, variable: str, factors: Mapping[str, float], *, signed: bool = False) -> Any:
        bits = self.bits(variable)
        packed = bits.view(np.int16) if signed else bits
        scale, offset = (
            self.number(variable, key, default)
            for key, default in (("scale_factor", 1.0), ("add_offset", 0.0))
        )
        factor = factors[self.units(variable).split(" ")[0]]
        return (packed.astype(np.float64) * scale + offset) * factor

    def seconds(self, variable: str) -> Any:
        """Signed where steps are of milliseconds: it is so in all eras."""
        signed = self.number(variable, "scale_factor", 1.0) >= 0.01
        return self.unpacked(variable, {"seconds": 1.0, "milliseconds": 1e-3}, signed=signed)

    def present(self, variable: str, factors: Mapping[str, float]) -> Any:
        """Missing values, which are beyond the valid range of 0 to 65,530, become NaN."""
        fill = int(self.number(variable, "_FillValue", -1)) & 0xFFFF
        bits = self.bits(variable)
        missing = (bits == fill) & (bits > 65_530)
        return np.where(missing, np.nan, self.unpacked(variable, factors))

    def quality(self) -> Any:
        """Missing flags, which are beyond the valid range of 0 to 5, become -1."""
        bits = self.bits("flash_quality_flag")
        fill = int(self.number("flash_quality_flag", "_FillValue", -1)) & 0xFFFF
        return np.where((bits == fill) & (bits > 5), np.uint16(0xFFFF), bits).view(np.int16)


def read_plainly(path: Path) -> Reading:
    """By whichever of the two can read all variables; a file that both reject must not load."""
    errors = []
    for read in (Reading.with_h5py, Reading.with_netcdf4):
        try:
            return read(path)
        except Exception as error:  # noqa: BLE001  (whatever it raises, it rejects the file)
            errors.append(error)
    pytest.fail(f"loaded what h5py and netCDF4 both reject: {errors}")


def assert_same(flashes: GranuleFlashes, reading: Reading, name: GranuleName) -> None:
    """Every value equals the one that was read plainly."""
    start = np.datetime64(name.start.replace(tzinfo=None), "us")
    np.testing.assert_array_equal(flashes.flash_id, reading.bits("flash_id"))
    assert flashes.lat.tobytes() == reading.bits("flash_lat").tobytes()
    assert flashes.lon.tobytes() == reading.bits("flash_lon").tobytes()
    for times, variable in ((flashes.time, FIRST), (flashes.time_end, LAST)):
        since = reading.units(variable).partition(" since ")[2]
        difference = (times - np.datetime64(since.strip(), "us")) / np.timedelta64(1, "us")
        np.testing.assert_allclose(difference, reading.seconds(variable) * 1e6, rtol=0, atol=0.51)
        assert (abs((times - start) / np.timedelta64(1, "s")) <= 41).all()
    np.testing.assert_allclose(
        flashes.energy_j, reading.present("flash_energy", {"J": 1.0}), rtol=1e-12
    )
    np.testing.assert_allclose(
        flashes.area_km2, reading.present("flash_area", {"km2": 1.0, "m2": 1e-6}), rtol=1e-12
    )
    np.testing.assert_array_equal(flashes.quality_flag, reading.quality())


def assert_possible(flashes: GranuleFlashes, name: GranuleName) -> None:
    """Every value is one that a flash can have."""
    start = np.datetime64(name.start.replace(tzinfo=None), "us")
    assert len(np.unique(flashes.flash_id)) == len(flashes)
    assert (abs(flashes.lat) <= 90).all()
    assert (abs(flashes.lon) <= 180).all()
    offset_s = (flashes.time - start) / np.timedelta64(1, "s")
    duration_s = (flashes.time_end - flashes.time) / np.timedelta64(1, "s")
    assert ((offset_s >= -11) & (offset_s <= 41)).all()
    assert ((duration_s >= 0) & (duration_s <= 5)).all()
    for values, most in ((flashes.energy_j, 1e-9), (flashes.area_km2, 11_000)):
        present = values[~np.isnan(values)]
        assert ((present >= 0) & (present <= most)).all()
    assert ((flashes.quality_flag >= -1) & (flashes.quality_flag <= 5)).all()
    assert flashes.orbital_slot is None or flashes.orbital_slot.isprintable()
    assert flashes.declared_flash_count is None or 0 <= flashes.declared_flash_count <= 630_000


def sound_granules() -> list[Whole]:
    """Simulated ones of all eras, plain and compressed, and the real ones where there are any."""
    made = list(simulate_hour("G17", HOUR, numbers=[0, 90]))
    made += simulate_hour("G17", HOUR, numbers=[7], faults=Faults(compressed=True))
    for era in Era:
        made += simulate_hour("G16", HOUR, numbers=[30], faults=Faults(era=era))
    made += [(name_of(path), path.read_bytes()) for path in real_granule_paths()]
    return [Whole(name, content, find_spots(content)) for name, content in made]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_granule_is_corrupt_or_what_others_read(tmp_path: Path) -> None:
    wholes = sound_granules()
    randomly = random.Random(60)
    outcomes = {"loaded": 0, "changed": 0, "corrupt": 0}
    sound = [read_flashes(whole.content, whole.name) for whole in wholes]
    path = tmp_path / "granule.nc"
    for number in range(CASES):
        which = randomly.randrange(len(wholes))
        whole = wholes[which]
        damaged = damage(whole, randomly)
        path.write_bytes(damaged)
        try:
            flashes = read_flashes(path if number % 2 else damaged, whole.name)
        except CorruptGranuleError:
            outcomes["corrupt"] += 1
            continue
        assert_same(flashes, read_plainly(path), whole.name)
        assert_possible(flashes, whole.name)
        outcomes["changed" if differs(flashes, sound[which]) else "loaded"] += 1
    assert outcomes["loaded"] > CASES // 10
    assert outcomes["corrupt"] > CASES // 10
    assert outcomes["changed"] > CASES // 100, "some damage must be such that nobody notices"


def differs(flashes: GranuleFlashes, other: GranuleFlashes) -> bool:
    fields = ("flash_id", "time", "time_end", "lat", "lon", "energy_j", "area_km2", "quality_flag")
    return any(
        getattr(flashes, field).tobytes() != getattr(other, field).tobytes() for field in fields
    )


def ingest(archive: Path) -> HourSeries:
    """The hour through the nodes that choose and read granules, as a run does."""
    root = GranuleArchive(Storage(str(archive)), simulated=True)
    edges = {"start": HOUR, "end": HOUR + timedelta(hours=1)}
    segment = {side: f"{time:%Y-%m-%dT%H:%M:%S}" for side, time in edges.items()}
    nothing = LoadedGranulesDataset(path=str(archive / "none.duckdb")).load()
    selection, report = extract_granules(root, nothing, [{"platform": "G17", **segment}])
    tasks, _ = transform_granules(selection, report, nothing)
    (task,) = tasks.values()
    return task()


def test_hour_with_damaged_granules_loads_the_sound_ones(tmp_path: Path) -> None:
    randomly = random.Random(61)
    folder = tmp_path / hour_prefix(HOUR)
    folder.mkdir(parents=True)
    contents = dict(simulate_hour("G17", HOUR))
    bad = set(randomly.sample(sorted(contents, key=lambda name: name.start), 120))
    for name, content in contents.items():
        whole = Whole(name, content, find_spots(content)) if name in bad else None
        (folder / name.file_name).write_bytes(damage(whole, randomly) if whole else content)
    series = ingest(tmp_path)
    assert series.failures == ()
    status = dict(
        zip(
            series.granules["granule_start"].to_pylist(),
            series.granules["status"].to_pylist(),
            strict=True,
        )
    )
    assert len(status) == 180
    loaded = {start.replace(tzinfo=UTC) for start, what in status.items() if what != "corrupt"}
    assert loaded >= {name.start for name in contents if name not in bad}
    assert 180 - len(loaded) > 40, "damage must be such that many granules are corrupt"
    rows = series.flashes.group_by("granule_start").aggregate([("flash_id", "count")]).to_pydict()
    counts = dict(zip(rows["granule_start"], rows["flash_id_count"], strict=True))
    for name, content in contents.items():
        if name not in bad:
            expected = len(read_flashes(content, name))
            assert counts.get(name.start.replace(tzinfo=None), 0) == expected
