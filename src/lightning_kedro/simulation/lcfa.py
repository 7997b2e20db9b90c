"""The GLM L2 LCFA file format, read from the data files beside this module.

``lcfa.yaml`` holds what stayed the same over the years, ``lcfa_revisions.yaml`` what changed, with
the sources of both. Here are their types, and the lookup of the format of a date.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

import numpy as np
import yaml

Entries: TypeAlias = Mapping[str, Any]
"""A mapping of a data file."""

# The C parser takes 5 ms where Python's takes 45; not every platform's PyYAML has it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Era(StrEnum):
    """How a granule writes its times; the other changes of format follow the same order.

    Attributes:
        E1: Until mid-October 2018: signed milliseconds in steps of 2.
        E2: Until early November 2018: unsigned seconds that do not say that they are unsigned.
        E3: Since then: unsigned seconds that say so.
    """

    E1 = "E1"
    E2 = "E2"
    E3 = "E3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How a quantity becomes a 16-bit integer: value = raw * scale + offset.

    Attributes:
        scale_factor: A float32 in the file.
        add_offset: A float32 in the file.
        units: The units of the unpacked value in the file, with ``{start}`` for the product time;
            empty if the variable has units of its own.
        says_unsigned: Whether the file has ``_Unsigned``.
        is_unsigned: Whether the raw values really are unsigned.
        per_unit: How many of the file's units make one of ours (s, km2, J, degrees).
        is_from_center: Whether ``lon_field_of_view`` is still to be added to the offset.
    """

    scale_factor: float
    add_offset: float
    units: str = ""
    says_unsigned: bool = True
    is_unsigned: bool = True
    per_unit: float = 1.0
    is_from_center: bool = False

    def at_center(self, center_lon: float) -> "Packing":
        """The packing for a field of view with its center at a longitude (degrees east)."""
        if not self.is_from_center:
            return self
        return replace(self, add_offset=center_lon + self.add_offset, is_from_center=False)

    @property
    def attributes(self) -> dict[str, Any]:
        """The packing as the file's attributes."""
        attributes: dict[str, Any] = {"_Unsigned": "true"} if self.says_unsigned else {}
        attributes["scale_factor"] = np.float32(self.scale_factor)
        attributes["add_offset"] = np.float32(self.add_offset)
        return attributes | ({"units": self.units} if self.units else {})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable:
    """A variable of the format.

    Attributes:
        name: Its name in the file.
        dtype: Its numpy type code on disk.
        dimension: Its dimension; None for a scalar.
        packing: What it measures, where it is packed, else None; a key of ``Format.packings``.
        value: What stands in a scalar or in bounds unless a granule or its satellite gives one.
        attributes: Texts and typed numbers, without those of the packing, in the files' order.
    """

    name: str
    dtype: str
    dimension: str | None
    packing: str | None
    value: Any
    attributes: Mapping[str, Any]

    @property
    def has_rows(self) -> bool:
        """Whether it has a value for each flash, group or event."""
        return self.dimension is not None and dimensions()[self.dimension] is None

    @property
    def flags(self) -> dict[int, str]:
        """Meanings of a flag's values, as the file names them; empty for other variables."""
        meanings = str(self.attributes.get("flag_meanings", "")).split()
        return dict(zip(map(int, self.attributes.get("flag_values", ())), meanings, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Format:
    """A revision of the format: all that is the same in the granules of its time.

    Attributes:
        name: As ``lcfa_revisions.yaml`` calls it.
        era: The era that it belongs to.
        since: From which start of granules it holds, UTC; None for the oldest.
        variables: The variables by name, in the order of the files.
        packings: The packing of every packed quantity.
        file_attributes: The attributes of the file that neither platform nor time changes.
    """

    name: str
    era: Era
    since: datetime | None
    variables: Mapping[str, Variable]
    packings: Mapping[str, Packing]
    file_attributes: Mapping[str, str]


def format_of(start: datetime, era: Era | None = None) -> Format:
    """Look up the format of a granule.

    Args:
        start: Start of the granule, UTC.
        era: An era to write in whatever the date; by default that of the date.

    Returns:
        The newest revision at that time (within the era, if one is given; the era's oldest if the
        granule is older than it). The same object for the same revision.
    """
    candidates = [one for one in formats() if era is None or one.era == era]
    return next(
        (one for one in reversed(candidates) if one.since is None or one.since <= start),
        candidates[0],
    )


def era_of(platform: str, start: datetime) -> Era:
    """Tell in which era a granule was made.

    Args:
        platform: ``G16``, ``G17``, ``G18`` or ``G19``. All changed together as far as is known, so
            it makes no difference yet.
        start: Start of the granule, UTC.

    Returns:
        The era.
    """
    del platform
    return format_of(start).era


def dimensions() -> Mapping[str, int | None]:
    """Lengths of dimensions by name, in the order of the files; None is unlimited."""
    lengths: Mapping[str, int | None] = _read("lcfa.yaml")["dimensions"]
    return lengths


def storage(*, compressed: bool) -> dict[str, Any]:
    """Chunks and filters of variables with rows, as keywords of h5py's ``create_dataset``."""
    entries = _read("lcfa.yaml")["storage"]["compressed" if compressed else "plain"]
    return {**entries, "chunks": tuple(entries["chunks"])}


def fill_value(dtype: str) -> float:
    """What the netCDF library fills with where a variable has no ``_FillValue``."""
    value: float = _read("lcfa.yaml")["fill_values"][dtype]
    return value


def order_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Put a variable's attributes into the order in which NOAA's files have them."""
    order = _read("lcfa.yaml")["attribute_order"]
    return {name: attributes[name] for name in order if name in attributes} | dict(attributes)


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """The revisions of the format, oldest first, each with what the ones before it said."""
    revisions = _read("lcfa_revisions.yaml")
    absent = {name for revision in revisions.values() for name in revision.get("adds", ())}
    merged: Entries = {}
    made = []
    for name, revision in revisions.items():
        absent -= set(revision.get("adds", ()))
        merged = {
            part: {**merged.get(part, {}), **revision.get(part, {})}
            for part in ("packings", "attributes", "values", "file_attributes")
        }
        made.append(_make_format(name, {**revision, **merged}, absent))
    return tuple(made)


@lru_cache(maxsize=2)
def _read(name: str) -> dict[str, Any]:
    """Read a data file, once in each process that simulates."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506  (both loaders are safe ones)
    return content


def _make_format(name: str, revision: Entries, absent: Collection[str]) -> Format:
    """Make a revision of what holds in it, without the variables that came later."""
    common = _read("lcfa.yaml")
    since: date | None = revision.get("since")
    midnight = datetime(since.year, since.month, since.day, tzinfo=UTC) if since else None
    return Format(
        name=name,
        era=Era(revision["era"]),
        since=midnight,
        variables={
            variable: _make_variable(variable, entries, revision)
            for variable, entries in common["variables"].items()
            if variable not in absent
        },
        packings={
            quantity: _make_packing(entries) for quantity, entries in revision["packings"].items()
        },
        file_attributes={**common["file_attributes"], **revision["file_attributes"]},
    )


def _make_packing(entries: Entries) -> Packing:
    """Make a packing of its entries, which are the file's attributes and facts besides."""
    others = {name: value for name, value in entries.items() if name != "_Unsigned"}
    return Packing(**others, says_unsigned="_Unsigned" in entries)


def _make_variable(name: str, entries: Entries, revision: Entries) -> Variable:
    """Make a variable of its entries and of what a revision says of it."""
    stored = entries["stored"]
    attributes = {key: value for key, value in entries.items() if key != "stored"}
    attributes |= revision["attributes"].get(name, {})
    if "number_of_qf_values" in attributes:
        parts = (f"percent_{meaning}" for meaning in attributes["flag_meanings"].split())
        attributes |= dict.fromkeys(parts, np.float32(0))
    value = revision["values"].get(name, stored.get("value"))
    return Variable(
        name=name,
        dtype=stored["type"],
        dimension=stored.get("dimension"),
        packing=stored.get("packing"),
        value=fill_value(stored["type"]) if value is None else value,
        attributes={
            key: _type_attribute(key, value, stored["type"]) for key, value in attributes.items()
        },
    )


def _type_attribute(name: str, value: object, dtype: str) -> object:
    """Give a number or a list of numbers the type that the file has; texts stay."""
    if isinstance(value, str | np.floating):
        return value
    return np.asarray(value, _read("lcfa.yaml")["attribute_types"].get(name, dtype))[()]
