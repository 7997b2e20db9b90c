"""The parameters of a run: one strict model of the whole tree, checked once before anything runs.

``check_parameters`` turns what was configured (``conf/*/parameters.yml`` and ``--params``) into
the plain nested mapping that nodes get: names that do not exist are refused, values are typed, and
``now`` is replaced by the time at which the run began.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from lightning_kedro import __version__
from lightning_kedro.climatology_parameters import Climatology, name_climatology
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.glm.levels import LEVEL_NAMES, complete_levels
from lightning_kedro.glm.satellites import CHOICES, read_satellite
from lightning_kedro.grid_parameters import Grids
from lightning_kedro.preprocessing_parameters import Preprocessing
from lightning_kedro.selection import DEFAULT_LABEL, Selection, split_label
from lightning_kedro.times import parse_utc

if TYPE_CHECKING:  # mypy wants to see each choice; pydantic makes them of the table
    Satellite = str
else:
    Satellite = Literal[CHOICES]

FIRST_TIME: Final = datetime(2017, 1, 1, tzinfo=UTC)
"""No window begins before the year of the first GLM data (GOES-16, 2017)."""

LAST_TIME: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""Nor does one end so late: a typing error, which arithmetic with times cannot stand."""


MOST_CELLS: Final = 10_000_000
"""More points than this do not fit into memory with the distances that fits need."""

MOST_CERTIFIED: Final = 100_000_000
"""Of so many flashes the rounding of sums was looked at; they would take an hour or more."""


