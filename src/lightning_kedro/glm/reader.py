"""One granule to its levels: flashes, and groups and events where they are asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lightning_kedro.glm.flashes import GranuleFlashes, take_flashes
from lightning_kedro.glm.granule import GranuleName
from lightning_kedro.glm.levels import GranuleEvents, GranuleGroups, take_events, take_groups


@dataclass(frozen=True, slots=True, eq=False)
class GranuleLevels:
    """What was read of one granule.

    Attributes:
        flashes: Its flashes.
        groups: Its groups; None if they were not asked for.
        events: Its events; None if they were not asked for.
    """

    flashes: GranuleFlashes
    groups: GranuleGroups | None = None
    events: GranuleEvents | None = None


def read_granule(
    source: Path | bytes, name: GranuleName, levels: Collection[str] = ()
) -> GranuleLevels:
    """Read the flashes of a granule, and other levels of it; the file is opened once.

    Args:
        source: The granule's file, or its bytes.
        name: What the file is called; what is inside must agree with it.
        levels: Names of levels; flashes are read in any case, and groups where events are.

    Raises:
        CorruptGranuleError: If the granule cannot be trusted in any of these levels.
        ArchiveError: If the machine could not read it, whatever is in it.
    """
    from lightning_kedro.glm.variables import open_granule  # HDF5 where files are read

    with open_granule(source, name) as file:
        return GranuleLevels(
            flashes=take_flashes(file, name),
            groups=take_groups(file, name) if {"group", "event"} & {*levels} else None,
            events=take_events(file, name) if "event" in levels else None,
        )
