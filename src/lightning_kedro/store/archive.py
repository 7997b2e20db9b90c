"""An archive of granules: a lazy handle that lists only what is asked for."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import GranuleName, hour_prefix
from lightning_kedro.granules.creations import KnownGranules, rank_creations
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.series import StoredGranule
from lightning_kedro.store.storage import Storage, run_together
from lightning_kedro.store.workers import prepare_workers

if TYPE_CHECKING:
    from datetime import datetime

    import xarray

logger = logging.getLogger(__name__)

MAX_LISTINGS: Final = 8
"""How many hours are listed at once, at most: each is one request."""


class GranuleSelection:
    """Some granules of an archive, and the means to read them.

    Attributes:
        granules: The granules, in order of platform and start; where one was made more than once,
            all its creations, the newest first.
        hours: The archive hours that were asked for.
        storage: Where they lie.
        failures: What went wrong while looking for them, for the end of the run.
        unlisted: The hours that could not be listed: what they hold is not known.
    """

    def __init__(
        self,
        granules: Sequence[StoredGranule],
        hours: Sequence[ArchiveHour],
        storage: Storage,
        *,
        failures: Sequence[str] = (),
        unlisted: Iterable[ArchiveHour] = (),
    ) -> None:
        """Hold a selection; made by ``GranuleArchive.select``."""
        self.granules = tuple(granules)
        self.hours = tuple(hours)
        self.storage = storage
        self.failures = tuple(failures)
        self.unlisted = frozenset(unlisted)

    def __len__(self) -> int:
        """The number of granules."""
        return len(self.granules)

    def __repr__(self) -> str:
        """Say how many granules of which archive."""
        return f"GranuleSelection({len(self)} granules of {self.storage.root})"

    def select(self, hours: Sequence[ArchiveHour]) -> "GranuleSelection":
        """Those of the granules that belong to some hours, without listing anything again."""
        return self._narrow(_pick(self.granules, hours), hours)

    def without(self, known: KnownGranules) -> "GranuleSelection":
        """The granules that have to be read, given what is known already."""
        return self._narrow([item for item in self.granules if known.wants(item)], self.hours)

    def _narrow(
        self, granules: Sequence[StoredGranule], hours: Sequence[ArchiveHour]
    ) -> "GranuleSelection":
        """Fewer of the granules; what went wrong stays noted."""
        return GranuleSelection(
            granules, hours, self.storage, failures=self.failures, unlisted=self.unlisted
        )

    def read(self, granule: StoredGranule) -> Path | bytes:
        """A granule's file where it is local, else its bytes."""
        return self.storage.read(granule)

    def open_dataset(self, granule: StoredGranule) -> "xarray.Dataset":
        """Open a granule as an xarray Dataset, with xarray's own reading of its attributes.

        For people's own work: xarray follows the declared attributes, which are wrong for times
        of October and November 2018 (see ``lightning_kedro.glm.flashes``).
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
        storage: Where it lies.
        simulated: Whether it may hold only simulated granules, or none of them.
        may_be_empty: Whether finding nothing is no error, as in a folder of copies.
        unlisted: Hours that could not be listed where the copies come from; the run knows already.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        simulated: bool = False,
        may_be_empty: bool = False,
        unlisted: Iterable[ArchiveHour] = (),
    ) -> None:
        """Remember where the archive is; nothing is listed yet."""
        self.storage = storage
        self.simulated = simulated
        self.may_be_empty = may_be_empty
        self.unlisted = frozenset(unlisted)

    def select(
        self, hours: Sequence[ArchiveHour], *, may_be_empty: bool = False
    ) -> GranuleSelection:
        """List some hours and choose their granules: all creations of each, the newest first.

        Args:
            hours: The archive hours.
            may_be_empty: Whether finding nothing is only noted in ``failures``, for a platform
                that this archive is known to have had granules of.

        Returns:
            The granules. Hours that could not be listed are noted, the others are chosen from.

        Raises:
            ArchiveError: If the archive cannot be reached or does not exist, if it holds no
                granule in these hours, or if it is simulated where only real data are allowed.
        """
        prepare_workers(len(hours))
        listings = run_together(
            self.storage.list_hour,
            list(hours),
            workers=min(MAX_LISTINGS, self.storage.max_concurrency),
        )
        found, failed = self._take_in(hours, listings)
        self._refuse_mixture(found)
        picked = _pick(found, hours)
        failures = [str(error) for hour, error in failed.items() if hour not in self.unlisted]
        if failed and (len(failed) == len(hours) or not (picked or self.may_be_empty)):
            raise next(iter(failed.values()))
        if not picked and not self.may_be_empty:
            nothing = self._explain_nothing(hours)
            if not may_be_empty:
                raise nothing
            failures.append(str(nothing))
        unlisted = self.unlisted.union(failed)
        return GranuleSelection(picked, hours, self.storage, failures=failures, unlisted=unlisted)

    def _take_in(
        self, hours: Sequence[ArchiveHour], listings: Sequence[Any]
    ) -> tuple[list[StoredGranule], dict[ArchiveHour, ArchiveError]]:
        """What was found in some hours, and which of them could not be listed."""
        found: list[StoredGranule] = []
        failed: dict[ArchiveHour, ArchiveError] = {}
        ignored = 0
        for hour, listing in zip(hours, listings, strict=True):
            if isinstance(listing, ArchiveError):
                failed[hour] = listing
                continue
            found.extend(listing[0])
            ignored += listing[1]
        if ignored:
            logger.warning("%d names in %s are no granules: ignored", ignored, self.storage.root)
        return found, failed

    def _refuse_mixture(self, granules: Iterable[StoredGranule]) -> None:
        """Keep simulated flashes and real ones apart."""
        for granule in granules:
            if granule.name.is_simulated and not self.simulated:
                message = (
                    f"Archive {self.storage.root} is simulated (it holds "
                    f"{granule.name.file_name}): simulated flashes are kept apart from real ones. "
                    f"Run it with --env sample."
                )
                raise ArchiveError(message)
            if self.simulated and not granule.name.is_simulated:
                message = (
                    f"Archive {self.storage.root} holds real granules ({granule.name.file_name}), "
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
            if not self.storage.root_exists(platform):
                message = (
                    f"Archive {self.storage.root.replace('{number}', platform[1:])} does not "
                    f"exist. Check the parameter archive: it wants a folder or URL that holds "
                    f"GLM-L2-LCFA/YYYY/DDD/HH."
                )
                raise ArchiveError(message)
        prefixes = [f"{hour_prefix(hour.hour)}/" for hour in hours]
        if len(prefixes) > 4:  # noqa: PLR2004
            prefixes = [*prefixes[:2], "...", *prefixes[-2:]]
        message = (
            f"Archive {self.storage.root} holds no granules of {' or '.join(platforms)} for this "
            f"window; looked at {', '.join(prefixes)}. Check satellite, window.start and "
            f"window.end."
        )
        return ArchiveError(message)


def _pick(granules: Iterable[StoredGranule], hours: Sequence[ArchiveHour]) -> list[StoredGranule]:
    """The granules that belong to some hours, in order of platform and start, newest first."""
    by_hour: dict[tuple[str, datetime], dict[GranuleName, StoredGranule]] = {}
    for granule in granules:
        name = granule.name
        by_hour.setdefault((name.platform, name.hour), {})[name] = granule
    picked: dict[GranuleName, StoredGranule] = {}
    for hour in hours:
        mine = by_hour.get((hour.platform, hour.hour), {})
        picked.update((name, mine[name]) for name in hour.pick(mine))
    return rank_creations(picked.values())
