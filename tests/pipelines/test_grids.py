"""The grids pipeline: whole runs, and which flashes of which granules count where."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from kedro.io import DataCatalog, MemoryDataset
from tests.conftest import (
    SHARED_GRANULES,
    Project,
    lay_out,
    needs_real_granules,
    real_granule_paths,
)
from tests.glm.granule_files import NAME, content
from tests.test_parameters import NOW

from lightning_kedro import file_formats
from lightning_kedro.analysis import artifacts
from lightning_kedro.exceptions import ArchiveError, ParameterError
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.flashes import read_flashes
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.hours import archive_hours
from lightning_kedro.granules.ports import GranuleReader, RawGranules
from lightning_kedro.granules.record import Content, HourRecord, HourReport, StoredGranule
from lightning_kedro.hooks import find_failures
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.grids.gridding import find_near
from lightning_kedro.pipelines.grids.nodes import grid_lightning, select_granules
from lightning_kedro.selection import Selection
from lightning_kedro.simulation.granule_writer import encode_granule
from lightning_kedro.simulation.hour import simulate_hour
from lightning_kedro.sky import see_flashes

REAL = (
    f"archive={SHARED_GRANULES},satellite=G16,"
    "window.start=2018-07-02T04:33,window.end=2018-07-02T04:34"
)
COUNT = 300
EPOCH = np.datetime64("2020-07-01T12:00:20", "us")


class Granules(GranuleReader, RawGranules):
    """Granules in memory."""

    def __init__(self, contents: dict[GranuleName, Content]) -> None:
        self.contents = contents
        self.read: list[GranuleName] = []

    @property
    def reader(self) -> GranuleReader:
        return self

    def find_missed(self, granules: Iterable[StoredGranule]) -> dict[str, str]:  # noqa: ARG002
        return {}

    def read_all(self, granules: Iterable[StoredGranule]) -> Any:
        for granule in granules:
            self.read.append(granule.name)
            yield granule, self.contents[granule.name]

    @property
    def stored(self) -> list[StoredGranule]:
        return [StoredGranule(name, name.file_name, 1) for name in self.contents]


def shift(name: GranuleName, seconds: float, created: float = 0.0) -> GranuleName:
    late = timedelta(seconds=seconds)
    return replace(
        name,
        start=name.start + late,
        end=name.end + late,
        created=name.created + late + timedelta(seconds=created),
    )


def make_granule(name: GranuleName = NAME) -> bytes:
    return encode_granule(name, content(COUNT))


def check(**changes: Any) -> dict[str, Any]:
    window = {"start": "2020-07-01T12:00:00", "end": "2020-07-01T12:02:00"}
    return check_parameters({"satellite": "G16", "window": window, **changes}, now=NOW)


def run(granules: Granules, **changes: Any) -> list[Any]:
    """The steps of a window."""
    checked = check(**changes)
    hours = archive_hours(Selection.from_plain(checked["selection"]).segments)
    report = HourReport((HourRecord(hours[0], wanted=tuple(granules.stored)),))
    return list(grid_lightning(granules, report, checked["selection"], checked["grids"]).make())


def count_flashes(steps: Iterable[Any]) -> list[int]:
    return [int(step.sums.take("flash_centroids").sum()) for step in steps]


DEGREES = {"domain": "latlon", "degrees": 1.0, "step_minutes": 1}


def seen_times() -> Any:
    """Times of the granule's flashes, in seconds after its start."""
    return np.linspace(-1.7, 18.0, COUNT)


def test_flashes_count_in_the_step_of_their_first_event() -> None:
    late = shift(NAME, 40)  # it starts with the second minute; some of its flashes began before
    steps = run(Granules({late: make_granule(late)}), grids=DEGREES)
    before = int(np.count_nonzero(seen_times() < 0))
    assert count_flashes(steps) == [before, COUNT - before]
    assert [step.granule_count for step in steps] == [0, 1]


def test_flashes_count_in_the_step_of_their_granule_if_asked_for() -> None:
    late = shift(NAME, 40)
    grids = {**DEGREES, "time_of": "granule"}
    assert count_flashes(run(Granules({late: make_granule(late)}), grids=grids)) == [0, COUNT]


def test_the_whole_window_is_one_step_if_asked_for() -> None:
    granules = Granules({name: make_granule(name) for name in (NAME, shift(NAME, 40))})
    steps = run(granules, grids={**DEGREES, "step_minutes": 0})
    assert count_flashes(steps) == [2 * COUNT]
    assert steps[0].granule_count == 2


