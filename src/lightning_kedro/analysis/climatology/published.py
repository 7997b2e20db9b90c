"""A climatology with its pictures as one thing: what is published together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning_kedro.analysis.climatology.fields import Climatology
from lightning_kedro.file_formats import NETCDF
from lightning_kedro.publication import Publication


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PublishedClimatology(Publication):
    """The files of a climatology: the pictures as they are, fields and tables still to be written.

    Attributes:
        climatology: The fields and the diurnal cycle.
        start: Start of its window, UTC, ISO 8601.
        end: End of its window.
        facts: What its files say of it besides, by name of the attribute: text and numbers.
        formats: What the fields are written as: ``netcdf``, ``zarr``.
    """

    climatology: Climatology
    start: str
    end: str
    facts: Mapping[str, Any]
    formats: tuple[str, ...] = (NETCDF,)
