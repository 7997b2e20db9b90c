"""What a run is of: which flashes are selected, and the key and name of what is made of them.

A flash is written to the granule in which it closes, so that it may have begun in the granule, hour
or day before. The flashes of a window are therefore those with start <= time of first event < end.

A selection is made once, from the checked parameters, and travels as the plain parameter
``selection`` from there on: nodes, tables, folders and reports all take their key from it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

from lightning_kedro.glm.orbital_slot import Segment, find_segments, split_sides

EVERYWHERE: Final = "all"
"""The key's ``region`` of a selection that takes the whole field of view."""

DEFAULT_LABEL: Final = "default"

ON_ELLIPSOID: Final = "ellipsoid"
"""``place`` of flashes where the files have them: on the lightning ellipsoid."""

ON_GROUND: Final = "ground"
"""``place`` of flashes where their lines of sight meet the ground; a height in km beside it."""

KEEP: Final = "keep"
LEAVE_OUT: Final = "leave_out"
"""What ``artifacts`` may be: whether flashes that the Sun may have made are kept."""

_VARIANT: Final = re.compile(
    r"(?P<label>.+)@(?:(?P<ground>ground)|(?P<height>[\d.]+)km)?\+?(?P<sunless>no-sun)?"
)
"""The end of a key's label that tells of ``place`` and ``artifacts``, see ``Selection.variant``."""


class ResultKey(NamedTuple):
    """The columns that name a result in every table of results.

    Attributes:
        platform: The satellites, in order of time: ``G18``, or ``G16+G19``; of both slots those of
            GOES-East first: ``G16+G18``.
        window_start: Start of the window, UTC without time zone, inclusive.
        window_end: End of the window, UTC without time zone, exclusive.
        region: ``all``, or west, south, east and north in degrees: ``-100,20,-80,45``.
        min_quality: ``all`` or ``good``.
        label: What variants of one selection are told apart by: ``clustering.label``, followed by
            what differs from the files: ``default@ground``.
    """

    platform: str
    window_start: datetime
    window_end: datetime
    region: str = EVERYWHERE
    min_quality: str = "all"
    label: str = DEFAULT_LABEL


@dataclass(frozen=True, slots=True)
class Region:
    """A box of longitudes and latitudes, in degrees; ``west`` > ``east`` crosses 180 degrees."""

    west: float
    south: float
    east: float
    north: float

    def __str__(self) -> str:
        """West, south, east and north, as short as they can be without a loss."""
        sides = (self.west, self.south, self.east, self.north)
        return ",".join(repr(float(side)).removesuffix(".0") for side in sides)


