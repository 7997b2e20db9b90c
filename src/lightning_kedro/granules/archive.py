"""An archive of granules: a lazy handle that lists only what is asked for."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.creations import KnownGranules, rank_creations
from lightning_kedro.granules.granule_list import HELD_HOURS, hold_granules
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.ports import GranuleReader, GranuleSource, RawGranules
from lightning_kedro.granules.record import HourRecord, HourReport, StoredGranule

if TYPE_CHECKING:
    import xarray

logger = logging.getLogger(__name__)

MAX_LISTINGS: Final = 8
"""How many hours are listed at once, at most: each is one request."""

Listing: TypeAlias = tuple[list[StoredGranule], int] | ArchiveError
"""What an hour has and how many other things lie there, or why it could not be listed."""


@dataclass(frozen=True, slots=True)
class GranuleSelection(RawGranules):
    """Some granules of an archive, and the means to read them.

    Attributes:
        report: The archive hours that were asked for, with the granules that are wanted.
        source: Where the granules lie.
        doubted: Those of the granules that were read before and found corrupt: a copy of them may
            be damaged.
    """

    report: HourReport
    source: GranuleSource
    doubted: frozenset[StoredGranule] = frozenset()

    @property
    def granules(self) -> tuple[StoredGranule, ...]:
        """The granules, in order of platform and start; of each the newest creation first."""
        return self.report.wanted

    @property
    def reader(self) -> GranuleReader:
        """The archive itself: a selection that is read without a copy streams."""
        return self.source

    def __len__(self) -> int:
        """The number of granules."""
        return sum(len(record.wanted) for record in self.report)

    def __repr__(self) -> str:
        """Say how many granules of which archive."""
        return f"GranuleSelection({len(self)} granules of {self.source.root})"

    def __deepcopy__(self, _: object) -> Self:
        """The same: nothing in it changes."""
        return self

    def without(self, known: KnownGranules) -> "GranuleSelection":
        """The granules that have to be read, given what is known already."""
        report = self.report.keep_if(known.wants)
        doubted = frozenset(
            item for record in report for item in record.wanted if known.has_corrupt(item)
        )
        return GranuleSelection(report, self.source, doubted)

    def find_missed(self, granules: Sequence[StoredGranule]) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing: what does not come is found out when it is read."""
        return {}

    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's file where it is local, else its bytes."""
        return self.source.read(granule)

    def open_dataset(self, granule: StoredGranule) -> "xarray.Dataset":
        """Open a granule as an xarray Dataset, with xarray's own reading of its attributes.

        For people's own work: xarray follows the declared attributes, which are wrong for times
        of October and November 2018 (see ``lightning_kedro.glm.variables``).
        """
        import netCDF4
        import xarray as xr

        content = self.read(granule)
        if isinstance(content, Path):
            return xr.open_dataset(content, engine="netcdf4")
        in_memory = netCDF4.Dataset(granule.name.file_name, memory=content)
        store = xr.backends.NetCDF4DataStore(in_memory)  # type: ignore[no-untyped-call]
        return xr.open_dataset(store)


