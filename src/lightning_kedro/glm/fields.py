"""The words in which the table of levels is written: kinds of variables, quantities and bounds.

``lightning_kedro.glm.levels`` is the table, ``lightning_kedro.glm.variables`` reads what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Final

MAX_FLASHES: Final = 1 << 16
"""No granule can hold more flashes: ``flash_id`` has 16 bits and is unique within a granule."""

MAX_DECLARED: Final = 630_000
"""The largest ``flash_count``, ``group_count`` or ``event_count`` that its ``valid_range``
admits; no more groups or events are believed either."""

MAX_TIME_MISMATCH: Final = timedelta(seconds=1)
"""The product time of a sound granule equals the start in its name, to a tenth of a second."""

MAX_DURATION: Final = timedelta(seconds=5)
"""The longest flash that is believed: one is closed, with quality flag 5, after 3.0 s."""

MISSING_QUALITY: Final = -1
MAX_QUALITY: Final = 5
"""The largest quality flag: the variables' ``valid_range`` is 0 to 5."""

MAX_ID: Final = MAX_FLASHES - 1
MAX_LONG_ID: Final = (1 << 32) - 1
MAX_LAT: Final = 90.0
MAX_LON: Final = 180.0


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a packed variable holds: the units it may have, and the values that are believed.

    Attributes:
        unit: Our unit.
        factors: By the units that files have: how many of ours one is.
        low: The least value that is believed (our unit).
        high: The greatest.
    """

    unit: str
    factors: Mapping[str, float]
    low: float
    high: float


# A value beyond these bounds proves damage, so that nothing else in the file is believed either.
# They are wide: flashes of real granules lie at -1.73 to 19.84 s and the present packing reaches
# from -5 to 20 s, to 10,000.8 km2 and, in the oldest files, to 1.0e-10 J. Events of GOES-West reach
# to -203.56 degrees east.
TIME: Final = Quantity("s", {"seconds": 1.0, "milliseconds": 1e-3}, -10.0, 40.0)
ENERGY: Final = Quantity("J", {"J": 1.0}, 0.0, 1e-9)
AREA: Final = Quantity("km2", {"km2": 1.0, "m2": 1e-6}, 0.0, 11_000.0)
LAT: Final = Quantity("degrees", {"degrees_north": 1.0}, -MAX_LAT, MAX_LAT)
LON: Final = Quantity("degrees", {"degrees_east": 1.0}, -360.0, MAX_LON)
SHORT_ID: Final = Quantity("1", {"1": 1.0}, 0, MAX_ID)
LONG_ID: Final = Quantity("1", {"1": 1.0}, 0, MAX_LONG_ID)
QUALITY: Final = Quantity("1", {"1": 1.0}, 0, MAX_QUALITY)

TIME_BOUNDS: Final = (
    timedelta(seconds=TIME.low) - MAX_TIME_MISMATCH,
    timedelta(seconds=TIME.high) + MAX_TIME_MISMATCH,
)
"""How long after the start in its granule's name a flash, group or event can begin or end."""


class Kind(Enum):
    """How a variable is stored.

    Attributes:
        SHORT_ID: 16 bits, unsigned, not packed.
        LONG_ID: 32 bits, unsigned, not packed.
        TIME: int16, packed, after the product time; signed in the oldest era, unsigned since.
        DEGREES: float32, never packed: centroids of flashes and groups.
        PLACE: uint16, packed, without a fill value: pixels of events. Float64 when unpacked.
        EDGE: Whether a pixel's longitude is the largest that its packing can hold.
        AMOUNT: uint16, packed, with a fill value.
        QUALITY: int16, flags from 0 to 5, with a fill value.
    """

    SHORT_ID = auto()
    LONG_ID = auto()
    TIME = auto()
    DEGREES = auto()
    PLACE = auto()
    EDGE = auto()
    AMOUNT = auto()
    QUALITY = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """One of our columns, and the variable that it comes from.

    Attributes:
        column: What we call it.
        variable: What the file calls it.
        kind: How it is stored.
        quantity: What it holds.
    """

    column: str
    variable: str
    kind: Kind
    quantity: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of the format.

    Attributes:
        name: What the parameter ``ingestion.levels`` calls it.
        table: The table of its rows.
        parent: The level of its parents; None of flashes.
        max_rows: How many rows a granule can have, at most.
        count: The scalar in which the file declares how many there are; rows win.
        fields: Its columns; the first is its id, unique within the granule.
    """

    name: str
    table: str
    parent: str | None
    max_rows: int
    count: str
    fields: tuple[Field, ...]

    @property
    def id(self) -> Field:
        """The field that names a row."""
        return self.fields[0]
