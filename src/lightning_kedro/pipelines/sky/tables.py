"""The tables of how flashes were seen: artifacts, matches, and one row that counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro import __version__
from lightning_kedro.analysis.artifacts import SunAngles, find_wrapped_areas
from lightning_kedro.analysis.detector_lines import find_lines
from lightning_kedro.analysis.matching import MATCH_KM, MATCH_SECONDS
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.glm.field_of_view import pixel_area_km2, sees
from lightning_kedro.glm.lightning_ellipsoid import LOWERED_SINCE
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.results import SKY_TABLES, Result, make_table
from lightning_kedro.selected_flashes import FLASH_COLUMNS, fingerprint_flashes
from lightning_kedro.selection import Selection
from lightning_kedro.sky import (
    BothSides,
    SeenFlashes,
    code_platforms,
    find_inside,
    find_satellite_lons,
)

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = (*FLASH_COLUMNS, "time_end", "energy_j", "area_km2")
"""What is read of each flash."""

_IDENTITY: Final = ("platform", "granule_start", "flash_id")
_SECOND: Final = np.timedelta64(1_000_000, "us")
_TURN: Final = 360.0


@dataclass(frozen=True, slots=True, eq=False)
class Flags:
    """What may be wrong with flashes, each array of shape (n,).

    Attributes:
        sun_glint: Whether it may be the Sun's glint.
        stray_sunlight: Whether it may be sunlight past the Earth's rim.
        wrapped_area: Whether its area cannot be true.
        detector_line: Whether it is on a line of the detector that stands out.
        checked: Whether its area could be held against its groups'.
    """

    sun_glint: npt.NDArray[np.bool_]
    stray_sunlight: npt.NDArray[np.bool_]
    wrapped_area: npt.NDArray[np.bool_]
    detector_line: npt.NDArray[np.bool_]
    checked: npt.NDArray[np.bool_]

    @property
    def any(self) -> npt.NDArray[np.bool_]:
        """Whether anything may be wrong."""
        return self.sun_glint | self.stray_sunlight | self.wrapped_area | self.detector_line


def collect_result(
    selection: Selection, seen: SeenFlashes, largest: "pa.Table", request: Mapping[str, Any]
) -> Result:
    """Put all tables of a result together.

    Args:
        selection: What it is of.
        seen: Its flashes, with ``COLUMNS``, and where the Sun stands.
        largest: Area of the largest group (km2) by flash, as far as groups were read.
        request: What was asked for: ``satellite`` and ``run_time`` of the parameters.
    """
    assert seen.sun is not None  # noqa: S101  (the node asks for it)
    flags = find_flags(seen, largest)
    matches = list_matches(seen.both) if seen.both is not None else list_no_matches()
    columns = {
        "flash_artifacts": list_artifacts(seen.table, seen.sun, flags),
        "flash_matches": matches,
        "sky_selection": list_selection(selection, seen, flags, matches, request),
    }
    tables = {name: make_table(name, selection, mine) for name, mine in columns.items()}
    return Result(selection, tables, SKY_TABLES)


def find_flags(seen: SeenFlashes, largest: "pa.Table") -> Flags:
    """Find out what may be wrong with flashes."""
    table, sun = seen.table, seen.sun
    assert sun is not None  # noqa: S101
    lat, lon, area = (_take(table, name) for name in ("lat", "lon", "area_km2"))
    largest_km2 = _join_areas(table, largest)
    satellite_lon = find_satellite_lons(table)
    codes, platforms = code_platforms(table)
    pixel = np.full(table.num_rows, np.nan)
    for number, platform in enumerate(platforms):
        mine = codes == number
        pixel[mine] = pixel_area_km2(platform, lat[mine], lon[mine])
    return Flags(
        sun.may_glint,
        sun.may_stray,
        find_wrapped_areas(area, pixel, largest_km2),
        find_lines(lat, lon, satellite_lon),
        np.isfinite(largest_km2),
    )


def _join_areas(table: "pa.Table", largest: "pa.Table") -> FloatArray:
    """The area of the largest group of each flash, km2, shape (n,); NaN where it is not known."""
    import pyarrow as pa

    n = table.num_rows
    if largest.num_rows == 0:
        return np.full(n, np.nan)
    rows = table.select(list(_IDENTITY)).append_column("row", pa.array(np.arange(n)))
    found = rows.join(largest, list(_IDENTITY), join_type="inner")
    areas = np.full(n, np.nan)
    areas[found.column("row").to_numpy()] = _take(found, "area_km2")
    return areas


def list_artifacts(table: "pa.Table", sun: SunAngles, flags: Flags) -> dict[str, Any]:
    """One row a flash with which something may be wrong, in the order of the table's key."""
    rows = np.flatnonzero(flags.any)
    rows = rows[sort_by_identity(table.take(rows))]
    some = table.take(rows)
    return {
        **name_flashes(some),
        **{name: some.column(name) for name in ("time", "lat", "lon")},
        "sun_glint": flags.sun_glint[rows],
        "stray_sunlight": flags.stray_sunlight[rows],
        "wrapped_area": flags.wrapped_area[rows],
        "detector_line": flags.detector_line[rows],
        "glint_deg": sun.glint_deg[rows],
        "from_sun_deg": sun.from_sun_deg[rows],
        "area_km2": some.column("area_km2"),
    }