def test_window_takes_flashes_of_the_granules_about_it() -> None:
    """A flash that began in the window is in the granule in which it closed."""
    after = shift(NAME, 100)  # 12:02:00, when the window ends
    steps = run(Granules({after: make_granule(after)}), grids=DEGREES)
    assert count_flashes(steps) == [0, int(np.count_nonzero(seen_times() < 0))]
    assert [step.granule_count for step in steps] == [0, 0]


def test_region_and_quality_choose_flashes() -> None:
    flashes = content(COUNT).flashes
    within = (flashes.lon >= -100) & (flashes.lon <= -60) & (flashes.lat >= -30)
    good = within & (flashes.quality_flag == 0)
    region = {"west": -100, "south": -30, "east": -60, "north": 30}
    granules = Granules({NAME: make_granule()})
    for quality, expected in (("all", within), ("good", good)):
        chosen = {"region": region, "min_quality": quality}
        steps = run(granules, preprocessing=chosen, grids=DEGREES)
        assert sum(count_flashes(steps)) == np.count_nonzero(expected)


def test_newest_creation_stands_and_one_that_cannot_be_read_makes_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    newer = shift(NAME, 0, created=60)
    good = Granules({NAME: b"", newer: make_granule(newer)})
    assert sum(count_flashes(run(good, grids=DEGREES))) == COUNT
    bad = Granules({NAME: make_granule(), newer: b"cut short"})
    steps = run(bad, grids=DEGREES)
    assert sum(count_flashes(steps)) == COUNT
    assert bad.read == [newer, NAME]
    assert "1 granules could not be read and are not in the grids" in caplog.text
    assert newer.file_name in caplog.text


def test_granules_that_are_missing_are_counted_as_such(caplog: pytest.LogCaptureFixture) -> None:
    names = [shift(NAME, seconds) for seconds in (0, 20, 40, 60, 80)]
    missing = Granules(dict.fromkeys(names, ArchiveError("no answer")))
    steps = run(missing, grids=DEGREES)
    assert [step.granule_count for step in steps] == [0, 0]
    assert count_flashes(steps) == [0, 0]
    assert "5 granules could not be read" in caplog.text
    assert "and 2 more" in caplog.text


def test_steps_are_given_before_all_granules_are_read() -> None:
    """Memory holds the steps that are not finished, and no others."""
    names = [shift(NAME, 60 * minute) for minute in range(6)]
    granules = Granules({name: make_granule(name) for name in names})
    checked = check(window={"start": "2020-07-01T12:00", "end": "2020-07-01T12:06"}, grids=DEGREES)
    hours = archive_hours(Selection.from_plain(checked["selection"]).segments)
    report = HourReport((HourRecord(hours[0], wanted=tuple(granules.stored)),))
    made = grid_lightning(granules, report, checked["selection"], checked["grids"]).make()
    read = []
    for step in made:
        assert len(step.sums) > 0
        read.append(len(granules.read))
    assert read == [2, 3, 4, 5, 6, 6]


def test_only_granules_near_the_window_are_read() -> None:
    segments = Selection.from_plain(check()["selection"]).segments
    near = [shift(NAME, seconds) for seconds in (-40, -20, 0, 100, 120)]
    far = [shift(NAME, -100), shift(NAME, 180), replace(NAME, platform="G17")]
    granules = [StoredGranule(name, "", 1) for name in (*near, *far)]
    assert [granule.name for granule in find_near(granules, segments)] == near


def test_empty_granule_counts_as_one_that_was_read() -> None:
    granules = Granules({NAME: encode_granule(NAME, content(0))})
    steps = run(granules, grids=DEGREES)
    assert [step.granule_count for step in steps] == [1, 0]
    assert count_flashes(steps) == [0, 0]


def test_each_satellite_counts_in_its_own_part_of_the_window() -> None:
    """GOES-East changed hands at midnight; both satellites saw the flashes about it."""
    midnight = datetime(2025, 4, 7, tzinfo=UTC)
    names = [
        shift(replace(NAME, platform=platform), (start - NAME.start).total_seconds())
        for platform in ("G16", "G19")
        for start in (midnight - timedelta(seconds=20), midnight)
    ]
    window = {"start": "2025-04-06T23:59", "end": "2025-04-07T00:01"}
    steps = run(
        Granules({name: make_granule(name) for name in names}),
        satellite="east",
        window=window,
        grids=DEGREES,
    )
    before, early = seen_times() < 0, int(np.count_nonzero(seen_times() < 0))
    assert count_flashes(steps) == [COUNT + early, int(np.count_nonzero(~before))]
    assert [step.granule_count for step in steps] == [1, 1]


