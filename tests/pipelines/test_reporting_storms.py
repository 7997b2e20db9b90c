"""The pictures of storms, and what the report says of them."""

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from PIL import Image
from tests.pipelines.reported_results import Handle, Tables, make_tables, write_page
from tests.pipelines.storm_results import make_storms, make_stormy, name
from tests.pipelines.test_reporting_palette import EYES, see
from tests.pipelines.test_reporting_report import read_data

from lightning_kedro.analysis.sphere import KM_PER_DEGREE
from lightning_kedro.exceptions import PartialRunError
from lightning_kedro.pipelines.reporting import (
    animation,
    cluster_map,
    interactive_storms,
    labels,
    nodes,
    storm_findings,
    storm_map,
    storm_series,
    storm_shapes,
    storm_window,
)
from lightning_kedro.pipelines.reporting.palette import DARK, LIGHT, separate_colors
from lightning_kedro.pipelines.reporting.storm_scene import Scene, move_to_map
from lightning_kedro.results import Result

NEAR = ((30.0, -90.0), (31.0, -88.0), (29.0, -87.0))


@pytest.fixture(scope="module")
def stormy() -> Tables:
    """Four storms on both sides of 180 degrees that drift east for an hour."""
    return make_stormy(n=2000)


def texts_of(figure: Any) -> list[str]:
    axes = [text.get_text() for one in figure.axes for text in one.texts]
    return [text.get_text() for text in figure.texts] + axes


def draw_map(tables: Tables) -> Any:
    clustered, storms = tables.clustered, tables.reported.storms
    words = storm_map.describe_storms(clustered, storms)
    return storm_map.draw_storm_map(clustered, storms, words)


def draw_series(tables: Tables) -> Any:
    reported = tables.reported
    words = storm_series.describe_series(reported.clustered, reported.storms)
    return storm_series.draw_storm_series(
        reported.clustered, reported.storms, reported.rate.gaps, words
    )


places = st.tuples(st.floats(-55, 55), st.floats(-180, 180))


@given(places, st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40))
def test_outlines_hold_all_flashes_wherever_they_are(
    middle: tuple[float, float], offsets: list[tuple[float, float]]
) -> None:
    """Of one flash, of some on a line, and across 180 degrees too."""
    lat = np.array([middle[0] + north for north, _ in offsets], dtype=np.float32)
    lon = np.array([middle[1] + east for _, east in offsets])
    wound = ((lon + 180.0) % 360.0 - 180.0).astype(np.float32)
    ring = storm_shapes.trace_outline(lat, wound, np.array([middle[1], middle[0]]))
    assert (ring[0] == ring[-1]).all()
    area = shapely.Polygon(ring)
    assert area.is_valid
    flashes = shapely.points(storm_shapes.unwind(wound, middle[1]), lat)
    assert shapely.contains(area, flashes).all()


def test_outline_leaves_bays_out() -> None:
    """Two arms at a right angle: the convex hull would hold twice as much."""
    rng = np.random.default_rng(60)
    along, across = rng.uniform(0.0, 2.0, 200), rng.uniform(0.0, 0.3, 200)
    lat = np.concatenate([along, across]).astype(np.float32)
    lon = np.concatenate([across, along]).astype(np.float32)
    ring = storm_shapes.trace_outline(lat, lon, np.array([0.5, 0.5]))
    convex = shapely.convex_hull(shapely.MultiPoint(np.column_stack([lon, lat])))
    assert shapely.Polygon(ring).area < 0.75 * convex.area


def test_outline_of_very_many_flashes_is_short() -> None:
    rng = np.random.default_rng(60)
    lat, lon = rng.normal(10.0, 1.5, (2, 50_000)).astype(np.float32)
    ring = storm_shapes.trace_outline(lat, lon, np.array([10.0, 10.0]))
    assert len(ring) < 400