class GranuleArchive:
    """An archive of granules: what ``glm_archive`` loads.

    Args:
        source: Where it lies.
        simulated: Whether it may hold only simulated granules, or none of them.
        prepare: Called with the number of hours before they are listed: what reading them will
            need can be made ready while the archive answers.
    """

    def __init__(
        self,
        source: GranuleSource,
        *,
        simulated: bool = False,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        """Remember where the archive is; nothing is listed yet."""
        self.source = source
        self.simulated = simulated
        self._prepare = prepare

    def select(
        self, hours: Sequence[ArchiveHour], *, may_be_empty: Callable[[], bool] = lambda: False
    ) -> GranuleSelection:
        """List some hours and choose their granules: all creations of each, the newest first.

        Args:
            hours: The archive hours.
            may_be_empty: Whether finding nothing is only noted as a failure, for a platform that
                this archive is known to have had granules of; asked if nothing was found.

        Returns:
            The granules. Hours that could not be listed are noted, the others are chosen from.

        Raises:
            ArchiveError: If the archive cannot be reached or does not exist, if it holds no
                granule in these hours, or if it is simulated where only real data are allowed.
        """
        if self._prepare is not None:
            self._prepare(len(hours))
        records: list[HourRecord] = []
        failed: list[ArchiveError] = []
        for first in range(0, len(hours), HELD_HOURS):
            some = hours[first : first + HELD_HOURS]
            listings = self._list(some)
            failed += [listing for listing in listings if isinstance(listing, ArchiveError)]
            found = self._take_in(listings)
            self._refuse_mixture(found)
            records += _report(some, listings, _pick(found, some), len(hours))
        is_empty = not any(record.found for record in records)
        if failed and (len(failed) == len(hours) or is_empty):
            raise failed[0]
        if is_empty and hours:
            nothing = self._explain_nothing(hours)
            if not may_be_empty():
                raise nothing
            records[0] = replace(records[0], failures=(str(nothing),))
        return GranuleSelection(HourReport(tuple(records)), self.source)

    def _list(self, hours: Sequence[ArchiveHour]) -> list[Listing]:
        """List hours, several at a time."""

        def list_hour(hour: ArchiveHour) -> Listing:
            try:
                return self.source.list_hour(hour)
            except ArchiveError as error:
                return error

        workers = min(MAX_LISTINGS, self.source.max_concurrency, len(hours))
        with ThreadPoolExecutor(max(1, workers)) as pool:
            return list(pool.map(list_hour, hours))

    def _take_in(self, listings: Iterable[Listing]) -> list[StoredGranule]:
        """What was found in the hours that could be listed."""
        listed = [listing for listing in listings if not isinstance(listing, ArchiveError)]
        ignored = sum(others for _, others in listed)
        if ignored:
            logger.warning("%d names in %s are no granules: ignored", ignored, self.source.root)
        return [granule for granules, _ in listed for granule in granules]

    def _refuse_mixture(self, granules: Iterable[StoredGranule]) -> None:
        """Keep simulated flashes and real ones apart."""
        for granule in granules:
            if granule.name.is_simulated and not self.simulated:
                message = (
                    f"Archive {self.source.root} is simulated (it holds "
                    f"{granule.name.file_name}): simulated flashes are kept apart from real ones. "
                    f"Run it with --env sample."
                )
                raise ArchiveError(message)
            if self.simulated and not granule.name.is_simulated:
                message = (
                    f"Archive {self.source.root} holds real granules ({granule.name.file_name}), "
                    f"but the sample environment takes simulated ones only. Run it without --env "
                    f"sample."
                )
                raise ArchiveError(message)

    def _explain_nothing(self, hours: Sequence[ArchiveHour]) -> ArchiveError:
        """Say which prefixes were looked at.

        Raises:
            ArchiveError: If there is no archive at all.
        """
        platforms = dict.fromkeys(hour.platform for hour in hours)
        for platform in platforms:
            if not self.source.root_exists(platform):
                message = (
                    f"Archive {self.source.root.replace('{number}', platform[1:])} does not "
                    f"exist. Check the parameter archive: it wants a folder or URL that holds "
                    f"GLM-L2-LCFA/YYYY/DDD/HH."
                )
                raise ArchiveError(message)
        prefixes = [f"{hour_prefix(hour.hour)}/" for hour in hours]
        if len(prefixes) > 4:  # noqa: PLR2004
            prefixes = [*prefixes[:2], "...", *prefixes[-2:]]
        message = (
            f"Archive {self.source.root} holds no granules of {' or '.join(platforms)} for this "
            f"window; looked at {', '.join(prefixes)}. Check satellite, window.start and "
            f"window.end."
        )
        return ArchiveError(message)


def _pick(granules: Iterable[StoredGranule], hours: Sequence[ArchiveHour]) -> list[StoredGranule]:
    """The granules that belong to some hours, in order of platform and start, newest first."""
    by_hour: dict[tuple[str, object], dict[GranuleName, StoredGranule]] = {}
    for granule in granules:
        name = granule.name
        by_hour.setdefault((name.platform, name.hour), {})[name] = granule
    picked: dict[GranuleName, StoredGranule] = {}
    for hour in hours:
        mine = by_hour.get((hour.platform, hour.hour), {})
        picked.update((name, mine[name]) for name in hour.pick(mine))
    return rank_creations(picked.values())


def _report(
    hours: Sequence[ArchiveHour],
    listings: Sequence[Listing],
    picked: Iterable[StoredGranule],
    n_hours: int,
) -> Iterator[HourRecord]:
    """Sort what was found by hours.

    Args:
        hours: Some of the hours that were asked for.
        listings: How listing each of them went.
        picked: The granules that are wanted.
        n_hours: How many hours were asked for.
    """
    by_hour: dict[tuple[str, object], list[StoredGranule]] = {}
    for granule in picked:
        by_hour.setdefault((granule.name.platform, granule.name.hour), []).append(granule)
    for hour, listing in zip(hours, listings, strict=True):
        wanted = by_hour.pop((hour.platform, hour.hour), [])
        yield HourRecord(
            hour,
            is_listed=not isinstance(listing, ArchiveError),
            found=len({granule.name.key for granule in wanted}),
            wanted=hold_granules(wanted, n_hours),
            failures=(str(listing),) if isinstance(listing, ArchiveError) else (),
        )
