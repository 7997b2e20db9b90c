"""What is wrong with an hour of a simulated archive."""

from dataclasses import dataclass
from typing import Final

from lightning_kedro.exceptions import ParameterError
from lightning_kedro.simulation.lcfa import Era


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong with an hour of a simulated archive, as happens in the real one.

    Of each fault either how many granules have it (which ones follows from the seed, and no
    granule has two) or which ones do (numbers in the hour, 0 to 179).

    Attributes:
        missing: Not in the archive.
        truncated: Cut short: not a whole netCDF-4 file.
        duplicated: Twice in the archive: first with half of its flashes, then, with a newer
            creation time, with all of them.
        empty: No flashes, groups or events, and 11 s long.
        era: The era whose format to write, whatever the date.
        compressed: Whether rows are compressed, as in files rewritten by others.
    """

    missing: int | tuple[int, ...] = 0
    truncated: int | tuple[int, ...] = 0
    duplicated: int | tuple[int, ...] = 0
    empty: int | tuple[int, ...] = 0
    era: Era | None = None
    compressed: bool = False

    def __post_init__(self) -> None:
        """Take the era as a catalog gives it: a plain string."""
        if self.era is None:
            return
        try:
            object.__setattr__(self, "era", Era(self.era))
        except ValueError as error:
            eras = ", ".join(Era)
            message = f"The format has no era {self.era!r}: choose one of {eras}, or none."
            raise ParameterError(message) from error


NO_FAULTS: Final = Faults()
FAULT_KINDS: Final = ("missing", "truncated", "duplicated", "empty")
