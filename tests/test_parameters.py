from datetime import UTC, date, datetime
from typing import Any

import pytest

from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.parameters import check_parameters, name_intermediates
from lightning_kedro.times import parse_utc

FAR = "0001-01-01T00:00+02:00"
"""A time that UTC has no year for."""

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def tree(**changes: Any) -> dict[str, Any]:
    window = {"start": "2023-01-26T15:00", "end": "2023-01-26T16:00"}
    return {"satellite": "G18", "window": window} | changes


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2023-01-26T15:00", datetime(2023, 1, 26, 15, tzinfo=UTC)),
        ("2023-01-26 15:00:20.5", datetime(2023, 1, 26, 15, 0, 20, 500_000, tzinfo=UTC)),
        ("2023-01-26", datetime(2023, 1, 26, tzinfo=UTC)),
        ("2023-01-26T15:00Z", datetime(2023, 1, 26, 15, tzinfo=UTC)),
        ("2023-01-26T15:00+02:00", datetime(2023, 1, 26, 13, tzinfo=UTC)),
        (date(2023, 1, 26), datetime(2023, 1, 26, tzinfo=UTC)),
        (datetime(2023, 1, 26, 15), datetime(2023, 1, 26, 15, tzinfo=UTC)),  # noqa: DTZ001
        ("now", NOW),
        ("now-30m", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("now-3h", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("now - 2d", datetime(2026, 2, 27, 12, 30, tzinfo=UTC)),
    ],
)
def test_time_means(given: object, meant: datetime) -> None:
    assert parse_utc(given, now=NOW) == meant


@pytest.mark.parametrize("given", ["", "now+1h", "noon", 20230126, None, "now-999999d", [], FAR])
def test_anything_else_is_no_time(given: object) -> None:
    with pytest.raises(ValueError, match="is not a time: expected ISO 8601"):
        parse_utc(given, now=NOW)


def test_checked_parameters_are_plain_and_whole() -> None:
    checked = check_parameters(tree(), now=NOW)
    assert checked["window"] == {"start": "2023-01-26T15:00:00", "end": "2023-01-26T16:00:00"}
    assert checked["run_time"] == "2026-03-01T12:30:00"
    assert checked["clustering"]["k_max"] == 23
    assert checked["preprocessing"]["region"]["west"] is None


def test_now_is_the_same_for_both_ends() -> None:
    checked = check_parameters(tree(window={"start": "now-1h", "end": "now"}), now=NOW)
    assert checked["window"] == {"start": "2026-03-01T11:30:00", "end": "2026-03-01T12:30:00"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_time": "2026-03-01"}, "Parameter run_time does not exist"),
        ({"window": {"start": "2023-01-26"}}, r"Parameter window\.end is missing"),
        (
            {"window": {"start": "0001-01-01", "end": "2018-01-01"}},
            r"Parameter window\.start: '0001-01-01' must be from 2017-01-01, the year of the first",
        ),
        (
            {"window": {"start": "2018-01-01", "end": "9999-12-31T23:59:59"}},
            r"Parameter window\.end: '9999-12-31T23:59:59' must be from 2017-01-01.* to 2100-01-01",
        ),
        ({"window": 5}, "Parameter window: 5 cannot be used"),
        (
            {"preprocessing": {"region": {"west": 0, "south": 9, "east": 1, "north": 2}}},
            r"Parameter preprocessing\.region: south \(9\) must be less than north \(2\)",
        ),
        *(
            (
                {"preprocessing": {"region": {"west": w, "south": 1, "east": e, "north": 2}}},
                r"Parameter preprocessing\.region: west .* are the same meridian: for all",
            )
            for w, e in ((180, -180), (5, 5), (-180, -180), (-0.0, 0.0))
        ),
        ({"clustering": {"standardize": True}}, "standardize works with coordinates: degrees"),
        (
            {
                "clustering": {
                    "coordinates": "degrees",
                    "standardize": True,
                    "time_scale_km_per_hour": 30,
                }
            },
            "standardize and time_scale_km_per_hour cannot be used together",
        ),
        ({"clustering": {"k": True}}, "True must be auto or a whole number"),
        (
            {"clustering": {"time_scale_km_per_hour": float("inf")}},
            "less than or equal to 10000000",
        ),
        ({"clustering": {"time_scale_km_per_hour": 1e150}}, "less than or equal to 10000000"),
        ({"clustering": {"max_cells": 10**30}}, "max_cells: 1000.* less than or equal to 10000000"),
        (
            {"clustering": {"max_certified": -1}},
            "max_certified: -1.* greater than or equal to 0",
        ),
        (
            {"clustering": {"max_certified": 10**9}},
            "max_certified: 1000000000.* less than or equal to 100000000",
        ),
        ({"clustering": {"label": ""}}, r"clustering\.label: '' cannot be used"),
        ({"clustering": {"label": "a\nb"}}, "must be printable text without spaces at its ends"),
        (
            {"grids": {"domain": "meso"}},
            r"grids\.domain: 'meso' cannot be used, expected 'conus', 'full_disk' or 'latlon'",
        ),
        (
            {"grids": {"step_minutes": 0.001}},
            r"step_minutes: 0\.001 must be whole seconds, or 0",
        ),
        ({"grids": {"step_minutes": -1}}, r"step_minutes: -1 .* greater than or equal to 0"),
        (
            {"grids": {"products": "flash_extent_density+fed"}},
            r"grids\.products: .* names 'fed', which is no product: choose all, or some",
        ),
        ({"grids": {"products": []}}, r"products: \[\] names \[\], which is no product"),
        (
            {"grids": {"format": "hdf"}},
            r"grids\.format: 'hdf' cannot be used, expected 'netcdf', 'zarr' or 'both'",
        ),
        (
            {"climatology": {"format": 1}},
            r"climatology\.format: 1 cannot be used, expected 'netcdf', 'zarr' or 'both'",
        ),
        ({"grids": {"degrees": 0}}, r"grids\.degrees: 0 .* greater than or equal to 0\.01"),
        ({"k": 3}, r"Parameter k does not exist; did you mean clustering\.k"),
        (
            {"max_cells": 3},
            r"Parameter max_cells does not exist; did you mean clustering\.max_cells",
        ),
        (
            {"west": 3},
            r"Parameter west does not exist; did you mean preprocessing\.region\.west\?$",
        ),
        (
            {"clustering": {"k_min": 0, "k_max": 1}},
            r"Parameter clustering\.k_min: 0 .* \(1 more such problem\.\)",
        ),
        ({"zzz": 1}, "Parameter zzz does not exist; the parameters are satellite, window.start"),
    ],
)
def test_tree_that_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_parameters(tree(**changes), now=NOW)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *((text, "G18") for text in ("G18", "g18", "GOES-18", "goes18", "GOES 18", "18", 18)),
        *((text, "east") for text in ("east", "East", "GOES-East", "goes_east")),
    ],
)
def test_satellite_is_understood_as_people_write_it(given: object, meant: str) -> None:
    assert check_parameters(tree(satellite=given), now=NOW)["satellite"] == meant


