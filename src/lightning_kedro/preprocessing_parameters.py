"""The branch ``preprocessing`` of the parameters; see ``lightning_kedro.parameters``."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lightning_kedro.selection import KEEP, ON_ELLIPSOID, ON_GROUND

HIGHEST_TOP_KM: Final = 25.0
"""No cloud is higher (km)."""

_NOWHERE: Final = (180.0, -180.0)
"""West and east of a box that begins and ends at the 180 degree meridian, eastward of it."""


class _Strict(BaseModel):
    """A branch of the tree: unknown names are refused, values never change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RegionBox(_Strict):
    """A box in degrees; all four sides or none. west > east crosses 180 degrees."""

    west: Annotated[float | None, Field(ge=-180, le=180)] = None
    south: Annotated[float | None, Field(ge=-90, le=90)] = None
    east: Annotated[float | None, Field(ge=-180, le=180)] = None
    north: Annotated[float | None, Field(ge=-90, le=90)] = None

    @field_validator("west", "south", "east", "north")
    @classmethod
    def _drop_sign_of_zero(cls, value: float | None) -> float | None:
        """Make -0.0 what it equals: a box has one key, however it is written."""
        return None if value is None else value + 0.0

    @model_validator(mode="after")
    def _check_sides(self) -> "RegionBox":
        sides = (self.west, self.south, self.east, self.north)
        given = [side is not None for side in sides]
        if any(given) and not all(given):
            message = "a region needs all of west, south, east and north, or none of them"
            raise ValueError(message)
        if self.south is not None and self.north is not None and self.south >= self.north:
            message = f"south ({self.south:g}) must be less than north ({self.north:g})"
            raise ValueError(message)
        if self.west is not None and (self.west == self.east or (self.west, self.east) == _NOWHERE):
            message = (
                f"west ({self.west:g}) and east ({self.east:g}) are the same meridian: for all "
                f"longitudes give west -180 and east 180"
            )
            raise ValueError(message)
        return self


class Preprocessing(_Strict):
    """Which of the window's flashes are clustered, and where they are put."""

    region: RegionBox = RegionBox()
    min_quality: Literal["all", "good"] = "all"
    place: str = ON_ELLIPSOID
    artifacts: Literal["keep", "leave_out"] = KEEP

    @field_validator("place", mode="before")
    @classmethod
    def _read_place(cls, value: object) -> str:
        """Take a name, or a height of cloud tops in km; 0 is the ground."""
        if value in (ON_ELLIPSOID, ON_GROUND):
            return str(value)
        try:
            height = float("nan" if isinstance(value, bool) else str(value))
        except ValueError:
            height = float("nan")
        if not 0.0 <= height <= HIGHEST_TOP_KM:
            message = (
                f"must be {ON_ELLIPSOID}, {ON_GROUND}, or the height of cloud tops in km, "
                f"0 to {HIGHEST_TOP_KM:g}"
            )
            raise ValueError(message)
        return f"{height:.6g}" if height else ON_GROUND
