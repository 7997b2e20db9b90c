"""How a selection's flashes were seen: by which satellite, from where, and whether by the Sun.

The table ``flashes`` holds what each satellite's files hold. Here the flashes of a selection are
made of it where that asks for more: both slots as one (``satellite: both``), another place
(``preprocessing.place``), or no flashes that the Sun may have made (``preprocessing.artifacts``).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.artifacts import SunAngles
from lightning_kedro.analysis.matching import REACH_DEG, REACH_SECONDS, Matches, Sighting
from lightning_kedro.analysis.merging import merge_sightings
from lightning_kedro.analysis.parallax import follow_to_ground
from lightning_kedro.analysis.sphere import FloatArray
from lightning_kedro.exceptions import TableError
from lightning_kedro.glm.lightning_ellipsoid import AT_LAUNCH, LOWERED, LOWERED_SINCE
from lightning_kedro.glm.satellites import SATELLITES
from lightning_kedro.selection import LEAVE_OUT, Region, Selection

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

BoolArray = npt.NDArray[np.bool_]

_TURN: Final = 360.0
_HIGHEST_LAT: Final = 90.0
_HIGHEST_LON: Final = 180.0
_NEEDED: Final = ("platform", "granule_start", "time", "lat", "lon")
_MATCHED_BY: Final = ("time_end",)


@dataclass(frozen=True, slots=True, eq=False)
class BothSides:
    """What both satellites have seen of a selection.

    Attributes:
        left: The flashes of GOES-East, with their places in the files.
        right: The same of GOES-West.
        matches: Which of them are the same; those whose counted flash is in the selection.
        left_counts: Whether GOES-East's flash of a pair is the one that counts, shape (m,).
    """

    left: "pa.Table"
    right: "pa.Table"
    matches: Matches
    left_counts: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class SeenFlashes:
    """The flashes of a selection.

    Attributes:
        table: The flashes, in order of time, platform, granule and id.
        sun: Where the Sun stands for each, by their places in the files; None if nobody asked.
        both: What both satellites saw; None of one satellite.
        n_left_out: Flashes that the Sun may have made, if they are left out; else 0.
        n_unmoved: Flashes at the rim of the disc that have no place on the ground: they are left
            where they are.
    """

    table: "pa.Table"
    sun: SunAngles | None = None
    both: BothSides | None = None
    n_left_out: int = 0
    n_unmoved: int = 0


def is_as_stored(selection: Selection) -> bool:
    """Whether a selection's flashes are rows of the table, and nothing else."""
    return not (selection.is_merged or selection.variant)


def find_read(selection: Selection) -> Selection:
    """The selection of the rows of the table that a selection's flashes are made of."""
    return selection if is_as_stored(selection) else _widen(selection)


def see_flashes(
    flashes: Any,  # noqa: ANN401  (a handle on the table, which knows how to read a selection)
    selection: Selection,
    columns: Sequence[str],
    *,
    with_sun: bool = False,
) -> SeenFlashes:
    """Read the flashes of a selection as it asks for them.

    Args:
        flashes: The handle on the table ``flashes``.
        selection: Which ones.
        columns: What is wanted of each.
        with_sun: Whether to find out where the Sun stands.

    Returns:
        The flashes: of those that both satellites saw the one of the satellite that sees it
        less aslant, on the ground if that is asked for. The region is that of the new places.
    """
    wanted = _widen(selection)
    needed = dict.fromkeys((*columns, *_NEEDED, *(_MATCHED_BY * selection.is_merged)))
    table = flashes.read(wanted, tuple(needed)).combine_chunks()
    check_places(table, selection)
    lon = find_satellite_lons(table)
    both, is_counted = _merge(table, selection, lon) if selection.is_merged else (None, None)
    moved, lost = _move(table, selection, lon)
    kept = find_inside(moved, selection)
    if is_counted is not None:
        kept &= is_counted
    sun, n_left_out = None, 0
    if with_sun or selection.artifacts == LEAVE_OUT:
        sun = _measure_sun(table, kept, lon)
        if selection.artifacts == LEAVE_OUT:
            sunny = sun.may_glint | sun.may_stray
            n_left_out = int(np.count_nonzero(sunny))
            kept[np.flatnonzero(kept)[sunny]] = False
            sun = SunAngles(*(getattr(sun, name)[~sunny] for name in SunAngles.__slots__))
    seen = SeenFlashes(
        moved.filter(kept).select(list(columns)),
        sun,
        None if both is None else _keep_pairs(both, _find_left(table, selection), kept),
        n_left_out,
        int(np.count_nonzero(lost & kept)),
    )
    _log(seen, selection)
    return seen