def test_tracks_follow_the_drift_and_cross_180_degrees(stormy: Tables) -> None:
    storms, clustered = stormy.reported.storms, stormy.clustered
    for shape in storm_shapes.shape_storms(storms, clustered.lat, clustered.lon):
        (west, south), (east, north) = shape.track[[0, -1]]
        assert 0.3 < east - west < 0.7, "half a degree in the hour"
        assert abs(north - south) < 0.15
        assert (np.diff(shape.times) > np.timedelta64(0)).all()
        halfway = shape.place_at(shape.times[len(shape.times) // 2])
        np.testing.assert_allclose(halfway, shape.track[len(shape.track) // 2])
        np.testing.assert_allclose(shape.place_at(np.datetime64("2000-01-01")), shape.track[0])


def test_smoothing_keeps_a_straight_way_straight() -> None:
    at, steps = np.arange(60.0), np.linspace(0.0, 59.0, 13)
    weights = np.random.default_rng(60).integers(1, 20, 60).astype(float)
    smooth = storm_shapes.smooth_places(at, np.column_stack([at, -2.0 * at]), weights, steps)
    np.testing.assert_allclose(smooth[:, 0], steps, atol=2.0)
    np.testing.assert_allclose(smooth[:, 1], -2.0 * smooth[:, 0], atol=1e-9)


def test_storm_seen_for_minutes_has_no_track() -> None:
    tables = make_stormy(n=30, k=1, hours=5 / 60)
    clustered = tables.clustered
    (shape,) = storm_shapes.shape_storms(tables.reported.storms, clustered.lat, clustered.lon)
    assert len(shape.track) == len(shape.times) == 1
    assert "m/s" not in " ".join(texts_of(draw_map(tables)))


def test_storms_that_part_or_meet_are_linked(stormy: Tables) -> None:
    clustered, storms = stormy.clustered, stormy.reported.storms
    shapes = storm_shapes.shape_storms(storms, clustered.lat, clustered.lon)
    (line,) = storm_shapes.link_kin(storms, shapes)
    np.testing.assert_allclose(line[1], shapes[2].track[0], err_msg="2 parted from 0")
    assert abs(line[0, 1] - shapes[0].track[0, 1]) < 0.5


@given(st.integers(1, 60), st.integers(0, 99))
def test_storms_near_each_other_have_colors_that_every_eye_tells_apart(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-50.0, 50.0, n), rng.uniform(-180.0, 180.0, n)
    colors = separate_colors(lat, lon)
    assert colors.max() < 8
    assert len(np.unique(colors)) == min(n, 8)
    for earlier in range(min(n, 8)):
        assert colors[earlier] not in colors[:earlier]


def test_nearest_storms_differ_in_color() -> None:
    """A line of storms 100 km apart: of any four in a row all differ."""
    lat, lon = np.full(100, 10.0), np.arange(100.0) + 130.0
    colors = separate_colors(lat, lon)
    for theme in (LIGHT, DARK):
        for one in range(97):
            few = [theme.clusters[color] for color in colors[one : one + 2]]
            for eye in EYES.values():
                assert np.linalg.norm(see(few[0], eye) - see(few[1], eye)) > 0.1


def test_colors_of_very_many_storms_are_chosen_quickly() -> None:
    lat, lon = np.random.default_rng(60).uniform(-50.0, 50.0, (2, 20_000))
    colors = separate_colors(lat, lon)
    assert np.bincount(colors).min() > 1000
    assert separate_colors(lat[:0], lon[:0]).size == 0


def change_storms(tables: Tables, change: Any) -> Tables:
    """The tables with other rows of storms."""
    result = tables.storms
    assert result is not None
    return replace(
        tables,
        storms=Result(result.selection, {**result.tables, **change(result.tables)}, result.kind),
    )


def forget_storms(tables: Any) -> dict[str, pa.Table]:
    """A result in which nothing is a storm."""
    flashes = tables["storm_flashes"]
    lone = pa.nulls(flashes.num_rows, pa.int32())
    at = flashes.column_names.index("storm")
    empty = {
        kind: tables[kind].slice(0, 0) for kind in ("storms", "storm_series", "lightning_jumps")
    }
    return {**empty, "storm_flashes": flashes.set_column(at, "storm", lone)}


NOT_LOOKED_FOR = (
    "No storms have been looked for in this window. Run "
    "`kedro run --pipelines storms,reporting` with the same parameters."
)
OTHER_FLASHES = (
    "The storms in the database are of other flashes of this window than the clusters. "
    "Run `kedro run --pipelines storms,clustering,reporting` with the same parameters."
)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (make_tables(n=50), NOT_LOOKED_FOR),
        (replace(make_tables(n=50), storms=make_storms(make_tables(n=51))), OTHER_FLASHES),
        (make_stormy(n=0), "No flashes in this window, and so no storms"),
        (
            change_storms(make_stormy(n=1), forget_storms),
            "No storms in this window: the only flash of this window is too far from others",
        ),
        (
            change_storms(make_stormy(n=12), forget_storms),
            "No storms in this window: all 12 flashes are too far from others",
        ),
    ],
    ids=["not looked for", "of others", "no flashes", "one lone", "all lone"],
)
def test_where_there_are_no_storms_everything_says_why(tables: Tables, words: str) -> None:
    reported = tables.reported
    assert reported.storms.empty == words
    pictures = {
        "map": nodes.map_storms(reported).content,
        "series": nodes.plot_storm_series(reported).content,
    }
    for kind, content in pictures.items():
        with Image.open(io.BytesIO(content)) as image:
            assert words in image.info["Description"], kind
            assert image.size == (1440, 960)
    page = write_page(tables)
    assert words.rstrip(".") in page.replace("&#39;", "'")
    data = read_data(page)
    assert data["storms"] == []
    assert data["flashes"]["storm"] == ""
    # The map's script takes away what is hidden (test_browser.py opens such a page).
    assert '<div id="kinds" class="kinds" hidden ' in page
    assert "data-storm=" not in page.partition("<script")[0]


def test_flashes_that_moved_are_others() -> None:
    tables = make_stormy(n=50)
    flashes = tables.clustered_flashes
    lat = flashes["lat"].to_numpy().copy()
    lat[7] += 1e-4
    moved = flashes.set_column(flashes.column_names.index("lat"), "lat", pa.array(lat))
    storms = replace(tables, clustered_flashes=moved).reported.storms
    assert storms.empty.startswith("The storms in the database are of other flashes")
    assert (storms.labels == -1).all()


def test_every_flash_keeps_its_storm(stormy: Tables) -> None:
    storms = stormy.reported.storms
    counts = np.bincount(storms.labels[storms.labels >= 0])
    assert counts.tolist() == storms.storms["flash_count"].tolist()
    assert sorted(counts, reverse=True) == counts.tolist()
    assert (storms.labels < 0).sum() == 100
    assert storms.minutes.count.sum() == 1900


def test_storm_map_says_how_many_and_shows_the_largest_close_up(stormy: Tables) -> None:
    figure = draw_map(stormy)
    texts = texts_of(figure)
    assert "4 thunderstorms seen by GOES-18 (West) \N{EN DASH} simulated" in texts
    subtitle = next(text for text in texts if "GLM flashes" in text)
    assert "100 of them in no storm" in subtitle
    assert "3 lightning jumps (2-sigma)" in subtitle
    views = [axes for axes in figure.axes if not axes.get_xticks().size and axes.lines]
    assert len(views) == 4
    assert sum(bool(re.fullmatch(r"\d+ km", text)) for text in texts) == 4, "a scale each"
    assert sum("15 m/s to E" in text for text in texts) == 8, "above the views and in the list"


def test_storm_map_of_a_small_part_of_the_earth_has_one_map_and_a_list() -> None:
    figure = draw_map(make_stormy(n=300, k=3, places=NEAR))
    texts = texts_of(figure)
    assert "Flashes per storm" in texts
    assert not any(re.fullmatch(r"\d+ km", text) for text in texts)


@pytest.mark.parametrize("region", [None, (170.0, -30.0, -100.0, 40.0)])
def test_all_maps_of_a_result_show_one_extent(region: Any) -> None:
    tables = make_stormy(n=400, region=region)
    words = cluster_map.describe_clusters(tables.clustered)
    other = cluster_map.draw_cluster_map(tables.clustered, words).axes[0]
    mine = draw_map(tables).axes[0]
    for limits in ("get_xlim", "get_ylim"):
        np.testing.assert_allclose(getattr(mine, limits)(), getattr(other, limits)())
    assert ("region asked for" in texts_of(mine.figure)) == (region is not None)


def test_numbers_hide_no_flash_of_their_storms() -> None:
    tables = make_stormy(n=600, k=3, places=NEAR)
    clustered, storms = tables.clustered, tables.reported.storms
    shapes = storm_shapes.shape_storms(storms, clustered.lat, clustered.lon)
    scene = Scene.make(clustered, storms, shapes, 3)
    figure = draw_map(replace(tables))
    axes, extent = figure.axes[0], clustered.choose_extent()
    figure.canvas.draw()
    numbers = [text for text in axes.texts if text.get_text() in {"0", "1", "2"}]
    assert len(numbers) == 3
    x = extent.unwind(clustered.lon) - extent.middle
    dots = axes.transData.transform(np.column_stack([x, clustered.lat]))
    for text in numbers:
        box = text.get_window_extent()
        inside = (abs(dots - [box.x0 + box.width / 2, box.y0 + box.height / 2]) < 4.0).all(axis=1)
        assert not inside.any(), text.get_text()
    assert len(scene.shapes) == 3


@given(st.integers(0, 99))
def test_far_numbers_cover_nothing_where_there_is_room(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = np.array([600.0, 400.0])
    at = np.array([[150.0, 200.0], [450.0, 200.0]])
    flashes = np.concatenate([one + rng.uniform(-45.0, 45.0, (150, 2)) for one in at])
    placed = labels.place_numbers(at, np.array([1, 2]), box, flashes, is_far=True)
    for middle in placed:
        assert not (abs(flashes - middle) < 4.0).all(axis=1).any()


def test_a_view_shows_its_storm_whole(stormy: Tables) -> None:
    clustered, storms = stormy.clustered, stormy.reported.storms
    for shape in storm_shapes.shape_storms(storms, clustered.lat, clustered.lon):
        extent = storm_map.choose_view(shape, 1.14)
        ring = move_to_map(shape.outline, extent)
        half = (extent.east - extent.west) / 2.0
        assert (abs(ring[:, 0]) < half).all()
        assert ring[:, 1].min() > extent.south
        assert ring[:, 1].max() < extent.north
        assert extent.width_km >= 159.0
        height = (extent.north - extent.south) * KM_PER_DEGREE
        np.testing.assert_allclose(extent.width_km / height, 1.14, rtol=0.01)


@given(st.integers(0, 8))
def test_charts_fill_the_picture_and_do_not_overlap(count: int) -> None:
    boxes = storm_series.place_charts(count)
    assert len(boxes) == count
    for number, (left, bottom, width, height) in enumerate(boxes):
        assert 0.0 < left < left + width < 1.0
        assert 0.05 < bottom < bottom + height < 0.87
        for other_left, other_bottom, other_width, other_height in boxes[:number]:
            aside = left >= other_left + other_width or other_left >= left + width
            assert aside or bottom + height <= other_bottom or other_bottom + other_height <= bottom
    area = sum(width * height for _, _, width, height in boxes)
    assert not count or area > 0.3


def test_series_have_every_minute_and_mark_jumps(stormy: Tables) -> None:
    storms = stormy.reported.storms
    edges, counts = storm_series.count_by_minute(storms, 0)
    assert counts.sum() == storms.storms["flash_count"][0]
    assert (np.diff(edges) == np.timedelta64(60, "s")).all()
    figure = draw_series(stormy)
    assert len(figure.axes) == 4
    marks = [
        sum(len(one.get_offsets()) for one in axes.collections if isinstance(one, PathCollection))
        for axes in figure.axes
    ]
    assert marks == [2, 2, 2, 0], "a jump by each algorithm in the first three"
    texts = texts_of(figure)
    assert any("all storms" in text and "3 lightning jumps" in text for text in texts)
    assert any("1 flash" not in text and "15 m/s to E" in text for text in texts)


def test_minutes_without_flashes_count_as_none() -> None:
    tables = make_stormy(n=40, k=1, hours=3.0)
    _, counts = storm_series.count_by_minute(tables.reported.storms, 0)
    assert (counts == 0.0).any()
    assert counts.sum() == 38


def test_gaps_in_coverage_are_shaded_in_the_series(stormy: Tables) -> None:
    lost = stormy.granules["granule_start"].dt.minute.between(20, 24)
    figure = draw_series(replace(stormy, granules=stormy.granules[~lost]))
    assert any("hatched: no data" in text for text in texts_of(figure))
    assert all(any(patch.get_hatch() for patch in axes.patches) for axes in figure.axes)


def test_axes_of_long_windows_are_the_storms_lives() -> None:
    tables = make_stormy(n=500, k=2, hours=12.0)
    hours = make_stormy(n=500, k=2, hours=6.0)
    start, end = draw_series(hours).axes[0].get_xlim()
    assert round((end - start) * 24.0, 3) == 6.0
    edges, _ = storm_series.count_by_minute(tables.reported.storms, 0)
    start, end = draw_series(tables).axes[0].get_xlim()
    length = (edges[-1] - edges[0]) / np.timedelta64(1, "D")
    assert round(end - start, 6) == round(length, 6)


def test_pictures_of_storms_are_the_same_bytes_for_the_same_data() -> None:
    one, other = (make_stormy(n=120, k=2).reported for _ in range(2))
    for draw in (nodes.map_storms, nodes.plot_storm_series, nodes.animate_clusters):
        assert draw(one) == draw(other)


def test_animation_shows_storms_and_jumps(stormy: Tables) -> None:
    clustered, storms = stormy.clustered, stormy.reported.storms
    words = animation.describe_animation(clustered)
    none = storm_window.StormWindow.make_empty(len(clustered), "none")
    drawn = []
    for some in (none, storms):
        with Image.open(io.BytesIO(animation.animate(clustered, some, words))) as image:
            frames = []
            for number in range(image.n_frames):
                image.seek(number)
                frames.append(np.asarray(image.convert("RGB"), dtype=int)[79:481, 55:633])
        drawn.append(np.array(frames))
    accent = np.array([int(DARK.accent[at : at + 2], 16) for at in (1, 3, 5)])
    marked = [(abs(frames - accent).sum(axis=3) == 0).sum(axis=(1, 2)) > 10 for frames in drawn]
    assert not marked[0].any()
    assert set(np.flatnonzero(marked[1]).tolist()) <= {5, 6}, "in the middle of the hour"
    assert marked[1].any()
    assert (drawn[0] != drawn[1]).any(axis=(1, 2, 3)).all(), "lines in every frame"


def test_report_lists_storms_with_their_numbers(stormy: Tables) -> None:
    rows = storm_findings.list_rows(stormy.reported.storms)
    assert [row["storm"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["jumps"] == "1 + 1"
    assert rows[3]["jumps"] == "0"
    assert rows[0]["speed"] == "15.0"
    assert rows[0]["direction"] == "90° E"
    assert rows[0]["kin"] == "since 14 Jul 21:30"
    assert rows[1]["kin"] == "goes on"
    assert rows[2]["kin"] == "from 0"
    assert rows[3]["kin"] == "into G18-20240714T210000-abcdef", "not in the window"
    page = write_page(stormy)
    for row in rows:
        assert f"<code>{row['id']}</code>" in page
        assert f'data-storm="{row["storm"]}"' in page
    assert "4 storms with 1,900 of 2,000 flashes, 100 in no storm" in page
    assert "Storms found 2025-01-01 06:20:00 UTC" in page


def test_map_holds_every_storm(stormy: Tables) -> None:
    data = read_data(write_page(stormy))
    storms = stormy.reported.storms
    stored = np.frombuffer(base64.b64decode(data["flashes"]["storm"]), "<u2")
    order = np.argsort(stormy.clustered.time, kind="stable")
    wanted = storms.labels[order]
    np.testing.assert_array_equal(stored == interactive_storms.NO_STORM, wanted < 0)
    np.testing.assert_array_equal(stored[wanted >= 0], wanted[wanted >= 0])
    colours = np.frombuffer(base64.b64decode(data["stormColours"]), "u1")
    np.testing.assert_array_equal(colours, storms.colours)
    assert [one["id"] for one in data["storms"]] == [name(number) for number in order_of(storms)]
    for one in data["storms"]:
        assert sum(one["minutes"]) == one["count"]
        assert len(one["outline"]) % 2 == 0
        assert one["colour"] == colours[one["number"]]
    assert [len(one["jumps"]) for one in data["storms"]] == [2, 2, 2, 0]


def order_of(storms: storm_window.StormWindow) -> list[int]:
    return storms.storms["storm"].tolist()


def test_map_and_table_of_very_many_storms_are_cut_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (storm_shapes.MOST_SHAPES, storm_findings.MOST_LISTED) == (500, 200)
    monkeypatch.setattr(storm_shapes, "MOST_SHAPES", 20)
    monkeypatch.setattr(storm_findings, "MOST_LISTED", 10)
    places_ = [(-50.0 + one // 6 * 20, -170.0 + one % 6 * 10) for one in range(30)]
    tables = make_stormy(n=600, k=30, places=places_)
    page = write_page(tables)
    assert len(read_data(page)["storms"]) == 20
    assert page.count('<tr id="storm') == 10
    assert "And 20 smaller storms with" in page
    texts = texts_of(draw_map(tables))
    assert texts[0].startswith("30 thunderstorms seen by")
    assert any(text.startswith("and 14 more with") for text in texts)


def test_pictures_of_other_storms_are_refused(stormy: Tables) -> None:
    """Storms were found again between two runs of some of the nodes."""
    row = stormy.storms.tables["storm_selection"]  # type: ignore[union-attr]
    at = row.column_names.index("eps_km")
    other = change_storms(
        stormy, lambda _: {"storm_selection": row.set_column(at, "eps_km", pa.array([7.0]))}
    )
    reported, handle = stormy.reported, Handle([other])
    drawn = nodes.map_storms(other.reported)
    with pytest.raises(PartialRunError, match=r"A picture was drawn of G18_.* with storms "):
        nodes.gather_report(reported, handle, handle, {}, "", drawn)  # type: ignore[arg-type]
    plain = stormy.selection.to_plain()
    with pytest.raises(PartialRunError, match="is not the result that is stored now"):
        nodes.gather_report(reported, handle, handle, plain, "later")  # type: ignore[arg-type]


def test_words_for_motion_and_time() -> None:
    assert storm_window.name_motion(12.4, 350.0) == "12 m/s to N"
    assert storm_window.name_motion(3.0, 226.0) == "3 m/s to SW"
    assert storm_window.name_motion(float("nan"), float("nan")) == ""
    named = [storm_window.name_duration(minutes) for minutes in (0.2, 48.3, 90.0, 185.0)]
    assert named == ["under 1 min", "48 min", "90 min", "3 h 05 min"]
    assert storm_window.name_flashes(1) == "1 flash"


def test_shapes_are_the_same_after_the_way_from_node_to_node(stormy: Tables) -> None:
    clustered, storms = stormy.clustered, stormy.reported.storms
    assert storms.shapes is not None, "made once, with the result"
    made = storm_shapes.shape_storms(replace(storms, shapes=None), clustered.lat, clustered.lon)
    handed = storm_shapes.shape_storms(storms, clustered.lat, clustered.lon)
    assert len(made) == len(handed) == len(storms)
    for one, other in zip(made, handed, strict=True):
        np.testing.assert_array_equal(one.outline, other.outline)
        np.testing.assert_array_equal(one.track, other.track)
        np.testing.assert_array_equal(one.times, other.times)
    assert storm_shapes.Shapes.join([]).split() == []


def test_outlines_of_many_storms_are_those_of_each() -> None:
    rng = np.random.default_rng(60)
    sizes = (1, 2, 40, 20_000)
    group = np.repeat(np.arange(4), sizes)
    middles = np.array([[0.0, 10.0], [179.9, -40.0], [-100.0, 35.0], [20.0, 50.0]])
    lon, lat = (middles[group].T + rng.normal(0.0, 1.0, (2, group.size))).astype(np.float32)
    mixed = rng.permutation(group.size)
    together = storm_shapes.trace_outlines(lat[mixed], lon[mixed], group[mixed], middles)
    for storm, ring in enumerate(together):
        mine = group == storm
        alone = storm_shapes.trace_outline(lat[mine], lon[mine], middles[storm])
        np.testing.assert_allclose(ring, alone, atol=1e-9)
