"""An hour as the climatology takes it: its flashes, and how much of it was observed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lightning_kedro.selection import Selection


@dataclass(frozen=True, slots=True, eq=False)
class ObservedHour:
    """An hour of one satellite, or of both slots as one.

    Attributes:
        platform: The satellite.
        start: Start of the hour, UTC.
        share: Share of the hour that was observed: granules that could be read, of 180.
        minute: When flashes began, minutes after ``start``, shape (n,), [0, 60).
        lat: Their latitudes, shape (n,), degrees north.
        lon: Their longitudes, shape (n,), degrees east.
        is_simulated: Whether the granules were simulated.
        also: Share of the hour by satellite of the other slot, if both observed it as one.
    """

    platform: str
    start: np.datetime64
    share: float
    minute: npt.NDArray[np.float32]
    lat: npt.NDArray[np.float32]
    lon: npt.NDArray[np.float32]
    is_simulated: bool = False
    also: Mapping[str, float] = field(default_factory=dict)


class FlashHistory(Protocol):
    """A lazy handle on the flashes: what the entry ``flashes`` loads."""

    def read_hours(self, selection: Selection, margin_deg: float = 0.0) -> Iterator[ObservedHour]:
        """The hours of a selection in order of time, those that were not observed left out."""
        ...

    def has_granules(self, selection: Selection) -> Any:  # noqa: ANN401
        """Whether anything of a selection's window has been loaded."""
        ...