def test_what_could_not_be_fetched_is_a_failure_of_the_run() -> None:
    class Missed(Granules):
        def find_missed(self, granules: Iterable[StoredGranule]) -> dict[str, str]:
            return {granule.name.file_name: "no answer" for granule in granules}

    granules = Missed({NAME: b""})
    hour = archive_hours(Selection.from_plain(check()["selection"]).segments)[0]
    record = HourRecord(hour, wanted=tuple(granules.stored), failures=("503",))
    catalog = DataCatalog(
        {
            "grid_report": MemoryDataset(HourReport((record,))),
            "grid_granules": MemoryDataset(granules, copy_mode="assign"),
        }
    )
    assert find_failures(catalog) == ["503", "no answer"]


def test_satellite_that_moves_has_no_fixed_grid_of_its_own() -> None:
    window = {"start": "2018-11-12T23:00", "end": "2018-11-13T01:00"}
    changes = {"satellite": "G17", "window": window}
    message = r"grids\.domain: the satellite moves within the window, .* choose latlon, or a window"
    with pytest.raises(ParameterError, match=message):
        run(Granules({}), **changes, grids={"domain": "full_disk"})
    assert len(run(Granules({}), **changes, grids={**DEGREES, "step_minutes": 60})) == 2


def test_degrees_are_of_the_region_or_of_what_the_satellite_sees() -> None:
    def grid_of(**changes: Any) -> Any:
        checked = check(grids=DEGREES, **changes)
        report = HourReport(())
        return grid_lightning(Granules({}), report, checked["selection"], checked["grids"]).grid

    view = field_of_view("G18", datetime(2024, 7, 14, tzinfo=UTC))
    west = grid_of(satellite="G18", window={"start": "2024-07-14", "end": "2024-07-15"})
    assert west.west == view.west < -180
    assert west.center_lon[-1] >= view.east - 1
    box = grid_of(preprocessing={"region": {"west": 170, "south": 0, "east": -170, "north": 10}})
    assert (box.west, box.columns, box.rows) == (170, 20, 10)


@pytest.mark.parametrize("domain", ["conus", "full_disk"])
def test_both_slots_have_no_fixed_grid_together(domain: str) -> None:
    window = {"start": "2024-07-14T22:00", "end": "2024-07-14T22:01"}
    message = (
        rf"grids\.domain: {domain} is of the fixed grid of one slot, .* choose latlon, or east"
    )
    with pytest.raises(ParameterError, match=message):
        run(Granules({}), satellite="both", window=window, grids={"domain": domain})


BOTH: dict[str, Any] = {
    "satellite": "both",
    "window": {"start": "2024-07-14T22:00:40", "end": "2024-07-14T22:01:20"},
    "grids": {"domain": "latlon", "degrees": 2.0, "step_minutes": 0},
    "preprocessing": {"min_quality": "good"},
}


@pytest.fixture(scope="module")
def of_both() -> dict[GranuleName, Content]:
    """Six granules of each satellite, four of them outside of the window of two."""
    hour = datetime(2024, 7, 14, 22, tzinfo=UTC)
    return {
        name: granule
        for platform in ("G16", "G18")
        for name, granule in simulate_hour(platform, hour, numbers=range(6))
    }


def test_flash_that_both_slots_saw_is_on_the_grid_once(of_both: dict[GranuleName, Content]) -> None:
    """The flashes as the pipeline sky has them of the table."""
    selection = Selection.from_plain(check(**BOTH)["selection"])
    (step,) = run(Granules(of_both), **BOTH)
    assert step.granule_count == 4
    columns = ("platform", "time", "flash_id")
    seen = see_flashes(StoredFlashes(of_both), selection, columns)
    assert seen.both is not None
    assert count_flashes([step]) == [seen.table.num_rows]
    alone = [
        sum(count_flashes(run(Granules(of_both), **{**BOTH, "satellite": slot})))
        for slot in ("east", "west")
    ]
    assert sum(alone) - seen.table.num_rows == len(seen.both.matches) > 50
    of_west = {name: granule for name, granule in of_both.items() if name.platform == "G18"}
    assert count_flashes(run(Granules(of_west), **BOTH)) == [alone[1]], "the other one lacks all"


