"""The part of the run's parameters that says how storms are found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from lightning_kedro.analysis.storms.dbscan import Density
from lightning_kedro.analysis.storms.finding import TRACKED
from lightning_kedro.analysis.storms.tracking import TrackOptions

_MEET_FLASHES: Final = 5  # tuned with the others, but nothing that people would change


@dataclass(frozen=True, slots=True)
class StormOptions:
    """How storms are found; names as in ``conf/base/parameters.yml``.

    Attributes:
        method: ``tracked``, or ``dbscan`` for the plain clusters.
        eps_km: Neighbors are no farther apart than this chord, km.
        eps_minutes: Nor in time, minutes.
        min_flashes: Neighbors that a core flash has at least, itself included.
        look_back_hours: Flashes of so many hours before the window are looked at, h.
        link_km: Distance over which flashes of a memory are joined, km.
        step_minutes: Length of a step, minutes.
        memory_minutes: Length of the memory, minutes.
        settle_minutes: Age until which a storm that meets another may be a part of it, minutes.
        settle_flashes: It is with fewer flashes than this in the memory,
        settle_share: or with less than this share of the other's.
        split_km: Distance at which cells of one storm part for good, km.
        split_flashes: Flashes that each of them needs for that.
    """

    method: str
    eps_km: float
    eps_minutes: float
    min_flashes: int
    look_back_hours: float
    link_km: float
    step_minutes: float
    memory_minutes: float
    settle_minutes: float
    settle_flashes: int
    settle_share: float
    split_km: float
    split_flashes: int

    @classmethod
    def from_parameters(cls, storms: Mapping[str, Any]) -> Self:
        """Make the options from the parameter ``storms``."""
        return cls(**storms)

    @property
    def density(self) -> Density:
        """How dense flashes of storms are."""
        return Density(self.eps_km, self.eps_minutes, self.min_flashes)

    @property
    def tracking(self) -> TrackOptions | None:
        """How storms are followed; None if they are not."""
        if self.method != TRACKED:
            return None
        return TrackOptions(
            link_km=self.link_km,
            step_minutes=self.step_minutes,
            memory_minutes=self.memory_minutes,
            settle_minutes=self.settle_minutes,
            settle_flashes=self.settle_flashes,
            settle_share=self.settle_share,
            split_km=self.split_km,
            split_flashes=self.split_flashes,
            meet_flashes=_MEET_FLASHES,
        )

    def to_columns(self) -> dict[str, Any]:
        """The options as columns of ``storm_selection``."""
        return asdict(self)
