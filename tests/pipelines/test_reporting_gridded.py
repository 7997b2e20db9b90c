"""Flash extent density in pictures and report: which grids, which values, which pixels."""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from tests.pipelines.reported_results import Tables, make_tables

from lightning_kedro.analysis.grids.target import FixedGrid, LatLonGrid, make_fixed_grid
from lightning_kedro.exceptions import PartialRunError
from lightning_kedro.glm.lightning_ellipsoid import LOWERED
from lightning_kedro.pipelines.reporting import (
    density_panels,
    fed_animation,
    fed_map,
    gridded,
    gridded_nodes,
    nodes,
    panels,
    report,
)
from lightning_kedro.pipelines.reporting.frames import choose_frames
from lightning_kedro.pipelines.reporting.gridded import GriddedLightning, read_gridded
from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.raster import CellRaster, Pixels
from lightning_kedro.pipelines.reporting.reported import Drawing

NAME = "G18_20240714T2200_20240714T2300"
START = np.datetime64("2024-07-14T22:00", "ns")
BOX = {"west": 170.0, "south": 0.0, "degrees": 0.5, "columns": 60, "rows": 40}


def make_grids(
    values: Mapping[tuple[int, int, int], float], minutes: float = 1.0, steps: int = 60
) -> xr.Dataset:
    """Grids across 180 degrees as their file holds them; values by step, row and column."""
    field = np.zeros((steps, BOX["rows"], BOX["columns"]), np.float32)
    for place, value in values.items():
        field[place] = value
    begin = START + (np.arange(steps) * minutes * 60e9).astype("timedelta64[ns]")
    bounds = np.stack([begin, begin + np.timedelta64(round(minutes * 60e9), "ns")], 1)
    lon = BOX["west"] + BOX["degrees"] * np.arange(BOX["columns"])
    lat = BOX["south"] + BOX["degrees"] * np.arange(BOX["rows"])
    return xr.Dataset(
        {
            "flash_extent_density": (("time", "lat", "lon"), field),
            "time_bounds": (("time", "bounds"), bounds),
            "granule_count": ("time", np.full(steps, round(3 * minutes))),
            "lon_bounds": (("lon", "bounds"), np.stack([lon, lon + BOX["degrees"]], 1)),
            "lat_bounds": (("lat", "bounds"), np.stack([lat, lat + BOX["degrees"]], 1)),
        }
    )


def load(dataset: xr.Dataset, name: str = f"{NAME}_latlon0.5_1min") -> dict[str, Any]:
    return {name: lambda **_: dataset}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return make_tables(n=300)


def read(tables: Tables, dataset: xr.Dataset) -> GriddedLightning:
    return read_gridded(load(dataset), tables.window)


def test_value_is_the_most_of_any_five_minutes(tables: Tables) -> None:
    """In minutes 3 to 8, over the edge of a frame, it is seen by the frame in which they end."""
    made = read(tables, make_grids({(step, 3, 7): 2.0 for step in range(3, 8)} | {(50, 3, 7): 5.0}))
    assert made.edges.size - 1 == 12
    values = {frame: made.within(frame, frame + 1) for frame in range(12)}
    assert values[0][1].tolist() == [4.0]
    assert values[1][1].tolist() == [10.0]
    assert values[2][1].tolist() == [4.0], "the last two are within five minutes of minute 11"
    assert values[10][1].tolist() == [5.0]
    assert values[5][1].size == 0
    assert made.within(0, 12)[0].tolist() == [3 * 60 + 7]
    assert made.within(0, 12)[1].tolist() == [10.0]
    assert (made.n_granules, made.n_expected, made.minutes) == (180, 180, 5.0)


@pytest.mark.parametrize(
    ("minutes", "steps", "value", "of"),
    [(10.0, 6, 8.0, 10.0), (2.0, 30, 20.0, 4.0), (60.0, 1, 8.0 / 6.0, 60.0), (5.0, 12, 16.0, 5.0)],
)
def test_other_steps_are_given_per_five_minutes(
    tables: Tables, minutes: float, steps: int, value: float, of: float
) -> None:
    made = read(tables, make_grids({(0, 0, 0): 16.0}, minutes, steps))
    assert made.value.tolist() == [pytest.approx(value)] * made.value.size
    assert made.minutes == of
    assert ("most flashes in any 5 minutes" in fed_map.explain_values(made)) == (of == 5.0)


def test_frames_are_no_finer_than_the_steps() -> None:
    tables = make_tables(n=30, hours=1 / 6)
    made = read_gridded(
        load(
            make_grids({(1, 0, 0): 1.0}, 5.0, 2), "G18_20240714T2200_20240714T2210_latlon0.5_5min"
        ),
        tables.window,
    )
    assert made.edges.size - 1 == 2
    assert made.frame.tolist() == [1]
    title = fed_animation.describe_fed_animation(tables.clustered, made).title
    assert title.startswith("Flash extent density, GOES-18")