def test_grid_of_both_slots_says_so_and_what_either_sees() -> None:
    checked = check(**BOTH)
    window = grid_lightning(Granules({}), HourReport(()), checked["selection"], checked["grids"])
    assert window.facts["platform_ID"] == "G16+G18"
    assert window.facts["orbital_slot"] == "GOES-East+GOES-West"
    assert "counts once" in window.facts["both_slots"]
    assert window.see is not None
    sees = window.see()
    assert sees[:, 0].any()
    assert sees[:, -1].any(), "from the one rim to the other"


class StoredFlashes:
    """What the table ``flashes`` would hold of granules."""

    def __init__(self, contents: dict[GranuleName, Any]) -> None:
        self.contents = contents

    def read(self, selection: Selection, columns: Iterable[str]) -> pa.Table:
        tables = []
        for name, granule in self.contents.items():
            found = read_flashes(granule, name)
            chosen = (found.quality_flag == 0) | (not selection.good_only)
            rows = {
                "platform": [name.platform] * int(chosen.sum()),
                "granule_start": np.full(
                    int(chosen.sum()), name.start.replace(tzinfo=None), "M8[us]"
                ),
                **{
                    column: getattr(found, column)[chosen]
                    for column in columns
                    if hasattr(found, column)
                },
            }
            tables.append(pa.table({column: rows[column] for column in columns}))
        order = [("time", "ascending"), ("platform", "ascending"), ("flash_id", "ascending")]
        return pa.concat_tables(tables).sort_by(order)


def test_places_on_the_ground_lie_farther_from_the_satellite() -> None:
    """Both centroids and extents move: by 14 km and more toward the edge of the view.

    Where a line of sight passes by the Earth, at the very rim, pixels are left out.
    """
    granules = Granules({NAME: make_granule()})
    changes = {"grids": {**DEGREES, "degrees": 0.1, "step_minutes": 0}}
    (files,) = run(granules, **changes)
    (ground,) = run(granules, **changes, preprocessing={"place": "ground"})
    for name, share in (("flash_centroids", 0.0), ("energy", 0.01), ("flash_extent", 0.1)):
        before, after = (one.sums.take(name).sum() for one in (files, ground))
        assert after == pytest.approx(before, rel=share), name
    lit = [set(one.sums.cell[one.sums.take("flash_centroids") > 0]) for one in (files, ground)]
    assert lit[0] != lit[1]
    fixed = [
        run(granules, grids={"domain": "full_disk"}, preprocessing={"place": place})[0].sums
        for place in ("ellipsoid", "ground")
    ]
    assert np.array_equal(fixed[0].sums, fixed[1].sums), "angles are the same wherever one looks"


def test_region_of_grids_is_that_of_the_new_places() -> None:
    """A box that begins at the northernmost centroid holds none but those moved into it."""
    granules = Granules({NAME: make_granule()})
    lat = content(COUNT).flashes.lat
    north = float(lat.max()) + 1e-4
    region = {"west": -180, "south": north, "east": 180, "north": min(north + 5, 90)}
    counts = [
        sum(count_flashes(run(granules, grids=DEGREES, preprocessing={"region": region, **given})))
        for given in ({}, {"place": "ground"})
    ]
    assert counts[0] == 0
    assert counts[1] > 0


def test_flashes_of_the_sun_are_left_out_of_grids_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    granules = Granules({NAME: make_granule()})
    kept = sum(count_flashes(run(granules, grids=DEGREES)))
    monkeypatch.setattr(artifacts, "GLINT_DEG", 200.0)
    assert sum(count_flashes(run(granules, grids=DEGREES))) == kept
    changes = {"grids": DEGREES, "preprocessing": {"artifacts": "leave_out"}}
    assert sum(count_flashes(run(granules, **changes))) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grids": {"format": "zarr"}}, r"grids\.format: zarr needs the package zarr: install"),
        ({"satellite": "both"}, r"grids\.domain: conus is of the fixed grid of one slot, and"),
    ],
)
def test_what_cannot_be_gridded_is_said_before_granules_are_fetched(
    changes: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_formats, "find_spec", lambda _: None)
    window = {"start": "2024-12-01T12:00:00", "end": "2024-12-01T12:02:00"}
    checked = check(**{"window": window, **changes})
    archive = Mock()
    with pytest.raises(ParameterError, match=words):
        select_granules(archive, checked["selection"], checked["grids"])
    assert archive.mock_calls == []


