"""The parts of pictures: labels, outlines, ticks and rates."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipelines.reported_results import (
    START,
    drop_granules,
    make_granules,
    make_selection,
    make_tables,
)
from tests.pipelines.test_reporting import texts_of

from lightning_kedro.pipelines.reporting import (
    animation,
    cluster_map,
    density_map,
    flash_rate,
    outlines,
)
from lightning_kedro.pipelines.reporting.interactive_map import share_frames
from lightning_kedro.pipelines.reporting.maps import Extent
from lightning_kedro.pipelines.reporting.window import Window, name_share, say_coverage


def test_numbers_of_one_and_two_digits_stand_on_the_map() -> None:
    clustered = make_tables(n=3000, k=12).clustered
    words = cluster_map.describe_clusters(clustered)
    assert {"0", "11"} <= set(texts_of(cluster_map.draw_cluster_map(clustered, words)))


def test_maps_of_a_result_share_one_extent() -> None:
    tables = make_tables()
    clustered = tables.clustered
    words = cluster_map.describe_clusters(clustered)
    cluster_axes = cluster_map.draw_cluster_map(clustered, words).axes[0]
    density_axes = density_map.draw_density(clustered, tables.reported.rate)[0].axes[0]
    assert cluster_axes.get_xlim() == density_axes.get_xlim()
    assert cluster_axes.get_ylim() == density_axes.get_ylim()
    assert pytest.approx(cluster_map.MAP_ASPECT, abs=1e-3) == animation.MAP_ASPECT


def test_region_is_drawn_and_named_and_lies_on_the_map() -> None:
    region = (170.0, -30.0, -170.0, 0.0)
    tables = make_tables(n=50, places=[(-15, 175)], region=region)
    clustered = tables.clustered
    extent = clustered.choose_extent()
    assert extent.west < 170.0
    assert extent.east > 190.0
    assert extent.south < -30.0
    assert extent.north > 0.0
    shown = texts_of(
        cluster_map.draw_cluster_map(clustered, cluster_map.describe_clusters(clustered))
    )
    assert "region asked for" in shown
    assert outlines.trace_region(clustered.window.selection.region) == [
        [170.0, -30.0],
        [190.0, -30.0],
        [190.0, 0.0],
        [170.0, 0.0],
    ]
    plain = make_tables(n=50).clustered
    shown = texts_of(cluster_map.draw_cluster_map(plain, cluster_map.describe_clusters(plain)))
    assert "region asked for" not in shown


@pytest.mark.parametrize("n", [0, 3000])
def test_what_is_not_seen_is_shaded_and_named(n: int) -> None:
    tables = make_tables(n=n)
    figure, _ = density_map.draw_density(tables.clustered, tables.reported.rate)
    assert ("outside the field of view" in texts_of(figure)) == (n == 0)


def test_field_of_view_is_traced_on_both_sides_of_180_degrees() -> None:
    (ring,) = outlines.trace_views(Window(make_selection(), {}))
    lon, lat = np.array(ring).T
    assert lon.min() < -190.0 < -80.0 < lon.max() < -60.0
    assert lat.min() < -50.0 < 50.0 < lat.max()
    both = outlines.trace_views(
        Window(make_selection("east", 24.0, start=datetime(2025, 4, 6, 12)), {})  # noqa: DTZ001
    )
    assert len(both) == 2


@given(st.integers(0, 200), st.integers(0, 139))
def test_name_finds_room_within_the_map(column: int, row: int) -> None:
    free = np.zeros((140, 201), dtype=np.bool_)
    free[row, column:] = True
    at_column, at_row, rotation = outlines.find_room(free, 62)
    assert rotation in {0, 90}
    assert 0 <= at_column < 201
    assert 0 <= at_row < 140


@given(
    st.lists(st.integers(0, 3599), max_size=60),
    st.sets(st.integers(0, 179), max_size=179),
)
def test_mean_is_never_above_the_peak(seconds: list[int], lost: set[int]) -> None:
    """Whatever is missing, and also if flashes lie in gaps."""
    times = np.datetime64(START, "us") + np.array(seconds, dtype="timedelta64[s]")
    granules = make_granules("G18", 1.0).drop(index=sorted(lost))
    window = Window(make_selection(), {})
    rate = flash_rate.measure_rate(times.astype("datetime64[us]"), granules, window)
    assert rate.mean <= rate.peak * (1 + 1e-12)
    words = flash_rate.describe_rate(rate, window, simulated=False)
    assert "nan" not in words.subtitle
    share = flash_rate.share_covered(rate)
    assert ("covered" in words.subtitle) == (share < 0.9)


def test_window_without_any_granule_has_no_rate_and_no_nan() -> None:
    tables = make_tables(n=3, k=1)
    nothing = drop_granules(tables, tables.granules["status"] == "loaded")
    rate = nothing.reported.rate
    assert np.isnan(rate.mean)
    assert np.isnan(rate.peak)
    words = flash_rate.describe_rate(rate, nothing.window, simulated=False)
    assert "mean" not in words.subtitle
    assert "60 min without data, only 0.0 % covered" in words.subtitle
    assert not any("nan" in text for text in texts_of(flash_rate.draw_rate(rate, words)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (0.0167, "0.017"), (0.25, "0.2"), (50.0, "50.0"), (1234.5, "1,234")],
)
def test_rates_are_said_as_finely_as_they_need(value: float, text: str) -> None:
    assert flash_rate.name_rate(value) == text


def test_coverage_is_said_where_it_is_little() -> None:
    assert say_coverage(0.9) == say_coverage(1.0) == ""
    assert say_coverage(0.8999) == "only 90.0 % covered"
    assert [name_share(share) for share in (0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0)] == [
        "0.0 %",
        "0.1 %",
        "50.0 %",
        "99.9 %",
        "100.0 %",
    ]


@given(st.integers(1, 400 * 24 * 3600), st.integers(0, 86_400))
def test_time_axes_have_few_round_ticks(seconds: int, after: int) -> None:
    start = np.datetime64(START + timedelta(seconds=after), "us")
    end = start + np.timedelta64(seconds, "s")
    ticks, names = flash_rate.choose_ticks(start, end)
    assert len(ticks) == len(names) <= 10
    assert ((ticks >= start) & (ticks <= end)).all()
    if seconds < 12 * 3600:
        assert len(set(names)) == len(names)


def test_ticks_are_clocks_and_dates() -> None:
    hour = flash_rate.choose_ticks(np.datetime64(START), np.datetime64(START + timedelta(hours=1)))
    assert hour[1] == ["22:00\n14 Jul 2024", "22:10", "22:20", "22:30", "22:40", "22:50", "23:00"]
    day = flash_rate.choose_ticks(np.datetime64(START), np.datetime64(START + timedelta(hours=24)))
    assert day[1][:2] == ["00:00\n15 Jul 2024", "03:00"]
    weeks = flash_rate.choose_ticks(np.datetime64(START), np.datetime64(START + timedelta(days=20)))
    assert weeks[1][0] == "21 Jul\n2024"


@given(st.floats(1e-4, 1e3), st.floats(5.0, 1e7))
def test_density_scale_has_ticks_within_it(lowest: float, ratio: float) -> None:
    ticks = density_map.choose_ticks(lowest, lowest * ratio)
    assert 1 <= len(ticks) <= 10
    assert all(lowest * 0.999 <= tick <= lowest * ratio * 1.001 for tick in ticks)


def test_density_is_said_per_hour_too_unless_it_is_the_same() -> None:
    def labels(hours: float) -> list[str]:
        tables = make_tables(hours=hours, n=400)
        figure, _ = density_map.draw_density(tables.clustered, tables.reported.rate)
        return texts_of(figure)

    assert "per 1,000 km² and hour" not in labels(1.0)
    assert "per 1,000 km² and hour" in labels(3.0)


def test_few_flashes_have_bins_that_can_be_seen() -> None:
    extent = Extent(-130.0, -60.0, -20.0, 35.0)
    assert density_map.make_bins(extent, 10).size_km > 3 * density_map.make_bins(extent).size_km


def test_frames_know_which_share_of_them_is_covered() -> None:
    edges = np.datetime64(START, "us") + np.arange(4) * np.timedelta64(60, "s")
    gaps = np.array([[edges[0] + np.timedelta64(30, "s"), edges[2]]])
    assert share_frames(edges, gaps) == [0.5, 0.0, 1.0]
    assert share_frames(edges, gaps[:0]) == [1.0, 1.0, 1.0]


@given(st.integers(1, 30), st.integers(1, 40), st.floats(0.0, 1.0), st.integers(0, 99))
def test_depth_is_the_distance_to_what_is_not_free(
    n_rows: int, n_columns: int, share: float, seed: int
) -> None:
    from scipy.ndimage import distance_transform_edt

    free = np.random.default_rng(seed).random((n_rows, n_columns)) < share
    expected = distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1]
    np.testing.assert_allclose(outlines.measure_depth(free), expected**2, atol=1e-9)