class _Strict(BaseModel):
    """A branch of the tree: unknown names are refused, values never change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Strict):
    """The window of flash times: start inclusive, end exclusive, both UTC."""

    start: datetime
    end: datetime

    @field_validator("start", "end", mode="before")
    @classmethod
    def _read_time(cls, value: object, info: ValidationInfo) -> datetime:
        """Read a time; the validation context holds what ``now`` means."""
        time = parse_utc(value, now=(info.context or {})["now"])
        if not FIRST_TIME <= time <= LAST_TIME:
            message = (
                f"must be from {FIRST_TIME:%Y-%m-%d}, the year of the first GLM data, "
                f"to {LAST_TIME:%Y-%m-%d}"
            )
            raise ValueError(message)
        return time

    @model_validator(mode="after")
    def _check_order(self) -> "Window":
        if self.start >= self.end:
            message = (
                f"window.start ({self.start:%Y-%m-%dT%H:%M:%S}) must be before "
                f"window.end ({self.end:%Y-%m-%dT%H:%M:%S})"
            )
            raise ValueError(message)
        return self


class Ingestion(_Strict):
    """How ingestion takes what the archive lacks."""

    gaps: Literal["allow", "error"] = "allow"
    levels: tuple[str, ...] = (LEVEL_NAMES[0],)

    @field_validator("levels", mode="before")
    @classmethod
    def _read_levels(cls, value: object) -> tuple[str, ...]:
        """Take a list, or one level by itself; whatever its parents are comes with it."""
        names: list[object] = [value]
        if isinstance(value, list | tuple):
            names = [*value]
        levels = [name for name in LEVEL_NAMES if name in names]
        if not names or any(name not in levels for name in names):
            message = f"must be one of {', '.join(LEVEL_NAMES)}, or a list of them"
            raise ValueError(message)
        return complete_levels(levels)


def _read_k(value: object) -> object:
    """Let ``auto`` pass, and say what else may stand there."""
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    message = "must be auto or a whole number"
    raise ValueError(message)


class Clustering(_Strict):
    """How flashes are clustered, and how k is chosen."""

    label: Annotated[str, Field(min_length=1, max_length=64, coerce_numbers_to_str=True)] = (
        DEFAULT_LABEL
    )
    coordinates: Literal["sphere", "degrees"] = "sphere"
    standardize: bool = False
    k_min: Annotated[int, Field(ge=2)] = 2
    k_max: Annotated[int, Field(ge=2)] = 23
    k: Annotated[Literal["auto"] | int, BeforeValidator(_read_k)] = "auto"
    criterion: Literal["multiscale", "silhouette", "elbow"] = "multiscale"
    max_cells: Annotated[int, Field(ge=3, le=MOST_CELLS)] = 20_000
    max_certified: Annotated[int, Field(ge=0, le=MOST_CERTIFIED)] = 2_000_000
    random_state: Annotated[int, Field(ge=0, le=2**32 - 1)] = 60
    time_scale_km_per_hour: Annotated[float | None, Field(ge=1e-6, le=1e7)] = None

    @field_validator("label")
    @classmethod
    def _check_label(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            message = "must be printable text without spaces at its ends"
            raise ValueError(message)
        if split_label(value)[0] != value:
            message = (
                "must not end like what preprocessing.place and preprocessing.artifacts add to "
                "labels: @ground, @10km, @no-sun"
            )
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _check_k(self) -> "Clustering":
        if self.k_min > self.k_max:
            message = f"k_min ({self.k_min}) must not be greater than k_max ({self.k_max})"
            raise ValueError(message)
        if self.k != "auto" and not self.k_min <= self.k <= self.k_max:
            message = f"k ({self.k}) must be within k_min ({self.k_min}) and k_max ({self.k_max})"
            raise ValueError(message)
        if self.max_cells <= self.k_max:
            message = f"max_cells ({self.max_cells}) must be greater than k_max ({self.k_max})"
            raise ValueError(message)
        if self.standardize and self.coordinates != "degrees":
            message = "standardize works with coordinates: degrees only"
            raise ValueError(message)
        if self.standardize and self.time_scale_km_per_hour is not None:
            message = "standardize and time_scale_km_per_hour cannot be used together"
            raise ValueError(message)
        return self


class Storms(_Strict):
    """How storms are found and followed."""

    method: Literal["tracked", "dbscan"] = "tracked"
    eps_km: Annotated[float, Field(ge=1, le=500)] = 20.0
    eps_minutes: Annotated[float, Field(ge=1, le=1440)] = 30.0
    min_flashes: Annotated[int, Field(ge=1, le=10_000)] = 3
    look_back_hours: Annotated[float, Field(ge=0, le=240)] = 24.0
    link_km: Annotated[float, Field(ge=1, le=500)] = 15.0
    step_minutes: Annotated[float, Field(ge=1, le=60)] = 10.0
    memory_minutes: Annotated[float, Field(ge=1, le=360)] = 40.0
    settle_minutes: Annotated[float, Field(ge=0, le=720)] = 60.0
    settle_flashes: Annotated[int, Field(ge=0)] = 40
    settle_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    split_km: Annotated[float, Field(ge=1)] = 60.0
    split_flashes: Annotated[int, Field(ge=1)] = 20

    @model_validator(mode="after")
    def _check_memory(self) -> "Storms":
        if self.memory_minutes < self.step_minutes:
            message = (
                f"memory_minutes ({self.memory_minutes:g}) must not be less than step_minutes "
                f"({self.step_minutes:g})"
            )
            raise ValueError(message)
        if self.split_km <= self.link_km:
            message = (
                f"split_km ({self.split_km:g}) must be greater than link_km ({self.link_km:g})"
            )
            raise ValueError(message)
        return self


class Parameters(_Strict):
    """The whole tree."""

    satellite: Satellite
    window: Window
    ingestion: Ingestion = Ingestion()
    preprocessing: Preprocessing = Preprocessing()
    clustering: Clustering = Clustering()
    storms: Storms = Storms()
    grids: Grids = Grids()
    climatology: Climatology = Climatology()
    archive: str | None = None
    unchanged: Literal["keep", "remake"] = "keep"

    @field_validator("satellite", mode="before")
    @classmethod
    def _read_satellite(cls, value: object) -> object:
        """Take any usual way to write a satellite or a slot."""
        return read_satellite(value if isinstance(value, str) else str(value))


def check_parameters(raw: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Check the parameters of a run and make them plain.

    Args:
        raw: The tree as configured and overridden.
        now: When the run began, UTC.

    Returns:
        The tree with every default filled in; times as ISO 8601 text in UTC without offset. Besides
        what was configured it has ``run_time``, the time at which the run began, and ``selection``,
        what the run is of: satellites by part of the window, region, quality and label.

    Raises:
        ParameterError: If a name does not exist or a value cannot be used. One or two sentences
            that name the parameter, what was given and what is expected.
    """
    try:
        model = Parameters.model_validate(dict(raw), context={"now": now})
    except ValidationError as error:
        raise ParameterError(_describe(error.errors(include_url=False))) from None
    plain = model.model_dump()
    plain["window"] = {side: _plain_time(time) for side, time in plain["window"].items()}
    plain["ingestion"]["levels"] = list(plain["ingestion"]["levels"])
    plain["run_time"] = _plain_time(now)
    plain["selection"] = Selection.from_parameters(plain).to_plain()
    return plain


