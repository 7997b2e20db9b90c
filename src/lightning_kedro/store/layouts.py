"""Where in an archive the folders of a satellite's hours begin, and whether they are listed at all.

NOAA's buckets, and their copies, hold ``GLM-L2-LCFA/YYYY/DDD/HH/*.nc``. goes2go downloads to a
folder with the bucket's name in between. Some people have all granules in one folder. And an
archive that can be read but not listed, such as the https address of a bucket, answers for each
hour as if it had no granules: that must not be taken for a satellite that made none.
"""

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lightning_kedro.exceptions import UnlistableArchiveError, printable
from lightning_kedro.glm.granule import PRODUCT, hour_prefix, parse_granule_name
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.store.listing import Entry
from lightning_kedro.store.remote import S3, WEB

LAYOUT: Final = f"{PRODUCT}/YYYY/DDD/HH"

MAX_FOLDERS_SEARCHED: Final = 1000
"""How many folders are looked into to say where a misplaced granule lies."""

MAX_NAMES_SHOWN: Final = 3

REMEMBERED_SECONDS: Final = 60.0
"""For how long an archive that was refused is not looked at again: a window has many hours."""

SETTLED_NS: Final = 1_000_000_000
"""A folder that was changed less long ago may change again without another time of change."""

_YEAR: Final = re.compile(r"\d{4}")
_BUCKET: Final = re.compile(r"noaa-goes(\d\d|\{number\})")

ListNames = Callable[[str], list[str] | None]
"""Lists what is directly below a folder, by name; None if there is no such folder."""


def root_above_product(root: str) -> str:
    """A root, or the folder above it if ``GLM-L2-LCFA`` itself was given."""
    return root.removesuffix(f"/{PRODUCT}") or "/"