@dataclass(frozen=True, slots=True)
class Selection:
    """The flashes of a window, and the label of what is made of them.

    Attributes:
        segments: Which satellite in which part of the window, in order of time; of both slots
            those of GOES-East first.
        region: Where, or None for the whole field of view.
        min_quality: ``all``, or ``good`` for flashes with quality flag 0 only.
        label: What variants are told apart by (``clustering.label``).
        place: Where flashes are put: ``ellipsoid``, ``ground``, or so many km above the ground.
        artifacts: ``keep``, or ``leave_out`` without flashes that the Sun may have made.
    """

    segments: tuple[Segment, ...]
    region: Region | None = None
    min_quality: str = "all"
    label: str = DEFAULT_LABEL
    place: str = ON_ELLIPSOID
    artifacts: str = KEEP

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Make a selection from the run's parameters (a nested mapping, already checked).

        Raises:
            ParameterError: If no satellite held the slot asked for when the window starts.
        """
        start, end = (_read_time(parameters["window"][side]) for side in ("start", "end"))
        preprocessing = parameters["preprocessing"]
        sides = {side: preprocessing["region"][side] for side in ("west", "south", "east", "north")}
        return cls(
            segments=find_segments(parameters["satellite"], start, end),
            region=None if None in sides.values() else Region(**sides),
            min_quality=preprocessing["min_quality"],
            label=parameters["clustering"]["label"],
            place=preprocessing.get("place", ON_ELLIPSOID),
            artifacts=preprocessing.get("artifacts", KEEP),
        )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read the parameter ``selection``, as ``to_plain`` makes it."""
        region = plain["region"]
        return cls(
            segments=read_segments(plain["segments"]),
            region=None if region is None else Region(**region),
            min_quality=plain["min_quality"],
            label=plain["label"],
            place=plain.get("place", ON_ELLIPSOID),
            artifacts=plain.get("artifacts", KEEP),
        )

    def to_plain(self) -> dict[str, Any]:
        """The selection as a parameter: text and numbers only, times as ISO 8601 in UTC."""
        segments = [
            {
                "platform": segment.platform,
                "start": _drop_zone(segment.start).isoformat(),
                "end": _drop_zone(segment.end).isoformat(),
            }
            for segment in self.segments
        ]
        return {
            "name": self.name,
            "segments": segments,
            "region": None if self.region is None else asdict(self.region),
            "min_quality": self.min_quality,
            "label": self.label,
            "place": self.place,
            "artifacts": self.artifacts,
        }

    @property
    def good_only(self) -> bool:
        """Whether only flashes with quality flag 0 are wanted."""
        return self.min_quality == "good"

    @property
    def sides(self) -> list[tuple[Segment, ...]]:
        """The segments by slot: two tuples if both slots are merged, else one."""
        return split_sides(self.segments)

    @property
    def is_merged(self) -> bool:
        """Whether two satellites look at the same time, so that a flash may be in both."""
        return len(self.sides) > 1

    @property
    def cloud_top_km(self) -> float | None:
        """How high above the ground flashes are put, km; None to leave them on the ellipsoid."""
        if self.place == ON_ELLIPSOID:
            return None
        return 0.0 if self.place == ON_GROUND else float(self.place)

    @property
    def variant(self) -> str:
        """What of a result's label says how its flashes differ from the files'; mostly nothing.

        Such as ``@ground``, ``@10km``, ``@no-sun`` or ``@ground+no-sun``: a result with other
        places, or of fewer flashes, never replaces the one without.
        """
        place = {ON_ELLIPSOID: "", ON_GROUND: "ground"}.get(self.place, f"{self.place}km")
        words = [word for word in (place, "no-sun" * (self.artifacts == LEAVE_OUT)) if word]
        return f"@{'+'.join(words)}" if words else ""

    @property
    def platform(self) -> str:
        """The satellites, in order of time: ``G18``, or ``G16+G19`` where a slot changed hands.

        Of both slots, merged, those of GOES-East first: ``G16+G18``. No slot ever held both, so
        that the two cannot be mistaken for one another.
        """
        return "+".join(dict.fromkeys(segment.platform for segment in self.segments))

    @property
    def start(self) -> datetime:
        """Start of the window, inclusive, UTC."""
        return min(segment.start for segment in self.segments)

    @property
    def end(self) -> datetime:
        """End of the window, exclusive, UTC."""
        return max(segment.end for segment in self.segments)

    @property
    def key(self) -> ResultKey:
        """What names the selection's rows in the tables of results."""
        return ResultKey(
            self.platform,
            _drop_zone(self.start),
            _drop_zone(self.end),
            EVERYWHERE if self.region is None else str(self.region),
            self.min_quality,
            f"{self.label}{self.variant}",
        )

    @property
    def name(self) -> str:
        """What a folder for the selection's report is called; another one for every key.

        Only letters, digits and ``_ + - .``, and nothing that differs by case alone.
        """
        parts = [self.platform, _stamp(self.start), _stamp(self.end)]
        if self.region is not None:
            parts.append(f"region{str(self.region).replace(',', '_')}")
        if self.min_quality != "all":
            parts.append(f"quality-{self.min_quality}")
        if self.variant:
            parts.append(self.variant.removeprefix("@"))
        if self.label != DEFAULT_LABEL:
            parts.append(f"label-{_slug(self.label)}")
        return "_".join(parts)

    def stretch(self, start: datetime, end: datetime) -> Self:
        """The same selection with another start and end of its window, UTC.

        Its first satellite, of both slots each one's, is asked for from the new start on, its last
        one until the new end.
        """
        segments: list[Segment] = []
        for side in self.sides:
            parts = [replace(side[0], start=start), *side[1:]]
            parts[-1] = replace(parts[-1], end=end)
            segments += parts
        return replace(self, segments=tuple(segments))

    def __str__(self) -> str:
        """The selection in words, for messages."""
        window = f"{_clock(self.start)} to {_clock(self.end)} of {self.platform}"
        region = self.region
        where = (
            ""
            if region is None
            else f" within preprocessing.region west {region.west:g}, south {region.south:g}, "
            f"east {region.east:g}, north {region.north:g}"
        )
        quality = " with quality flag 0 (preprocessing.min_quality: good)" * self.good_only
        place = "" if self.place == ON_ELLIPSOID else f", preprocessing.place {self.place}"
        kept = ", preprocessing.artifacts leave_out" * (self.artifacts == LEAVE_OUT)
        label = "" if self.label == DEFAULT_LABEL else f", clustering.label {self.label}"
        return f"the window {window}{where}{quality}{place}{kept}{label}"


def split_label(label: str) -> tuple[str, str, str]:
    """Part a key's label: ``clustering.label``, ``place`` and ``artifacts``.

    Example:
        >>> split_label("default@ground+no-sun"), split_label("mine@home")
        (('default', 'ground', 'leave_out'), ('mine@home', 'ellipsoid', 'keep'))
    """
    found = _VARIANT.fullmatch(label)
    if found is None or not (found["ground"] or found["height"] or found["sunless"]):
        return label, ON_ELLIPSOID, KEEP
    place = found["ground"] or found["height"] or ON_ELLIPSOID
    return found["label"], place, LEAVE_OUT if found["sunless"] else KEEP


def read_segments(plain: Sequence[Mapping[str, str]]) -> tuple[Segment, ...]:
    """Read the parameter ``selection.segments``: which satellite in which part of the window."""
    return tuple(
        Segment(part["platform"], _read_time(part["start"]), _read_time(part["end"]))
        for part in plain
    )


def _read_time(text: str) -> datetime:
    """A time of the parameters: ISO 8601 in UTC, without an offset."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _drop_zone(time: datetime) -> datetime:
    """A time in UTC, without its zone, as tables hold it."""
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def _clock(time: datetime) -> str:
    """A time for messages, to the second or as finely as it needs."""
    return _drop_zone(time).isoformat()


def _stamp(time: datetime) -> str:
    """A time for names of folders, as short as it can be without a loss: ``20240714T2200``."""
    fraction = "%S%f" if time.microsecond else "%S" if time.second else ""
    return f"{time:%Y%m%dT%H%M{fraction}}"


def _slug(text: str) -> str:
    """A text as part of a name; a digest is added where letters had to be changed."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
    if slug == text:
        return slug
    return f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")
