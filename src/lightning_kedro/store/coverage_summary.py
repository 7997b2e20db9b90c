"""What a window has in the database, in a line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What a window's archive hours have in the database.

    Attributes:
        expected: Granules that there should be.
        found: Granules that there are, corrupt ones included.
        file_bytes: Their size.
        gaps: What is missing or corrupt, and in which hours; empty if nothing is.
    """

    expected: int
    found: int
    file_bytes: int
    gaps: str

    def __str__(self) -> str:
        """The summary in a line."""
        return (
            f"{self.found} of {self.expected} granules, {self.file_bytes / 1e6:,.1f} MB, "
            f"{self.gaps or 'no gaps'}"
        )
