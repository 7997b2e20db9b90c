"""The part of the run's parameters that clustering needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from lightning_kedro.exceptions import ParameterError

_SMALLEST_K: Final = 2  # a single cluster has no silhouette


@dataclass(frozen=True, slots=True)
class ClusteringOptions:
    """How flashes are clustered and how k is chosen; names as in ``conf/base/parameters.yml``.

    Attributes:
        coordinates: ``sphere`` or ``degrees``.
        standardize: Whether degrees are scaled to unit variance.
        k_min: Smallest k evaluated, at least 2.
        k_max: Largest k evaluated.
        fixed_k: The k to take, or None for the recommended one.
        criterion: ``silhouette`` or ``elbow``.
        max_cells: Most points that are fitted; more flashes are merged into cells.
        random_state: Seed.
        time_scale_km_per_hour: How many km an hour counts as, or None.
    """

    coordinates: str
    standardize: bool
    k_min: int
    k_max: int
    fixed_k: int | None
    criterion: str
    max_cells: int
    random_state: int
    time_scale_km_per_hour: float | None

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Make the options from the run's parameters.

        Raises:
            ParameterError: If parameters contradict each other.
        """
        given = dict(parameters["clustering"])
        k = given.pop("k")
        given.pop("label")
        options = cls(fixed_k=None if k == "auto" else int(k), **given)
        options._check()
        return options

    @property
    def k_range(self) -> range:
        """Every k that is evaluated."""
        return range(self.k_min, self.k_max + 1)

    def _check(self) -> None:
        """Refuse what cannot work together, for callers that come without the strict model."""
        problem = None
        if not _SMALLEST_K <= self.k_min <= self.k_max:
            problem = (
                f"clustering.k_min ({self.k_min}) must be at least 2 and not greater than "
                f"clustering.k_max ({self.k_max})"
            )
        elif self.max_cells <= self.k_max:
            problem = (
                f"clustering.max_cells ({self.max_cells}) must be greater than "
                f"clustering.k_max ({self.k_max})"
            )
        elif self.fixed_k is not None and self.fixed_k not in self.k_range:
            problem = (
                f"clustering.k ({self.fixed_k}) must be auto or within clustering.k_min "
                f"({self.k_min}) and clustering.k_max ({self.k_max})"
            )
        elif self.standardize and self.time_scale_km_per_hour is not None:
            problem = (
                "clustering.standardize and clustering.time_scale_km_per_hour exclude each other: "
                "a scaled place has no km for time to be compared with"
            )
        if problem is not None:
            message = f"{problem}."
            raise ParameterError(message)