def test_every_choice_has_a_file_of_its_own() -> None:
    choices: list[dict[str, Any]] = [
        {},
        {"domain": "full_disk"},
        {"domain": "latlon"},
        {"domain": "latlon", "degrees": 0.25},
        {"step_minutes": 5},
        {"step_minutes": 0},
        {"time_of": "granule"},
        {"split_pixels": "join"},
    ]
    names = []
    for choice in choices:
        checked = check(grids=choice)
        window = grid_lightning(
            Granules({}), HourReport(()), checked["selection"], checked["grids"]
        )
        assert window.name.startswith(checked["selection"]["name"] + "_")
        names.append(window.name)
    assert len(set(names)) == len(names)
    assert names[0] == "G16_20200701T1200_20200701T1202_conus_1min"


def test_simulated_run_makes_a_file_that_says_so_the_same_each_time(
    project: Project, tmp_path: Path
) -> None:
    hour = datetime(2024, 7, 14, 22, tzinfo=UTC)
    archive = tmp_path / "archive"
    folder = archive / hour_prefix(hour)
    folder.mkdir(parents=True)
    for name, granule in simulate_hour("G18", hour, numbers=range(29, 37)):
        (folder / name.file_name).write_bytes(granule)
    window = "window.start=2024-07-14T22:10,window.end=2024-07-14T22:12"
    parameters = f"archive={archive},{window},grids.domain=latlon,grids.format=both"
    options = ("--env", "sample", "--pipelines", "grids", "--params", parameters)
    run = project.succeed(*options)
    folder = project.folder / "data" / "sample" / "07_model_output" / "grids"
    (path,) = folder.glob("*.nc")
    assert str(path) in run.output or path.name in run.output
    before = path.read_bytes()
    with xr.open_dataset(path) as file:
        with xr.open_zarr(path.with_suffix(".zarr"), chunks=None) as store:
            xr.testing.assert_identical(store, file)
        assert file.attrs["simulated"] == "true"
        assert file.granule_count.values.tolist() == [3, 3]
        assert float(file.flash_extent_density.sum()) > 0
        assert file.flash_extent_density.attrs["ancillary_variables"] == "field_of_view"
        seen = file.field_of_view
        assert seen.dims == ("lat", "lon")
        assert seen.attrs["flag_meanings"] == "not_seen seen"
        assert float(seen.sel(lat=0, lon=-137, method="nearest")) == 1
        assert float(seen.isel(lat=0, lon=0)) == 0, "a corner of the box about the disc"
        lit = (file.flash_extent_density > 0).any("time")
        assert float((lit & (seen == 1)).sum() / lit.sum()) > 0.99
    project.succeed(*options)
    assert path.read_bytes() == before


@needs_real_granules
def test_real_minute_is_glmtools(project: Project) -> None:
    """What the file holds, as ``tests/analysis/test_grids_truth.py`` has it."""
    project.succeed("--pipelines", "grids", "--params", f"{REAL},grids.time_of=granule")
    (path,) = (project.folder / "data" / "07_model_output" / "grids").glob("*.nc")
    assert path.name == "G16_20180702T0433_20180702T0434_conus_1min_granule.nc"
    with xr.open_dataset(path) as file:
        assert float(file.flash_extent_density.max()) == 21.0
        assert float(file.flash_extent_density.sum()) == pytest.approx(46_067, rel=2e-4)
        assert file.granule_count.values.tolist() == [3]
        assert file.attrs["simulated"] == "false"
        assert "6394140.0 m" in file.attrs["lightning_ellipsoid"]


@needs_real_granules
def test_archive_laid_out_as_a_bucket_is_read_too(project: Project, tmp_path: Path) -> None:
    """GOES-West across midnight and 180 degrees; flashes by their own time."""
    paths = [path for path in real_granule_paths() if "_G17_s2019" in path.name]
    archive = lay_out(tmp_path / "archive", paths)
    project.succeed(
        *("--pipelines", "grids", "--params"),
        f"archive={archive},satellite=G17,window.start=2019-09-26T23:59,"
        "window.end=2019-09-27T00:01,grids.domain=latlon,grids.products=flash_centroid_density",
    )
    (path,) = (project.folder / "data" / "07_model_output" / "grids").glob("*.nc")
    with xr.open_dataset(path) as file:
        assert file.granule_count.values.tolist() == [1, 2]
        assert float(file.lon.min()) < -180
        west = file.flash_centroid_density.sel(lon=slice(-210, -180))
        assert float(west.sum()) > 0, "flashes west of the line"