@pytest.mark.parametrize("given", ["G15", "GOES", "181", "", None, 1, "north"])
def test_satellite_that_does_not_exist_is_refused(given: object) -> None:
    with pytest.raises(ParameterError, match=r"Parameter satellite: .* cannot be used, expected"):
        check_parameters(tree(satellite=given), now=NOW)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("all", tuple(PRODUCTS)),
        ("total_energy", ("total_energy",)),
        ("total_energy+flash_extent_density", ("flash_extent_density", "total_energy")),
        (["total_energy", "total_energy"], ("total_energy",)),
    ],
)
def test_products_are_names_in_the_order_of_the_table(given: object, meant: object) -> None:
    assert check_parameters(tree(grids={"products": given}), now=NOW)["grids"]["products"] == meant


def test_negative_zero_makes_no_other_region() -> None:
    boxes = [
        {"west": west, "south": south, "east": 10, "north": 10}
        for west, south in ((0, 0), (-0.0, -0.0), (-0.0, 0))
    ]
    made = [check_parameters(tree(preprocessing={"region": box}), now=NOW) for box in boxes]
    assert {one["selection"]["name"] for one in made} == {made[0]["selection"]["name"]}
    assert {str(one["selection"]["region"]) for one in made} == {
        "{'west': 0.0, 'south': 0.0, 'east': 10.0, 'north': 10.0}"
    }


ALL = ["flash", "group", "event"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["flash"], ["flash"]),
        ("flash", ["flash"]),
        ("group", ["flash", "group"]),
        (["group"], ["flash", "group"]),
        ("event", ALL),
        (["event", "flash"], ALL),
        (("group", "event", "group"), ALL),
    ],
)
def test_level_brings_its_parents_along(given: object, meant: list[str]) -> None:
    checked = check_parameters(tree(ingestion={"levels": given}), now=NOW)
    assert checked["ingestion"] == {"gaps": "allow", "levels": meant}


@pytest.mark.parametrize(
    "given", ["", "events", "flash,group", [], ["flash", "pixel"], [["flash"]], None, 3, {"flash"}]
)
def test_level_that_does_not_exist_is_refused(given: object) -> None:
    message = r"ingestion\.levels: .* must be one of flash, group, event, or a list of them\.$"
    with pytest.raises(ParameterError, match=message):
        check_parameters(tree(ingestion={"levels": given}), now=NOW)


def test_reports_of_other_levels_are_others() -> None:
    """What one run wants is not what a run with more levels wants."""
    names = {
        name_intermediates(check_parameters(tree(ingestion={"levels": level}), now=NOW))[
            "ingestion"
        ]
        for level in (*ALL, ["group", "event"])
    }
    assert len(names) == 3
    assert len({name.rsplit("-", 1)[0] for name in names}) == 1
