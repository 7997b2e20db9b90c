"""The part of the run's parameters that says how lightning is gridded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from lightning_kedro.analysis.climatology.window import find_box
from lightning_kedro.analysis.grids.building import Steps
from lightning_kedro.analysis.grids.target import TargetGrid, make_fixed_grid, make_lat_lon_grid
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.file_formats import NETCDF
from lightning_kedro.glm.field_of_view import field_of_view
from lightning_kedro.glm.lightning_ellipsoid import raise_ground
from lightning_kedro.selection import Selection

LAT_LON: Final = "latlon"
BY_GRANULE: Final = "granule"
JOIN: Final = "join"


@dataclass(frozen=True, slots=True)
class GridOptions:
    """How lightning is gridded; names as in ``conf/base/parameters.yml``.

    Attributes:
        domain: ``conus`` or ``full_disk`` of the fixed grid, or ``latlon``.
        degrees: Side of a cell of ``latlon``, degrees.
        step_minutes: Length of a step, minutes; 0 for the whole window as one.
        products: Names of products.
        time_of: Whether a flash counts in the step of its own first event (``flash``), or of the
            start of its granule (``granule``), as in glmtools and NOAA's files.
        split_pixels: Whether a pixel whose events fall in two squares counts twice (``keep``), as
            in glmtools, or once (``join``).
        format: What the grids are written as: ``netcdf``, ``zarr`` or ``both``.
    """

    domain: str
    degrees: float
    step_minutes: float
    products: tuple[str, ...]
    time_of: str
    split_pixels: str
    format: str = NETCDF

    @classmethod
    def from_parameters(cls, grids: Mapping[str, Any]) -> Self:
        """Make the options from the parameter ``grids``."""
        return cls(**{**grids, "products": tuple(grids["products"])})

    @property
    def by_granule(self) -> bool:
        """Whether flashes count in the step of their granule."""
        return self.time_of == BY_GRANULE

    @property
    def join_pixels(self) -> bool:
        """Whether a pixel that is split in two counts once."""
        return self.split_pixels == JOIN

    def make_steps(self, selection: Selection) -> Steps:
        """The steps of a window."""
        length = (selection.end - selection.start).total_seconds() / 60.0
        return Steps(selection.start, selection.end, self.step_minutes or length)

    def make_grid(self, selection: Selection) -> TargetGrid:
        """The grid.

        Raises:
            ParameterError: If the fixed grids of the window's satellites differ, as those of both
                slots do, or the imager has no such sector where the satellite stands.
        """
        if self.domain == LAT_LON:
            box = find_box(selection)
            height_km = selection.cloud_top_km
            raised = None if height_km is None else raise_ground(height_km)
            return make_lat_lon_grid(box.west, box.south, box.east, box.north, self.degrees, raised)
        if selection.is_merged:
            message = (
                f"Parameter grids.domain: {self.domain} is of the fixed grid of one slot, and "
                f"satellite both is of two: choose latlon, or east or west for the satellite."
            )
            raise ParameterError(message)
        origins = {
            field_of_view(part.platform, when).center_lon
            for part in selection.segments
            for when in (part.start, part.end)
        }
        if len(origins) > 1:
            message = (
                f"Parameter grids.domain: the satellite moves within the window, and its fixed "
                f"grid with it (from {max(origins):g} to {min(origins):g} E): choose latlon, or a "
                f"window before or after."
            )
            raise ParameterError(message)
        return make_fixed_grid(self.domain, origins.pop())

    def name(self, selection: Selection) -> str:
        """What the file of a window is called; another one for all that changes its content."""
        step = f"{self.step_minutes:g}min" if self.step_minutes else "window"
        domain = f"{self.domain}{self.degrees:g}" if self.domain == LAT_LON else self.domain
        parts = [selection.name, domain.replace("_", "-"), step]
        parts += [BY_GRANULE] * self.by_granule + [JOIN] * self.join_pixels
        return "_".join(parts)
