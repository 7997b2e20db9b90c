"""The bounds of what a flash can be, as SQL: the same ones that granules are held against."""

from datetime import timedelta
from typing import Final

from lightning_kedro.glm.flashes import BOUNDS, MAX_DURATION, TIME_BOUNDS


def _write_bounds() -> str:
    """SQL that is true of a flash whose values are possible; a null is not, where none may be."""
    optional = ("energy_j", "area_km2", "quality_flag")
    parts = [
        f"({name} IS NULL OR {name} BETWEEN {low!r} AND {high!r})"
        if name in optional
        else f"{name} BETWEEN {low!r} AND {high!r}"
        for name, (low, high) in BOUNDS.items()
    ]
    first, last = (_interval(bound) for bound in TIME_BOUNDS)
    parts.append(f"time BETWEEN granule_start + {first} AND granule_start + {last}")
    parts.append(f"time_end BETWEEN time AND time + {_interval(MAX_DURATION)}")
    return " AND ".join(parts)


def _interval(duration: timedelta) -> str:
    """An SQL literal of a duration."""
    return f"to_microseconds({duration // timedelta(microseconds=1)})"


IS_SOUND: Final = _write_bounds()
"""SQL that is true of a row of ``flashes`` whose values are possible."""
