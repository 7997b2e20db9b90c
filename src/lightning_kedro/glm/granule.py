"""What a granule is called and where it lies: the grammar of names and hour prefixes.

A GLM L2 LCFA granule is one netCDF file of 20 s for one satellite, named
``OR_GLM-L2-LCFA_G16_s20181830433000_e20181830433200_c20181830433231.nc``: system environment,
product, platform, then start, end and creation as ``YYYYDDDHHMMSSt`` (t = tenths of a second).
Source: GOES-R Product Definition and Users' Guide (PUG) volume 5, appendix A, and the names seen in
the buckets.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from lightning_kedro.glm.satellites import PLATFORMS

PRODUCT: Final = "GLM-L2-LCFA"
GRANULES_PER_HOUR: Final = 180
"""Granules that a satellite makes in an hour when nothing is missing: one every 20 s."""

GRANULE_LENGTH: Final = timedelta(seconds=20)
HOUR: Final = timedelta(hours=1)

SYSTEM_ENVIRONMENTS: Final = {
    "OR": "operational system, real-time data",
    "OT": "operational system, test data",
    "IR": "test system, real-time data",
    "IT": "test system, test data",
    "IP": "test system, playback data",
    "IS": "test system, simulated data",
}
OPERATIONAL: Final = "OR"
SIMULATED: Final = "IS"

MAX_LENGTH: Final = timedelta(minutes=5)
"""The longest granule that is believed: all seen last 11 to 21 s."""

# GOES-16 was launched in 2016. A creation in the far future would stand for ever: of two files for
# one start the one created later supersedes the other.
_TIME: Final = r"20\d{12}"
_NAME: Final = re.compile(
    rf"(?P<environment>{'|'.join(SYSTEM_ENVIRONMENTS)})_{PRODUCT}_(?P<platform>{'|'.join(PLATFORMS)})"
    rf"_s(?P<start>{_TIME})_e(?P<end>{_TIME})_c(?P<created>{_TIME})\.nc",
    re.ASCII,
)


NAMES_KEPT: Final = 3 * 4_320
"""How many names are taken apart once only: those of three days, which a run reads four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GranuleName:
    """A granule's name taken apart.

    Attributes:
        platform: The satellite, one of ``PLATFORMS``.
        start: Start of the granule (UTC, to a tenth of a second); with ``platform`` its key.
        end: End of the granule (UTC), exclusive. Usually ``start`` + 20 s, but not always.
        created: When the file was made (UTC): of two files with one key the newer one stands.
        environment: System environment, one of ``SYSTEM_ENVIRONMENTS``.
    """

    platform: str
    start: datetime
    end: datetime
    created: datetime
    environment: str = OPERATIONAL
    _read: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def file_name(self) -> str:
        """The name of the granule's file."""
        if self._read is not None:  # it was taken apart, and is asked for ten times in a run
            return self._read
        times = "_".join(
            f"{letter}{format_time(time)}"
            for letter, time in (("s", self.start), ("e", self.end), ("c", self.created))
        )
        return f"{self.environment}_{PRODUCT}_{self.platform}_{times}.nc"

    @property
    def key(self) -> tuple[str, datetime]:
        """What stays the same when a granule is made again: (platform, start)."""
        return self.platform, self.start

    @property
    def hour(self) -> datetime:
        """The archive hour that holds the granule: that of its start."""
        return floor_hour(self.start)

    @property
    def is_operational(self) -> bool:
        """Whether the name says: real data of the operational system (OR).

        Test, playback and simulated data (OT, IR, IT, IP, IS) may have the key of an operational
        granule. They never stand in its place, however much later they were made; among granules
        that are alike in this the newest creation stands.
        """
        return self.environment == OPERATIONAL

    @property
    def is_simulated(self) -> bool:
        """Whether the name says that the data are simulated."""
        return self.environment == SIMULATED


@lru_cache(maxsize=NAMES_KEPT)
def parse_granule_name(file_name: str) -> GranuleName | None:
    """Take a file name apart.

    Args:
        file_name: The last part of a key or path.

    Returns:
        The granule's name, or None if this is not the name of a GLM L2 LCFA granule: another
        product, a time that does not exist or is not of this century, an end that is not after the
        start or is minutes later, or a creation before the start. There is no latest creation:
        granules may be made again years later.
    """
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    try:
        start, end, created = (parse_time(match[part]) for part in ("start", "end", "created"))
    except (ValueError, OverflowError):
        return None
    if not start < end <= start + MAX_LENGTH or created < start:
        return None
    name = GranuleName(
        platform=match["platform"],
        start=start,
        end=end,
        created=created,
        environment=match["environment"],
    )
    object.__setattr__(name, "_read", file_name)
    return name


def parse_time(text: str) -> datetime:
    """Read ``YYYYDDDHHMMSSt``: year, day of the year, time of day, tenths of a second (UTC).

    Raises:
        ValueError: If the text is not a time that exists. ``strptime`` alone is not enough: its
            ``%S`` lets a 61st second pass, and its ``%f`` would read the tenths as microseconds
            only by luck.
    """
    year, day, hour = int(text[:4]), int(text[4:7]), int(text[7:9])
    minute, second, tenth = int(text[9:11]), int(text[11:13]), int(text[13:14])
    time = datetime(year, 1, 1, hour, minute, second, tenth * 100_000, tzinfo=UTC)
    time += timedelta(days=day - 1)
    if day < 1 or time.year != year:
        message = f"{text} names day {day} of {year}, which does not exist"
        raise ValueError(message)
    return time


def format_time(time: datetime) -> str:
    """Write a UTC time as ``YYYYDDDHHMMSSt``, cut to tenths of a second."""
    day = time.toordinal() - date(time.year, 1, 1).toordinal() + 1
    clock = f"{time.hour:02d}{time.minute:02d}{time.second:02d}"
    return f"{time.year:04d}{day:03d}{clock}{time.microsecond // 100_000:d}"


def floor_hour(time: datetime) -> datetime:
    """The whole hour at or before a time."""
    return time.replace(minute=0, second=0, microsecond=0)


def hour_prefix(hour: datetime) -> str:
    """The folder of an archive hour, below the archive's root: ``GLM-L2-LCFA/YYYY/DDD/HH``."""
    return f"{PRODUCT}/{hour.year:04d}/{hour.timetuple().tm_yday:03d}/{hour:%H}"
