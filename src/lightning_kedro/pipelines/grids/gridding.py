"""From a window's granules to the steps of its grids, one granule after the other."""

import heapq
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.artifacts import SunAngles
from lightning_kedro.analysis.grids.building import NO_STEP, GridBuilder, Lightning, Steps
from lightning_kedro.analysis.grids.view import see_grid
from lightning_kedro.analysis.grids.window import BOTH_SLOTS, FinishedStep, GriddedWindow
from lightning_kedro.analysis.matching import REACH_SECONDS
from lightning_kedro.analysis.parallax import follow_to_ground
from lightning_kedro.exceptions import ArchiveError, CorruptGranuleError
from lightning_kedro.file_formats import split_formats
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.flashes import MAX_DURATION, GranuleFlashes, read_flashes
from lightning_kedro.glm.granule import GRANULE_LENGTH, GranuleName
from lightning_kedro.glm.levels import read_events, read_groups
from lightning_kedro.glm.lightning_ellipsoid import lightning_ellipsoid
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.glm.satellites import SATELLITES
from lightning_kedro.glm.sparse_image import Source
from lightning_kedro.granules.creations import rank_creations
from lightning_kedro.granules.ports import GranuleReader, RawGranules
from lightning_kedro.granules.record import HourReport, StoredGranule
from lightning_kedro.pipelines.grids.both_slots import find_counted
from lightning_kedro.pipelines.grids.options import GridOptions
from lightning_kedro.selection import LEAVE_OUT, Region, Selection

logger = logging.getLogger(__name__)

_LATE: Final = MAX_DURATION + GRANULE_LENGTH
"""A flash is in a granule that starts at most so long after its first event, with a lot to spare:
it is written when it closes, 3.1 s after at most."""

_MAX_NAMED: Final = 3


def find_near(
    granules: Sequence[StoredGranule], segments: Sequence[Segment]
) -> list[StoredGranule]:
    """The granules that may hold flashes of a window."""
    return [
        granule
        for granule in granules
        if any(
            granule.name.platform == part.platform
            and part.start < granule.name.end + GRANULE_LENGTH
            and granule.name.start < part.end + _LATE
            for part in segments
        )
    ]


def find_looked_at(selection: Selection) -> Selection:
    """The selection whose granules are read: of both slots with what decides about its matches."""
    if not selection.is_merged:
        return selection
    reach = timedelta(seconds=REACH_SECONDS)
    return selection.stretch(selection.start - reach, selection.end + reach)


def describe_window(
    granules: RawGranules, report: HourReport, selection: Selection, options: GridOptions
) -> GriddedWindow:
    """The grids of a selection; nothing is read before they are written."""
    grid, steps = options.make_grid(selection), options.make_steps(selection)
    work = _Gridding(granules.reader, report.wanted, selection, options, steps)
    facts = _describe(selection, options, report.wanted)
    name = options.name(selection)
    see = partial(see_grid, grid, selection.segments)
    formats = split_formats(options.format)
    return GriddedWindow(name, grid, steps, options.products, facts, work.run, see, formats)


