"""The flashes of a selection as it asks for them: merged, moved, or without those of the Sun."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lightning_kedro import sky
from lightning_kedro.analysis.parallax import follow_to_ground
from lightning_kedro.exceptions import NoFlashesError, TableError
from lightning_kedro.glm.lightning_ellipsoid import AT_LAUNCH, LOWERED
from lightning_kedro.glm.orbital_slot import find_segments
from lightning_kedro.selected_flashes import FLASH_COLUMNS, read_flashes
from lightning_kedro.selection import Region, Selection
from lightning_kedro.sky import find_satellite_lons, see_flashes

START, END = datetime(2024, 7, 14, 22, tzinfo=UTC), datetime(2024, 7, 14, 23, tzinfo=UTC)


class Flashes:
    """The flashes table as a node sees it, in memory: windows, satellites and regions count."""

    def __init__(self, *rows: tuple[Any, ...], has_granules: bool = True) -> None:
        """Take rows of platform, seconds after 22:00, lat, lon and what else is to be given."""
        self.rows = rows
        self._has_granules = has_granules
        self.asked: list[Selection] = []

    def read(self, selection: Selection, columns: Sequence[str]) -> pa.Table:
        self.asked.append(selection)
        kept = [row for row in self.make() if self._is_in(row, selection)]
        kept.sort(key=lambda row: (row["time"], row["platform"], row["flash_id"]))
        kinds = {"lat": pa.float32(), "lon": pa.float32(), "flash_id": pa.int32()}
        kinds |= {"platform": pa.string(), "energy_j": pa.float64(), "quality_flag": pa.int16()}
        kinds |= dict.fromkeys(("time", "time_end", "granule_start"), pa.timestamp("us"))
        schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
        return pa.Table.from_pylist(kept, schema=schema)

    def make(self) -> list[dict[str, Any]]:
        made = []
        for number, (platform, seconds, lat, lon, *rest) in enumerate(self.rows):
            given = rest[0] if rest else {}
            first = given.get("start", START).replace(tzinfo=None)
            time = np.datetime64(first, "us") + np.timedelta64(round(1e6 * seconds), "us")
            row = {"platform": platform, "flash_id": number, "lat": lat, "lon": lon}
            row |= {"time": time.item(), "time_end": (time + np.timedelta64(200, "ms")).item()}
            row |= {"granule_start": time.astype("M8[m]").astype("M8[us]").item()}
            made.append(row | {"energy_j": 1e-14, "area_km2": 300.0, "quality_flag": 0} | given)
        return made

    def has_granules(self, selection: Selection) -> bool:
        assert selection.platform
        return self._has_granules

    @staticmethod
    def _is_in(row: dict[str, Any], selection: Selection) -> bool:
        region = selection.region
        if region is not None and not region.south <= row["lat"] <= region.north:
            return False
        if region is not None:
            sides = (row["lon"] >= region.west, row["lon"] <= region.east)
            if not (any(sides) if region.west > region.east else all(sides)):
                return False
        return any(
            row["platform"] == part.platform
            and part.start.replace(tzinfo=None) <= row["time"] < part.end.replace(tzinfo=None)
            for part in selection.segments
        )


def select(satellite: str = "both", **given: Any) -> Selection:
    return Selection(find_segments(satellite, START, END), **given)


def read_ids(flashes: Flashes, selection: Selection) -> list[int]:
    ids: list[int] = read_flashes(flashes, selection).column("flash_id").to_pylist()
    return ids


@pytest.mark.parametrize(("lon", "counted"), [(-90.0, 0), (-120.0, 1), (-106.1, 0)])
def test_flash_of_both_counts_once_for_the_satellite_that_stands_higher(
    lon: float, counted: int
) -> None:
    flashes = Flashes(("G16", 60, 30, lon), ("G18", 60.05, 30.1, lon), ("G18", 90, 30, lon))
    assert read_ids(flashes, select()) == [counted, 2]
    pairs = see_flashes(flashes, select(), FLASH_COLUMNS).both
    assert pairs is not None
    assert len(pairs.matches) == 1
    assert pairs.left_counts.tolist() == [counted == 0]


def test_tables_of_one_satellite_are_as_stored() -> None:
    flashes = Flashes(("G16", 60, 30, -90), ("G18", 60.05, 30.1, -90))
    east = select("east")
    assert read_ids(flashes, east) == [0]
    assert flashes.asked == [east], "neither wider nor longer"


def test_fields_of_view_that_share_nothing_merge_to_all() -> None:
    flashes = Flashes(("G16", 60, -10, -50), ("G18", 60, -10, 175), ("G18", 61, 20, -179))
    assert read_ids(flashes, select()) == [0, 1, 2]


def test_match_across_180_degrees_counts_once() -> None:
    """No two slots see that meridian: a satellite's flash may still lie on either side of it."""
    flashes = Flashes(("G16", 60, 10, 179.9), ("G18", 60, 10, -179.9))
    assert read_ids(flashes, select()) == [1]


def test_one_satellite_alone_is_enough() -> None:
    assert read_ids(Flashes(("G18", 60, 30, -100)), select()) == [0]
    assert read_flashes(Flashes(), select()).num_rows == 0
    with pytest.raises(NoFlashesError, match=r"No granule of the window .* of G16\+G18 has been"):
        read_flashes(Flashes(has_granules=False), select())


