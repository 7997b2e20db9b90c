"""What is asked for: a window's flashes, and the granules that may hold them.

A flash is written to the granule in which it closes, so that it may have begun in the granule, hour
or day before. A window's flashes are therefore those with start <= time of first event < end, and
ingestion takes whole archive hours and looks one granule past each end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lightning_kedro.glm.orbital_slot import Segment, find_segments


@dataclass(frozen=True, slots=True)
class Region:
    """A box of longitudes and latitudes, in degrees; ``west`` > ``east`` crosses 180 degrees."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class FlashSelection:
    """The flashes of a window.

    Attributes:
        segments: Which satellite in which part of the window, in order of time.
        region: Where, or None for the whole field of view.
        good_only: Whether only flashes with quality flag 0 are wanted.
    """

    segments: tuple[Segment, ...]
    region: Region | None = None
    good_only: bool = False

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "FlashSelection":
        """Make a selection from the run's parameters (a nested mapping, already validated)."""
        preprocessing = parameters["preprocessing"]
        sides = {side: preprocessing["region"][side] for side in ("west", "south", "east", "north")}
        region = None if None in sides.values() else Region(**sides)
        return cls(
            segments=window_segments(parameters),
            region=region,
            good_only=preprocessing["min_quality"] == "good",
        )

    @property
    def platform(self) -> str:
        """The satellites, in order of time: ``G18``, or ``G16+G19`` where a slot changed hands."""
        return "+".join(dict.fromkeys(segment.platform for segment in self.segments))

    @property
    def start(self) -> datetime:
        """Start of the window, inclusive, UTC."""
        return self.segments[0].start

    @property
    def end(self) -> datetime:
        """End of the window, exclusive, UTC."""
        return self.segments[-1].end


def window_segments(parameters: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The window of the run's parameters, satellite by satellite."""
    start, end = (
        datetime.fromisoformat(parameters["window"][side]).replace(tzinfo=UTC)
        for side in ("start", "end")
    )
    return find_segments(parameters["satellite"], start, end)
