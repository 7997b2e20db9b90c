"""Storms followed through time: planted ones are found, and keep their names in any window."""

import dataclasses

import numpy as np
import pytest

from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.analysis.storms import tracking
from lightning_kedro.analysis.storms.dbscan import Density
from lightning_kedro.analysis.storms.finding import find_lives, find_storms
from lightning_kedro.analysis.storms.memory import TrackOptions
from lightning_kedro.analysis.storms.quality import score_tracks

DENSITY = Density(20.0, 30.0, 3)
OPTIONS = TrackOptions(
    link_km=15.0,
    step_minutes=10.0,
    memory_minutes=40.0,
    settle_minutes=60.0,
    settle_flashes=40,
    settle_share=0.1,
    split_km=60.0,
    split_flashes=20,
)
START = 28_000_800.0  # minutes since 1970: a whole hour
DEGREE_KM = 111.195


class Sky:
    """Flashes of planted storms, along the equator."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(8)
        self.parts: list[np.ndarray] = []

    def add(
        self, start: float, end: float, from_km: float, to_km: float, rate: float = 5.0
    ) -> "Sky":
        """A storm that moves steadily from one place to another; times in minutes."""
        n = int(rate * (end - start))
        minutes = np.sort(self.random.uniform(start, end, n))
        x_km = from_km + (to_km - from_km) * (minutes - start) / (end - start)
        x_km = x_km + self.random.normal(0.0, 5.0, n)
        y_km = self.random.normal(0.0, 5.0, n)
        storm = np.full(n, len(self.parts))
        self.parts.append(np.stack([minutes, x_km, y_km, storm]))
        return self

    def build(self, lon: float = 180.0) -> tuple[FloatArray, FloatArray, FloatArray, np.ndarray]:
        """Latitudes, longitudes, times and storms, in order of time."""
        minutes, x_km, y_km, storm = np.concatenate(self.parts, axis=1)
        order = np.argsort(minutes, kind="stable")
        lons = (lon + x_km / DEGREE_KM + 180.0) % 360.0 - 180.0
        lat = y_km / DEGREE_KM
        return lat[order], lons[order], START + minutes[order], storm[order].astype(int)


def crossing() -> Sky:
    """Two storms that meet after two hours and part again."""
    return Sky().add(0.0, 300.0, -120.0, 180.0).add(0.0, 300.0, 120.0, -60.0)


def test_storms_that_touch_for_a_while_stay_two() -> None:
    sky = Sky().add(0.0, 200.0, -80.0, -20.0).add(0.0, 200.0, 80.0, 15.0)
    lat, lon, minutes, storm = sky.build()
    plain = find_storms(lat, lon, minutes, DENSITY, None)
    assert plain.labels.max() == 0, "plain DBSCAN chains them together"
    tracks = find_storms(lat, lon, minutes, DENSITY, OPTIONS)
    assert tracks.labels.max() == 1
    same = (tracks.labels == storm).mean()
    assert max(same, 1.0 - same) > 0.97
    assert (tracks.split_from == -1).all()


def test_storm_that_ends_in_another_has_merged_into_it() -> None:
    sky = Sky().add(0.0, 300.0, -100.0, -100.0).add(0.0, 180.0, 20.0, -85.0)
    lat, lon, minutes, storm = sky.build()
    tracks = find_storms(lat, lon, minutes, DENSITY, OPTIONS)
    staying, ending = (
        int(np.bincount(tracks.labels[(storm == planted) & (tracks.labels >= 0)]).argmax())
        for planted in (0, 1)
    )
    assert staying != ending
    assert tracks.merged_into[ending] == staying
    assert tracks.merged_into[staying] == -1


def test_storm_whose_parts_come_far_apart_is_two() -> None:
    sky = Sky().add(0.0, 300.0, 0.0, -150.0).add(0.0, 300.0, 0.0, 150.0)
    lat, lon, minutes, storm = sky.build()
    tracks = find_storms(lat, lon, minutes, DENSITY, OPTIONS)
    assert tracks.labels.max() == 1
    assert tracks.split_from.tolist() == [-1, 0]
    late = minutes > START + 200.0
    assert len(set(zip(tracks.labels[late].tolist(), storm[late].tolist(), strict=True))) == 2


def test_lone_flashes_are_noise() -> None:
    random = np.random.default_rng(0)
    lat, lon = random.uniform(-50, 50, 300), random.uniform(-180, 180, 300)
    minutes = START + np.sort(random.uniform(0, 60, 300))
    assert (find_storms(lat, lon, minutes, DENSITY, OPTIONS).labels == -1).all()


@pytest.mark.parametrize("options", [OPTIONS, None])
def test_no_flashes_are_no_storms(options: TrackOptions | None) -> None:
    none = np.empty(0)
    tracks = find_storms(none, none, none, DENSITY, options)
    assert tracks.labels.size == tracks.merged_into.size == tracks.split_from.size == 0


def test_storms_are_numbered_by_their_first_flashes() -> None:
    lat, lon, minutes, _ = crossing().add(50.0, 300.0, 900.0, 900.0).build()
    labels = find_storms(lat, lon, minutes, DENSITY, OPTIONS).labels
    first = find_lives(labels).first
    assert (np.diff(first) > 0).all()
    assert labels[first].tolist() == [*range(first.size)]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lat, lon, minutes, _ = crossing().add(400.0, 700.0, 0.0, 90.0).build()
    whole = find_storms(lat, lon, minutes, DENSITY, OPTIONS)
    monkeypatch.setattr(tracking, "STEPS_PER_BLOCK", 3)
    found = find_storms(lat, lon, minutes, DENSITY, OPTIONS)
    assert np.array_equal(found.labels, whole.labels)
    assert np.array_equal(found.merged_into, whole.merged_into)
    assert np.array_equal(found.split_from, whole.split_from)


@pytest.mark.parametrize("turn", [90.0, 180.0])
def test_180_degrees_are_no_seam(turn: float) -> None:
    sky = Sky().add(0.0, 300.0, -120.0, 60.0).add(0.0, 300.0, 10.0, 190.0)
    labels = [find_storms(*sky.build(lon)[:3], DENSITY, OPTIONS).labels for lon in (180.0, turn)]
    assert labels[0].max() == 1
    assert np.array_equal(*labels)


@pytest.mark.parametrize(("start", "end"), [(150.0, 300.0), (240.0, 300.0), (60.0, 200.0)])
def test_storm_keeps_its_first_flash_in_any_window_that_looks_back(
    start: float, end: float
) -> None:
    """What comes after a window by more than it looks ahead changes nothing in it."""
    lat, lon, minutes, _ = crossing().add(20.0, 290.0, 500.0, 400.0).build()
    inside = (minutes >= START + start) & (minutes < START + end)
    seen = minutes < START + end + 100.0
    firsts = []
    for rows in (np.flatnonzero(seen), np.arange(minutes.size)):
        labels = find_storms(lat[rows], lon[rows], minutes[rows], DENSITY, OPTIONS).labels
        first = np.append(rows[find_lives(labels).first], -1)
        firsts.append(first[labels][inside[rows]])
    assert np.array_equal(firsts[0], firsts[1])


def test_straight_tracks_score_better_than_crooked_ones() -> None:
    lat, lon, minutes, storm = crossing().build()
    straight = score_tracks(storm, minutes, lat, lon, 10.0)
    crooked = score_tracks((lon > 0).astype(int), minutes, lat, lon, 10.0)
    assert straight.n_tracks == 2
    assert straight.duration_minutes == pytest.approx(300.0, abs=11.0)
    assert straight.linearity_km < crooked.linearity_km
    assert straight.size_change < crooked.size_change


def test_nothing_to_score_has_no_scores() -> None:
    none = np.empty(0)
    quality = score_tracks(np.empty(0, dtype=np.int64), none, none, none, 10.0)
    assert quality.n_tracks == 0
    assert np.isnan(quality.linearity_km)


@pytest.mark.parametrize("seed", [0, 1])
def test_storms_that_meet_in_several_places_at_once_are_followed(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)
    lat, lon = random.uniform(-1.2, 1.2, 1500), random.uniform(178.8, 181.2, 1500)
    minutes = np.sort(random.uniform(0.0, 300.0, 1500))
    options = dataclasses.replace(
        OPTIONS, settle_minutes=600.0, settle_flashes=6, split_flashes=5, split_km=20.0
    )
    tracks = tracking.track_storms(lat, lon, minutes, options)
    assert tracks.labels.min() == 0, "each has a storm"
    assert tracks.labels.max() + 1 == tracks.merged_into.size > 100
    monkeypatch.setattr(tracking, "STEPS_PER_BLOCK", 3)
    monkeypatch.setattr(tracking, "_PROBE_EVERY", 1)
    again = tracking.track_storms(lat, lon, minutes, options)
    assert (again.labels == tracks.labels).all()
    assert (again.merged_into == tracks.merged_into).all()
    assert (again.split_from == tracks.split_from).all()