def check_places(table: "pa.Table", selection: Selection) -> None:
    """Make sure that all flashes have a place on the Earth.

    Raises:
        TableError: If one has none.
    """
    lat, lon = (table.column(name).to_numpy() for name in ("lat", "lon"))
    # Comparisons are False for NaN, and a null reads as NaN.
    lost = int(np.count_nonzero(~((np.abs(lat) <= _HIGHEST_LAT) & (np.abs(lon) <= _HIGHEST_LON))))
    if lost:
        message = (
            f"Table flashes holds {lost:,} of {table.num_rows:,} flashes in {selection} "
            f"whose lat or lon is missing or out of range: delete these rows, and the next run "
            f"of ingestion loads their granules again."
        )
        raise TableError(message)


def find_satellite_lons(table: "pa.Table") -> FloatArray:
    """Above which longitude the satellite of each flash stands, degrees east, shape (n,).

    Args:
        table: Flashes with ``platform`` and ``time``.
    """
    times = _take_times(table, "time")
    lon = np.zeros(table.num_rows)
    codes, platforms = code_platforms(table)
    for number, platform in enumerate(platforms):
        mine = codes == number
        for stay in SATELLITES[platform].stays:
            later = mine & (times >= _to_numpy(stay.since))
            lon[later] = stay.field_of_view.subpoint_lon
    return lon


def _widen(selection: Selection) -> Selection:
    """The selection with what lies about it that decides about its flashes."""
    wide = replace(selection, region=_widen_region(selection.region))
    if not selection.is_merged:
        return wide
    reach = timedelta(seconds=REACH_SECONDS)
    return wide.stretch(selection.start - reach, selection.end + reach)


def _widen_region(region: Region | None) -> Region | None:
    """A region with a margin on all sides; None if that is everywhere. No place is moved so far."""
    if region is None:
        return None
    south, north = max(region.south - REACH_DEG, -90.0), min(region.north + REACH_DEG, 90.0)
    aside = REACH_DEG / max(float(np.cos(np.radians(max(abs(south), abs(north))))), 0.05)
    width = (region.east - region.west) % _TURN or _TURN
    if width + 2.0 * aside >= _TURN:
        return Region(-180.0, south, 180.0, north)
    west, east = (
        float(np.mod(side + 180.0, _TURN) - 180.0)
        for side in (region.west - aside, region.east + aside)
    )
    return Region(west, south, east, north)


def _merge(
    table: "pa.Table", selection: Selection, satellite_lon: FloatArray
) -> tuple[BothSides, BoolArray]:
    """Match the flashes of both satellites, and decide which of a pair counts.

    Returns:
        What both saw, and which rows count, shape (n,).
    """
    is_left = _find_left(table, selection)
    rows = np.flatnonzero(is_left), np.flatnonzero(~is_left)
    left, right = (table.take(mine) for mine in rows)
    stands = (satellite_lon[mine] for mine in rows)
    merged = merge_sightings(_sight(left), _sight(right), *stands)
    counted = np.empty(table.num_rows, np.bool_)
    counted[rows[0]], counted[rows[1]] = merged.left, merged.right
    return BothSides(left, right, merged.matches, merged.left_counts), counted


def _sight(table: "pa.Table") -> Sighting:
    """Flashes as matching takes them."""
    lat, lon = (table.column(name).to_numpy().astype(np.float64) for name in ("lat", "lon"))
    return Sighting(_take_times(table, "time"), _take_times(table, "time_end"), lat, lon)


def _keep_pairs(both: BothSides, is_left: BoolArray, kept: BoolArray) -> BothSides:
    """The pairs whose counted flash is kept."""
    matches, of_left = both.matches, both.left_counts
    mine = of_left.copy()
    mine[of_left] = kept[is_left][matches.left[of_left]]
    mine[~of_left] = kept[~is_left][matches.right[~of_left]]
    values = (getattr(matches, name)[mine] for name in Matches.__slots__)
    return replace(both, matches=Matches(*values), left_counts=of_left[mine])