def _describe(
    selection: Selection, options: GridOptions, granules: Sequence[StoredGranule]
) -> dict[str, Any]:
    """What the file says of the selection."""
    platforms = selection.platform.split("+")
    views = [field_of_view(part.platform, part.start) for part in selection.segments]
    first, last = (lightning_ellipsoid(time) for time in (selection.start, selection.end))
    ellipsoids = [
        f"{ellipsoid.equatorial_km * 1e3:.1f} m and {ellipsoid.polar_km * 1e3:.1f} m"
        for ellipsoid in dict.fromkeys((first, last))
    ]
    merged = "a flash that both satellites saw counts once, for the one that sees it less aslant"
    return {
        **({BOTH_SLOTS: merged} if selection.is_merged else {}),
        "platform_ID": "+".join(platforms),
        "orbital_slot": "+".join(dict.fromkeys(view.orbital_slot for view in views)),
        "instrument_ID": "+".join(SATELLITES[platform].instrument for platform in platforms),
        "simulated": "true" if any(item.name.is_simulated for item in granules) else "false",
        "region": selection.key.region,
        "min_quality": selection.min_quality,
        "place": selection.place,
        "artifacts": selection.artifacts,
        "time_of": options.time_of,
        "split_pixels": options.split_pixels,
        "lightning_ellipsoid": f"equatorial and polar radius {', then '.join(ellipsoids)}",
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Gridding:
    """The work on a window."""

    reader: GranuleReader
    granules: Sequence[StoredGranule]
    selection: Selection
    options: GridOptions
    steps: Steps

    def run(self) -> Iterator[FinishedStep]:
        """Read granule by granule; give each step when no later granule can add to it."""
        builder = GridBuilder(
            self.options.make_grid(self.selection), self.steps, self.options.join_pixels
        )
        counts = np.zeros(len(self.steps), np.int64)
        ends = self.steps.bounds[:, 1]
        given, failures = 0, _Failures()
        counted = self._merge() if self.selection.is_merged else {}
        for part, creations in self._list_granules(self.selection):
            start = _to_numpy(creations[0].name.start)
            while given < len(ends) and ends[given] + _to_numpy_length(_LATE) <= start:
                yield FinishedStep(given, builder.pop(given), int(counts[given]))
                given += 1
            self._add(_Work(creations, part, counted), builder, counts, failures)
        for number in range(given, len(ends)):
            yield FinishedStep(number, builder.pop(number), int(counts[number]))
        failures.report()
        logger.info(
            "Gridded %d granules in %d steps, %d events without a place or a flash left out",
            *(counts.sum(), len(ends), builder.unplaced),
        )

    def _list_granules(self, selection: Selection) -> Iterator[tuple[Segment, list[StoredGranule]]]:
        """The creations of each granule, with its part of the window, in order of start."""
        sides = [self._list_side(side) for side in selection.sides]
        yield from heapq.merge(*sides, key=lambda item: item[1][0].name.start)

    def _list_side(self, side: Sequence[Segment]) -> Iterator[tuple[Segment, list[StoredGranule]]]:
        """The same of one slot."""
        for part in side:
            mine = rank_creations(find_near(self.granules, [part]))
            for _, creations in groupby(mine, key=lambda item: item.name.start):
                yield part, list(creations)

    def _merge(self) -> dict[GranuleName, npt.NDArray[np.bool_]]:
        """Which flashes of both slots count, by granule."""
        sides = find_looked_at(self.selection).sides
        granules = ((creations for _, creations in self._list_side(side)) for side in sides)
        return find_counted(self.reader, granules, self._choose_quality)

    def _choose_quality(self, flashes: GranuleFlashes) -> npt.NDArray[np.bool_]:
        """Which flashes are good enough."""
        good = flashes.quality_flag == 0
        return good if self.selection.good_only else np.ones_like(good)

    def _add(
        self,
        work: "_Work",
        builder: GridBuilder,
        counts: npt.NDArray[np.int64],
        failures: "_Failures",
    ) -> None:
        """Put the newest creation that can be read on the grid."""
        part = work.part
        for granule, content in self.reader.read_all(work.creations):
            try:
                if isinstance(content, ArchiveError):
                    raise content
                lightning = self._read(granule.name, content, work)
            except (ArchiveError, CorruptGranuleError) as error:
                failures.note(granule.name, error)
                continue
            builder.add(lightning)
            step = self.steps.number(np.array([_to_numpy(granule.name.start)]))[0]
            if step != NO_STEP and part.start <= granule.name.start < part.end:
                counts[step] += 1
            return

    def _read(self, name: GranuleName, content: Source, work: "_Work") -> Lightning:
        """Read a granule."""
        flashes = read_flashes(content, name)
        return Lightning(
            flashes=flashes,
            groups=read_groups(content, name),
            events=read_events(content, name),
            steps=self._find_steps(flashes, name, work),
            satellite_lon=field_of_view(name.platform, name.start).center_lon,
            ellipsoid=lightning_ellipsoid(name.start),
        )

    def _find_steps(
        self, flashes: GranuleFlashes, name: GranuleName, work: "_Work"
    ) -> npt.NDArray[np.int64]:
        """The step that each flash counts in."""
        part = work.part
        times = flashes.time
        if self.options.by_granule:
            times = np.full(len(flashes), _to_numpy(name.start))
        chosen = (times >= _to_numpy(part.start)) & (times < _to_numpy(part.end))
        chosen &= self._choose_quality(flashes) & work.counted.get(name, True)
        if self.selection.region is not None:
            chosen &= _is_within(*self._place(flashes, name), self.selection.region)
        if self.selection.artifacts == LEAVE_OUT:
            view = field_of_view(name.platform, name.start)
            sun = SunAngles.measure(flashes.time, flashes.lat, flashes.lon, view.subpoint_lon)
            chosen &= ~(sun.may_glint | sun.may_stray)
        return np.where(chosen, self.steps.number(times), NO_STEP)

    def _place(
        self, flashes: GranuleFlashes, name: GranuleName
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where flashes are put, for the region: latitudes and longitudes, degrees."""
        height_km = self.selection.cloud_top_km
        lat, lon = flashes.lat.astype(np.float64), flashes.lon.astype(np.float64)
        if height_km is None:
            return lat, lon
        stands = field_of_view(name.platform, name.start).subpoint_lon
        return follow_to_ground(lat, lon, stands, lightning_ellipsoid(name.start), height_km)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """A granule to be put on the grid.

    Attributes:
        creations: Its creations, the newest first.
        part: The part of the window that it is of.
        counted: Of both slots, whether each flash of a granule counts, by granule.
    """

    creations: Sequence[StoredGranule]
    part: Segment
    counted: Mapping[GranuleName, npt.NDArray[np.bool_]]


def _is_within(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], region: Region
) -> npt.NDArray[np.bool_]:
    """Whether the centroids of flashes are in a box, bounds included, as in the database."""
    east_of, west_of = lon >= region.west, lon <= region.east
    across = east_of | west_of if region.west > region.east else east_of & west_of
    return np.asarray(across & (lat >= region.south) & (lat <= region.north))


def _to_numpy(time: datetime) -> np.datetime64:
    """A UTC time without its zone."""
    return np.datetime64(time.replace(tzinfo=None), "us")


def _to_numpy_length(length: timedelta) -> np.timedelta64:
    return np.timedelta64(length // timedelta(microseconds=1), "us")


@dataclass(slots=True)
class _Failures:
    """Granules that could not be read."""

    reasons: list[str] = field(default_factory=list)

    def note(self, name: GranuleName, error: Exception) -> None:
        """Take one down."""
        self.reasons.append(f"{name.file_name}: {error}")

    def report(self) -> None:
        """Say it: what they lack is in ``granule_count`` of the file too."""
        if self.reasons:
            more = len(self.reasons) - _MAX_NAMED
            logger.warning(
                "%d granules could not be read and are not in the grids: %s%s",
                len(self.reasons),
                "; ".join(self.reasons[:_MAX_NAMED]),
                f" and {more} more" if more > 0 else "",
            )
