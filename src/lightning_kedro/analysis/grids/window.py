"""A window's grids as one thing, which are made step by step while they are written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from lightning_kedro.analysis.grids.building import Steps
from lightning_kedro.analysis.grids.sums import CellSums
from lightning_kedro.analysis.grids.target import TargetGrid
from lightning_kedro.file_formats import NETCDF

BOTH_SLOTS: Final = "both_slots"
"""The fact that says how flashes of both slots count on one grid; only of such grids."""


@dataclass(frozen=True, slots=True, eq=False)
class FinishedStep:
    """A step to which nothing is added any more.

    Attributes:
        number: Which one, from 0.
        sums: The cells that have seen something.
        granule_count: Granules that start in it and could be read, 3 a minute if all are there.
    """

    number: int
    sums: CellSums
    granule_count: int


@dataclass(frozen=True, slots=True, eq=False)
class GriddedWindow:
    """The grids of a window.

    Attributes:
        name: What its file is called, without an ending: another one for every window and grid.
        grid: The grid.
        steps: The steps.
        products: Names of the products, in the order of the file.
        facts: What the file says of itself besides, by name of the attribute: text and numbers.
        make: Makes the steps, in order: granules are read while it goes on, so that memory holds
            only those steps that are not finished.
        see: Tells which cells are in the field of view, shape (rows, columns); None if nobody can.
        formats: What they are written as: ``netcdf``, ``zarr``.
    """

    name: str
    grid: TargetGrid
    steps: Steps
    products: tuple[str, ...]
    facts: Mapping[str, Any]
    make: Callable[[], Iterator[FinishedStep]]
    see: Callable[[], npt.NDArray[np.bool_]] | None = None
    formats: tuple[str, ...] = (NETCDF,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same: nothing in it changes."""
        return self
