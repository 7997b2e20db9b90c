"""The format's data files: what they say, and that granules made from them stay the same."""

import hashlib
import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import h5py
import numpy as np
import pytest

from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.satellites import PLATFORMS, SATELLITES
from lightning_kedro.simulation.granule_template import TemplateKey, make_template
from lightning_kedro.simulation.granule_writer import (
    Events,
    Flashes,
    GranuleContent,
    Groups,
    encode_granule,
)
from lightning_kedro.simulation.lcfa import (
    Era,
    Variable,
    dimensions,
    format_of,
    formats,
    order_attributes,
)

MADE_BY_HDF5 = {"DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}


def make_content() -> GranuleContent:
    """Seven flashes of round numbers, with two groups each and three events in each group."""
    flash, group, event = np.arange(7), np.arange(14), np.arange(42)
    parent = group // 2
    flashes = Flashes(
        flash_id=(flash + 65_530).astype(np.uint16),
        first_event_s=flash * 2.5 - 1.25,
        last_event_s=flash * 2.5 - 0.75,
        lat=(flash * 8.5 - 25.5).astype(np.float32),
        lon=(flash * 4.25 - 90.0).astype(np.float32),
        energy_j=(flash + 1) * 3.0e-14,
        area_km2=(flash + 1) * 64.5,
        quality_flag=np.array([0, 0, 0, 0, 1, 3, 5], np.int16),
    )
    groups = Groups(
        group_id=(group + 70_000).astype(np.uint32),
        parent_flash_id=flashes.flash_id[parent],
        time_s=flashes.first_event_s[parent] + 0.25 * (group % 2),
        lat=flashes.lat[parent],
        lon=flashes.lon[parent],
        energy_j=flashes.energy_j[parent] / 2,
        area_km2=flashes.area_km2[parent] / 2,
        quality_flag=np.zeros(14, np.int16),
    )
    events = Events(
        event_id=(event + 90_000).astype(np.uint32),
        parent_group_id=groups.group_id[event // 3],
        time_s=groups.time_s[event // 3],
        lat=groups.lat[event // 3].astype(float),
        lon=groups.lon[event // 3].astype(float),
        energy_j=groups.energy_j[event // 3] / 3,
    )
    return GranuleContent(flashes, groups, events)


def describe_granule(data: bytes) -> list[str]:
    """All that a reader can see of a granule, a line for each attribute and variable, in order."""

    def attributes(owner: h5py.HLObject) -> list[str]:
        stored = {name: owner.attrs.get_id(name) for name in owner.attrs}
        return [
            f"  {name} {one.dtype} {one.shape} {np.asarray(owner.attrs[name]).tolist()}"
            for name, one in stored.items()
            if name not in MADE_BY_HDF5
        ]

    with h5py.File(io.BytesIO(data)) as file:
        lines = attributes(file)
        for name, variable in file.items():
            storage = (variable.maxshape, variable.chunks, variable.compression, variable.shuffle)
            scales = [scale.name for dim in variable.dims for scale in dim.values()]
            values = hashlib.sha256(np.ascontiguousarray(variable[()]).tobytes()).hexdigest()
            fill = np.asarray(variable.fillvalue).tolist()
            lines.append(f"{name} {variable.dtype} {variable.shape} {storage} {scales} {fill}")
            lines += [f"  {values}", *attributes(variable)]
    return lines


@pytest.mark.parametrize(
    ("platform", "start", "compressed", "expected"),
    [
        ("G16", datetime(2018, 7, 2, 4, 33, tzinfo=UTC), False, "3afda85954f3febc"),
        ("G17", datetime(2018, 10, 25, 10, 0, 20, tzinfo=UTC), False, "158376e051c3fca9"),
        ("G17", datetime(2019, 9, 27, 23, 59, 40, tzinfo=UTC), False, "0ac67e7f150c19c8"),
        ("G16", datetime(2020, 12, 31, 23, 59, 40, tzinfo=UTC), True, "45a5f19ba0b54cd3"),
        ("G18", datetime(2024, 2, 29, tzinfo=UTC), False, "2fa712c4138a3d8f"),
        ("G19", datetime(2025, 4, 7, 13, 0, 20, tzinfo=UTC), True, "bfe2497cbab0ae9b"),
    ],
)
def test_granule_is_the_one_that_was_always_made(
    platform: str, start: datetime, compressed: bool, expected: str
) -> None:
    """The digests are of what readers see, not of bytes: those are the HDF5 library's affair."""
    end = start + timedelta(seconds=20)
    created = end + timedelta(seconds=2.3)
    name = GranuleName(platform=platform, start=start, end=end, created=created, environment="IS")
    lines = describe_granule(encode_granule(name, make_content(), compressed=compressed))
    found = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert found[:16] == expected, "\n".join(lines)


def test_revisions_follow_one_another() -> None:
    since = [one.since for one in formats()]
    assert since[0] is None
    assert since[1:] == sorted(since[1:])
    assert [one.era for one in formats()] == [Era.E1, Era.E2, Era.E3, Era.E3]
    assert len({one.name for one in formats()}) == len(formats())


@pytest.mark.parametrize(
    ("start", "era", "expected"),
    [
        (datetime(2018, 10, 14, 23, 59, 40, tzinfo=UTC), None, "E1"),
        (datetime(2018, 10, 15, tzinfo=UTC), None, "E2"),
        (datetime(2018, 11, 6, tzinfo=UTC), None, "E3"),
        (datetime(2019, 11, 30, 23, 59, 40, tzinfo=UTC), None, "E3"),
        (datetime(2019, 12, 1, tzinfo=UTC), None, "E3-fine-energy"),
        (datetime(2025, 1, 1, tzinfo=UTC), Era.E1, "E1"),
        (datetime(2025, 1, 1, tzinfo=UTC), Era.E2, "E2"),
        (datetime(2018, 1, 1, tzinfo=UTC), Era.E2, "E2"),
        (datetime(2018, 1, 1, tzinfo=UTC), Era.E3, "E3"),
        (datetime(2025, 1, 1, tzinfo=UTC), Era.E3, "E3-fine-energy"),
    ],
)
def test_format_follows_the_date_within_the_era(
    start: datetime, era: Era | None, expected: str
) -> None:
    assert format_of(start, era).name == expected
    assert format_of(start, era) is format_of(start, era)


def test_every_row_of_every_revision_can_be_stored() -> None:
    for revision in formats():
        for variable in revision.variables.values():
            assert variable.dimension is None or variable.dimension in dimensions()
            assert variable.packing is None or variable.packing in revision.packings
            assert (variable.packing is None) or (variable.dtype == "i2" and variable.has_rows)
            assert np.isfinite(np.asarray(variable.value, variable.dtype)).all()


def test_numbers_of_attributes_have_the_type_of_their_variable() -> None:
    """As CF wants of ``_FillValue``, ``valid_range`` and ``flag_values``."""
    for variable in formats()[-1].variables.values():
        for name in {"_FillValue", "valid_range", "flag_values"} & set(variable.attributes):
            assert variable.attributes[name].dtype == np.dtype(variable.dtype), variable.name


@pytest.mark.parametrize("level", ["group", "flash"])
def test_quality_flags_have_a_part_for_each_meaning(level: str) -> None:
    flag: Variable = formats()[-1].variables[f"{level}_quality_flag"]
    assert list(flag.flags) == [0, 1, 3, 5]
    assert flag.flags[0] == "good_quality_qf"
    assert len(flag.flags) == flag.attributes["number_of_qf_values"]
    assert {f"percent_{meaning}" for meaning in flag.flags.values()} <= set(flag.attributes)
    assert formats()[-1].variables["flash_id"].flags == {}


def test_attributes_stand_in_the_files_order_whatever_order_the_data_have() -> None:
    given = {"units": "1", "axis": "T", "long_name": "time", "_FillValue": -1}
    assert list(order_attributes(given)) == ["_FillValue", "long_name", "units", "axis"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_satellite_has_its_instrument(platform: str) -> None:
    key = TemplateKey(
        platform=platform,
        view=field_of_view(platform),
        format=formats()[-1],
        compressed=False,
    )
    with h5py.File(io.BytesIO(make_template(key))) as file:
        assert file.attrs["instrument_ID"].decode() == SATELLITES[platform].instrument
        assert SATELLITES[platform].instrument in {"FM1", "FM2", "FM3", "FM4"}


def test_data_are_read_only_when_granules_are_made() -> None:
    code = (
        "from lightning_kedro.simulation import granule_writer, lcfa\n"
        "assert lcfa._read.cache_info().currsize == 0\n"
        "assert len(lcfa.formats()) == 4\n"
        "assert lcfa._read.cache_info().currsize == 2\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