def name_intermediates(checked: Mapping[str, Any]) -> dict[str, str]:
    """Name what passes between the nodes of a pipeline by all that it depends on.

    Args:
        checked: The checked parameters.

    Returns:
        A name by pipeline, which can be that of a folder.
    """
    selection = Selection.from_plain(checked["selection"])
    ingested = Selection(selection.segments)
    fitted = {name: value for name, value in checked["clustering"].items() if name not in _CHOSEN}
    unlabelled = replace(selection, label=DEFAULT_LABEL)
    granules = [checked["archive"], checked["ingestion"]["levels"]]
    return {
        "ingestion": f"{ingested.name}-{_digest(granules)}",
        "clustering": f"{unlabelled.name}-{_digest(fitted)}",
        "storms": f"{selection.name}-{_digest(checked['storms'])}",
        "grids": f"{ingested.name}-{_digest(checked['archive'])}",
        "climatology": name_climatology(selection, checked["climatology"]),
        "reporting": selection.name,
    }


_CHOSEN: Final = ("k", "criterion", "label")
"""What is decided after everything is fitted: another choice can be made of the same fits."""


def _digest(value: object) -> str:
    """A digest of plain parameters and of the version of the code, 12 hexadecimal digits."""
    text = json.dumps([__version__, value], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain_time(time: datetime) -> str:
    """ISO 8601 text of a UTC time, without its offset."""
    return time.replace(tzinfo=None).isoformat()


def _describe(errors: list[ErrorDetails]) -> str:
    """One or two sentences on what is wrong: unknown names first, they often cause the rest."""
    errors = sorted(errors, key=lambda error: error["type"] != "extra_forbidden")
    first = errors[0]
    # A union reports each of its branches as a last part of the place: keep the parameter's name.
    name = ".".join(str(part) for part in first["loc"] if part in _NAME_PARTS or _is_extra(first))
    more = len({error["loc"] for error in errors}) - 1
    rest = f" ({more} more such problem{'s' if more > 1 else ''}.)" if more else ""
    if _is_extra(first):
        return f"Parameter {name} does not exist{_suggest(name)}{rest}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "missing":
        return f"Parameter {name} is missing: set it in conf/base/parameters.yml.{rest}"
    if isinstance(first["input"], Mapping | BaseModel):
        return f"Parameter {name}: {message}.{rest}"
    verb = "" if first["type"] == "value_error" else "cannot be used, expected "
    return f"Parameter {name}: {first['input']!r} {verb}{message}.{rest}"


def _is_extra(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"


def _suggest(name: str) -> str:
    """The end of the sentence: the nearest name that does exist, or all names."""
    last = name.rpartition(".")[2]
    close = [known for known in _NAMES if known.rpartition(".")[2] == last]
    close = close or difflib.get_close_matches(name, _NAMES, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; the parameters are {', '.join(_NAMES)}."


def _list_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of all parameters in a branch."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _list_names(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


_NAMES: Final = tuple(_list_names(Parameters))
_NAME_PARTS: Final = {part for name in _NAMES for part in name.split(".")}