def list_matches(both: BothSides) -> dict[str, Any]:
    """One row a flash that both satellites saw, in the order of the table's key."""
    import pyarrow as pa

    left, right = both.left.take(both.matches.left), both.right.take(both.matches.right)
    west_less_east = {
        "time_residual_s": _subtract_times(right, left, "time"),
        "time_end_residual_s": _subtract_times(right, left, "time_end"),
        "lat_residual_deg": _take(right, "lat") - _take(left, "lat"),
        "lon_residual_deg": _turn(_take(right, "lon") - _take(left, "lon")),
        "energy_ratio": _divide(_take(right, "energy_j"), _take(left, "energy_j")),
    }
    n, is_left = len(both.matches), both.left_counts
    pairs = pa.concat_tables([left, right])
    counted = pairs.take(np.where(is_left, np.arange(n), n + np.arange(n)))
    other = pairs.take(np.where(is_left, n + np.arange(n), np.arange(n)))
    order = sort_by_identity(counted)
    counted, other = counted.take(order), other.take(order)
    return {
        **name_flashes(counted),
        **{name: counted.column(name) for name in ("time", "lat", "lon")},
        **{f"other_{name}": other.column(name) for name in _IDENTITY},
        "distance_km": both.matches.distance_km[order],
        **{name: values[order] for name, values in west_less_east.items()},
    }


def list_no_matches() -> dict[str, Any]:
    """No rows: of one satellite."""
    return {name: [] for name in _OF_MATCHES}


_OF_MATCHES: Final = (
    *("flash_platform", "granule_start", "flash_id", "time", "lat", "lon"),
    *("other_platform", "other_granule_start", "other_flash_id"),
    *("distance_km", "time_residual_s", "time_end_residual_s"),
    *("lat_residual_deg", "lon_residual_deg", "energy_ratio"),
)


