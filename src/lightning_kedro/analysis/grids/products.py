"""The gridded products: what each is called, its units, and how it comes from sums by cell.

Names, long names and units are those of glmtools' and NOAA's gridded GLM files (Bruning et al.
2019, doi 10.1029/2019JD030874).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the check of parameters needs the names, and no more
    import numpy as np
    import numpy.typing as npt

    from lightning_kedro.analysis.grids.sums import CellSums

SUMS: Final = (
    "flash_extent",
    "flash_known",
    "flash_area",
    "group_extent",
    "group_known",
    "group_area",
    "energy",
    "flash_centroids",
    "group_centroids",
)
"""What is added up by cell: of pixels by the share of the cell that each covers (the first six), by
the part of the pixel that is in the cell (the energy), of centroids one by one."""

LEAST: Final = "least_area"
"""What is not added up: the least area of a flash whose pixels touch the cell."""

PER_CELL: Final = "Count per grid cell per step"
"""Units of densities, until the grid and the step are known."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product.

    Attributes:
        name: Its name, that of the variable.
        long_name: In words.
        units: Its units, or ``PER_CELL``.
        summed: Which of the sums by cell it is,
        divided_by: and by which one that is divided, if by any.
        comment: What it means.
        cell_methods: How it is made of a cell and a step, as the CF conventions have it.
    """

    name: str
    long_name: str
    units: str
    summed: str
    comment: str
    divided_by: str | None = None
    cell_methods: str = "time: sum area: mean"

    def compute(self, sums: "CellSums") -> "npt.NDArray[np.float64]":
        """Its value in each cell that has seen something, shape (n,); 0 where there is none."""
        import numpy as np

        values = sums.take(self.summed)
        if self.divided_by is not None:
            count = sums.take(self.divided_by)
            return np.where(count > 0.0, values / np.where(count > 0.0, count, 1.0), 0.0)
        return np.where(np.isfinite(values), values, 0.0)


PRODUCTS: Final[Mapping[str, Product]] = {
    product.name: product
    for product in (
        Product(
            "flash_extent_density",
            "Flash extent density",
            PER_CELL,
            "flash_extent",
            "Flashes that lit the cell: each pixel counts by the share of the cell that it covers.",
        ),
        Product(
            "flash_centroid_density",
            "Flash centroid density",
            PER_CELL,
            "flash_centroids",
            "Flashes whose energy-weighted centroid is in the cell.",
            cell_methods="time: sum area: sum",
        ),
        Product(
            "average_flash_area",
            "Average flash area",
            "km^2 per flash",
            "flash_area",
            "Mean area of the flashes that lit the cell, weighted as flash_extent_density; flashes "
            "of unknown area do not count.",
            "flash_known",
            "time: mean area: mean",
        ),
        Product(
            "minimum_flash_area",
            "Minimum flash area",
            "km^2",
            LEAST,
            "The least area of the flashes with a pixel that touches the cell.",
            cell_methods="time: minimum area: minimum",
        ),
        Product(
            "total_energy",
            "Total radiant energy",
            "nJ",
            "energy",
            "Energy of events, spread evenly over their pixels.",
            cell_methods="time: sum area: sum",
        ),
        Product(
            "group_extent_density",
            "Group extent density",
            PER_CELL,
            "group_extent",
            "Groups that lit the cell, as flash_extent_density.",
        ),
        Product(
            "group_centroid_density",
            "Group centroid density",
            PER_CELL,
            "group_centroids",
            "Groups whose energy-weighted centroid is in the cell.",
            cell_methods="time: sum area: sum",
        ),
        Product(
            "average_group_area",
            "Average group area",
            "km^2 per group",
            "group_area",
            "Mean area of the groups that lit the cell, weighted as group_extent_density.",
            "group_known",
            "time: mean area: mean",
        ),
    )
}
"""Every product by its name."""
