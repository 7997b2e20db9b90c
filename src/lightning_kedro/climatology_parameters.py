"""The branch ``climatology`` of the parameters; see ``lightning_kedro.parameters``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lightning_kedro.file_formats import FileFormat
from lightning_kedro.selection import DEFAULT_LABEL, Selection


class Climatology(BaseModel):
    """How thunder hours and flash densities are counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    degrees: Annotated[float, Field(ge=0.01, le=10)] = 0.05
    thunder_km: Annotated[float, Field(ge=1, le=100)] = 15.0
    thunder_flashes: Annotated[int, Field(ge=1, le=1000)] = 2
    folder: Annotated[str, Field(min_length=1)] | None = None
    format: FileFormat = "netcdf"


def name_climatology(selection: Selection, options: Mapping[str, Any]) -> str:
    """What the folder of a climatology is called; another one for all that changes its content.

    Args:
        selection: What it is of; its label does not matter.
        options: The checked parameters ``climatology``.
    """
    usual = Climatology()
    parts = [replace(selection, label=DEFAULT_LABEL).name, f"{options['degrees']:g}deg"]
    if options["thunder_km"] != usual.thunder_km:
        parts.append(f"{options['thunder_km']:g}km")
    if options["thunder_flashes"] != usual.thunder_flashes:
        parts.append(f"{options['thunder_flashes']}flashes")
    return "_".join(parts)
