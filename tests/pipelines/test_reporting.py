"""Pictures drawn from made-up tables: what is on them, for windows of every kind."""

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageSequence
from plotly.io import from_json, templates
from tests.pipelines.reported_results import (
    START,
    Handle,
    Tables,
    draw_all,
    drop_granules,
    make_granules,
    make_selection,
    make_tables,
)

from lightning_kedro.exceptions import NoResultError
from lightning_kedro.pipelines.reporting import (
    animation,
    animation_parts,
    cluster_map,
    density_map,
    flash_rate,
    frames,
    gif,
    k_chart,
    k_evaluation,
    labels,
    maps,
    nodes,
)
from lightning_kedro.pipelines.reporting.figures import Words, make_figure
from lightning_kedro.pipelines.reporting.palette import DARK, LIGHT, mix
from lightning_kedro.pipelines.reporting.storm_window import StormWindow
from lightning_kedro.pipelines.reporting.window import Window, describe_span, read_slots


def texts_of(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def open_picture(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def share_of(image: Image.Image, colour: str, tolerance: int = 24) -> float:
    """Share of an image's pixels that have nearly a colour."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return float((np.abs(pixels - wanted).max(axis=2) <= tolerance).mean())


@pytest.mark.parametrize(
    ("n", "k"), [(0, 4), (1, 1), (500, 1), (5000, 30)], ids=["empty", "one", "one k", "30 k"]
)
def test_every_picture_is_drawn_and_says_what_it_is(n: int, k: int) -> None:
    import matplotlib.pyplot as plt

    pictures = draw_all(make_tables(n=n, k=k, simulated=True))
    assert plt.get_fignums() == [], "a figure is left open"
    for name, content in pictures.items():
        image = open_picture(content)
        assert image.size[0] * 2 == image.size[1] * 3, name
        if not name.endswith("animation"):
            assert "simulated" in image.info["Title"], name
            unknown = "storm" in name or "extent" in name  # nobody has looked for them
            nothing = n == 0 or (n == 1 and name == "k_evaluation") or unknown
            assert ("No " in image.info["Description"]) == nothing, name
        colours = image.convert("RGB").getcolors(1 << 20)
        assert colours is not None
        assert len(colours) > 20, f"{name} is blank"


def test_cluster_map_names_satellite_slot_window_and_flashes() -> None:
    clustered = make_tables().clustered
    words = cluster_map.describe_clusters(clustered)
    assert words.title == "4 lightning clusters seen by GOES-18 (West)"
    assert words.subtitle.split("   ·   ") == [
        "14 Jul 2024, 22:00\N{EN DASH}23:00 UTC",
        "3,000 GLM flashes",
    ]
    shown = texts_of(cluster_map.draw_cluster_map(clustered, words))
    for count in clustered.centers["flash_count"]:
        assert f"  {count:,}" in shown
    assert {"0", "1", "2", "3", "180°", "120°W", "0°"} <= {text.strip() for text in shown}


def test_cluster_map_shows_every_colour_and_no_flash_hides_another_cluster() -> None:
    tables = make_tables(n=20_000)
    image = open_picture(nodes.map_clusters(tables.reported).content)
    on_map = image.crop((86, 134, 1080, 888))
    for colour in LIGHT.clusters[:4]:
        assert share_of(on_map, colour) > 0.0005
    for colour in LIGHT.clusters[4:]:
        assert share_of(on_map, colour, 8) < 0.0005


def test_map_crosses_180_degrees_in_one_piece() -> None:
    clustered = make_tables().clustered
    extent = clustered.choose_extent(1.3)
    x = extent.unwind(clustered.lon)
    assert extent.west <= x.min()
    assert x.max() <= extent.east
    assert extent.east - extent.west < 130
    assert extent.east > 180 > extent.west


@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(-180, 180)), min_size=1, max_size=30),
    st.floats(0.8, 2.0),
)
@example([(0.0, 143.0), (0.0, -17.0), (38.0, 0.0)], 1.0)
def test_extent_holds_all_points_and_has_the_aspect_asked_for(
    points: list[tuple[float, float]], aspect: float
) -> None:
    lat, lon = np.array(points).T
    extent = maps.choose_extent(lat, lon, aspect)
    x = extent.unwind(lon)
    assert ((extent.west <= x + 1e-6) & (x <= extent.east + 1e-6)).all()
    assert ((extent.south <= lat) & (lat <= extent.north)).all()
    assert -180 <= extent.west < 180
    assert extent.east - extent.west <= 360 + 1e-9
    limited = extent.east - extent.west > 359 or extent.north - extent.south > 165
    if not limited and abs(extent.south + extent.north) < 100:
        width = (extent.east - extent.west) * extent.stretch
        assert width / (extent.north - extent.south) == pytest.approx(aspect, rel=0.05)


def test_layers_are_cut_to_the_extent_on_both_sides_of_180_degrees() -> None:
    extent = maps.Extent(150.0, 230.0, -50.0, 20.0)
    pieces = maps.cut_layer("land", extent)
    bounds = np.array([piece.bounds for piece in pieces])
    assert bounds[:, 0].min() >= -40.0
    assert bounds[:, 2].max() <= 40.0
    assert (bounds[:, 0] < -10).any(), "New Caledonia, west of the meridian"
    assert (bounds[:, 0] > 10).any(), "Samoa, east of it"


def test_meridians_and_parallels_are_named() -> None:
    assert [maps.name_meridian(lon) for lon in (-120, 0, 180, 190, 60)] == [
        "120°W",
        "0°",
        "180°",
        "170°W",
        "60°E",
    ]
    assert [maps.name_parallel(lat) for lat in (40, 0, -20)] == ["40°N", "0°", "20°S"]


def test_unknown_layer_is_refused() -> None:
    from lightning_kedro.basemap import read_layer

    with pytest.raises(KeyError, match="no layer 'rivers': choose one of land"):
        read_layer("rivers")


def test_density_bins_have_equal_areas_and_lose_no_flash() -> None:
    extent = maps.Extent(-130.0, -60.0, -20.0, 55.0)
    bins = density_map.make_bins(extent)
    z = np.sin(np.radians(bins.lat))
    areas = np.outer(np.diff(z), np.radians(np.diff(bins.x))) * 6371.0088**2
    np.testing.assert_allclose(areas, bins.area_km2, rtol=1e-9)
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-20, 55, 1000), rng.uniform(-130, -60, 1000)
    density = density_map.count_density(bins, extent, lat, lon)
    assert density.sum() * bins.area_km2 / 1000.0 == pytest.approx(1000)
    assert (density.compressed() >= 1000.0 / bins.area_km2 - 1e-12).all()


def test_density_is_flashes_per_1000_km2() -> None:
    """40 flashes on one spot in a bin of 8 km by 8 km: 40 / 64 km2."""
    here = (np.full(40, 10.01), np.full(40, 20.01))
    extent = maps.choose_extent(*here, 1.5)
    bins = density_map.make_bins(extent)
    assert bins.size_km == 8.0
    assert density_map.count_density(bins, extent, *here).max() == pytest.approx(625.0)


def test_flash_rate_shades_gaps_and_does_not_count_them() -> None:
    tables = make_tables(n=6000)
    granules = tables.granules
    lost = granules["granule_start"].dt.minute.isin([10, 11, 12])
    corrupt = granules["granule_start"].dt.minute == 30
    granules.loc[corrupt, "status"] = "corrupt"
    kept = drop_granules(tables, lost | corrupt).clustered_flashes
    times = kept["time"].to_numpy().astype("datetime64[us]")
    rate = flash_rate.measure_rate(times, granules[~lost], tables.window)
    assert rate.missing_minutes == pytest.approx(4.0)
    assert len(rate.gaps) == 2
    assert np.isnan(rate.per_minute[[10, 11, 12, 30]]).all()
    assert np.isfinite(np.delete(rate.per_minute, [10, 11, 12, 30])).all()
    assert rate.mean == pytest.approx(kept.num_rows / 56)
    words = flash_rate.describe_rate(rate, tables.window, simulated=False)
    assert "4 min without data" in words.subtitle
    assert "no data: not counted as zero" in texts_of(flash_rate.draw_rate(rate, words))


def test_rate_of_a_partly_covered_bin_is_that_of_its_covered_time() -> None:
    tables = make_tables(n=0)
    granules = tables.granules
    half = granules[granules["granule_start"] >= pd.Timestamp(START) + pd.Timedelta("40s")]
    times = np.full(30, np.datetime64(START, "us") + np.timedelta64(45, "s"))
    rate = flash_rate.measure_rate(times, half, tables.window)
    assert rate.covered[0] == pytest.approx(1 / 3)
    assert rate.per_minute[0] == pytest.approx(90.0)


def test_other_satellites_granules_fill_no_gap() -> None:
    tables = make_tables()
    others = tables.granules.assign(platform="G16")
    rate = flash_rate.measure_rate(np.array([], "datetime64[us]"), others, tables.window)
    assert rate.missing_minutes == 60.0
    assert flash_rate.share_covered(rate) == 0.0


@pytest.mark.parametrize(
    ("hours", "count", "step"),
    [
        (1 / 12, 15, 1 / 3),
        (0.25, 15, 1),
        (1, 12, 5),
        (6, 24, 15),
        (12, 12, 60),
        (24, 24, 60),
        (96, 96, 60),
    ],
)
def test_frames_of_round_windows(hours: float, count: int, step: float) -> None:
    edges = frames.choose_frames(START, START + timedelta(hours=hours))
    assert edges.size - 1 == count
    assert set(np.diff(edges).tolist()) == {timedelta(minutes=step)}


@given(
    st.integers(1, 3600 * 24 * 400) | st.integers(1, 24 * 400).map(lambda hours: hours * 3600),
    st.integers(0, 120_000),
)
@example(96 * 3600, 1800)
def test_frames_cover_any_window_and_are_96_at_most(seconds: int, after: int) -> None:
    start = START + timedelta(seconds=after)
    edges = frames.choose_frames(start, start + timedelta(seconds=seconds))
    assert edges[0] == np.datetime64(start)
    assert edges[-1] == np.datetime64(start + timedelta(seconds=seconds))
    assert "every 0" not in frames.name_step(edges)
    assert "every 1 " not in frames.name_step(edges)
    assert (np.diff(edges) > np.timedelta64(0)).all()
    assert 1 <= edges.size - 1 <= frames.MOST_FRAMES


def test_frames_are_named_up_to_midnight_and_beyond() -> None:
    day = frames.choose_frames(START, START + timedelta(hours=24))
    names = frames.name_frames(day)
    assert names[0] == ("14 Jul 2024", "22:00\N{EN DASH}23:00")
    assert names[1] == ("14 Jul 2024", "23:00\N{EN DASH}24:00")
    assert names[2] == ("15 Jul 2024", "00:00\N{EN DASH}01:00")
    year = frames.name_frames(frames.choose_frames(START, START + timedelta(days=300)))
    assert year[1] == ("15 Jul \N{EN DASH} 19 Jul 2024", "00:00\N{EN DASH}00:00")


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1 / 60, "every 5 seconds"),
        (1 / 12, "every 20 seconds"),
        (0.25, "minute by minute"),
        (1, "every 5 minutes"),
        (24, "hour by hour"),
        (24 * 10, "every 3 hours"),
        (24 * 60, "day by day"),
        (24 * 300, "every 4 days"),
    ],
)
def test_animation_says_how_long_a_frame_is(hours: float, words: str) -> None:
    clustered = make_tables(n=10).clustered
    window = replace(clustered.window, selection=make_selection(hours=hours))
    title = animation.describe_animation(replace(clustered, window=window)).title
    assert title == f"Lightning clusters {words}"


def take_frames(content: bytes) -> list[npt.NDArray[np.int64]]:
    """The frames of a GIF, RGB, shape (600, 900, 3) each."""
    image = Image.open(io.BytesIO(content))
    return [np.asarray(one.convert("RGB"), dtype=np.int64) for one in ImageSequence.Iterator(image)]


def count_pixels(pixels: npt.NDArray[np.int64], color: tuple[int, ...]) -> int:
    return int((pixels == color).all(axis=2).sum())


ON_MAP = (slice(79, 481), slice(55, 633))


def animate(tables: Tables) -> bytes:
    clustered = tables.clustered
    storms = tables.reported.storms
    return animation.animate(clustered, storms, animation.describe_animation(clustered))


def test_animation_has_a_frame_an_hour_in_the_clusters_exact_colors() -> None:
    tables = make_tables(hours=24, n=20_000)
    content = animate(tables)
    assert len(content) < 3e6
    image = Image.open(io.BytesIO(content))
    assert image.n_frames == 24
    assert image.size == (900, 600)
    for number in (0, 11, 23):
        image.seek(number)
        on_map = image.convert("RGB").crop((54, 78, 634, 489))
        for color in DARK.clusters[:4]:
            assert share_of(on_map, color, 0) > 0.0002, f"frame {number} lacks {color}"
    first = image.info["duration"]
    assert first == gif.HOLD_MILLISECONDS


@pytest.mark.parametrize(("k", "fades"), [(23, 4), (60, 3), (128, 1)])
def test_every_clusters_exact_color_is_in_the_animation(k: int, fades: int) -> None:
    places = [(50.0 - one // 16 * 12, 150.0 + one % 16 * 9) for one in range(k)]
    tables = make_tables(hours=3, n=60 * k, k=k, places=places)
    assert len(gif.choose_fades(k, DARK)) == fades
    frames_drawn = take_frames(animate(tables))
    for color in DARK.clusters[:k]:
        assert any(count_pixels(frame[ON_MAP], mix(color)) >= 3 for frame in frames_drawn), color


def test_palette_holds_every_color_and_quantizing_loses_none() -> None:
    """Pillow looks a color up by its upper six bits: none of ours may be that near to another."""
    for k in range(1, 129):
        clusters = DARK.clusters[:k]
        palette = gif.make_palette(DARK, clusters, gif.choose_fades(k, DARK))
        colors = [mix(color) for color in (*clusters, DARK.page, DARK.accent, DARK.text)]
        image = Image.fromarray(np.array([colors], dtype=np.uint8))
        shown = image.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
        np.testing.assert_array_equal(np.asarray(shown)[0], colors, err_msg=f"k = {k}")


def test_animation_is_the_same_bytes_for_the_same_data() -> None:
    one, other = (animate(make_tables(n=2000)) for _ in range(2))
    assert one == other


def test_animation_of_an_hour_is_small() -> None:
    assert len(animate(make_tables(n=23_000, k=14))) < 2e6


def test_animation_of_no_flashes_is_one_frame_that_says_so() -> None:
    clustered = make_tables(n=0).clustered
    words = animation.describe_animation(clustered)
    assert words.empty == "No clustered flashes in this window"
    assert len(take_frames(animate(make_tables(n=0)))) == 1
    assert words.empty in texts_of(make_stage(clustered)._figure)


def make_stage(clustered: cluster_map.ClusteredWindow) -> animation.Stage:
    edges = frames.choose_frames(clustered.window.start, clustered.window.end)
    storms = StormWindow.make_empty(len(clustered), "not looked for")
    return animation.Stage(clustered, storms, animation.describe_animation(clustered), edges)


def test_animation_fades_older_flashes_and_forgets_them() -> None:
    """All flashes in the first hour: bright, then fainter for three hours, then gone."""
    tables = make_tables(hours=12, n=4000, k=1)
    early = tables.clustered_flashes.to_pydict()
    early["time"] = [START + timedelta(minutes=index % 60) for index in range(4000)]
    clustered = replace(tables, clustered_flashes=pa.table(early)).clustered
    stage = make_stage(clustered)
    assert len(stage.fades) == 4
    unlabelled = np.asarray(stage.labels)[..., 3] == 0
    palette = gif.make_palette(DARK, stage.colors, stage.fades)
    content = gif.encode_gif([stage.draw_frame(number) for number in range(6)], palette)
    for number, pixels in enumerate(take_frames(content)):
        seen = np.where(unlabelled[..., None], pixels, 0)[ON_MAP]
        for age, fade in enumerate(stage.fades):
            painted = count_pixels(seen, mix(DARK.clusters[0], DARK.land, fade)) > 0
            assert painted == (age == number), (number, age)
    assert animation.explain_fading(stage.fades) in texts_of(stage._figure)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (4, "Bright: flashes of this frame. Fainter: those of the three frames before"),
        (2, "Bright: flashes of this frame. Fainter: those of the frame before"),
        (1, "Flashes of one frame at a time"),
    ],
)
def test_fading_is_explained(count: int, words: str) -> None:
    assert animation.explain_fading(gif.FADES[:count]) == words


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-07-14T22:00:30", "2024-07-14T22:01:10"),
        ("2024-09-30T22:00:30", "2024-10-01T22:00:10"),
        ("2024-01-01T00:30", "2024-12-31T12:30"),
    ],
)
def test_clock_fits_beside_the_map_in_every_frame(start: str, end: str) -> None:
    clustered = make_tables().clustered
    edges = frames.choose_frames(datetime.fromisoformat(start), datetime.fromisoformat(end))
    storms = StormWindow.make_empty(len(clustered), "not looked for")
    stage = animation.Stage(clustered, storms, animation.describe_animation(clustered), edges)
    clock = next(part for part in stage._parts if isinstance(part, animation_parts.Clock))
    for number in range(edges.size - 1):
        for right, text in zip(clock.measure(number), clock.list_texts(number), strict=True):
            assert right <= animation.SIZE[0] - 8, text


def test_list_beside_the_animation_names_the_largest_and_counts_the_rest() -> None:
    clustered = make_tables(n=6000, k=30).clustered
    stage = make_stage(clustered)
    ranking = next(part for part in stage._parts if isinstance(part, animation_parts.Ranking))
    texts = ranking.list_texts(0)
    assert len([text for text in texts if text.strip().isdigit()]) == 24
    assert texts[-1].startswith("and 6 more: ")
    first = clustered.time < np.datetime64(START) + np.timedelta64(5, "m")
    shown = sum(int(text) for text in texts[:-1]) + int(texts[-1].removeprefix("and 6 more: "))
    assert shown == first.sum()


def test_time_bar_shows_every_frame_even_without_flashes() -> None:
    stage = make_stage(make_tables(n=1, k=1).clustered)
    left, right = (round(share * animation.SIZE[0]) for share in (0.06, 0.06 + 0.9044))
    edges = np.linspace(left, right, 13).round().astype(int)
    above_ticks = slice(600 - round((0.082 + 0.066) * 600), 600 - round(0.082 * 600) - 1)
    for shown in (0, 5, 11):
        picture = np.asarray(stage.draw_frame(shown), dtype=np.int64)[above_ticks]
        for number, (start, end) in enumerate(pairwise(edges)):
            color = {True: DARK.border, False: DARK.state}[number < shown]
            color = DARK.accent if number == shown else color
            bar = picture[:, start + 2 : end - 2]
            assert (bar[-1] == mix(color)).all(), "even of frames without flashes"


def test_map_fills_its_frame() -> None:
    for places in (((10, 178), (-15, -175)), ((52, -100), (54, -60)), ((-20, 150), (30, -80))):
        clustered = make_tables(places=places).clustered
        stage = make_stage(clustered)
        axes = stage._figure.axes[0]
        width, height = animation.SIZE
        left, bottom, wide, high = animation.MAP_BOX
        whole = [left * width, bottom * height, wide * width, high * height]
        np.testing.assert_allclose(axes.get_window_extent().bounds, whole, atol=2.0)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), min_size=1, max_size=12),
    st.integers(0, 99),
)
def test_numbers_stand_within_the_map_and_off_their_rings(
    places: list[tuple[float, float]], seed: int
) -> None:
    at, box = np.array(places), np.array([400.0, 300.0])
    flashes = np.random.default_rng(seed).uniform(0.0, box, (50, 2))
    digits = np.array([len(f"{number}") for number in range(len(places))])
    placed = labels.place_numbers(at, digits, box, flashes)
    assert ((placed > 0) & (placed < box)).all()
    assert (np.abs(placed - at).max(axis=1) > labels._RING / 2).all()


def test_numbers_avoid_each_other_and_the_flashes_where_there_is_room() -> None:
    at = np.array([[200.0, 150.0], [206.0, 150.0], [200.0, 157.0], [194.0, 150.0]])
    flashes = np.random.default_rng(0).normal([200.0, 150.0], 4.0, (400, 2))
    placed = labels.place_numbers(at, np.full(4, 1), np.array([400.0, 300.0]), flashes)
    apart = np.abs(placed[:, None] - placed)[np.triu_indices(4, 1)]
    assert (apart > 6.0).any(axis=1).all()
    half = np.array([labels._DIGIT, labels._CAPITAL]) * labels._SIZE / 2.0
    hidden = (np.abs(flashes - placed[:, None]) < half).all(axis=2).sum(axis=1)
    assert hidden.max() <= 20


def test_numbers_touch_no_name_that_is_written_there() -> None:
    at, box, none = np.array([[100.0, 100.0]]), np.array([400.0, 300.0]), np.empty((0, 2))
    (free,) = labels.place_numbers(at, np.full(1, 1), box, none)
    names = (free[None], np.array([[5.0, 40.0]]))
    (placed,) = labels.place_numbers(at, np.full(1, 1), box, none, names)
    assert abs(placed[0] - free[0]) > 5.0


@pytest.mark.parametrize(
    ("changes", "sentence", "warning"),
    [
        ({}, "k = 4 because the silhouette is highest at k = 4; the elbow of the curve is", ""),
        (
            {"criterion": "elbow", "k": 3},
            "k = 3 because the elbow of the curve is at k = 3; the silhouette is highest at k = 4",
            "",
        ),
        ({"criterion": "fixed", "k": 5}, "k = 5 was asked for; the silhouette is highest", ""),
        (
            {"criterion": "multiscale", "k": 5},
            "k = 5 is the finest supported scale; the silhouette is highest at k = 4, the elbow",
            "",
        ),
        ({"k_elbow": pd.NA}, "the curve has no elbow", ""),
        ({"k": 6, "at_range_end": True}, "k = 6", "raise clustering.k_max"),
        ({"k": 2, "at_range_end": True}, "k = 2", "the fewest that a silhouette can judge"),
    ],
)
def test_choice_is_said_in_plain_words(
    changes: dict[str, Any], sentence: str, warning: str
) -> None:
    tables = make_tables()
    selection = tables.k_selection.assign(**changes).astype({"k_elbow": "Int64"})
    evaluation = replace(tables, k_selection=selection).reported.evaluation
    assert sentence in k_evaluation.explain_choice(evaluation)
    assert warning in k_evaluation.warn_of_range(evaluation)
    assert bool(warning) == bool(k_evaluation.warn_of_range(evaluation))
    words = k_evaluation.describe_evaluation(evaluation)
    shown = texts_of(k_evaluation.draw_evaluation(evaluation, words))
    chosen = changes.get("k", 4)
    assert shown.count(f"k = {chosen} chosen") == 2
    assert any(sentence in text for text in shown)
    if warning:
        assert any(warning in text for text in shown)


@pytest.mark.parametrize("k", [2, 4, 6])
def test_chosen_k_is_named_within_the_picture(k: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    tables = make_tables()
    chosen = tables.k_selection.assign(k=k)
    evaluation = replace(tables, k_selection=chosen).reported.evaluation
    words = k_evaluation.describe_evaluation(evaluation)
    figure = k_evaluation.draw_evaluation(evaluation, words)
    FigureCanvasAgg(figure).draw()
    named = [text for text in figure.findobj(Text) if text.get_text() == f"k = {k} chosen"]
    assert len(named) == 2
    for text in named:
        box = text.get_window_extent()
        assert box.x0 > 0
        assert box.x1 < figure.bbox.width


def test_evaluation_of_degrees_shows_inertia() -> None:
    tables = make_tables()
    curve = tables.elbow_curve.assign(rms_distance_km=np.nan)
    evaluation = replace(tables, elbow_curve=curve).reported.evaluation
    assert evaluation.spread[1] == "inertia (squared degrees)"


def test_plotly_chart_says_the_same_as_the_picture() -> None:
    _, chart = nodes.plot_k_evaluation(make_tables().reported)
    plain = json.loads(chart.content)
    assert [trace["x"] for trace in plain["data"]] == [[1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6]]
    assert {shape["x0"] for shape in plain["layout"]["shapes"]} == {4}
    title = plain["layout"]["title"]["text"].replace("<br>", " ")
    assert "k = 4 because the silhouette is highest" in title
    figure = from_json(chart.content.decode("utf-8"))
    assert figure.layout.template == templates["plotly_white"], "and Plotly knows every name"


def test_chart_leaves_out_what_is_not_known_and_is_safe_in_a_page() -> None:
    tables = make_tables()
    curve = tables.elbow_curve.copy()
    curve.loc[0, "rms_distance_km"] = np.nan
    evaluation = replace(tables, elbow_curve=curve).reported.evaluation
    chart = k_chart.chart_evaluation(evaluation, Words("</script>", "&"))
    assert "<" not in chart
    assert json.loads(chart)["data"][0]["y"][0] is None


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2024-07-14T22:00", "2024-07-14T23:00", "14 Jul 2024, 22:00\N{EN DASH}23:00"),
        ("2024-07-04T22:00:05", "2024-07-04T23:00", "4 Jul 2024, 22:00:05\N{EN DASH}23:00:00"),
        ("2024-07-14", "2024-07-15", "14 Jul 2024, 00:00\N{EN DASH}24:00"),
        ("2024-07-14T23:00", "2024-07-15T01:00", "14 Jul 2024 23:00 \N{EN DASH} 15 Jul 2024 01:00"),
    ],
)
def test_spans_are_said_shortly(start: str, end: str, words: str) -> None:
    span = describe_span(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert span == words


def test_slot_that_changed_hands_names_both_satellites() -> None:
    start = datetime(2025, 4, 6, 12)  # noqa: DTZ001
    selection = make_selection("east", 24.0, start=start)
    granules = pd.concat([make_granules(name, 24.0, start) for name in ("G16", "G19")])
    granules["orbital_slot"] = "GOES-East"
    window = Window.read(selection, granules)
    assert window.satellites == "GOES-16 (East) and GOES-19 (East)"
    assert window.selection.key.platform == "G16+G19"


@pytest.mark.parametrize(
    ("slots", "title"),
    [
        (["GOES-Test"], "GOES-17 (Test)"),
        (["GOES-West"], "GOES-17 (West)"),
        (["GOES_East", None], "GOES-17 (East)"),
        (["GOES-Test", "GOES-Test", "GOES-West"], "GOES-17 (Test, West)"),
        (["GOES-West", "GOES-Test"], "GOES-17 (West, Test)"),
        ([None], "GOES-17"),
        ([" "], "GOES-17"),
        ([], "GOES-17"),
    ],
)
def test_slots_are_those_that_the_granules_name(slots: list[str | None], title: str) -> None:
    """GOES-17 stood at the test place until November 2018: its granules know, no table by name."""
    start = datetime(2018, 12, 1)  # noqa: DTZ001
    granules = make_granules("G17", 1.0, start)[: len(slots)].assign(orbital_slot=slots)
    shuffled = granules.iloc[::-1]
    window = Window.read(make_selection("G17", 1.0, start=start), shuffled)
    assert window.satellites == title


def test_slots_of_other_satellites_and_hours_are_not_named() -> None:
    other = make_granules("G16", 1.0).assign(orbital_slot="GOES-East")
    later = make_granules("G18", 1.0, START + timedelta(hours=1)).assign(orbital_slot="GOES-Test")
    granules = pd.concat([other, later, make_granules("G18", 1.0)])
    window = Window.read(make_selection(), granules)
    assert window.satellites == "GOES-18 (West)"
    assert read_slots(granules)["G16"] == ("East",)


def test_window_without_flashes_shows_the_region_asked_for() -> None:
    region = (170.0, -30.0, -170.0, 0.0)
    nothing = np.array([])
    window = Window(make_selection(region=region), {})
    lat, lon = window.show_points(nothing, nothing)
    extent = maps.choose_extent(lat, lon, 1.3)
    assert (extent.west, extent.east) == (pytest.approx(160, abs=8), pytest.approx(200, abs=8))


def test_selected_result_is_that_of_the_selection() -> None:
    tables, other = make_tables(n=100), make_tables(hours=2, n=700, k=6)
    handle = Handle([other, tables])
    reported = nodes.select_result(handle, handle, tables.selection.to_plain(), "")
    assert len(reported.clustered) == 100
    assert reported.evaluation.selection is not None
    assert reported.evaluation.selection["k"] == 4
    assert reported.window.selection == tables.selection


@pytest.mark.parametrize(
    "selected",
    [{"hours": 3.0}, {"region": (-9.0, 2.0, 8.0, 4.0)}, {"min_quality": "good"}, {"label": "fine"}],
)
def test_selection_without_a_result_gets_no_other_one(selected: dict[str, Any]) -> None:
    wanted, handle = make_selection(**selected).to_plain(), Handle([make_tables(n=10)])
    with pytest.raises(NoResultError, match="There is no result of the window"):
        nodes.select_result(handle, handle, wanted, "")


def test_a_million_flashes_are_mapped_in_seconds() -> None:
    import time

    tables = make_tables(n=1_000_000, k=12)
    began = time.perf_counter()
    reported = tables.reported
    nodes.map_clusters(reported)
    nodes.map_density(reported)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("length", [10, 90, 160])
def test_title_and_subtitle_end_within_the_picture(length: int) -> None:
    figure = make_figure(Words("M" * (length // 2), "M" * length), LIGHT)
    ends = [text.get_window_extent().x1 for text in figure.texts[:2]]
    assert max(ends) <= 0.99 * 1440
