"""The part of the run's parameters that says how storms are found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from lightning_kedro.analysis.storms.dbscan import Density
from lightning_kedro.analysis.storms.finding import TRACKED
from lightning_kedro.analysis.storms.memory import TrackOptions


@dataclass(frozen=True, slots=True)
class StormOptions:
    """How storms are found; names as in ``conf/base/parameters.yml``.

    Attributes:
        method: ``tracked``, or ``dbscan`` for the plain clusters.
        look_back_hours: Flashes of so many hours before the window are looked at, h.
        density: How dense flashes of storms are.
        track: How storms are followed, if they are.
    """

    method: str
    look_back_hours: float
    density: Density
    track: TrackOptions

    @classmethod
    def from_parameters(cls, storms: Mapping[str, Any]) -> Self:
        """Make the options from the parameter ``storms``."""
        rest = dict(storms)
        density = Density(**{field.name: rest.pop(field.name) for field in fields(Density)})
        track = TrackOptions(**{field.name: rest.pop(field.name) for field in fields(TrackOptions)})
        return cls(density=density, track=track, **rest)

    @property
    def tracking(self) -> TrackOptions | None:
        """How storms are followed; None if they are not."""
        return self.track if self.method == TRACKED else None

    def to_columns(self) -> dict[str, Any]:
        """The options as columns of ``storm_selection``."""
        own = {"method": self.method, "look_back_hours": self.look_back_hours}
        return own | asdict(self.density) | asdict(self.track)