def test_pair_at_the_edge_of_windows_counts_in_one_of_them() -> None:
    """GOES-East saw it 0.1 s before the full hour, GOES-West after it."""
    flashes = Flashes(("G16", 3599.9, 30, -90), ("G18", 3600.05, 30, -90), ("G18", 3700, 0, -140))
    later = Selection(find_segments("both", END, END.replace(hour=23, minute=59)))
    assert read_ids(flashes, select()) == [0]
    assert read_ids(flashes, later) == [2]


def test_pair_at_the_edge_of_a_region_counts_by_the_place_that_counts() -> None:
    flashes = Flashes(("G16", 60, 30.05, -90), ("G18", 60, 29.95, -90))
    assert read_ids(flashes, select(region=Region(-100, 30, -80, 40))) == [0]
    assert read_ids(flashes, select(region=Region(-100, 20, -80, 30))) == []
    assert read_ids(flashes, select(region=Region(170, 20, -80, 40))) == [0]
    assert read_ids(flashes, select(region=Region(-180, -60, 180, 60))) == [0]


@pytest.mark.parametrize(
    ("region", "wider"),
    [
        (Region(-100, 20, -80, 40), (-103.91, 17, -76.09, 43)),
        (Region(179, -10, -179, 10), (175.9, -13, -175.9, 13)),
        (Region(-180, -60, 180, 88), (-180, -63, 180, 90)),
        (Region(-178, 0, 178, 10), (-180, -3, 180, 13)),
    ],
)
def test_region_is_widened_on_the_sphere(region: Region, wider: tuple[float, ...]) -> None:
    found = sky._widen_region(region)
    assert found is not None
    sides = (found.west, found.south, found.east, found.north)
    assert sides == pytest.approx(wider, abs=0.3)


@pytest.mark.parametrize(
    ("year", "satellite_lon", "ellipsoid"), [(2018, -75.0, AT_LAUNCH), (2024, -75.2, LOWERED)]
)
def test_places_on_the_ground_go_by_the_satellite_and_the_date(
    year: int, satellite_lon: float, ellipsoid: Any
) -> None:
    start = datetime(year, 7, 2, 4, tzinfo=UTC)
    flashes = Flashes(("G16", 60, 35, -100, {"start": start}))
    selection = Selection(
        find_segments("G16", start, start.replace(hour=5)), place="ground", label="mine"
    )
    table = read_flashes(flashes, selection)
    lat, lon = follow_to_ground([35.0], [-100.0], satellite_lon, ellipsoid)
    assert table.column("lat").to_pylist() == pytest.approx(lat, abs=1e-5)
    assert table.column("lon").to_pylist() == pytest.approx(lon, abs=1e-5)
    assert str(table.column("lat").type) == "float"
    assert 35.08 < lat[0] < 35.2


def test_region_is_that_of_the_new_places() -> None:
    flashes = Flashes(("G16", 60, 34.95, -100), ("G16", 61, 39.95, -100))
    region = Region(-110, 35, -90, 40)
    assert read_ids(flashes, select("east", region=region)) == [1]
    assert read_ids(flashes, select("east", region=region, place="ground")) == [0]


def test_flash_at_the_rim_stays_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    flashes = Flashes(("G18", 60, 0, -137.0 + 82.5), ("G18", 61, 0, -137))
    with caplog.at_level(logging.WARNING):
        seen = see_flashes(flashes, select("west", place="ground"), FLASH_COLUMNS)
    assert seen.n_unmoved == 1
    assert seen.table.column("lon").to_pylist()[0] == np.float32(-137.0 + 82.5)
    assert "1 flashes at the rim of the Earth's disc have no place on the ground" in caplog.text


def test_flashes_of_the_sun_are_left_out_only_if_asked_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At 22:30 UTC in July the Sun's glint for GOES-West is about 9 N 143 W."""
    flashes = Flashes(("G18", 1800, 9, -143), ("G18", 1801, 40, -110))
    kept = see_flashes(flashes, select("west"), FLASH_COLUMNS, with_sun=True)
    assert kept.table.num_rows == 2
    assert kept.sun is not None
    assert kept.sun.may_glint.tolist() == [True, False]
    with caplog.at_level(logging.INFO):
        assert read_ids(flashes, select("west", artifacts="leave_out")) == [1]
    assert "1 flashes that the Sun may have made are left out" in caplog.text


def test_satellites_stand_where_they_stood() -> None:
    table = pa.table(
        {
            "platform": ["G16", "G16", "G17", "G17", "G18"],
            "time": np.array(
                ["2018-07-02", "2024-07-14", "2018-10-10", "2020-01-01", "2024-07-14"], "M8[us]"
            ),
        }
    )
    assert find_satellite_lons(table).tolist() == [-75.0, -75.2, -89.5, -137.2, -137.0]


def test_flash_without_a_place_is_refused() -> None:
    flashes = Flashes(("G16", 60, 30, float("nan")), ("G18", 60, 30, -90))
    with pytest.raises(TableError, match=r"holds 1 of 2 flashes in the window .* lat or lon"):
        read_flashes(flashes, select())


def test_matches_are_said(caplog: pytest.LogCaptureFixture) -> None:
    flashes = Flashes(("G16", 60, 30, -90), ("G18", 60.05, 30.1, -90))
    with caplog.at_level(logging.INFO):
        read_flashes(flashes, select())
    assert "1 flashes, of which both satellites saw 1, which count once" in caplog.text
