"""What catalog entries that keep files by archive hour have in common."""

from abc import ABC, abstractmethod
from pathlib import Path


class HourFolder(ABC):
    """A catalog entry with files in a folder for each archive hour, which may be pruned."""

    @abstractmethod
    def hour_folders(self) -> list[Path]:
        """The folders with hours below them that are to be locked or pruned now."""
