"""The bounds of what a flash, group or event can be, as SQL: those that granules are held to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from lightning_kedro.glm.fields import MAX_DURATION, TIME_BOUNDS
from lightning_kedro.glm.levels import LEVELS, list_bounds

_OPTIONAL: Final = ("energy_j", "area_km2", "quality_flag")
"""The columns in which a value may be missing."""


def _write_bounds(level: str) -> str:
    """SQL that is true of a row whose values are possible; a null is not, where none may be."""
    parts = [
        f"({name} IS NULL OR {name} BETWEEN {low!r} AND {high!r})"
        if name in _OPTIONAL
        else f"{name} BETWEEN {low!r} AND {high!r}"
        for name, (low, high) in list_bounds(level).items()
    ]
    first, last = (_interval(bound) for bound in TIME_BOUNDS)
    parts.append(f"time BETWEEN granule_start + {first} AND granule_start + {last}")
    if any(field.column == "time_end" for field in LEVELS[level].fields):
        parts.append(f"time_end BETWEEN time AND time + {_interval(MAX_DURATION)}")
    return " AND ".join(parts)


def _interval(duration: timedelta) -> str:
    """An SQL literal of a duration."""
    return f"to_microseconds({duration // timedelta(microseconds=1)})"


SOUND_ROWS: Final[Mapping[str, str]] = {
    level.table: _write_bounds(level.name) for level in LEVELS.values()
}
"""SQL that is true of a row whose values are possible, by table."""

IS_SOUND: Final = SOUND_ROWS["flashes"]
"""SQL that is true of a row of ``flashes`` whose values are possible."""
