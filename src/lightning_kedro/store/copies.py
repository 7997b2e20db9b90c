"""Copies of granules in a folder that is laid out like the archive they come from.

What could not be fetched leaves a note in the place of its copy, a hidden file with one line that
says why: whoever reads the copies later, in whatever process, finds the reason there.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.glm.granule import hour_prefix
from lightning_kedro.granules.ports import GranuleReader, RawGranules
from lightning_kedro.granules.record import Content, StoredGranule
from lightning_kedro.store.files import write_atomic


@dataclass(frozen=True, slots=True)
class GranuleCopies(GranuleReader, RawGranules):
    """A lazy handle on copies of granules: what ``raw_granules`` loads.

    A granule of a folder of this machine has no copy: it is read where it is.

    Attributes:
        folder: Where the copies are.
    """

    folder: Path

    @property
    def reader(self) -> GranuleReader:
        """The copies themselves."""
        return self

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules with their files, in order; one that did not come with the reason."""
        for granule in granules:
            yield granule, Path(granule.url) if granule.is_local else self._find(granule)

    def _find(self, granule: StoredGranule) -> Path | ArchiveError:
        """A granule's copy, or why there is none."""
        reason = self._read_note(granule)
        if reason is not None:
            return ArchiveError(reason)
        if self.holds(granule):
            return self.path_of(granule)
        return ArchiveError(
            f"{self.path_of(granule)} is not there as it was listed: another run or `kedro prune` "
            f"has changed it. Run again."
        )

    def find_missed(self, granules: Sequence[StoredGranule]) -> Mapping[str, str]:
        """Why some granules did not come, by file name."""
        notes = {granule.name.file_name: self._read_note(granule) for granule in granules}
        return {name: reason for name, reason in notes.items() if reason is not None}

    def folder_of(self, hour: datetime) -> Path:
        """Where the granules of an archive hour lie."""
        return self.folder / hour_prefix(hour)

    def path_of(self, granule: StoredGranule) -> Path:
        """Where a granule lies: made from its parsed name alone, never from its key."""
        return self.folder_of(granule.name.hour) / granule.name.file_name

    def holds(self, granule: StoredGranule) -> bool:
        """Whether a granule is there with the size that it was listed with."""
        path = self.path_of(granule)
        return path.is_file() and path.stat().st_size == granule.file_bytes

    def keep(self, granule: StoredGranule, content: bytes) -> None:
        """Write a granule that came; it is on the disk before it is visible.

        A name that outlives a power cut without its content would be trusted for ever.
        """
        with write_atomic(self.path_of(granule), sync=True) as partial_file:
            partial_file.write_bytes(content)
        self.forget_missed(granule)

    def note_missed(self, granule: StoredGranule, reason: ArchiveError) -> None:
        """Leave a note why a granule did not come: such an error is one printable line."""
        with write_atomic(self._note_of(granule)) as partial_file:
            partial_file.write_text(f"{reason}\n", encoding="utf-8")

    def forget_missed(self, granule: StoredGranule) -> None:
        """Remove the note of a granule that came."""
        self._note_of(granule).unlink(missing_ok=True)

    def _note_of(self, granule: StoredGranule) -> Path:
        """Where the note about a granule is."""
        path = self.path_of(granule)
        return path.with_name(f".{path.name}.missed")

    def _read_note(self, granule: StoredGranule) -> str | None:
        """Why a granule did not come, or None if it is not known to be missing."""
        try:
            return self._note_of(granule).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