class LayoutFinder:
    """Finds where the hours of each satellite lie, once the usual place holds nothing.

    Args:
        root: The archive as the user gave it.
        protocol: The kind of file system.
        list_names: What lists a folder.
        may_be_absent: Whether this project makes the root, so that nothing may be there yet.
    """

    def __init__(
        self, root: str, protocol: str, list_names: ListNames, *, may_be_absent: bool
    ) -> None:
        """Begin with the usual layout everywhere."""
        self._root = root
        self._protocol = protocol
        self._list_names = list_names
        self._may_be_absent = may_be_absent
        self._found: dict[str, str] = {}
        self._flat: set[str] = set()
        self._refused: dict[str, tuple[float, str]] = {}

    def root_of(self, platform: str, root: str) -> str:
        """Where ``GLM-L2-LCFA`` of a satellite lies, as far as is known."""
        return self._found.get(platform, root)

    def is_flat(self, root: str) -> bool:
        """Whether a root is known as a flat folder of granules."""
        return root in self._flat

    def find(self, platform: str, root: str) -> str:
        """Find the root of a satellite of which nothing was found.

        Args:
            platform: The satellite.
            root: Its usual root.

        Returns:
            The root below which ``GLM-L2-LCFA`` lies, or the flat folder itself.

        Raises:
            UnlistableArchiveError: If the archive does not list such folders.
        """
        if platform not in self._found:
            self._refuse_again(platform)
            try:
                self._found[platform] = self._look(platform, root)
            except UnlistableArchiveError as error:
                self._refused[platform] = (time.monotonic(), str(error))
                raise
        return self._found[platform]

    def _refuse_again(self, platform: str) -> None:
        """Refuse without another look what was refused a short time ago."""
        when, why = self._refused.get(platform, (-REMEMBERED_SECONDS, ""))
        if why and time.monotonic() - when < REMEMBERED_SECONDS:
            raise UnlistableArchiveError(why)

    def _look(self, platform: str, root: str) -> str:
        """Look at all places where granules may lie."""
        for place in (root, f"{root}/noaa-goes{platform[1:]}"):
            if any(map(_YEAR.fullmatch, self._list_names(f"{place}/{PRODUCT}") or ())):
                return place
        if self._protocol in WEB:
            raise self._explain_web(f"{root}/{PRODUCT}/")
        names = self._list_names(root)
        if self._is_local and any(map(parse_granule_name, names or ())):
            self._flat.add(root)
            return root
        if self._may_be_absent or self._is_empty_bucket(root, names):
            return root
        raise self._explain_layout(platform, root, names)

    @property
    def _is_local(self) -> bool:
        return self._protocol in ("file", "local")

    def _is_empty_bucket(self, root: str, names: list[str] | None) -> bool:
        """Whether S3 itself says that nothing is there.

        An empty folder may be where a disk is not mounted, and a prefix without keys is a typo.
        """
        return self._protocol in S3 and names == [] and "/" not in root

    def _explain_layout(
        self, platform: str, root: str, names: list[str] | None
    ) -> UnlistableArchiveError:
        """Say that granules lie nowhere that is looked at."""
        archive = self._root.replace("{number}", platform[1:])
        if names is None or (self._protocol in S3 and not names):
            message = (
                f"Archive {archive} does not exist. Check the parameter archive: it wants a folder "
                f"or URL that holds {LAYOUT}."
            )
            return UnlistableArchiveError(message)
        message = (
            f"Archive {archive} is not laid out as {LAYOUT}/*.nc: {self._describe(root, names)}. "
            f"Give the folder above {PRODUCT}, {PRODUCT} itself, a folder that goes2go downloaded "
            f"to (noaa-goes{platform[1:]}/{LAYOUT}), or a folder of this machine in which the "
            f"granules lie side by side."
        )
        return UnlistableArchiveError(message)

    def _describe(self, root: str, names: Iterable[str]) -> str:
        """What is there instead."""
        if PRODUCT in names:
            return f"its {PRODUCT} holds no folder of a year"
        misplaced = _find_misplaced(root) if self._is_local else None
        if misplaced is not None:
            return f"there are granules in {printable(misplaced)}"
        shown = [printable(name, 60) for name in sorted(names)[:MAX_NAMES_SHOWN]]
        return f"it holds {', '.join(shown)}" if shown else "it is empty"

    def _explain_web(self, place: str) -> UnlistableArchiveError:
        """Say that a web server does not list its folders, and what to give instead."""
        bucket = _BUCKET.search(self._root)
        instead = (
            f"Give the bucket itself: archive=s3://{bucket[0]}"
            if bucket
            else "Give its s3:// address, a web server that lists its folders, or a folder"
        )
        message = (
            f"Archive {printable(self._root)} cannot be listed: {printable(place)} has no index "
            f"that shows its folders. Granules may be read there one by one, but an archive must "
            f"list {LAYOUT}, or nobody knows which there are. {instead}."
        )
        return UnlistableArchiveError(message)

    def is_hour_absent(self, root: str, hour: ArchiveHour) -> bool:
        """Whether the indexes of a web server show that it has no folder of an hour.

        A page that answers in the place of an index, as those of proxies and of sign-ins do, shows
        no folders: each index must show others of its kind.

        Raises:
            UnlistableArchiveError: If an index shows nothing, or is not there.
        """
        folder = root
        *parents, last = hour_prefix(hour.hour).split("/")
        for name, child in zip(parents, [*parents[1:], last], strict=True):
            folder = f"{folder}/{name}"
            names = self._list_names(folder) or []
            if not any(re.fullmatch(rf"\d{{{len(child)}}}", other) for other in names):
                raise self._explain_web(f"{folder}/")
            if child not in names:
                return True
        return False


class FlatFolder:
    """The granules of a flat folder by hour; the folder is read again only when it has changed."""

    def __init__(self) -> None:
        """Begin without having read it."""
        self._stamp: tuple[str, int] | None = None
        self._names: dict[tuple[str, str], list[str]] = {}

    def list_hour(self, folder: str, hour: ArchiveHour) -> list[Entry]:
        """An hour's granules, but for those that are gone since the folder was read."""
        entries: list[Entry] = []
        for name in self._names_of(folder, hour):
            with suppress(FileNotFoundError):
                path = f"{folder}/{name}"
                entries.append((path, Path(path).stat().st_size))
        return entries

    def _names_of(self, folder: str, hour: ArchiveHour) -> list[str]:
        """The names of an hour's granules."""
        stamp = (folder, Path(folder).stat().st_mtime_ns)
        if stamp != self._stamp:
            names: dict[tuple[str, str], list[str]] = {}
            for file_name in os.listdir(folder):  # noqa: PTH208  (100,000 Paths take a second)
                name = parse_granule_name(file_name)
                if name is not None:
                    key = (name.platform, hour_prefix(name.hour))
                    names.setdefault(key, []).append(file_name)
            is_settled = time.time_ns() - stamp[1] > SETTLED_NS
            self._names, self._stamp = names, stamp if is_settled else None
        return self._names.get((hour.platform, hour_prefix(hour.hour)), [])


def _find_misplaced(root: str) -> str | None:
    """A folder below a local root that has granules in it, if one is found soon."""
    for number, (folder, _, files) in enumerate(os.walk(root)):
        if any(map(parse_granule_name, files)):
            return folder
        if number >= MAX_FOLDERS_SEARCHED:
            return None
    return None
