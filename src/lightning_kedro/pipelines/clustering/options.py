"""The part of the run's parameters that says how flashes are clustered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ClusteringOptions:
    """How flashes are clustered and how k is chosen; names as in ``conf/base/parameters.yml``.

    What can be used together was checked with the parameters (``lightning_kedro.parameters``).

    Attributes:
        coordinates: ``sphere`` or ``degrees``.
        standardize: Whether degrees are scaled to unit variance.
        k_min: Smallest k evaluated, at least 2.
        k_max: Largest k evaluated, where there are flashes enough.
        k: The k to take, or None for the recommended one.
        criterion: ``multiscale``, ``silhouette`` or ``elbow``.
        max_cells: Most points that are fitted; more flashes are merged into cells.
        max_certified: Up to so many merged flashes have silhouettes of their own.
        random_state: Seed.
        time_scale_km_per_hour: How many km an hour counts as, or None.
    """

    coordinates: str
    standardize: bool
    k_min: int
    k_max: int
    k: int | None
    criterion: str
    max_cells: int
    max_certified: int
    random_state: int
    time_scale_km_per_hour: float | None

    @classmethod
    def from_parameters(cls, clustering: Mapping[str, Any]) -> Self:
        """Make the options from the parameter ``clustering``."""
        given = {name: value for name, value in clustering.items() if name != "label"}
        k = given.pop("k")
        return cls(k=None if k == "auto" else int(k), **given)