def _find_left(table: "pa.Table", selection: Selection) -> BoolArray:
    """Which flashes are of the first slot, GOES-East, shape (n,)."""
    codes, platforms = code_platforms(table)
    first = {segment.platform for segment in selection.sides[0]}
    return np.asarray(np.array([name in first for name in platforms], np.bool_)[codes], np.bool_)


def code_platforms(table: "pa.Table") -> tuple[npt.NDArray[np.int32], list[str]]:
    """The platform of each flash as a number, shape (n,), and the platforms by number."""
    import pyarrow as pa

    column = table.column("platform").combine_chunks()
    coded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def _move(
    table: "pa.Table", selection: Selection, satellite_lon: FloatArray
) -> tuple["pa.Table", BoolArray]:
    """Put flashes where the selection wants them; also which have no place there, shape (n,)."""
    import pyarrow as pa

    height_km = selection.cloud_top_km
    if height_km is None or table.num_rows == 0:
        return table, np.zeros(table.num_rows, np.bool_)
    lat, lon = (table.column(name).to_numpy().astype(np.float64) for name in ("lat", "lon"))
    lowered = _take_times(table, "granule_start") >= _to_numpy(LOWERED_SINCE)
    new_lat, new_lon = np.full_like(lat, np.nan), np.full_like(lon, np.nan)
    for place in np.unique(satellite_lon):
        for ellipsoid, is_its in ((LOWERED, lowered), (AT_LAUNCH, ~lowered)):
            mine = is_its & (satellite_lon == place)
            new_lat[mine], new_lon[mine] = follow_to_ground(
                lat[mine], lon[mine], float(place), ellipsoid, height_km
            )
    lost = ~np.isfinite(new_lat) & np.isfinite(lat)
    new_lat, new_lon = np.where(lost, lat, new_lat), np.where(lost, lon, new_lon)
    for name, values in (("lat", new_lat), ("lon", new_lon)):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values.astype(np.float32)))
    return table, np.asarray(lost)


def find_inside(table: "pa.Table", selection: Selection) -> BoolArray:
    """Which flashes are in the selection's window and region, bounds included, as in the table."""
    times = _take_times(table, "time")
    inside = (times >= _to_numpy(selection.start)) & (times < _to_numpy(selection.end))
    region = selection.region
    if region is not None:
        lat, lon = (table.column(name).to_numpy().astype(np.float64) for name in ("lat", "lon"))
        east_of, west_of = lon >= region.west, lon <= region.east
        across = east_of | west_of if region.west > region.east else east_of & west_of
        inside &= across & (lat >= region.south) & (lat <= region.north)
    return np.asarray(inside)


def _measure_sun(table: "pa.Table", kept: BoolArray, satellite_lon: FloatArray) -> SunAngles:
    """Where the Sun stands for the flashes that are kept."""
    times, lat, lon = (
        table.column(name).to_numpy().astype(kind)[kept]
        for name, kind in (("time", "datetime64[us]"), ("lat", np.float64), ("lon", np.float64))
    )
    return SunAngles.measure(times, lat, lon, satellite_lon[kept])


def _log(seen: SeenFlashes, selection: Selection) -> None:
    """Say what was merged, left out, or could not be moved."""
    window = f"{selection.start:%Y-%m-%d %H:%M} to {selection.end:%Y-%m-%d %H:%M}"
    if seen.both is not None:
        logger.info(
            "%s: %d flashes, of which both satellites saw %d, which count once",
            *(window, seen.table.num_rows, len(seen.both.matches)),
        )
    if selection.artifacts == LEAVE_OUT:
        logger.info(
            "%s: %d flashes that the Sun may have made are left out (preprocessing.artifacts)",
            *(window, seen.n_left_out),
        )
    if seen.n_unmoved:
        logger.warning(
            "%d flashes at the rim of the Earth's disc have no place on the ground "
            "(preprocessing.place): they stay where the files have them",
            seen.n_unmoved,
        )


def _take_times(table: "pa.Table", name: str) -> npt.NDArray[np.datetime64]:
    """A column of times, datetime64[us], shape (n,)."""
    return np.asarray(table.column(name).to_numpy().astype("datetime64[us]", copy=False))


def _to_numpy(time: datetime) -> np.datetime64:
    """A UTC time without its zone."""
    return np.datetime64(time.replace(tzinfo=None), "us")