def list_selection(
    selection: Selection,
    seen: SeenFlashes,
    flags: Flags,
    matches: Mapping[str, Any],
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """How many flashes there are of each kind: one row."""
    starts = seen.table.column("granule_start").to_numpy().astype("datetime64[us]")
    lowered = np.datetime64(LOWERED_SINCE.replace(tzinfo=None), "us")
    row = {
        "satellite": request["satellite"],
        "place": selection.place,
        "artifacts": selection.artifacts,
        "n_flashes": seen.table.num_rows,
        "n_sun_glint": int(flags.sun_glint.sum()),
        "n_stray_sunlight": int(flags.stray_sunlight.sum()),
        "n_wrapped_area": int(flags.wrapped_area.sum()),
        "n_area_checked": int(flags.checked.sum()),
        "n_detector_line": int(flags.detector_line.sum()),
        "n_late": int(np.count_nonzero(starts < lowered)),
        "n_left_out": seen.n_left_out,
        "n_unmoved": seen.n_unmoved,
        **_count_sides(selection, seen.both, matches),
        "flashes_fingerprint": fingerprint_flashes(seen.table),
        "code_version": __version__,
        "run_time": datetime.fromisoformat(request["run_time"]),
    }
    return {name: [value] for name, value in row.items()}


def _count_sides(
    selection: Selection, both: BothSides | None, matches: Mapping[str, Any]
) -> dict[str, Any]:
    """What each satellite saw, and what both did; nothing of one satellite."""
    if both is None:
        return dict.fromkeys(_OF_BOTH)
    east, west = (table.filter(find_inside(table, selection)) for table in (both.left, both.right))
    overlaps = [
        int(_see_others(table, side).sum())
        for table, side in ((east, selection.sides[1]), (west, selection.sides[0]))
    ]
    n = len(both.matches)
    seen_by_any = sum(overlaps) - n
    measured = {
        "median_distance_km": _measure(matches["distance_km"], 50),
        "p95_distance_km": _measure(matches["distance_km"], 95),
        "median_time_residual_s": _measure(matches["time_residual_s"], 50),
        "median_energy_ratio": _measure(matches["energy_ratio"], 50),
    }
    return {
        "n_east": east.num_rows,
        "n_west": west.num_rows,
        "n_east_overlap": overlaps[0],
        "n_west_overlap": overlaps[1],
        "n_matched": n,
        "matched_share": min(n / seen_by_any, 1.0) if seen_by_any > 0 else None,
        "match_seconds": MATCH_SECONDS,
        "match_km": MATCH_KM,
        **measured,
    }


_OF_BOTH: Final = (
    *("n_east", "n_west", "n_east_overlap", "n_west_overlap", "n_matched", "matched_share"),
    *("match_seconds", "match_km", "median_distance_km", "p95_distance_km"),
    *("median_time_residual_s", "median_energy_ratio"),
)


def _see_others(table: "pa.Table", side: Sequence[Segment]) -> npt.NDArray[np.bool_]:
    """Which flashes of one satellite the field of view of the other slot's holds too."""
    times = table.column("time").to_numpy().astype("datetime64[us]")
    lat, lon = _take(table, "lat"), _take(table, "lon")
    seen = np.zeros(table.num_rows, np.bool_)
    for segment in side:
        start, end = (
            np.datetime64(time.replace(tzinfo=None), "us") for time in (segment.start, segment.end)
        )
        mine = (times >= start) & (times < end)
        seen[mine] = sees(segment.platform, lat[mine], lon[mine], segment.start)
    return seen


def name_flashes(table: "pa.Table") -> dict[str, Any]:
    """The columns that name flashes in tables of results."""
    return {
        "flash_platform": table.column("platform"),
        **{name: table.column(name) for name in _IDENTITY[1:]},
    }


def sort_by_identity(table: "pa.Table") -> npt.NDArray[np.int64]:
    """The order of flashes by satellite, granule and id, as the keys of tables have it."""
    import pyarrow.compute as pc

    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in _IDENTITY])
    return np.asarray(order.to_numpy(), np.int64)


def _take(table: "pa.Table", name: str) -> FloatArray:
    """A column of numbers, shape (n,); NaN where they are missing."""
    return np.asarray(table.column(name).to_numpy(), np.float64)


def _subtract_times(later: "pa.Table", earlier: "pa.Table", name: str) -> FloatArray:
    """Differences of times, s."""
    first, second = (
        some.column(name).to_numpy().astype("datetime64[us]") for some in (later, earlier)
    )
    return np.asarray((first - second) / _SECOND)


def _turn(degrees: FloatArray) -> FloatArray:
    """Differences of longitude in (-180, 180]."""
    return np.asarray(degrees - _TURN * np.round(degrees / _TURN))


def _divide(values: FloatArray, by: FloatArray) -> FloatArray:
    """Ratios; NaN where one is missing or nothing."""
    usable = by > 0.0
    return np.where(usable, values / np.where(usable, by, 1.0), np.nan)


def _measure(values: FloatArray, percent: float) -> float | None:
    """A percentile of the values that are known; None if none is."""
    known = np.asarray(values)[np.isfinite(values)]
    return float(np.percentile(known, percent)) if known.size else None