def test_grids_of_the_very_selection_are_taken(tables: Tables) -> None:
    window = tables.window
    names = [
        f"{NAME}_conus_1min",
        f"{NAME}_latlon0.1_1min",
        f"{NAME}_full-disk_window",
        f"{NAME}_full-disk_1min_join",
        f"{NAME}_region1_2_3_4_conus_1min",
        "G18_20240714T2200_20240714T2330_full-disk_1min",
        f"{NAME}_label-mine_full-disk_1min",
    ]
    assert gridded._choose(dict.fromkeys(names), window) == [
        f"{NAME}_full-disk_1min_join",
        f"{NAME}_latlon0.1_1min",
        f"{NAME}_conus_1min",
        f"{NAME}_full-disk_window",
    ]
    labelled = make_tables(n=10, label="mine").window
    assert gridded._choose(dict.fromkeys(names), labelled)[0] == names[-1]


def test_grids_that_cannot_be_read_are_left_out(
    tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> None:
        message = "it is damaged"
        raise OSError(message)

    made = read_gridded({f"{NAME}_conus_1min": fail}, tables.window)
    assert not made
    assert "cannot be read and are left out: it is damaged" in caplog.text


def test_grid_is_that_of_the_file(tables: Tables) -> None:
    assert read(tables, make_grids({})).grid == LatLonGrid(170.0, 0.0, 0.5, 60, 40)
    fixed = make_fixed_grid("conus", -137.0)
    attributes = {"longitude_of_projection_origin": -137.0}
    file = xr.Dataset(
        {"goes_imager_projection": ((), 0, attributes), "x": fixed.center_x, "y": fixed.center_y},
        attrs={"scene_id": "CONUS"},
    )
    assert gridded._read_grid(file) == fixed


def paint(
    grid: FixedGrid | LatLonGrid, cells: list[int], extent: Extent, wide: int, high: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are painted, and which the grid covers."""
    laid = CellRaster(grid, Pixels(extent, wide, high), LOWERED)
    painted = laid.paint(np.array(cells), np.ones(len(cells), np.float32))
    return ~np.ma.getmaskarray(painted), laid.covered


def test_no_cell_is_lost_where_cells_are_smaller_than_pixels() -> None:
    grid = LatLonGrid(170.0, 0.0, 0.01, 2000, 1000)
    cells = [5 * 2000 + 7, 500 * 2000 + 1500]
    seen, _ = paint(grid, cells, Extent(160.0, 200.0, -5.0, 15.0), 40, 20)
    assert [tuple(place) for place in np.argwhere(seen)] == [(5, 10), (10, 25)]


def test_no_hole_is_left_where_cells_are_larger_than_pixels() -> None:
    grid = LatLonGrid(170.0, 0.0, 10.0, 2, 1)
    seen, covered = paint(grid, [1], Extent(160.0, 200.0, -5.0, 15.0), 40, 20)
    assert seen.sum() == 10 * 10
    assert seen[5:15, 20:30].all()
    assert covered.sum() == 20 * 10


def test_fixed_grid_is_painted_where_its_cells_are_on_the_lightning_ellipsoid() -> None:
    from lightning_kedro.analysis.grids.fixed_grid import project

    grid = make_fixed_grid("full_disk", -137.0)
    x, y = project([10.0], [-150.0], -137.0, LOWERED)
    column, row = (np.floor(part).astype(int) for part in grid._to_cells(x, y))
    cell = int(row[0] * grid.columns + column[0])
    seen, covered = paint(grid, [cell], Extent(-151.0, -149.0, 9.0, 11.0), 200, 200)
    rows, columns = np.nonzero(seen)
    assert abs(rows.mean() - 100) < 2
    assert abs(columns.mean() - 100) < 2
    assert covered.all()


def test_panels_are_hours_of_longer_windows() -> None:
    def edges(start: str, hours: float) -> list[str]:
        begin = np.datetime64(start, "us").item()
        end = (np.datetime64(start, "us") + np.timedelta64(round(hours * 3600), "s")).item()
        made = panels.choose_panels(choose_frames(begin, end))
        return [str(one)[5:16] for one in made]

    assert len(edges("2024-07-14T22:00", 1)) == 13
    assert edges("2024-07-14T22:30", 2) == [
        *("07-14T22:30", "07-14T23:00", "07-15T00:00", "07-15T00:30"),
    ]
    assert len(edges("2024-07-14T00:00", 24)) == 25
    two_days = edges("2024-07-14T00:00", 48)
    assert len(two_days) == 25
    assert two_days[1] == "07-14T02:00"
    assert len(edges("2024-07-01T00:00", 31 * 24)) <= 25


def test_panels_lie_apart_and_on_the_page() -> None:
    extent = Extent(-150.0, -50.0, -20.0, 50.0)
    for count in (1, 2, 7, 12, 24):
        layout = panels.choose_layout(count, extent)
        places = [layout.place(number) for number in range(count)]
        assert len(set(places)) == count
        assert min(bottom for _, bottom in places) > 0
        assert max(left for left, _ in places) + layout.wide < 0.87 * 1440
        assert layout.wide > 180


def open_picture(drawing: Drawing) -> Any:
    return Image.open(io.BytesIO(drawing.content))


@pytest.fixture(scope="module")
def filled(tables: Tables) -> GriddedLightning:
    """A storm at 11 N, 178 W, across the meridian."""
    storm = {(step, 20 + at, 22 + at): 8.0 for step in range(60) for at in range(-3, 4)}
    return read(tables, make_grids(storm))


def test_pictures_show_the_grids(tables: Tables, filled: GriddedLightning) -> None:
    reported = tables.reported
    drawn = {
        "map": gridded_nodes.map_fed(reported, filled),
        "panels": gridded_nodes.map_fed_parts(reported, filled),
    }
    hottest = [
        int(255 * part) for part in fed_map.make_scale().colors(fed_map.make_scale().norm(40.0))[:3]
    ]
    for name, one in drawn.items():
        image = open_picture(one)
        assert image.size == (1440, 960)
        assert "highest 40" in image.info["Description"], name
        pixels = np.asarray(image.convert("RGB")).astype(int)[:, :1150]
        assert (abs(pixels - hottest).max(axis=2) <= 2).sum() > 50, name
    animation = open_picture(gridded_nodes.animate_fed(reported, filled))
    assert (animation.size, animation.n_frames) == ((900, 600), 12)
    assert "No grids" not in fed_map.describe_fed("FED", reported.clustered, filled).empty


def test_without_grids_pictures_say_so_and_the_report_leaves_them_out(tables: Tables) -> None:
    reported = tables.reported
    none = gridded_nodes.select_grids(reported, {})
    image = open_picture(gridded_nodes.map_fed(reported, none))
    assert "No grids have been made of this window" in image.info["Description"]
    page = np.asarray(image.convert("RGB")).astype(int)
    framed = np.flatnonzero((abs(page - page[300, 5]).max(axis=2) > 40).sum(axis=1)[150:900]) + 150
    assert abs(0.5 * (framed[0] + framed[-1]) - 0.54 * image.height) < 10, "in the middle"
    assert open_picture(gridded_nodes.animate_fed(reported, none)).n_frames == 1


@pytest.mark.parametrize("has_grids", [True, False])
def test_report_has_the_pictures_of_grids_if_there_are_any(
    tables: Tables, filled: GriddedLightning, has_grids: bool
) -> None:
    picture = gridded_nodes.map_density_parts(tables.reported)
    made = filled if has_grids else gridded_nodes.select_grids(tables.reported, {})
    of_grids = gridded_nodes.name_source(tables.reported, made)
    sources = [of_grids if name in report.OF_GRIDS else picture.source for name in report.PICTURES]
    drawn = [Drawing(source, picture.content) for source in sources]
    chart = Drawing(picture.source, b"{}")
    (published, *_) = nodes.gather_report(
        tables.reported,
        None,
        None,
        {},
        "",
        made,
        *drawn,
        chart,  # type: ignore[arg-type]
    )
    page = published.files["report.html"].decode()
    for name in report.OF_GRIDS:
        assert (f'<figure id="{name}">' in page) == has_grids
        assert any(file.startswith(f"{name}.") for file in published.files)
    assert '<figure id="density_panels">' in page


def test_pictures_of_other_grids_are_refused(tables: Tables, filled: GriddedLightning) -> None:
    """Grids were made between two runs of some of the nodes."""
    none = gridded_nodes.select_grids(tables.reported, {})
    drawn = gridded_nodes.map_fed(tables.reported, none)
    with pytest.raises(PartialRunError, match=r"A picture was drawn of G18_.* on no grids, but"):
        nodes.gather_report(
            tables.reported,
            None,
            None,
            {},
            "",
            filled,
            drawn,  # type: ignore[arg-type]
        )


def test_density_of_parts_is_per_covered_hour() -> None:
    tables = make_tables(n=400, hours=2)
    rate = tables.reported.rate
    edges = choose_frames(tables.window.start, tables.window.end)[[0, 12, 24]]
    assert density_panels.cover_hours(edges, rate).tolist() == [1.0, 1.0]
    lost = tables.granules[tables.granules["granule_start"] >= "2024-07-14T22:30"]
    rate = replace(tables, granules=lost).reported.rate
    assert density_panels.cover_hours(edges, rate).tolist() == [0.5, 1.0]


def test_part_without_data_says_so() -> None:
    tables = make_tables(n=400, hours=2)
    late = tables.granules[tables.granules["granule_start"] >= "2024-07-14T23:00"]
    reported = replace(tables, granules=late).reported
    words = density_panels.describe_panels(reported.clustered)
    figure = density_panels.draw_density_panels(reported.clustered, reported.rate, words)
    texts = [text.get_text() for text in figure.texts]
    assert texts.count("no data") == 1
    assert "22:00\N{EN DASH}23:00" in texts
