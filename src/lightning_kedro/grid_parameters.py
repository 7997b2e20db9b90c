"""The branch ``grids`` of the parameters; see ``lightning_kedro.parameters``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lightning_kedro.analysis.grids.products import PRODUCTS
from lightning_kedro.file_formats import FileFormat


class Grids(BaseModel):
    """How lightning is put on a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Literal["conus", "full_disk", "latlon"] = "conus"
    degrees: Annotated[float, Field(ge=0.01, le=10)] = 0.1
    step_minutes: Annotated[float, Field(ge=0, le=1440)] = 1.0
    products: tuple[str, ...] = tuple(PRODUCTS)
    time_of: Literal["flash", "granule"] = "flash"
    split_pixels: Literal["keep", "join"] = "keep"
    format: FileFormat = "netcdf"

    @field_validator("step_minutes")
    @classmethod
    def _check_step(cls, value: float) -> float:
        """Take whole seconds only: granules and times do not have finer steps in a file."""
        if value * 60 != round(value * 60):
            message = "must be whole seconds, or 0 for the whole window as one step"
            raise ValueError(message)
        return value

    @field_validator("products", mode="before")
    @classmethod
    def _read_products(cls, value: object) -> object:
        """Take ``all``, names joined by ``+``, or a list of names."""
        names = value.split("+") if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not names:
            names = [value]
        if list(names) == ["all"]:
            return tuple(PRODUCTS)
        if unknown := [name for name in names if name not in list(PRODUCTS)]:
            message = (
                f"names {unknown[0]!r}, which is no product: choose all, or some of "
                f"{', '.join(PRODUCTS)}, joined by +"
            )
            raise ValueError(message)
        return tuple(name for name in PRODUCTS if name in names)
